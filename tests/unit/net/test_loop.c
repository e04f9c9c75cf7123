#include "test.h"

#include "net/loop.h"
#include "os/thread.h"

#include <signal.h>
#include <sys/socket.h>

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

struct counter {
    struct task task;
    struct loop *loop;
    int left;
};

static void count_down(struct task *task)
{
    struct counter *c = CONTAINER_OF(task, struct counter, task);
    assert_true(loop_is_current(c->loop));
    if (--c->left == 0)
        loop_stop(c->loop);
    else
        exec_post(loop_exec(c->loop), task);
}

static void tasks_post_themselves_again(void **state)
{
    (void) state;
    struct loop *loop;
    assert_ok(loop_new(&clock_real, &loop, NULL));
    assert_false(loop_is_current(loop));
    struct counter c = {.task.run = count_down, .loop = loop, .left = 1000};
    exec_post(loop_exec(loop), &c.task);
    loop_run(loop);
    assert_int_equal(c.left, 0);
    loop_free(loop);
}

enum { POSTERS = 4, POSTS = 2000 };

struct numbered {
    struct task task;
    struct meeting *meeting;
    int poster, number;
};

struct meeting {
    struct loop *loop;
    int next[POSTERS], total; /* the loop's */
    struct numbered tasks[POSTERS][POSTS];
};

static void arrive(struct task *task)
{
    struct numbered *n = CONTAINER_OF(task, struct numbered, task);
    assert_int_equal(n->meeting->next[n->poster]++, n->number); /* in order, each once */
    if (++n->meeting->total == POSTERS * POSTS)
        loop_stop(n->meeting->loop);
}

static void *post_all(void *arg)
{
    struct numbered *tasks = arg;
    for (int i = 0; i < POSTS; i++)
        exec_post(loop_exec(tasks[0].meeting->loop), &tasks[i].task);
    return NULL;
}

static void posts_of_many_threads_arrive_in_order(void **state)
{
    (void) state;
    struct meeting *meeting = calloc(1, sizeof *meeting);
    assert_ok(loop_new(&clock_real, &meeting->loop, NULL));
    pthread_t threads[POSTERS];
    for (int p = 0; p < POSTERS; p++) {
        for (int i = 0; i < POSTS; i++)
            meeting->tasks[p][i] = (struct numbered){{.run = arrive}, meeting, p, i};
        assert_ok(thread_start(&threads[p], "poster", post_all, meeting->tasks[p], NULL));
    }
    loop_run(meeting->loop);
    for (int p = 0; p < POSTERS; p++)
        assert_int_equal(pthread_join(threads[p], NULL), 0);
    assert_int_equal(meeting->total, POSTERS * POSTS);
    loop_free(meeting->loop);
    free(meeting);
}

struct alarm {
    struct timer timer;
    struct loop *loop;
    int64_t fired_us;
    bool is_last;
};

static void ring(struct timer *timer)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);
    assert_false(timer->is_set);
    alarm->fired_us = exec_now_us(loop_exec(alarm->loop));
    if (alarm->is_last)
        loop_stop(alarm->loop);
}

static void timers_fire_in_time_and_cleared_ones_never(void **state)
{
    (void) state;
    struct loop *loop;
    assert_ok(loop_new(&clock_real, &loop, NULL));
    struct exec *exec = loop_exec(loop);
    struct alarm late = {{.fire = ring}, loop, 0, true}, early = {{.fire = ring}, loop, 0, false},
                 never = {{.fire = ring}, loop, 0, false};
    int64_t now_us = exec_now_us(exec);
    timer_set(exec, &late.timer, now_us + 20500);
    timer_set(exec, &never.timer, now_us + 5000);
    timer_set(exec, &early.timer, now_us + 100000);
    timer_set(exec, &early.timer, now_us + 10700); /* moves it */
    timer_clear(exec, &never.timer);
    loop_run(loop);
    assert_true(early.fired_us >= now_us + 10700);
    assert_true(late.fired_us >= now_us + 20500 && late.fired_us >= early.fired_us);
    assert_int_equal(never.fired_us, 0);
    loop_free(loop);
}

struct time_travel {
    struct task task;
    struct clock_virtual *clock;
};

static void travel(struct task *task)
{
    clock_virtual_advance(CONTAINER_OF(task, struct time_travel, task)->clock, 3600000000);
}

static void a_virtual_clock_needs_no_waiting(void **state)
{
    (void) state;
    struct clock_virtual clock;
    clock_virtual_init(&clock, 0);
    struct loop *loop;
    assert_ok(loop_new(&clock.clock, &loop, NULL));
    struct alarm alarm = {{.fire = ring}, loop, 0, true};
    timer_set(loop_exec(loop), &alarm.timer, clock.mono_us + 3600000000);
    struct time_travel trip = {{.run = travel}, &clock};
    exec_post(loop_exec(loop), &trip.task);
    loop_run(loop);
    assert_int_equal(alarm.fired_us, clock.mono_us);
    loop_free(loop);
}

struct pipe_end {
    struct loop *loop;
    struct watch *watch;
    int fd, seen;
};

static void on_pipe(void *arg, int events)
{
    struct pipe_end *end = arg;
    end->seen |= events;
    char byte;
    if ((events & WATCH_WRITE) != 0) {
        assert_int_equal(send(end->fd, "x", 1, MSG_NOSIGNAL), 1);
        watch_set(end->watch, 0);
    } else if (recv(end->fd, &byte, 1, 0) == 1) {
        watch_set(end->watch, 0);
        loop_stop(end->loop);
    }
}

static void descriptors_are_watched(void **state)
{
    (void) state;
    struct loop *loop;
    assert_ok(loop_new(&clock_real, &loop, NULL));
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct pipe_end ends[2] = {{loop, NULL, fds[0], 0}, {loop, NULL, fds[1], 0}};
    for (int i = 0; i < 2; i++)
        assert_ok(watch_new(loop, fds[i], on_pipe, &ends[i], &ends[i].watch, NULL));
    watch_set(ends[0].watch, WATCH_READ);
    watch_set(ends[1].watch, WATCH_WRITE);
    loop_run(loop);
    assert_int_equal(ends[0].seen, WATCH_READ);
    assert_int_equal(ends[1].seen, WATCH_WRITE);
    for (int i = 0; i < 2; i++)
        watch_free(ends[i].watch);
    watch_free(NULL);
    loop_free(loop);
    (void) close(fds[0]);
    (void) close(fds[1]);
}

static void on_hangup(void *arg, int events)
{
    struct pipe_end *end = arg;
    end->seen |= events;
    watch_set(end->watch, 0);
    loop_stop(end->loop);
}

/* A paused reader hears of the end, and of the end alone. */
static void a_hangup_is_seen_behind_unread_bytes(void **state)
{
    (void) state;
    struct loop *loop;
    assert_ok(loop_new(&clock_real, &loop, NULL));
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct pipe_end end = {loop, NULL, fds[0], 0};
    assert_ok(watch_new(loop, fds[0], on_hangup, &end, &end.watch, NULL));
    assert_int_equal(send(fds[1], "unread", 6, MSG_NOSIGNAL), 6);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    watch_set(end.watch, WATCH_HANGUP);
    loop_run(loop);
    assert_int_equal(end.seen, WATCH_HANGUP);
    watch_free(end.watch);
    loop_free(loop);
    (void) close(fds[0]);
    (void) close(fds[1]);
}

static void stop_on_signal(void *arg)
{
    loop_stop(arg);
}

static void signals_arrive_on_the_loop(void **state)
{
    (void) state;
    struct loop *loop;
    assert_ok(loop_new(&clock_real, &loop, NULL));
    assert_ok(loop_on_signal(loop, SIGUSR1, stop_on_signal, loop, NULL));
    assert_int_equal(raise(SIGUSR1), 0);
    loop_run(loop);
    loop_free(loop);
}

static void a_loop_is_stopped_from_elsewhere(void **state)
{
    (void) state;
    struct loop *loop;
    assert_ok(loop_new(&clock_real, &loop, NULL));
    pthread_t thread;
    assert_ok(thread_start(&thread, "loop", run_loop, loop, NULL));
    loop_stop(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    loop_free(loop);
    loop_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_post_themselves_again),
        cmocka_unit_test(posts_of_many_threads_arrive_in_order),
        cmocka_unit_test(timers_fire_in_time_and_cleared_ones_never),
        cmocka_unit_test(a_virtual_clock_needs_no_waiting),
        cmocka_unit_test(descriptors_are_watched),
        cmocka_unit_test(a_hangup_is_seen_behind_unread_bytes),
        cmocka_unit_test(signals_arrive_on_the_loop),
        cmocka_unit_test(a_loop_is_stopped_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
