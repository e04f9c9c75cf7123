#pragma once
/* A sandbox without control groups: what is left of limits where nobody delegated any.
 *
 * - processes: RLIMIT_NPROC; exact, since every sandbox has a user of its own.
 * - memory: sampled, as what its processes have mapped of their own; above the limit all are
 * killed. Not seen: what nobody maps (memfd, buffers of sockets), and /tmp. Its processes are the
 * kernel's first choice should the host run out of memory.
 * - CPU: no share; it gives way to everything else on the host (nice).
 * - freezing: SIGSTOP to each process; soon, not at once, and a hostile one can wake others.
 * - killing: exact; process 1 takes its pid namespace along.
 *
 * thread: the spawner's only one. */
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bare;
struct cgroup_limits;
struct cgroup_usage;
struct rusage;

enum { BARE_NICE = 10 };

struct bare *bare_new(void);
void bare_free(struct bare *bare);
/* It is process 1 of this pid namespace; pidfd: borrowed until bare_free. */
void bare_adopt(struct bare *bare, pid_t pid, int pidfd);
/* Remembers the limits, and sets them if it has begun. */
CHECK_RESULT int bare_limit(struct bare *bare, const struct cgroup_limits *limits, struct err *err);
/* When process 1 is virga-init and no byte of a tenant's has come: opens what is needed to watch it
 * and sets the limits. Once; again is no error. */
CHECK_RESULT int bare_begin(struct bare *bare, struct err *err);
/* What main gets for cgroup.freeze: write "1" or "0", non-blocking; the caller's. */
CHECK_RESULT int bare_open_freeze(struct bare *bare, struct err *err);
/* What main gets for the peak of memory; the caller's. */
CHECK_RESULT int bare_open_peak(struct bare *bare, struct err *err);
/* Readable when main has written; -1: main has closed its end. */
int bare_asked_fd(const struct bare *bare);
/* Does what main wrote. */
void bare_asked(struct bare *bare);
/* Looks at the memory if it is time to and kills at the limit. Returns when to look again. */
int64_t bare_sample(struct bare *bare, int64_t now_us);
int bare_kill(const struct bare *bare, struct err *err);
/* Process 1 has been reaped with this. */
void bare_ended(struct bare *bare, const struct rusage *usage);
void bare_usage(const struct bare *bare, struct cgroup_usage *out_usage);

/* In the child, as early as it can be, between clone and exec. Returns -errno; no heap. */
CHECK_RESULT int bare_child(void);

/* The sum of the fields of a text like /proc/<pid>/status ("Name:  123 kB" a line) with one of
 * these names, in bytes. names: ends with NULL. Pure. */
struct str;
uint64_t bare_fields_sum(struct str text, const char *const *names);
/* How long memory may go unwatched that is `used` now. Pure. */
int64_t bare_interval_us(uint64_t used_bytes, uint64_t limit_bytes);
