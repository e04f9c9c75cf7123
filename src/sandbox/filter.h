#pragma once
/* The system calls that a sandbox may make: one program, built once per spawner. */
#include "base/err.h"

#include <linux/filter.h>

struct filter {
    struct sock_fprog program; /* owned instructions */
};

/* Builds the program with libseccomp, which takes about 2 ms. -ENOTSUP: libseccomp refuses. */
CHECK_RESULT int filter_init(struct filter *filter, struct err *err);
void filter_done(struct filter *filter);

/* Puts the calling process, which has no_new_privs, under the program. Returns -errno; makes one
 * system call and touches no heap, for use between clone and exec. */
CHECK_RESULT int filter_load(const struct filter *filter);

/* One documented group of allowed calls, for tests and for the documentation. */
struct filter_group {
    const char *name;
    const char *why;
    const char *const *calls; /* NULL-terminated */
};
extern const struct filter_group filter_groups[];
extern const size_t filter_group_count;
