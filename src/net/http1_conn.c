/* One HTTP/1.1 connection: from readable bytes to exchanges and back.
 *
 * The states and their drawing are in server_int.h. run() is the engine: it moves the
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
 * Bodies, and where they lie, are http1_body.c's.
 *
 * Memory: views into `input` live until the exchange is answered, so `input` moves only between
 * exchanges. An idle connection has no buffer. */
#include "net/server_int.h"

#include "base/assert.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    INPUT_SPARE = 1024, /* kept free by heads: chunks are read behind them */
    BIG_INPUT_BYTES = HTTP1_HEAD_MAX + INPUT_SPARE,
    READ_MIN = 64 * 1024, /* of a body, in one turn of the loop */
    READ_MAX = 256 * 1024,
    LINGER_US = 2 * 1000 * 1000, /* as nginx's lingering_timeout, less generous */
};

/* --- ends --- */

static void on_timeout(struct conn *conn)
{
    switch (conn->state) {
    case CONN_HEAD: http1_refuse(conn, 408, "the request head did not arrive in time"); break;
    case CONN_BODY: http1_refuse(conn, 408, "the request body did not arrive in time"); break;
    case CONN_IDLE:
    case CONN_ANSWER:
    case CONN_FLUSH:
    case CONN_LINGER: conn_kill(conn); break;
    case CONN_BUSY:      /* has no deadline */
    case CONN_HANDSHAKE: /* is not ours */
    case CONN_TUNNEL:
    case CONN_HTTP2:
    case CONN_DEAD: break;
    }
}

static void on_closed(struct conn *conn)
{
    struct exchange *x = take_ptr(&conn->x);
    if (x != NULL)
        exchange_die(x);
}

/* --- the end of an answer --- */

/* The answer has left. */
static void flushed(struct conn *conn)
{
    if (!conn->is_last) {
        conn_move(conn, CONN_IDLE);
    } else if (!conn->is_abandoned || conn->is_eof) {
        conn_kill(conn);
    } else {
        conn_end_sending(conn);
        conn_move(conn, CONN_LINGER);
        conn_set_deadline(conn, exec_now_us(loop_exec(conn->server->loop)) + LINGER_US);
        conn_want(conn, WATCH_READ);
    }
}

void http1_send(struct conn *conn, struct str head, struct str body)
{
    assert(conn->state == CONN_FLUSH);
    if (conn_send(conn, head, body))
        flushed(conn);
    else if (conn->state != CONN_DEAD)
        conn_want(conn, 0);
}

void http1_finish(struct conn *conn)
{
    conn_move(conn, CONN_FLUSH);
    if (!conn->is_blocked && conn_flush(conn))
        flushed(conn);
    else if (conn->state != CONN_DEAD)
        conn_want(conn, 0);
}

/* All that waited has left. */
static void on_drained(struct conn *conn)
{
    struct exchange *x = conn->x;
    if (conn->state == CONN_FLUSH) {
        flushed(conn);
    } else if (conn->state == CONN_ANSWER) {
        conn_set_deadline(conn, INT64_MAX);
        if (x->is_waiting) {
            x->is_waiting = false;
            x->on_drained(x->user);
        }
    }
}

/* --- requests --- */

/* An interim answer of 25 bytes, and nothing of ours is waiting: a socket that does not take it
 * belongs to a client that has not read its earlier answers while asking on. */
static void send_continue(struct conn *conn, struct exchange *x)
{
    if (!x->owes_continue || x->is_paused)
        return;
    x->owes_continue = false;
    if (!conn_send(conn, STR("HTTP/1.1 100 Continue\r\n\r\n"), STR_NONE))
        conn_kill(conn);
}

static void exchange_start(struct conn *conn, struct exchange *x, size_t head_len)
{
    exchange_init(x, conn);
    x->head_len = head_len;
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

static bool is_tls(const struct conn *conn)
{
    return !conn->is_used && conn->input->bytes[0] == 22 && conn->server->tls_identity != NULL &&
           conn->tls == NULL;
}

/* The first bytes of a connection: 1 the preface of HTTP/2, 0 perhaps its beginning, -1 none. */
static int find_preface(const struct conn *conn)
{
    struct str preface = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); /* RFC 9113 section 3.4 */
    struct str start = str_of(conn->input->bytes, conn->input->len);
    if (conn->is_used || start.ptr[0] != 'P' || !str_starts(preface, str_head(start, preface.len)))
        return -1;
    return start.len >= preface.len;
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
    if (is_tls(conn)) {
        handshake_start(conn);
        return false;
    }
    int preface = find_preface(conn);
    if (preface > 0) {
        http2_start(conn);
        return false;
    }
    struct exchange *x = server_take_exchange(server);
    struct err err;
    int rc =
        preface == 0 ? 0 : http1_parse_request(str_of(input->bytes, input->len), &x->head, &err);
    conn->is_used = rc > 0;
    if (rc <= 0)
        server_give_exchange(server, x);
    else
        exchange_start(conn, x, (size_t) rc);
    if (rc < 0)
        http1_refuse(conn, -rc, err.text);
    if (rc == 0 && conn->scanned == 0)
        conn_set_timeout(conn, server->limits.head_timeout_ms);
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
    if (http1_body_length(x) > x->body_limit) {
        http1_refuse(conn, 413, "the request body is too long");
        return;
    }
    http1_body_place(conn, x);
    bool is_nothing_there = conn->input->len == x->head_len && x->body.len == 0;
    bool has_body = x->head.is_chunked || http1_body_length(x) > 0;
    x->owes_continue = x->head.expects_continue && is_nothing_there && has_body;
    send_continue(conn, x);
}

/* A half request and no more to come. */
static bool give_up_at_eof(struct conn *conn)
{
    if (conn->is_eof)
        conn_kill(conn);
    else
        conn_want(conn, WATCH_READ);
    return false;
}

/* The handler has paused the body: the kernel's buffer fills up, and TCP pushes back. */
static bool stand_still(struct conn *conn)
{
    conn_set_deadline(conn, INT64_MAX);
    conn_want(conn, 0);
    return false;
}

/* BODY: true when the request is whole and has been shown to the handler. */
static bool take_body(struct conn *conn)
{
    struct exchange *x = conn->x;
    if (x->body_kind == BODY_CHUNKED)
        http1_body_decode(conn, x);
    else if (x->body_kind == BODY_STREAMED)
        http1_body_stream(conn, x);
    if (conn->state == CONN_BODY && !exchange_is_within_budget(x))
        http1_refuse(conn, 503, "too much is being uploaded at once");
    if (conn->state != CONN_BODY)
        return true;
    if (x->is_paused)
        return stand_still(conn);
    if (!http1_body_is_whole(conn, x)) {
        conn_set_deadline(conn, exchange_body_deadline(x, http1_body_received(conn, x)));
        return give_up_at_eof(conn);
    }
    conn_move(conn, CONN_BUSY);
    conn->deadline_us = INT64_MAX;
    x->is_whole = true;
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
    conn_want(conn, WATCH_READ);
    conn_set_timeout(conn, conn->server->limits.idle_timeout_ms);
    return false;
}

static bool conn_step(struct conn *conn)
{
    switch (conn->state) {
    case CONN_IDLE: return next_request(conn);
    case CONN_HEAD:
        if (!take_head(conn))
            return conn->state == CONN_HEAD && give_up_at_eof(conn);
        if (conn->state == CONN_BODY)
            show_head(conn);
        return true;
    case CONN_BODY: return take_body(conn);
    case CONN_BUSY:
    case CONN_ANSWER:
    case CONN_FLUSH:
    case CONN_HANDSHAKE:
    case CONN_TUNNEL:
    case CONN_HTTP2:
    case CONN_LINGER:
    case CONN_DEAD: return false;
    }
    return false;
}

static void run(struct conn *conn)
{
    assert(conn->entered > 0);
    while (conn_step(conn))
        ;
}

/* --- reading --- */

/* A long body of known length does not go through the input buffer. */
static bool reads_directly(const struct conn *conn)
{
    const struct exchange *x = conn->x;
    return conn->state == CONN_BODY && x->body_kind == BODY_STREAMED && !x->head.is_chunked &&
           conn->input->len == x->head_len;
}

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
        size_t left = http1_body_length(x) - x->body.len;
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

/* What does not go through a buffer of the connection is gone when this returns. */
static void read_streamed(struct conn *conn)
{
    struct exchange *x = conn->x;
    char *to = server_chunk(conn->server);
    uint64_t left = http1_body_left(x);
    ssize_t n = conn_receive(conn, to, left < CHUNK_BYTES ? (size_t) left : CHUNK_BYTES);
    if (n < 0 && is_would_block(errno))
        return;
    if (n < 0)
        conn_kill(conn);
    else if (n == 0)
        conn->is_eof = true;
    else
        http1_body_deliver(x, str_of(to, (size_t) n));
}

static void read_request(struct conn *conn)
{
    if (reads_directly(conn)) {
        read_streamed(conn);
        return;
    }
    size_t size;
    char *to = read_space(conn, &size);
    assert(size > 0);
    ssize_t n = conn_receive(conn, to, size);
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
    ssize_t n = conn_peek(conn);
    if (n < 0 && is_would_block(errno))
        return;
    if (n < 0) {
        conn_kill(conn);
        return;
    }
    conn->is_eof = n == 0;
    /* A hang-up behind unread requests: they are read when their turn comes. */
    bool is_over = n == 0 || (events & WATCH_HANGUP) != 0;
    conn_want(conn, is_over ? 0 : WATCH_HANGUP);
    if (is_over && conn->x != NULL)
        exchange_mark_gone(conn->x);
}

static void discard(struct conn *conn)
{
    char unread[INPUT_BYTES];
    ssize_t n = conn_receive(conn, unread, sizeof unread);
    if (n == 0 || (n < 0 && !is_would_block(errno)))
        conn_kill(conn);
}

/* Paused, only the end of the connection can be meant: an error is told once. */
static void on_body_readable(struct conn *conn)
{
    int code = 0;
    socklen_t size = sizeof code;
    if (!conn->x->is_paused)
        read_request(conn);
    else if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 || code != 0)
        conn_kill(conn);
}

static void on_readable(struct conn *conn, int events)
{
    switch (conn->state) {
    case CONN_IDLE:
    case CONN_HEAD: read_request(conn); break;
    case CONN_BODY: on_body_readable(conn); break;
    case CONN_BUSY:
    case CONN_ANSWER: look_ahead(conn, events); break;
    case CONN_LINGER: discard(conn); break;
    case CONN_FLUSH: /* waits for WRITE only */
    case CONN_HANDSHAKE:
    case CONN_TUNNEL:
    case CONN_HTTP2:
    case CONN_DEAD: break;
    }
}

static void on_resume(struct exchange *x)
{
    struct conn *conn = x->conn;
    if (conn->entered > 1)
        return; /* called from a handler that is called by run(), which goes on */
    send_continue(conn, x);
    if (conn->state == CONN_BODY)
        conn_want(conn, WATCH_READ);
}

const struct protocol http1_protocol = {
    .readable = on_readable,
    .run = run,
    .drained = on_drained,
    .timeout = on_timeout,
    .closed = on_closed,
    .answer = http1_answer,
    .begin = http1_begin,
    .write = http1_write,
    .unsent = http1_unsent,
    .end = http1_end,
    .abort = http1_abort,
    .resume = on_resume,
};
