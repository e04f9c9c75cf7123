/* The JSON pull tokenizer (RFC 8259, strict).
 *
 * The state is what may come next:
 *
 *     VALUE ──scalar──────────────► AFTER ──','──► VALUE or KEY ──► …
 *       │ '['  FIRST_VALUE (or ']')   ▲ └──']' '}'──► AFTER of the level above
 *       │ '{'  FIRST_KEY (or '}') ──► COLON ──':'──► VALUE
 *       └ at depth 0 AFTER is DONE: only blanks may follow
 *
 * and one bit for each open level says whether it is an object. Nothing recurses, so a hostile
 * document costs its own length and no more. Strings are scanned eight bytes at a time for the few
 * bytes that end a plain run; only strings with escapes are copied, into the arena, and a copy is
 * never longer than its source. A byte order mark is refused. */
#include "data/json.h"

#include "base/assert.h"
#include "data/hash.h"
#include "data/json_int.h"
#include "data/utf8.h"

enum expect {
    EXPECT_VALUE,
    EXPECT_FIRST_VALUE,
    EXPECT_FIRST_KEY,
    EXPECT_KEY,
    EXPECT_COLON,
    EXPECT_AFTER,
    EXPECT_DONE,
    EXPECT_FAILED,
};

void json_reader_init(struct json_reader *r, struct str input, struct arena *arena)
{
    *r = (struct json_reader){.input = input, .arena = arena, .expect = EXPECT_VALUE};
}

static enum json_token fail_at(struct json_reader *r, size_t at, const char *why)
{
    r->expect = EXPECT_FAILED;
    r->error = why;
    r->error_at = at;
    r->text = STR_NONE;
    return JSON_ERROR;
}

static enum json_token fail(struct json_reader *r, const char *why)
{
    return fail_at(r, r->at, why);
}

static enum json_token fail_unexpected(struct json_reader *r)
{
    return fail(r, r->at == r->input.len ? "unexpected end of text" : "unexpected character");
}

/* The byte at r->at, or NUL at the end: no rule of the grammar begins with a NUL. */
static char peek(const struct json_reader *r)
{
    return r->at < r->input.len ? r->input.ptr[r->at] : '\0';
}

static void skip_blanks(struct json_reader *r)
{
    for (; r->at < r->input.len; r->at++) {
        char c = r->input.ptr[r->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
    }
}

static bool is_in_object(const struct json_reader *r)
{
    unsigned level = r->depth - 1;
    return r->depth > 0 && (r->stack[level / 8] >> (level % 8) & 1) != 0;
}

static void value_is_over(struct json_reader *r)
{
    r->expect = r->depth == 0 ? EXPECT_DONE : EXPECT_AFTER;
}

static enum json_token begin(struct json_reader *r, bool is_object)
{
    if (r->depth == JSON_DEPTH_MAX)
        return fail(r, "nested too deeply");
    unsigned level = r->depth++;
    unsigned char bit = (unsigned char) (1U << (level % 8));
    r->stack[level / 8] = (unsigned char) (r->stack[level / 8] & ~bit);
    if (is_object)
        r->stack[level / 8] |= bit;
    r->expect = is_object ? EXPECT_FIRST_KEY : EXPECT_FIRST_VALUE;
    r->at++;
    return is_object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
}

static enum json_token end(struct json_reader *r)
{
    bool was_object = is_in_object(r);
    r->at++;
    r->depth--;
    value_is_over(r);
    return was_object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

/* Eight bytes at a time: sets the high bit of every byte that is below 0x20, a quote, a backslash
 * or not ASCII. A borrow may mark a byte above a true hit as well, never below it, and only the
 * lowest mark is used. */
static uint64_t special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    return (word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & high;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lowest mark is the first byte");

size_t json_plain_len(struct str s)
{
    size_t at = 0;
    while (at < s.len) {
        if (s.len - at >= sizeof(uint64_t)) {
            uint64_t word;
            memcpy(&word, s.ptr + at, sizeof word);
            uint64_t special = special_bytes(word);
            if (special == 0) {
                at += sizeof word;
                continue;
            }
            at += (size_t) __builtin_ctzll(special) / 8;
        }
        unsigned char c = (unsigned char) s.ptr[at];
        if (c < 0x20 || c == '"' || c == '\\')
            return at;
        uint32_t cp;
        size_t n = utf8_next(str_skip(s, at), &cp);
        if (n == 0)
            return at;
        at += n;
    }
    return at;
}

/* Four hexadecimal digits at the start of s. */
static bool read_hex4(struct str s, uint32_t *out_unit)
{
    if (s.len < 4)
        return false;
    uint32_t unit = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(s.ptr[i]);
        if (digit < 0)
            return false;
        unit = unit << 4 | (uint32_t) digit;
    }
    *out_unit = unit;
    return true;
}

enum { REPLACEMENT = 0xFFFD };

/* The escape at the start of s, which begins with a backslash: its length and its code point; 0
 * when broken. */
static size_t read_escape(struct str s, bool is_lenient, uint32_t *out_cp)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s.len < 2)
        return 0;
    if (s.ptr[1] != 'u') {
        const char *hit = memchr(from, s.ptr[1], sizeof from - 1);
        if (hit == NULL)
            return 0;
        *out_cp = (unsigned char) to[hit - from];
        return 2;
    }
    uint32_t high, low;
    if (!read_hex4(str_skip(s, 2), &high))
        return 0;
    *out_cp = high;
    if (high < 0xD800 || high > 0xDFFF)
        return 6;
    struct str second = str_skip(s, 6);
    bool is_pair = high < 0xDC00 && str_starts(second, STR("\\u")) &&
                   read_hex4(str_skip(second, 2), &low) && low >= 0xDC00 && low <= 0xDFFF;
    *out_cp = is_pair ? 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00) : REPLACEMENT;
    if (is_pair)
        return 12;
    return is_lenient ? 6 : 0;
}

/* The text of a string with escapes, copied into the arena. raw has been checked by the scan. */
static enum json_token unescape(struct json_reader *r, struct str raw, enum json_token tok)
{
    if (r->arena == NULL)
        return fail_at(r, r->token_at, "escapes are not allowed here");
    char *copy = arena_try(r->arena, raw.len);
    if (copy == NULL)
        return fail_at(r, r->token_at, "strings are too long");
    size_t len = 0;
    while (raw.len > 0) {
        size_t run = str_find(raw, '\\');
        memcpy(copy + len, raw.ptr, run);
        len += run;
        raw = str_skip(raw, run);
        if (raw.len == 0)
            break;
        uint32_t cp = 0;
        size_t n = read_escape(raw, r->is_lenient, &cp);
        assert(n > 0);
        len += utf8_put(copy + len, cp);
        raw = str_skip(raw, n);
    }
    r->text = str_of(copy, len);
    return tok;
}

static enum json_token string(struct json_reader *r, enum json_token tok)
{
    size_t start = ++r->at;
    bool has_escapes = false;
    for (;;) {
        r->at += json_plain_len(str_skip(r->input, r->at));
        if (r->at == r->input.len)
            return fail(r, "unexpected end of text in a string");
        char c = r->input.ptr[r->at];
        if (c == '"')
            break;
        if (c != '\\')
            return fail(r, (unsigned char) c < 0x20 ? "control character in a string"
                                                    : "string is not UTF-8");
        uint32_t cp;
        size_t n = read_escape(str_skip(r->input, r->at), r->is_lenient, &cp);
        if (n == 0)
            return fail(r, "broken escape in a string");
        r->at += n;
        has_escapes = true;
    }
    struct str raw = str_of(r->input.ptr + start, r->at++ - start);
    if (has_escapes && !r->is_skipping)
        return unescape(r, raw, tok);
    r->text = raw;
    return tok;
}

static bool skip_digits(struct json_reader *r)
{
    size_t start = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > start;
}

static enum json_token number(struct json_reader *r)
{
    if (peek(r) == '-')
        r->at++;
    if (peek(r) == '0')
        r->at++;
    else if (!skip_digits(r))
        return fail_unexpected(r);
    if (peek(r) == '.') {
        r->at++;
        if (!skip_digits(r))
            return fail_unexpected(r);
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        if (!skip_digits(r))
            return fail_unexpected(r);
    }
    r->text = str_of(r->input.ptr + r->token_at, r->at - r->token_at);
    value_is_over(r);
    return JSON_NUMBER;
}

static enum json_token word(struct json_reader *r, struct str text, enum json_token tok)
{
    if (!str_starts(str_skip(r->input, r->at), text))
        return fail_unexpected(r);
    r->at += text.len;
    value_is_over(r);
    return tok;
}

static enum json_token value(struct json_reader *r)
{
    switch (peek(r)) {
    case '{': return begin(r, true);
    case '[': return begin(r, false);
    case '"': value_is_over(r); return string(r, JSON_STRING);
    case 't': return word(r, STR("true"), JSON_TRUE);
    case 'f': return word(r, STR("false"), JSON_FALSE);
    case 'n': return word(r, STR("null"), JSON_NULL);
    default: return number(r);
    }
}

static enum json_token key(struct json_reader *r)
{
    if (peek(r) != '"')
        return fail_unexpected(r);
    r->expect = EXPECT_COLON;
    return string(r, JSON_KEY);
}

/* Steps over the comma or colon that stands before the next token. */
static bool separator(struct json_reader *r, char c, enum expect next)
{
    if (peek(r) != c)
        return false;
    r->at++;
    r->expect = (unsigned char) next;
    skip_blanks(r);
    return true;
}

enum json_token json_next(struct json_reader *r)
{
    if (r->expect == EXPECT_FAILED)
        return JSON_ERROR;
    skip_blanks(r);
    char closing = is_in_object(r) ? '}' : ']';
    switch ((enum expect) r->expect) {
    case EXPECT_FIRST_VALUE:
    case EXPECT_FIRST_KEY: break;
    case EXPECT_COLON:
        if (!separator(r, ':', EXPECT_VALUE))
            return fail_unexpected(r);
        break;
    case EXPECT_AFTER:
        if (peek(r) != closing && !separator(r, ',', is_in_object(r) ? EXPECT_KEY : EXPECT_VALUE))
            return fail_unexpected(r);
        break;
    case EXPECT_DONE:
        r->token_at = r->at;
        return r->at == r->input.len ? JSON_END : fail_unexpected(r);
    case EXPECT_VALUE:
    case EXPECT_KEY:
    case EXPECT_FAILED: break;
    }
    r->token_at = r->at;
    bool may_close = r->expect == EXPECT_AFTER || r->expect == EXPECT_FIRST_VALUE ||
                     r->expect == EXPECT_FIRST_KEY;
    if (may_close && peek(r) == closing)
        return end(r);
    bool wants_key = r->expect == EXPECT_KEY || r->expect == EXPECT_FIRST_KEY;
    return wants_key ? key(r) : value(r);
}

bool json_skip(struct json_reader *r, enum json_token tok, struct str *out_raw)
{
    if (tok == JSON_ERROR)
        return false;
    assert(tok != JSON_END && tok != JSON_KEY);
    assert(tok != JSON_OBJECT_END && tok != JSON_ARRAY_END);
    size_t start = r->token_at;
    if (tok == JSON_OBJECT_BEGIN || tok == JSON_ARRAY_BEGIN) {
        unsigned outside = r->depth - 1;
        bool was_skipping = r->is_skipping;
        r->is_skipping = true;
        while (r->depth > outside && tok != JSON_ERROR)
            tok = json_next(r);
        r->is_skipping = was_skipping;
        if (tok == JSON_ERROR)
            return false;
    }
    if (out_raw != NULL)
        *out_raw = str_of(r->input.ptr + start, r->at - start);
    return true;
}

bool json_is_valid(struct str bytes, size_t *out_error_at)
{
    struct json_reader r;
    json_reader_init(&r, bytes, NULL);
    r.is_skipping = r.is_lenient = true;
    enum json_token tok;
    do
        tok = json_next(&r);
    while (tok != JSON_END && tok != JSON_ERROR);
    if (tok == JSON_ERROR && out_error_at != NULL)
        *out_error_at = r.error_at;
    return tok == JSON_END;
}
