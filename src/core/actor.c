/* One batch of an actor, the heart of every service:
 *
 *     take what waits (up to batch_max)
 *     read-only messages: run, done                  they see committed state only
 *     BEGIN
 *       for each: SAVEPOINT, run, RELEASE or ROLLBACK TO
 *     COMMIT                                         one fsync for all of them
 *     done for each                                  the answers go out
 *
 * Reads come first because no order is promised between requests that are under way together, and
 * in this order no read ever waits for an fsync or shows a change that may yet be rolled back.
 *
 * When BEGIN, a savepoint or COMMIT fails, the whole group is rolled back and each message of it,
 * also those that had failed on their own, is told: what they saw may have been rolled back, so
 * their own answers ("already exists") might be wrong. After a failed COMMIT that looks like a
 * broken disk (-EIO) the actor takes no more writes: after a failed fsync the kernel may have
 * dropped the very pages that a second fsync would report as written ("Can applications recover
 * from fsync failures?", ATC 2020). Reads go on. A full disk (-ENOSPC) fails the group only.
 *
 * Scheduling: the actor is one task, queued at most once (core/mailbox.c), which runs one batch and
 * posts itself again when more waits, so that several actors share the threads in turns. It lives
 * on the exec that it was given: a pool, or the simulator. */
#include "core/actor.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"
#include "core/mailbox.h"
#include "store/db.h"

#include <errno.h>

struct actor {
    struct task task; /* first; queued exactly while the mailbox says scheduled */
    const char *name;
    struct exec *exec;
    struct db *db; /* owned */
    struct mailbox *mailbox;
    unsigned batch_max;
    bool is_broken; /* a commit failed with -EIO: no more writes; whoever runs the batch */
};

static struct message *message_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct message, node);
}

/* Runs and answers the read-only messages; the others stay in batch. */
static void batch_read(struct actor *actor, struct list *batch)
{
    LIST_FOR_EACH_SAFE (batch, node) {
        struct message *msg = message_of(node);
        if (!msg->is_read_only)
            continue;
        list_remove(batch, node);
        (void) msg->run(msg, actor->db); /* Nothing to roll back: the message keeps its result. */
        msg->done(msg, 0);
    }
}

static int message_run(struct actor *actor, struct message *msg, struct err *err)
{
    int rc = db_savepoint(actor->db, err);
    if (rc < 0)
        return rc;
    if (msg->run(msg, actor->db) < 0)
        return db_savepoint_rollback(actor->db, err);
    return db_savepoint_release(actor->db, err);
}

/* Everything between BEGIN and COMMIT, both included. Negative: nothing of it is stored. */
static int batch_write(struct actor *actor, struct list *batch, struct err *err)
{
    if (actor->is_broken)
        return err_say(err, -EROFS, "an earlier write failed");
    int rc = db_begin(actor->db, err);
    if (rc < 0)
        return rc;
    LIST_FOR_EACH (batch, node) {
        rc = message_run(actor, message_of(node), err);
        if (rc < 0)
            break;
    }
    if (rc >= 0)
        rc = db_commit(actor->db, err);
    if (rc < 0) {
        db_rollback(actor->db);
        actor->is_broken = rc == -EIO;
        return rc;
    }
    return 0;
}

static void actor_batch(struct task *task)
{
    struct actor *actor = (struct actor *) task;
    struct list batch;
    list_init(&batch);
    mailbox_take(actor->mailbox, &batch, actor->batch_max);
    batch_read(actor, &batch);
    trace("actor batch", (uintptr_t) actor, batch.len);
    if (!list_is_empty(&batch)) {
        struct err err = {0};
        int rc = batch_write(actor, &batch, &err);
        if (rc < 0) {
            struct log_text why;
            log_error("core", "commit failed", "actor=%s messages=%zu err=%s", actor->name,
                      batch.len, log_quote(&why, str_from(err.text)));
        }
        for (struct list_node *node; (node = list_pop_front(&batch)) != NULL;) {
            struct message *msg = message_of(node);
            msg->done(msg, rc);
        }
    }
    /* Once this says idle, actor_free may have gone through: touch nothing afterwards. */
    struct exec *exec = actor->exec;
    if (mailbox_rest(actor->mailbox))
        exec_post(exec, &actor->task);
}

int actor_new(const struct actor_config *config, struct actor **out_actor, struct err *err)
{
    if (config->mailbox_max == 0 || config->batch_max == 0)
        return err_say(err, -EINVAL, "actor '%s': a mailbox and a batch hold at least one message",
                       config->name);
    struct actor *actor = NEW(struct actor);
    actor->task.run = actor_batch;
    actor->name = config->name;
    actor->exec = config->exec;
    actor->db = config->db;
    actor->mailbox = mailbox_new(config->mailbox_max);
    actor->batch_max = config->batch_max;
    *out_actor = actor;
    return 0;
}

int actor_post(struct actor *actor, struct message *msg)
{
    bool must_schedule;
    int rc = mailbox_post(actor->mailbox, msg, &must_schedule);
    if (rc == 0 && must_schedule)
        exec_post(actor->exec, &actor->task);
    return rc;
}

void actor_free(struct actor *actor)
{
    if (actor == NULL)
        return;
    mailbox_close(actor->mailbox);
    mailbox_free(actor->mailbox);
    db_close(actor->db);
    free(actor);
}
