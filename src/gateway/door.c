/* Doors of callers' own: a listening socket whose every client is one known caller.
 *
 * A function reaches the platform's services on its own loopback. The kernel says who it is: the
 * socket lies in the network namespace of one instance, made before anything ran there. So nothing
 * has to be signed, and placeholder credentials do; what is signed with a key that Virga issued is
 * checked as anywhere (a function may act as somebody else).
 *
 * Each door has a server of its own with small limits. Closing it cuts the connections; requests
 * that services still work on end into the void, and the last of them frees the door. */
#include "base/assert.h"
#include "base/mem.h"
#include "gateway/gateway_int.h"

static void door_free(struct gateway_door *door)
{
    free(door->text);
    free(door);
}

/* One allocation for the texts. */
static void copy_caller(struct gateway_door *door, const struct gateway_caller *caller)
{
    struct str *const to[] = {&door->caller.account, &door->caller.region, &door->caller.principal};
    const struct str from[] = {caller->account, caller->region, caller->principal};
    char *at = door->text =
        mem_new(caller->account.len + caller->region.len + caller->principal.len + 1);
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        memcpy(at, from[i].ptr, from[i].len);
        *to[i] = str_of(at, from[i].len);
        at += from[i].len;
    }
}

int gateway_door_open(struct gateway *gateway, size_t loop, int listen_fd,
                      const struct gateway_caller *caller, struct gateway_door **out_door,
                      struct err *err)
{
    AUTO_CLOSE int fd = listen_fd;
    struct gateway_loop *home = &gateway->loops[loop];
    struct gateway_door *door = NEW(struct gateway_door);
    *door = (struct gateway_door){.home = home};
    copy_caller(door, caller);
    struct server_limits limits = gateway_limits;
    limits.conns_max = DOOR_CONNS_MAX;
    const struct server_handler handler = {request_on_head, request_on_body, door};
    int rc = server_new(home->loop, &limits, &handler, &door->server, err);
    if (rc >= 0 && (rc = server_listen(door->server, take_fd(&fd), err)) >= 0) {
        *out_door = door;
        return 0;
    }
    gateway_door_close(door);
    return rc;
}

void gateway_door_close(struct gateway_door *door)
{
    if (door == NULL)
        return;
    assert(!door->is_closed);
    door->is_closed = true;
    door->in_flight++; /* held while its connections tell that they are gone */
    if (door->server != NULL)
        server_close(door->server);
    server_free(take_ptr(&door->server));
    door_release(door);
}

void door_release(struct gateway_door *door)
{
    assert(door->in_flight > 0);
    if (--door->in_flight == 0 && door->is_closed)
        door_free(door);
}
