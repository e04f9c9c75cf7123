/* The process: one libslirp for each sandbox, one poll(2) for all.
 *
 * The library is loaded here and nowhere else: it brings GLib, which the server does without. A
 * packet that the sandbox's interface does not take is dropped; TCP sends it again. */
#include "egress/egress_int.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME_MAX = 66 * 1024,
    MTU = 65520,          /* the interface's, see sandbox/netns.c */
    FRAMES_PER_TURN = 64, /* of one sandbox before the others have theirs */
};

struct guest {
    struct list_node node;
    uint64_t id;
    int tap_fd; /* owned */
    size_t poll_at;
    Slirp *slirp;
};

static struct library {
    __typeof__(slirp_new) *new;
    __typeof__(slirp_cleanup) *cleanup;
    __typeof__(slirp_pollfds_fill) *fill;
    __typeof__(slirp_pollfds_poll) *poll;
    __typeof__(slirp_input) *input;
} library;

static struct list guests;
static struct pollfd *polls; /* owned */
static size_t poll_count, poll_cap;

static bool library_load(void)
{
    void *handle = dlopen("libslirp.so.0", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return false;
    static const struct {
        const char *name;
        void *to;
    } functions[] = {{"slirp_new", &library.new},
                     {"slirp_cleanup", &library.cleanup},
                     {"slirp_pollfds_fill", &library.fill},
                     {"slirp_pollfds_poll", &library.poll},
                     {"slirp_input", &library.input}};
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        void *found = dlsym(handle, functions[i].name);
        if (found == NULL)
            return false;
        memcpy(functions[i].to, &found, sizeof found);
    }
    return true;
}

/* ---- what the library calls ---- */

static ssize_t on_packet(const void *bytes, size_t size, void *arg)
{
    const struct guest *guest = arg;
    (void) !write(guest->tap_fd, bytes, size); /* Full, or gone: dropped. */
    return (ssize_t) size;
}

static void on_guest_error(const char *message, void *arg)
{
    (void) message; /* A tenant's nonsense is not worth a line of ours. */
    (void) arg;
}

static int64_t on_clock(void *arg)
{
    (void) arg;
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The library's only timer announces IPv6 routers, and there is no IPv6. */
static void *on_timer_new(SlirpTimerCb fn, void *fn_arg, void *arg)
{
    (void) fn;
    (void) fn_arg;
    return arg;
}

static void on_timer_free(void *timer, void *arg)
{
    (void) timer;
    (void) arg;
}

static void on_timer_mod(void *timer, int64_t expire_ms, void *arg)
{
    (void) timer;
    (void) expire_ms;
    (void) arg;
}

static void on_poll_fd(int fd, void *arg)
{
    (void) fd;
    (void) arg;
}

static void on_notify(void *arg)
{
    (void) arg; /* The loop asks all of them in every turn. */
}

static const SlirpCb callbacks = {
    .send_packet = on_packet,
    .guest_error = on_guest_error,
    .clock_get_ns = on_clock,
    .timer_new = on_timer_new,
    .timer_free = on_timer_free,
    .timer_mod = on_timer_mod,
    .register_poll_fd = on_poll_fd,
    .unregister_poll_fd = on_poll_fd,
    .notify = on_notify,
};

/* ---- guests ---- */

static struct in_addr address(const char *text)
{
    struct in_addr out;
    int rc = inet_pton(AF_INET, text, &out);
    assert(rc == 1);
    return out;
}

static void guest_new(uint64_t id, int tap_fd)
{
    struct guest *guest = NEW(struct guest);
    guest->id = id;
    guest->tap_fd = tap_fd;
    const SlirpConfig config = {
        .version = 3,
        .in_enabled = true,
        .vnetwork = address("10.0.2.0"),
        .vnetmask = address("255.255.255.0"),
        .vhost = address("10.0.2.2"),
        .vdhcp_start = address("10.0.2.15"),
        .vnameserver = address("10.0.2.3"),
        .if_mtu = MTU,
        .if_mru = MTU,
        .disable_host_loopback = true,
    };
    guest->slirp = library.new(&config, &callbacks, guest);
    if (guest->slirp == NULL) {
        (void) close(tap_fd);
        free(guest);
        return;
    }
    list_push_back(&guests, &guest->node);
}

static void guest_end(struct guest *guest)
{
    list_remove(&guests, &guest->node);
    library.cleanup(guest->slirp);
    (void) close(guest->tap_fd);
    free(guest);
}

static void guest_end_id(uint64_t id)
{
    LIST_FOR_EACH_SAFE (&guests, node) {
        struct guest *guest = CONTAINER_OF(node, struct guest, node);
        if (guest->id == id)
            guest_end(guest);
    }
}

/* False: the interface is gone. */
static bool guest_read(struct guest *guest)
{
    static uint8_t frame[FRAME_MAX];
    for (int i = 0; i < FRAMES_PER_TURN; i++) {
        ssize_t n = read(guest->tap_fd, frame, sizeof frame);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        library.input(guest->slirp, frame, (int) n);
    }
    return true;
}

/* ---- main's words ---- */

/* False: main is gone. */
static bool message_take(int socket_fd)
{
    struct egress_message message;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {&message, sizeof message};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(socket_fd, &msg, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int fd = -1;
    if (c != NULL && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (n != sizeof message)
        return false;
    if (message.is_attach && fd >= 0)
        guest_new(message.id, fd);
    else
        guest_end_id(message.id);
    return true;
}

/* ---- the loop ---- */

static int poll_add(int fd, int events, void *arg)
{
    (void) arg;
    if (poll_count == poll_cap) {
        poll_cap = poll_cap == 0 ? 64 : 2 * poll_cap;
        polls = mem_resize(polls, poll_cap * sizeof polls[0]);
    }
    short wanted = 0;
    wanted |= (events & SLIRP_POLL_IN) != 0 ? POLLIN : 0;
    wanted |= (events & SLIRP_POLL_OUT) != 0 ? POLLOUT : 0;
    wanted |= (events & SLIRP_POLL_PRI) != 0 ? POLLPRI : 0;
    polls[poll_count] = (struct pollfd){.fd = fd, .events = wanted};
    return (int) poll_count++;
}

static int poll_found(int at, void *arg)
{
    (void) arg;
    short found = polls[at].revents;
    int events = 0;
    events |= (found & POLLIN) != 0 ? SLIRP_POLL_IN : 0;
    events |= (found & POLLOUT) != 0 ? SLIRP_POLL_OUT : 0;
    events |= (found & POLLPRI) != 0 ? SLIRP_POLL_PRI : 0;
    events |= (found & POLLERR) != 0 ? SLIRP_POLL_ERR : 0;
    events |= (found & POLLHUP) != 0 ? SLIRP_POLL_HUP : 0;
    return events;
}

static void guests_serve(bool is_failed)
{
    LIST_FOR_EACH_SAFE (&guests, node) {
        struct guest *guest = CONTAINER_OF(node, struct guest, node);
        library.poll(guest->slirp, is_failed, poll_found, NULL);
        short found = polls[guest->poll_at].revents;
        if (found != 0 && !guest_read(guest))
            guest_end(guest);
    }
}

int egress_run(int socket_fd)
{
    list_init(&guests);
    struct egress_message first = {.error = library_load() ? 0 : -ENOENT};
    if (send(socket_fd, &first, sizeof first, MSG_NOSIGNAL) < 0 || first.error != 0)
        return 1;
    for (;;) {
        uint32_t timeout_ms = UINT32_MAX;
        poll_count = 0;
        (void) poll_add(socket_fd, SLIRP_POLL_IN, NULL);
        LIST_FOR_EACH (&guests, node) {
            struct guest *guest = CONTAINER_OF(node, struct guest, node);
            guest->poll_at = (size_t) poll_add(guest->tap_fd, SLIRP_POLL_IN, NULL);
            library.fill(guest->slirp, &timeout_ms, poll_add, NULL);
        }
        int n = poll(polls, poll_count, timeout_ms == UINT32_MAX ? -1 : (int) timeout_ms);
        bool is_told = n > 0 && polls[0].revents != 0;
        guests_serve(n < 0);
        if (is_told && !message_take(socket_fd))
            return 0;
    }
}
