/* Whole files and directories, each call complete in itself.
 *
 * The one subtle thing here is file_write_durable. A reader, now or after a power cut, sees either
 * the old file or the whole new one, because each step is on disk before the next begins:
 *
 *   write temporary  →  fsync file  →  rename over path  →  fsync directory
 *
 * Without the first fsync some file systems rename an empty file into place; without the second
 * the rename itself may be lost although we reported success. The temporary lies in the same
 * directory (rename does not cross file systems) and carries a random suffix, so that two writers
 * never share one; what a crash leaves behind ends in ".tmp" and is collected by its directory's
 * owner. A failed fsync is final: Linux drops the dirty pages, a second fsync would lie. */
#include "os/file.h"

#include "base/assert.h"
#include "os/random.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { READ_STEP = 64 * 1024 };

/* Reads to the end of fd. Returns -EFBIG when one byte more than the limit is there. */
static int fd_read_rest(int fd, struct buf *buf)
{
    for (;;) {
        size_t left = buf->limit - buf->len;
        char beyond = 0;
        size_t want = left < READ_STEP ? left : READ_STEP;
        char *to = want == 0 ? &beyond : buf_room(buf, want);
        assert(to != NULL);
        ssize_t n = read(fd, to, want == 0 ? 1 : want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        if (want == 0)
            return -EFBIG;
        buf_added(buf, (size_t) n);
    }
}

int file_read(const char *path, struct buf *out_buf, struct err *err)
{
    assert(!buf_is_over(out_buf));
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open '%s'", path);
    size_t len_before = out_buf->len;
    int rc = fd_read_rest(fd, out_buf);
    if (rc < 0) {
        if (out_buf->ptr != NULL) {
            out_buf->len = len_before;
            out_buf->ptr[len_before] = '\0';
        }
        return err_set(err, rc, "read '%s'", path);
    }
    return 0;
}

int fd_write_all(int fd, struct str bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, -errno, "write %zu bytes", bytes.len);
        bytes = str_skip(bytes, (size_t) n);
    }
    return 0;
}

/* The directory part of path, "." when there is none. */
static int path_parent(const char *path, char out_parent[PATH_MAX], struct err *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        memcpy(out_parent, ".", 2);
        return 0;
    }
    size_t len = slash == path ? 1 : (size_t) (slash - path);
    if (len >= PATH_MAX)
        return err_set(err, -ENAMETOOLONG, "path");
    memcpy(out_parent, path, len);
    out_parent[len] = '\0';
    return 0;
}

/* Creates `path`, filled and synced; removed again on failure. */
static int file_fill_new(int dir_fd, const char *path, struct str bytes, unsigned mode,
                         struct err *err)
{
    AUTO_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return err_set(err, -errno, "create '%s'", path);
    int rc = fd_write_all(fd, bytes, err);
    if (rc < 0)
        rc = err_wrap(err, "fill '%s'", path);
    else if (fsync(fd) < 0)
        rc = err_set(err, -errno, "sync '%s'", path);
    if (rc < 0)
        (void) unlinkat(dir_fd, path, 0); /* The first failure is the one to report. */
    return rc;
}

int file_write_durable(int dir_fd, const char *path, struct str bytes, unsigned mode,
                       struct err *err)
{
    char parent[PATH_MAX], temporary[PATH_MAX];
    int rc = path_parent(path, parent, err);
    if (rc < 0)
        return rc;
    int len = snprintf(temporary, sizeof temporary, "%s.%016llx.tmp", path,
                       (unsigned long long) rng_u64(&rng_real));
    if (len < 0 || (size_t) len >= sizeof temporary)
        return err_set(err, -ENAMETOOLONG, "path");
    rc = file_fill_new(dir_fd, temporary, bytes, mode, err);
    if (rc < 0)
        return rc;
    if (renameat(dir_fd, temporary, dir_fd, path) < 0) {
        rc = err_set(err, -errno, "rename to '%s'", path);
        (void) unlinkat(dir_fd, temporary, 0);
        return rc;
    }
    return dir_sync(dir_fd, parent, err);
}

int dir_sync(int dir_fd, const char *path, struct err *err)
{
    AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open directory '%s'", path);
    if (fsync(fd) < 0)
        return err_set(err, -errno, "sync directory '%s'", path);
    return 0;
}

/* One level; an existing directory (or a link to one) is success. */
static int dir_make_one(const char *path, unsigned mode, struct err *err)
{
    if (mkdir(path, mode) == 0)
        return 0;
    int code = -errno;
    struct stat st;
    if (code == -EEXIST && stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? 0 : err_set(err, -ENOTDIR, "make directory '%s'", path);
    return err_set(err, code, "make directory '%s'", path);
}

int dir_make(const char *path, unsigned mode, struct err *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return err_set(err, len == 0 ? -ENOENT : -ENAMETOOLONG, "make directory '%s'", path);
    for (size_t at = 1; at < len; at++) {
        if (path[at] != '/' || path[at - 1] == '/')
            continue;
        memcpy(part, path, at);
        part[at] = '\0';
        int rc = dir_make_one(part, mode, err);
        if (rc < 0)
            return rc;
    }
    return dir_make_one(path, mode, err);
}

int file_lock(const char *path, int *out_fd, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, -errno, "open '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, -errno, "lock '%s'", path);
    *out_fd = take_fd(&fd);
    return 0;
}
