#pragma once
/* What the tests of real sandboxes share: one spawner for the file, a directory with the hostile
 * program as /var/task, and ways to run it and collect what became of it. */
#include "sandbox/sandbox.h"

#include <stdint.h>

struct harness {
    char dir[64];  /* temporary, removed at the end */
    char code[80]; /* dir/code, holds `tenant` */
    int code_fd;
    uid_t uid_base; /* differs between test processes that run at a time */
    uint64_t next_id;
    struct spawner *spawner;
    unsigned shells; /* as the spawner said last */
};

/* A sandbox that was MADE. */
struct box {
    struct sandbox_event made;
    struct sandbox_event gone; /* type SANDBOX_NONE until it came */
};

/* What a finished program said and how it ended. */
struct outcome {
    char log[8192];
    struct sandbox_event gone;
};

/* Copies a file and makes it executable for all. */
void harness_copy(const char *from, const char *to);
void harness_init(struct harness *h);
void harness_done(struct harness *h);
/* With REDUCED in the environment no control group is delegated to us: what then is not contained
 * is skipped by name (docs/rootless.md). */
bool harness_is_bare(void);
/* This user namespace has no user but 0. */
bool harness_has_one_id(void);
/* Starts (again) a spawner with this many slots and pooled kits. */
void harness_spawner(struct harness *h, unsigned slots, unsigned pool);

struct sandbox_spec harness_spec(struct harness *h);
/* The next event of this id (0: how many shells there are); events of others are kept for theirs.
 * Fails the test after 10 s. */
struct sandbox_event harness_event(struct harness *h, uint64_t id);
struct sandbox_event harness_spawn(struct harness *h, const struct sandbox_spec *spec);
void harness_start(const struct sandbox_event *made, const char *const *argv);
void harness_close(struct sandbox_event *made);
/* Reads the log until its end (bounded), then waits for GONE. */
void harness_finish(struct harness *h, struct sandbox_event *made, struct outcome *out);
/* Spawn, start `tenant ...` and finish, with a spec or the usual one (NULL). */
void harness_run(struct harness *h, const struct sandbox_spec *spec, const char *const *argv,
                 struct outcome *out);
/* Reads one line of the log, bounded by 10 s; "" at its end. */
void harness_line(const struct sandbox_event *made, char *out, size_t size);
