/* Which functions have a snapshot, which languages have been booted in advance, and whether to use
 * either.
 *
 *     (none) ──init from scratch──> MAKING ──> READY ──copy failed──> (none), at most three times
 *                                     │ └───> REFUSED  by the function itself, which says why
 *                                     └─────> (none)   for a passing reason, at most three times
 *
 * An entry belongs to one revision of one version of a function; another revision begins anew. What
 * else an image depends on is checked by its name (kept.c) and, file by file of what was mapped, by
 * the restorer (restorer/image.h).
 *
 * An image is a file in config.snapshot_dir that outlives the server: functions that are there when
 * the next one starts find theirs again (images_kept.c), with the first copy after a check of all
 * of it, in the tenant's sandbox. It is opened for reading only, so that its descriptor can be
 * given to the tenant, who owns what is in it and could not write to it.
 *
 * A snapshot needs a first init of the function, and not every init can be copied. What comes
 * before the function's code is the same for all: so there is one image more per account and
 * language, of the booted language alone, which takes the function's code and environment when it
 * is copied. It is made when the first function of the kind appears, and has an entry like the
 * others, under a specification of its own (is_runtime_alone), but ends with the server. Copies
 * share the seed of the language's hashes and their address layout, which is why no two accounts
 * share an image.
 *
 * Bounds: IMAGES_MAX entries per home, config.snapshot_bytes_max bytes; the least used goes first.
 *
 * Who has one: a version published with SnapStart always, from its publication on and whatever its
 * init does; every other function after its first answer, if its init drew nothing unique. A
 * function switches its snapshots off with the environment variable VIRGA_SNAPSHOT=off. What became
 * of each is written on the board, where everybody may read it. */
#include "runtime/runtime_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "restorer/files.h"

#include <fcntl.h>

enum { IMAGES_MAX = 1024, FAILURES_MAX = 3, KEY_MAX = 512 };
enum { BOOT_MEMORY_MB = 128, BOOT_TIMEOUT_MS = 10 * 1000 };
#define BOOT_TMP_BYTES    (UINT64_C(512) << 20) /* the usual size: from the pool */
#define BYTES_MAX_DEFAULT (UINT64_C(4) << 30)

enum image_state { IMAGE_NONE, IMAGE_MAKING, IMAGE_READY, IMAGE_REFUSED };

struct image {
    char *key; /* owned, the map's key */
    size_t key_len;
    uint64_t revision;
    enum image_state state;
    int fd; /* READY: owned */
    uint64_t size;
    uint64_t copies; /* that came to life */
    unsigned failures;
    int64_t used_us;
    struct function_spec *wish;   /* counted: waits for its turn to be made; else NULL */
    bool is_init_failed, is_boot; /* the latter: of the booted language */
    bool is_unproven; /* of a former run, and nothing has come to life from it in this one */
    char name[KEPT_NAME_SIZE]; /* on the disk; "": it has none */
    char reason[256];          /* why there is none; "": not known */
};

static struct str key_put(char text[KEY_MAX], const struct function_spec *spec)
{
    int n =
        snprintf(text, KEY_MAX, STR_FMT ":" STR_FMT, STR_ARG(spec->arn), STR_ARG(spec->version));
    if (spec->is_runtime_alone)
        n += snprintf(text + n, KEY_MAX - (size_t) n, ":%u", spec->memory_mb);
    assert(n > 0 && n < KEY_MAX); /* AWS bounds ARNs far below */
    return str_of(text, (size_t) n);
}

/* The booted language of the function, as far as finding its image needs it. Node sizes its heap
 * when it boots. */
static struct function_spec boot_key(const struct function_spec *spec)
{
    bool is_node = spec->kind == RUNTIME_NODE;
    return (struct function_spec){.arn = is_node ? STR("booted:node") : STR("booted:python"),
                                  .version = spec->account,
                                  .kind = spec->kind,
                                  .memory_mb = is_node ? spec->memory_mb : BOOT_MEMORY_MB,
                                  .is_runtime_alone = true};
}

static void count(unsigned *counter, int change)
{
    __atomic_fetch_add(counter, (unsigned) change, __ATOMIC_RELAXED);
}

/* Writes down what others may ask about. */
static void tell(const struct home *home, const struct image *image)
{
    static const enum snapshot_state states[] = {[IMAGE_NONE] = SNAPSHOT_NONE,
                                                 [IMAGE_MAKING] = SNAPSHOT_MAKING,
                                                 [IMAGE_READY] = SNAPSHOT_READY,
                                                 [IMAGE_REFUSED] = SNAPSHOT_REFUSED};
    struct snapshot_status status = {.revision = image->revision,
                                     .state = image->wish != NULL ? SNAPSHOT_MAKING
                                                                  : states[image->state],
                                     .failures = image->failures,
                                     .bytes = image->size,
                                     .copies = image->copies,
                                     .is_init_failed = image->is_init_failed};
    memcpy(status.reason, image->reason, sizeof status.reason);
    if (!image->is_boot)
        board_put(home->runtime->board, str_of(image->key, image->key_len), &status);
}

/* The contents go, the entry stays. */
static void image_clear(struct home *home, struct image *image)
{
    if (image->fd >= 0) {
        images_remove_later(home, take_fd(&image->fd), image->name);
        home->image_bytes -= image->size;
        count(&home->counts.snapshots, image->is_boot ? 0 : -1);
    }
    count(&home->counts.snapshots_refused, image->state == IMAGE_REFUSED ? -1 : 0);
    image->name[0] = '\0';
    image->is_unproven = false;
    image->size = 0;
    image->state = IMAGE_NONE;
}

static void image_free(struct home *home, struct image *image)
{
    image_clear(home, image);
    if (image->wish != NULL)
        snapshot_unref(&image->wish->snapshot);
    (void) map_remove(&home->images, str_of(image->key, image->key_len));
    if (!image->is_boot)
        board_remove(home->runtime->board, str_of(image->key, image->key_len));
    free(image->key);
    free(image);
}

static struct image *image_find(struct home *home, const struct function_spec *spec)
{
    char text[KEY_MAX];
    struct image *image = map_find(&home->images, key_put(text, spec));
    return image != NULL && image->revision == spec->revision ? image : NULL;
}

/* The entry used least recently; `kept` is never it. NULL: there is no other. */
static struct image *image_oldest(struct home *home, const struct image *kept, bool has_file)
{
    struct image *oldest = NULL;
    size_t at = 0;
    for (struct image *image; (image = map_next(&home->images, &at, NULL)) != NULL;)
        if (image != kept && image->state != IMAGE_MAKING && (!has_file || image->fd >= 0) &&
            (oldest == NULL || image->used_us < oldest->used_us))
            oldest = image;
    return oldest;
}

static struct image *image_new(struct home *home, const struct function_spec *spec)
{
    char text[KEY_MAX];
    struct str key = key_put(text, spec);
    struct image *old = map_find(&home->images, key);
    if (old != NULL)
        image_free(home, old);
    if (home->images.len >= IMAGES_MAX) {
        struct image *oldest = image_oldest(home, NULL, false);
        if (oldest != NULL)
            image_free(home, oldest);
    }
    struct image *image = NEW(struct image);
    *image = (struct image){.key = mem_copy(key.ptr, key.len),
                            .key_len = key.len,
                            .revision = spec->revision,
                            .fd = -1,
                            .is_boot = spec->is_runtime_alone,
                            .used_us = exec_now_us(home->exec)};
    (void) map_put(&home->images, str_of(image->key, image->key_len), image);
    return image;
}

static bool is_switched_off(const struct function_spec *spec)
{
    for (size_t i = 0; i < spec->env_count; i++)
        if (str_eq(spec->env[i].name, STR("VIRGA_SNAPSHOT")))
            return str_eq(spec->env[i].value, STR("off"));
    return false;
}

static const char why_off[] = "snapshots are off: the self-test failed";

static bool can_copy(const struct home *home)
{
    return home->runtime->config.snapshot_dir != NULL && restorer_file_count > 0 &&
           !home->is_copying_off;
}

const char *images_why_not(const struct home *home, const struct function_spec *spec)
{
    if (home->is_copying_off)
        return why_off;
    if (!can_copy(home))
        return "snapshots cannot be taken here";
    if (!home->runtime->config.has_snapshots)
        return "snapshots are switched off: --snapshots off";
    if (is_switched_off(spec))
        return "the function switches them off: VIRGA_SNAPSHOT=off";
    if (spec->extension_count > 0)
        return "it has extensions, and only one process can be copied";
    if (!start_can_be_copied(spec))
        return "processes of this runtime cannot be copied";
    return NULL;
}

/* -1: there is none, or no descriptor is left. */
static int image_open(struct home *home, const struct function_spec *spec)
{
    struct image *image = image_find(home, spec);
    if (image == NULL || image->state != IMAGE_READY)
        return -1;
    image->used_us = exec_now_us(home->exec);
    return fcntl(image->fd, F_DUPFD_CLOEXEC, 3);
}

int images_open(struct home *home, const struct function_spec *spec, enum copied_from *out_kind)
{
    int fd = image_open(home, spec);
    *out_kind = COPIED_FROM_SNAPSHOT;
    if (fd < 0 && start_can_boot_early(spec)) {
        struct function_spec boot = boot_key(spec);
        fd = image_open(home, &boot);
        *out_kind = COPIED_FROM_BOOT;
    }
    if (fd < 0)
        *out_kind = COPIED_FROM_NOTHING;
    return fd;
}

static void wish(struct home *home, struct function_spec *spec)
{
    struct image *image = image_find(home, spec);
    if (image == NULL)
        image = image_new(home, spec);
    if (image->state != IMAGE_NONE || image->failures >= FAILURES_MAX)
        return;
    if (image->wish == NULL) {
        (void) snapshot_ref(&spec->snapshot);
        image->wish = spec;
    }
    tell(home, image);
    images_next(home); /* the host may have had no room the last time */
}

static void refuse(struct home *home, struct image *image, const char *reason)
{
    image->state = IMAGE_REFUSED;
    (void) snprintf(image->reason, sizeof image->reason, "%s", reason);
    count(&home->counts.snapshots_refused, 1);
    tell(home, image);
}

void images_wish(struct home *home, struct function_spec *spec)
{
    const char *reason = images_why_not(home, spec);
    if (home->sched.is_draining)
        return;
    if (reason == NULL)
        wish(home, spec);
    else if (image_find(home, spec) == NULL) /* for those who ask why */
        refuse(home, image_new(home, spec), reason);
}

static void boot_spec_free(struct snapshot *snapshot)
{
    struct function_spec *spec = CONTAINER_OF(snapshot, struct function_spec, snapshot);
    free((void *) (uintptr_t) spec->account.ptr);
    free(spec);
}

/* What a sandbox needs in which a language boots for nobody yet. */
static struct function_spec *boot_spec_new(const struct function_spec *model)
{
    struct function_spec *spec = NEW(struct function_spec);
    *spec = boot_key(model);
    snapshot_init(&spec->snapshot, boot_spec_free);
    spec->account = str_of(mem_copy(model->account.ptr, model->account.len), model->account.len);
    spec->version = spec->account;
    spec->name = spec->region = spec->handler = spec->log_group = STR("-");
    spec->runtime_id = spec->kind == RUNTIME_NODE ? STR("nodejs") : STR("python3");
    spec->timeout_ms = BOOT_TIMEOUT_MS;
    spec->tmp_bytes = BOOT_TMP_BYTES;
    spec->code_fd = -1;
    spec->reserved_concurrency = -1;
    return spec;
}

struct function_spec *images_boot_spec(enum runtime_kind kind, struct str account)
{
    const struct function_spec model = {
        .kind = kind, .account = account, .memory_mb = BOOT_MEMORY_MB};
    return boot_spec_new(&model);
}

void images_wish_boot(struct home *home, const struct function_spec *spec)
{
    if (!can_copy(home) || !start_can_boot_early(spec) || home->sched.is_draining)
        return;
    struct function_spec key = boot_key(spec);
    const struct image *image = image_find(home, &key);
    if (image != NULL && (image->state != IMAGE_NONE || image->failures >= FAILURES_MAX))
        return;
    struct function_spec *boot = boot_spec_new(spec);
    wish(home, boot);
    snapshot_unref(&boot->snapshot);
}

void images_next(struct home *home)
{
    if (home->template != NULL || home->sched.is_draining ||
        home->sched.instances >= home->sched.config.instances_max)
        return;
    home->is_image_delayed = !sched_can_spare(&home->sched, TEMPLATE_BYTES);
    if (home->is_image_delayed)
        return;
    if (selftest_start(home))
        return;
    size_t at = 0;
    for (struct image *image; (image = map_next(&home->images, &at, NULL)) != NULL;) {
        struct function_spec *spec = take_ptr(&image->wish);
        if (spec == NULL)
            continue;
        image->state = IMAGE_MAKING;
        tell(home, image);
        template_start(home, spec, -1);
        snapshot_unref(&spec->snapshot);
        return;
    }
}

/* Takes fd. What is beyond the bound goes, the least used first. */
static void image_fill(struct home *home, struct image *image, int fd, uint64_t size,
                       const char *name)
{
    const struct runtime_config *config = &home->runtime->config;
    uint64_t bytes_max =
        config->snapshot_bytes_max > 0 ? config->snapshot_bytes_max : BYTES_MAX_DEFAULT;
    image->fd = fd;
    image->size = size;
    image->state = IMAGE_READY;
    image->reason[0] = '\0';
    memcpy(image->name, name, sizeof image->name);
    home->image_bytes += size;
    tell(home, image);
    count(&home->counts.snapshots, image->is_boot ? 0 : 1);
    for (struct image *other; home->image_bytes > bytes_max / config->loop_count &&
                              (other = image_oldest(home, image, true)) != NULL;)
        image_free(home, other);
}

void images_made(struct home *home, const struct function_spec *spec, int fd, uint64_t size,
                 const char *name)
{
    struct image *image = image_find(home, spec);
    if (image == NULL || image->state != IMAGE_MAKING || home->is_copying_off) {
        images_remove_later(home, fd, name);
        if (image != NULL && image->state == IMAGE_MAKING)
            refuse(home, image, why_off);
        return; /* else the function changed meanwhile */
    }
    image->used_us = exec_now_us(home->exec);
    image_fill(home, image, fd, size, name);
    if (image->is_boot)
        log_info("runtime", "runtime booted in advance",
                 "runtime=" STR_FMT " account=" STR_FMT " bytes=%llu", STR_ARG(spec->runtime_id),
                 STR_ARG(spec->account), (unsigned long long) size);
    else
        log_info("runtime", "snapshot taken", "fn=" STR_FMT " bytes=%llu", STR_ARG(spec->name),
                 (unsigned long long) size);
}

void images_found(struct home *home, struct function_spec *spec, const struct kept_image *found)
{
    struct image *image = image_new(home, spec);
    int64_t age_ms = clock_utc_ms(home->exec->clock) - found->used_utc_ms;
    image->used_us = exec_now_us(home->exec) - (age_ms > 0 ? age_ms : 0) * 1000;
    image->is_unproven = true;
    image_fill(home, image, found->fd, found->size_bytes, found->name);
}

bool images_is_proven(const struct home *home, const struct function_spec *spec)
{
    const struct image *image = image_find((struct home *) (uintptr_t) home, spec);
    return image != NULL && !image->is_unproven;
}

void images_refused(struct home *home, const struct function_spec *spec, const char *reason,
                    enum images_refusal refusal)
{
    struct image *image = image_find(home, spec);
    if (image == NULL || image->state != IMAGE_MAKING)
        return;
    image->is_init_failed = refusal == REFUSED_BY_INIT && spec->is_snap_start;
    if (refusal == REFUSED_FOR_GOOD || image->is_init_failed) {
        refuse(home, image, reason);
    } else {
        image->state = IMAGE_NONE;
        image->failures++;
        (void) snprintf(image->reason, sizeof image->reason, "%s", reason);
        tell(home, image);
    }
    struct log_text quoted;
    log_info("runtime", "no snapshot", "fn=" STR_FMT " why=%s", STR_ARG(spec->name),
             log_quote(&quoted, str_from(image->reason)));
}

static struct image *image_of_kind(struct home *home, const struct function_spec *spec,
                                   enum copied_from kind)
{
    struct function_spec boot = boot_key(spec);
    return image_find(home, kind == COPIED_FROM_BOOT ? &boot : spec);
}

void images_restored(struct home *home, const struct function_spec *spec, enum copied_from kind)
{
    count(kind == COPIED_FROM_BOOT ? &home->counts.booted_early : &home->counts.restored, 1);
    struct image *image = image_of_kind(home, spec, kind);
    if (image == NULL)
        return;
    image->failures = 0;
    image->is_unproven = false;
    image->copies++;
    tell(home, image);
}

void images_broken(struct home *home, const struct function_spec *spec, enum copied_from kind,
                   const char *why)
{
    count(&home->counts.restore_failed, 1);
    log_warn("runtime", "restore failed, starting from scratch", "fn=" STR_FMT " why=\"%s\"",
             STR_ARG(spec->name), why);
    struct image *image = image_of_kind(home, spec, kind);
    if (image == NULL || image->state != IMAGE_READY)
        return; /* another copy of it failed as well */
    image_clear(home, image);
    image->failures++;
    (void) snprintf(image->reason, sizeof image->reason, "a copy failed: %s", why);
    tell(home, image);
    selftest_suspect(home->runtime);
}

void images_switch_off(struct home *home)
{
    home->is_copying_off = true;
    size_t at = 0;
    for (struct image *image; (image = map_next(&home->images, &at, NULL)) != NULL;) {
        if (image->wish != NULL)
            snapshot_unref(&take_ptr(&image->wish)->snapshot);
        if (image->state == IMAGE_REFUSED || image->state == IMAGE_MAKING)
            continue; /* has a reason of its own; will have, when its template ends */
        image_clear(home, image);
        refuse(home, image, why_off);
    }
}

void images_drop(struct home *home, struct str key)
{
    struct image *image = map_find(&home->images, key);
    if (image != NULL && !image->is_boot && image->state != IMAGE_MAKING)
        image_free(home, image);
}

void images_changed(struct home *home, struct str arn, struct function_spec *spec_or_null)
{
    if (spec_or_null != NULL) {
        char text[KEY_MAX];
        struct image *image = map_find(&home->images, key_put(text, spec_or_null));
        if (image != NULL && image->revision != spec_or_null->revision)
            image_free(home, image);
        if (spec_or_null->is_snap_start && image_find(home, spec_or_null) == NULL)
            images_wish(home, spec_or_null); /* at once, not after a first call */
        return;
    }
    size_t at = 0;
    for (struct image *image; (image = map_next(&home->images, &at, NULL)) != NULL;) {
        struct str key = str_of(image->key, image->key_len);
        bool is_one = str_eq(key, arn); /* "arn:version" */
        if (is_one ||
            (key.len > arn.len && str_eq(str_head(key, arn.len), arn) && key.ptr[arn.len] == ':')) {
            image_free(home, image);
            at = 0; /* the map has changed */
        }
    }
}

void images_done(struct home *home)
{
    size_t at = 0;
    for (struct image *image; (image = map_next(&home->images, &at, NULL)) != NULL; at = 0) {
        if (image->fd >= 0) { /* the workers have gone before; its file stays */
            kept_note_use(image->fd, clock_utc_ms(home->exec->clock) -
                                         (exec_now_us(home->exec) - image->used_us) / 1000);
            (void) close(take_fd(&image->fd));
        }
        image_free(home, image);
    }
    map_done(&home->images);
}
