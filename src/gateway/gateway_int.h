#pragma once
/* What the files of this room share. */
#include "core/actor.h"
#include "gateway/auth.h"
#include "gateway/classify.h"
#include "gateway/gateway.h"
#include "net/server.h"

enum {
    BODY_DEFAULT_MAX = 1024 * 1024,
    BODY_LOOP_MAX = 64 * 1024, /* larger bodies are decoded on a worker: a loop has 1 ms */
    ARENA_BASE = 8 * 1024 * 1024,
    REQUEST_ID_SIZE = 37,     /* UUID and a NUL */
    DOOR_CONNS_MAX = 64,      /* of one caller's own door */
    DOOR_IN_FLIGHT_MAX = 256, /* beyond: "slow down", so that one function leaves room for others */
    IDS_AHEAD = 32,           /* random numbers drawn at a time, per loop */
};

/* Where requests come in; the handler's arg. The front door of a loop is part of it and leads to
 * the public; the others are callers' own and live until the last request through them has ended.
 */
struct gateway_door {
    struct gateway_loop *home;
    struct server *server;        /* owned */
    struct gateway_caller caller; /* views into text; account.ptr NULL: the front door */
    char *text;                   /* owned */
    unsigned in_flight;
    bool is_closed;
};

/* One loop's part; that loop's thread only, once it runs. */
struct gateway_loop {
    struct gateway *gateway;
    size_t number;
    struct loop *loop;
    struct gateway_door front;
    unsigned in_flight; /* through all doors */
    struct list spare;  /* of struct request, for reuse */
    unsigned char ids[IDS_AHEAD][16];
    size_t ids_left;
    struct task listen, drain; /* each posted once */
    int listen_fd;
    struct auth_cache signing_keys;
    struct list debug_waiting; /* ends of debug.c without a peer */
    size_t debug_ends;
};

struct gateway {
    struct gateway_config config;
    int64_t drain_timeout_ms;
    struct task *drained;
    void (*ready)(void *arg, int rc, const struct err *err);
    void *ready_arg;
    /* Loops tell loop 0, which counts: no locks. */
    size_t listening, drained_count;
    struct gateway_loop loops[];
};

/* The handler's two halves (arrival.c). */
void request_on_head(void *door, struct exchange *x);
void request_on_body(void *door, struct exchange *x);
/* A request through it has ended (door.c). */
void door_release(struct gateway_door *door);
extern const struct server_limits gateway_limits; /* less conns_max */
void requests_free(struct gateway_loop *home);    /* the spare ones */

/* A UUID of version 4 as text. */
void request_id_make(struct gateway_loop *home, char out_id[REQUEST_ID_SIZE]);

/* True: x asks for something of our own. It has been answered, or will be by own_on_body: its user
 * is then NULL (own.c). */
bool own_take(struct gateway_door *door, struct exchange *x);
void own_on_body(struct gateway_door *door, struct exchange *x);

/* /_virga/debug/TOKEN, with --dev (debug.c). debug_on_body: NULL, the connection is upgraded; else
 * why not, and x wants an answer. */
bool debug_is_asked(const struct gateway_door *door, const struct http_head *head);
const char *debug_on_body(struct gateway_door *door, struct exchange *x);

/* A request for a service's front, recognised by host or path (front.c). */
struct front_found {
    const struct service_front *front;
    const struct installed *installed;
    struct str id;
    struct str path; /* behind the prefix of the path form */
    bool is_path_form;
};
bool front_find(const struct registry *registry, const struct http_head *head,
                struct front_found *out);
/* {"Message": …}, as AWS's data planes say it. */
void front_put_fault(const struct aws_fault *fault, struct arena *arena,
                     struct aws_http_answer *out);

/* Answers for requests that no service takes, in the dialect that the client seems to speak
 * (refuse.c). */
struct refusal {
    int status;
    struct str code, message;
};
void refuse(struct exchange *x, const struct refusal *refusal, struct str service,
            struct str request_id);
