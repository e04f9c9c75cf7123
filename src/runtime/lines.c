/* The assembler of lines. Almost every line lies whole in what was read and is handed out from
 * where it lies; only one that goes on in the next piece is copied. A line that is too long is cut
 * between characters, each part an event of its own, as Lambda does. */
#include "runtime/lines.h"

#include "base/assert.h"

#include <string.h>

enum { KEPT_SIZE = 8192 }; /* of an empty buffer: most instances never print a part of a line */

void lines_init(struct lines *lines)
{
    *lines = (struct lines){.since_ms = 0};
    buf_init(&lines->rest, LINE_SIZE_MAX);
}

void lines_done(struct lines *lines)
{
    buf_done(&lines->rest);
}

void lines_flush(struct lines *lines, lines_fn fn, void *arg)
{
    struct buf *rest = &lines->rest;
    if (rest->len == 0)
        return;
    fn(arg, lines->since_ms, buf_str(rest));
    if (rest->cap > KEPT_SIZE) {
        buf_done(rest);
        buf_init(rest, LINE_SIZE_MAX);
    }
    buf_reset(rest);
}

/* At most max, and not inside a character; bytes that are no UTF-8 are cut anywhere. */
static size_t cut_at(struct str text, size_t max)
{
    for (size_t n = max; n > 0 && max - n < 4; n--) {
        if (((unsigned char) text.ptr[n] & 0xC0) != 0x80)
            return n;
    }
    return max;
}

/* Takes a part of a line to what is there of it. */
static void add(struct lines *lines, int64_t at_ms, struct str part, lines_fn fn, void *arg)
{
    struct buf *rest = &lines->rest;
    while (rest->len + part.len > LINE_SIZE_MAX) {
        size_t n = cut_at(part, LINE_SIZE_MAX - rest->len);
        if (rest->len == 0)
            lines->since_ms = at_ms;
        buf_put(rest, str_head(part, n));
        part = str_skip(part, n);
        lines_flush(lines, fn, arg);
    }
    if (rest->len == 0)
        lines->since_ms = at_ms;
    buf_put(rest, part);
    assert(!buf_is_over(rest));
}

void lines_restore_newlines(char *bytes, size_t len)
{
    for (char *at = bytes; (at = memchr(at, '\0', len - (size_t) (at - bytes))) != NULL;)
        *at = '\n';
}

void lines_feed(struct lines *lines, int64_t at_ms, char *bytes, size_t len, lines_fn fn, void *arg)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t size = end == NULL ? len : (size_t) (end - bytes) + 1;
        lines_restore_newlines(bytes, size);
        struct str line = str_of(bytes, size);
        if (end != NULL && lines->rest.len == 0 && size <= LINE_SIZE_MAX) {
            fn(arg, at_ms, line);
        } else {
            add(lines, at_ms, line, fn, arg);
            if (end != NULL)
                lines_flush(lines, fn, arg);
        }
        bytes += size;
        len -= size;
    }
}
