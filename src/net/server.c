/* The HTTP server's life: listeners, accepting, pools, draining.
 *
 * A server belongs to one loop and touches nothing outside its thread, so there are no locks.
 * Listeners accept a bounded number of connections per turn, so that a flood of connections does
 * not starve the ones that are there. Out of descriptors, a level-triggered listener would spin:
 * it pauses instead. Over the limit of connections, a client is told 503 and closed without
 * becoming a connection.
 *
 * Draining: listeners close, idle connections close, busy ones finish their exchange and close;
 * after the time-out the rest is cut. A handler that still holds an exchange then may answer it
 * later: such exchanges are counted, and the server's memory goes with the last of them. */
#include "net/server_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "net/tls_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum {
    ACCEPTS_PER_TURN = 16,
    ACCEPT_PAUSE_US = 100 * 1000,
    POOL_MAX = 64,
    SCRATCH_MAX = 1024 * 1024, /* an answer's head and a short body */
    UNSENT_DEFAULT_MAX = 1024 * 1024,
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
};

/* --- pools --- */

struct input *server_take_input(struct server *server, size_t cap)
{
    struct input *input = server->free_inputs;
    if (cap > INPUT_BYTES || input == NULL) {
        input = mem_new(sizeof *input + cap);
        input->cap = cap;
        return input;
    }
    server->free_inputs = input->next_free;
    server->free_input_count--;
    input->len = 0;
    return input;
}

void server_give_input(struct server *server, struct input *input)
{
    if (input == NULL)
        return;
    if (input->cap > INPUT_BYTES || server->free_input_count == POOL_MAX) {
        free(input);
        return;
    }
    input->next_free = server->free_inputs;
    server->free_inputs = input;
    server->free_input_count++;
}

struct exchange *server_take_exchange(struct server *server)
{
    struct exchange *x = server->free_exchanges;
    if (x == NULL)
        return NEW(struct exchange);
    server->free_exchanges = x->next_free;
    server->free_exchange_count--;
    return x;
}

void server_give_exchange(struct server *server, struct exchange *x)
{
    if (x == NULL)
        return;
    assert(x->counted_bytes <= server->body_bytes);
    server->body_bytes -= x->counted_bytes;
    x->counted_bytes = 0;
    buf_done(&x->body);
    if (x->stream_id != 0) {
        http2_head_done(&x->fields);
        buf_done(&x->out);
        buf_done(&x->trailers);
    }
    if (server->free_exchange_count == POOL_MAX) {
        free(x);
        return;
    }
    x->next_free = server->free_exchanges;
    server->free_exchanges = x;
    server->free_exchange_count++;
}

char *server_chunk(struct server *server)
{
    if (server->chunk == NULL)
        server->chunk = mem_new(CHUNK_BYTES);
    return server->chunk;
}

/* --- accepting --- */

static struct str peer_text(const struct sockaddr_storage *address, char out[PEER_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const void *) address;
    const struct sockaddr_in6 *v6 = (const void *) address;
    int len;
    if (address->ss_family == AF_INET) {
        (void) inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        len = snprintf(out, PEER_TEXT_MAX, "%s:%u", host, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        (void) inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        len = snprintf(out, PEER_TEXT_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        len = snprintf(out, PEER_TEXT_MAX, "local");
    }
    assert(len > 0 && len < PEER_TEXT_MAX);
    return str_of(out, (size_t) len);
}

/* One try each: the client is told if it is quick to listen. What it has sent already is taken in,
 * since closing over unread bytes resets the connection and eats the answer. */
static void turn_away(struct server *server, int fd)
{
    struct str answer = server_refusal(server, 503, "too many connections", false);
    char unread[INPUT_BYTES];
    (void) send(fd, answer.ptr, answer.len, MSG_NOSIGNAL);
    (void) shutdown(fd, SHUT_WR);
    (void) recv(fd, unread, sizeof unread, 0);
    (void) close(fd);
}

static void watch_listeners(struct server *server, int events)
{
    for (size_t i = 0; i < server->listener_count; i++)
        watch_set(server->listeners[i].watch, events);
}

static void on_accept_pause_over(struct timer *timer)
{
    watch_listeners(CONTAINER_OF(timer, struct server, accept_pause), WATCH_READ);
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct listener *listener)
{
    struct server *server = listener->server;
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    int fd =
        accept4(listener->fd, (struct sockaddr *) &address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        watch_listeners(server, 0);
        struct exec *exec = loop_exec(server->loop);
        timer_set(exec, &server->accept_pause, exec_now_us(exec) + ACCEPT_PAUSE_US);
        return false;
    }
    if (fd < 0) /* Else the connection is gone already, or its network is: the next one. */
        return errno != EAGAIN && errno != EINVAL && errno != EBADF;
    char peer[PEER_TEXT_MAX];
    if (server->conns.len >= server->limits.conns_max)
        turn_away(server, fd);
    else
        conn_open(server, fd, peer_text(&address, peer));
    return true;
}

static void on_connections(void *arg, int events)
{
    (void) events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++)
        if (!accept_one(arg))
            break;
}

int server_listen(struct server *server, int listen_fd, struct err *err)
{
    assert(server->listener_count < LISTENERS_MAX && !server->is_draining);
    struct listener *listener = &server->listeners[server->listener_count];
    *listener = (struct listener){.server = server, .fd = listen_fd};
    int rc = watch_new(server->loop, listen_fd, on_connections, listener, &listener->watch, err);
    if (rc < 0) {
        (void) close(listen_fd);
        return rc;
    }
    /* Accepted sockets inherit it: one system call less for each. Unix sockets have no Nagle. */
    (void) setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    server->listener_count++;
    watch_set(listener->watch, WATCH_READ);
    return 0;
}

static int listen_on(const struct sockaddr *address, socklen_t size, int *out_fd,
                     uint16_t *out_port, struct err *err)
{
    AUTO_CLOSE int fd =
        socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return err_set(err, -errno, "make socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0)
        return err_set(err, -errno, "set up socket");
    if (bind(fd, address, size) < 0)
        return err_set(err, -errno, "bind");
    if (listen(fd, BACKLOG) < 0)
        return err_set(err, -errno, "listen");
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {.v6 = {0}};
    socklen_t bound_size = sizeof bound;
    if (getsockname(fd, &bound.any, &bound_size) < 0)
        return err_set(err, -errno, "ask for the port");
    *out_port = ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
    *out_fd = take_fd(&fd);
    return 0;
}

int listen_tcp(const char *host, uint16_t port, int *out_fd, uint16_t *out_port, struct err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int rc;
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        rc = listen_on((const struct sockaddr *) &v4, sizeof v4, out_fd, out_port, err);
    else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        rc = listen_on((const struct sockaddr *) &v6, sizeof v6, out_fd, out_port, err);
    else
        return err_say(err, -EINVAL, "'%s' is not a numeric address", host);
    return rc < 0 ? err_wrap(err, "listen on %s port %u", host, port) : 0;
}

/* --- life --- */

int server_new(struct loop *loop, const struct server_limits *limits,
               const struct server_handler *handler, struct server **out_server, struct err *err)
{
    (void) err; /* Nothing can fail yet; TLS will. */
    assert(limits->conns_max > 0 && limits->body_max > 0 && limits->head_timeout_ms > 0);
    assert(limits->idle_timeout_ms > 0 && limits->body_timeout_ms > 0);
    struct server *server = NEW(struct server);
    server->loop = loop;
    server->limits = *limits;
    if (limits->bodies_max == 0)
        server->limits.bodies_max = 16 * limits->body_max;
    if (limits->unsent_max == 0)
        server->limits.unsent_max = UNSENT_DEFAULT_MAX;
    server->handler = *handler;
    server->date_second = -1;
    server->accept_pause.fire = on_accept_pause_over;
    list_init(&server->conns);
    buf_init(&server->scratch, SCRATCH_MAX);
    buf_init(&server->date, 64);
    *out_server = server;
    return 0;
}

static void on_drained_task(struct task *task)
{
    struct server *server = CONTAINER_OF(task, struct server, drained_task);
    server->on_drained(server->drained_arg);
}

static void drain_check(struct server *server)
{
    if (!server->is_draining || server->is_drained || server->conns.len > 0)
        return;
    server->is_drained = true;
    timer_clear(loop_exec(server->loop), &server->drain_timer);
    server->drained_task.run = on_drained_task;
    exec_post(loop_exec(server->loop), &server->drained_task);
}

static void on_drain_timeout(struct timer *timer)
{
    struct server *server = CONTAINER_OF(timer, struct server, drain_timer);
    LIST_FOR_EACH_SAFE (&server->conns, node)
        conn_kill(CONTAINER_OF(node, struct conn, node));
    drain_check(server);
}

static void listeners_close(struct server *server)
{
    timer_clear(loop_exec(server->loop), &server->accept_pause);
    for (size_t i = 0; i < server->listener_count; i++) {
        watch_free(server->listeners[i].watch);
        (void) close(server->listeners[i].fd);
    }
    server->listener_count = 0;
}

void server_close(struct server *server)
{
    assert(loop_is_current(server->loop) && !server->is_draining);
    listeners_close(server);
    server->is_draining = server->is_drained = true; /* before the last connection would tell */
    LIST_FOR_EACH_SAFE (&server->conns, node)
        conn_kill(CONTAINER_OF(node, struct conn, node));
}

void server_drain(struct server *server, int64_t timeout_ms, void (*on_drained)(void *arg),
                  void *arg)
{
    assert(!server->is_draining);
    server->is_draining = true;
    server->on_drained = on_drained;
    server->drained_arg = arg;
    struct exec *exec = loop_exec(server->loop);
    listeners_close(server);
    server->drain_timer.fire = on_drain_timeout;
    timer_set(exec, &server->drain_timer, exec_now_us(exec) + timeout_ms * 1000);
    LIST_FOR_EACH_SAFE (&server->conns, node) {
        struct conn *conn = CONTAINER_OF(node, struct conn, node);
        if (conn->state == CONN_IDLE)
            conn_kill(conn);
        else if (conn->state == CONN_HTTP2)
            http2_drain(conn);
    }
    drain_check(server);
}

void server_conn_died(struct server *server)
{
    drain_check(server);
}

static void server_release(struct server *server)
{
    for (struct input *input; (input = server->free_inputs) != NULL;) {
        server->free_inputs = input->next_free;
        free(input);
    }
    for (struct exchange *x; (x = server->free_exchanges) != NULL;) {
        server->free_exchanges = x->next_free;
        free(x);
    }
    free(server->chunk);
    tls_context_free(server->tls_context);
    buf_done(&server->scratch);
    buf_done(&server->date);
    free(server);
}

void server_unhold(struct server *server)
{
    assert(server->held > 0);
    if (--server->held == 0 && server->is_freed)
        server_release(server);
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    assert(server->is_drained && list_is_empty(&server->conns));
    server->is_freed = true;
    if (server->held == 0)
        server_release(server);
}
