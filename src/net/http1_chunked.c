/* The chunked coding (RFC 9112 section 7.1), decoded in place and as strictly as the head:
 *
 *     chunk    = 1*HEXDIG [";" anything printable] CRLF, that many bytes, CRLF
 *     body     = *chunk, 1*"0" [";" …] CRLF, *(trailer line CRLF), CRLF
 *
 *   SIZE → EXTENSION → SIZE_LF → DATA → DATA_CR → DATA_LF → SIZE …
 *                          └ size 0 → TRAILER_START ⇄ TRAILER ⇄ TRAILER_LF, END_LF → done
 *
 * Extensions are dropped, trailers given to who wants them, all bounded: each chunk line, and all
 * trailers together. A blank around the size is refused, as is a size of more than 15 digits, which
 * cannot be meant. */
#include "net/http1.h"

#include "base/assert.h"

enum chunked_state {
    CHUNK_SIZE, /* zero: where a decoder begins */
    CHUNK_EXTENSION_START,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_START,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
};

enum { SIZE_DIGITS_MAX = 15 };

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int malformed(struct err *err)
{
    return err_say(err, -400, "malformed chunked body");
}

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

static int on_size(struct http1_chunked *c, unsigned char byte, struct err *err)
{
    int digit = hex_value(byte);
    if (digit >= 0 && c->line <= SIZE_DIGITS_MAX) {
        c->left = c->left << 4 | (unsigned) digit;
        return 0;
    }
    if (c->line == 1 || (byte != ';' && byte != '\r')) /* line counts this byte already */
        return malformed(err);
    c->state = byte == ';' ? CHUNK_EXTENSION_START : CHUNK_SIZE_LF;
    return 0;
}

static int expect_byte(struct http1_chunked *c, unsigned char byte, char expected,
                       enum chunked_state next, struct err *err)
{
    if (byte != (unsigned char) expected)
        return malformed(err);
    c->state = (int) next;
    return 0;
}

static void keep(const struct http1_chunked *c, unsigned char byte)
{
    if (c->trailers != NULL)
        buf_put_char(c->trailers, byte == '\r' ? '\n' : (char) byte);
}

/* Text that is skipped up to its carriage return. */
static int on_text(struct http1_chunked *c, unsigned char byte, enum chunked_state next,
                   struct err *err)
{
    if (byte == '\r')
        c->state = (int) next;
    else if (is_control(byte))
        return malformed(err);
    return 0;
}

static int on_trailer_start(struct http1_chunked *c, unsigned char byte, struct err *err)
{
    if (byte == '\r') {
        c->state = CHUNK_END_LF;
        return 0;
    }
    c->state = CHUNK_TRAILER;
    keep(c, byte);
    return byte == ' ' || byte == '\t' || byte == ':' || is_control(byte) ? malformed(err) : 0;
}

static int on_byte(struct http1_chunked *c, unsigned char byte, struct err *err)
{
    bool is_trailer = c->state >= CHUNK_TRAILER_START;
    if (++c->line > (is_trailer ? HTTP1_HEAD_MAX : HTTP1_CHUNK_LINE_MAX))
        return err_say(err, -400, "chunk line or trailers too long");
    switch ((enum chunked_state) c->state) {
    case CHUNK_SIZE: return on_size(c, byte, err);
    case CHUNK_EXTENSION_START: /* ";" promises a name */
        c->state = CHUNK_EXTENSION;
        return byte == '\r' || is_control(byte) ? malformed(err) : 0;
    case CHUNK_EXTENSION: return on_text(c, byte, CHUNK_SIZE_LF, err);
    case CHUNK_SIZE_LF:
        c->line = 0;
        return expect_byte(c, byte, '\n', c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START, err);
    case CHUNK_DATA_CR: return expect_byte(c, byte, '\r', CHUNK_DATA_LF, err);
    case CHUNK_DATA_LF: c->line = 0; return expect_byte(c, byte, '\n', CHUNK_SIZE, err);
    case CHUNK_TRAILER_START: return on_trailer_start(c, byte, err);
    case CHUNK_TRAILER: keep(c, byte); return on_text(c, byte, CHUNK_TRAILER_LF, err);
    case CHUNK_TRAILER_LF: return expect_byte(c, byte, '\n', CHUNK_TRAILER_START, err);
    case CHUNK_END_LF: c->is_done = byte == '\n'; return c->is_done ? 0 : malformed(err);
    case CHUNK_DATA: break; /* Data is taken in runs, see below. */
    }
    assert(c->state != CHUNK_DATA);
    return malformed(err);
}

struct str http1_trailer_find(struct str lines, struct str name)
{
    struct str line;
    while (str_split(&lines, '\n', &line)) {
        size_t colon = str_find(line, ':');
        if (colon < line.len && str_eq_nocase(str_head(line, colon), name))
            return str_trim(str_skip(line, colon + 1));
    }
    return STR_NONE;
}

int http1_chunked_next(struct http1_chunked *c, struct str input, size_t *out_used,
                       struct str *out_data, struct err *err)
{
    size_t at = 0;
    while (at < input.len && !c->is_done && c->state != CHUNK_DATA) {
        int rc = on_byte(c, (unsigned char) input.ptr[at++], err);
        if (rc < 0)
            return rc;
    }
    struct str data = str_of(input.ptr + at, 0);
    if (c->state == CHUNK_DATA) {
        data.len = input.len - at < c->left ? input.len - at : (size_t) c->left;
        c->left -= data.len;
        if (c->left == 0) {
            c->state = CHUNK_DATA_CR;
            c->line = 0;
        }
    }
    *out_used = at + data.len;
    *out_data = data;
    return 0;
}
