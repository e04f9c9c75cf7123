/* The event loop: an exec (os/exec.h) over libuv.
 *
 * One turn of uv_run is: libuv's timers, poll (descriptors, wake-ups), check. What runs where:
 *
 *  - a task posted by another thread goes into the inbox; the first one wakes the loop through
 *    uv_async, which runs everything that is there by then;
 *  - a task posted by the loop's own thread goes into a plain list, run in "check" of the same
 *    turn: no lock, no system call. Tasks posted by tasks wait for the next turn, behind the
 *    sockets, so that a task which posts itself starves nobody; an idle handle keeps that turn's
 *    poll from sleeping;
 *  - timers live in our heap, in microseconds on the loop's clock. One uv_timer wakes the loop for
 *    the earliest. It is armed when something earlier comes and never moved back: a timer that was
 *    cleared or moved costs at most one empty wake-up, where moving the uv_timer along would cost
 *    work on every request. Due timers are fired in every turn, so a virtual clock needs no
 *    waiting: post a task that advances it.
 *
 * uv_poll is given a descriptor once; with unchanged interest a request costs no epoll_ctl. (In
 * libuv 1.44 each change of interest costs two, so users pause rarely.) */
#include "net/loop.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/inbox.h"

#include <errno.h>
#include <uv.h>

enum { SIGNALS_MAX = 8 };

struct loop_signal {
    uv_signal_t uv;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct exec exec; /* first */
    uv_loop_t uv;
    uv_async_t wake, stop;
    uv_timer_t alarm;
    uv_check_t check;
    uv_idle_t idle; /* active while `local` must not wait for events */
    struct inbox inbox;
    struct list local; /* tasks posted by the loop's own thread */
    struct timer_heap timers;
    int64_t alarm_us; /* what the alarm is armed for; INT64_MAX when it is not */
    struct loop_signal signals[SIGNALS_MAX];
    size_t signal_count;
};

static _Thread_local const struct loop *current_loop;

bool loop_is_current(const struct loop *loop)
{
    return current_loop == loop;
}

struct exec *loop_exec(struct loop *loop)
{
    return &loop->exec;
}

static struct loop *loop_of(struct exec *exec)
{
    return (struct loop *) (void *) exec;
}

/* --- tasks --- */

static void nothing(uv_idle_t *idle)
{
    (void) idle; /* Its being active is what counts. */
}

static void loop_post(struct exec *exec, struct task *task)
{
    struct loop *loop = loop_of(exec);
    if (loop_is_current(loop)) {
        list_push_back(&loop->local, &task->node);
        (void) uv_idle_start(&loop->idle, nothing); /* Fails without a callback only. */
    } else if (inbox_push(&loop->inbox, &task->node)) {
        (void) uv_async_send(&loop->wake); /* Cannot fail on an open handle. */
    }
}

static void run_tasks(struct list *tasks)
{
    for (struct list_node *node; (node = list_pop_front(tasks)) != NULL;) {
        struct task *task = CONTAINER_OF(node, struct task, node);
        task->run(task);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = wake->data;
    struct list tasks;
    list_init(&tasks);
    inbox_take_all(&loop->inbox, &tasks);
    run_tasks(&tasks);
}

/* --- timers --- */

static void on_alarm(uv_timer_t *alarm);

/* libuv counts milliseconds from the beginning of the turn: rounding up may wake late by one,
 * never spins. */
static void arm_alarm(struct loop *loop, int64_t due_us)
{
    if (due_us >= loop->alarm_us)
        return;
    int64_t wait_us = due_us - exec_now_us(&loop->exec);
    uint64_t wait_ms = wait_us <= 0 ? 0 : (uint64_t) wait_us / 1000 + 1;
    loop->alarm_us = due_us;
    (void) uv_timer_start(&loop->alarm, on_alarm, wait_ms, 0); /* Fails without a callback only. */
}

static void loop_timer_set(struct exec *exec, struct timer *timer, int64_t due_us)
{
    struct loop *loop = loop_of(exec);
    timer_heap_set(&loop->timers, timer, due_us);
    arm_alarm(loop, due_us);
}

static void loop_timer_clear(struct exec *exec, struct timer *timer)
{
    timer_heap_clear(&loop_of(exec)->timers, timer);
}

/* Fires what is due now; what these set for "now" waits for the next turn. */
static void fire_due(struct loop *loop)
{
    struct timer *first = timer_heap_first(&loop->timers);
    if (first == NULL)
        return;
    int64_t now_us = exec_now_us(&loop->exec);
    size_t at_most = loop->timers.len;
    while (first != NULL && first->due_us <= now_us && at_most-- > 0) {
        timer_heap_clear(&loop->timers, first);
        first->fire(first);
        first = timer_heap_first(&loop->timers);
    }
    if (first != NULL)
        arm_alarm(loop, first->due_us);
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *loop = alarm->data;
    loop->alarm_us = INT64_MAX;
    fire_due(loop);
}

static void on_check(uv_check_t *check)
{
    struct loop *loop = check->data;
    struct list tasks;
    list_init(&tasks);
    list_splice(&tasks, &loop->local);
    run_tasks(&tasks);
    fire_due(loop);
    if (list_is_empty(&loop->local))
        (void) uv_idle_stop(&loop->idle);
}

/* --- life --- */

static void on_stop(uv_async_t *stop)
{
    uv_stop(stop->loop);
}

static const struct exec_ops loop_ops = {loop_post, loop_timer_set, loop_timer_clear};

int loop_new(const struct clock *clock, struct loop **out_loop, struct err *err)
{
    AUTO_FREE struct loop *loop = NEW(struct loop);
    loop->exec = (struct exec){.ops = &loop_ops, .clock = clock};
    loop->alarm_us = INT64_MAX;
    list_init(&loop->local);
    int rc = uv_loop_init(&loop->uv);
    if (rc < 0)
        return err_set(err, rc, "make event loop");
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc < 0) {
        (void) uv_loop_close(&loop->uv); /* No handle is open. */
        return err_set(err, rc, "make event loop");
    }
    /* The rest only fills memory in; the first async opened the descriptor that all share. */
    rc = uv_async_init(&loop->uv, &loop->stop, on_stop);
    assert(rc == 0);
    (void) uv_timer_init(&loop->uv, &loop->alarm);
    (void) uv_check_init(&loop->uv, &loop->check);
    (void) uv_idle_init(&loop->uv, &loop->idle);
    (void) uv_check_start(&loop->check, on_check);
    loop->wake.data = loop->stop.data = loop->alarm.data = loop->check.data = loop;
    *out_loop = take_ptr(&loop);
    return 0;
}

void loop_run(struct loop *loop)
{
    assert(current_loop == NULL);
    current_loop = loop;
    (void) uv_run(&loop->uv, UV_RUN_DEFAULT); /* Open handles remain, of course. */
    current_loop = NULL;
}

void loop_stop(struct loop *loop)
{
    (void) uv_async_send(&loop->stop);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    assert(current_loop == NULL);
    uv_close((uv_handle_t *) &loop->wake, NULL);
    uv_close((uv_handle_t *) &loop->stop, NULL);
    uv_close((uv_handle_t *) &loop->alarm, NULL);
    uv_close((uv_handle_t *) &loop->check, NULL);
    uv_close((uv_handle_t *) &loop->idle, NULL);
    for (size_t i = 0; i < loop->signal_count; i++)
        uv_close((uv_handle_t *) &loop->signals[i].uv, NULL);
    (void) uv_run(&loop->uv, UV_RUN_DEFAULT); /* Runs the close callbacks, also of watches. */
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0); /* -EBUSY: somebody's watch is still open */
    timer_heap_done(&loop->timers);
    free(loop);
}

/* --- descriptors --- */

struct watch {
    uv_poll_t uv;
    watch_fn fn;
    void *arg;
    int events; /* WATCH_* that libuv was asked for */
};

static_assert(WATCH_READ == (int) UV_READABLE && WATCH_WRITE == (int) UV_WRITABLE &&
                  WATCH_HANGUP == (int) UV_DISCONNECT,
              "watch_set passes them on unchanged");

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct watch *watch = uv->data;
    if (status < 0) {
        /* libuv has stopped watching; the owner learns the reason from its next call on the fd. */
        watch->events = 0;
        events = WATCH_READ | WATCH_WRITE;
    }
    watch->fn(watch->arg, events);
}

int watch_new(struct loop *loop, int fd, watch_fn fn, void *arg, struct watch **out_watch,
              struct err *err)
{
    AUTO_FREE struct watch *watch = NEW(struct watch);
    int rc = uv_poll_init(&loop->uv, &watch->uv, fd);
    if (rc < 0)
        return err_set(err, rc, "watch descriptor %d", fd);
    watch->uv.data = watch;
    watch->fn = fn;
    watch->arg = arg;
    *out_watch = take_ptr(&watch);
    return 0;
}

void watch_set(struct watch *watch, int events)
{
    if (watch->events == events)
        return;
    watch->events = events;
    int rc = uv_poll_start(&watch->uv, events, on_poll);
    assert(rc == 0); /* -EEXIST: two watches on one descriptor */
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watch_free(struct watch *watch)
{
    if (watch != NULL)
        uv_close((uv_handle_t *) &watch->uv, on_watch_closed);
}

/* --- signals --- */

static void on_signal(uv_signal_t *uv, int number)
{
    (void) number;
    struct loop_signal *signal = uv->data;
    signal->fn(signal->arg);
}

int loop_on_signal(struct loop *loop, int signal_number, void (*fn)(void *arg), void *arg,
                   struct err *err)
{
    assert(loop->signal_count < SIGNALS_MAX);
    struct loop_signal *signal = &loop->signals[loop->signal_count];
    int rc = uv_signal_init(&loop->uv, &signal->uv);
    if (rc < 0)
        return err_set(err, rc, "watch signal %d", signal_number);
    loop->signal_count++;
    signal->fn = fn;
    signal->arg = arg;
    signal->uv.data = signal;
    rc = uv_signal_start(&signal->uv, on_signal, signal_number);
    return rc < 0 ? err_set(err, rc, "watch signal %d", signal_number) : 0;
}
