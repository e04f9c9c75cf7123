/* HTTP response heads: refused with -502 or taken, views inside the input, prefixes agree. */
#include "net/http1.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct http_head head;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str input = str_of(bytes, size);
    struct err err;
    int rc = http1_parse_response(input, &head, &err);
    assert(rc <= (int) size && (rc >= 0 || (rc == -502 && err.code == -502)));
    if (rc > 0) {
        assert(head.status >= 100 && head.status <= 999);
        assert(head.reason.len == 0 || head.reason.ptr + head.reason.len <= input.ptr + rc);
        for (size_t i = 0; i < head.header_count; i++)
            assert(head.headers[i].value.ptr + head.headers[i].value.len <= input.ptr + rc);
    }
    size_t step = size / 64 + 1;
    for (size_t cut = 0; cut < size; cut += step) {
        int part = http1_parse_response(str_head(input, cut), &head, NULL);
        assert(part == 0 || part == rc);
    }
    return 0;
}
