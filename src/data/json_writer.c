/* The JSON writer: appends to a buf, whose limit bounds it, and places commas and colons itself.
 *
 * What may be written next follows from the stack (object or array) and has_key; a call out of
 * place is our own bug and asserted. Strings are written as UTF-8 with the fewest escapes: quote,
 * backslash and control characters, the short form where there is one. */
#include "data/json.h"

#include "base/assert.h"
#include "data/json_int.h"

#include <math.h>

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static bool is_in_object(const struct json_writer *w)
{
    unsigned level = w->depth - 1;
    return w->depth > 0 && (w->stack[level / 8] >> (level % 8) & 1) != 0;
}

/* Before any value: its comma, and whether it may stand here. */
static void before_value(struct json_writer *w)
{
    assert(w->depth > 0 || !w->needs_comma); /* one value a document */
    assert(is_in_object(w) == w->has_key);
    if (w->needs_comma)
        buf_put_char(w->out, ',');
    w->needs_comma = true;
    w->has_key = false;
}

static void begin(struct json_writer *w, bool is_object)
{
    before_value(w);
    assert(w->depth < JSON_WRITER_DEPTH_MAX);
    unsigned level = w->depth++;
    unsigned char bit = (unsigned char) (1U << (level % 8));
    w->stack[level / 8] = (unsigned char) (w->stack[level / 8] & ~bit);
    if (is_object)
        w->stack[level / 8] |= bit;
    w->needs_comma = false;
    buf_put_char(w->out, is_object ? '{' : '[');
}

static void end(struct json_writer *w, bool is_object)
{
    assert(w->depth > 0 && !w->has_key);
    assert(is_in_object(w) == is_object);
    w->depth--;
    w->needs_comma = true;
    buf_put_char(w->out, is_object ? '}' : ']');
}

void json_object_begin(struct json_writer *w)
{
    begin(w, true);
}

void json_object_end(struct json_writer *w)
{
    end(w, true);
}

void json_array_begin(struct json_writer *w)
{
    begin(w, false);
}

void json_array_end(struct json_writer *w)
{
    end(w, false);
}

/* What stands for a byte that json_plain_len stopped at. */
static void put_escape(struct buf *out, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *hit = memchr(from, c, sizeof from - 1);
    if (hit != NULL) {
        char escape[2] = {'\\', to[hit - from]};
        buf_put(out, str_of(escape, sizeof escape));
    } else if (c < 0x20) {
        char escape[6] = {'\\', 'u', '0', '0', (char) ('0' + (c >> 4)), "0123456789abcdef"[c & 15]};
        buf_put(out, str_of(escape, sizeof escape));
    } else {
        buf_put(out, STR("\xEF\xBF\xBD")); /* not UTF-8: U+FFFD */
    }
}

static void put_string(struct buf *out, struct str text)
{
    buf_put_char(out, '"');
    while (text.len > 0) {
        size_t plain = json_plain_len(text);
        buf_put(out, str_head(text, plain));
        if (plain < text.len)
            put_escape(out, (unsigned char) text.ptr[plain++]);
        text = str_skip(text, plain);
    }
    buf_put_char(out, '"');
}

void json_key(struct json_writer *w, struct str key)
{
    assert(is_in_object(w) && !w->has_key);
    if (w->needs_comma)
        buf_put_char(w->out, ',');
    put_string(w->out, key);
    buf_put_char(w->out, ':');
    w->needs_comma = false;
    w->has_key = true;
}

void json_str(struct json_writer *w, struct str value)
{
    before_value(w);
    put_string(w->out, value);
}

void json_i64(struct json_writer *w, int64_t value)
{
    before_value(w);
    buf_put_i64(w->out, value);
}

void json_u64(struct json_writer *w, uint64_t value)
{
    before_value(w);
    buf_put_u64(w->out, value);
}

/* 15 digits always survive the way to a double; 17 always suffice to name one. */
static void put_shortest(struct buf *out, double value)
{
    char text[32];
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    assert(len > 0 && len < (int) sizeof text);
    buf_put(out, str_of(text, (size_t) len));
}

void json_double(struct json_writer *w, double value)
{
    before_value(w);
    if (isnan(value))
        buf_put(w->out, STR("\"NaN\""));
    else if (isinf(value))
        buf_put(w->out, value > 0 ? STR("\"Infinity\"") : STR("\"-Infinity\""));
    else
        put_shortest(w->out, value);
}

void json_bool(struct json_writer *w, bool value)
{
    before_value(w);
    buf_put(w->out, value ? STR("true") : STR("false"));
}

void json_null(struct json_writer *w)
{
    before_value(w);
    buf_put(w->out, STR("null"));
}

void json_raw(struct json_writer *w, struct str json)
{
    assert(json.len > 0);
    before_value(w);
    buf_put(w->out, json);
}
