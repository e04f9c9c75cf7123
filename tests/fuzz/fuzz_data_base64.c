/* Base64: every accepted text is the one that its bytes encode to; every bytes come back. */
#include "data/base64.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str input = str_of(bytes, size), plain;
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf out;
    arena_init(&arena, 16 << 20);
    buf_init(&out, 16 << 20);
    if (base64_decode(&arena, input, &plain) == 0) {
        base64_encode(&out, plain);
        assert(str_eq(buf_str(&out), input));
        buf_reset(&out);
    }
    base64_encode(&out, input);
    int rc = base64_decode(&arena, buf_str(&out), &plain);
    assert(rc == 0);
    assert(str_eq(plain, input));
    return 0;
}
