/* The table of services: adding one is a line here. Each opens its own database in a directory of
 * its own, so that a damaged or removed one is that service's matter alone. */
#include "app/services.h"

#include "app/isolation.h"

#include "base/assert.h"
#include "base/mem.h"
#include "bootstraps.h"
#include "os/file.h"
#include "restorer/files.h"
#include "restorer/image.h"
#include "runtime/runtime.h"
#include "services/lambda/lambda.h"
#include "services/logs/logs.h"
#include "services/sts/sts.h"

#include <limits.h>

enum {
    QUEUE_MAX = 10 * 1000,         /* calls that wait for an instance, per loop */
    KEEP_ALIVE_MS = 5 * 60 * 1000, /* of an idle instance */
    LOG_BYTES_MAX = 32 << 20,      /* of lines on their way to the disk, all loops together */
    LOG_GATHER_US = 50 * 1000, /* what a kill -9 may lose; the commits a second that logs cost */
};

/* The log of one loop. Its tasks run there. */
struct loop_log {
    struct services *services;
    struct logs_writer *writer;
    struct exec *exec;
    struct task drain, idle, arrived; /* arrived: on loop 0 */
};

struct services {
    struct registry *registry;
    struct runtime *runtime;
    const struct isolation *isolation;
    char *snapshots;       /* owned: the directory of their images */
    struct loop_log *logs; /* owned, one per loop */
    size_t loop_count, logs_left;
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
        .interpreters = config->interpreters,
        .is_strict = config->is_strict,
    };
    return registry_open(services->registry, service, &env, config->actors, err);
}

/* --- what functions print: from the runtime to the logs service --- */

static struct logs_target log_target(const struct log_place *place)
{
    const struct function_spec *spec = place->spec;
    return (struct logs_target){spec->account, spec->region, spec->log_group, place->stream};
}

static bool log_put(void *arg, const struct log_place *place, int64_t at_ms, struct str message)
{
    const struct services *services = arg;
    const struct logs_target target = log_target(place);
    return logs_append(services->logs[place->loop].writer, &target, at_ms, message);
}

static bool log_has_room(void *arg, const struct log_place *place)
{
    const struct services *services = arg;
    const struct logs_target target = log_target(place);
    return logs_wants_more(services->logs[place->loop].writer, &target);
}

/* Before a request can come: the runtime has its sink from the start. */
static void logs_open(struct services *services, const struct services_config *config)
{
    const struct installed *logs = registry_by_signing(services->registry, STR("logs"), NULL);
    assert(logs != NULL && logs->service == &logs_room);
    for (size_t i = 0; i < config->loop_count; i++) {
        const struct logs_writer_config writer = {
            .actor = logs->actor,
            .state = logs->state,
            .exec = config->execs[i],
            .bytes_max = LOG_BYTES_MAX / config->loop_count,
            .gather_us = LOG_GATHER_US,
        };
        struct loop_log *log = &services->logs[i];
        log->services = services;
        log->exec = config->execs[i];
        log->writer = logs_writer_new(&writer);
    }
}

static uint64_t hash_file(uint64_t hash, const unsigned char *bytes, size_t size)
{
    uint64_t last[] = {0, size};
    memcpy(&last[0], bytes + size / 8 * 8, size % 8);
    hash = image_hash(hash, bytes, size);
    return image_hash(hash, last, sizeof last);
}

/* Of what images of processes consist of besides their function: what is in /var/runtime. */
static uint64_t build_number(void)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < bootstrap_file_count; i++)
        hash = hash_file(hash, bootstrap_files[i].bytes, *bootstrap_files[i].size);
    for (size_t i = 0; i < restorer_file_count; i++)
        hash = hash_file(hash, restorer_files[i].bytes, *restorer_files[i].size);
    return hash;
}

int services_open(const struct services_config *config, struct services **out_services,
                  struct err *err)
{
    struct services *services = NEW(struct services);
    services->registry = registry_new();
    services->loop_count = config->loop_count;
    services->isolation = config->isolation;
    services->logs = NEW_ARRAY(struct loop_log, config->loop_count);
    char *snapshots = mem_new(PATH_MAX); /* the runtime's for its life time */
    services->snapshots = snapshots;
    (void) snprintf(snapshots, PATH_MAX, "%s/snapshots", config->data_dir);
    const struct runtime_config runtime = {
        .loops = config->loops,
        .loop_count = config->loop_count,
        .spawner = config->spawner,
        .egress = config->egress,
        .account_concurrency = config->account_concurrency,
        .instances_max = config->instances_max,
        .memory_max = config->memory_max,
        .queue_max = QUEUE_MAX,
        .keep_alive_ms = config->keep_alive_ms > 0 ? config->keep_alive_ms : KEEP_ALIVE_MS,
        .is_keep_adaptive = config->keep_alive_ms == 0,
        .stream_bytes_max = config->stream_bytes_max,
        .log_sink = log_put,
        .log_has_room = log_has_room,
        .log_arg = services,
        .snapshot_dir = snapshots,
        .has_snapshots = config->has_snapshots,
        .snapshot_bytes_max = config->snapshot_bytes_max,
        .snapshot_build = build_number(),
        .workers = config->workers,
        .doors = config->doors,
    };
    int rc = dir_make(snapshots, 0700, err);
    if (rc >= 0)
        rc = runtime_new(&runtime, &services->runtime, err);
    for (size_t i = 0; rc >= 0 && i < ARRAY_LEN(all); i++)
        rc = service_open(services, all[i], config, err);
    if (rc < 0) {
        services_stop(services);
        services_free(services);
        return rc;
    }
    logs_open(services, config);
    *out_services = services;
    return 0;
}

const struct registry *services_registry(const struct services *services)
{
    return services->registry;
}

static void health_selftest(const struct services *services, struct json_writer *w)
{
    struct snapshot_status status;
    bool is_known = runtime_snapshots_state(services->runtime, &status);
    json_key(w, STR("selfTest"));
    json_str(w, !is_known                          ? STR("none yet")
                : status.state == SNAPSHOT_REFUSED ? STR("failed")
                                                   : STR("passed"));
    if (is_known && status.state == SNAPSHOT_REFUSED) {
        json_key(w, STR("off"));
        json_str(w, str_from(status.reason));
    }
}

void services_health(void *arg, struct json_writer *w)
{
    const struct services *services = arg;
    struct runtime_counts counts = runtime_counts(services->runtime);
    isolation_put(services->isolation, w);
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
    json_key(w, STR("refused"));
    json_u64(w, counts.snapshots_refused);
    json_key(w, STR("restored"));
    json_u64(w, counts.restored);
    json_key(w, STR("failed"));
    json_u64(w, counts.restore_failed);
    json_key(w, STR("bootedEarly"));
    json_u64(w, counts.booted_early);
    health_selftest(services, w);
    json_object_end(w);
}

struct runtime *services_runtime(const struct services *services)
{
    return services->runtime;
}

/* --- draining: instances first, then what they printed goes to the disk --- */

static void log_arrived(struct task *task)
{
    struct services *services = CONTAINER_OF(task, struct loop_log, arrived)->services;
    assert(services->logs_left > 0);
    if (--services->logs_left == 0)
        exec_post(services->logs[0].exec, take_ptr(&services->drained));
}

static void log_is_idle(struct task *task)
{
    struct loop_log *log = CONTAINER_OF(task, struct loop_log, idle);
    log->arrived.run = log_arrived;
    exec_post(log->services->logs[0].exec, &log->arrived);
}

static void log_drain(struct task *task)
{
    struct loop_log *log = CONTAINER_OF(task, struct loop_log, drain);
    log->idle.run = log_is_idle;
    logs_writer_drain(log->writer, &log->idle);
}

static void functions_ended(struct task *task)
{
    struct services *services = CONTAINER_OF(task, struct services, functions_ended);
    registry_quiesce(services->registry);
    services->logs_left = services->loop_count;
    for (size_t i = 0; i < services->loop_count; i++) {
        struct loop_log *log = &services->logs[i];
        log->drain.run = log_drain;
        exec_post(log->exec, &log->drain);
    }
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
    for (size_t i = 0; i < services->loop_count; i++)
        logs_writer_free(services->logs[i].writer);
    free(services->logs);
    runtime_free(services->runtime);
    free(services->snapshots);
    free(services);
}
