/* Packages of code: blob and directory, from upload to removal.
 *
 *   upload ── worker: unpack to DIR/<sha256>-<random>, put the blob ──► code_package
 *   commit ── actor: adopt ──► table: sha256 → struct code (counted) ──► specifications
 *   last row gone ── actor: release: blob removed, table's reference dropped
 *   last reference gone ── any thread: removal posted to the workers
 *
 * Each upload unpacks into a directory of its own, also when the same package is there already: the
 * one that is there may be on its way out, and only the actor knows. It decides after the commit
 * which of the two stays. So nothing here needs a lock: the table belongs to the actor, a package
 * to its operation, a directory to whoever holds the last reference.
 *
 * Blobs carry no random part, hence code_package_ensure: between a worker's put and the actor's
 * transaction the last function with that package may have been deleted, and the blob with it.
 *
 * After a crash: directories ending in ".tmp" are half-made or half-removed; of several whole ones
 * with the same package one is kept; a missing one is unpacked again from the blob. */
#include "services/lambda/code.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "data/hash.h"
#include "services/lambda/rules.h"
#include "store/tree.h"

#include <errno.h>
#include <limits.h>

/* What outlives the store when instances are slow to go. */
struct code_home {
    struct snapshot snapshot; /* first */
    struct exec *workers;     /* NULL: the service is closed, remove at once */
    char dir[PATH_MAX];
};

struct code_store {
    struct code_home *home; /* counted */
    struct blobs *blobs;    /* borrowed */
    struct rng *rng;        /* borrowed; any thread */
    struct map codes;       /* sha256 -> struct code, one reference each */
};

static const struct tree_limits limits = {.bytes_max = LAMBDA_UNZIPPED_MAX,
                                          .entries_max = CODE_ENTRIES_MAX};

static void home_free(struct snapshot *snapshot)
{
    free(CONTAINER_OF(snapshot, struct code_home, snapshot));
}

static void code_done(struct code *code)
{
    snapshot_unref(&code->home->snapshot);
    buf_done(&code->extensions);
    free(code);
}

static void code_remove(struct code *code)
{
    struct err err;
    if (tree_remove(code->home->dir, code->name, &err) < 0)
        log_warn("lambda", "cannot remove code", "dir=%s err=\"%s\"", code->name, err.text);
    code_done(code);
}

static void code_removal_run(struct task *task)
{
    code_remove(CONTAINER_OF(task, struct code, removal));
}

/* The last reference went, on whatever thread. */
static void code_free(struct snapshot *snapshot)
{
    struct code *code = CONTAINER_OF(snapshot, struct code, snapshot);
    (void) close(code->fd); /* O_PATH: nothing can be lost */
    if (!code->is_garbage) {
        code_done(code);
    } else if (code->home->workers != NULL) {
        code->removal.run = code_removal_run;
        exec_post(code->home->workers, &code->removal);
    } else {
        code_remove(code);
    }
}

static void found_extension(void *arg, const char *file)
{
    struct code *code = arg;
    buf_put(&code->extensions, str_of(file, strlen(file) + 1));
}

/* Names beyond the limit are no extensions that anybody could start: there may be ten. */
static void find_extensions(struct code *code)
{
    struct err err;
    buf_init(&code->extensions, EXTENSION_NAMES_MAX);
    if (tree_each(code->fd, "extensions", found_extension, code, &err) < 0)
        log_warn("lambda", "extensions not found", "dir=%s err=\"%s\"", code->name, err.text);
}

/* Takes the package's directory and descriptor. */
static struct code *code_new(struct code_store *store, struct code_package *package)
{
    assert(package->name[0] != '\0');
    struct code *code = NEW(struct code);
    snapshot_init(&code->snapshot, code_free);
    memcpy(code->sha256_text, package->sha256, sizeof code->sha256_text);
    memcpy(code->name, package->name, sizeof code->name);
    code->sha256 = str_of(code->sha256_text, CODE_SHA_SIZE - 1);
    code->fd = take_fd(&package->fd);
    code->has_bootstrap = tree_has(code->fd, "bootstrap");
    find_extensions(code);
    code->home = CONTAINER_OF(snapshot_ref(&store->home->snapshot), struct code_home, snapshot);
    package->name[0] = '\0';
    return code;
}

void code_store_close(struct code_store *store)
{
    if (store == NULL)
        return;
    store->home->workers = NULL;
    struct str key;
    size_t at = 0;
    for (struct code *code; (code = map_next(&store->codes, &at, &key)) != NULL;)
        snapshot_unref(&code->snapshot);
    map_done(&store->codes);
    snapshot_unref(&store->home->snapshot);
    free(store);
}

/* Unpacks a ZIP in memory, or (zip.ptr NULL) in a file, into a new directory and opens that. */
static int package_unpack(struct code_store *store, struct str zip, int fd,
                          struct code_package *package, struct err *err)
{
    struct tree_stats stats;
    const char *dir = store->home->dir;
    (void) snprintf(package->name, sizeof package->name, "%s-%016llx", package->sha256,
                    (unsigned long long) rng_u64(store->rng));
    int rc = zip.ptr != NULL ? tree_unpack(dir, package->name, zip, &limits, &stats, err)
                             : tree_unpack_file(dir, package->name, fd, &limits, &stats, err);
    if (rc < 0)
        return rc;
    rc = tree_open(dir, package->name, &package->fd, err);
    package->unzipped = stats.bytes;
    if (rc == 0 && stats.entries > 0)
        return 0;
    code_package_drop(store, package);
    return rc < 0 ? rc : err_say(err, -ENODATA, "the package is empty");
}

int code_package_make(struct code_store *store, struct str zip, struct code_package *out_package,
                      struct err *err)
{
    struct code_package package = {.fd = -1};
    unsigned char hash[SHA256_SIZE];
    hash_sha256(zip, hash);
    hex_encode(hash, sizeof hash, package.sha256);
    int rc = package_unpack(store, zip, -1, &package, err);
    if (rc < 0)
        return rc;
    char blob[BLOB_NAME_SIZE];
    rc = blobs_put(store->blobs, zip, blob, err);
    if (rc < 0) {
        code_package_drop(store, &package);
        return rc;
    }
    assert(strcmp(blob, package.sha256) == 0);
    *out_package = package;
    return 0;
}

int code_package_ensure(struct code_store *store, const struct code_package *package,
                        struct str zip, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    char blob[BLOB_NAME_SIZE];
    int rc = blobs_get(store->blobs, package->sha256, &fd, err);
    return rc == -ENOENT ? blobs_put(store->blobs, zip, blob, err) : rc;
}

void code_package_drop(struct code_store *store, struct code_package *package)
{
    if (package->name[0] == '\0')
        return;
    struct code *code = code_new(store, package);
    code->is_garbage = true;
    snapshot_unref(&code->snapshot);
}

struct code *code_store_find(struct code_store *store, struct str sha256)
{
    return map_find(&store->codes, sha256);
}

struct code *code_store_adopt(struct code_store *store, struct code_package *package)
{
    struct code *code = code_store_find(store, str_from(package->sha256));
    if (code != NULL) {
        code_package_drop(store, package);
        return code;
    }
    code = code_new(store, package);
    (void) map_put(&store->codes, code->sha256, code);
    return code;
}

/* A directory found at start. The first of each package is taken into the table, where
 * code_store_restore finds it; true: keep it on disk. */
static bool found_dir(void *arg, const char *name)
{
    struct code_store *store = arg;
    struct str text = str_from(name), sha256 = str_head(text, CODE_SHA_SIZE - 1);
    struct code_package package = {.fd = -1};
    if (text.len >= CODE_NAME_SIZE || sha256.len < CODE_SHA_SIZE - 1 ||
        text.ptr[sha256.len] != '-' || code_store_find(store, sha256) != NULL)
        return false;
    memcpy(package.sha256, sha256.ptr, sha256.len);
    memcpy(package.name, name, text.len + 1);
    if (tree_open(store->home->dir, name, &package.fd, NULL) < 0)
        return false;
    (void) code_store_adopt(store, &package);
    return true;
}

int code_store_open(const char *dir, struct exec *workers, struct rng *rng, struct blobs *blobs,
                    struct code_store **out_store, struct err *err)
{
    if (strlen(dir) >= PATH_MAX)
        return err_set(err, -ENAMETOOLONG, "code directory");
    struct code_store *store = NEW(struct code_store);
    store->home = NEW(struct code_home);
    snapshot_init(&store->home->snapshot, home_free);
    store->home->workers = workers;
    memcpy(store->home->dir, dir, strlen(dir) + 1);
    store->blobs = blobs;
    store->rng = rng;
    map_init(&store->codes);
    int rc = tree_sweep(dir, found_dir, store, err);
    if (rc < 0)
        code_store_close(store);
    else
        *out_store = store;
    return rc;
}

static int restore_from_blob(struct code_store *store, struct code_package *package,
                             struct err *err)
{
    AUTO_CLOSE int fd = -1;
    int rc = blobs_get(store->blobs, package->sha256, &fd, err);
    return rc < 0 ? rc : package_unpack(store, STR_NONE, fd, package, err);
}

int code_store_restore(struct code_store *store, struct str sha256, struct code **out_code,
                       struct err *err)
{
    struct code *code = code_store_find(store, sha256);
    if (code == NULL) {
        struct code_package package = {.fd = -1};
        if (sha256.len != CODE_SHA_SIZE - 1)
            return err_say(err, -EINVAL, "not the name of a package");
        memcpy(package.sha256, sha256.ptr, sha256.len);
        int rc = restore_from_blob(store, &package, err);
        if (rc < 0)
            return rc;
        code = code_store_adopt(store, &package);
    }
    code->is_named = true;
    *out_code = code;
    return 0;
}

void code_store_release(struct code_store *store, struct str sha256)
{
    struct code *code = map_remove(&store->codes, sha256);
    struct err err;
    char name[CODE_SHA_SIZE] = "";
    memcpy(name, sha256.ptr, sha256.len < CODE_SHA_SIZE ? sha256.len : CODE_SHA_SIZE - 1);
    int rc = blobs_remove(store->blobs, name, &err);
    if (rc < 0 && rc != -ENOENT)
        log_warn("lambda", "cannot remove package", "blob=%s err=\"%s\"", name, err.text);
    if (code == NULL)
        return;
    code->is_garbage = true;
    snapshot_unref(&code->snapshot);
}

static bool is_named_blob(void *arg, const char *name)
{
    return code_store_find(arg, str_from(name)) != NULL;
}

int code_store_sweep(struct code_store *store, struct err *err)
{
    AUTO_FREE struct code **orphans = NEW_ARRAY(struct code *, store->codes.len + 1);
    size_t count = 0, at = 0;
    struct str key;
    for (struct code *code; (code = map_next(&store->codes, &at, &key)) != NULL;) {
        if (!code->is_named)
            orphans[count++] = code;
    }
    for (size_t i = 0; i < count; i++) {
        (void) map_remove(&store->codes, orphans[i]->sha256);
        orphans[i]->is_garbage = true;
        snapshot_unref(&orphans[i]->snapshot);
    }
    return blobs_sweep(store->blobs, is_named_blob, store, err);
}
