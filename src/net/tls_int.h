#pragma once
/* What connections know of TLS. All on the server's loop. */
#include "net/tls.h"

enum { TLS_TICKET_KEY_SIZE = 80 };

struct tls_identity {
    struct buf cert, key;                          /* PEM */
    unsigned char ticket_key[TLS_TICKET_KEY_SIZE]; /* the same on all loops: any may resume */
};

struct input;
struct tls_context; /* of a server */
struct tls;         /* of a connection */

CHECK_RESULT int tls_context_new(const struct tls_identity *identity,
                                 struct tls_context **out_context, struct err *err);
void tls_context_free(struct tls_context *context);

/* fd: borrowed. first: the bytes read so far; takes it, *out_spent is it again once all of it has
 * been read (to be given back), then NULL. NULL: no memory. */
struct tls *tls_new(struct tls_context *context, int fd, struct input *first);
struct input *tls_take_spent(struct tls *tls);
struct input *tls_free(struct tls *tls); /* what tls_take_spent would give, or NULL */

/* Of a client. ca_path: PEM of whom to trust; NULL: the system's. is_unverified: anyone.
 * errors: -EINVAL ca_path cannot be read as that. */
CHECK_RESULT int tls_client_context_new(const char *ca_path, bool is_unverified,
                                        struct tls_context **out_context, struct err *err);
/* host: a name or a numeric address that the certificate must be for. fd: borrowed. NULL: no
 * memory. */
struct tls *tls_client_new(struct tls_context *context, int fd, const char *host);
/* After TLS_FAILED. -EKEYREJECTED: the certificate is not trusted; -EPROTO: anything else. */
int tls_client_error(struct tls *tls, struct err *err);

enum tls_progress { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED };
enum tls_progress tls_handshake(struct tls *tls);
bool tls_is_http2(const struct tls *tls); /* agreed by ALPN; after TLS_DONE */

/* As recv(2) and send(2): -1 and errno, EAGAIN when the socket has to become ready first. */
ssize_t tls_receive(struct tls *tls, void *to, size_t size);
ssize_t tls_peek(struct tls *tls); /* one byte */
ssize_t tls_send(struct tls *tls, struct str bytes);
bool tls_has_pending(const struct tls *tls); /* bytes that no event on the socket will announce */
void tls_say_goodbye(struct tls *tls);       /* close_notify: the end is meant */
