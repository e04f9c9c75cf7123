#include "test.h"

#include "os/clock.h"
#include "os/thread.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

struct seen {
    char name[16];
    bool are_signals_blocked;
};

static void *look_around(void *arg)
{
    struct seen *seen = arg;
    (void) prctl(PR_GET_NAME, seen->name);
    sigset_t mask;
    (void) pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->are_signals_blocked =
        sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1;
    return arg;
}

static void a_thread_has_its_name_and_no_signals(void **state)
{
    (void) state;
    struct seen seen = {0};
    pthread_t thread;
    struct err err;
    assert_ok(thread_start(&thread, "fifteen-letters", look_around, &seen, &err));
    void *result;
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &seen);
    assert_string_equal(seen.name, "fifteen-letters");
    assert_true(seen.are_signals_blocked);
    sigset_t mask;
    (void) pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

static void a_wait_ends_at_its_bound(void **state)
{
    (void) state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    (void) pthread_mutex_lock(&lock);
    int64_t start_us = clock_mono_us(&clock_real);
    assert_int_equal(cond_wait_ms(&cond, &lock, 5), -ETIMEDOUT);
    assert_true(clock_mono_us(&clock_real) - start_us >= 5000);
    assert_int_equal(cond_wait_ms(&cond, &lock, 0), -ETIMEDOUT);
    (void) pthread_mutex_unlock(&lock);
}

struct baton {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool is_there;
};

static void *hand_over(void *arg)
{
    struct baton *baton = arg;
    (void) pthread_mutex_lock(&baton->lock);
    baton->is_there = true;
    (void) pthread_cond_signal(&baton->cond);
    (void) pthread_mutex_unlock(&baton->lock);
    return NULL;
}

static void a_wait_ends_when_signalled(void **state)
{
    (void) state;
    struct baton baton = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    pthread_t thread;
    (void) pthread_mutex_lock(&baton.lock);
    assert_ok(thread_start(&thread, "giver", hand_over, &baton, NULL));
    while (!baton.is_there)
        assert_int_equal(cond_wait_ms(&baton.cond, &baton.lock, -1), 0);
    (void) pthread_mutex_unlock(&baton.lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_its_name_and_no_signals),
        cmocka_unit_test(a_wait_ends_at_its_bound),
        cmocka_unit_test(a_wait_ends_when_signalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
