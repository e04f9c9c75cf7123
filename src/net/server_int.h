#pragma once
/* What the files behind server.h share: server.c (listeners, life, pools), conn.c (bytes and time
 * of a connection), http1_conn.c and http1_body.c (HTTP/1.1 on it), exchange.c and answer.c (what
 * handlers call). */
#include "base/buf.h"
#include "base/list.h"
#include "net/http2_head.h"
#include "net/server.h"

enum {
    INPUT_BYTES = 16 * 1024, /* first read buffer; a request that fits is never copied */
    CHUNK_BYTES = 64 * 1024, /* read at once of a streamed body */
    UNSENT_HIGH = 64 * 1024, /* a writer that has more than this waiting is asked to wait */
    PEER_TEXT_MAX = 64,
    REFUSAL_TEXT_MAX = 256,
    LISTENERS_MAX = 8,
};

/* Bytes read and not yet consumed. Pooled: only connections in the middle of something have one. */
struct input {
    struct input *next_free;
    size_t len, cap;
    char bytes[];
};

/*        bytes           head            body              answer           sent
 *  IDLE ───────→ HEAD ───────→ BODY ─────────────→ BUSY ───────────→ FLUSH ─────→ IDLE
 *                 │             │ │ begun            │ begun      end ↑ ↑ │ last answer
 *                 │             │ └──────────────────┴──→ ANSWER ─────┘ │ └────→ LINGER
 *                 └─────────────┴───────────────────────────────────────┘
 *      │            refused       answered, refused
 *      ├→ HANDSHAKE, when the first byte is that of TLS; then IDLE or HTTP2
 *      │            BUSY may become TUNNEL: an upgrade, the last exchange of the connection
 *      └→ HTTP2, when the first bytes are its preface: exchanges have a life of their own there
 *  Any state may become DEAD: the descriptor is closed. Memory goes when no handler holds an
 *  exchange of the connection any more. */
enum conn_state {
    CONN_IDLE,      /* no byte of a request; no input buffer */
    CONN_HEAD,      /* some bytes, head incomplete */
    CONN_BODY,      /* exchange made, body incomplete; inside on_request also */
    CONN_BUSY,      /* the handler has the whole request and owes the answer */
    CONN_ANSWER,    /* the handler is writing a streamed answer */
    CONN_FLUSH,     /* answer given, perhaps not all sent; exchange ended */
    CONN_HANDSHAKE, /* of TLS; from HEAD, when the first byte is its */
    CONN_TUNNEL,    /* upgraded: bytes for a handler; from BUSY */
    CONN_HTTP2,     /* speaks HTTP/2; from HEAD, when the first bytes are its preface */
    CONN_LINGER,    /* sending half closed; reading to the end so that no reset eats the answer */
    CONN_DEAD,
};

struct conn {
    struct server *server; /* borrowed: outlives its connections */
    struct list_node node; /* server->conns, unless DEAD */
    const struct protocol *protocol;
    enum conn_state state; /* written by conn_move only */
    int fd;                /* owned; -1 when DEAD */
    struct watch *watch;   /* owned; NULL when DEAD */
    int wanted;            /* WATCH_READ or WATCH_HANGUP or 0, by the protocol */
    struct timer timer;    /* set lazily: may fire before deadline_us and then moves on */
    int64_t deadline_us;   /* INT64_MAX: none */
    struct input *input;   /* owned; NULL when nothing is buffered */
    size_t scanned;        /* HEAD: input bytes that hold no end of a head */
    size_t used;           /* input bytes that belong to the request being answered */
    struct exchange *x;    /* HTTP/1.1, BODY to ANSWER: owned */
    struct http2 *http2;   /* HTTP/2: owned */
    struct tunnel *tunnel; /* TUNNEL: owned */
    struct tls *tls;       /* owned; NULL in the clear */
    struct buf out;        /* unsent bytes, from out_at on */
    size_t out_at;
    struct task flush; /* posted while is_flush_due */
    unsigned entered;  /* calls on the stack that use this connection */
    unsigned held;     /* exchanges that handlers still hold although their client is gone */
    bool is_flush_due;
    bool is_blocked;   /* the socket takes no more for now; WRITE is watched */
    bool is_last;      /* closes after the answer */
    bool is_cut;       /* closing in the middle of an answer: no friendly end of TLS */
    bool is_abandoned; /* closing with request bytes unread: linger */
    bool is_eof;       /* the peer sends no more */
    bool is_used;      /* a request has been read: what comes next is no preface of HTTP/2 */
    bool is_tls;       /* stays when tls has gone, as peer does: any thread may read them */
    char peer[PEER_TEXT_MAX];
};

enum body_kind {
    BODY_IN_PLACE, /* behind the head, in the input buffer */
    BODY_OWN,      /* too long for that: received straight into `body` */
    BODY_CHUNKED,  /* decoded from the input buffer into `body` */
    BODY_STREAMED, /* given to on_chunk as it comes */
};

/* How the end of a streamed answer is told. */
enum answer_framing {
    FRAMING_NONE, /* no body: HEAD, 204, 304 */
    FRAMING_LENGTH,
    FRAMING_CHUNKED,
    FRAMING_CLOSE, /* HTTP/1.0 */
};

struct exchange {
    struct conn *conn; /* never NULL; may be DEAD */
    struct exchange *next_free;
    size_t head_len; /* in the input buffer */
    size_t body_limit;
    enum body_kind body_kind;
    struct buf body;      /* owned */
    size_t counted_bytes; /* of body's memory, in server->body_bytes */
    struct http1_chunked chunked;
    uint64_t streamed;     /* bytes given to on_chunk */
    int64_t body_since_us; /* when body_rate_min began to count; 0: not yet, or paused since */
    enum answer_framing framing;
    int64_t answer_left; /* FRAMING_LENGTH: bytes still to be written */
    void *user;          /* the handler's */
    void (*on_gone)(void *user);
    void (*on_chunk)(void *user, struct str bytes);
    void (*on_drained)(void *user);
    bool is_whole;  /* on_body has been called: the handler owes an answer */
    bool is_begun;  /* exchange_begin has been called */
    bool is_gone;   /* the client has left, or seems to have */
    bool is_dead;   /* nothing can be sent any more; only the handler keeps it */
    bool is_paused; /* by the handler */
    bool owes_continue;
    bool is_waiting;     /* for on_drained */
    bool is_overwritten; /* more was written than announced */
    /* HTTP/2 only. */
    int32_t stream_id;
    struct list_node node;    /* http2->exchanges */
    struct http2_head fields; /* owned; head has views into it */
    struct buf out;           /* owned: bytes of the answer, waiting for a window, from out_at */
    size_t out_at;
    struct buf trailers;        /* owned: name NUL value NUL … */
    struct timer timer;         /* progress of body and answer */
    bool is_answered, is_ended; /* an answer is under way; nothing more will be written */
    bool is_body_ended;         /* by the client */
    bool is_due;                /* its pause is over, or its writer may go on */

    struct http_head head; /* views into conn->input or fields */
};

/* An answer of either kind. */
struct answer {
    int status;
    const struct http_header *headers;
    size_t header_count;
    struct str body;
    bool is_head; /* answers a HEAD request */
    bool is_last; /* the connection closes */
    int minor_version;
    bool is_streamed;
    enum answer_framing framing;
    int64_t content_length; /* streamed with FRAMING_LENGTH, or announced to HEAD */
};

/* What a connection speaks. All run with the connection entered; the exchange is alive. */
struct protocol {
    void (*readable)(struct conn *conn, int events);
    void (*run)(struct conn *conn);     /* goes on with what is there */
    void (*drained)(struct conn *conn); /* everything in `out` has left */
    void (*timeout)(struct conn *conn);
    void (*closed)(struct conn *conn); /* DEAD now: exchanges are told, held or given back */
    void (*answer)(struct exchange *x, struct answer *a);
    void (*begin)(struct exchange *x, struct answer *a);
    void (*write)(struct exchange *x, struct str bytes);
    size_t (*unsent)(const struct exchange *x);
    void (*end)(struct exchange *x, const struct http_header *trailers, size_t trailer_count);
    void (*abort)(struct exchange *x);
    void (*resume)(struct exchange *x); /* a streamed body, no longer paused */
};
extern const struct protocol http1_protocol, http2_protocol;

struct listener {
    struct server *server;
    struct watch *watch;
    int fd;
};

struct server {
    struct loop *loop;
    struct server_limits limits;
    struct server_handler handler;
    struct list conns; /* all that are not DEAD */
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    struct timer accept_pause, drain_timer;
    const struct tls_identity *tls_identity; /* borrowed; NULL: no TLS */
    struct tls_context *tls_context;         /* owned; made for the first TLS client */
    struct buf scratch;                      /* an answer being composed */
    struct buf date;                         /* "Date: …\r\n" of date_second */
    int64_t date_second;
    char *chunk; /* owned, CHUNK_BYTES: where streamed bodies pass through; made when needed */
    struct input *free_inputs; /* pools, each to POOL_MAX */
    struct exchange *free_exchanges;
    size_t free_input_count, free_exchange_count;
    size_t body_bytes; /* memory of all bodies of their own */
    size_t held;       /* dead exchanges that handlers still hold */
    bool is_draining, is_drained, is_freed;
    void (*on_drained)(void *arg);
    void *drained_arg;
    struct task drained_task;
};

/* server.c */
struct input *server_take_input(struct server *server, size_t cap);
void server_give_input(struct server *server, struct input *input); /* NULL is fine */
struct exchange *server_take_exchange(struct server *server);
void server_give_exchange(struct server *server, struct exchange *x); /* NULL is fine */
char *server_chunk(struct server *server);
void server_conn_died(struct server *server);
void server_unhold(struct server *server); /* may free the server */

/* conn.c: life */
void conn_open(struct server *server, int fd, struct str peer); /* takes fd */
void conn_kill(struct conn *conn);
void conn_move(struct conn *conn, enum conn_state to);
void conn_enter(struct conn *conn);
void conn_leave(struct conn *conn); /* conn may be gone afterwards */
/* time */
void conn_set_deadline(struct conn *conn, int64_t deadline_us); /* INT64_MAX: none */
void conn_set_timeout(struct conn *conn, int64_t timeout_ms);
/* bytes */
void conn_want(struct conn *conn, int events);
void conn_set_blocked(struct conn *conn, bool is_blocked);      /* watches for WRITE, too */
ssize_t conn_receive(struct conn *conn, void *to, size_t size); /* -1: errno */
ssize_t conn_peek(struct conn *conn);                           /* one byte; as conn_receive */
void conn_end_sending(struct conn *conn);                       /* shutdown(SHUT_WR) */
/* Sends both, keeping (a copy of) what the socket does not take. True when nothing is unsent. The
 * connection may be DEAD afterwards. */
bool conn_send(struct conn *conn, struct str head, struct str body);
/* Adds to what leaves at the end of this turn, or at once when it has become much. */
void conn_write(struct conn *conn, struct str bytes);
void conn_queue(struct conn *conn, struct str bytes); /* as conn_write, but always later */
void conn_flush_soon(struct conn *conn);
bool conn_flush(struct conn *conn); /* as conn_send, of what is unsent */
size_t conn_unsent(const struct conn *conn);
bool is_would_block(int code);

/* exchange.c */
void exchange_init(struct exchange *x, struct conn *conn);
void exchange_mark_gone(struct exchange *x); /* tells the handler, once; it may answer inside */
/* Nothing can be sent any more. The handler is told; the exchange is given back unless held. */
void exchange_die(struct exchange *x);
/* All bodies together have a limit, too: many clients may each keep below their own. */
bool exchange_is_within_budget(struct exchange *x);
/* By when the next piece of its body has to be there, `received` bytes having come: in time after
 * the last, and on the whole not slower than body_rate_min. Microseconds. */
int64_t exchange_body_deadline(struct exchange *x, uint64_t received);

/* answer.c: fills the server's scratch buffer with the head; false when it does not fit. */
bool answer_compose(struct server *server, const struct answer *a);
bool answer_has_no_body(const struct answer *a);
bool status_has_no_body(int status);
bool header_is_framing(struct str name);               /* not the handler's to say */
struct str answer_head_length(const struct answer *a); /* what HEAD is told; else {NULL, 0} */
struct str server_date(struct server *server);         /* "Date: …\r\n" */
/* The same for a refusal of the server itself, with its body. status: 4xx, 5xx. */
struct str server_refusal(struct server *server, int status, const char *reason, bool is_head);
struct str refusal_text(char out[REFUSAL_TEXT_MAX], int status, const char *reason);

/* http1_body.c: of an exchange in BODY. place: chooses where it goes and moves there what came with
 * the head. decode, stream: what has arrived since; they may refuse, and a streamed body's handler
 * may do anything. */
size_t http1_body_length(const struct exchange *x); /* as announced; chunked: 0 */
void http1_body_place(struct conn *conn, struct exchange *x);
void http1_body_decode(struct conn *conn, struct exchange *x);
void http1_body_stream(struct conn *conn, struct exchange *x);
void http1_body_deliver(struct exchange *x, struct str bytes); /* read past the input buffer */
uint64_t http1_body_left(const struct exchange *x); /* of a streamed one of known length */
bool http1_body_is_whole(const struct conn *conn, const struct exchange *x);
uint64_t http1_body_received(const struct conn *conn, const struct exchange *x);

/* http1_conn.c */
void http1_send(struct conn *conn, struct str head, struct str body); /* FLUSH: all of an answer */
void http1_finish(struct conn *conn); /* ANSWER: everything has been written */

/* http1_answer.c: parts of http1_protocol; and an answer of the server itself, after which the
 * connection closes. */
void http1_answer(struct exchange *x, struct answer *a);
void http1_begin(struct exchange *x, struct answer *a);
void http1_write(struct exchange *x, struct str bytes);
size_t http1_unsent(const struct exchange *x);
void http1_end(struct exchange *x, const struct http_header *trailers, size_t trailer_count);
void http1_abort(struct exchange *x);
void http1_put_upgrade(struct server *server, const struct http_header *headers, size_t count);
void http1_refuse(struct conn *conn, int status, const char *reason);

/* http2_conn.c: HTTP/2 from here on; the preface is at the front of conn->input. */
void http2_start(struct conn *conn);
void http2_drain(struct conn *conn); /* takes no new requests; closes after the last */
/* http2_answer.c: parts of http2_protocol, and the answers of the server itself. */
void http2_answer(struct exchange *x, struct answer *a);
void http2_begin(struct exchange *x, struct answer *a);
void http2_write(struct exchange *x, struct str bytes);
size_t http2_unsent(const struct exchange *x);
void http2_end(struct exchange *x, const struct http_header *trailers, size_t trailer_count);
void http2_abort(struct exchange *x);
void http2_refuse(struct exchange *x, int status, const char *reason);

/* handshake.c: TLS from here on; its first bytes are in conn->input. */
void handshake_start(struct conn *conn);
