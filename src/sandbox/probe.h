#pragma once
/* What this host can do for sandboxes, and what to do about what it cannot: `virga doctor`.
 *
 * Everything is tried, not guessed, where trying leaves nothing behind: namespaces and mounts in a
 * child process that ends at once.
 *
 * thread: the only one of a short-lived process. */
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum probe_level {
    PROBE_GOOD,
    PROBE_WEAK,    /* functions run, with less than the design wants */
    PROBE_MISSING, /* functions cannot run */
};

struct probe_item {
    const char *name; /* "kernel" */
    enum probe_level level;
    char found[160];    /* "6.1.0" */
    const char *advice; /* NULL when good */
};

enum { PROBE_ITEMS_MAX = 40 };

struct probe {
    struct probe_item items[PROBE_ITEMS_MAX];
    size_t count;
    enum probe_level level; /* the worst */
};

struct probe_config {
    const char *data_dir; /* it, or the nearest parent that exists, is looked at */
    unsigned slot_count;  /* sandboxes that must fit at a time */
    unsigned pool_max;
    bool is_rootless;            /* this process is root of a user namespace of its own */
    unsigned long long id_count; /* that exist in it */
};

void probe_run(const struct probe_config *config, struct probe *out_probe);

/* The decisions, without the host; for tests. */
enum probe_level probe_kernel_level(const char *release);
enum probe_level probe_machine_level(const char *machine);
enum probe_level probe_space_level(unsigned long long free_bytes);
