#pragma once
/* Threads, and the two primitives that core/ builds its queues from. Threads get all signals
 * blocked; the name is at most 15 characters. */
#include "base/err.h"

#include <pthread.h>

CHECK_RESULT int thread_start(pthread_t *out_thread, const char *name, void *(*main)(void *arg),
                              void *arg, struct err *err);

/* Seconds are never waited for without a bound: returns -ETIMEDOUT after timeout_ms (< 0: none). */
int cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms);
