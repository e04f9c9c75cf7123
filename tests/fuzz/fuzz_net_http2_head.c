/* Fields of an HTTP/2 head: name NUL value NUL …; whatever is accepted obeys http1.c's rules. */
#include "net/http2_head.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_of(data, size), name, value;
    struct http2_head h;
    struct http_head head;
    struct err err;
    http2_head_init(&h);
    while (str_split(&rest, '\0', &name) && str_split(&rest, '\0', &value))
        http2_head_add(&h, name, value);
    int rc = http2_head_finish(&h, &head, &err);
    assert(rc == 0 || (rc <= -400 && rc >= -501));
    if (rc == 0) {
        assert(head.header_count <= HTTP1_HEADERS_MAX && head.host.len > 0);
        assert(str_eq(http_header_find(&head, STR("host")), head.host));
        assert(head.path.ptr[0] == '/' || head.path.ptr[0] == '*');
    }
    http2_head_done(&h);
    return 0;
}
