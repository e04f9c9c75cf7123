#pragma once
/* The HTTP server: listeners on loops, connections, exchanges.
 *
 * An exchange is one request and its answer. The handler is called once the head is there; the
 * body is collected up to the limit the handler set, then on_body runs. Answering may happen later,
 * on the same loop thread, exactly once. A client that goes away marks the exchange (is_gone);
 * answering it is still legal and harmless, so that whoever works on it needs no second path. (A
 * client may close its sending half only; TCP shows the same end of file for that. So the end of
 * file marks the exchange, and an answer is sent all the same.)
 *
 * Bodies and answers that are larger than memory, or come bit by bit, are streamed: the body by
 * exchange_stream_body, the answer by exchange_begin, _write, _end. Both push back.
 *
 * Pipelined requests are answered in order: the next is read from the connection when the answer
 * to the one before has left. An answer begun before the body is there means that the rest of the
 * body is not wanted: it ends the connection.
 *
 * thread: all calls on the loop's thread. */
#include "net/http1.h"
#include "net/loop.h"

struct server;
struct exchange;

struct server_limits {
    size_t conns_max;        /* per loop; further connections are answered 503 and closed */
    size_t body_max;         /* bytes of a buffered body; beyond: 413 */
    size_t bodies_max;       /* memory of all of them together; beyond: 503. 0: 16 * body_max */
    int64_t head_timeout_ms; /* from the first byte of a request to the end of its head */
    int64_t idle_timeout_ms; /* between requests */
    int64_t body_timeout_ms; /* without progress while a body is read or an answer written */
    uint64_t body_rate_min;  /* bytes/s of a body on the whole, after body_timeout_ms. 0: any */
    size_t unsent_max;       /* of one streamed answer; beyond, the client is cut. 0: 1 MB */
};

struct server_handler {
    /* The head is complete. May answer at once (for example 413); else sets the body limit and
     * returns. Until on_body the exchange is the server's: it refuses a body that breaks the limit,
     * the coding or the time, the exchange then ends, and on_gone is the last the handler hears. */
    void (*on_request)(void *arg, struct exchange *x);
    /* The whole body is there: exchange_body(x). Directly after on_request when there is none. From
     * here on the handler has to answer, at once or later. */
    void (*on_body)(void *arg, struct exchange *x);
    void *arg;
};

CHECK_RESULT int server_new(struct loop *loop, const struct server_limits *limits,
                            const struct server_handler *handler, struct server **out_server,
                            struct err *err);
/* Takes a listening, non-blocking socket (owned from here on). */
CHECK_RESULT int server_listen(struct server *server, int listen_fd, struct err *err);
/* Stops accepting; running exchanges finish; on_drained runs (as a task) once the last connection
 * is closed or after timeout_ms, when the rest is cut. */
void server_drain(struct server *server, int64_t timeout_ms, void (*on_drained)(void *arg),
                  void *arg);
/* At once instead: listeners and connections are cut, nothing is told. For a server that serves one
 * client which has ended. Not from within a call of its own handler. */
void server_close(struct server *server);
/* After on_drained, or server_close. Exchanges that handlers still hold may be answered even later.
 */
void server_free(struct server *server);

/* What the handler sees. All views live as long as the exchange. */
const struct http_head *exchange_head(const struct exchange *x);
struct str exchange_body(const struct exchange *x);
struct loop *exchange_loop(const struct exchange *x);
bool exchange_is_gone(const struct exchange *x);
struct str exchange_peer(const struct exchange *x); /* "127.0.0.1:4711" */
bool exchange_is_tls(const struct exchange *x);
void exchange_set_body_limit(struct exchange *x, size_t limit_bytes);
/* A slot for the handler's own state; on_gone (may be NULL) is called, at most once, when the
 * client disconnects first. It must not answer the exchange itself: after on_body, answer later. */
void exchange_set_user(struct exchange *x, void *user, void (*on_gone)(void *user));
void *exchange_user(const struct exchange *x);

/* Inside on_request: the body comes in chunks instead. on_chunk gets each as it arrives (a view
 * until it returns), then on_body runs with an empty exchange_body. The body limit counts all
 * bytes. Until the body ends the exchange may be answered at any time; a client that leaves or
 * breaks a rule ends it, and on_gone is the last the handler hears. */
void exchange_stream_body(struct exchange *x, void (*on_chunk)(void *user, struct str bytes));
/* Besides: the trailers of a chunked body (RFC 9110 section 6.5) go to `lines` before on_body, see
 * http1_trailer_find. Borrowed until then. HTTP/2 gives none. */
void exchange_keep_trailers(struct exchange *x, struct buf *lines);
/* Stops on_chunk until exchange_resume; TCP or HTTP/2 then slow the client down. A pause inside
 * on_request also keeps "100 Continue" back. No time-out runs while paused. */
void exchange_pause(struct exchange *x);
void exchange_resume(struct exchange *x); /* on_chunk may run inside, unless called from it */

/* Answers: status (200..999, final), headers and body; all three are copied or sent before the call
 * returns. Headers that frame the message (Content-Length, Connection, Transfer-Encoding, Date, …)
 * are written here and left out of `headers`, except that a HEAD request may be given its
 * Content-Length. The exchange ends and must not be touched afterwards. */
void exchange_answer(struct exchange *x, int status, const struct http_header *headers,
                     size_t header_count, struct str body);

/* A streamed answer: exchange_begin, any number of writes, then exchange_end or exchange_abort;
 * the exchange is the handler's until then, also when the client has left (on_gone tells; writes
 * are then dropped). Bytes are copied or sent; those of one turn of the loop leave together. To a
 * HEAD request, and with a status that has no body, writes are dropped as well.
 * content_length: what will be written, -1 unknown. More than announced is dropped and, as less,
 * makes the end an abort. */
struct answer_stream {
    int status;
    const struct http_header *headers; /* as of exchange_answer */
    size_t header_count;
    int64_t content_length;
    void (*on_drained)(void *user); /* with exchange_user; NULL: the handler never waits */
};
void exchange_begin(struct exchange *x, const struct answer_stream *answer);
/* False: much is unsent, on_drained will be called once it has left. The bytes are taken all the
 * same, but who never waits is cut at limits.unsent_max. */
bool exchange_write(struct exchange *x, struct str bytes);
/* The exchange ends, as with exchange_answer. trailers: sent where the framing has a place for
 * them (chunked, HTTP/2), else dropped (RFC 9110 section 6.5.1). */
void exchange_end(struct exchange *x, const struct http_header *trailers, size_t trailer_count);
/* The answer failed on the way, or none will be given: cut so that the client sees it. */
void exchange_abort(struct exchange *x);

/* Opens a listening, non-blocking TCP socket. host: numeric address. port 0: the system chooses;
 * the bound port goes to *out_port. */
CHECK_RESULT int listen_tcp(const char *host, uint16_t port, int *out_fd, uint16_t *out_port,
                            struct err *err);
