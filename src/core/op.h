#pragma once
/* One API operation under way, and how services register theirs.
 *
 * Life: the gateway decodes a request into an op; `prepare` (optional) runs on a worker, where
 * files may be touched; then either `run` on the service's actor inside a transaction, or `start`
 * on the loop (data plane); the answer is encoded from `out` or from the fault. The op and all its
 * memory have one owner at a time and travel with the message. */
#include "aws/wire.h"
#include "base/arena.h"
#include "base/err.h"
#include "os/exec.h"
#include "os/interpreters.h"
#include "os/random.h"

struct actor;
struct db;
struct service;
struct service_front;

struct op_caller {
    struct str account; /* 12 digits */
    struct str region;
    struct str principal;  /* ARN */
    struct str access_key; /* as presented */
};

struct op {
    struct op_caller caller;
    struct str request_id;  /* UUID text */
    struct str host;        /* as the client addressed us, for URLs in answers */
    struct str trace_given; /* the client's X-Amzn-Trace-Id, unchecked; ptr NULL: none */
    struct str trace_id;    /* what the answer says as such; a service sets it that takes part */
    struct arena *arena;
    int64_t now_ms;  /* drawn once: operations are re-runnable */
    struct rng *rng; /* draws for ids happen in prepare or before the first statement */
    struct db *db;   /* the open transaction, in run only */
    void *state;     /* the service's own, from service.open */
    void *prepared;  /* what prepare left for run, in the arena or freed by discard; start's own */
    size_t loop;     /* number of the loop that received it */
    struct exec *loop_exec;
    struct aws_fault fault; /* set through svc_fail */
    bool is_gone;           /* the client went away (loop thread only) */

    const struct service_op *def;
    const void *in;
    void *out;
    void (*finish)(struct op *op, int rc); /* the gateway's; see op_finish */
    const struct op_stream *stream;        /* the gateway's; see op_begin */
    /* Of streamed answers; set by start, called on the loop, not to end the op from inside. */
    void (*on_drained)(struct op *op); /* what op_write wanted to wait for; NULL: never waits */
    void (*on_gone)(struct op *op);    /* is_gone was set just now. NULL: nothing to do */
};

enum { OP_FAILED = -1 }; /* the fault says what */

/* Sets the fault and returns OP_FAILED: `return svc_fail(op, &lambda_error_ResourceNotFound…,
 * "…")`.
 */
CHECK_RESULT int svc_fail(struct op *op, const struct aws_error *error, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Our own failure: logs err with the request id, answers the service's internal error; a full disk
 * or a read-only store says so. */
CHECK_RESULT int svc_fail_internal(struct op *op, const struct err *err);
#ifdef __clang_analyzer__
#define svc_fail(...)              analyzer_negative(svc_fail(__VA_ARGS__))
#define svc_fail_internal(op, err) analyzer_negative(svc_fail_internal(op, err))
#endif

/* The error of an operation (NULL: not known) that stands for an internal failure, for "slow down"
 * and for a body that is too large; never NULL. */
const struct aws_error *op_error_internal(const struct aws_operation *model);
const struct aws_error *op_error_throttling(const struct aws_operation *model);
const struct aws_error *op_error_too_large(const struct aws_operation *model);

/* Ends an op that `start` took; on its loop's thread; rc 0 or OP_FAILED. */
void op_finish(struct op *op, int rc);

/* An answer that grows, for ops that `start` took; all on their loop's thread:
 *
 *     op_begin    the head, of what `out` holds by now                    once
 *     op_write    bytes: of a front, or of an output whose payload streams   any number of
 *     op_event    an event: of an output with an event stream                either
 *     op_finish   0: the answer is whole. OP_FAILED: the client is told the fault as an event, or,
 *                 where bytes have no place for it, by an answer that breaks off
 *
 * The op stays its owner's until op_finish, also when the client has left (is_gone; what is written
 * then goes nowhere). A failure before op_begin is an answer like any other. */

/* content_length: what will be written, -1 not known, as with events. */
void op_begin(struct op *op, int64_t content_length);
/* False: much is unsent, wait for on_drained. The bytes are taken all the same, but who never waits
 * loses the client at a megabyte. */
bool op_write(struct op *op, struct str bytes);
/* The C struct of the output's union, with one member set; at most EVENT_BYTES_MAX as a message. As
 * op_write. */
bool op_event(struct op *op, const void *event);

struct op_stream {
    void (*begin)(struct op *op, int64_t content_length);
    bool (*write)(struct op *op, struct str bytes);
    bool (*event)(struct op *op, const void *event);
};

struct service_op {
    const struct aws_operation *model;
    /* Worker thread, before the transaction: files, hashing, unpacking. NULL: none. */
    int (*prepare)(struct op *op, const void *in);
    /* The payload member comes in pieces, not with `in`: bodies larger than memory. Worker thread,
     * one at a time and in order, before prepare; what is taken may turn out not to be what was
     * signed, so that it must not take effect before. OP_FAILED: the rest is not wanted. What it
     * keeps is in op->prepared. NULL: bodies come whole. */
    int (*take)(struct op *op, const void *in, struct str bytes);
    /* Undo of take and prepare when one of them, run or the commit failed, or the client left in
     * the middle of its body (remove files); worker or actor thread. */
    void (*discard)(struct op *op);
    /* Actor: straight-line, inside the transaction. */
    int (*run)(struct op *op, const void *in, void *out);
    /* Actor, after the commit: publish what changed; calls `then` (exactly once, any thread) when
     * the answer may go out. NULL: at once. */
    void (*publish)(struct op *op, struct task *then);
    /* Loop: data plane; ends with op_finish, answers at once or by a stream (op_begin). Either run
     * or start is set. */
    void (*start)(struct op *op, const void *in, void *out);
    bool is_read_only;
    size_t body_max; /* greatest request body in bytes; 0: the gateway's default (1 MiB) */
};

/* Everything a service is given at start. */
struct service_env {
    const char *data_dir; /* the service's own directory, exists */
    bool is_in_memory;
    const struct clock *clock;
    struct rng *rng;
    struct exec *workers;
    struct exec *const *loops;
    size_t loop_count;
    const char *endpoint;  /* "http://127.0.0.1:4566" */
    int64_t retry_unit_ms; /* wait after a first failure of asynchronous work; 0: AWS's */
    void *port;            /* service-specific, filled in by app/ (lambda: struct runtime) */
    const struct interpreters *interpreters; /* of this host; NULL: not looked for */
    bool is_strict;                          /* nothing stands in for what is lacking */
};

struct service {
    const struct aws_service *model;
    const struct service_op *ops;
    size_t op_count;
    /* Opens the database (handed to the actor) and makes the service's state; loads and publishes
     * what the loops need. Main thread, before the loops run. */
    int (*open)(const struct service_env *env, void **out_state, struct db **out_db,
                struct err *err);
    void (*close)(void *state); /* after actor and loops stopped */
    /* The service has its actor, for work of its own (borrowed until stop). Main thread, before the
     * loops run. NULL: none wanted. */
    void (*start)(void *state, struct actor *actor);
    /* Nothing is posted to the actor from now on, but by operations. Loop 0, after the functions
     * have ended. NULL: nothing to do. */
    void (*stop)(void *state);
    const struct service_front *front; /* NULL: none (core/front.h) */
};
