#pragma once
/* What server.c (listeners, life), conn.c (connections) and answer.c (answers) share. */
#include "base/buf.h"
#include "base/list.h"
#include "net/server.h"

enum {
    INPUT_BYTES = 16 * 1024, /* first read buffer; a request that fits is never copied */
    PEER_TEXT_MAX = 64,
    LISTENERS_MAX = 8,
};

/* Bytes read and not yet consumed. Pooled: only connections in the middle of something have one. */
struct input {
    struct input *next_free;
    size_t len, cap;
    char bytes[];
};

/*        bytes           head            body                answer          sent
 *  IDLE ───────→ HEAD ───────→ BODY ───────────────→ BUSY ───────────→ FLUSH ─────→ IDLE
 *                 │             │ answered, refused                     ↑  │ last answer
 *                 └─────────────┴───────────────────────────────────────┘  └────→ LINGER
 *                   refused
 *  Any state may become DEAD: the descriptor is closed. Memory goes when no handler holds the
 *  exchange any more. */
enum conn_state {
    CONN_IDLE,   /* no byte of a request; no input buffer */
    CONN_HEAD,   /* some bytes, head incomplete */
    CONN_BODY,   /* exchange made, body incomplete; inside on_request also */
    CONN_BUSY,   /* the handler has the whole request and owes the answer */
    CONN_FLUSH,  /* answer given, perhaps not all sent; exchange ended */
    CONN_LINGER, /* sending half closed; reading to the end so that no reset eats the answer */
    CONN_DEAD,
};

struct conn {
    struct server *server; /* borrowed: outlives its connections */
    struct list_node node; /* server->conns, unless DEAD */
    enum conn_state state; /* written by conn_move only */
    int fd;                /* owned; -1 when DEAD */
    struct watch *watch;   /* owned; NULL when DEAD */
    struct timer timer;    /* set lazily: may fire before deadline_us and then moves on */
    int64_t deadline_us;   /* INT64_MAX: none */
    struct input *input;   /* owned; NULL when nothing is buffered */
    size_t scanned;        /* HEAD: input bytes that hold no end of a head */
    size_t used;           /* input bytes that belong to the request being answered */
    struct exchange *x;    /* owned while BODY and BUSY, and while a handler holds it */
    struct buf out;        /* the unsent rest of an answer, from out_at on */
    size_t out_at;
    unsigned entered;  /* calls on the stack that use this connection */
    bool is_last;      /* closes after the answer */
    bool is_abandoned; /* closing with request bytes unread: linger */
    bool is_eof;       /* the peer sends no more */
    char peer[PEER_TEXT_MAX];
};

enum body_kind {
    BODY_IN_PLACE, /* behind the head, in the input buffer */
    BODY_OWN,      /* too long for that: received straight into `body` */
    BODY_CHUNKED,  /* decoded from the input buffer into `body` */
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
    void *user; /* the handler's */
    void (*on_gone)(void *user);
    bool is_gone;
    struct http_head head; /* views into conn->input */
};

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
    struct buf scratch; /* an answer being composed */
    struct buf date;    /* "Date: …\r\n" of date_second */
    int64_t date_second;
    struct input *free_inputs; /* pools, each to POOL_MAX */
    struct exchange *free_exchanges;
    size_t free_input_count, free_exchange_count;
    size_t body_bytes; /* memory of all bodies of their own */
    size_t held;       /* DEAD connections whose exchange a handler still holds */
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
void server_conn_died(struct server *server, bool is_held);
void server_unhold(struct server *server); /* may free the server */

/* conn.c */
void conn_open(struct server *server, int fd, struct str peer); /* takes fd */
void conn_kill(struct conn *conn);
void conn_mark_gone(struct conn *conn); /* tells the handler, once */
void conn_move(struct conn *conn, enum conn_state to);
/* Composed answer: sends head and body, keeping (a copy of) what the socket does not take. */
void conn_send(struct conn *conn, struct str head, struct str body);
/* The exchange has been answered: gives it up. */
void conn_end_exchange(struct conn *conn);
void conn_enter(struct conn *conn);
void conn_run(struct conn *conn);
void conn_leave(struct conn *conn); /* conn may be gone afterwards */

/* answer.c: an answer of the server itself, after which the connection closes. status: 4xx, 5xx. */
void conn_refuse(struct conn *conn, int status, const char *reason);
/* The same as bytes for a connection that is not even taken in. */
struct str server_refusal(struct server *server, int status, const char *reason, bool is_head);
