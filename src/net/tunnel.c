/* Upgraded connections: the third thing that a connection may speak, which is nothing of ours.
 *
 * A tunnel is its connection, seen through struct tunnel; it lives until on_closed or tunnel_close.
 * Bytes that came behind the request are shown from a task, after the handler has got the tunnel.
 * Closing lets unsent bytes go first (is_last), with the time-out of any write. */
#include "net/tunnel.h"

#include "base/assert.h"
#include "base/mem.h"
#include "net/server_int.h"

#include <errno.h>

struct tunnel {
    struct conn *conn; /* owns us, and never lives shorter */
    struct tunnel_handler handler;
    void *user;
    bool is_paused;
    bool is_waiting; /* for on_drained */
    bool is_closed;  /* by the handler: it hears nothing more */
};

/* --- from the connection --- */

static void show(struct conn *conn, struct str bytes)
{
    struct tunnel *tunnel = conn->tunnel;
    if (bytes.len > 0 && !tunnel->is_closed)
        tunnel->handler.on_bytes(tunnel->user, bytes);
}

/* What came with the request. */
static void show_rest(struct conn *conn)
{
    struct input *input = take_ptr(&conn->input);
    if (input == NULL)
        return;
    show(conn, str_of(input->bytes + conn->used, input->len - conn->used));
    server_give_input(conn->server, input);
}

static bool wants_bytes(const struct conn *conn)
{
    return conn->state == CONN_TUNNEL && !conn->tunnel->is_paused && !conn->tunnel->is_closed;
}

static void run(struct conn *conn)
{
    if (wants_bytes(conn))
        show_rest(conn);
}

static void on_readable(struct conn *conn, int events)
{
    (void) events;
    if (!wants_bytes(conn))
        return;
    show_rest(conn);
    if (!wants_bytes(conn))
        return;
    char *to = server_chunk(conn->server);
    ssize_t n = conn_receive(conn, to, CHUNK_BYTES);
    if (n < 0 && is_would_block(errno))
        return;
    if (n <= 0)
        conn_kill(conn);
    else
        show(conn, str_of(to, (size_t) n));
}

static void on_drained(struct conn *conn)
{
    struct tunnel *tunnel = conn->tunnel;
    conn_set_deadline(conn, INT64_MAX);
    if (tunnel->is_closed) {
        conn_kill(conn);
    } else if (tunnel->is_waiting) {
        tunnel->is_waiting = false;
        tunnel->handler.on_drained(tunnel->user);
    }
}

static void on_closed(struct conn *conn)
{
    struct tunnel *tunnel = take_ptr(&conn->tunnel);
    if (!tunnel->is_closed)
        tunnel->handler.on_closed(tunnel->user);
    free(tunnel);
}

/* There are no exchanges any more: the rest is never called. */
static const struct protocol tunnel_protocol = {
    .readable = on_readable,
    .run = run,
    .drained = on_drained,
    .timeout = conn_kill,
    .closed = on_closed,
};

/* --- for the handler --- */

int exchange_upgrade(struct exchange *x, const struct http_header *headers, size_t header_count,
                     const struct tunnel_handler *handler, void *user, struct tunnel **out_tunnel,
                     struct err *err)
{
    struct conn *conn = x->conn;
    assert(loop_is_current(conn->server->loop) && x->is_whole && !x->is_begun);
    if (x->stream_id != 0)
        return err_say(err, -ENOTSUP, "WebSocket over HTTP/2 (RFC 8441) is not supported");
    if (!x->head.is_upgrade || x->head.minor_version == 0)
        return err_say(err, -ENOTSUP, "the request asks for no upgrade");
    if (x->is_dead)
        return err_say(err, -ENOTCONN, "the client is gone");
    struct tunnel *tunnel = NEW(struct tunnel);
    *tunnel = (struct tunnel){.conn = conn, .handler = *handler, .user = user};
    http1_put_upgrade(conn->server, headers, header_count);
    conn->x = NULL;
    conn->tunnel = tunnel;
    conn->protocol = &tunnel_protocol;
    conn_move(conn, CONN_TUNNEL);
    conn_set_deadline(conn, INT64_MAX);
    conn_want(conn, WATCH_READ);
    out_tunnel[0] = tunnel;
    conn_enter(conn);
    conn_queue(conn, buf_str(&conn->server->scratch)); /* Sent, and the rest shown, by a task. */
    server_give_exchange(conn->server, x);
    conn_leave(conn);
    return 0;
}

bool tunnel_write(struct tunnel *tunnel, struct str bytes)
{
    struct conn *conn = tunnel->conn;
    assert(loop_is_current(conn->server->loop) && !tunnel->is_closed);
    if (conn->state == CONN_DEAD) /* inside on_closed */
        return true;
    size_t unsent = conn_unsent(conn) + bytes.len;
    conn_queue(conn, bytes);
    if (unsent > conn->server->limits.unsent_max) {
        conn_set_deadline(conn, 0); /* Cut as by a time-out, but not under the handler's feet. */
        return false;
    }
    tunnel->is_waiting = unsent >= UNSENT_HIGH && tunnel->handler.on_drained != NULL;
    return unsent < UNSENT_HIGH;
}

void tunnel_pause(struct tunnel *tunnel)
{
    tunnel->is_paused = true;
    if (tunnel->conn->state != CONN_DEAD)
        conn_want(tunnel->conn, 0);
}

void tunnel_resume(struct tunnel *tunnel)
{
    tunnel->is_paused = false;
    if (tunnel->conn->state == CONN_DEAD)
        return;
    conn_want(tunnel->conn, WATCH_READ);
    conn_queue(tunnel->conn, STR_NONE); /* What waited here is shown by the task. */
}

void tunnel_close(struct tunnel *tunnel)
{
    struct conn *conn = tunnel->conn;
    assert(loop_is_current(conn->server->loop) && !tunnel->is_closed);
    tunnel->is_closed = true;
    if (conn->state == CONN_DEAD)
        return;
    conn_want(conn, 0);
    conn_set_timeout(conn, conn->server->limits.body_timeout_ms);
    conn_queue(conn, STR_NONE); /* Closed when all has left, by the task or when writable. */
}
