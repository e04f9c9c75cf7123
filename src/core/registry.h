#pragma once
/* The services of this process: model, operations, state and actor of each, found by what a
 * request shows: signing name, target prefix, host name. Filled at start, constant while loops
 * run. thread: main for changes, any for finding. */
#include "base/map.h"
#include "core/op.h"

struct actor;

struct installed {
    const struct service *service;
    const struct aws_service *model; /* service->model */
    void *state;                     /* the service's own */
    struct actor *actor;             /* NULL: the service keeps no database */
    struct map ops;                  /* of const struct service_op, by the operation's name */
};

struct registry;

struct registry *registry_new(void);

/* Opens a service: its database, its state, its actor (batches run on `actors`). Asserts that each
 * operation of the model has exactly one implementation, with either run or start. */
CHECK_RESULT int registry_open(struct registry *registry, const struct service *service,
                               const struct service_env *env, struct exec *actors, struct err *err);

/* Tells the services to start nothing of their own any more (service.stop). Loop 0. */
void registry_quiesce(struct registry *registry);
/* Finishes what waits in the actors and ends them; loops and the actors' exec must still run. */
void registry_stop(struct registry *registry);
/* Closes the services; after the loops stopped. */
void registry_free(struct registry *registry);

size_t registry_len(const struct registry *registry);
const struct installed *registry_at(const struct registry *registry, size_t at);

/* Borrowed, or NULL. The next after `after` (NULL: the first) with that signing name: several
 * services may share one (DynamoDB and its streams). */
const struct installed *registry_by_signing(const struct registry *registry, struct str name,
                                            const struct installed *after);
const struct installed *registry_by_target(const struct registry *registry, struct str prefix);
const struct installed *registry_by_endpoint(const struct registry *registry, struct str prefix);

const struct service_op *installed_op(const struct installed *installed,
                                      const struct aws_operation *model);
