/* A connection as bytes and time, whatever is spoken on it (struct protocol).
 *
 * Reading: the descriptor stays armed for what the protocol wants; a change of interest costs two
 * system calls, so it is rare.
 *
 * Writing: an ordinary answer goes straight to the socket (conn_send). Streams write in small
 * pieces; these gather in `out` and leave together at the end of the loop's turn, or as soon as
 * FLUSH_BYTES are there. What the socket does not take stays in `out` and goes when it is writable
 * again; the peer has to make progress within body_timeout_ms. `out` holds no memory when empty.
 *
 * A connection under TLS goes the same ways, through tls.c instead of the socket.
 *
 * Time: one timer for each connection, which only ever moves to an earlier time. A later deadline
 * is noticed when the timer fires, so that a request costs no work on the heap.
 *
 * Life: conn_kill closes the descriptor at once and tells the protocol. The memory goes with the
 * last call on the stack, posted task and exchange that a handler still holds. */
#include "net/server_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/sm.h"
#include "net/tls_int.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    OUT_MAX = 1024 * 1024 * 1024, /* answers are ours; larger ones are streams */
    FLUSH_BYTES = 16 * 1024,
};

static const struct sm_rule conn_rules[] = {
    [CONN_IDLE] = {"idle", SM_TO(CONN_HEAD) | SM_TO(CONN_DEAD)},
    [CONN_HEAD] = {"head", SM_TO(CONN_BODY) | SM_TO(CONN_FLUSH) | SM_TO(CONN_HTTP2) |
                               SM_TO(CONN_HANDSHAKE) | SM_TO(CONN_DEAD)},
    [CONN_BODY] = {"body",
                   SM_TO(CONN_BUSY) | SM_TO(CONN_ANSWER) | SM_TO(CONN_FLUSH) | SM_TO(CONN_DEAD)},
    [CONN_BUSY] = {"busy",
                   SM_TO(CONN_ANSWER) | SM_TO(CONN_FLUSH) | SM_TO(CONN_TUNNEL) | SM_TO(CONN_DEAD)},
    [CONN_TUNNEL] = {"tunnel", SM_TO(CONN_DEAD)},
    [CONN_ANSWER] = {"answer", SM_TO(CONN_FLUSH) | SM_TO(CONN_DEAD)},
    [CONN_FLUSH] = {"flush", SM_TO(CONN_IDLE) | SM_TO(CONN_LINGER) | SM_TO(CONN_DEAD)},
    [CONN_HANDSHAKE] = {"handshake", SM_TO(CONN_IDLE) | SM_TO(CONN_HTTP2) | SM_TO(CONN_DEAD)},
    [CONN_HTTP2] = {"http2", SM_TO(CONN_DEAD)},
    [CONN_LINGER] = {"linger", SM_TO(CONN_DEAD)},
    [CONN_DEAD] = {"dead", 0},
};

void conn_move(struct conn *conn, enum conn_state to)
{
    sm_check(conn_rules, conn->state, to);
    conn->state = to;
}

/* --- time --- */

/* The timer only ever moves to an earlier time here; later ones wait for it to fire. */
void conn_set_deadline(struct conn *conn, int64_t deadline_us)
{
    conn->deadline_us = deadline_us;
    if (deadline_us != INT64_MAX && (!conn->timer.is_set || conn->timer.due_us > deadline_us))
        timer_set(loop_exec(conn->server->loop), &conn->timer, deadline_us);
}

void conn_set_timeout(struct conn *conn, int64_t timeout_ms)
{
    int64_t now_us = exec_now_us(loop_exec(conn->server->loop));
    conn_set_deadline(conn, now_us + timeout_ms * 1000);
}

static void on_timer(struct timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    conn_enter(conn);
    if (conn->deadline_us <= exec_now_us(loop_exec(conn->server->loop)))
        conn->protocol->timeout(conn);
    else
        conn_set_deadline(conn, conn->deadline_us);
    conn_leave(conn);
}

/* --- life --- */

static void on_ready(void *arg, int events);
static void on_flush_task(struct task *task);

void conn_open(struct server *server, int fd, struct str peer)
{
    assert(peer.len < PEER_TEXT_MAX);
    struct conn *conn = NEW(struct conn);
    if (watch_new(server->loop, fd, on_ready, conn, &conn->watch, NULL) < 0) {
        (void) close(fd); /* The kernel is out of epoll memory: as if it had not accepted. */
        free(conn);
        return;
    }
    conn->server = server;
    conn->protocol = &http1_protocol;
    conn->fd = fd;
    conn->timer.fire = on_timer;
    conn->flush.run = on_flush_task;
    memcpy(conn->peer, peer.ptr, peer.len);
    buf_init(&conn->out, OUT_MAX);
    list_push_back(&server->conns, &conn->node);
    conn_want(conn, WATCH_READ);
    conn_set_timeout(conn, server->limits.idle_timeout_ms);
}

void conn_enter(struct conn *conn)
{
    conn->entered++;
    assert(conn->entered > 0);
}

void conn_leave(struct conn *conn)
{
    assert(conn->entered > 0);
    bool is_used = --conn->entered > 0 || conn->held > 0 || conn->is_flush_due;
    if (is_used || conn->state != CONN_DEAD)
        return;
    server_give_input(conn->server, conn->input);
    free(conn);
}

static void close_bytes(struct conn *conn)
{
    if (conn->tls != NULL) {
        if (!conn->is_cut && conn_unsent(conn) == 0)
            tls_say_goodbye(conn->tls);
        server_give_input(conn->server, tls_free(conn->tls));
        conn->tls = NULL;
    }
    (void) close(conn->fd);
    conn->fd = -1;
}

void conn_kill(struct conn *conn)
{
    if (conn->state == CONN_DEAD)
        return;
    struct server *server = conn->server;
    conn_enter(conn);
    conn_move(conn, CONN_DEAD);
    timer_clear(loop_exec(server->loop), &conn->timer);
    watch_free(conn->watch);
    conn->watch = NULL;
    close_bytes(conn);
    buf_done(&conn->out);
    conn->out_at = 0;
    list_remove(&server->conns, &conn->node);
    conn->protocol->closed(conn);
    conn_leave(conn);
    server_conn_died(server);
}

/* --- reading --- */

static void watch_again(struct conn *conn)
{
    watch_set(conn->watch, conn->wanted | (conn->is_blocked ? WATCH_WRITE : 0));
}

void conn_want(struct conn *conn, int events)
{
    conn->wanted = events;
    watch_again(conn);
}

bool is_would_block(int code)
{
    return code == EAGAIN || code == EINTR;
}

ssize_t conn_receive(struct conn *conn, void *to, size_t size)
{
    return conn->tls != NULL ? tls_receive(conn->tls, to, size) : recv(conn->fd, to, size, 0);
}

ssize_t conn_peek(struct conn *conn)
{
    char byte;
    return conn->tls != NULL ? tls_peek(conn->tls) : recv(conn->fd, &byte, 1, MSG_PEEK);
}

void conn_end_sending(struct conn *conn)
{
    if (conn->tls != NULL)
        tls_say_goodbye(conn->tls);
    (void) shutdown(conn->fd, SHUT_WR); /* ENOTCONN shows at the next read. */
}

/* --- writing --- */

static ssize_t send_encrypted(struct conn *conn, struct str head, struct str body)
{
    ssize_t n = head.len == 0 ? 0 : tls_send(conn->tls, head);
    if (n < 0 || (size_t) n < head.len || body.len == 0)
        return n < 0 && is_would_block(errno) ? 0 : n;
    ssize_t more = tls_send(conn->tls, body);
    if (more < 0 && !is_would_block(errno))
        return -1;
    return n + (more < 0 ? 0 : more);
}

/* Bytes taken by the socket, or -1 when the connection is broken. */
static ssize_t send_some(struct conn *conn, struct str head, struct str body)
{
    if (conn->tls != NULL)
        return send_encrypted(conn, head, body);

    struct iovec parts[2] = {{(void *) head.ptr, head.len}, {(void *) body.ptr, body.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t n = body.len == 0 ? send(conn->fd, head.ptr, head.len, MSG_NOSIGNAL)
                              : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
    return n < 0 && is_would_block(errno) ? 0 : n;
}

size_t conn_unsent(const struct conn *conn)
{
    return conn->out.len - conn->out_at;
}

static void out_put(struct conn *conn, struct str bytes)
{
    if (conn->out_at > conn->out.len / 2) { /* Moves each byte once on the average. */
        buf_consume(&conn->out, conn->out_at);
        conn->out_at = 0;
    }
    buf_put(&conn->out, bytes);
}

void conn_set_blocked(struct conn *conn, bool is_blocked)
{
    if (conn->is_blocked == is_blocked)
        return;
    conn->is_blocked = is_blocked;
    watch_again(conn);
}

bool conn_send(struct conn *conn, struct str head, struct str body)
{
    assert(conn->state != CONN_DEAD && conn->out.len == 0);
    ssize_t n = send_some(conn, head, body);
    if (n < 0) {
        conn_kill(conn);
        return false;
    }
    size_t sent = (size_t) n;
    if (sent == head.len + body.len)
        return true;
    buf_put(&conn->out, str_skip(head, sent));
    buf_put(&conn->out, str_skip(body, sent > head.len ? sent - head.len : 0));
    if (buf_is_over(&conn->out)) {
        conn_kill(conn);
        return false;
    }
    conn_set_blocked(conn, true);
    conn_set_timeout(conn, conn->server->limits.body_timeout_ms);
    return false;
}

/* What waits, and then bytes, in one system call. */
static bool push(struct conn *conn, struct str bytes)
{
    struct str rest = str_skip(buf_str(&conn->out), conn->out_at);
    ssize_t n = rest.len + bytes.len == 0 ? 0 : send_some(conn, rest, bytes);
    if (n < 0) {
        conn_kill(conn);
        return false;
    }
    size_t sent = (size_t) n;
    bool is_progress = sent > 0 || !conn->is_blocked;
    if (sent < rest.len) {
        conn->out_at += sent;
        sent = 0;
    } else {
        buf_done(&conn->out);
        conn->out_at = 0;
        sent -= rest.len;
    }
    if (sent < bytes.len)
        out_put(conn, str_skip(bytes, sent));
    if (conn_unsent(conn) > 0 && is_progress)
        conn_set_timeout(conn, conn->server->limits.body_timeout_ms);
    conn_set_blocked(conn, conn_unsent(conn) > 0);
    return !conn->is_blocked;
}

bool conn_flush(struct conn *conn)
{
    return push(conn, STR_NONE);
}

static void conn_post(struct conn *conn)
{
    if (conn->is_flush_due)
        return;
    conn->is_flush_due = true;
    exec_post(loop_exec(conn->server->loop), &conn->flush);
}

void conn_flush_soon(struct conn *conn)
{
    assert(conn->state != CONN_DEAD);
    if (!conn->is_blocked)
        conn_post(conn);
}

void conn_queue(struct conn *conn, struct str bytes)
{
    out_put(conn, bytes);
    conn_flush_soon(conn);
}

void conn_write(struct conn *conn, struct str bytes)
{
    assert(conn->state != CONN_DEAD);
    if (!conn->is_blocked && conn_unsent(conn) + bytes.len >= FLUSH_BYTES) {
        (void) push(conn, bytes); /* What is left is told by conn_unsent. */
        return;
    }
    conn_queue(conn, bytes);
}

/* --- events --- */

/* A record of TLS may hold more than was asked for, and no event announces the rest. */
static bool has_pending(const struct conn *conn)
{
    /* Whoever has entered the connection keeps it: the analyzer does not count along. */
    return conn->tls != NULL && /* NOLINT(clang-analyzer-unix.Malloc) */
           (conn->wanted & WATCH_READ) != 0 && tls_has_pending(conn->tls);
}

static void settle(struct conn *conn)
{
    conn->protocol->run(conn);
    if (conn->tls != NULL && has_pending(conn))
        conn_post(conn);
    conn_leave(conn);
}

static void on_flush_task(struct task *task)
{
    struct conn *conn = CONTAINER_OF(task, struct conn, flush);
    conn->is_flush_due = false;
    conn_enter(conn);
    if (conn->state != CONN_DEAD && !conn->is_blocked && conn_flush(conn))
        conn->protocol->drained(conn);
    if (has_pending(conn))
        conn->protocol->readable(conn, WATCH_READ);
    settle(conn);
}

static void on_ready(void *arg, int events)
{
    struct conn *conn = arg;
    conn_enter(conn);
    if ((events & WATCH_WRITE) != 0 && conn->is_blocked && conn_flush(conn))
        conn->protocol->drained(conn);
    if ((events & (WATCH_READ | WATCH_HANGUP)) != 0)
        conn->protocol->readable(conn, events); /* NOLINT(clang-analyzer-unix.Malloc): as above */
    settle(conn);                               /* NOLINT(clang-analyzer-unix.Malloc) */
}
