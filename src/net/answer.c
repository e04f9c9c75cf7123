/* Exchanges as handlers see them, and answers as clients see them.
 *
 * An answer is composed in the server's scratch buffer: status line, Date (formatted once a
 * second), the handler's headers, length, Connection when it differs from the version's default.
 * A short body is copied behind the head and leaves with one send; a longer one leaves as a second
 * part of the same system call, uncopied, unless the socket's buffer is full.
 *
 * Framing is decided here alone. Headers of handlers come from functions, hence from strangers:
 * one that says how long the message is or when the connection ends would contradict us. */
#include "net/server_int.h"

#include "base/assert.h"
#include "data/time.h"

enum {
    SHORT_BODY = 4096,
    SCRATCH_KEEP = 64 * 1024, /* a larger scratch buffer is given back after use */
};

/* --- what handlers ask --- */

const struct http_head *exchange_head(const struct exchange *x)
{
    return &x->head;
}

struct str exchange_body(const struct exchange *x)
{
    assert(x->conn->state == CONN_BUSY || x->conn->state == CONN_DEAD);
    if (x->body_kind != BODY_IN_PLACE)
        return buf_str(&x->body);
    const struct conn *conn = x->conn;
    return str_of(conn->input->bytes + x->head_len, conn->used - x->head_len);
}

struct loop *exchange_loop(const struct exchange *x)
{
    return x->conn->server->loop;
}

bool exchange_is_gone(const struct exchange *x)
{
    return x->is_gone;
}

struct str exchange_peer(const struct exchange *x)
{
    return str_from(x->conn->peer);
}

void exchange_set_body_limit(struct exchange *x, size_t limit_bytes)
{
    assert(x->conn->state == CONN_BODY);
    x->body_limit = limit_bytes;
}

void exchange_set_user(struct exchange *x, void *user, void (*on_gone)(void *user))
{
    x->user = user;
    x->on_gone = on_gone;
}

void *exchange_user(const struct exchange *x)
{
    return x->user;
}

/* --- composing --- */

static struct str date_line(struct server *server)
{
    int64_t utc_ms = clock_utc_ms(loop_exec(server->loop)->clock);
    if (utc_ms / 1000 != server->date_second) {
        server->date_second = utc_ms / 1000;
        buf_reset(&server->date);
        buf_put(&server->date, STR("Date: "));
        time_put_http(&server->date, utc_ms);
        buf_put(&server->date, STR("\r\n"));
        assert(!buf_is_over(&server->date));
    }
    return buf_str(&server->date);
}

static bool is_framing(struct str name)
{
    switch (name.len) {
    case 4: return str_eq_nocase(name, STR("date"));
    case 10:
        return str_eq_nocase(name, STR("connection")) || str_eq_nocase(name, STR("keep-alive"));
    case 14: return str_eq_nocase(name, STR("content-length"));
    case 17: return str_eq_nocase(name, STR("transfer-encoding"));
    default: return false;
    }
}

struct answer {
    int status;
    const struct http_header *headers;
    size_t header_count;
    struct str body;
    bool is_head; /* answers a HEAD request */
    bool is_last; /* the connection closes */
    int minor_version;
};

/* RFC 9110 sections 6.4.1 and 8.6: these have neither body nor length. */
static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void put_length(struct buf *out, const struct answer *a)
{
    if (has_no_body(a->status))
        return;
    for (size_t i = 0; a->is_head && i < a->header_count; i++) {
        if (str_eq_nocase(a->headers[i].name, STR("content-length"))) {
            http1_put_header(out, a->headers[i].name, a->headers[i].value);
            return;
        }
    }
    http1_put_length(out, a->body.len);
}

/* Fills the scratch buffer with the head; false when the handler's headers do not fit. */
static bool compose(struct server *server, const struct answer *a)
{
    struct buf *out = &server->scratch;
    buf_reset(out);
    http1_put_status(out, a->status);
    buf_put(out, date_line(server));
    for (size_t i = 0; i < a->header_count; i++)
        if (!is_framing(a->headers[i].name))
            http1_put_header(out, a->headers[i].name, a->headers[i].value);
    put_length(out, a);
    if (a->is_last)
        buf_put(out, STR("Connection: close\r\n"));
    else if (a->minor_version == 0)
        buf_put(out, STR("Connection: keep-alive\r\n"));
    http1_end_head(out);
    return !buf_is_over(out);
}

static void send_answer(struct conn *conn, const struct answer *a)
{
    struct buf *out = &conn->server->scratch;
    struct str body = a->is_head || has_no_body(a->status) ? STR_NONE : a->body;
    if (body.len <= SHORT_BODY && body.len > 0 && body.len <= out->limit - out->len) {
        buf_put(out, body);
        body = STR_NONE;
    }
    conn_send(conn, buf_str(out), body);
    if (out->cap > SCRATCH_KEEP)
        buf_done(out);
}

/* --- answering --- */

/* An answer before the end of the body: what is still to come would be read as the next request,
 * unless all of it lies in the buffer already and is skipped. */
static bool skip_body(struct conn *conn, const struct http_head *head)
{
    size_t rest = conn->input->len - conn->used;
    if (head->is_chunked || head->content_length > (int64_t) rest)
        return false;
    if (head->content_length > 0)
        conn->used += (size_t) head->content_length;
    return true;
}

static void answer_held(struct exchange *x)
{
    struct conn *conn = x->conn;
    struct server *server = conn->server;
    conn_enter(conn);
    conn_end_exchange(conn);
    conn_leave(conn);
    server_unhold(server);
}

void exchange_answer(struct exchange *x, int status, const struct http_header *headers,
                     size_t header_count, struct str body)
{
    struct conn *conn = x->conn;
    assert(loop_is_current(conn->server->loop));
    assert(status >= 200 && status <= 999);
    if (conn->state == CONN_DEAD) {
        answer_held(x);
        return;
    }
    assert(conn->state == CONN_BUSY || (conn->state == CONN_BODY && conn->entered > 0));
    bool is_whole = conn->state == CONN_BUSY || skip_body(conn, &x->head);
    conn->is_abandoned = !is_whole;
    conn->is_last = !is_whole || !x->head.is_keep_alive || conn->server->is_draining;
    struct answer a = {.status = status,
                       .headers = headers,
                       .header_count = header_count,
                       .body = body,
                       .is_head = str_eq(x->head.method, STR("HEAD")),
                       .is_last = conn->is_last,
                       .minor_version = x->head.minor_version};
    if (!compose(conn->server, &a)) {
        a.status = 502;
        a.header_count = 0;
        a.body = STR("{\"message\":\"The headers of the answer are too long.\"}\n");
        bool has_fit = compose(conn->server, &a);
        assert(has_fit);
    }
    conn_enter(conn);
    x->on_gone = NULL; /* The handler has let go: a failing send is none of its business. */
    conn_move(conn, CONN_FLUSH);
    send_answer(conn, &a);
    conn_end_exchange(conn); /* Only now: headers and body may be views into the request. */
    if (conn->entered == 1)
        conn_run(conn);
    conn_leave(conn);
}

/* --- answers of the server itself --- */

struct str server_refusal(struct server *server, int status, const char *reason, bool is_head)
{
    char text[256];
    int len = snprintf(text, sizeof text, "%d %s: %s\n", status, http_reason(status), reason);
    assert(len > 0);
    struct str body = str_head(str_of(text, (size_t) len), sizeof text - 1);
    struct http_header type = {STR("Content-Type"), STR("text/plain")};
    struct answer a = {.status = status,
                       .headers = &type,
                       .header_count = 1,
                       .body = body,
                       .is_last = true,
                       .minor_version = 1};
    bool has_fit = compose(server, &a);
    assert(has_fit);
    if (!is_head)
        buf_put(&server->scratch, body);
    return buf_str(&server->scratch);
}

void conn_refuse(struct conn *conn, int status, const char *reason)
{
    conn_mark_gone(conn);
    bool is_head = conn->x != NULL && str_eq(conn->x->head.method, STR("HEAD"));
    struct str answer = server_refusal(conn->server, status, reason, is_head);
    conn_end_exchange(conn);
    conn->is_last = conn->is_abandoned = true;
    conn_move(conn, CONN_FLUSH);
    conn_send(conn, answer, STR_NONE);
}
