#pragma once
/* The queue in front of an actor: bounded, first in first out for each account, and fair between
 * accounts: batches are filled in turns, one message of each waiting account after the other, and
 * an account that floods the mailbox cannot keep the others out.
 *
 * It also decides who schedules the actor: exactly one poster is told to, and none again until the
 * actor has found the mailbox empty. */
#include "core/actor.h"

struct mailbox;

struct mailbox *mailbox_new(unsigned max);
void mailbox_free(struct mailbox *mailbox); /* empty; nobody posts any more */

/* thread: any. owner: the message moves in, on success only. *out_must_schedule: the caller has to
 * get the owner going. errors: -EAGAIN full, or this account has more than its share;
 * -ESHUTDOWN after mailbox_close. */
CHECK_RESULT int mailbox_post(struct mailbox *mailbox, struct message *msg,
                              bool *out_must_schedule);

/* Moves at most max messages to the end of out (initialised), in turns between accounts.
 * thread: the scheduled owner. */
void mailbox_take(struct mailbox *mailbox, struct list *out, unsigned max);

/* The owner has finished a batch. True: messages wait, it stays scheduled and has to run again.
 * False: it is idle and must not be touched any more. thread: the scheduled owner. */
CHECK_RESULT bool mailbox_rest(struct mailbox *mailbox);

/* No further posts; waits until the owner is idle. thread: any but the owner. */
void mailbox_close(struct mailbox *mailbox);
