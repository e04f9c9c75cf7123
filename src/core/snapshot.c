/* Snapshots and directories.
 *
 * A directory is one map per loop, each touched by its loop's thread alone, so that the hot path
 * (find the function that a request names) takes no lock and shares no cache line. A change is one
 * allocation holding a task for every loop; each loop applies its task when it comes to it:
 *
 *     publish ──post──> loop 0: map_put, on_change ┐
 *             ──post──> loop 1: map_put, on_change ┼─ the last one runs `done`, frees the change
 *             ──post──> loop 2: map_put, on_change ┘
 *
 * Execs run tasks in the order in which they were posted, so the changes of one caller (a service's
 * actor, the only one to publish its keys) arrive in order everywhere.
 *
 * Counting: a reference may be taken by whoever holds one already, hence relaxed; giving one up
 * must publish all earlier accesses to the thread that frees, hence acquire-release. */
#include "core/snapshot.h"

#include "base/assert.h"
#include "base/mem.h"

struct entry {
    struct snapshot *snapshot; /* counted */
    size_t key_len;
    char key[];
};

struct directory {
    struct exec *const *loops; /* borrowed, process life time */
    size_t loop_count;
    void (*on_change)(void *arg, size_t loop, struct str key, struct snapshot *snapshot_or_null);
    void *on_change_arg;
    struct map maps[]; /* of struct entry, by key; number i belongs to loop i */
};

struct change;

struct change_task {
    struct task task; /* first */
    struct change *change;
};

struct change {
    struct directory *directory;
    struct snapshot *snapshot; /* one reference for every loop that is still to come, or NULL */
    struct task *done;         /* borrowed until it is run, or NULL */
    size_t left;               /* atomic: loops still to come */
    struct str key;            /* behind the tasks */
    struct change_task tasks[];
};

void snapshot_init(struct snapshot *snapshot, void (*free_fn)(struct snapshot *))
{
    snapshot->refs = 1;
    snapshot->free = free_fn;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    int before = __atomic_fetch_add(&snapshot->refs, 1, __ATOMIC_RELAXED);
    assert(before > 0);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    int before = __atomic_fetch_sub(&snapshot->refs, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    if (before == 1)
        snapshot->free(snapshot);
}

struct directory *directory_new(struct exec *const *loops, size_t loop_count)
{
    assert(loop_count > 0);
    struct directory *directory =
        mem_new(sizeof *directory + loop_count * sizeof directory->maps[0]);
    directory->loops = loops;
    directory->loop_count = loop_count;
    for (size_t i = 0; i < loop_count; i++)
        map_init(&directory->maps[i]);
    return directory;
}

static void entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    snapshot_unref(entry->snapshot);
    free(entry);
}

void directory_free(struct directory *directory)
{
    if (directory == NULL)
        return;
    for (size_t i = 0; i < directory->loop_count; i++) {
        size_t at = 0;
        for (struct entry *entry; (entry = map_next(&directory->maps[i], &at, NULL)) != NULL;)
            entry_free(entry);
        map_done(&directory->maps[i]);
    }
    free(directory);
}

void directory_on_change(struct directory *directory,
                         void (*fn)(void *arg, size_t loop, struct str key,
                                    struct snapshot *snapshot_or_null),
                         void *arg)
{
    assert(directory->on_change == NULL);
    directory->on_change = fn;
    directory->on_change_arg = arg;
}

/* Puts this loop's reference into its map. */
static void change_apply(struct change *change, size_t loop)
{
    struct map *map = &change->directory->maps[loop];
    if (change->snapshot == NULL) {
        entry_free(map_remove(map, change->key));
        return;
    }
    struct entry *entry = map_find(map, change->key);
    if (entry != NULL) {
        struct snapshot *before = entry->snapshot;
        entry->snapshot = change->snapshot;
        snapshot_unref(before);
        return;
    }
    entry = mem_new(sizeof *entry + change->key.len + 1);
    entry->snapshot = change->snapshot;
    entry->key_len = change->key.len;
    memcpy(entry->key, change->key.ptr, change->key.len);
    (void) map_put(map, str_of(entry->key, entry->key_len), entry);
}

static void change_run(struct task *task)
{
    struct change_task *mine = (struct change_task *) task;
    struct change *change = mine->change;
    struct directory *directory = change->directory;
    size_t loop = (size_t) (mine - change->tasks);
    change_apply(change, loop);
    if (directory->on_change != NULL)
        directory->on_change(directory->on_change_arg, loop, change->key, change->snapshot);
    if (__atomic_sub_fetch(&change->left, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    struct task *done = change->done;
    free(change);
    if (done != NULL)
        done->run(done);
}

void directory_publish(struct directory *directory, struct str key, struct snapshot *snapshot,
                       struct task *done)
{
    size_t count = directory->loop_count;
    size_t head = sizeof(struct change) + count * sizeof(struct change_task);
    struct change *change = mem_new(head + key.len + 1);
    char *key_copy = (char *) change + head;
    memcpy(key_copy, key.ptr, key.len);
    *change = (struct change){
        .directory = directory,
        .snapshot = snapshot,
        .done = done,
        .left = count,
        .key = str_of(key_copy, key.len),
    };
    /* All references are taken before the first post: a loop may drop its own at once. */
    for (size_t i = 1; i < count && snapshot != NULL; i++)
        (void) snapshot_ref(snapshot);
    for (size_t i = 0; i < count; i++) {
        change->tasks[i].change = change;
        change->tasks[i].task.run = change_run;
    }
    for (size_t i = 0; i < count; i++)
        exec_post(directory->loops[i], &change->tasks[i].task);
}

struct snapshot *directory_find(struct directory *directory, size_t loop, struct str key)
{
    assert(loop < directory->loop_count);
    struct entry *entry = map_find(&directory->maps[loop], key);
    return entry == NULL ? NULL : entry->snapshot;
}
