/* A ring of events for main. Its size covers what the spawner can owe at once (two events per slot
 * and refusals, see can_read_requests), so putting never fails. A descriptor that was sent, or
 * cannot be sent any more, is closed here: main owns the copies it received. */
#include "sandbox/outbox.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "os/socket.h"

#include <errno.h>
#include <sys/socket.h>

void outbox_init(struct outbox *outbox, unsigned cap)
{
    *outbox = (struct outbox){.ring = NEW_ARRAY(struct outbox_item, cap), .cap = cap};
}

void outbox_done(struct outbox *outbox)
{
    outbox_clear(outbox);
    free(outbox->ring);
    *outbox = (struct outbox){0};
}

void outbox_put(struct outbox *outbox, const struct wire_event *event, const int *fds)
{
    assert(outbox->len < outbox->cap);
    struct outbox_item *item = &outbox->ring[(outbox->first + outbox->len++) % outbox->cap];
    item->event = *event;
    item->fd_count = 0;
    while (fds != NULL && item->fd_count < WIRE_MADE_FDS && fds[item->fd_count] >= 0) {
        item->fds[item->fd_count] = fds[item->fd_count];
        item->fd_count++;
    }
}

static void drop_first(struct outbox *outbox)
{
    struct outbox_item *item = &outbox->ring[outbox->first];
    for (unsigned i = 0; i < item->fd_count; i++)
        (void) close(item->fds[i]);
    outbox->first = (outbox->first + 1) % outbox->cap;
    outbox->len--;
}

void outbox_clear(struct outbox *outbox)
{
    while (outbox->len > 0)
        drop_first(outbox);
}

static int send_item(const struct outbox_item *item, int socket_fd)
{
    ssize_t n = socket_send_fds(socket_fd, str_of(&item->event, sizeof item->event), item->fds,
                                item->fd_count, MSG_DONTWAIT);
    return n < 0 ? (int) n : 0;
}

int outbox_flush(struct outbox *outbox, int socket_fd)
{
    while (outbox->len > 0) {
        int rc = send_item(&outbox->ring[outbox->first], socket_fd);
        if (rc == -EAGAIN || rc == -ENOBUFS || rc == -ETOOMANYREFS)
            return 0; /* Main has to read first. */
        if (rc < 0)
            return -EPIPE;
        drop_first(outbox);
    }
    return 0;
}
