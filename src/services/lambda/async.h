#pragma once
/* The dispatcher of asynchronous invocations: takes events that are due from the database, has them
 * run, and writes down what became of them.
 *
 * thread: async_new before the loops run; async_stop on loop 0; async_accepted on the actor, all
 * else is the dispatcher's own. */
#include "core/op.h"

struct actor;
struct async;
struct event_row;
struct lambda_state;

enum {
    ASYNC_PAYLOAD_MAX = 1024 * 1024,
    ASYNC_RUNNING_MAX = 400, /* events at a time */
    ASYNC_FUNCTION_MAX = 50, /* of one function */
};
#define ASYNC_RUNNING_BYTES_MAX ((size_t) 64 << 20)
#define ASYNC_WAITING_BYTES_MAX ((int64_t) 1 << 30) /* of payloads in the database */

/* retry_unit_ms: see retry.h; 0: AWS's. Reads which functions have events. */
CHECK_RESULT int async_new(struct lambda_state *state, const struct service_env *env,
                           struct async **out_async, struct err *err);
/* The actor is there: what an earlier process left may run. */
void async_start(struct async *async);
/* Nothing is posted to the actor from now on. */
void async_stop(struct async *async);
void async_free(struct async *async); /* loops and actor have ended */

/* Writes the event (all but seq is filled in). actor, in its transaction. -EAGAIN: there is no room
 * for more events. */
CHECK_RESULT int async_accept(struct async *async, struct db *db, struct event_row *row,
                              struct err *err);
/* It is on disk. actor, after the commit; row may go afterwards. */
void async_accepted(struct async *async, const struct event_row *row);
/* Events of a deleted function are gone, payloads of that many bytes. actor, after the commit. */
void async_forgotten(struct async *async, int64_t bytes);
