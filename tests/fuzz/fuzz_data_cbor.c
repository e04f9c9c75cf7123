/* CBOR: no bytes crash the reader; what it takes can be skipped, and can be written back as bytes
 * that it takes again and that then stay the same. */
#include "data/cbor.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { LIMIT = 4 << 20 };

static bool copy(struct cbor_reader *r, enum cbor_token tok, struct buf *out);

/* The items of the level that is open, then the level itself with their number. */
static bool copy_level(struct cbor_reader *r, bool is_map, struct buf *out)
{
    AUTO_BUF struct buf items;
    size_t count = 0;
    enum cbor_token tok;
    buf_init(&items, LIMIT);
    while ((tok = cbor_next(r)) != CBOR_ARRAY_END && tok != CBOR_MAP_END) {
        if (!copy(r, tok, &items))
            return false;
        count++;
    }
    if (is_map)
        cbor_put_map(out, count / 2);
    else
        cbor_put_array(out, count);
    buf_put(out, buf_str(&items));
    return true;
}

static bool copy(struct cbor_reader *r, enum cbor_token tok, struct buf *out)
{
    switch (tok) {
    case CBOR_UINT: cbor_put_u64(out, r->number); return true;
    case CBOR_NEGATIVE:
        if (r->number > INT64_MAX)
            cbor_put_null(out);
        else
            cbor_put_i64(out, -1 - (int64_t) r->number);
        return true;
    case CBOR_BYTES: cbor_put_bytes(out, r->text); return true;
    case CBOR_TEXT: cbor_put_text(out, r->text); return true;
    case CBOR_ARRAY_BEGIN:
    case CBOR_MAP_BEGIN: return copy_level(r, tok == CBOR_MAP_BEGIN, out);
    case CBOR_TAG:
        for (; tok == CBOR_TAG; tok = cbor_next(r))
            cbor_put_tag(out, r->number);
        return copy(r, tok, out);
    case CBOR_FALSE:
    case CBOR_TRUE: cbor_put_bool(out, tok == CBOR_TRUE); return true;
    case CBOR_NULL: cbor_put_null(out); return true;
    case CBOR_FLOAT: cbor_put_double(out, r->real); return true;
    case CBOR_ERROR: assert(r->error != NULL && r->error_at <= r->input.len); return false;
    case CBOR_ARRAY_END:
    case CBOR_MAP_END:
    case CBOR_END:
    default: assert(tok == CBOR_ERROR); return false; /* an end where an item begins */
    }
}

static bool copy_all(struct str bytes, struct arena *arena, struct buf *out)
{
    struct cbor_reader r;
    cbor_reader_init(&r, bytes, arena);
    return copy(&r, cbor_next(&r), out) && cbor_next(&r) == CBOR_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf once, twice;
    struct cbor_reader r;
    arena_init(&arena, LIMIT);
    buf_init(&once, LIMIT);
    buf_init(&twice, LIMIT);
    bool is_valid = copy_all(str_of(bytes, size), &arena, &once);
    cbor_reader_init(&r, str_of(bytes, size), &arena);
    bool is_skipped = cbor_skip(&r, cbor_next(&r)) && cbor_next(&r) == CBOR_END;
    assert(is_skipped == is_valid);
    if (!is_valid)
        return 0;
    bool is_valid_again = copy_all(buf_str(&once), &arena, &twice);
    assert(is_valid_again && str_eq(buf_str(&once), buf_str(&twice)));
    return 0;
}
