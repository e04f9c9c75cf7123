/* One HTTP/1.1 connection: from readable bytes to exchanges and back.
 *
 * The states and their drawing are in server_int.h. conn_run is the engine: it moves the
 * connection along for as long as something can be done with what is there, then leaves it to the
 * next event. It never recurses: a handler that answers at once only changes the state under the
 * running engine; one that answers later starts the engine itself (exchange_answer).
 *
 * The path of an ordinary request costs three system calls and no allocation: epoll_wait, recv into
 * a pooled buffer that is warm in the cache, send. The descriptor stays armed for reading all the
 * time. When it becomes readable while a handler works, one peeked byte tells the end of the
 * connection (the exchange is marked) from a pipelined request (reading is paused: the kernel's
 * buffer fills up, and TCP pushes back).
 *
 * Bodies: one that fits behind its head stays there. A longer one is received straight into a
 * buffer of its own that doubles as bytes arrive, whatever length the client has announced.
 *
 * Memory: views into `input` live until the exchange is answered, so `input` moves only between
 * exchanges. An idle connection has no buffer. */
#include "net/server_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/sm.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    INPUT_SPARE = 1024, /* kept free by heads: chunks are read behind them */
    BIG_INPUT_BYTES = HTTP1_HEAD_MAX + INPUT_SPARE,
    READ_MIN = 64 * 1024, /* of a body, in one turn of the loop */
    READ_MAX = 256 * 1024,
    LINGER_US = 2 * 1000 * 1000,  /* as nginx's lingering_timeout, less generous */
    OUT_MAX = 1024 * 1024 * 1024, /* answers are ours; bodies over 1 MB will be streams */
};

static const struct sm_rule conn_rules[] = {
    [CONN_IDLE] = {"idle", SM_TO(CONN_HEAD) | SM_TO(CONN_DEAD)},
    [CONN_HEAD] = {"head", SM_TO(CONN_BODY) | SM_TO(CONN_FLUSH) | SM_TO(CONN_DEAD)},
    [CONN_BODY] = {"body", SM_TO(CONN_BUSY) | SM_TO(CONN_FLUSH) | SM_TO(CONN_DEAD)},
    [CONN_BUSY] = {"busy", SM_TO(CONN_FLUSH) | SM_TO(CONN_DEAD)},
    [CONN_FLUSH] = {"flush", SM_TO(CONN_IDLE) | SM_TO(CONN_LINGER) | SM_TO(CONN_DEAD)},
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
static void set_deadline(struct conn *conn, int64_t deadline_us)
{
    conn->deadline_us = deadline_us;
    if (deadline_us != INT64_MAX && (!conn->timer.is_set || conn->timer.due_us > deadline_us))
        timer_set(loop_exec(conn->server->loop), &conn->timer, deadline_us);
}

static void set_timeout(struct conn *conn, int64_t timeout_ms)
{
    set_deadline(conn, exec_now_us(loop_exec(conn->server->loop)) + timeout_ms * 1000);
}

static void on_timeout(struct conn *conn)
{
    switch (conn->state) {
    case CONN_HEAD: conn_refuse(conn, 408, "the request head did not arrive in time"); break;
    case CONN_BODY: conn_refuse(conn, 408, "the request body did not arrive in time"); break;
    case CONN_IDLE:
    case CONN_FLUSH:
    case CONN_LINGER: conn_kill(conn); break;
    case CONN_BUSY: /* has no deadline */
    case CONN_DEAD: break;
    }
}

static void on_timer(struct timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    conn_enter(conn);
    if (conn->deadline_us <= exec_now_us(loop_exec(conn->server->loop)))
        on_timeout(conn);
    else
        set_deadline(conn, conn->deadline_us);
    conn_leave(conn);
}

/* --- life --- */

static void on_ready(void *arg, int events);

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
    conn->fd = fd;
    conn->timer.fire = on_timer;
    memcpy(conn->peer, peer.ptr, peer.len);
    buf_init(&conn->out, OUT_MAX);
    list_push_back(&server->conns, &conn->node);
    watch_set(conn->watch, WATCH_READ);
    set_timeout(conn, server->limits.idle_timeout_ms);
}

void conn_enter(struct conn *conn)
{
    conn->entered++;
}

void conn_leave(struct conn *conn)
{
    assert(conn->entered > 0);
    if (--conn->entered > 0 || conn->state != CONN_DEAD || conn->x != NULL)
        return;
    server_give_input(conn->server, conn->input);
    free(conn);
}

void conn_mark_gone(struct conn *conn)
{
    struct exchange *x = conn->x;
    if (x == NULL || x->is_gone)
        return;
    x->is_gone = true;
    if (x->on_gone != NULL)
        x->on_gone(x->user);
}

void conn_kill(struct conn *conn)
{
    if (conn->state == CONN_DEAD)
        return;
    struct server *server = conn->server;
    bool is_held = conn->state == CONN_BUSY;
    conn_enter(conn);
    conn_mark_gone(conn);
    conn_move(conn, CONN_DEAD);
    timer_clear(loop_exec(server->loop), &conn->timer);
    watch_free(conn->watch);
    conn->watch = NULL;
    (void) close(conn->fd);
    conn->fd = -1;
    buf_done(&conn->out);
    list_remove(&server->conns, &conn->node);
    if (!is_held)
        conn_end_exchange(conn);
    conn_leave(conn);
    server_conn_died(server, is_held);
}

void conn_end_exchange(struct conn *conn)
{
    server_give_exchange(conn->server, conn->x);
    conn->x = NULL;
}

/* --- writing --- */

static bool is_would_block(int code)
{
    return code == EAGAIN || code == EINTR;
}

/* Bytes taken by the socket, or -1 when the connection is broken. */
static ssize_t send_some(int fd, struct str head, struct str body)
{
    struct iovec parts[2] = {{(void *) head.ptr, head.len}, {(void *) body.ptr, body.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t n = body.len == 0 ? send(fd, head.ptr, head.len, MSG_NOSIGNAL)
                              : sendmsg(fd, &message, MSG_NOSIGNAL);
    return n < 0 && is_would_block(errno) ? 0 : n;
}

/* The answer has left. */
static void flushed(struct conn *conn)
{
    buf_done(&conn->out);
    conn->out_at = 0;
    if (!conn->is_last) {
        conn_move(conn, CONN_IDLE);
    } else if (!conn->is_abandoned || conn->is_eof) {
        conn_kill(conn);
    } else {
        (void) shutdown(conn->fd, SHUT_WR); /* ENOTCONN shows at the next read. */
        conn_move(conn, CONN_LINGER);
        set_deadline(conn, exec_now_us(loop_exec(conn->server->loop)) + LINGER_US);
        watch_set(conn->watch, WATCH_READ);
    }
}

void conn_send(struct conn *conn, struct str head, struct str body)
{
    assert(conn->state == CONN_FLUSH && conn->out.len == 0);
    ssize_t n = send_some(conn->fd, head, body);
    if (n < 0) {
        conn_kill(conn);
        return;
    }
    size_t sent = (size_t) n;
    if (sent == head.len + body.len) {
        flushed(conn);
        return;
    }
    buf_put(&conn->out, str_skip(head, sent));
    buf_put(&conn->out, str_skip(body, sent > head.len ? sent - head.len : 0));
    if (buf_is_over(&conn->out)) {
        conn_kill(conn);
        return;
    }
    watch_set(conn->watch, WATCH_WRITE);
    set_timeout(conn, conn->server->limits.body_timeout_ms);
}

static void on_writable(struct conn *conn)
{
    struct str rest = str_skip(buf_str(&conn->out), conn->out_at);
    if (conn->state != CONN_FLUSH || rest.len == 0)
        return;
    ssize_t n = send_some(conn->fd, rest, STR_NONE);
    if (n < 0) {
        conn_kill(conn);
        return;
    }
    conn->out_at += (size_t) n;
    if ((size_t) n == rest.len)
        flushed(conn);
    else if (n > 0)
        set_timeout(conn, conn->server->limits.body_timeout_ms);
}

/* --- bodies --- */

static size_t body_length(const struct exchange *x)
{
    return x->head.content_length > 0 ? (size_t) x->head.content_length : 0;
}

/* Chooses where the body goes and moves there what came with the head. */
static void place_body(struct conn *conn, struct exchange *x)
{
    struct input *input = conn->input;
    size_t length = body_length(x), extra = input->len - x->head_len;
    conn->used = x->head_len;
    if (x->head.is_chunked) {
        x->body_kind = BODY_CHUNKED;
        buf_init(&x->body, x->body_limit > 0 ? x->body_limit : 1);
    } else if (length <= input->cap - x->head_len) {
        x->body_kind = BODY_IN_PLACE;
        conn->used += length;
    } else {
        x->body_kind = BODY_OWN;
        buf_init(&x->body, length);
        buf_put(&x->body, str_of(input->bytes + x->head_len, extra));
        input->len = x->head_len;
    }
}

/* Decodes what has arrived; what is left behind the last chunk belongs to the next request. */
static void decode_chunks(struct conn *conn, struct exchange *x)
{
    struct input *input = conn->input;
    struct str rest = str_of(input->bytes + x->head_len, input->len - x->head_len);
    struct err err;
    for (size_t used = 1; used > 0 && !x->chunked.is_done; rest = str_skip(rest, used)) {
        struct str data;
        if (http1_chunked_next(&x->chunked, rest, &used, &data, &err) < 0) {
            conn_refuse(conn, 400, err.text);
            return;
        }
        if (data.len + x->chunked.left > x->body_limit - x->body.len) { /* also what is announced */
            conn_refuse(conn, 413, "the request body is too long");
            return;
        }
        buf_put(&x->body, data);
    }
    memmove(input->bytes + x->head_len, rest.ptr, rest.len);
    input->len = x->head_len + rest.len;
}

/* All bodies together have a limit, too: many clients may each keep below their own. */
static bool is_within_budget(struct conn *conn, struct exchange *x)
{
    struct server *server = conn->server;
    server->body_bytes += x->body.cap - x->counted_bytes;
    x->counted_bytes = x->body.cap;
    return server->body_bytes <= server->limits.bodies_max;
}

static bool is_body_whole(const struct conn *conn, const struct exchange *x)
{
    switch (x->body_kind) {
    case BODY_IN_PLACE: return conn->input->len >= conn->used;
    case BODY_OWN: return x->body.len == body_length(x);
    case BODY_CHUNKED: return x->chunked.is_done;
    }
    return false;
}

/* An interim answer of 25 bytes, and nothing of ours is waiting: a socket that does not take it
 * belongs to a client that has not read its earlier answers while asking on. */
static void send_continue(struct conn *conn)
{
    struct str interim = STR("HTTP/1.1 100 Continue\r\n\r\n");
    if (send_some(conn->fd, interim, STR_NONE) != (ssize_t) interim.len)
        conn_kill(conn);
}

/* --- requests --- */

static void exchange_begin(struct conn *conn, struct exchange *x, size_t head_len)
{
    x->conn = conn;
    x->head_len = head_len;
    x->body_limit = conn->server->limits.body_max;
    x->body_kind = BODY_IN_PLACE;
    x->body = (struct buf){0};
    x->counted_bytes = 0;
    x->chunked = (struct http1_chunked){0};
    x->user = NULL;
    x->on_gone = NULL;
    x->is_gone = false;
    conn->x = x;
    conn->used = head_len;
    conn_move(conn, CONN_BODY);
}

/* An empty line ends a head, also one without its carriage returns, which the parser refuses. */
static bool has_empty_line(const struct input *input, size_t from)
{
    struct str rest = str_skip(str_of(input->bytes, input->len), from < 3 ? 0 : from - 3);
    return memmem(rest.ptr, rest.len, "\n\r\n", 3) != NULL ||
           memmem(rest.ptr, rest.len, "\n\n", 2) != NULL;
}

/* HEAD: parses. The first bytes are tried at once, they are nearly always the whole head; after
 * that only an empty line is worth another try, or a head sent byte by byte would cost its square.
 * False: wait for more. */
static bool take_head(struct conn *conn)
{
    struct server *server = conn->server;
    struct input *input = conn->input;
    if (conn->scanned > 0 && input->len < HTTP1_HEAD_MAX && !has_empty_line(input, conn->scanned)) {
        conn->scanned = input->len;
        return false;
    }
    struct exchange *x = server_take_exchange(server);
    struct err err;
    int rc = http1_parse_request(str_of(input->bytes, input->len), &x->head, &err);
    if (rc <= 0)
        server_give_exchange(server, x);
    else
        exchange_begin(conn, x, (size_t) rc);
    if (rc < 0)
        conn_refuse(conn, -rc, err.text);
    if (rc == 0 && conn->scanned == 0)
        set_timeout(conn, server->limits.head_timeout_ms);
    conn->scanned = rc == 0 ? input->len : 0;
    return rc != 0;
}

/* BODY, first time: the handler sees the head. */
static void show_head(struct conn *conn)
{
    struct exchange *x = conn->x;
    struct server *server = conn->server;
    server->handler.on_request(server->handler.arg, x);
    if (conn->state != CONN_BODY)
        return;
    if (body_length(x) > x->body_limit) {
        conn_refuse(conn, 413, "the request body is too long");
        return;
    }
    place_body(conn, x);
    bool is_nothing_there = conn->input->len == x->head_len && x->body.len == 0;
    if (x->head.expects_continue && is_nothing_there && (x->head.is_chunked || body_length(x) > 0))
        send_continue(conn);
}

/* BODY: true when the request is whole and has been shown to the handler. */
static bool take_body(struct conn *conn)
{
    struct exchange *x = conn->x;
    if (x->body_kind == BODY_CHUNKED)
        decode_chunks(conn, x);
    if (conn->state == CONN_BODY && !is_within_budget(conn, x))
        conn_refuse(conn, 503, "too much is being uploaded at once");
    if (conn->state != CONN_BODY)
        return true;
    if (!is_body_whole(conn, x)) {
        set_timeout(conn, conn->server->limits.body_timeout_ms);
        return false;
    }
    conn_move(conn, CONN_BUSY);
    conn->deadline_us = INT64_MAX;
    conn->server->handler.on_body(conn->server->handler.arg, x);
    return true;
}

/* IDLE: what follows the answered request moves to the front. False: nothing does. */
static bool next_request(struct conn *conn)
{
    struct input *input = conn->input;
    size_t rest = input == NULL ? 0 : input->len - conn->used;
    if (rest > 0) {
        if (conn->used > 0)
            memmove(input->bytes, input->bytes + conn->used, rest);
        input->len = rest;
        conn->used = 0;
        conn_move(conn, CONN_HEAD);
        return true;
    }
    server_give_input(conn->server, input);
    conn->input = NULL;
    conn->used = 0;
    if (conn->is_eof || conn->server->is_draining) {
        conn_kill(conn);
        return false;
    }
    watch_set(conn->watch, WATCH_READ);
    set_timeout(conn, conn->server->limits.idle_timeout_ms);
    return false;
}

/* A half request and no more to come. */
static bool give_up_at_eof(struct conn *conn)
{
    if (conn->is_eof)
        conn_kill(conn);
    else
        watch_set(conn->watch, WATCH_READ);
    return false;
}

static bool conn_step(struct conn *conn)
{
    switch (conn->state) {
    case CONN_IDLE: return next_request(conn);
    case CONN_HEAD:
        if (!take_head(conn))
            return give_up_at_eof(conn);
        if (conn->state == CONN_BODY)
            show_head(conn);
        return true;
    case CONN_BODY: return take_body(conn) || give_up_at_eof(conn);
    case CONN_BUSY:
    case CONN_FLUSH:
    case CONN_LINGER:
    case CONN_DEAD: return false;
    }
    return false;
}

void conn_run(struct conn *conn)
{
    assert(conn->entered > 0);
    while (conn_step(conn))
        ;
}

/* --- reading --- */

/* Only a long head fills the buffer, and nothing points into it before the head is whole. Pipelined
 * bytes may reach into the spare room, but not fill it: the request before them was there. */
static char *head_space(struct conn *conn, size_t *out_size)
{
    struct input *input = conn->input;
    if (input->len >= input->cap - INPUT_SPARE) {
        assert(input->cap < BIG_INPUT_BYTES); /* else the parser has refused it */
        conn->input = server_take_input(conn->server, BIG_INPUT_BYTES);
        memcpy(conn->input->bytes, input->bytes, input->len);
        conn->input->len = input->len;
        server_give_input(conn->server, input);
        input = conn->input;
    }
    *out_size = input->cap - INPUT_SPARE - input->len;
    return input->bytes + input->len;
}

/* Where the next bytes go, and how many are wanted. */
static char *read_space(struct conn *conn, size_t *out_size)
{
    struct exchange *x = conn->x;
    if (conn->state == CONN_BODY && x->body_kind == BODY_OWN) {
        /* As much again as is there: the announced length is believed as it comes true. */
        size_t left = body_length(x) - x->body.len;
        size_t step = x->body.len < READ_MIN ? READ_MIN : x->body.len;
        if (step > READ_MAX)
            step = READ_MAX;
        *out_size = left < step ? left : step;
        char *room = buf_room(&x->body, *out_size);
        assert(room != NULL); /* its limit is the announced length */
        return room;
    }
    if (conn->input == NULL)
        conn->input = server_take_input(conn->server, INPUT_BYTES);
    if (conn->state != CONN_BODY)
        return head_space(conn, out_size);
    struct input *input = conn->input;
    assert(input->len < input->cap);
    *out_size = input->cap - input->len;
    return input->bytes + input->len;
}

static void read_request(struct conn *conn)
{
    size_t size;
    char *to = read_space(conn, &size);
    assert(size > 0);
    ssize_t n = recv(conn->fd, to, size, 0);
    if (n < 0 && is_would_block(errno))
        return;
    if (n < 0) {
        conn_kill(conn);
        return;
    }
    if (n == 0)
        conn->is_eof = true;
    else if (conn->state == CONN_BODY && conn->x->body_kind == BODY_OWN)
        buf_added(&conn->x->body, (size_t) n);
    else
        conn->input->len += (size_t) n;
}

/* Readable although nothing is wanted: the end, or the next request. */
static void look_ahead(struct conn *conn, int events)
{
    char byte;
    ssize_t n = recv(conn->fd, &byte, 1, MSG_PEEK);
    if (n < 0 && is_would_block(errno))
        return;
    if (n < 0) {
        conn_kill(conn);
        return;
    }
    conn->is_eof = n == 0;
    /* A hang-up behind unread requests: they are read when their turn comes. */
    bool is_over = n == 0 || (events & WATCH_HANGUP) != 0;
    watch_set(conn->watch, is_over ? 0 : WATCH_HANGUP);
    if (is_over)
        conn_mark_gone(conn);
}

static void discard(struct conn *conn)
{
    char unread[INPUT_BYTES];
    ssize_t n = recv(conn->fd, unread, sizeof unread, 0);
    if (n == 0 || (n < 0 && !is_would_block(errno)))
        conn_kill(conn);
}

static void on_readable(struct conn *conn, int events)
{
    switch (conn->state) {
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_BODY: read_request(conn); break;
    case CONN_BUSY: look_ahead(conn, events); break;
    case CONN_LINGER: discard(conn); break;
    case CONN_FLUSH: /* waits for WRITE only */
    case CONN_DEAD: break;
    }
}

static void on_ready(void *arg, int events)
{
    struct conn *conn = arg;
    conn_enter(conn);
    if ((events & WATCH_WRITE) != 0)
        on_writable(conn);
    if ((events & (WATCH_READ | WATCH_HANGUP)) != 0)
        on_readable(conn, events);
    conn_run(conn);
    conn_leave(conn);
}
