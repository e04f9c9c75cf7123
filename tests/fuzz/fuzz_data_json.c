/* JSON: what the reader accepts, the writer writes back as a text that the reader accepts again and
 * that then stays the same; skipping and checking agree with reading token by token; the strict
 * reader accepts nothing more than the lenient one. */
#include "data/json.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { LIMIT = 16 << 20 };

/* Copies all tokens; false when the text is not valid. */
static bool copy(struct str text, bool is_lenient, struct arena *arena, struct buf *out)
{
    struct json_reader r;
    struct json_writer w;
    json_reader_init(&r, text, arena);
    r.is_lenient = is_lenient;
    json_writer_init(&w, out);
    for (;;) {
        switch (json_next(&r)) {
        case JSON_ERROR: assert(r.error != NULL && r.error_at <= text.len); return false;
        case JSON_END: return true;
        case JSON_OBJECT_BEGIN: json_object_begin(&w); break;
        case JSON_OBJECT_END: json_object_end(&w); break;
        case JSON_ARRAY_BEGIN: json_array_begin(&w); break;
        case JSON_ARRAY_END: json_array_end(&w); break;
        case JSON_KEY: json_key(&w, r.text); break;
        case JSON_STRING: json_str(&w, r.text); break;
        case JSON_NUMBER: json_raw(&w, r.text); break;
        case JSON_TRUE: json_bool(&w, true); break;
        case JSON_FALSE: json_bool(&w, false); break;
        case JSON_NULL: json_null(&w); break;
        }
    }
}

static bool skips(struct str text)
{
    struct json_reader r;
    struct str raw;
    json_reader_init(&r, text, NULL);
    enum json_token first = json_next(&r);
    if (first == JSON_STRING)
        return json_next(&r) == JSON_END; /* no escapes, or the arena would be missed */
    return json_skip(&r, first, &raw) && json_is_valid(raw, NULL) && json_next(&r) == JSON_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = str_of(bytes, size);
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf once, twice;
    arena_init(&arena, LIMIT);
    buf_init(&once, LIMIT);
    buf_init(&twice, LIMIT);
    bool is_strictly_valid = copy(text, false, &arena, &once);
    buf_reset(&once);
    bool is_valid = copy(text, true, &arena, &once);
    assert(is_valid || !is_strictly_valid);
    assert(is_valid == json_is_valid(text, NULL));
    if (skips(text))
        assert(is_valid);
    if (!is_valid)
        return 0;
    bool is_valid_again = copy(buf_str(&once), false, &arena, &twice);
    assert(is_valid_again);
    assert(str_eq(buf_str(&once), buf_str(&twice)));
    return 0;
}
