/* The registry is an array: there are some dozens of services at most, and a request looks one up
 * once. Operations are found by name in a map per service, since some have hundreds.
 *
 * Registration is checked, not trusted: a model that selects an operation which nobody implements
 * would answer clients with a crash, and an implementation that the model does not select would
 * never run. Both stop the start. */
#include "core/registry.h"

#include "base/assert.h"
#include "base/mem.h"
#include "core/actor.h"

enum {
    SERVICES_MAX = 64,
    MAILBOX_MAX = 4096, /* messages; some 10 ms of writes in groups */
    BATCH_MAX = 64,     /* measured: groups of 64 reach what larger ones do */
};

struct registry {
    struct installed *at[SERVICES_MAX]; /* owned */
    size_t len;
};

struct registry *registry_new(void)
{
    return NEW(struct registry);
}

static void installed_map_ops(struct installed *installed)
{
    const struct service *service = installed->service;
    map_init(&installed->ops);
    for (size_t i = 0; i < service->op_count; i++) {
        const struct service_op *op = &service->ops[i];
        assert(op->model != NULL);
        assert((op->run != NULL) != (op->start != NULL)); /* Actor or loop, never both. */
        assert(op->start == NULL || op->publish == NULL);
        void *before = map_put(&installed->ops, op->model->name, (void *) op);
        assert(before == NULL); /* One implementation. */
    }
    const struct aws_service *model = service->model;
    assert(installed->ops.len == model->operation_count);
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const struct service_op *op = map_find(&installed->ops, model->operations[i]->name);
        assert(op != NULL && op->model == model->operations[i]); /* And for each. */
    }
}

static void installed_free(struct installed *installed)
{
    assert(installed->actor == NULL); /* registry_stop came first. */
    if (installed->service->close != NULL)
        installed->service->close(installed->state);
    map_done(&installed->ops);
    free(installed);
}

int registry_open(struct registry *registry, const struct service *service,
                  const struct service_env *env, struct exec *actors, struct err *err)
{
    assert(registry->len < SERVICES_MAX);
    assert(registry_by_endpoint(registry, service->model->endpoint_prefix) == NULL);
    struct installed *installed = NEW(struct installed);
    installed->service = service;
    installed->model = service->model;
    installed_map_ops(installed);
    struct db *db = NULL;
    int rc = service->open(env, &installed->state, &db, err);
    if (rc < 0) {
        map_done(&installed->ops);
        free(installed);
        return err_wrap(err, "open service " STR_FMT, STR_ARG(service->model->id));
    }
    if (db != NULL) {
        const struct actor_config config = {
            .name = service->model->id.ptr, /* ids are literals */
            .exec = actors,
            .db = db,
            .mailbox_max = MAILBOX_MAX,
            .batch_max = BATCH_MAX,
        };
        rc = actor_new(&config, &installed->actor, err);
        assert(rc == 0); /* The numbers above are sound. */
    }
    if (service->start != NULL)
        service->start(installed->state, installed->actor);
    registry->at[registry->len++] = installed;
    return 0;
}

void registry_quiesce(struct registry *registry)
{
    for (size_t i = 0; i < registry->len; i++) {
        const struct installed *installed = registry->at[i];
        if (installed->service->stop != NULL)
            installed->service->stop(installed->state);
    }
}

void registry_stop(struct registry *registry)
{
    for (size_t i = 0; i < registry->len; i++) {
        actor_free(registry->at[i]->actor);
        registry->at[i]->actor = NULL;
    }
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    for (size_t i = registry->len; i-- > 0;)
        installed_free(registry->at[i]);
    free(registry);
}

size_t registry_len(const struct registry *registry)
{
    return registry->len;
}

const struct installed *registry_at(const struct registry *registry, size_t at)
{
    assert(at < registry->len);
    return registry->at[at];
}

const struct installed *registry_by_signing(const struct registry *registry, struct str name,
                                            const struct installed *after)
{
    bool is_passed = after == NULL;
    for (size_t i = 0; i < registry->len; i++) {
        const struct installed *installed = registry->at[i];
        if (is_passed && str_eq(installed->model->signing_name, name))
            return installed;
        is_passed = is_passed || installed == after;
    }
    return NULL;
}

const struct installed *registry_by_target(const struct registry *registry, struct str prefix)
{
    for (size_t i = 0; i < registry->len; i++) {
        struct str own = registry->at[i]->model->target_prefix;
        if (own.ptr != NULL && str_eq(own, prefix))
            return registry->at[i];
    }
    return NULL;
}

const struct installed *registry_by_endpoint(const struct registry *registry, struct str prefix)
{
    for (size_t i = 0; i < registry->len; i++) {
        if (str_eq(registry->at[i]->model->endpoint_prefix, prefix))
            return registry->at[i];
    }
    return NULL;
}

const struct service_op *installed_op(const struct installed *installed,
                                      const struct aws_operation *model)
{
    const struct service_op *op = map_find(&installed->ops, model->name);
    assert(op != NULL); /* Checked when the service was opened. */
    return op;
}
