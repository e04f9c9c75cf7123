/* The directory of images that outlive the server.
 *
 *     start   list → find one for each function that is there → sweep what nobody wanted
 *     later   a file without a name is written and sealed → link;  remove
 *
 * The name is a digest of everything that an image depends on and that can be known beforehand:
 * what the caller says (the function, its code and environment), the build of Virga, the kernel,
 * the processor's features (libraries choose by them what code they run), and what is installed. A
 * stale image has a name that nobody asks for, and goes with the next sweep. What a process had
 * mapped is checked by the restorer, file by file. What it had read (modules of Python, say) cannot
 * be; so the databases of packages count, and the directories that packages of the languages are
 * put into.
 *
 * A file gets its name when it is whole (O_TMPFILE, linkat), so a crash at any moment leaves no
 * half of one, and nothing to clean up. Nothing waits for the disk: what a power cut tears, the
 * seal shows. */
#include "runtime/kept.h"

#include "base/mem.h"
#include "data/hash.h"
#include "os/cpu.h"
#include "os/exec.h"
#include "restorer/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { DIGEST_CHARS = 2 * SHA256_SIZE };

/* Of the start: a file that may be found. */
struct former {
    char name[KEPT_NAME_SIZE];
    bool is_found;
};

struct kept {
    int dir_fd;                      /* -1: not open */
    unsigned char host[SHA256_SIZE]; /* build, kernel, processor, packages */
    struct former *former;           /* owned; NULL after the sweep */
    size_t former_count;
};

/* ---- what an image depends on ---- */

static void add(struct hasher *hasher, const void *bytes, size_t size)
{
    hasher_add(hasher, str_of(bytes, size));
}

static void add_file(struct hasher *hasher, const char *path)
{
    struct stat st = {0};
    if (stat(path, &st) < 0)
        st = (struct stat){0};
    const uint64_t what[] = {st.st_ino, (uint64_t) st.st_size, (uint64_t) st.st_mtim.tv_sec,
                             (uint64_t) st.st_mtim.tv_nsec};
    add(hasher, what, sizeof what);
}

/* What changes when a package of the system or of a language is installed, upgraded or removed. */
static void add_packages(struct hasher *hasher)
{
    static const char *const patterns[] = {
        "/var/lib/dpkg/status",         "/var/lib/rpm/rpmdb.sqlite",
        "/lib/apk/db/installed",        "/etc/ld.so.cache",
        "/usr/lib/python3*/*-packages", "/usr/local/lib/python3*/*-packages",
        "/usr/local/lib/node_modules",
    };
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        glob_t found = {0};
        if (glob(patterns[i], 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc; k++)
                add_file(hasher, found.gl_pathv[k]);
        globfree(&found);
        add(hasher, "", 1);
    }
}

static int host_digest(uint64_t build, unsigned char out[SHA256_SIZE], struct err *err)
{
    struct utsname name;
    struct hasher *hasher;
    if (uname(&name) < 0)
        return err_set(err, -errno, "uname");
    hasher = hasher_new(HASH_SHA256);
    uint64_t features = cpu_features();
    uint32_t version = IMAGE_VERSION;
    add(hasher, &version, sizeof version);
    add(hasher, &build, sizeof build);
    add(hasher, &features, sizeof features);
    add(hasher, name.release, sizeof name.release);
    add(hasher, name.version, sizeof name.version);
    add(hasher, name.machine, sizeof name.machine);
    add_packages(hasher);
    (void) hasher_end(hasher, out);
    hasher_free(hasher);
    return 0;
}

static void digest(const struct kept *kept, struct str what, char out[DIGEST_CHARS + 1])
{
    unsigned char hash[SHA256_SIZE];
    struct hasher *hasher = hasher_new(HASH_SHA256);
    add(hasher, kept->host, sizeof kept->host);
    hasher_add(hasher, what);
    (void) hasher_end(hasher, hash);
    hasher_free(hasher);
    hex_encode(hash, sizeof hash, out);
}

void kept_name(const struct kept *kept, struct str what, struct rng *rng, char out[KEPT_NAME_SIZE])
{
    char hex[DIGEST_CHARS + 1];
    digest(kept, what, hex);
    (void) snprintf(out, KEPT_NAME_SIZE, "%s.%016llx", hex, (unsigned long long) rng_u64(rng));
}

/* ---- the start ---- */

static bool is_name(struct str name)
{
    if (name.len != KEPT_NAME_SIZE - 1 || name.ptr[DIGEST_CHARS] != '.')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (i != DIGEST_CHARS && hex_digit(name.ptr[i]) < 0)
            return false;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct former *) a)->name, ((const struct former *) b)->name);
}

/* Takes fd. */
static int list(struct kept *kept, int fd, struct err *err)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void) close(fd);
        return err_set(err, -errno, "list the images of snapshots");
    }
    size_t room = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!is_name(str_from(entry->d_name)))
            continue;
        if (kept->former_count == room) {
            room = room == 0 ? 64 : 2 * room;
            kept->former = mem_resize(kept->former, room * sizeof *kept->former);
        }
        struct former *former = &kept->former[kept->former_count++];
        *former = (struct former){.is_found = false};
        memcpy(former->name, entry->d_name, KEPT_NAME_SIZE);
    }
    (void) closedir(dir);
    if (kept->former_count > 0)
        qsort(kept->former, kept->former_count, sizeof *kept->former, compare_names);
    return 0;
}

int kept_new(const char *dir, uint64_t build, struct kept **out_kept, struct err *err)
{
    struct kept *kept = NEW(struct kept);
    kept->dir_fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    int rc = kept->dir_fd < 0 ? err_set(err, -errno, "open '%s'", dir) : 0;
    if (rc == 0)
        rc = host_digest(build, kept->host, err);
    int fd = rc < 0 ? -1 : openat(kept->dir_fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (rc == 0)
        rc = fd < 0 ? err_set(err, -errno, "open '%s'", dir) : list(kept, fd, err);
    if (rc < 0) {
        kept_free(kept);
        return rc;
    }
    *out_kept = kept;
    return 0;
}

void kept_free(struct kept *kept)
{
    if (kept == NULL)
        return;
    cleanup_close(&kept->dir_fd);
    free(kept->former);
    free(kept);
}

/* A file of ours, as we left it as far as that can be seen without looking into it. */
static int open_sound(const struct kept *kept, const char *name, struct stat *out_st)
{
    AUTO_CLOSE int fd = openat(kept->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, out_st) < 0 || !S_ISREG(out_st->st_mode) ||
        out_st->st_uid != geteuid() || (out_st->st_mode & 07777) != 0600 ||
        out_st->st_size % IMAGE_PAGE != 0 || out_st->st_size < 2 * IMAGE_PAGE)
        return -1;
    return take_fd(&fd);
}

bool kept_find(struct kept *kept, struct str what, struct kept_image *out)
{
    char hex[DIGEST_CHARS + 1];
    digest(kept, what, hex);
    for (size_t low = 0, high = kept->former_count; low < high;) {
        size_t at = (low + high) / 2;
        struct former *former = &kept->former[at];
        int order = memcmp(former->name, hex, DIGEST_CHARS);
        struct stat st;
        if (order != 0) {
            low = order < 0 ? at + 1 : low;
            high = order < 0 ? high : at;
            continue;
        }
        int fd = former->is_found ? -1 : open_sound(kept, former->name, &st);
        if (fd < 0)
            return false; /* the sweep takes it */
        former->is_found = true;
        *out = (struct kept_image){.fd = fd,
                                   .size_bytes = (uint64_t) st.st_size - IMAGE_PAGE,
                                   .used_utc_ms = (int64_t) st.st_mtim.tv_sec * 1000 +
                                                  st.st_mtim.tv_nsec / 1000000};
        memcpy(out->name, former->name, sizeof out->name);
        return true;
    }
    return false;
}

struct sweep {
    struct task task;
    int dir_fd;            /* owned */
    struct former *former; /* owned */
    size_t count;
};

static void run_sweep(struct task *task)
{
    struct sweep *sweep = CONTAINER_OF(task, struct sweep, task);
    for (size_t i = 0; i < sweep->count; i++)
        if (!sweep->former[i].is_found)
            (void) unlinkat(sweep->dir_fd, sweep->former[i].name, 0); /* else the next start's */
    (void) close(sweep->dir_fd);
    free(sweep->former);
    free(sweep);
}

void kept_sweep(struct kept *kept, struct exec *workers)
{
    int dir_fd = fcntl(kept->dir_fd, F_DUPFD_CLOEXEC, 3);
    if (kept->former_count == 0 || dir_fd < 0) {
        cleanup_close(&dir_fd);
        return;
    }
    struct sweep *sweep = NEW(struct sweep);
    *sweep = (struct sweep){.task = {.run = run_sweep},
                            .dir_fd = dir_fd,
                            .former = take_ptr(&kept->former),
                            .count = kept->former_count};
    kept->former_count = 0;
    exec_post(workers, &sweep->task);
}

/* ---- later ---- */

int kept_seal(int fd, uint64_t size_bytes, uint64_t hash, struct err *err)
{
    struct image_seal seal = {.magic = IMAGE_SEAL_MAGIC, .size_bytes = size_bytes, .hash = hash};
    seal.check = image_seal_check(&seal);
    if (ftruncate(fd, (off_t) (size_bytes + IMAGE_PAGE)) < 0)
        return err_set(err, -errno, "size a snapshot");
    ssize_t n = pwrite(fd, &seal, sizeof seal, (off_t) size_bytes);
    return n == (ssize_t) sizeof seal ? 0 : err_set(err, n < 0 ? -errno : -EIO, "seal a snapshot");
}

int kept_link(const struct kept *kept, int fd, const char *name, struct err *err)
{
    char path[32];
    (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, path, kept->dir_fd, name, AT_SYMLINK_FOLLOW) < 0)
        return err_set(err, -errno, "name a snapshot");
    return 0;
}

void kept_remove(const struct kept *kept, const char *name)
{
    (void) unlinkat(kept->dir_fd, name, 0); /* what stays is swept by the next start */
}

void kept_note_use(int fd, int64_t utc_ms)
{
    const struct timespec times[] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = utc_ms / 1000, .tv_nsec = utc_ms % 1000 * 1000000},
    };
    (void) futimens(fd, times); /* only an order */
}
