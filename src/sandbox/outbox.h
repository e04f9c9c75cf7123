#pragma once
/* Events on their way to main: a bounded ring, so that the spawner never waits for main. */
#include "base/err.h"
#include "sandbox/wire.h"

#include <stdbool.h>

struct outbox_item {
    struct wire_event event;
    int fds[WIRE_MADE_FDS]; /* owned, fd_count of them */
    unsigned fd_count;
};

struct outbox {
    struct outbox_item *ring; /* owned */
    unsigned cap, first, len;
};

void outbox_init(struct outbox *outbox, unsigned cap);
void outbox_done(struct outbox *outbox);
/* Takes the descriptors: NULL, or an array of WIRE_MADE_FDS in which -1 ends them. There must be
 * room. */
void outbox_put(struct outbox *outbox, const struct wire_event *event, const int *fds);
static inline unsigned outbox_room(const struct outbox *outbox)
{
    return outbox->cap - outbox->len;
}
static inline bool outbox_is_empty(const struct outbox *outbox)
{
    return outbox->len == 0;
}
/* Sends what the socket takes. 0: all or as much as fits; -EPIPE: main is gone. */
CHECK_RESULT int outbox_flush(struct outbox *outbox, int socket_fd);
/* Drops everything, closing descriptors. */
void outbox_clear(struct outbox *outbox);
