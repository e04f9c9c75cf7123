#pragma once
/* A connection after "101 Switching Protocols": bytes both ways, for a protocol of the handler's
 * (WebSocket). Over TLS or not makes no difference. thread: the server's loop. */
#include "net/server.h"

struct tunnel;

/* Each gets the user given to exchange_upgrade. Any of them may write, pause, resume or close. */
struct tunnel_handler {
    void (*on_bytes)(void *user, struct str bytes); /* a view until it returns */
    void (*on_drained)(void *user);                 /* after a write answered false; may be NULL */
    /* The peer has closed or is lost, or nothing could be sent to it for body_timeout_ms: the last
     * call, and the tunnel is gone when it returns. Not called after tunnel_close. */
    void (*on_closed)(void *user);
};

/* Answers 101 and hands the connection over; the exchange ends. For a whole request of HTTP/1.1
 * with "Connection: upgrade"; headers: Upgrade and what else the protocol wants (Connection is
 * written here). What the client sent behind its request comes as on_bytes, later. A tunnel has no
 * idle time-out: its protocol has pings.
 * errors: -ENOTSUP the request came over HTTP/2 (RFC 8441 is not spoken) or asks for no upgrade;
 * -ENOTCONN the client is gone. The exchange is unchanged and wants an answer. */
CHECK_RESULT int exchange_upgrade(struct exchange *x, const struct http_header *headers,
                                  size_t header_count, const struct tunnel_handler *handler,
                                  void *user, struct tunnel **out_tunnel, struct err *err);

/* As exchange_write: false, much is unsent. Over limits.unsent_max the tunnel is cut. */
bool tunnel_write(struct tunnel *tunnel, struct str bytes);
void tunnel_pause(struct tunnel *tunnel); /* no on_bytes until resumed; TCP pushes back */
void tunnel_resume(struct tunnel *tunnel);
/* What was written leaves first, within body_timeout_ms. The tunnel must not be used again. */
void tunnel_close(struct tunnel *tunnel);
