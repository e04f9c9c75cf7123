/* URIs: what was encoded decodes to itself; queries are cut within bounds and agree with find. */
#include "data/uri.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void query(struct arena *arena, struct str text)
{
    struct str rest = text, key, value, name, found;
    while (uri_query_next(&rest, &key, &value)) {
        assert(key.ptr >= text.ptr && key.ptr + key.len <= text.ptr + text.len);
        if (uri_decode(arena, key, true, &name) < 0)
            return;
        if (uri_query_find(arena, text, name, &found) == 0)
            assert(found.ptr != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str input = str_of(bytes, size), out;
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf text;
    arena_init(&arena, 16 << 20);
    buf_init(&text, 16 << 20);
    for (int flags = 0; flags < 4; flags++) {
        buf_reset(&text);
        uri_encode(&text, input, (flags & 1) != 0);
        int rc = uri_decode(&arena, buf_str(&text), (flags & 2) != 0, &out);
        assert(rc == 0);
        assert(str_eq(out, input));
    }
    if (uri_decode(&arena, input, false, &out) == 0)
        assert(out.len <= input.len);
    if (size > 0 && size < 4096)
        query(&arena, input);
    return 0;
}
