#pragma once
/* ZIP archives in memory: reading packages that clients upload, writing packages for the command
 * line. libarchive does the work; it is loaded when the first archive is met (-ENOSYS says that it
 * is not installed), so a program that never touches one pays nothing.
 *
 * A reader hands out entries whose names are safe to use below a directory: relative, '/' between
 * parts, no empty part, no "." or "..", no control characters, valid UTF-8, bounded length and
 * depth. What the names do to each other (duplicates, a link in a directory's place) is the
 * unpacker's business: store/tree.h. thread: any, one at a time per object. */
#include "base/buf.h"
#include "base/err.h"

enum {
    ZIP_NAME_MAX = 4096,  /* bytes of a whole name, and of a link's target */
    ZIP_PART_MAX = 255,   /* bytes between two slashes */
    ZIP_DEPTH_MAX = 64,   /* parts of a name */
    ZIP_STEP = 64 * 1024, /* a good size for zip_read's buffer */
};

enum zip_kind { ZIP_FILE, ZIP_DIR, ZIP_LINK };

struct zip_entry {
    enum zip_kind kind;
    struct str name; /* view, valid until the next zip_next; no trailing slash */
    struct str link; /* ZIP_LINK: target as written; else {NULL, 0} */
    uint64_t size;   /* ZIP_FILE: as declared, a liar's word; 0 when not declared */
    bool is_executable;
};

struct zip_reader;

/* bytes: borrowed until zip_close. Data before the archive (self-extracting stubs) is skipped.
 * errors: -EINVAL not an archive, -ENOSYS no libarchive. */
CHECK_RESULT int zip_open(struct str bytes, struct zip_reader **out_reader, struct err *err);
void zip_close(struct zip_reader *reader); /* NULL is fine */

/* The next entry: 1, or 0 at the end.
 * errors: -EINVAL malformed, unsafe name or type, encrypted, unknown compression. After an error
 * the reader can only be closed. */
CHECK_RESULT int zip_next(struct zip_reader *reader, struct zip_entry *out_entry, struct err *err);

/* Reads on in the current file; *out_len 0: its end, checksum and size were right. At most `size`
 * bytes go to `to`.
 * errors: -EINVAL truncated, corrupt, wrong checksum, wrong size. */
CHECK_RESULT int zip_read(struct zip_reader *reader, void *to, size_t size, size_t *out_len,
                          struct err *err);

/* True for a name that zip_next would hand out. Exposed for its tests. */
bool zip_name_is_safe(struct str name);

struct zip_writer;

/* The archive is appended to `out` (borrowed until zip_writer_free). Times are fixed, so the same
 * entries in the same order give the same bytes. errors: -ENOSYS. */
CHECK_RESULT int zip_writer_new(struct buf *out, struct zip_writer **out_writer, struct err *err);
/* errors: -E2BIG beyond the buffer's limit. */
CHECK_RESULT int zip_writer_file(struct zip_writer *writer, struct str name, struct str bytes,
                                 bool is_executable, struct err *err);
CHECK_RESULT int zip_writer_link(struct zip_writer *writer, struct str name, struct str target,
                                 struct err *err);
/* Writes the directory of the archive: only then is it complete. */
CHECK_RESULT int zip_writer_end(struct zip_writer *writer, struct err *err);
void zip_writer_free(struct zip_writer *writer); /* NULL is fine */

static inline void cleanup_zip_reader(struct zip_reader **slot)
{
    zip_close(*slot);
}
#define AUTO_ZIP_READER __attribute__((cleanup(cleanup_zip_reader)))

static inline void cleanup_zip_writer(struct zip_writer **slot)
{
    zip_writer_free(*slot);
}
#define AUTO_ZIP_WRITER __attribute__((cleanup(cleanup_zip_writer)))
