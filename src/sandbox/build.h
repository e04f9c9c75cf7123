#pragma once
/* From nothing to virga-init: the clone and what its child does before exec. */
#include "base/err.h"
#include "sandbox/cgroup.h"
#include "sandbox/filter.h"
#include "sandbox/root.h"
#include "sandbox/start.h"
#include "sandbox/tmp.h"

struct build {
    /* All borrowed. */
    const struct filter *filter;
    const struct root *root;
    const struct cgroup_tree *cgroups;
    const struct cgroup *cgroup;
    const struct tmp *tmp;
    struct root_dirs dirs;
    int netns_fd;   /* -1: the child makes its own namespace */
    int control_fd; /* the sandbox's ends; above BUILD_FD_FIRST */
    int log_fd;
    int status_fd;
    uid_t uid;
    bool has_one_id;   /* nobody else exists here: uid is made up in a user namespace of its own */
    bool sends_mounts; /* its mount namespace comes over the control socket, with one byte */
};

/* Descriptors below are given numbers in the child, so nothing else may use them. */
enum { BUILD_FD_FIRST = START_FD_TRACES + 1 };

/* Clones. Returns at once with pid and a pidfd (the caller's): the child goes on alone and reports
 * through status_fd (sandbox/wire.h), with STATUS_BUILD_FAILED or, from virga-init, STATUS_READY.
 */
CHECK_RESULT int build_start(const struct build *build, pid_t *out_pid, int *out_pidfd,
                             struct err *err);
