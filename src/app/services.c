/* The table of services: adding one is a line here. Each opens its own database in a directory of
 * its own, so that a damaged or removed one is that service's matter alone. */
#include "app/services.h"

#include "base/mem.h"
#include "os/file.h"
#include "runtime/runtime.h"
#include "services/lambda/lambda.h"
#include "services/logs/logs.h"
#include "services/sts/sts.h"

#include <limits.h>

enum {
    QUEUE_MAX = 10 * 1000,         /* calls that wait for an instance, per loop */
    KEEP_ALIVE_MS = 5 * 60 * 1000, /* of an idle instance */
};

struct services {
    struct registry *registry;
    struct runtime *runtime;
    struct task functions_ended;
    struct task *drained; /* the caller's */
};

static const struct service *const all[] = {
    &lambda_room,
    &logs_room,
    &sts_room,
};

static int service_open(struct services *services, const struct service *service,
                        const struct services_config *config, struct err *err)
{
    char dir[PATH_MAX];
    (void) snprintf(dir, sizeof dir, "%s/" STR_FMT, config->data_dir, STR_ARG(service->model->id));
    int rc = dir_make(dir, 0700, err);
    if (rc < 0)
        return rc;
    const struct service_env env = {
        .data_dir = dir,
        .clock = config->clock,
        .rng = config->rng,
        .workers = config->workers,
        .loops = config->execs,
        .loop_count = config->loop_count,
        .endpoint = config->endpoint,
        .retry_unit_ms = config->retry_unit_ms,
        .port = services->runtime,
    };
    return registry_open(services->registry, service, &env, config->actors, err);
}

int services_open(const struct services_config *config, struct services **out_services,
                  struct err *err)
{
    struct services *services = NEW(struct services);
    services->registry = registry_new();
    const struct runtime_config runtime = {
        .loops = config->loops,
        .loop_count = config->loop_count,
        .spawner = config->spawner,
        .account_concurrency = LAMBDA_ACCOUNT_CONCURRENCY,
        .instances_max = config->instances_max,
        .queue_max = QUEUE_MAX,
        .keep_alive_ms = KEEP_ALIVE_MS,
        .endpoint = config->endpoint,
        .snapshot_dir = config->has_snapshots ? config->data_dir : NULL,
        .workers = config->workers,
    };
    int rc = runtime_new(&runtime, &services->runtime, err);
    for (size_t i = 0; rc >= 0 && i < ARRAY_LEN(all); i++)
        rc = service_open(services, all[i], config, err);
    if (rc < 0) {
        services_stop(services);
        services_free(services);
        return rc;
    }
    *out_services = services;
    return 0;
}

const struct registry *services_registry(const struct services *services)
{
    return services->registry;
}

void services_health(void *arg, struct json_writer *w)
{
    const struct services *services = arg;
    struct runtime_counts counts = runtime_counts(services->runtime);
    json_key(w, STR("instances"));
    json_object_begin(w);
    json_key(w, STR("alive"));
    json_u64(w, counts.instances);
    json_key(w, STR("busy"));
    json_u64(w, counts.busy);
    json_key(w, STR("queued"));
    json_u64(w, counts.queued);
    json_object_end(w);
    json_key(w, STR("snapshots"));
    json_object_begin(w);
    json_key(w, STR("ready"));
    json_u64(w, counts.snapshots);
    json_key(w, STR("restored"));
    json_u64(w, counts.restored);
    json_key(w, STR("failed"));
    json_u64(w, counts.restore_failed);
    json_object_end(w);
}

static void functions_ended(struct task *task)
{
    struct services *services = CONTAINER_OF(task, struct services, functions_ended);
    registry_quiesce(services->registry);
    services->drained->run(services->drained);
}

void services_drain(struct services *services, int64_t timeout_ms, struct task *done)
{
    services->drained = done;
    services->functions_ended.run = functions_ended;
    runtime_drain(services->runtime, timeout_ms, &services->functions_ended);
}

void services_stop(struct services *services)
{
    registry_stop(services->registry);
}

void services_free(struct services *services)
{
    if (services == NULL)
        return;
    registry_free(services->registry);
    runtime_free(services->runtime);
    free(services);
}
