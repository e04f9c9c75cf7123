/* Starting threads.
 *
 * Every thread of ours starts with all signals blocked, so that signals of the process reach the
 * one loop that asked for them (net/loop.h) and no actor is ever interrupted. The mask is
 * inherited: it is set around pthread_create and put back, never in the new thread, which would
 * leave a gap. The new thread names itself (a name set from outside goes through /proc). */
#include "os/thread.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

enum { THREAD_NAME_MAX = 15 };

struct thread_start {
    char name[THREAD_NAME_MAX + 1];
    void *(*main)(void *arg);
    void *arg;
};

static void *thread_main(void *arg)
{
    struct thread_start start = *(struct thread_start *) arg;
    free(arg);
    (void) prctl(PR_SET_NAME, start.name); /* For ps and gdb only. */
    return start.main(start.arg);
}

int thread_start(pthread_t *out_thread, const char *name, void *(*main)(void *arg), void *arg,
                 struct err *err)
{
    assert(strlen(name) <= THREAD_NAME_MAX);
    struct thread_start *start = NEW(struct thread_start);
    memcpy(start->name, name, strlen(name));
    start->main = main;
    start->arg = arg;

    pthread_t thread;
    sigset_t all, before;
    (void) sigfillset(&all); /* These two fail for bad arguments only. */
    (void) pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&thread, NULL, thread_main, start);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(start);
        return err_set(err, -rc, "start thread '%s'", name);
    }
    *out_thread = thread;
    return 0;
}

static struct timespec deadline_after(int64_t timeout_ms)
{
    struct timespec at;
    int rc = clock_gettime(CLOCK_MONOTONIC, &at);
    assert(rc == 0);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += timeout_ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

int cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms)
{
    int rc;
    if (timeout_ms < 0) {
        rc = pthread_cond_wait(cond, lock);
    } else {
        /* The wall clock may jump; waiting is measured on the monotonic one. */
        struct timespec deadline = deadline_after(timeout_ms);
        rc = pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &deadline);
    }
    assert(rc == 0 || rc == ETIMEDOUT);
    return -rc;
}
