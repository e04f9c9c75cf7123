/* ZIP through libarchive, and nothing but ZIP.
 *
 * libarchive brings twenty megabytes of other libraries into the process, so it is not linked: its
 * functions are looked up by name when the first archive is opened. The table lies in each reader
 * and writer (forty lookups, some microseconds, no lock); the library itself stays loaded, because
 * some of what it drags in does not survive unloading.
 *
 * Only the seekable reader is switched on: it believes the central directory at the end of the
 * file, as all unzip programs do, and finds it behind foreign bytes at the front. Archives are
 * hostile, so beyond what libarchive checks:
 *
 *  - names are judged by zip_name_is_safe, byte by byte, before anybody sees them;
 *  - files, directories and symbolic links only (libarchive makes plain files of some that
 *    claim to be devices; the rest is refused here);
 *  - stored and deflated data only: the other methods are rare, and some allocate by the word of
 *    the archive;
 *  - encrypted entries are refused, and every warning about data (checksum, size) is an error.
 *
 * Names flagged as UTF-8 are converted by libarchive to the thread's locale, so that locale is
 * C.UTF-8 while its code runs; in the plain "C" locale it would turn "ä" into "?".
 *
 * Format: APPNOTE.TXT 6.3.x (PKWARE). Called by workers (uploads) and the command line. */
#include "data/zip.h"

#include "base/assert.h"
#include "base/mem.h"
#include "data/utf8.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <sys/stat.h>

#define ARCHIVE_FUNCTIONS(X)                                                                       \
    X(archive_entry_clear)                                                                         \
    X(archive_entry_filetype)                                                                      \
    X(archive_entry_free)                                                                          \
    X(archive_entry_is_encrypted)                                                                  \
    X(archive_entry_new)                                                                           \
    X(archive_entry_pathname)                                                                      \
    X(archive_entry_perm)                                                                          \
    X(archive_entry_set_filetype)                                                                  \
    X(archive_entry_set_mtime)                                                                     \
    X(archive_entry_set_pathname)                                                                  \
    X(archive_entry_set_perm)                                                                      \
    X(archive_entry_set_size)                                                                      \
    X(archive_entry_set_symlink)                                                                   \
    X(archive_entry_size)                                                                          \
    X(archive_entry_symlink)                                                                       \
    X(archive_error_string)                                                                        \
    X(archive_format_name)                                                                         \
    X(archive_read_data)                                                                           \
    X(archive_read_free)                                                                           \
    X(archive_read_new)                                                                            \
    X(archive_read_next_header)                                                                    \
    X(archive_read_open_memory)                                                                    \
    X(archive_read_support_format_zip_seekable)                                                    \
    X(archive_write_close)                                                                         \
    X(archive_write_data)                                                                          \
    X(archive_write_free)                                                                          \
    X(archive_write_header)                                                                        \
    X(archive_write_new)                                                                           \
    X(archive_write_open)                                                                          \
    X(archive_write_set_bytes_per_block)                                                           \
    X(archive_write_set_format_zip)

struct library {
#define X(name) typeof(&name) name;
    ARCHIVE_FUNCTIONS(X)
#undef X
    locale_t utf8; /* owned */
};

struct zip_reader {
    struct library lib;
    struct archive *archive; /* owned; NULL: the archive has no entries */
};

struct zip_writer {
    struct library lib;
    struct archive *archive;     /* owned */
    struct archive_entry *entry; /* owned, reused */
    struct buf *out;             /* borrowed */
};

/* 1980-01-01, the first day that the format knows. */
enum { FIXED_TIME_S = 315532800 };

static int library_load(struct library *lib, struct err *err)
{
    void *handle = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL)
        return err_say(err, -ENOSYS, "libarchive.so.13 cannot be loaded: %s", dlerror());
    const char *missing = NULL;
#define X(name)                                                                                    \
    lib->name = (typeof(&name)) dlsym(handle, #name);                                              \
    if (lib->name == NULL)                                                                         \
        missing = #name;
    ARCHIVE_FUNCTIONS(X)
#undef X
    (void) dlclose(handle); /* RTLD_NODELETE: it stays; this drops our count only. */
    if (missing != NULL)
        return err_say(err, -ENOSYS, "libarchive has no %s", missing);
    lib->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
    if (lib->utf8 == (locale_t) 0)
        return err_set(err, -ENOSYS, "locale C.UTF-8");
    return 0;
}

static void library_done(struct library *lib)
{
    if (lib->utf8 != (locale_t) 0)
        freelocale(lib->utf8);
}

/* Runs the rest of the scope in lib's locale. */
static void cleanup_locale(const locale_t *before)
{
    (void) uselocale(*before);
}
#define IN_UTF8(lib)                                                                               \
    locale_t before_ UNUSED __attribute__((cleanup(cleanup_locale))) = uselocale((lib)->utf8)

static int archive_failed(const struct library *lib, struct archive *archive, const char *what,
                          struct err *err)
{
    const char *text = lib->archive_error_string(archive);
    return err_say(err, -EINVAL, "%s: %s", what, text == NULL ? "unknown reason" : text);
}

/* An end record and nothing else: legal, but libarchive does not recognise it. */
static bool is_empty_archive(struct str bytes)
{
    enum { END_SIZE = 22, COMMENT_LEN_AT = 20 };
    if (bytes.len < END_SIZE || !str_starts(bytes, STR("PK\5\6\0\0\0\0\0\0\0\0")))
        return false;
    const unsigned char *at = (const unsigned char *) bytes.ptr + COMMENT_LEN_AT;
    return bytes.len == END_SIZE + at[0] + 256u * at[1];
}

int zip_open(struct str bytes, struct zip_reader **out_reader, struct err *err)
{
    struct zip_reader *r = NEW(struct zip_reader);
    int rc = is_empty_archive(bytes) ? 0 : library_load(&r->lib, err);
    if (rc == 0 && !is_empty_archive(bytes)) {
        IN_UTF8(&r->lib);
        r->archive = r->lib.archive_read_new();
        assert(r->archive != NULL);
        if (r->lib.archive_read_support_format_zip_seekable(r->archive) != ARCHIVE_OK ||
            r->lib.archive_read_open_memory(r->archive, bytes.ptr, bytes.len) != ARCHIVE_OK)
            rc = archive_failed(&r->lib, r->archive, "open ZIP archive", err);
    }
    if (rc < 0) {
        zip_close(r);
        return rc;
    }
    *out_reader = r;
    return 0;
}

void zip_close(struct zip_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->archive != NULL)
        (void) reader->lib.archive_read_free(reader->archive); /* nothing left to report */
    library_done(&reader->lib);
    free(reader);
}

static bool part_is_safe(struct str part)
{
    if (part.len == 0 || part.len > ZIP_PART_MAX || str_eq(part, STR(".")) ||
        str_eq(part, STR("..")))
        return false;
    for (size_t i = 0; i < part.len; i++) {
        if ((unsigned char) part.ptr[i] < 0x20 || part.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

bool zip_name_is_safe(struct str name)
{
    if (name.len == 0 || name.len > ZIP_NAME_MAX || !utf8_is_valid(name))
        return false;
    struct str rest = name, part;
    unsigned depth = 0;
    while (str_split(&rest, '/', &part)) {
        if (!part_is_safe(part) || ++depth > ZIP_DEPTH_MAX)
            return false;
    }
    return true;
}

/* "./a", as some packers write it, and "a/" of directories, reduced to "a"; the top directory
 * itself becomes empty. */
static struct str name_trim(struct str name)
{
    while (str_starts(name, STR("./")))
        name = str_skip(name, 2);
    while (name.len > 0 && name.ptr[name.len - 1] == '/')
        name.len--;
    return str_eq(name, STR(".")) ? str_head(name, 0) : name;
}

static int entry_kind(struct zip_reader *r, struct archive_entry *entry, struct zip_entry *out,
                      struct err *err)
{
    mode_t type = r->lib.archive_entry_filetype(entry);
    if (type == S_IFREG) {
        out->kind = ZIP_FILE;
    } else if (type == S_IFDIR) {
        out->kind = ZIP_DIR;
    } else if (type == S_IFLNK) {
        out->kind = ZIP_LINK;
        out->link = str_from(r->lib.archive_entry_symlink(entry));
        if (out->link.ptr == NULL || out->link.len == 0 || out->link.len > ZIP_NAME_MAX)
            return err_say(err, -EINVAL, "symbolic link without a usable target");
    } else {
        return err_say(err, -EINVAL, "entry is neither file, directory nor symbolic link");
    }
    return 0;
}

static bool is_known_method(const char *format_name)
{
    return format_name != NULL && (strstr(format_name, "(deflation)") != NULL ||
                                   strstr(format_name, "(uncompressed)") != NULL);
}

static int entry_take(struct zip_reader *r, struct archive_entry *entry, struct zip_entry *out,
                      struct err *err)
{
    const char *raw = r->lib.archive_entry_pathname(entry);
    if (raw == NULL)
        return err_say(err, -EINVAL, "entry name cannot be decoded");
    struct zip_entry e = {.name = name_trim(str_from(raw))};
    int rc = entry_kind(r, entry, &e, err);
    if (rc < 0) {
        (void) err_wrap(err, "'%.80s'", raw);
        return rc;
    }
    bool is_top = e.name.len == 0 && e.kind == ZIP_DIR && raw[0] == '.';
    if (!is_top && !zip_name_is_safe(e.name))
        return err_say(err, -EINVAL, "unsafe entry name");
    if (r->lib.archive_entry_is_encrypted(entry))
        return err_say(err, -EINVAL, "'%.80s' is encrypted", raw);
    if (!is_known_method(r->lib.archive_format_name(r->archive)))
        return err_say(err, -EINVAL, "'%.80s' has an unsupported compression method", raw);
    int64_t size = r->lib.archive_entry_size(entry);
    if (size < 0)
        return err_say(err, -EINVAL, "'%.80s' has an impossible size", raw);
    e.size = e.kind == ZIP_FILE ? (uint64_t) size : 0;
    e.is_executable = (r->lib.archive_entry_perm(entry) & 0111) != 0;
    *out = e;
    return is_top ? 0 : 1;
}

int zip_next(struct zip_reader *reader, struct zip_entry *out_entry, struct err *err)
{
    if (reader->archive == NULL)
        return 0;
    IN_UTF8(&reader->lib);
    for (;;) {
        struct archive_entry *entry;
        int rc = reader->lib.archive_read_next_header(reader->archive, &entry);
        if (rc == ARCHIVE_EOF)
            return 0;
        if (rc == ARCHIVE_RETRY)
            continue;
        if (rc != ARCHIVE_OK)
            return archive_failed(&reader->lib, reader->archive, "read ZIP entry", err);
        rc = entry_take(reader, entry, out_entry, err);
        if (rc != 0) /* 0: the entry of the top directory itself, which everybody has already */
            return rc;
    }
}

int zip_read(struct zip_reader *reader, void *to, size_t size, size_t *out_len, struct err *err)
{
    assert(size > 0);
    la_ssize_t n;
    do
        n = reader->lib.archive_read_data(reader->archive, to, size);
    while (n == ARCHIVE_RETRY);
    if (n < 0)
        return archive_failed(&reader->lib, reader->archive, "read ZIP data", err);
    assert((size_t) n <= size);
    *out_len = (size_t) n;
    return 0;
}

/* libarchive hands the finished bytes over in blocks. A full buffer is not reported here but asked
 * for afterwards: libarchive 3.6 leaks memory after a failed callback. */
static la_ssize_t writer_take(struct archive *archive, void *arg, const void *bytes, size_t size)
{
    (void) archive;
    struct zip_writer *w = arg;
    buf_put(w->out, str_of(bytes, size));
    return (la_ssize_t) size;
}

int zip_writer_new(struct buf *out, struct zip_writer **out_writer, struct err *err)
{
    struct zip_writer *w = NEW(struct zip_writer);
    w->out = out;
    int rc = library_load(&w->lib, err);
    if (rc == 0) {
        w->entry = w->lib.archive_entry_new();
        w->archive = w->lib.archive_write_new();
        assert(w->entry != NULL && w->archive != NULL);
        if (w->lib.archive_write_set_format_zip(w->archive) != ARCHIVE_OK ||
            w->lib.archive_write_set_bytes_per_block(w->archive, 0) != ARCHIVE_OK ||
            w->lib.archive_write_open(w->archive, w, NULL, writer_take, NULL) != ARCHIVE_OK)
            rc = archive_failed(&w->lib, w->archive, "start ZIP archive", err);
    }
    if (rc < 0) {
        zip_writer_free(w);
        return rc;
    }
    *out_writer = w;
    return 0;
}

void zip_writer_free(struct zip_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->archive != NULL)
        (void) writer->lib.archive_write_free(writer->archive); /* zip_writer_end reported */
    if (writer->entry != NULL)
        writer->lib.archive_entry_free(writer->entry);
    library_done(&writer->lib);
    free(writer);
}

static int writer_check(const struct zip_writer *w, struct err *err)
{
    if (buf_is_over(w->out))
        return err_say(err, -E2BIG, "archive is larger than %zu bytes", w->out->limit);
    return 0;
}

static int writer_entry(struct zip_writer *w, struct str name, unsigned type, unsigned perm,
                        struct str bytes, struct err *err)
{
    assert(zip_name_is_safe(name));
    IN_UTF8(&w->lib);
    AUTO_FREE char *path = mem_copy(name.ptr, name.len);
    w->lib.archive_entry_clear(w->entry);
    w->lib.archive_entry_set_pathname(w->entry, path);
    w->lib.archive_entry_set_filetype(w->entry, type);
    w->lib.archive_entry_set_perm(w->entry, perm);
    w->lib.archive_entry_set_mtime(w->entry, FIXED_TIME_S, 0);
    AUTO_FREE char *target = type == AE_IFLNK ? mem_copy(bytes.ptr, bytes.len) : NULL;
    if (target != NULL)
        w->lib.archive_entry_set_symlink(w->entry, target);
    else
        w->lib.archive_entry_set_size(w->entry, (la_int64_t) bytes.len);
    if (w->lib.archive_write_header(w->archive, w->entry) != ARCHIVE_OK)
        return archive_failed(&w->lib, w->archive, "write ZIP entry", err);
    while (target == NULL && bytes.len > 0) {
        la_ssize_t n = w->lib.archive_write_data(w->archive, bytes.ptr, bytes.len);
        if (n <= 0)
            return archive_failed(&w->lib, w->archive, "write ZIP data", err);
        bytes = str_skip(bytes, (size_t) n);
    }
    return writer_check(w, err);
}

int zip_writer_file(struct zip_writer *writer, struct str name, struct str bytes,
                    bool is_executable, struct err *err)
{
    return writer_entry(writer, name, AE_IFREG, is_executable ? 0755 : 0644, bytes, err);
}

int zip_writer_link(struct zip_writer *writer, struct str name, struct str target, struct err *err)
{
    return writer_entry(writer, name, AE_IFLNK, 0777, target, err);
}

int zip_writer_end(struct zip_writer *writer, struct err *err)
{
    IN_UTF8(&writer->lib);
    if (writer->lib.archive_write_close(writer->archive) != ARCHIVE_OK)
        return archive_failed(&writer->lib, writer->archive, "end ZIP archive", err);
    return writer_check(writer, err);
}
