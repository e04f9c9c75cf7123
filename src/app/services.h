#pragma once
/* The services of this binary and what they run on, as one thing to open, drain and close. */
#include "core/registry.h"
#include "data/json.h"
#include "runtime/runtime.h"

struct loop;
struct isolation;
struct services;
struct spawner;
struct egress;

struct services_config {
    const char *data_dir;                    /* each service gets a directory below it */
    const struct interpreters *interpreters; /* of this host */
    bool is_strict;
    const char *endpoint; /* borrowed, process life time */
    const struct clock *clock;
    struct rng *rng;
    struct exec *workers, *actors;
    struct loop *const *loops;
    struct exec *const *execs; /* of the loops */
    size_t loop_count;
    struct spawner *spawner;
    const struct isolation *isolation; /* borrowed; filled before the loops run */
    uint64_t memory_max;
    int64_t keep_alive_ms; /* 0: by the functions' patterns */
    struct egress *egress;
    unsigned account_concurrency;
    unsigned instances_max;
    int64_t retry_unit_ms;     /* of asynchronous work; 0: AWS's */
    uint64_t stream_bytes_max; /* of a streamed answer; 0: AWS's */
    bool has_snapshots;
    uint64_t snapshot_bytes_max; /* of all their images; 0: the runtime's default */
    struct runtime_doors doors;  /* of functions to the gateway; used once the loops run */
};

/* Main thread, before the loops run. */
CHECK_RESULT int services_open(const struct services_config *config, struct services **out_services,
                               struct err *err);
const struct registry *services_registry(const struct services *services);
struct runtime *services_runtime(const struct services *services);
/* Writes members of the health object: counts of instances. thread: any loop. */
void services_health(void *services, struct json_writer *w);
/* Answers /_virga/status: the health object's counts, and the figures of each function. thread:
 * loop number `loop`. */
struct gateway_status;
void services_status(void *services, size_t loop, struct gateway_status *status);
/* Ends all instances of functions: running ones may finish within timeout_ms; what they printed is
 * on disk when done runs on loop 0.
 * thread: any. */
void services_drain(struct services *services, int64_t timeout_ms, struct task *done);
/* Finishes what waits in the actors; loops and actor threads still run. Not on a loop. */
void services_stop(struct services *services);
void services_free(struct services *services); /* after the loops stopped */
