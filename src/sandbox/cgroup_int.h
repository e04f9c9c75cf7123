#pragma once
/* What the files of the control groups share: a driver for each controller and version, and the way
 * to read and write the files of a group. Borrows everything. thread: the spawner's only one. */
#include "sandbox/cgroup.h"

struct cgroup_driver {
    const char *name; /* of the controller */
    bool is_v1;
    int (*limit)(int dir_fd, const struct cgroup_limits *limits, struct err *err);
    const char *peak_file; /* memory only */
    const char *oom_file;  /* memory only: has a line "oom_kill <n>" */
};

enum { CGROUP_V1, CGROUP_V2, CGROUP_VERSIONS };
extern const struct cgroup_driver cgroup_drivers[CGROUP_UNIFIED][CGROUP_VERSIONS];

CHECK_RESULT int cgroup_file_write(int dir_fd, const char *name, const char *text, struct err *err);

/* Length of the text in `out`, which is cut at its size; -errno. */
CHECK_RESULT int cgroup_file_read(int dir_fd, const char *name, char *out, size_t size);

/* Opens a group below another, made if it is not there: a descriptor, the caller's. */
CHECK_RESULT int cgroup_dir(int dir_fd, const char *name, struct err *err);
