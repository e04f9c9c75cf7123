#pragma once
/* What the spawner sets up once, before it says READY. */
#include "sandbox/cgroup.h"
#include "sandbox/filter.h"
#include "sandbox/root.h"
#include "sandbox/sandbox.h"
#include "sandbox/tmp.h"

struct spawner_parts {
    int lock_fd; /* on <state_dir>/spawner.lock, held for life */
    int netns_home;
    struct cgroup_tree cgroups;
    struct filter filter;
    struct root root;
    struct tmp_store tmp;
};

/* Open files that a spawner for so many sandboxes needs. */
unsigned long long spawner_files_wanted(unsigned slot_count, unsigned pool_max);
/* Turns the forked child into the spawner. *socket_fd is moved to a low number. On failure what was
 * made is released by spawner_parts_done, which takes a half-made struct. */
CHECK_RESULT int spawner_parts_init(struct spawner_parts *parts,
                                    const struct spawner_config *config, int *socket_fd,
                                    struct err *err);
void spawner_parts_done(struct spawner_parts *parts);
