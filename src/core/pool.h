#pragma once
/* A few threads that run tasks, first in first out: the exec of actors and of workers (unzip,
 * hashing). Tasks here may block and take long. It has no timers. */
#include "base/err.h"
#include "os/exec.h"

struct pool;

CHECK_RESULT int pool_new(const char *name, unsigned threads, const struct clock *clock,
                          struct pool **out_pool, struct err *err);
struct exec *pool_exec(struct pool *pool);
/* Runs what has been posted, then ends the threads. */
void pool_free(struct pool *pool);
