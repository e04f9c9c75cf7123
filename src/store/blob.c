/* Blobs in a directory:
 *
 *     <dir>/00 … <dir>/ff/<64 hex digits>    complete, synced, never changed again
 *     <dir>/tmp/<16 hex digits>              being written; what is found here at open is removed
 *
 * A put writes to tmp, syncs the file, renames it to its name, syncs the shard's directory and the
 * one above (shards are made when they are needed): a name that exists always has all its bytes,
 * and when put has returned it survives a power cut.
 *
 * Equal bytes have equal names: two writers of the same blob rename over each other, which
 * readers do not notice. Names come from database rows and are checked all the same, since they
 * become paths.
 *
 * The room keeps no state but the directory's descriptor, so any number of threads may call. */
#include "store/blob.h"

#include "base/assert.h"
#include "base/mem.h"
#include "data/hash.h"
#include "os/file.h"
#include "os/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
    COPY_CHUNK = 64 * 1024,
    PATH_SIZE = 3 + BLOB_NAME_SIZE, /* "ab/" and the name */
    TEMP_SIZE = 4 + 2 * 8 + 1,      /* "tmp/", hex digits, NUL */
};

struct blobs {
    int dir_fd; /* owned */
};

struct temp {
    int dir_fd; /* borrowed from blobs */
    int fd;     /* owned */
    char path[TEMP_SIZE];
    bool is_linked; /* the name is still in tmp: removed by cleanup_temp */
};

static void cleanup_temp(struct temp *temp)
{
    if (temp->fd >= 0)
        (void) close(temp->fd); /* Synced before, or not needed. */
    if (temp->is_linked)
        (void) unlinkat(temp->dir_fd, temp->path, 0); /* Else the next open removes it. */
}
#define AUTO_TEMP __attribute__((cleanup(cleanup_temp)))

static void cleanup_dir(DIR **dir)
{
    if (*dir != NULL)
        (void) closedir(*dir); /* Was read only. */
}
#define AUTO_DIR __attribute__((cleanup(cleanup_dir)))

static void cleanup_hasher(struct hasher **hash)
{
    hasher_free(*hash);
}
#define AUTO_HASHER __attribute__((cleanup(cleanup_hasher)))

static bool is_name(const char *name)
{
    size_t n = 0;
    while ((name[n] >= '0' && name[n] <= '9') || (name[n] >= 'a' && name[n] <= 'f'))
        n++;
    return n == BLOB_NAME_SIZE - 1 && name[n] == '\0';
}

static void path_of(const char *name, char out[PATH_SIZE])
{
    assert(is_name(name));
    (void) snprintf(out, PATH_SIZE, "%.2s/%s", name, name);
}

static int dir_list(int dir_fd, const char *path, DIR **out_dir, struct err *err)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open blob directory '%s'", path);
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int rc = err_set(err, -errno, "list blob directory '%s'", path);
        (void) close(fd); /* Was read only. */
        return rc;
    }
    *out_dir = dir;
    return 0;
}

/* The next entry but "." and ".."; 1 found, 0 end. */
static int dir_next(DIR *dir, const char *path, const char **out_name, struct err *err)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL)
            return errno == 0 ? 0 : err_set(err, -errno, "list blob directory '%s'", path);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        *out_name = entry->d_name;
        return 1;
    }
}

static int remove_temps(int dir_fd, struct err *err)
{
    AUTO_DIR DIR *dir = NULL;
    int rc = dir_list(dir_fd, "tmp", &dir, err);
    const char *name = NULL; /* gcc does not see that err_set is always negative */
    while (rc >= 0 && (rc = dir_next(dir, "tmp", &name, err)) > 0)
        if (unlinkat(dirfd(dir), name, 0) < 0)
            rc = err_set(err, -errno, "remove unfinished blob '%s'", name);
    return rc;
}

static int make_tmp(int dir_fd, struct err *err)
{
    if (mkdirat(dir_fd, "tmp", 0700) == 0)
        return dir_sync(dir_fd, ".", err);
    return errno == EEXIST ? 0 : err_set(err, -errno, "make blob directory 'tmp'");
}

int blobs_open(const char *dir, struct blobs **out_blobs, struct err *err)
{
    int rc = dir_make(dir, 0700, err);
    if (rc < 0)
        return rc;
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open blob directory '%s'", dir);
    rc = make_tmp(fd, err);
    if (rc == 0)
        rc = remove_temps(fd, err);
    if (rc < 0)
        return rc;
    struct blobs *blobs = NEW(struct blobs);
    blobs->dir_fd = take_fd(&fd);
    *out_blobs = blobs;
    return 0;
}

void blobs_close(struct blobs *blobs)
{
    if (blobs == NULL)
        return;
    (void) close(blobs->dir_fd); /* Was read only. */
    free(blobs);
}

static int temp_open(const struct blobs *blobs, struct temp *temp, struct err *err)
{
    uint64_t id = rng_u64(&rng_real);
    (void) snprintf(temp->path, sizeof temp->path, "tmp/%016llx", (unsigned long long) id);
    temp->dir_fd = blobs->dir_fd;
    temp->fd = openat(temp->dir_fd, temp->path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (temp->fd < 0)
        return err_set(err, -errno, "create blob '%s'", temp->path);
    temp->is_linked = true;
    return 0;
}

/* Gives complete bytes their name, durably. */
static int temp_publish(struct temp *temp, const char *name, struct err *err)
{
    if (fsync(temp->fd) < 0)
        return err_set(err, -errno, "sync blob '%s'", name);
    char path[PATH_SIZE];
    path_of(name, path);
    char shard[3] = {path[0], path[1], '\0'};
    if (mkdirat(temp->dir_fd, shard, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "make blob directory '%s'", shard);
    if (renameat(temp->dir_fd, temp->path, temp->dir_fd, path) < 0)
        return err_set(err, -errno, "name blob '%s'", name);
    temp->is_linked = false;
    int rc = dir_sync(temp->dir_fd, shard, err);
    /* The shard's own name too, always: another writer may have made it and not have synced yet. */
    return rc < 0 ? rc : dir_sync(temp->dir_fd, ".", err);
}

int blobs_put(struct blobs *blobs, struct str bytes, char out_name[BLOB_NAME_SIZE], struct err *err)
{
    unsigned char digest[SHA256_SIZE];
    char name[BLOB_NAME_SIZE];
    hash_sha256(bytes, digest);
    hex_encode(digest, sizeof digest, name);
    AUTO_TEMP struct temp temp = {.fd = -1};
    int rc = temp_open(blobs, &temp, err);
    if (rc == 0)
        rc = fd_write_all(temp.fd, bytes, err);
    if (rc == 0)
        rc = temp_publish(&temp, name, err);
    if (rc < 0)
        return rc;
    memcpy(out_name, name, sizeof name);
    return 0;
}

/* Copies until the end of fd; hashes on the way. */
static int copy_all(int from, int to, uint64_t limit_bytes, struct hasher *hash,
                    uint64_t *out_size_bytes, struct err *err)
{
    AUTO_FREE char *chunk = mem_new(COPY_CHUNK);
    uint64_t size_bytes = 0;
    for (;;) {
        ssize_t n = read(from, chunk, COPY_CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, -errno, "read the bytes of a blob");
        if (n == 0)
            break;
        size_bytes += (uint64_t) n;
        if (size_bytes > limit_bytes)
            return err_say(err, -EFBIG, "a blob over %llu bytes", (unsigned long long) limit_bytes);
        struct str bytes = str_of(chunk, (size_t) n);
        hasher_add(hash, bytes);
        int rc = fd_write_all(to, bytes, err);
        if (rc < 0)
            return rc;
    }
    *out_size_bytes = size_bytes;
    return 0;
}

int blobs_put_file(struct blobs *blobs, int fd, uint64_t limit_bytes, char out_name[BLOB_NAME_SIZE],
                   uint64_t *out_size_bytes, struct err *err)
{
    AUTO_HASHER struct hasher *hash = hasher_new(HASH_SHA256);
    AUTO_TEMP struct temp temp = {.fd = -1};
    uint64_t size_bytes = 0;
    int rc = temp_open(blobs, &temp, err);
    if (rc == 0)
        rc = copy_all(fd, temp.fd, limit_bytes, hash, &size_bytes, err);
    if (rc < 0)
        return rc;
    unsigned char digest[SHA256_SIZE];
    char name[BLOB_NAME_SIZE];
    (void) hasher_end(hash, digest); /* the size is known */
    hex_encode(digest, sizeof digest, name);
    rc = temp_publish(&temp, name, err);
    if (rc < 0)
        return rc;
    memcpy(out_name, name, sizeof name);
    *out_size_bytes = size_bytes;
    return 0;
}

int blobs_get(struct blobs *blobs, const char *name, int *out_fd, struct err *err)
{
    if (!is_name(name))
        return err_say(err, -EINVAL, "'%.80s' is no name of a blob", name);
    char path[PATH_SIZE];
    path_of(name, path);
    int fd = openat(blobs->dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open blob '%s'", name);
    *out_fd = fd;
    return 0;
}

int blobs_remove(struct blobs *blobs, const char *name, struct err *err)
{
    if (!is_name(name))
        return err_say(err, -EINVAL, "'%.80s' is no name of a blob", name);
    char path[PATH_SIZE];
    path_of(name, path);
    if (unlinkat(blobs->dir_fd, path, 0) < 0)
        return err_set(err, -errno, "remove blob '%s'", name);
    return 0;
}

static int sweep_shard(int dir_fd, const char *shard, bool (*fn)(void *arg, const char *name),
                       void *arg, struct err *err)
{
    AUTO_DIR DIR *dir = NULL;
    int rc = dir_list(dir_fd, shard, &dir, err);
    const char *name = NULL; /* gcc does not see that err_set is always negative */
    while (rc >= 0 && (rc = dir_next(dir, shard, &name, err)) > 0) {
        if (!is_name(name) || fn(arg, name)) /* What we did not write we do not remove. */
            continue;
        if (unlinkat(dirfd(dir), name, 0) < 0)
            rc = err_set(err, -errno, "remove blob '%s'", name);
    }
    return rc;
}

int blobs_sweep(struct blobs *blobs, bool (*fn)(void *arg, const char *name), void *arg,
                struct err *err)
{
    AUTO_DIR DIR *dir = NULL;
    int rc = dir_list(blobs->dir_fd, ".", &dir, err);
    const char *shard = NULL; /* gcc does not see that err_set is always negative */
    while (rc >= 0 && (rc = dir_next(dir, ".", &shard, err)) > 0)
        if (strlen(shard) == 2)
            rc = sweep_shard(blobs->dir_fd, shard, fn, arg, err);
    return rc;
}
