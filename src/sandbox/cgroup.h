#pragma once
/* Control groups: hard limits, the verdict of the kernel about memory, freezing and killing; and
 * the same by lesser means where there are none (sandbox/bare.h).
 *
 * memory, cpu and pids are taken from whichever version of cgroups holds them on this host, each
 * on its own; freezing, killing, CPU time and "is anything left" always from version 2, which may
 * exist without any controller. Everything lies below the cgroup this process started in, in a
 * parent called virga-<key>, so that what a killed Virga left can be found and removed.
 *
 * thread: the spawner's only one. */
#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

enum cgroup_part { CGROUP_MEMORY, CGROUP_CPU, CGROUP_PIDS, CGROUP_UNIFIED, CGROUP_PARTS };

struct bare;
struct cgroup_driver;
struct rusage;

struct cgroup_tree {
    bool is_bare; /* there is none: what is made in it is a struct bare each */
    struct {
        const struct cgroup_driver *driver; /* NULL for CGROUP_UNIFIED */
        char base[512];                     /* the directory this process started in */
        int parent_fd;                      /* base/virga-<key>, or -1 when same_as < part */
        enum cgroup_part same_as;           /* the part whose directory this one shares */
    } parts[CGROUP_PARTS];
    char unified_point[512];   /* where version 2 is mounted */
    char unified_options[256]; /* with what, less "rw" */
    bool is_favoured;          /* cgroup_favour_migration changed the mount */
    char name[32];             /* of the parent: "virga-<key>" */
    uint64_t next;             /* number of the next group */
};

struct cgroup {
    struct bare *bare;     /* owned; not NULL: all of it, the rest is empty */
    uint64_t number;       /* its directory is called "s<number>" */
    int fds[CGROUP_PARTS]; /* directories; -1: shared with another part, or none */
    int oom_fd;            /* version 1: an eventfd that tells when memory ran out; else -1 */
    bool is_out_of_memory; /* it told */
};

struct cgroup_limits {
    uint64_t memory_bytes;
    uint32_t cpu_milli;
    uint32_t pids_max;
};

struct cgroup_usage {
    uint64_t oom_kills, memory_peak_bytes, cpu_us;
};

/* Finds the hierarchies from the texts of /proc/self/mountinfo and /proc/self/cgroup. Pure.
 * -ENOTSUP names the controller that is nowhere. */
CHECK_RESULT int cgroup_detect(struct str mounts, struct str own, struct cgroup_tree *out_tree,
                               struct err *err);
/* Creates the parents, removes what an earlier run left in them (killing it first). */
CHECK_RESULT int cgroup_tree_open(struct cgroup_tree *tree, const char *key, struct err *err);
/* A tree without control groups: nothing on the host, and every group in it is watched instead. */
void cgroup_tree_bare(struct cgroup_tree *out_tree);
/* Removes the parents, which must be empty, and closes. NULL and half-open are fine. */
void cgroup_tree_close(struct cgroup_tree *tree);

CHECK_RESULT int cgroup_make(struct cgroup_tree *tree, struct cgroup *out_group, struct err *err);
CHECK_RESULT int cgroup_limit(const struct cgroup_tree *tree, const struct cgroup *group,
                              const struct cgroup_limits *limits, struct err *err);
CHECK_RESULT int cgroup_limit_cpu(const struct cgroup_tree *tree, const struct cgroup *group,
                                  uint32_t cpu_milli, struct err *err);
/* The directory for CLONE_INTO_CGROUP; borrowed. -1: the child is not born into a group. */
int cgroup_unified_fd(const struct cgroup *group);
/* Puts the calling process into the version 1 parts. Returns -errno; no heap, no err. */
CHECK_RESULT int cgroup_join(const struct cgroup_tree *tree, const struct cgroup *group);
/* Process 1 of the sandbox, right after its clone; pidfd: borrowed until cgroup_remove. */
void cgroup_adopt(struct cgroup *group, pid_t pid, int pidfd);
/* Before MADE, when virga-init waits: what limits it from outside, if anything does, starts. */
CHECK_RESULT int cgroup_begin(struct cgroup *group, struct err *err);
/* Process 1 has been reaped, with what it and its children used. */
void cgroup_ended(struct cgroup *group, const struct rusage *usage);
/* Opens cgroup.freeze (write) and the file of the memory peak (read). */
CHECK_RESULT int cgroup_open_freeze(const struct cgroup *group, struct err *err);
CHECK_RESULT int cgroup_open_peak(const struct cgroup_tree *tree, const struct cgroup *group,
                                  struct err *err);
int cgroup_kill(const struct cgroup *group, struct err *err);
/* Takes what oom_fd, readable, has to tell, and kills the whole group if memory ran out. Version 2
 * does so by itself (memory.oom.group). */
void cgroup_oom(struct cgroup *group);
/* What cannot be read stays 0. */
void cgroup_usage(const struct cgroup_tree *tree, struct cgroup *group,
                  struct cgroup_usage *out_usage);
/* Removes it; -EBUSY while the kernel is still taking its last process away: ask again. The
 * descriptors stay open until it succeeds. */
int cgroup_remove(struct cgroup_tree *tree, struct cgroup *group, struct err *err);
