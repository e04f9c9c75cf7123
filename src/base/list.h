#pragma once
/* Intrusive doubly linked list: the node lives in the element, the list owns nothing. A field
 * comment names the list that a node is on. A zeroed node is on no list. */
#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *prev, *next;
};

struct list {
    struct list_node head; /* head.next first, head.prev last */
    size_t len;
};

static inline void list_init(struct list *list)
{
    list->head.prev = list->head.next = &list->head;
    list->len = 0;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->len == 0;
}

static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_after(struct list *list, struct list_node *at,
                                     struct list_node *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
    list->len++;
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_after(list, &list->head, node);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_after(list, list->head.prev, node);
}

static inline void list_remove(struct list *list, struct list_node *node)
{
    /* That a list's ends point back to its nodes, the analyzer cannot know. */
    node->prev->next = node->next; /* NOLINT(clang-analyzer-core.NullDereference) */
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
    list->len--;
}

/* First node, or NULL. */
static inline struct list_node *list_first(const struct list *list)
{
    /* The analyzer follows no ring: it takes the first for a node that was freed before. */
    return list->len == 0 ? NULL : list->head.next; /* NOLINT(clang-analyzer-unix.Malloc) */
}

/* First node taken off, or NULL. */
static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node != NULL)
        list_remove(list, node);
    return node;
}

/* Moves all of `from` to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (from->len == 0)
        return;
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    to->len += from->len;
    list_init(from);
}

#define LIST_FOR_EACH(list, node)                                                                  \
    for (struct list_node *node = (list)->head.next; node != &(list)->head; node = node->next)

/* The body may remove `node`. */
#define LIST_FOR_EACH_SAFE(list, node)                                                             \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next;                    \
         node != &(list)->head; node = node##_next, node##_next = node->next)
