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
 * Bodies: one that fits behind its head stays there. A longer one is received straight into a
 * buffer of its own that doubles as bytes arrive, whatever length the client has announced. A
 * streamed one is shown to the handler where it lies and then forgotten.
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
    if (x->on_chunk != NULL) {
        x->body_kind = BODY_STREAMED;
    } else if (x->head.is_chunked) {
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

/* What follows the head in the buffer from now on. */
static void keep_rest(struct conn *conn, const struct exchange *x, struct str rest)
{
    memmove(conn->input->bytes + x->head_len, rest.ptr, rest.len);
    conn->input->len = x->head_len + rest.len;
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
            http1_refuse(conn, 400, err.text);
            return;
        }
        if (data.len + x->chunked.left > x->body_limit - x->body.len) { /* also what is announced */
            http1_refuse(conn, 413, "the request body is too long");
            return;
        }
        buf_put(&x->body, data);
    }
    keep_rest(conn, x, rest);
}

/* --- streamed bodies --- */

static uint64_t stream_left(const struct exchange *x)
{
    return body_length(x) - x->streamed;
}

/* Gives the handler bytes of the body; it may answer, pause, or make the connection end. */
static void deliver(struct exchange *x, struct str bytes)
{
    x->streamed += bytes.len;
    if (bytes.len > 0)
        x->on_chunk(x->user, bytes);
}

/* The next piece of body in `rest`, 0 when there is none yet, or -1: refused. */
static int next_piece(struct conn *conn, struct exchange *x, struct str rest, size_t *out_used,
                      struct str *out_data)
{
    struct err err;
    if (!x->head.is_chunked) {
        *out_data = str_head(rest, stream_left(x));
        *out_used = out_data->len;
    } else if (x->chunked.is_done) {
        return 0;
    } else if (http1_chunked_next(&x->chunked, rest, out_used, out_data, &err) < 0) {
        http1_refuse(conn, 400, err.text);
        return -1;
    } else if (out_data->len + x->chunked.left > x->body_limit - x->streamed) {
        http1_refuse(conn, 413, "the request body is too long");
        return -1;
    }
    return *out_used > 0;
}

/* Streams what lies behind the head. `used` stands behind what has been delivered, so that an
 * answer given in the middle knows what is left to skip. */
static void stream_input(struct conn *conn, struct exchange *x)
{
    const struct input *input = conn->input;
    struct str data;
    size_t used;
    while (conn->state == CONN_BODY && !x->is_paused) {
        struct str rest = str_of(input->bytes + conn->used, input->len - conn->used);
        if (next_piece(conn, x, rest, &used, &data) <= 0)
            break;
        conn->used += used;
        deliver(x, data);
    }
    if (conn->state != CONN_BODY)
        return;
    keep_rest(conn, x, str_of(input->bytes + conn->used, input->len - conn->used));
    conn->used = x->head_len;
}

/* A long body of known length does not go through the input buffer. */
static bool reads_directly(const struct conn *conn)
{
    const struct exchange *x = conn->x;
    return conn->state == CONN_BODY && x->body_kind == BODY_STREAMED && !x->head.is_chunked &&
           conn->input->len == x->head_len;
}

static bool is_body_whole(const struct conn *conn, const struct exchange *x)
{
    switch (x->body_kind) {
    case BODY_IN_PLACE: return conn->input->len >= conn->used;
    case BODY_OWN: return x->body.len == body_length(x);
    case BODY_CHUNKED: return x->chunked.is_done;
    case BODY_STREAMED: return x->head.is_chunked ? x->chunked.is_done : stream_left(x) == 0;
    }
    return false;
}

static uint64_t body_received(const struct conn *conn, const struct exchange *x)
{
    switch (x->body_kind) {
    case BODY_IN_PLACE: return conn->input->len - x->head_len;
    case BODY_OWN:
    case BODY_CHUNKED: return x->body.len;
    case BODY_STREAMED: return x->streamed;
    }
    return 0;
}

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

/* --- requests --- */

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
    if (body_length(x) > x->body_limit) {
        http1_refuse(conn, 413, "the request body is too long");
        return;
    }
    place_body(conn, x);
    bool is_nothing_there = conn->input->len == x->head_len && x->body.len == 0;
    bool has_body = x->head.is_chunked || body_length(x) > 0;
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
        decode_chunks(conn, x);
    else if (x->body_kind == BODY_STREAMED)
        stream_input(conn, x);
    if (conn->state == CONN_BODY && !exchange_is_within_budget(x))
        http1_refuse(conn, 503, "too much is being uploaded at once");
    if (conn->state != CONN_BODY)
        return true;
    if (x->is_paused)
        return stand_still(conn);
    if (!is_body_whole(conn, x)) {
        conn_set_deadline(conn, exchange_body_deadline(x, body_received(conn, x)));
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

/* What does not go through a buffer of the connection is gone when this returns. */
static void read_streamed(struct conn *conn)
{
    struct exchange *x = conn->x;
    char *to = server_chunk(conn->server);
    uint64_t left = stream_left(x);
    ssize_t n = conn_receive(conn, to, left < CHUNK_BYTES ? (size_t) left : CHUNK_BYTES);
    if (n < 0 && is_would_block(errno))
        return;
    if (n < 0)
        conn_kill(conn);
    else if (n == 0)
        conn->is_eof = true;
    else
        deliver(x, str_of(to, (size_t) n));
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
