#pragma once
/* The gateway: from the listening socket to operations and back. One HTTP server per loop; every
 * request is classified, given a caller, decoded by the service's model, run where its operation
 * belongs (worker, actor, loop), and answered in the protocol that the client spoke. */
#include "core/registry.h"
#include "data/json.h"
#include "gateway/crosssite.h"

struct directory;
struct gateway;
struct loop;
struct tls_identity;

/* A question for /_virga/status: whoever answers it writes a JSON object into `out` and calls done
 * on the loop that asked. */
struct gateway_status {
    struct buf out;
    void (*done)(struct gateway_status *status);
};

struct gateway_config {
    const struct registry *registry; /* borrowed, complete */
    struct loop *const *loops;       /* borrowed */
    size_t loop_count;
    struct exec *workers; /* prepare steps, large bodies */
    const struct clock *clock;
    struct rng *rng;        /* any thread */
    struct directory *keys; /* of access keys; NULL: development mode, any credentials do */
    struct crosssite crosssite;
    bool is_strict;                 /* operations that are only stored are rejected */
    const struct tls_identity *tls; /* borrowed; NULL: no TLS */
    size_t conns_max;               /* per loop */
    unsigned in_flight_max;         /* requests per loop; beyond: "slow down" */
    /* Writes further members into the health object; loop thread. NULL: none. */
    void (*health)(void *arg, struct json_writer *w);
    void *health_arg;
    /* Answers it, later; thread: loop number `loop`. NULL: there is no such path. */
    void (*status)(void *arg, size_t loop, struct gateway_status *status);
    void *status_arg;
};

/* Main thread, before the loops run. errors: those of the servers. */
CHECK_RESULT int gateway_new(const struct gateway_config *config, struct gateway **out_gateway,
                             struct err *err);

/* Starts accepting on every loop, after the tasks that wait there by now: what services published
 * at their start is then in place. Takes listen_fd. ready runs once, on the last loop, with 0 or
 * the error. thread: any. */
void gateway_listen(struct gateway *gateway, int listen_fd,
                    void (*ready)(void *arg, int rc, const struct err *err), void *arg);

/* A door of one caller's own: a function, on its loopback. Whoever comes through it is that caller,
 * whatever the request is signed with, unless it is signed by a key of ours, which is then checked
 * and counts as ever. No rules for browsers: none can reach it. */
struct gateway_caller {
    struct str account, region, principal; /* region: where a request is not signed for another */
};
struct gateway_door;
/* Takes listen_fd; copies the caller. thread: loop number `loop`, as for close. */
CHECK_RESULT int gateway_door_open(struct gateway *gateway, size_t loop, int listen_fd,
                                   const struct gateway_caller *caller,
                                   struct gateway_door **out_door, struct err *err);
/* Connections are cut; requests under way are finished without an answer. */
void gateway_door_close(struct gateway_door *door);

/* Stops accepting; requests under way are finished and answered within timeout_ms, then their
 * connections are cut. done runs on the last loop. thread: any. */
void gateway_drain(struct gateway *gateway, int64_t timeout_ms, struct task *done);

/* After the loops stopped, with no request left in services or actors. */
void gateway_free(struct gateway *gateway);
