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
    bool is_read_only;     /* runs outside the write transaction */
    /* Runs on the actor. 0: keep its changes; negative: roll its savepoint back (the message itself
     * remembers what to answer). */
    int (*run)(struct message *msg, struct db *db);
    /* After the commit, or when it failed (rc < 0: nothing of this message is stored). Takes the
     * message back. */
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
/* thread: any. -EAGAIN: full, the sender keeps the message. */
CHECK_RESULT int actor_post(struct actor *actor, struct message *msg);
/* No more posts; what waits is finished; blocks until idle. */
void actor_free(struct actor *actor);
