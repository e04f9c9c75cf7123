/* CBOR: a pull reader and a writer.
 *
 * An item is a head byte (three bits of major type, five of additional information), up to eight
 * bytes of argument, big-endian, and what the argument counts:
 *
 *     0 unsigned   1 negative   2 bytes   3 text   4 array   5 map   6 tag   7 floats and constants
 *     information 0-23: the argument itself; 24-27: in the next 1, 2, 4, 8 bytes; 31: no length
 *     given, ended by a "break" (0xff); 28-30: reserved, refused
 *
 * Nothing recurses: open arrays and maps are levels on a stack of fixed depth, each with the items
 * that it still expects. A level that announces more items than bytes are left is refused at once,
 * so that no count of a hostile message is believed. A string whose length is not given comes in
 * chunks; its chunks are walked twice, once to add up their lengths, and joined in the arena; a
 * single chunk stays a view. "undefined" reads as null; other simple values are refused, since
 * nothing that is built on CBOR here has a use for them.
 *
 * thread: any. Source: RFC 8949, sections 3 and 4.2. */
#include "data/cbor.h"

#include "data/utf8.h"

#include <math.h>

enum major { UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };
enum { INFO_INDEFINITE = 31, BREAK = 0xff };

#define CBOR_OPEN UINT64_MAX

struct head {
    enum major major;
    unsigned info;
    uint64_t argument;
};

void cbor_reader_init(struct cbor_reader *r, struct str input, struct arena *arena)
{
    r->input = input; /* the stack needs no zeros */
    r->at = r->token_at = r->error_at = 0;
    r->arena = arena;
    r->number = 0;
    r->real = 0;
    r->text = STR_NONE;
    r->error = NULL;
    r->depth = 0;
    r->is_tagged = r->is_done = false;
}

static enum cbor_token fail(struct cbor_reader *r, const char *why)
{
    r->error = why;
    r->error_at = r->at;
    r->text = STR_NONE;
    return CBOR_ERROR;
}

static size_t left(const struct cbor_reader *r)
{
    return r->input.len - r->at;
}

static uint64_t big_endian(const char *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | (unsigned char) bytes[i];
    return value;
}

/* Takes a head off the input. False: the error is set. */
static bool take_head(struct cbor_reader *r, struct head *out)
{
    if (left(r) == 0)
        return fail(r, "unexpected end"), false;
    unsigned char first = (unsigned char) r->input.ptr[r->at];
    out->major = (enum major)(first >> 5);
    out->info = first & 31;
    out->argument = out->info;
    if (out->info >= 28 && out->info != INFO_INDEFINITE)
        return fail(r, "reserved length"), false;
    if (out->info < 24 || out->info == INFO_INDEFINITE)
        return r->at++, true;
    size_t width = (size_t) 1 << (out->info - 24);
    if (left(r) < 1 + width)
        return fail(r, "unexpected end"), false;
    out->argument = big_endian(r->input.ptr + r->at + 1, width);
    r->at += 1 + width;
    return true;
}

/* Walks the chunks of a string without length, which begin at r->at, and adds them to `to` when it
 * is not NULL. False: the error is set. */
static bool walk_chunks(struct cbor_reader *r, enum major major, char *to, size_t *out_len,
                        size_t *out_chunks)
{
    *out_len = *out_chunks = 0;
    for (;;) {
        if (left(r) > 0 && (unsigned char) r->input.ptr[r->at] == BREAK)
            return r->at++, true;
        struct head chunk;
        if (!take_head(r, &chunk))
            return false;
        if (chunk.major != major || chunk.info == INFO_INDEFINITE)
            return fail(r, "wrong chunk in a string"), false;
        if (chunk.argument > left(r))
            return fail(r, "unexpected end"), false;
        struct str bytes = str_of(r->input.ptr + r->at, (size_t) chunk.argument);
        if (major == TEXT && !utf8_is_valid(bytes)) /* each by itself: section 3.2.3 */
            return fail(r, "text is not UTF-8"), false;
        if (to != NULL && bytes.len > 0)
            memcpy(to + *out_len, bytes.ptr, bytes.len);
        r->text = bytes;
        *out_len += bytes.len;
        *out_chunks += 1;
        r->at += bytes.len;
    }
}

static bool take_chunks(struct cbor_reader *r, enum major major)
{
    size_t begin = r->at, len, chunks;
    r->text = STR("");
    if (!walk_chunks(r, major, NULL, &len, &chunks))
        return false;
    if (chunks <= 1)
        return true; /* r->text is that chunk */
    char *joined = r->arena == NULL ? NULL : arena_try(r->arena, len + 1);
    if (joined == NULL)
        return fail(r, "no memory for a string in chunks"), false;
    r->at = begin;
    if (!walk_chunks(r, major, joined, &len, &chunks))
        return false;
    r->text = str_of(joined, len);
    return true;
}

static enum cbor_token take_string(struct cbor_reader *r, const struct head *head)
{
    enum cbor_token tok = head->major == TEXT ? CBOR_TEXT : CBOR_BYTES;
    if (head->info == INFO_INDEFINITE)
        return take_chunks(r, head->major) ? tok : CBOR_ERROR;
    if (head->argument > left(r))
        return fail(r, "unexpected end");
    struct str bytes = str_of(r->input.ptr + r->at, (size_t) head->argument);
    if (tok == CBOR_TEXT && !utf8_is_valid(bytes))
        return fail(r, "text is not UTF-8");
    r->text = bytes;
    r->at += bytes.len;
    return tok;
}

static enum cbor_token open_level(struct cbor_reader *r, const struct head *head)
{
    bool is_map = head->major == MAP;
    uint64_t items = CBOR_OPEN;
    if (head->info != INFO_INDEFINITE) {
        if (head->argument > left(r) / (is_map ? 2 : 1))
            return fail(r, "more items announced than bytes are left");
        items = is_map ? 2 * head->argument : head->argument;
    }
    if (r->depth == CBOR_DEPTH_MAX)
        return fail(r, "too deep");
    r->stack[r->depth++] = (struct cbor_level){.left = items, .is_map = is_map};
    return is_map ? CBOR_MAP_BEGIN : CBOR_ARRAY_BEGIN;
}

/* Section 3.9 and appendix D of RFC 8949. */
static double half_float(uint64_t bits)
{
    int exponent = (int) (bits >> 10 & 31);
    double mantissa = (double) (bits & 1023);
    double value;
    if (exponent == 0)
        value = ldexp(mantissa, -24);
    else if (exponent != 31)
        value = ldexp(mantissa + 1024, exponent - 25);
    else
        value = mantissa == 0 ? (double) INFINITY : (double) NAN;
    return (bits & 0x8000) != 0 ? -value : value;
}

static double wide_float(uint64_t bits, unsigned info)
{
    float single;
    double value;
    uint32_t low = (uint32_t) bits;
    memcpy(&single, &low, sizeof single);
    memcpy(&value, &bits, sizeof value);
    return info == 26 ? (double) single : value;
}

static enum cbor_token take_simple(struct cbor_reader *r, const struct head *head)
{
    switch (head->info) {
    case 20: return CBOR_FALSE;
    case 21: return CBOR_TRUE;
    case 22:
    case 23: return CBOR_NULL;
    case 25: r->real = half_float(head->argument); return CBOR_FLOAT;
    case 26:
    case 27: r->real = wide_float(head->argument, head->info); return CBOR_FLOAT;
    case INFO_INDEFINITE: return fail(r, "a break where none belongs");
    default: return fail(r, "unknown simple value");
    }
}

static enum cbor_token take_item(struct cbor_reader *r, const struct head *head)
{
    bool is_sized = head->major >= BYTES && head->major <= MAP;
    if (head->info == INFO_INDEFINITE && !is_sized && head->major != SIMPLE)
        return fail(r, "reserved length");
    r->number = head->argument;
    switch (head->major) {
    case UINT: return CBOR_UINT;
    case NEGATIVE: return CBOR_NEGATIVE;
    case BYTES:
    case TEXT: return take_string(r, head);
    case ARRAY:
    case MAP: return open_level(r, head);
    case TAG: r->is_tagged = true; return CBOR_TAG;
    case SIMPLE:
    default: return take_simple(r, head);
    }
}

/* True when the innermost level ends here: by count, or by its break, which is taken. */
static bool level_ends(struct cbor_reader *r, struct cbor_level *level)
{
    if (level->left != CBOR_OPEN)
        return level->left == 0;
    if (left(r) == 0 || (unsigned char) r->input.ptr[r->at] != BREAK || level->is_odd)
        return false; /* a break behind a key is found to be misplaced as an item */
    r->at++;
    return true;
}

static enum cbor_token close_level(struct cbor_reader *r)
{
    r->depth--;
    r->is_done = r->depth == 0;
    return r->stack[r->depth].is_map ? CBOR_MAP_END : CBOR_ARRAY_END;
}

enum cbor_token cbor_next(struct cbor_reader *r)
{
    if (r->error != NULL)
        return CBOR_ERROR;
    r->token_at = r->at;
    if (r->is_done)
        return left(r) == 0 ? CBOR_END : fail(r, "something follows the item");
    if (r->depth > 0 && !r->is_tagged) {
        struct cbor_level *level = &r->stack[r->depth - 1];
        if (level_ends(r, level))
            return close_level(r);
        if (level->left != CBOR_OPEN)
            level->left--;
        level->is_odd = !level->is_odd && level->is_map && level->left == CBOR_OPEN;
    }
    r->is_tagged = false;
    struct head head;
    if (!take_head(r, &head))
        return CBOR_ERROR;
    enum cbor_token tok = take_item(r, &head);
    r->is_done = r->depth == 0 && !r->is_tagged;
    return tok;
}

bool cbor_skip(struct cbor_reader *r, enum cbor_token tok)
{
    while (tok == CBOR_TAG)
        tok = cbor_next(r);
    if (tok == CBOR_ARRAY_BEGIN || tok == CBOR_MAP_BEGIN)
        for (unsigned depth = r->depth; r->depth >= depth && tok != CBOR_ERROR;)
            tok = cbor_next(r);
    return tok != CBOR_ERROR;
}

/* --- writing --- */

static void put_big_endian(struct buf *out, uint64_t value, size_t width)
{
    char bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (char) (value >> 8 * (width - 1 - i));
    buf_put(out, str_of(bytes, width));
}

static void put_head(struct buf *out, enum major major, uint64_t argument)
{
    unsigned info = argument < 24            ? (unsigned) argument
                    : argument <= UINT8_MAX  ? 24
                    : argument <= UINT16_MAX ? 25
                    : argument <= UINT32_MAX ? 26
                                             : 27;
    buf_put_char(out, (char) (major << 5 | info));
    if (info >= 24)
        put_big_endian(out, argument, (size_t) 1 << (info - 24));
}

void cbor_put_u64(struct buf *out, uint64_t value)
{
    put_head(out, UINT, value);
}

void cbor_put_i64(struct buf *out, int64_t value)
{
    if (value >= 0)
        put_head(out, UINT, (uint64_t) value);
    else
        put_head(out, NEGATIVE, (uint64_t) (-1 - value));
}

/* Bytes that are not UTF-8 become U+FFFD each, as in JSON: readers refuse the whole message else.
 */
static void put_repaired(struct buf *out, struct str text)
{
    AUTO_BUF struct buf clean;
    uint32_t cp;
    buf_init(&clean, 3 * text.len + 1);
    for (size_t at = 0; at < text.len;) {
        size_t len = utf8_next(str_skip(text, at), &cp);
        buf_put(&clean, len == 0 ? STR("\xEF\xBF\xBD") : str_of(text.ptr + at, len));
        at += len == 0 ? 1 : len;
    }
    put_head(out, TEXT, clean.len);
    buf_put(out, buf_str(&clean));
}

void cbor_put_text(struct buf *out, struct str text)
{
    if (!utf8_is_valid(text)) {
        put_repaired(out, text);
        return;
    }
    put_head(out, TEXT, text.len);
    buf_put(out, text);
}

void cbor_put_bytes(struct buf *out, struct str bytes)
{
    put_head(out, BYTES, bytes.len);
    buf_put(out, bytes);
}

void cbor_put_array(struct buf *out, size_t count)
{
    put_head(out, ARRAY, count);
}

void cbor_put_map(struct buf *out, size_t count)
{
    put_head(out, MAP, count);
}

void cbor_put_tag(struct buf *out, uint64_t tag)
{
    put_head(out, TAG, tag);
}

void cbor_put_bool(struct buf *out, bool value)
{
    buf_put_char(out, (char) (SIMPLE << 5 | (value ? 21 : 20)));
}

void cbor_put_null(struct buf *out)
{
    buf_put_char(out, (char) (SIMPLE << 5 | 22));
}

void cbor_put_float(struct buf *out, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    buf_put_char(out, (char) (SIMPLE << 5 | 26));
    put_big_endian(out, bits, sizeof bits);
}

void cbor_put_double(struct buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    buf_put_char(out, (char) (SIMPLE << 5 | 27));
    put_big_endian(out, bits, sizeof bits);
}
