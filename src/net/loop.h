#pragma once
/* An event loop on a thread of its own: our thin face of libuv, which appears in src/net only.
 *
 * A loop is an exec (os/exec.h): tasks may be posted from any thread, timers belong to the loop's
 * thread. Besides, it watches descriptors. Rules: nothing that blocks, nothing over 1 ms. */
#include "base/err.h"
#include "os/exec.h"

struct loop;

CHECK_RESULT int loop_new(const struct clock *clock, struct loop **out_loop, struct err *err);
void loop_free(struct loop *loop); /* after loop_run returned; watchers must be stopped */
struct exec *loop_exec(struct loop *loop);

/* Runs until loop_stop; called by the thread that owns the loop from then on. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);             /* thread: any */
bool loop_is_current(const struct loop *loop); /* is this the loop's thread? for ASSERT_ON */

/* A descriptor of the caller's, watched for readiness (level-triggered). An error condition on the
 * descriptor is told once as READ and WRITE, and the watch is then paused: the owner's next call
 * on the descriptor says which. */
enum {
    WATCH_READ = 1,
    WATCH_WRITE = 2,
    WATCH_HANGUP = 4, /* the peer has closed or half-closed; for a paused reader */
};

struct watch;
typedef void (*watch_fn)(void *arg, int events);

/* thread: the loop's. fd: borrowed until watch_free. events: WATCH_* or 0 (paused). */
CHECK_RESULT int watch_new(struct loop *loop, int fd, watch_fn fn, void *arg,
                           struct watch **out_watch, struct err *err);
void watch_set(struct watch *watch, int events); /* cheap when nothing changes */
void watch_free(struct watch *watch);            /* fn is not called any more; NULL is fine */

/* Unix signals of the process, delivered on this loop. Process life time. */
CHECK_RESULT int loop_on_signal(struct loop *loop, int signal_number, void (*fn)(void *arg),
                                void *arg, struct err *err);
