/* A connection whose first byte was that of a TLS handshake (22, RFC 8446 section 5.1): neither a
 * method of HTTP nor the preface of HTTP/2 begins with it. When the handshake is done the
 * connection is like any other, but that conn.c moves its bytes through OpenSSL; ALPN or the next
 * bytes say what is spoken. A handshake has as long as the head of a request. */
#include "net/server_int.h"

#include "base/assert.h"
#include "net/tls_int.h"

void server_set_tls(struct server *server, const struct tls_identity *identity)
{
    assert(server->listener_count == 0);
    server->tls_identity = identity;
}

static struct tls_context *server_tls(struct server *server)
{
    struct err err; /* The identity was checked or made by us: only memory can fail. */
    if (server->tls_context == NULL &&
        tls_context_new(server->tls_identity, &server->tls_context, &err) < 0)
        return NULL;
    return server->tls_context;
}

static void become(struct conn *conn)
{
    server_give_input(conn->server, tls_take_spent(conn->tls));
    conn_want(conn, WATCH_READ);
    if (tls_is_http2(conn->tls)) {
        http2_start(conn);
    } else {
        conn->protocol = &http1_protocol;
        conn_move(conn, CONN_IDLE);
        conn_set_timeout(conn, conn->server->limits.idle_timeout_ms);
    }
}

static void proceed(struct conn *conn)
{
    if (conn->state != CONN_HANDSHAKE)
        return;
    switch (tls_handshake(conn->tls)) {
    case TLS_DONE: become(conn); break;
    case TLS_WANTS_READ: conn_want(conn, WATCH_READ); break;
    case TLS_WANTS_WRITE:
        conn_want(conn, 0);
        conn_set_blocked(conn, true);
        break;
    case TLS_FAILED: conn_kill(conn); break;
    }
}

static void on_readable(struct conn *conn, int events)
{
    (void) events;
    proceed(conn);
}

static void run(struct conn *conn)
{
    (void) conn; /* Goes on with events only. */
}

static void on_closed(struct conn *conn)
{
    (void) conn; /* No exchange yet. */
}

/* No exchange exists before the handshake is done: the rest is never called. */
static const struct protocol handshake_protocol = {
    .readable = on_readable,
    .run = run,
    .drained = proceed,
    .timeout = conn_kill,
    .closed = on_closed,
};

void handshake_start(struct conn *conn)
{
    struct tls_context *context = server_tls(conn->server);
    conn->tls = context == NULL ? NULL : tls_new(context, conn->fd, conn->input);
    if (conn->tls == NULL) {
        conn_kill(conn);
        return;
    }
    conn->is_tls = true;
    conn->input = NULL;
    conn->protocol = &handshake_protocol;
    conn_move(conn, CONN_HANDSHAKE);
    conn_set_timeout(conn, conn->server->limits.head_timeout_ms);
    proceed(conn);
}
