#pragma once
/* An actor owns one service's database and is its only writer. Its mailbox is bounded and fair
 * between accounts. It takes all waiting messages (up to a limit), runs each inside a savepoint of
 * one transaction, commits once, then calls each message's done: an answer that reports success
 * means it is on disk.
 *
 * An actor runs as a task of an exec (a pool, or the simulator), one batch at a time, on no thread
 * in particular; whoever runs it owns it meanwhile. */
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "os/exec.h"

struct db;
struct actor;

struct message {
    struct list_node node; /* the actor's mailbox */
    struct str account;    /* fairness key; borrowed until done */
    bool is_read_only;     /* runs before the write transaction, done at once */
    /* Runs on the actor. 0: keep its changes; negative: roll its savepoint back (the message itself
     * remembers what to answer). */
    int (*run)(struct message *msg, struct db *db);
    /* Takes the message back. rc 0: the group is on disk, and what run returned stands. rc < 0: the
     * group was rolled back, nothing of this message is stored, and what run found out may rest on
     * changes that never were: answer an internal error. -ENOSPC full disk; -EIO, -EROFS the
     * store takes no more writes. Runs on the actor. */
    void (*done)(struct message *msg, int rc);
};

struct actor_config {
    const char *name;
    struct exec *exec;    /* where batches run */
    struct db *db;        /* owned by the actor from now on */
    unsigned mailbox_max; /* messages waiting, all accounts */
    unsigned batch_max;   /* messages of one commit */
};

CHECK_RESULT int actor_new(const struct actor_config *config, struct actor **out_actor,
                           struct err *err);
/* thread: any. owner: the message moves on success, else the sender keeps it. -EAGAIN: full, or the
 * account has more than its share waiting; -ESHUTDOWN: actor_free has begun. */
CHECK_RESULT int actor_post(struct actor *actor, struct message *msg);
/* No more posts; what waits is finished; blocks until idle, so the exec must still run; closes the
 * database. */
void actor_free(struct actor *actor);
