/* The growing byte buffer. Memory doubles; the limit is the caller's promise that no client can
 * make it grow without end. */
#include "base/buf.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdarg.h>

enum { BUF_CAP_MIN = 64 };

void buf_init(struct buf *buf, size_t limit)
{
    assert(limit > 0 && limit < SIZE_MAX / 4);
    *buf = (struct buf){.limit = limit};
}

void buf_done(struct buf *buf)
{
    if (buf == NULL)
        return;
    free(buf->ptr);
    *buf = (struct buf){.limit = buf->limit};
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->is_over = false;
    if (buf->ptr != NULL)
        buf->ptr[0] = '\0';
}

char *buf_room(struct buf *buf, size_t size)
{
    assert(buf->limit > 0);
    if (buf->is_over || size > buf->limit - buf->len) {
        buf->is_over = true;
        return NULL;
    }
    size_t need = buf->len + size + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap < BUF_CAP_MIN ? BUF_CAP_MIN : buf->cap;
        while (cap < need)
            cap *= 2;
        buf->ptr = mem_resize(buf->ptr, cap);
        buf->cap = cap;
        buf->ptr[buf->len] = '\0';
    }
    return buf->ptr + buf->len;
}

void buf_put(struct buf *buf, struct str bytes)
{
    char *to = buf_room(buf, bytes.len);
    if (to == NULL)
        return;
    if (bytes.len > 0)
        memcpy(to, bytes.ptr, bytes.len);
    buf_added(buf, bytes.len);
}

void buf_put_char(struct buf *buf, char c)
{
    buf_put(buf, str_of(&c, 1));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *to = buf_room(buf, (size_t) len);
    if (to != NULL) {
        (void) vsnprintf(to, (size_t) len + 1, format, again);
        buf_added(buf, (size_t) len);
    }
    va_end(again);
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char) ('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_put(buf, str_of(digits + at, sizeof digits - at));
}

void buf_put_i64(struct buf *buf, int64_t value)
{
    if (value < 0)
        buf_put_char(buf, '-');
    buf_put_u64(buf, value < 0 ? 0 - (uint64_t) value : (uint64_t) value);
}

void buf_consume(struct buf *buf, size_t n)
{
    assert(n <= buf->len);
    if (n == 0)
        return;
    memmove(buf->ptr, buf->ptr + n, buf->len - n + 1);
    buf->len -= n;
}

char *buf_take(struct buf *buf)
{
    char *taken = buf->ptr;
    *buf = (struct buf){.limit = buf->limit};
    return taken;
}
