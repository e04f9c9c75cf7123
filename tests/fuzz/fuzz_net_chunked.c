/* The chunked coding: however a body is cut into packets, it decodes to the same bytes, consumes
 * the same, or fails. The first byte chooses the size of the packets. */
#include "net/http1.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct outcome {
    struct buf body;
    size_t used;
    bool is_done, is_bad;
};

static void decode(struct outcome *o, struct str input, size_t step)
{
    struct http1_chunked c = {0};
    buf_init(&o->body, input.len + 1);
    while (o->used < input.len && !c.is_done && !o->is_bad) {
        struct str piece = str_head(str_skip(input, o->used), step), data;
        size_t used = 0;
        o->is_bad = http1_chunked_next(&c, piece, &used, &data, NULL) < 0;
        if (o->is_bad)
            break;
        assert(used > 0 && used <= piece.len);
        assert(data.ptr >= piece.ptr && data.ptr + data.len <= piece.ptr + piece.len);
        buf_put(&o->body, data);
        o->used += used;
    }
    o->is_done = c.is_done;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct str input = str_of(bytes + 1, size - 1);
    struct outcome whole = {0}, pieces = {0};
    decode(&whole, input, input.len + 1);
    decode(&pieces, input, (size_t) bytes[0] % 16 + 1);
    assert(whole.is_bad == pieces.is_bad && whole.is_done == pieces.is_done);
    /* A failing call hands nothing out, so only good bodies can be compared. */
    assert(whole.is_bad || str_eq(buf_str(&whole.body), buf_str(&pieces.body)));
    assert(whole.is_bad || whole.used == pieces.used);
    buf_done(&whole.body);
    buf_done(&pieces.body);
    return 0;
}
