/* The body of a subscription to telemetry: whatever an extension sends, it is taken with all of its
 * limits kept, or refused with a reason; what will stand in a request head can end no line. */
#include "base/assert.h"
#include "runtime/telemetry_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct telemetry_request *got)
{
    assert(got->types != 0 && got->types <= 7);
    assert((got->schema & (got->schema - 1)) == 0 && got->schema != 0);
    assert(got->port != 0 && got->port != 9001 && got->port != 4566);
    assert(got->items_max >= 1000 && got->items_max <= 10000);
    assert(got->bytes_max >= 262144 && got->bytes_max <= 1048576);
    assert(got->timeout_ms >= 25 && got->timeout_ms <= 30000);
    assert(got->is_tcp || (got->host != NULL && got->path[0] == '/'));
    for (const char *at = got->path; *at != '\0'; at++)
        assert(*at > ' ' && *at < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct telemetry_request got;
    struct buf problems;
    if (size == 0)
        return 0;
    buf_init(&problems, 1024);
    int rc = telemetry_request_parse(str_of(data + 1, size - 1),
                                     data[0] % 2 == 0 ? TELEMETRY_API : TELEMETRY_LOGS_API, &got,
                                     &problems);
    assert((rc < 0) == (problems.len > 0));
    if (rc == 0)
        check(&got);
    buf_done(&problems);
    return 0;
}
