#pragma once
/* The way into a thread: many push, one takes all. Lock-free, without allocation: the node lives
 * in the element. A push onto an empty inbox says so, and only then must the owner be woken: one
 * wake-up stands for all that is pushed before the owner takes. (A stack whose only removal is
 * "take everything" has no ABA problem.) thread: push any, take the owner's. */
#include "base/list.h"

#include <stdatomic.h>

struct inbox {
    _Atomic(struct list_node *) top; /* linked by next, newest first */
};

/* True when the inbox was empty. The node belongs to the inbox until it is taken. */
static inline bool inbox_push(struct inbox *inbox, struct list_node *node)
{
    struct list_node *top = atomic_load_explicit(&inbox->top, memory_order_relaxed);
    do
        node->next = top;
    while (!atomic_compare_exchange_weak_explicit(&inbox->top, &top, node, memory_order_release,
                                                  memory_order_relaxed));
    return top == NULL;
}

/* Moves everything to the end of `to`, oldest first. */
static inline void inbox_take_all(struct inbox *inbox, struct list *to)
{
    struct list_node *node = atomic_exchange_explicit(&inbox->top, NULL, memory_order_acquire);
    struct list_node *after = to->head.prev;
    while (node != NULL) {
        struct list_node *older = node->next;
        list_insert_after(to, after, node); /* each older one in front of the newer */
        node = older;
    }
}
