#pragma once
/* Immutable, counted configuration objects (a function's specification, a key, a route), published
 * by a service after its commit and read by the loops without a lock: every loop has its own map
 * from key to snapshot. Publishing posts the change to every loop and runs `done` once all have
 * taken it, so an API answer sent from there is read-your-writes on every loop. */
#include "base/map.h"
#include "os/exec.h"

struct snapshot {
    int refs;                                /* atomic */
    void (*free)(struct snapshot *snapshot); /* any thread */
};

void snapshot_init(struct snapshot *snapshot, void (*free_fn)(struct snapshot *));
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is fine */

struct directory; /* the loops' maps of one kind of snapshot */

struct directory *directory_new(struct exec *const *loops, size_t loop_count);
void directory_free(struct directory *directory); /* after the loops stopped */

/* Puts or (snapshot NULL) removes the entry on every loop; takes the caller's reference. key is
 * copied. Then runs done (NULL: nothing) on the last loop that took it. Changes of one caller
 * arrive in order. on_change, when set, runs on each loop right after the change there.
 * thread: any. */
void directory_publish(struct directory *directory, struct str key, struct snapshot *snapshot,
                       struct task *done);
void directory_on_change(struct directory *directory,
                         void (*fn)(void *arg, size_t loop, struct str key,
                                    struct snapshot *snapshot_or_null),
                         void *arg); /* before the first publish */

/* The entry on loop number `loop`; borrowed until the caller returns to the loop, take a reference
 * to keep it. thread: that loop's. */
struct snapshot *directory_find(struct directory *directory, size_t loop, struct str key);
