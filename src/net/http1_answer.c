/* Answers on an HTTP/1.1 connection.
 *
 * A short body is copied behind the head and leaves with one send; a longer one leaves as a second
 * part of the same system call, uncopied, unless the socket's buffer is full.
 *
 * A streamed answer is framed by its announced length; else it is chunked; else (HTTP/1.0) the end
 * of the connection ends it. Cut short, the first two show it themselves; the third looks complete
 * unless the connection is reset. */
#include "net/server_int.h"

#include "base/assert.h"

#include <sys/socket.h>

enum {
    SHORT_BODY = 4096,
    SCRATCH_KEEP = 64 * 1024, /* a larger scratch buffer is given back after use */
    CHUNK_HEAD_MAX = 16 + 3,
};

static void trim_scratch(struct server *server)
{
    if (server->scratch.cap > SCRATCH_KEEP)
        buf_done(&server->scratch);
}

/* An answer before the end of the body: what is still to come would be read as the next request,
 * unless all of it lies in the buffer already and is skipped. */
static bool skip_body(struct conn *conn, const struct exchange *x)
{
    const struct http_head *head = &x->head;
    size_t rest = conn->input->len - conn->used;
    int64_t left = head->content_length - (int64_t) x->streamed;
    if (head->is_chunked || left > (int64_t) rest)
        return false;
    if (left > 0)
        conn->used += (size_t) left;
    return true;
}

/* The head, in the scratch buffer; from here on it is known whether the connection goes on. */
static void compose(struct exchange *x, struct answer *a)
{
    struct conn *conn = x->conn;
    assert(conn->state == CONN_BUSY || conn->state == CONN_BODY);
    assert(x->is_whole || x->on_chunk != NULL || conn->entered > 1); /* inside on_request */
    bool is_whole = conn->state == CONN_BUSY || skip_body(conn, x);
    bool is_closing = a->is_streamed && a->framing == FRAMING_CLOSE && !answer_has_no_body(a);
    conn->is_abandoned = !is_whole;
    conn->is_last = !is_whole || !x->head.is_keep_alive || conn->server->is_draining || is_closing;
    a->is_last = conn->is_last;
    if (answer_compose(conn->server, a))
        return;
    a->status = 502;
    a->header_count = 0;
    a->body = STR("{\"message\":\"The headers of the answer are too long.\"}\n");
    a->is_streamed = false; /* What the handler writes then is more than announced. */
    a->framing = FRAMING_LENGTH;
    a->content_length = 0;
    bool has_fit = answer_compose(conn->server, a);
    assert(has_fit);
}

void http1_answer(struct exchange *x, struct answer *a)
{
    struct conn *conn = x->conn;
    struct server *server = conn->server;
    compose(x, a);
    conn_move(conn, CONN_FLUSH);
    conn->x = NULL;
    struct buf *out = &server->scratch;
    struct str body = answer_has_no_body(a) ? STR_NONE : a->body;
    if (body.len <= SHORT_BODY && body.len > 0 && body.len <= out->limit - out->len) {
        buf_put(out, body);
        body = STR_NONE;
    }
    http1_send(conn, buf_str(out), body);
    trim_scratch(server);
    server_give_exchange(server, x); /* Only now: headers and body may be views into the request. */
}

/* --- streamed --- */

void http1_begin(struct exchange *x, struct answer *a)
{
    struct conn *conn = x->conn;
    a->framing = a->content_length >= 0      ? FRAMING_LENGTH
                 : x->head.minor_version > 0 ? FRAMING_CHUNKED
                                             : FRAMING_CLOSE;
    compose(x, a);
    conn_move(conn, CONN_ANSWER);
    conn_set_deadline(conn, INT64_MAX);
    conn_want(conn, WATCH_READ);
    conn_write(conn, buf_str(&conn->server->scratch));
    if (!a->is_streamed && conn->state != CONN_DEAD)
        conn_write(conn, a->body);
    trim_scratch(conn->server);
}

size_t http1_unsent(const struct exchange *x)
{
    return conn_unsent(x->conn);
}

void http1_write(struct exchange *x, struct str bytes)
{
    struct conn *conn = x->conn;
    if (x->framing != FRAMING_CHUNKED) {
        conn_write(conn, bytes);
        return;
    }
    char head[CHUNK_HEAD_MAX];
    int len = snprintf(head, sizeof head, "%zx\r\n", bytes.len);
    assert(len > 0 && len < CHUNK_HEAD_MAX);
    conn_write(conn, str_of(head, (size_t) len));
    if (conn->state != CONN_DEAD)
        conn_write(conn, bytes);
    if (conn->state != CONN_DEAD)
        conn_write(conn, STR("\r\n"));
}

static void put_trailers(struct conn *conn, const struct http_header *trailers, size_t count)
{
    struct buf *out = &conn->server->scratch;
    buf_reset(out);
    buf_put(out, STR("0\r\n"));
    for (size_t i = 0; i < count; i++) {
        if (header_is_framing(trailers[i].name))
            continue;
        http1_put_header(out, trailers[i].name, trailers[i].value);
    }
    http1_end_head(out);
    /* Trailers are ours; too long for a megabyte, they are left out. */
    conn_write(conn, buf_is_over(out) ? STR("0\r\n\r\n") : buf_str(out));
    trim_scratch(conn->server);
}

void http1_end(struct exchange *x, const struct http_header *trailers, size_t trailer_count)
{
    struct conn *conn = x->conn;
    struct server *server = conn->server;
    assert(conn->state == CONN_ANSWER);
    conn->x = NULL;
    if (x->framing == FRAMING_CHUNKED)
        put_trailers(conn, trailers, trailer_count);
    if (conn->state != CONN_DEAD)
        http1_finish(conn);
    server_give_exchange(server, x);
}

void http1_abort(struct exchange *x)
{
    struct conn *conn = x->conn;
    /* What was written before still counts for the client, but need not arrive. */
    if (x->is_begun && conn_unsent(conn) > 0 && !conn->is_blocked)
        (void) conn_flush(conn);
    conn->is_cut = true;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (conn->state != CONN_DEAD && x->is_begun && x->framing == FRAMING_CLOSE)
        (void) setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    conn_kill(conn);
}

/* The head of a 101, in the scratch buffer. */
void http1_put_upgrade(struct server *server, const struct http_header *headers, size_t count)
{
    struct buf *out = &server->scratch;
    buf_reset(out);
    http1_put_status(out, 101);
    buf_put(out, server_date(server));
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(headers[i].name, STR("upgrade")) || !header_is_framing(headers[i].name))
            http1_put_header(out, headers[i].name, headers[i].value);
    buf_put(out, STR("Connection: Upgrade\r\n"));
    http1_end_head(out);
}

/* --- answers of the server itself --- */

void http1_refuse(struct conn *conn, int status, const char *reason)
{
    struct exchange *x = take_ptr(&conn->x);
    bool is_head = x != NULL && str_eq(x->head.method, STR("HEAD"));
    if (x != NULL) {
        assert(!x->is_whole && !x->is_begun);
        exchange_mark_gone(x);
        server_give_exchange(conn->server, x);
    }
    conn->is_last = conn->is_abandoned = true;
    conn_move(conn, CONN_FLUSH);
    http1_send(conn, server_refusal(conn->server, status, reason, is_head), STR_NONE);
}
