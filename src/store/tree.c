/* Unpacking a hostile ZIP package into a directory.
 *
 *   make dir/name.<random>.tmp → entries, one after the other → everything to disk
 *     → rename to dir/name → fsync dir
 *
 * Where each danger dies:
 *
 *   absolute names, "..", control characters      data/zip.c, before we see the name
 *   a link in a directory's place ("a" → "/etc",   every step of every path is opened relative to
 *   then "a/passwd"), also one that another        the step before with O_NOFOLLOW | O_DIRECTORY
 *   entry made
 *   a link that leads out                          tree_link_is_safe, see there
 *   the same name twice, a file where a            O_EXCL, mkdirat, symlinkat: -EEXIST, refused
 *   directory is
 *   bombs: many entries, sizes that lie            both counted while unpacking; the declared size
 *                                                  only serves to refuse early
 *   set-uid bits, unreadable files, foreign owners modes are ours, nothing of the archive's is kept
 *
 * Durability: for few entries each file and directory is synced; for many one syncfs is cheaper
 * (a journal commit each, against one for all). Called by the lambda service on a worker. */
#include "store/tree.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"
#include "data/zip.h"
#include "os/file.h"
#include "os/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { SYNC_EACH_MAX = 8 };
#define TEMPORARY ".tmp"

struct unpacking {
    struct zip_reader *zip; /* borrowed */
    const struct tree_limits *limits;
    int top_fd; /* borrowed */
    struct tree_stats stats;
    char *step;                  /* owned, ZIP_STEP bytes */
    char name[ZIP_NAME_MAX + 1]; /* of the current entry, NUL-terminated */
    char target[ZIP_NAME_MAX + 1];
};

bool tree_link_is_safe(struct str target, unsigned depth)
{
    /* Leading ".." climb real directories (links are never parents of entries), at most to the top;
     * after the first name no ".." follows, so whatever links those names are, each was judged by
     * this same rule from the directory it really lies in: by induction nothing leads out. */
    if (target.len == 0 || target.len > ZIP_NAME_MAX || target.ptr[0] == '/' ||
        memchr(target.ptr, '\0', target.len) != NULL)
        return false;
    struct str rest = target, part;
    bool has_name = false;
    while (str_split(&rest, '/', &part)) {
        if (part.len == 0 || str_eq(part, STR(".")))
            continue;
        if (!str_eq(part, STR("..")))
            has_name = true;
        else if (has_name || depth-- == 0)
            return false;
    }
    return true;
}

/* Opens the directory that will hold `path`, making what is missing on the way; *out_leaf is the
 * last part. Nothing on the way may be a link. */
static int open_parent(struct unpacking *u, char *path, int *out_fd, const char **out_leaf,
                       unsigned *out_depth, struct err *err)
{
    AUTO_CLOSE int fd = fcntl(u->top_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, -errno, "duplicate descriptor");
    unsigned depth = 0;
    for (char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1, depth++) {
        *slash = '\0';
        bool is_new = mkdirat(fd, path, 0755) == 0;
        if (!is_new && errno != EEXIST)
            return err_set(err, -errno, "make directory '%s'", path);
        int next = openat(fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && (errno == ENOTDIR || errno == ELOOP))
            return err_say(err, -EINVAL, "'%s' is used as a directory but is none", path);
        if (next < 0)
            return err_set(err, -errno, "open directory '%s'", path);
        (void) close(fd); /* a directory read-only: nothing can be lost */
        fd = next;
        if (is_new && fchmod(fd, 0755) < 0) /* the umask had a say */
            return err_set(err, -errno, "set mode of '%s'", path);
    }
    *out_fd = take_fd(&fd);
    *out_leaf = path;
    *out_depth = depth;
    return 0;
}

static int taken_or_failed(const char *what, const char *leaf, struct err *err)
{
    if (errno == EEXIST)
        return err_say(err, -EINVAL, "'%s' is there twice", leaf);
    return err_set(err, -errno, "%s '%s'", what, leaf);
}

static int copy_data(struct unpacking *u, int fd, struct err *err)
{
    for (;;) {
        size_t n;
        int rc = zip_read(u->zip, u->step, ZIP_STEP, &n, err);
        if (rc < 0 || n == 0)
            return rc;
        u->stats.bytes += n;
        if (u->stats.bytes > u->limits->bytes_max)
            return err_say(err, -EFBIG, "more than %llu bytes unpacked",
                           (unsigned long long) u->limits->bytes_max);
        rc = fd_write_all(fd, str_of(u->step, n), err);
        if (rc < 0)
            return rc;
    }
}

static int make_file(struct unpacking *u, int dir_fd, const char *leaf, bool is_executable,
                     struct err *err)
{
    mode_t mode = is_executable ? 0755 : 0644;
    AUTO_CLOSE int fd =
        openat(dir_fd, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return taken_or_failed("create", leaf, err);
    if (fchmod(fd, mode) < 0) /* the umask had a say */
        return err_set(err, -errno, "set mode of '%s'", leaf);
    int rc = copy_data(u, fd, err);
    if (rc < 0) {
        (void) err_wrap(err, "'%s'", leaf);
        return rc;
    }
    if (u->stats.entries <= SYNC_EACH_MAX && fsync(fd) < 0)
        return err_set(err, -errno, "sync '%s'", leaf);
    u->stats.files++;
    return 0;
}

static int make_dir(int dir_fd, const char *leaf, struct err *err)
{
    struct stat st;
    if (mkdirat(dir_fd, leaf, 0755) == 0)
        return fchmodat(dir_fd, leaf, 0755, 0) < 0 ? err_set(err, -errno, "set mode of '%s'", leaf)
                                                   : 0;
    if (errno == EEXIST && fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
        return 0; /* listed after its first file, or twice: common and harmless */
    errno = EEXIST;
    return taken_or_failed("make directory", leaf, err);
}

static int make_entry(struct unpacking *u, const struct zip_entry *entry, struct err *err)
{
    AUTO_CLOSE int dir_fd = -1;
    const char *leaf = NULL;
    unsigned depth = 0;
    memcpy(u->name, entry->name.ptr, entry->name.len);
    u->name[entry->name.len] = '\0';
    int rc = open_parent(u, u->name, &dir_fd, &leaf, &depth, err);
    if (rc < 0)
        return rc;
    switch (entry->kind) {
    case ZIP_FILE: rc = make_file(u, dir_fd, leaf, entry->is_executable, err); break;
    case ZIP_DIR: rc = make_dir(dir_fd, leaf, err); break;
    case ZIP_LINK:
        if (!tree_link_is_safe(entry->link, depth))
            return err_say(err, -EINVAL, "symbolic link '%s' leads out of the package", leaf);
        memcpy(u->target, entry->link.ptr, entry->link.len);
        u->target[entry->link.len] = '\0';
        if (symlinkat(u->target, dir_fd, leaf) < 0)
            rc = taken_or_failed("link", leaf, err);
        break;
    }
    if (rc == 0 && u->stats.entries <= SYNC_EACH_MAX && fsync(dir_fd) < 0)
        rc = err_set(err, -errno, "sync directory of '%s'", leaf);
    return rc;
}

static int unpack_entries(struct unpacking *u, struct err *err)
{
    struct zip_entry entry;
    uint64_t declared = 0;
    int rc;
    while ((rc = zip_next(u->zip, &entry, err)) > 0) {
        if (++u->stats.entries > u->limits->entries_max)
            return err_say(err, -E2BIG, "more than %u entries", u->limits->entries_max);
        if (entry.size > u->limits->bytes_max - declared)
            return err_say(err, -EFBIG, "declares more than %llu bytes",
                           (unsigned long long) u->limits->bytes_max);
        declared += entry.size;
        rc = make_entry(u, &entry, err);
        if (rc < 0)
            return rc;
    }
    if (rc == 0 && u->stats.entries > SYNC_EACH_MAX && syncfs(u->top_fd) < 0)
        return err_set(err, -errno, "sync file system");
    return rc;
}

/* Fills the temporary directory and puts it in its place. */
static int fill_and_rename(int dir_fd, const char *temporary, const char *name, struct unpacking *u,
                           struct err *err)
{
    AUTO_CLOSE int top_fd =
        openat(dir_fd, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top_fd < 0)
        return err_set(err, -errno, "open directory '%s'", temporary);
    u->top_fd = top_fd;
    int rc = fchmod(top_fd, 0755) < 0 ? err_set(err, -errno, "set mode of '%s'", temporary)
                                      : unpack_entries(u, err);
    if (rc < 0)
        return rc;
    if (fsync(top_fd) < 0)
        return err_set(err, -errno, "sync '%s'", temporary);
    if (renameat2(dir_fd, temporary, dir_fd, name, RENAME_NOREPLACE) < 0)
        return err_set(err, -errno, "rename to '%s'", name);
    return fsync(dir_fd) < 0 ? err_set(err, -errno, "sync directory of '%s'", name) : 0;
}

/* A name beside `name` that tree_sweep knows as unfinished. */
static int temporary_name(char out[NAME_MAX + 1], const char *name, struct err *err)
{
    assert(strchr(name, '/') == NULL && name[0] != '\0');
    int len = snprintf(out, NAME_MAX + 1, "%s.%016llx" TEMPORARY, name,
                       (unsigned long long) rng_u64(&rng_real));
    return len < 0 || len > NAME_MAX ? err_set(err, -ENAMETOOLONG, "'%s'", name) : 0;
}

int tree_unpack(const char *dir, const char *name, struct str zip, const struct tree_limits *limits,
                struct tree_stats *out_stats, struct err *err)
{
    char temporary[NAME_MAX + 1];
    int rc = temporary_name(temporary, name, err);
    AUTO_ZIP_READER struct zip_reader *reader = NULL;
    if (rc == 0)
        rc = zip_open(zip, &reader, err);
    if (rc < 0)
        return rc;
    AUTO_CLOSE int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return err_set(err, -errno, "open directory '%s'", dir);
    if (mkdirat(dir_fd, temporary, 0755) < 0)
        return err_set(err, -errno, "make directory '%s'", temporary);
    struct unpacking *u = NEW(struct unpacking);
    AUTO_FREE char *step = mem_new(ZIP_STEP);
    u->zip = reader;
    u->limits = limits;
    u->step = step;
    rc = fill_and_rename(dir_fd, temporary, name, u, err);
    if (rc == 0) {
        *out_stats = u->stats;
    } else {
        int left = dir_remove(dir_fd, temporary, NULL);
        (void) left; /* what stays is collected at start; the first failure is the one to report */
    }
    free(u);
    return rc;
}

int tree_unpack_file(const char *dir, const char *name, int fd, const struct tree_limits *limits,
                     struct tree_stats *out_stats, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(err, -errno, "size of the package of '%s'", name);
    size_t size = (size_t) st.st_size;
    if (size == 0)
        return err_say(err, -EINVAL, "the package of '%s' is empty", name);
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_set(err, -errno, "map the package of '%s'", name);
    int rc = tree_unpack(dir, name, str_of(bytes, size), limits, out_stats, err);
    (void) munmap(bytes, size); /* a mapping of ours: cannot fail */
    return rc;
}

int tree_open(const char *dir, const char *name, int *out_fd, struct err *err)
{
    AUTO_CLOSE int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return err_set(err, -errno, "open directory '%s'", dir);
    int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open '%s/%s'", dir, name);
    *out_fd = fd;
    return 0;
}

bool tree_has(int fd, const char *name)
{
    return faccessat(fd, name, F_OK, AT_EACCESS) == 0;
}

int tree_each(int fd, const char *name, void (*fn)(void *arg, const char *file), void *arg,
              struct err *err)
{
    AUTO_CLOSE int dir_fd = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? 0
                   : err_set(err, -errno, "open directory '%s'", name);
    DIR *list = fdopendir(dir_fd);
    if (list == NULL)
        return err_set(err, -errno, "read directory '%s'", name);
    (void) take_fd(&dir_fd); /* the list's */
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(list), entry->d_name, &st, 0) == 0 && !S_ISDIR(st.st_mode))
            fn(arg, entry->d_name);
    }
    (void) closedir(list); /* read only: nothing can be lost */
    return 0;
}

int tree_remove(const char *dir, const char *name, struct err *err)
{
    char temporary[NAME_MAX + 1];
    int rc = temporary_name(temporary, name, err);
    if (rc < 0)
        return rc;
    AUTO_CLOSE int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return err_set(err, -errno, "open directory '%s'", dir);
    if (renameat(dir_fd, name, dir_fd, temporary) < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "rename '%s'", name);
    return dir_remove(dir_fd, temporary, err);
}

static int sweep_one(int dir_fd, const char *name, bool (*fn)(void *arg, const char *name),
                     void *arg, struct err *err)
{
    bool is_unfinished = str_ends(str_from(name), STR(TEMPORARY));
    return !is_unfinished && fn(arg, name) ? 0 : dir_remove(dir_fd, name, err);
}

int tree_sweep(const char *dir, bool (*fn)(void *arg, const char *name), void *arg, struct err *err)
{
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_set(err, -errno, "make directory '%s'", dir);
    DIR *stream = opendir(dir);
    if (stream == NULL)
        return err_set(err, -errno, "open directory '%s'", dir);
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (errno = 0, entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = sweep_one(dirfd(stream), entry->d_name, fn, arg, err);
    }
    if (rc == 0 && errno != 0)
        rc = err_set(err, -errno, "read directory '%s'", dir);
    (void) closedir(stream); /* it was only read */
    return rc;
}
