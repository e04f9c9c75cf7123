#pragma once
/* Crash ring: trace() stores an unformatted record into a ring of its thread, a few stores and no
 * lock; the rings are printed on assertion failure and on SIGUSR2. label is a literal. */
#include <stdint.h>

void trace(const char *label, uint64_t a, uint64_t b);
void trace_dump(int fd); /* async-signal-safe */
