#pragma once
/* Does this machine have CPU time to spare? thread: any. */
#include "base/err.h"

#include <stdint.h>

/* A descriptor for cpu_idle_us, the caller's. errors: the kernel's; no /proc. */
CHECK_RESULT int cpu_idle_open(struct err *err);

/* The time that all CPUs together have been idle since boot, in steps of 10 ms; never waits for a
 * disk. -1: unknown. source: proc(5), /proc/uptime. */
int64_t cpu_idle_us(int fd);

/* CPU time of the calling thread. */
int64_t cpu_thread_us(void);

/* CPUs that are there for work, 1 at least. */
unsigned cpu_count(void);

/* A number for what this processor can do, as programs see it when they choose their code. */
uint64_t cpu_features(void);
