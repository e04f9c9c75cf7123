#pragma once
/* Hand-made ZIP archives for tests: every field of the format can be made to lie. Entries are
 * stored; local header, data and central directory are written as APPNOTE.TXT says. */
#include "base/buf.h"
#include "data/hash.h"

struct zip_make {
    struct buf local, central;
    unsigned count;
    unsigned prefix; /* bytes that will stand before the archive, unknown to its offsets */
};

struct zip_make_entry {
    const char *name;
    struct str data;
    unsigned mode;     /* Unix st_mode; 0: the archive was made by DOS */
    unsigned flags;    /* general purpose bits; 1: encrypted */
    unsigned method;   /* 0 stored; others are a lie */
    uint32_t size_add; /* added to the declared sizes */
    uint32_t crc_xor;
    bool is_zip64;
};

static inline void zip_make_init(struct zip_make *z)
{
    *z = (struct zip_make){0};
    buf_init(&z->local, 1 << 30);
    buf_init(&z->central, 1 << 26);
}

static inline void zip_make_done(struct zip_make *z)
{
    buf_done(&z->local);
    buf_done(&z->central);
}

static inline void zip_put(struct buf *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        buf_put_char(out, (char) (value >> (8 * i) & 0xff));
}

static inline void zip_put_common(struct buf *out, const struct zip_make_entry *e, size_t extra)
{
    uint32_t size = e->is_zip64 ? 0xffffffff : (uint32_t) e->data.len + e->size_add;
    zip_put(out, e->is_zip64 ? 45 : 20, 2);
    zip_put(out, e->flags, 2);
    zip_put(out, e->method, 2);
    zip_put(out, 0, 2);      /* time */
    zip_put(out, 0x0021, 2); /* 1980-01-01 */
    zip_put(out, hash_crc32(0, e->data) ^ e->crc_xor, 4);
    zip_put(out, size, 4);
    zip_put(out, size, 4);
    zip_put(out, strlen(e->name), 2);
    zip_put(out, extra, 2);
}

static inline void zip_put_extra(struct buf *out, const struct zip_make_entry *e)
{
    if (!e->is_zip64)
        return;
    zip_put(out, 1, 2);
    zip_put(out, 16, 2);
    zip_put(out, e->data.len + e->size_add, 8);
    zip_put(out, e->data.len + e->size_add, 8);
}

static inline void zip_make_add(struct zip_make *z, const struct zip_make_entry *e)
{
    size_t extra = e->is_zip64 ? 20 : 0, offset = z->local.len;
    zip_put(&z->local, 0x04034b50, 4);
    zip_put_common(&z->local, e, extra);
    buf_put(&z->local, str_from(e->name));
    zip_put_extra(&z->local, e);
    buf_put(&z->local, e->data);

    zip_put(&z->central, 0x02014b50, 4);
    zip_put(&z->central, (e->mode == 0 ? 0u : 3u << 8) | 20, 2); /* made by Unix or DOS */
    zip_put_common(&z->central, e, extra);
    zip_put(&z->central, 0, 2 + 2 + 2); /* comment, disk, internal attributes */
    zip_put(&z->central, (uint64_t) e->mode << 16, 4);
    zip_put(&z->central, offset, 4);
    buf_put(&z->central, str_from(e->name));
    zip_put_extra(&z->central, e);
    z->count++;
}

static inline void zip_make_file(struct zip_make *z, const char *name, const char *text)
{
    zip_make_add(z, &(struct zip_make_entry){
                        .name = name, .data = str_from(text), .mode = 0100644, .flags = 1 << 11});
}

static inline void zip_make_mode(struct zip_make *z, const char *name, const char *text,
                                 unsigned mode)
{
    zip_make_add(z, &(struct zip_make_entry){
                        .name = name, .data = str_from(text), .mode = mode, .flags = 1 << 11});
}

/* The finished archive; valid until zip_make_done. */
static inline struct str zip_make_end(struct zip_make *z)
{
    size_t offset = z->local.len;
    buf_put(&z->local, buf_str(&z->central));
    zip_put(&z->local, 0x06054b50, 4);
    zip_put(&z->local, 0, 2 + 2);
    zip_put(&z->local, z->count, 2);
    zip_put(&z->local, z->count, 2);
    zip_put(&z->local, z->central.len, 4);
    zip_put(&z->local, offset, 4);
    zip_put(&z->local, 0, 2);
    return buf_str(&z->local);
}
