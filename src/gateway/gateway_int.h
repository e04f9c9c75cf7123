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
    REQUEST_ID_SIZE = 37, /* UUID and a NUL */
    IDS_AHEAD = 32,       /* random numbers drawn at a time, per loop */
};

/* One loop's part; that loop's thread only, once it runs. */
struct gateway_loop {
    struct gateway *gateway;
    size_t number;
    struct loop *loop;
    struct server *server; /* owned */
    unsigned in_flight;
    struct list spare; /* of struct request, for reuse */
    unsigned char ids[IDS_AHEAD][16];
    size_t ids_left;
    struct task listen, drain; /* each posted once */
    int listen_fd;
    struct auth_cache signing_keys;
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

/* The handler's two halves (request.c). */
void request_on_head(void *home, struct exchange *x);
void request_on_body(void *home, struct exchange *x);
void requests_free(struct gateway_loop *home); /* the spare ones */

/* A UUID of version 4 as text. */
void request_id_make(struct gateway_loop *home, char out_id[REQUEST_ID_SIZE]);

/* True: x asked for something of our own (health) and has been answered (own.c). */
bool own_answer(struct gateway_loop *home, struct exchange *x);

/* A request for a service's front, recognised by host or path (front.c). */
struct front_found {
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
