/* A mailbox: one lock, a queue for each account that has messages waiting, and a ring of those
 * queues in the order of their turns.
 *
 *     turns:   [111111111111] -> [222222222222] -> [333333333333]
 *                 m1 m4 m5           m2                m3
 *     a batch of four:  m1 m2 m3 m4; the ring then starts with whoever comes next
 *
 * Share of an account: it may have waiting less than SHARE times the places that are still free
 * (dynamic thresholds, Choudhury and Hahne, IEEE/ACM ToN 1998). One flooding account thus fills
 * 8/9 of the mailbox and no more, N flooding ones leave 1/(1 + 8N) of it: there is always room for
 * an account that has nothing waiting yet, without a fixed partition that would waste places when
 * only one account is there.
 *
 * is_scheduled is true from the post that found the owner idle until mailbox_rest finds nothing
 * waiting. Both happen under the lock, so a message is never left behind with nobody on his way,
 * and the owner is never queued twice.
 *
 * A queue's record is kept for reuse when it empties: posting does not allocate in the steady
 * state. Everything in here is O(1) but for the map of accounts. */
#include "core/mailbox.h"

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "os/thread.h"

#include <errno.h>

enum { SHARE = 8, ACCOUNT_MAX = 32, SPARE_MAX = 64 };

struct account_queue {
    struct list_node turn; /* mailbox.turns, or mailbox.spare */
    struct list messages;
    size_t account_len;
    char account[ACCOUNT_MAX]; /* key of mailbox.by_account */
};

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned max; /* constant */
    /* All below under lock. */
    unsigned waiting;
    struct map by_account; /* of struct account_queue, each with messages */
    struct list turns;
    struct list spare;
    bool is_scheduled;
    bool is_closed;
};

struct mailbox *mailbox_new(unsigned max)
{
    assert(max > 0);
    struct mailbox *mailbox = NEW(struct mailbox);
    (void) pthread_mutex_init(&mailbox->lock, NULL); /* Default attributes: cannot fail. */
    (void) pthread_cond_init(&mailbox->idle, NULL);
    mailbox->max = max;
    map_init(&mailbox->by_account);
    list_init(&mailbox->turns);
    list_init(&mailbox->spare);
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    assert(mailbox->waiting == 0 && !mailbox->is_scheduled);
    assert(list_is_empty(&mailbox->turns));
    for (struct list_node *node; (node = list_pop_front(&mailbox->spare)) != NULL;)
        free(CONTAINER_OF(node, struct account_queue, turn));
    map_done(&mailbox->by_account);
    (void) pthread_cond_destroy(&mailbox->idle);
    (void) pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

static struct account_queue *queue_begin(struct mailbox *mailbox, struct str account)
{
    struct list_node *node = list_pop_front(&mailbox->spare);
    struct account_queue *queue =
        node != NULL ? CONTAINER_OF(node, struct account_queue, turn) : NEW(struct account_queue);
    list_init(&queue->messages);
    queue->account_len = account.len;
    memcpy(queue->account, account.ptr, account.len);
    (void) map_put(&mailbox->by_account, str_of(queue->account, account.len), queue);
    list_push_back(&mailbox->turns, &queue->turn);
    return queue;
}

static void queue_end(struct mailbox *mailbox, struct account_queue *queue)
{
    assert(list_is_empty(&queue->messages));
    (void) map_remove(&mailbox->by_account, str_of(queue->account, queue->account_len));
    if (mailbox->spare.len < SPARE_MAX)
        list_push_front(&mailbox->spare, &queue->turn);
    else
        free(queue);
}

static int post_locked(struct mailbox *mailbox, struct message *msg)
{
    if (mailbox->is_closed)
        return -ESHUTDOWN;
    struct account_queue *queue = map_find(&mailbox->by_account, msg->account);
    size_t own = queue == NULL ? 0 : queue->messages.len;
    size_t places = mailbox->max - mailbox->waiting;
    if (own >= SHARE * places)
        return -EAGAIN; /* Covers a full mailbox: there are no places then. */
    if (queue == NULL)
        queue = queue_begin(mailbox, msg->account);
    list_push_back(&queue->messages, &msg->node);
    mailbox->waiting++;
    return 0;
}

int mailbox_post(struct mailbox *mailbox, struct message *msg, bool *out_must_schedule)
{
    assert(msg->run != NULL && msg->done != NULL);
    assert(msg->account.len <= ACCOUNT_MAX);
    (void) pthread_mutex_lock(&mailbox->lock);
    int rc = post_locked(mailbox, msg);
    if (rc == 0) {
        *out_must_schedule = !mailbox->is_scheduled;
        mailbox->is_scheduled = true;
    }
    (void) pthread_mutex_unlock(&mailbox->lock);
    return rc;
}

void mailbox_take(struct mailbox *mailbox, struct list *out, unsigned max)
{
    (void) pthread_mutex_lock(&mailbox->lock);
    assert(mailbox->is_scheduled);
    for (unsigned taken = 0; taken < max && mailbox->waiting > 0; taken++) {
        struct list_node *turn = list_pop_front(&mailbox->turns);
        assert(turn != NULL);
        struct account_queue *queue = CONTAINER_OF(turn, struct account_queue, turn);
        list_push_back(out, list_pop_front(&queue->messages));
        mailbox->waiting--;
        if (list_is_empty(&queue->messages))
            queue_end(mailbox, queue);
        else
            list_push_back(&mailbox->turns, &queue->turn);
    }
    (void) pthread_mutex_unlock(&mailbox->lock);
}

bool mailbox_rest(struct mailbox *mailbox)
{
    (void) pthread_mutex_lock(&mailbox->lock);
    assert(mailbox->is_scheduled);
    bool has_more = mailbox->waiting > 0;
    mailbox->is_scheduled = has_more;
    if (!has_more)
        (void) pthread_cond_signal(&mailbox->idle); /* Only mailbox_close waits. */
    (void) pthread_mutex_unlock(&mailbox->lock);
    return has_more;
}

void mailbox_close(struct mailbox *mailbox)
{
    (void) pthread_mutex_lock(&mailbox->lock);
    mailbox->is_closed = true;
    while (mailbox->is_scheduled)
        (void) cond_wait_ms(&mailbox->idle, &mailbox->lock, -1); /* Without a bound: cannot fail. */
    (void) pthread_mutex_unlock(&mailbox->lock);
}
