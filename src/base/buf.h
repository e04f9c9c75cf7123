#pragma once
/* struct buf: an owned, growing byte buffer with a limit given at init; always NUL-terminated.
 *
 * Appending past the limit appends nothing more and marks the buffer: writers append freely and
 * ask buf_is_over() once at the end. ptr/len may be read at any time. */
#include "base/str.h"

struct buf {
    char *ptr; /* owned; NULL until the first append */
    size_t len;
    size_t cap;
    size_t limit; /* greatest len */
    bool is_over; /* something did not fit; what is there is a prefix */
};

void buf_init(struct buf *buf, size_t limit);
void buf_done(struct buf *buf);  /* frees; the buf may be initialised again */
void buf_reset(struct buf *buf); /* empties, keeps the memory */

static inline bool buf_is_over(const struct buf *buf)
{
    return buf->is_over;
}

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->ptr == NULL ? "" : buf->ptr, buf->len};
}

void buf_put(struct buf *buf, struct str bytes);
void buf_put_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_put_u64(struct buf *buf, uint64_t value); /* decimal, without printf's cost */
void buf_put_i64(struct buf *buf, int64_t value);

/* Room for size more bytes, to be filled by the caller who then calls buf_added; NULL when that
 * would pass the limit (the buffer is then marked). */
char *buf_room(struct buf *buf, size_t size);
static inline void buf_added(struct buf *buf, size_t size)
{
    buf->len += size;
    buf->ptr[buf->len] = '\0';
}

/* Removes the first n bytes. */
void buf_consume(struct buf *buf, size_t n);

/* Gives the memory to the caller, who frees it; the buffer is empty afterwards. */
CHECK_RESULT char *buf_take(struct buf *buf);

static inline void cleanup_buf(struct buf *buf)
{
    buf_done(buf);
}
#define AUTO_BUF __attribute__((cleanup(cleanup_buf)))
