/* gzip, by zlib.
 *
 * A few bytes can stand for a thousand times as many, so the output's limit is checked piece by
 * piece while inflating, and never the size that the data claims for itself. A file may be several
 * members one behind the other (RFC 1952, section 2.2); zlib stops at the end of each, checks its
 * CRC-32 and length, and is reset for the next.
 *
 * thread: any. Sources: RFC 1952; zlib.h, inflate(). */
#include "data/gzip.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

enum { PIECE_BYTES = 32 * 1024, WINDOW_BITS_GZIP = 15 + 16 };

/* One call of inflate: Z_OK, Z_STREAM_END, or a negative errno. */
static int inflate_piece(z_stream *z, struct buf *out, struct err *err)
{
    size_t room = out->limit - out->len;
    room = room < PIECE_BYTES ? room : PIECE_BYTES;
    unsigned char beyond = 0; /* at the limit: is there one byte more? */
    char *to = room == 0 ? NULL : buf_room(out, room);
    z->next_out = room == 0 ? &beyond : (unsigned char *) to;
    z->avail_out = room == 0 ? 1 : (unsigned) room;
    unsigned before = z->avail_out, input = z->avail_in;
    int rc = inflate(z, Z_NO_FLUSH);
    unsigned made = before - z->avail_out;
    if (room == 0 && made > 0)
        return err_say(err, -E2BIG, "more than %zu bytes", out->limit);
    if (room > 0)
        buf_added(out, made);
    if (rc == Z_OK && (made > 0 || z->avail_in < input))
        return Z_OK;
    if (rc == Z_STREAM_END)
        return Z_STREAM_END;
    bool is_cut = (rc == Z_BUF_ERROR || rc == Z_OK) && z->avail_in == 0;
    return err_say(err, -EPROTO, "%s", is_cut || z->msg == NULL ? "the data are cut" : z->msg);
}

int gzip_inflate(struct str bytes, struct buf *out, struct err *err)
{
    if (bytes.len > UINT_MAX)
        return err_say(err, -E2BIG, "more than %u bytes", UINT_MAX);
    z_stream z = {.next_in = (unsigned char *) (uintptr_t) bytes.ptr, /* zlib only reads it */
                  .avail_in = (unsigned) bytes.len};
    if (inflateInit2(&z, WINDOW_BITS_GZIP) != Z_OK)
        return err_say(err, -ENOMEM, "begin to inflate");
    int rc;
    do {
        rc = inflate_piece(&z, out, err);
        if (rc == Z_STREAM_END && z.avail_in > 0)
            rc = inflateReset(&z) == Z_OK ? Z_OK : err_say(err, -EPROTO, "reset");
    } while (rc == Z_OK);
    (void) inflateEnd(&z); /* frees only */
    return rc < 0 ? rc : 0;
}
