/* TLS 1.2 and 1.3 over OpenSSL, on descriptors of our own.
 *
 * OpenSSL reads and writes through a BIO of ours: it first replays the bytes that were read before
 * we knew that this is TLS, and it sends without SIGPIPE. Everything is non-blocking; an SSL object
 * belongs to one connection on one loop.
 *
 * Cost, measured on a 2-core VM: linking libssl adds 0.15 ms and 0.25 MB to the start, which is
 * less than a dlopen would be worth. An SSL_CTX takes 2.3 ms and 1.3 MB, so it is made when the
 * first client speaks TLS; this once, the loop is over its millisecond.
 *
 * Sessions are resumed by tickets, whose key all loops share; the server keeps no session. Clients
 * cannot renegotiate. Buffers go back when a connection is idle. */

/* Before our own headers: OpenSSL names parameters like functions that base/banned.h forbids. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "net/tls_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "net/server_int.h"

#include <errno.h>
#include <sys/socket.h>

struct tls_context {
    SSL_CTX *ctx;       /* owned */
    BIO_METHOD *method; /* owned */
};

struct tls {
    SSL *ssl; /* owned, with its BIO */
    int fd;   /* borrowed from the connection */
    struct input *first;
    size_t first_at;
};

/* --- the BIO --- */

static int bio_read(BIO *bio, char *to, int size)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->first != NULL && tls->first_at < tls->first->len) {
        struct str rest =
            str_of(tls->first->bytes + tls->first_at, tls->first->len - tls->first_at);
        rest = str_head(rest, (size_t) size);
        memcpy(to, rest.ptr, rest.len);
        tls->first_at += rest.len;
        return (int) rest.len;
    }
    ssize_t n = recv(tls->fd, to, (size_t) size, 0);
    if (n < 0 && is_would_block(errno))
        BIO_set_retry_read(bio);
    return (int) n;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    const struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = send(tls->fd, bytes, (size_t) size, MSG_NOSIGNAL);
    if (n < 0 && is_would_block(errno))
        BIO_set_retry_write(bio);
    return (int) n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void) bio;
    (void) number;
    (void) pointer;
    return command == BIO_CTRL_FLUSH; /* Nothing is kept back; no other command applies. */
}

/* --- contexts --- */

static int fail(struct err *err, const char *what)
{
    char text[120];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return err_say(err, -EINVAL, "%s: %s", what, text);
}

/* The server's choice among what the client offers: HTTP/2 when it can. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned offered_len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void) ssl;
    (void) arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 section 3.2 */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int use_chain(SSL_CTX *ctx, struct str pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int) pem.len);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    bool is_fine = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;
    X509_free(cert);
    while (is_fine && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        is_fine = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
        if (!is_fine)
            X509_free(cert);
    }
    BIO_free(bio);
    return is_fine ? 0 : fail(err, "read the TLS certificate");
}

static int use_key(SSL_CTX *ctx, struct str pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int) pem.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, (char *) "");
    ERR_clear_error(); /* PEM leaves "no start line" behind the last certificate. */
    bool is_fine = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    if (!is_fine)
        return fail(err, "read the TLS key (one without a password)");
    return SSL_CTX_check_private_key(ctx) == 1 ? 0 : fail(err, "match TLS key and certificate");
}

/* What servers and clients share. */
static int context_begin(struct tls_context *context, const SSL_METHOD *side, struct err *err)
{
    SSL_CTX *ctx = context->ctx = SSL_CTX_new(side);
    BIO_METHOD *method = context->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "connection");
    if (ctx == NULL || method == NULL || BIO_meth_set_read(method, bio_read) != 1 ||
        BIO_meth_set_write(method, bio_write) != 1 || BIO_meth_set_ctrl(method, bio_ctrl) != 1 ||
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return fail(err, "set up TLS");
    return 0;
}

static int context_fill(struct tls_context *context, const struct tls_identity *identity,
                        struct err *err)
{
    int rc = context_begin(context, TLS_server_method(), err);
    if (rc < 0)
        return rc;
    SSL_CTX *ctx = context->ctx;
    if (SSL_CTX_set_tlsext_ticket_keys(ctx, (void *) identity->ticket_key, TLS_TICKET_KEY_SIZE) !=
        1)
        return fail(err, "set up TLS");
    (void) SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                        SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    (void) SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void) SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets instead */
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    rc = use_chain(ctx, buf_str(&identity->cert), err);
    return rc < 0 ? rc : use_key(ctx, buf_str(&identity->key), err);
}

int tls_context_new(const struct tls_identity *identity, struct tls_context **out_context,
                    struct err *err)
{
    struct tls_context *context = NEW(struct tls_context);
    int rc = context_fill(context, identity, err);
    if (rc < 0)
        tls_context_free(context);
    else
        *out_context = context;
    return rc;
}

int tls_client_context_new(const char *ca_path, bool is_unverified,
                           struct tls_context **out_context, struct err *err)
{
    struct tls_context *context = NEW(struct tls_context);
    int rc = context_begin(context, TLS_client_method(), err);
    if (rc >= 0) {
        SSL_CTX_set_verify(context->ctx, is_unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        (void) SSL_CTX_set_mode(context->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        if (ca_path != NULL && SSL_CTX_load_verify_file(context->ctx, ca_path) != 1)
            rc = fail(err, "read the certificates to trust");
        else if (ca_path == NULL && SSL_CTX_set_default_verify_paths(context->ctx) != 1)
            rc = fail(err, "read the system's certificates");
    }
    if (rc < 0)
        tls_context_free(context);
    else
        *out_context = context;
    return rc;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ctx);
    BIO_meth_free(context->method);
    free(context);
}

/* --- connections --- */

static struct tls *connection_new(struct tls_context *context, int fd, struct input *first)
{
    SSL *ssl = SSL_new(context->ctx);
    BIO *bio = BIO_new(context->method);
    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        return NULL;
    }
    struct tls *tls = NEW(struct tls);
    *tls = (struct tls){.ssl = ssl, .fd = fd, .first = first};
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return tls;
}

struct tls *tls_new(struct tls_context *context, int fd, struct input *first)
{
    struct tls *tls = connection_new(context, fd, first);
    if (tls != NULL)
        SSL_set_accept_state(tls->ssl);
    return tls;
}

struct tls *tls_client_new(struct tls_context *context, int fd, const char *host)
{
    struct tls *tls = connection_new(context, fd, NULL);
    if (tls == NULL)
        return NULL;
    /* Only names may be announced, RFC 6066 section 3; an address is looked for as such. */
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host) == 1;
    ERR_clear_error();
    if (!is_address &&
        (SSL_set1_host(tls->ssl, host) != 1 || SSL_set_tlsext_host_name(tls->ssl, host) != 1)) {
        (void) tls_free(tls); /* it had no first bytes */
        return NULL;
    }
    SSL_set_connect_state(tls->ssl);
    return tls;
}

int tls_client_error(struct tls *tls, struct err *err)
{
    long verdict = SSL_get_verify_result(tls->ssl);
    if (verdict != X509_V_OK && (SSL_get_verify_mode(tls->ssl) & SSL_VERIFY_PEER) != 0)
        return err_say(err, -EKEYREJECTED, "the server's certificate is not trusted: %s",
                       X509_verify_cert_error_string(verdict));
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    return err_say(err, -EPROTO, "no TLS with the server: %s",
                   reason == NULL ? "it closed the connection" : reason);
}

struct input *tls_take_spent(struct tls *tls)
{
    bool is_spent = tls->first != NULL && tls->first_at == tls->first->len;
    return is_spent ? take_ptr(&tls->first) : NULL;
}

struct input *tls_free(struct tls *tls)
{
    struct input *first = tls->first;
    SSL_free(tls->ssl);
    free(tls);
    return first;
}

enum tls_progress tls_handshake(struct tls *tls)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(tls->ssl);
    if (rc == 1)
        return TLS_DONE;
    int code = SSL_get_error(tls->ssl, rc);
    return code == SSL_ERROR_WANT_READ    ? TLS_WANTS_READ
           : code == SSL_ERROR_WANT_WRITE ? TLS_WANTS_WRITE
                                          : TLS_FAILED;
}

bool tls_is_http2(const struct tls *tls)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return str_eq(str_of(name, len), STR("h2"));
}

/* What SSL_read, _peek and _write say, in the words of recv and send. */
static ssize_t result(struct tls *tls, int rc)
{
    if (rc > 0)
        return rc;
    switch (SSL_get_error(tls->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: errno = ECONNRESET; return -1;
    }
}

static int int_size(size_t size)
{
    return size > INT32_MAX ? INT32_MAX : (int) size;
}

ssize_t tls_receive(struct tls *tls, void *to, size_t size)
{
    ERR_clear_error();
    return result(tls, SSL_read(tls->ssl, to, int_size(size)));
}

ssize_t tls_peek(struct tls *tls)
{
    char byte;
    ERR_clear_error();
    return result(tls, SSL_peek(tls->ssl, &byte, 1));
}

ssize_t tls_send(struct tls *tls, struct str bytes)
{
    size_t sent = 0;
    while (sent < bytes.len) { /* one record at a time */
        ERR_clear_error();
        ssize_t n = result(tls, SSL_write(tls->ssl, bytes.ptr + sent, int_size(bytes.len - sent)));
        if (n == 0)
            errno = ECONNRESET; /* The peer has said goodbye, to both directions for us. */
        if (n <= 0)
            return sent > 0 && n < 0 && errno == EAGAIN ? (ssize_t) sent : -1;
        sent += (size_t) n;
    }
    return (ssize_t) sent;
}

bool tls_has_pending(const struct tls *tls)
{
    return SSL_pending(tls->ssl) > 0 || (tls->first != NULL && tls->first_at < tls->first->len);
}

void tls_say_goodbye(struct tls *tls)
{
    ERR_clear_error();
    if (SSL_is_init_finished(tls->ssl))
        (void) SSL_shutdown(tls->ssl); /* One try; nobody waits for the answer. */
}
