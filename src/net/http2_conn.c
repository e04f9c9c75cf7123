/* One HTTP/2 connection (RFC 9113) over nghttp2, which owns frames, HPACK and flow control.
 *
 *     readable → nghttp2_session_mem_recv → callbacks below → exchanges
 *     run      → nghttp2_session_mem_send → conn_write, until the socket is blocked
 *
 * Each stream carries one exchange, from its first HEADERS frame to the close of the stream or,
 * held by a handler, beyond it. Handlers are called inside nghttp2's callbacks; what they answer is
 * queued there and sent by run(). What must not happen inside (resumed bodies, writers that may go
 * on) is marked on the exchange (is_due) and done in run().
 *
 * Back-pressure: the connection's window is kept open, each stream's own is given back as its body
 * is taken. A paused body is kept here, at most a window of it. An answer waits in the exchange
 * until windows and socket let it go, and its writer is told to wait.
 *
 * Limits: STREAMS_MAX exchanges at a time, counting those that were reset while a handler still
 * works on them (that is what a "rapid reset" attack would pile up); heads as in HTTP/1.1; frames
 * that only make work (PING, SETTINGS, PRIORITY, RST_STREAM, empty DATA) are paid from a bucket of
 * tokens. A stream without progress is reset, a connection without streams closes when idle. */
#include "net/http2_int.h"

#include "base/assert.h"
#include "base/mem.h"

#include <errno.h>

enum {
    STREAMS_MAX = 100,
    STREAM_WINDOW = 256 * 1024,
    CONN_WINDOW = 1024 * 1024,
    TOKENS_MAX = 1000,
    TOKENS_PER_SECOND = 100,
    RESETS_MAX = 200, /* at once, then RESETS_PER_SECOND */
    RESETS_PER_SECOND = 30,
    HEAD_OUT_MAX = 256 * 1024,
};

static struct http2 *http2_of(const struct exchange *x)
{
    return x->conn->http2;
}

static struct exchange *exchange_of(struct http2 *http2, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(http2->session, stream_id);
}

/* --- exchanges --- */

void http2_expect_progress(struct exchange *x)
{
    struct exec *exec = loop_exec(x->conn->server->loop);
    timer_set(exec, &x->timer, exec_now_us(exec) + x->conn->server->limits.body_timeout_ms * 1000);
}

static void expect_body(struct exchange *x)
{
    timer_set(loop_exec(x->conn->server->loop), &x->timer,
              exchange_body_deadline(x, x->streamed + x->body.len));
}

void http2_send_soon(struct conn *conn)
{
    conn_flush_soon(conn);
}

void http2_detach(struct exchange *x)
{
    struct http2 *http2 = http2_of(x);
    timer_clear(loop_exec(x->conn->server->loop), &x->timer);
    list_remove(&http2->exchanges, &x->node);
    (void) nghttp2_session_set_stream_user_data(http2->session, x->stream_id, NULL); /* or closed */
}

static void on_exchange_timer(struct timer *timer)
{
    struct exchange *x = CONTAINER_OF(timer, struct exchange, timer);
    struct conn *conn = x->conn;
    conn_enter(conn);
    if (!x->is_answered) {
        http2_refuse(x, 408, "the request did not arrive in time");
    } else {
        (void) nghttp2_submit_rst_stream(conn->http2->session, NGHTTP2_FLAG_NONE, x->stream_id,
                                         NGHTTP2_CANCEL);
        http2_detach(x);
        exchange_die(x);
    }
    conn->protocol->run(conn);
    conn_leave(conn);
}

static struct exchange *exchange_open(struct conn *conn, int32_t stream_id)
{
    struct http2 *http2 = conn->http2;
    struct exchange *x = server_take_exchange(conn->server);
    exchange_init(x, conn);
    x->stream_id = stream_id;
    x->body_kind = BODY_OWN;
    x->head.method = STR_NONE; /* until the head is there */
    x->out = x->trailers = (struct buf){0};
    x->out_at = 0;
    x->timer = (struct timer){.fire = on_exchange_timer};
    x->is_answered = x->is_ended = x->is_body_ended = x->is_due = false;
    http2_head_init(&x->fields);
    list_push_back(&http2->exchanges, &x->node);
    (void) nghttp2_session_set_stream_user_data(http2->session, stream_id, x); /* It is open. */
    struct exec *exec = loop_exec(conn->server->loop);
    timer_set(exec, &x->timer, exec_now_us(exec) + conn->server->limits.head_timeout_ms * 1000);
    return x;
}

static void send_continue(struct exchange *x)
{
    if (!x->owes_continue || x->is_paused)
        return;
    x->owes_continue = false;
    const nghttp2_nv status = {(uint8_t *) ":status", (uint8_t *) "100", 7, 3,
                               NGHTTP2_NV_FLAG_NONE};
    (void) nghttp2_submit_headers(http2_of(x)->session, NGHTTP2_FLAG_NONE, x->stream_id, NULL,
                                  &status, 1, NULL); /* Memory only; then the answer fails, too. */
}

/* The body has ended and the handler has it all. */
static void try_finish(struct exchange *x)
{
    struct server *server = x->conn->server;
    bool has_rest = x->on_chunk != NULL && (x->is_paused || x->body.len > 0);
    if (!x->is_body_ended || x->is_answered || has_rest)
        return;
    timer_clear(loop_exec(server->loop), &x->timer);
    x->is_whole = true;
    server->handler.on_body(server->handler.arg, x);
}

static void show_head(struct exchange *x, bool is_ended)
{
    struct server *server = x->conn->server;
    struct err err;
    int rc = http2_head_finish(&x->fields, &x->head, &err);
    x->is_body_ended = is_ended;
    if (rc < 0) {
        http2_refuse(x, -rc, err.text);
        return;
    }
    server->handler.on_request(server->handler.arg, x);
    if (x->is_answered)
        return;
    if (x->head.content_length > 0 && (uint64_t) x->head.content_length > x->body_limit) {
        http2_refuse(x, 413, "the request body is too long");
        return;
    }
    size_t kept_max = x->on_chunk != NULL ? STREAM_WINDOW : x->body_limit;
    buf_init(&x->body, kept_max > 0 ? kept_max : 1);
    x->owes_continue = x->head.expects_continue && !is_ended;
    send_continue(x);
    if (!x->is_paused)
        expect_body(x);
    else
        timer_clear(loop_exec(server->loop), &x->timer);
    try_finish(x);
}

/* --- callbacks: frames that arrive --- */

/* False, and the connection ends, when a client sends more than is of use to anyone. */
static void spend_token(struct conn *conn)
{
    struct http2 *http2 = conn->http2;
    int64_t now_us = exec_now_us(loop_exec(conn->server->loop));
    int64_t fresh = (now_us - http2->refilled_us) * TOKENS_PER_SECOND / 1000000;
    if (fresh > 0) {
        http2->refilled_us = now_us;
        http2->tokens = http2->tokens + fresh > TOKENS_MAX ? TOKENS_MAX : http2->tokens + fresh;
    }
    if (http2->tokens-- == 0)
        (void) nghttp2_session_terminate_session(http2->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static bool is_mere_work(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY:
    case NGHTTP2_RST_STREAM: return true;
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    default: return false;
    }
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct conn *conn = arg;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (conn->http2->exchanges.len + conn->held >= STREAMS_MAX)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM);
    (void) exchange_open(conn, frame->hd.stream_id);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void) session;
    (void) flags;
    struct conn *conn = arg;
    struct exchange *x = exchange_of(conn->http2, frame->hd.stream_id);
    if (x != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) /* Trailers are skipped. */
        http2_head_add(&x->fields, str_of(name, name_len), str_of(value, value_len));
    return 0;
}

static void on_body_end(struct exchange *x)
{
    x->is_body_ended = true;
    try_finish(x);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct conn *conn = arg;
    struct http2 *http2 = conn->http2;
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_mere_work(frame))
        spend_token(conn);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        http2->is_draining) /* Whatever was under way at the notice has arrived. */
        return nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                                     nghttp2_session_get_last_proc_stream_id(session),
                                     NGHTTP2_NO_ERROR, NULL, 0);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct exchange *x = exchange_of(http2, frame->hd.stream_id);
    if (x == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        show_head(x, is_end);
    else if (is_end)
        on_body_end(x);
    return 0;
}

/* Nothing of x may be used after the handler has seen the bytes. */
static void take_streamed(struct exchange *x, struct str bytes)
{
    if (bytes.len > x->body_limit - x->streamed - x->body.len) {
        http2_refuse(x, 413, "the request body is too long");
    } else if (x->is_paused || x->is_due) {
        buf_put(&x->body, bytes); /* at most a window: none is given back */
        if (!exchange_is_within_budget(x))
            http2_refuse(x, 503, "too much is being uploaded at once");
    } else {
        x->streamed += bytes.len;
        expect_body(x);
        (void) nghttp2_session_consume_stream(http2_of(x)->session, x->stream_id, bytes.len);
        x->on_chunk(x->user, bytes);
    }
}

static void take_collected(struct exchange *x, struct str bytes)
{
    if (bytes.len > x->body_limit - x->body.len) {
        http2_refuse(x, 413, "the request body is too long");
        return;
    }
    buf_put(&x->body, bytes);
    expect_body(x);
    (void) nghttp2_session_consume_stream(http2_of(x)->session, x->stream_id, bytes.len);
    if (!exchange_is_within_budget(x))
        http2_refuse(x, 503, "too much is being uploaded at once");
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *arg)
{
    (void) flags;
    struct conn *conn = arg;
    struct exchange *x = exchange_of(conn->http2, stream_id);
    int rc = nghttp2_session_consume_connection(session, size);
    if (x == NULL || x->is_answered) /* not wanted: RST_STREAM is on its way */
        (void) nghttp2_session_consume_stream(session, stream_id, size);
    else if (x->on_chunk != NULL)
        take_streamed(x, str_of(data, size));
    else
        take_collected(x, str_of(data, size));
    return rc;
}

/* --- callbacks: what left --- */

/* An answer that ends before the request: the client may stop sending (RFC 9113 section 8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct conn *conn = arg;
    bool can_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!can_end || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    struct exchange *x = exchange_of(conn->http2, frame->hd.stream_id);
    if (x != NULL && !x->is_body_ended)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *arg)
{
    (void) session;
    (void) code;
    struct conn *conn = arg;
    struct exchange *x = exchange_of(conn->http2, stream_id);
    if (x == NULL)
        return 0;
    http2_detach(x);
    exchange_die(x); /* An ended one is nobody's and is given back. */
    return 0;
}

/* --- running --- */

/* Hands over what a pause kept back. */
static void flush_paused(struct exchange *x)
{
    struct buf kept = x->body;
    buf_init(&x->body, STREAM_WINDOW);
    x->streamed += kept.len;
    (void) exchange_is_within_budget(x); /* gives back */
    (void) nghttp2_session_consume_stream(http2_of(x)->session, x->stream_id, kept.len);
    x->on_chunk(x->user, buf_str(&kept));
    buf_done(&kept);
}

/* A pause is over, or a writer may go on. */
static void do_due(struct exchange *x)
{
    struct http2 *http2 = http2_of(x);
    int32_t stream_id = x->stream_id;
    x->is_due = false;
    if (x->is_begun) {
        x->is_waiting = false;
        x->on_drained(x->user);
        return;
    }
    if (x->is_answered || x->is_whole || x->is_paused)
        return;
    send_continue(x);
    expect_body(x);
    if (x->body.len > 0)
        flush_paused(x);
    if (exchange_of(http2, stream_id) == x)
        try_finish(x);
}

static struct exchange *find_due(const struct http2 *http2)
{
    LIST_FOR_EACH (&http2->exchanges, node) {
        struct exchange *x = CONTAINER_OF(node, struct exchange, node);
        if (x->is_due)
            return x;
    }
    return NULL;
}

/* Frames into the connection's buffer, until the socket takes no more. */
static void send_frames(struct conn *conn)
{
    struct http2 *http2 = conn->http2;
    while (conn->state == CONN_HTTP2 && !conn->is_blocked) {
        const uint8_t *bytes;
        http2->is_inside = true;
        ssize_t n = nghttp2_session_mem_send(http2->session, &bytes);
        http2->is_inside = false;
        if (n < 0)
            conn_kill(conn); /* Memory, or a callback of ours has failed. */
        else if (n == 0)
            break;
        else
            conn_write(conn, str_of(bytes, (size_t) n));
    }
    if (conn->state == CONN_HTTP2 && !conn->is_blocked)
        (void) conn_flush(conn);
}

static void watch_idleness(struct conn *conn)
{
    struct http2 *http2 = conn->http2;
    bool is_idle = list_is_empty(&http2->exchanges);
    if (is_idle && !http2->is_idle)
        conn_set_timeout(conn, conn->server->limits.idle_timeout_ms);
    else if (!is_idle)
        conn_set_deadline(conn, INT64_MAX); /* Streams have time-outs of their own. */
    http2->is_idle = is_idle;
}

static void run(struct conn *conn)
{
    struct http2 *http2 = conn->http2;
    if (conn->state != CONN_HTTP2 || http2->is_inside)
        return;
    send_frames(conn);
    for (struct exchange *x; conn->state == CONN_HTTP2 && (x = find_due(http2)) != NULL;) {
        do_due(x);
        send_frames(conn);
    }
    if (conn->state != CONN_HTTP2 || conn->is_blocked)
        return;
    if (!nghttp2_session_want_read(http2->session) && !nghttp2_session_want_write(http2->session))
        conn_kill(conn);
    else
        watch_idleness(conn);
}

static void receive(struct conn *conn, struct str bytes)
{
    struct http2 *http2 = conn->http2;
    http2->is_inside = true;
    ssize_t n = nghttp2_session_mem_recv(http2->session, (const uint8_t *) bytes.ptr, bytes.len);
    http2->is_inside = false;
    if (n >= 0)
        return;
    send_frames(conn); /* perhaps a GOAWAY that says why */
    conn_kill(conn);
}

static void on_readable(struct conn *conn, int events)
{
    (void) events;
    if (conn->state != CONN_HTTP2)
        return;
    char *to = server_chunk(conn->server);
    ssize_t n = conn_receive(conn, to, CHUNK_BYTES);
    if (n < 0 && is_would_block(errno))
        return;
    if (n <= 0)
        conn_kill(conn);
    else
        receive(conn, str_of(to, (size_t) n));
}

static void on_drained(struct conn *conn)
{
    conn->http2->is_idle = false; /* run() sets the deadline that holds now. */
}

static void on_timeout(struct conn *conn)
{
    if (!conn->is_blocked) {
        (void) nghttp2_session_terminate_session(conn->http2->session, NGHTTP2_NO_ERROR);
        send_frames(conn);
    }
    conn_kill(conn);
}

static void on_closed(struct conn *conn)
{
    struct http2 *http2 = take_ptr(&conn->http2);
    assert(!http2->is_inside);
    struct exec *exec = loop_exec(conn->server->loop);
    for (struct list_node *node; (node = list_pop_front(&http2->exchanges)) != NULL;) {
        struct exchange *x = CONTAINER_OF(node, struct exchange, node);
        timer_clear(exec, &x->timer);
        exchange_die(x);
    }
    nghttp2_session_del(http2->session);
    free(http2);
}

static void on_resume(struct exchange *x)
{
    x->is_due = true;
    if (x->conn->entered > 1)
        http2_send_soon(x->conn); /* run() follows, but perhaps not soon enough */
}

/* --- life --- */

static nghttp2_session *session_new(struct conn *conn)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session;
    bool has_memory =
        nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0;
    assert(has_memory);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1); /* Their memory is for priorities only. */
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_MAX, RESETS_PER_SECOND);
    nghttp2_option_set_max_send_header_block_length(option, HEAD_OUT_MAX);
    has_memory = nghttp2_session_server_new2(&session, callbacks, conn, option) == 0;
    assert(has_memory);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

void http2_start(struct conn *conn)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_HEAD_MAX},
    };
    struct http2 *http2 = NEW(struct http2);
    http2->session = session_new(conn);
    http2->tokens = TOKENS_MAX;
    http2->refilled_us = exec_now_us(loop_exec(conn->server->loop));
    list_init(&http2->exchanges);
    conn->http2 = http2;
    conn->protocol = &http2_protocol;
    conn_move(conn, CONN_HTTP2);
    int rc =
        nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    if (rc == 0)
        rc = nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0,
                                                   CONN_WINDOW);
    assert(rc == 0);
    struct input *input = take_ptr(&conn->input);
    if (input != NULL)
        receive(conn, str_of(input->bytes, input->len));
    server_give_input(conn->server, input);
    if (conn->state == CONN_HTTP2 && conn->server->is_draining)
        http2_drain(conn);
    run(conn);
}

/* First a notice, then, when everything that was under way has arrived, the last stream's number
 * (RFC 9113 section 6.8). */
void http2_drain(struct conn *conn)
{
    struct http2 *http2 = conn->http2;
    if (http2->is_draining)
        return;
    http2->is_draining = true;
    conn_enter(conn);
    if (nghttp2_submit_shutdown_notice(http2->session) != 0 ||
        nghttp2_submit_ping(http2->session, NGHTTP2_FLAG_NONE, NULL) != 0)
        conn_kill(conn); /* no memory */
    run(conn);
    conn_leave(conn);
}

const struct protocol http2_protocol = {
    .readable = on_readable,
    .run = run,
    .drained = on_drained,
    .timeout = on_timeout,
    .closed = on_closed,
    .answer = http2_answer,
    .begin = http2_begin,
    .write = http2_write,
    .unsent = http2_unsent,
    .end = http2_end,
    .abort = http2_abort,
    .resume = on_resume,
};
