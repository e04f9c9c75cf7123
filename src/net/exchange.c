/* Exchanges as handlers see them, whatever the connection speaks.
 *
 *          head        on_request       on_body          exchange_answer
 *     (made) ──→ collecting ──→ … ──────→ held ──────────────────────────→ (given back)
 *                    │                     │ begin         end, abort
 *                    │ left, refused       └──→ streaming ───────────────→
 *                    └──→ on_gone, given back
 *
 * The client may leave at any time. Until on_body the exchange then ends; afterwards it is the
 * handler's, marked dead, and waits for the answer, which goes nowhere. Its connection's memory,
 * and the server's, wait with it (conn->held, server->held). */
#include "net/server_int.h"

#include "base/assert.h"

/* --- what handlers ask --- */

const struct http_head *exchange_head(const struct exchange *x)
{
    return &x->head;
}

struct str exchange_body(const struct exchange *x)
{
    assert(x->is_whole);
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

bool exchange_is_tls(const struct exchange *x)
{
    return x->conn->is_tls;
}

void exchange_set_body_limit(struct exchange *x, size_t limit_bytes)
{
    assert(!x->is_whole && !x->is_begun);
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

/* --- life --- */

void exchange_init(struct exchange *x, struct conn *conn)
{
    x->conn = conn;
    x->head_len = 0;
    x->body_limit = conn->server->limits.body_max;
    x->body_kind = BODY_IN_PLACE;
    x->body = (struct buf){0};
    x->counted_bytes = 0;
    x->chunked = (struct http1_chunked){0};
    x->streamed = 0;
    x->body_since_us = 0;
    x->user = NULL;
    x->on_gone = NULL;
    x->on_chunk = NULL;
    x->on_drained = NULL;
    x->is_whole = x->is_begun = x->is_gone = x->is_dead = x->is_paused = false;
    x->owes_continue = x->is_waiting = x->is_overwritten = false;
    x->stream_id = 0;
}

void exchange_mark_gone(struct exchange *x)
{
    if (x->is_gone)
        return;
    x->is_gone = true;
    if (x->on_gone != NULL)
        x->on_gone(x->user);
}

void exchange_die(struct exchange *x)
{
    if (!x->is_whole && !x->is_begun) {
        exchange_mark_gone(x);
        server_give_exchange(x->conn->server, x);
        return;
    }
    x->is_dead = true;
    x->conn->held++;
    x->conn->server->held++;
    exchange_mark_gone(x);
}

/* The handler has let go of a dead exchange. */
static void release_dead(struct exchange *x)
{
    struct conn *conn = x->conn;
    struct server *server = conn->server;
    assert(conn->held > 0);
    conn_enter(conn);
    server_give_exchange(server, x);
    conn->held--;
    conn_leave(conn);
    server_unhold(server);
}

bool exchange_is_within_budget(struct exchange *x)
{
    struct server *server = x->conn->server;
    server->body_bytes += x->body.cap - x->counted_bytes;
    x->counted_bytes = x->body.cap;
    return server->body_bytes <= server->limits.bodies_max;
}

int64_t exchange_body_deadline(struct exchange *x, uint64_t received)
{
    const struct server_limits *limits = &x->conn->server->limits;
    int64_t now_us = exec_now_us(loop_exec(x->conn->server->loop));
    int64_t wait_us = limits->body_timeout_ms * 1000;
    if (limits->body_rate_min == 0)
        return now_us + wait_us;
    int64_t owed_us = (int64_t) (received * 1000000 / limits->body_rate_min);
    if (x->body_since_us == 0)
        x->body_since_us = now_us - owed_us; /* What came at once is no credit. */
    int64_t by_rate_us = x->body_since_us + owed_us;
    return (by_rate_us < now_us ? by_rate_us : now_us) + wait_us;
}

/* --- streamed bodies --- */

void exchange_stream_body(struct exchange *x, void (*on_chunk)(void *user, struct str bytes))
{
    assert(!x->is_whole && !x->is_begun && on_chunk != NULL);
    x->on_chunk = on_chunk;
}

void exchange_keep_trailers(struct exchange *x, struct buf *lines)
{
    assert(x->on_chunk != NULL);
    x->chunked.trailers = lines;
}

void exchange_pause(struct exchange *x)
{
    assert(x->on_chunk != NULL);
    x->is_paused = true;
    x->body_since_us = 0;
}

void exchange_resume(struct exchange *x)
{
    struct conn *conn = x->conn;
    assert(loop_is_current(conn->server->loop));
    x->is_paused = false;
    if (x->is_dead || x->is_begun || x->is_whole)
        return;
    conn_enter(conn);
    conn->protocol->resume(x);
    if (conn->entered == 1)
        conn->protocol->run(conn);
    conn_leave(conn);
}

/* --- answers --- */

void exchange_answer(struct exchange *x, int status, const struct http_header *headers,
                     size_t header_count, struct str body)
{
    struct conn *conn = x->conn;
    assert(loop_is_current(conn->server->loop) && !x->is_begun);
    assert(status >= 200 && status <= 999);
    if (x->is_dead) {
        release_dead(x);
        return;
    }
    struct answer a = {.status = status,
                       .headers = headers,
                       .header_count = header_count,
                       .body = body,
                       .is_head = str_eq(x->head.method, STR("HEAD")),
                       .minor_version = x->head.minor_version};
    conn_enter(conn);
    x->on_gone = NULL; /* The handler has let go: a failing send is none of its business. */
    conn->protocol->answer(x, &a);
    if (conn->entered == 1)
        conn->protocol->run(conn);
    conn_leave(conn);
}

void exchange_begin(struct exchange *x, const struct answer_stream *answer)
{
    struct conn *conn = x->conn;
    assert(loop_is_current(conn->server->loop) && !x->is_begun);
    assert(answer->status >= 200 && answer->status <= 999);
    x->is_begun = true;
    x->on_drained = answer->on_drained;
    if (x->is_dead)
        return;
    struct answer a = {.status = answer->status,
                       .headers = answer->headers,
                       .header_count = answer->header_count,
                       .is_head = str_eq(x->head.method, STR("HEAD")),
                       .minor_version = x->head.minor_version,
                       .is_streamed = true,
                       .content_length = answer->content_length};
    conn_enter(conn);
    conn->protocol->begin(x, &a);
    x->framing = answer_has_no_body(&a) ? FRAMING_NONE : a.framing;
    x->answer_left = a.content_length;
    conn_leave(conn);
}

/* What may be written of bytes: nothing beyond the length that was announced. */
static struct str within_length(struct exchange *x, struct str bytes)
{
    if (x->framing == FRAMING_NONE)
        return STR_NONE;
    if (x->framing != FRAMING_LENGTH)
        return bytes;
    x->is_overwritten |= bytes.len > (uint64_t) x->answer_left;
    bytes = str_head(bytes, (size_t) x->answer_left);
    x->answer_left -= (int64_t) bytes.len;
    return bytes;
}

bool exchange_write(struct exchange *x, struct str bytes)
{
    struct conn *conn = x->conn;
    assert(loop_is_current(conn->server->loop) && x->is_begun);
    if (x->is_dead)
        return true;
    bytes = within_length(x, bytes);
    if (bytes.len == 0)
        return true;
    conn_enter(conn);
    conn->protocol->write(x, bytes);
    size_t unsent = x->is_dead ? 0 : conn->protocol->unsent(x);
    if (unsent > conn->server->limits.unsent_max)
        conn->protocol->abort(x);
    x->is_waiting = !x->is_dead && unsent >= UNSENT_HIGH && x->on_drained != NULL;
    bool may_go_on = x->is_dead || unsent < UNSENT_HIGH;
    conn_leave(conn);
    return may_go_on;
}

void exchange_abort(struct exchange *x)
{
    struct conn *conn = x->conn;
    assert(loop_is_current(conn->server->loop) && (x->is_begun || x->is_whole));
    x->on_gone = NULL;
    if (!x->is_dead) {
        conn_enter(conn);
        conn->protocol->abort(x);
        assert(x->is_dead);
        conn_leave(conn); /* held by x: stays */
    }
    release_dead(x);
}

void exchange_end(struct exchange *x, const struct http_header *trailers, size_t trailer_count)
{
    struct conn *conn = x->conn;
    assert(loop_is_current(conn->server->loop) && x->is_begun);
    bool is_short = x->framing == FRAMING_LENGTH && x->answer_left > 0;
    if (x->is_dead || is_short || x->is_overwritten) {
        exchange_abort(x);
        return;
    }
    x->on_gone = NULL;
    conn_enter(conn);
    conn->protocol->end(x, trailers, trailer_count);
    if (conn->entered == 1)
        conn->protocol->run(conn);
    conn_leave(conn);
}
