/* The runtime: homes, and the way to them.
 *
 * Each loop has a home; a function, with all its versions, belongs to the home that the hash of its
 * ARN names.
 * A call that starts on another loop travels there as a task inside the invocation and back the
 * same way, so `done` runs where the call came from. With one loop nothing is posted at all.
 *
 * What the homes share they share exactly: the concurrency of accounts (core/quota.h). */
#include "runtime/runtime.h"

#include "base/log.h"
#include "base/mem.h"
#include "os/cpu.h"
#include "runtime/runtime_int.h"
#include "runtime/telemetry.h"

#include <errno.h>

enum { TEXT_MAX = 16 * 1024, PAYLOAD_MAX = 64 << 20 };
/* Longer than the pauses of a function under load, which is thus never frozen. */
enum { FREEZE_AFTER_US = 5000 };

void home_publish_counts(struct home *home)
{
    const struct sched *sched = &home->sched;
    __atomic_store_n(&home->counts.instances, sched->instances, __ATOMIC_RELAXED);
    __atomic_store_n(&home->counts.busy, sched->busy, __ATOMIC_RELAXED);
    __atomic_store_n(&home->counts.queued, sched->queued, __ATOMIC_RELAXED);
}

struct runtime_counts runtime_counts(const struct runtime *runtime)
{
    struct runtime_counts sum = {0};
    for (size_t i = 0; i < runtime->config.loop_count; i++) {
        const struct runtime_counts *counts = &runtime->homes[i].counts;
        sum.instances += __atomic_load_n(&counts->instances, __ATOMIC_RELAXED);
        sum.busy += __atomic_load_n(&counts->busy, __ATOMIC_RELAXED);
        sum.queued += __atomic_load_n(&counts->queued, __ATOMIC_RELAXED);
        sum.snapshots += __atomic_load_n(&counts->snapshots, __ATOMIC_RELAXED);
        sum.snapshots_refused += __atomic_load_n(&counts->snapshots_refused, __ATOMIC_RELAXED);
        sum.restored += __atomic_load_n(&counts->restored, __ATOMIC_RELAXED);
        sum.booted_early += __atomic_load_n(&counts->booted_early, __ATOMIC_RELAXED);
        sum.restore_failed += __atomic_load_n(&counts->restore_failed, __ATOMIC_RELAXED);
    }
    return sum;
}

unsigned runtime_account_concurrency(const struct runtime *runtime)
{
    return runtime->config.account_concurrency;
}

/* ---- invocations ---- */

static void finish(struct invocation *inv)
{
    struct buf output = inv->output, tail = inv->tail; /* done may free the invocation */
    struct invocation_stream stream = inv->stream;
    inv->done(inv);
    stream_done(&stream);
    buf_done(&output);
    buf_done(&tail);
}

static void run_finish(struct task *task)
{
    finish(CONTAINER_OF(task, struct invocation, task));
}

void home_done(struct home *home, struct invocation *inv)
{
    home_publish_counts(home);
    if (stream_holds(inv))
        return; /* it comes back */
    figures_count(home, inv);
    struct loop *origin = home->runtime->config.loops[inv->origin];
    if (origin == home->loop) {
        finish(inv);
        return;
    }
    inv->task.run = run_finish;
    exec_post(loop_exec(origin), &inv->task);
}

struct home *home_of_function(const struct runtime *runtime, const struct function_spec *spec)
{
    size_t count = runtime->config.loop_count;
    if (count == 1)
        return &runtime->homes[0];
    return &runtime->homes[hash_bytes(spec->arn) % count]; /* a function's versions share a home */
}

static void begin(struct home *home, struct invocation *inv)
{
    figures_begin(home, inv->spec);
    sched_invoke(&home->sched, inv);
    home_publish_counts(home);
}

static void run_begin(struct task *task)
{
    struct invocation *inv = CONTAINER_OF(task, struct invocation, task);
    begin(home_of_function(inv->runtime, inv->spec), inv);
}

static bool fits(const struct invocation *inv)
{
    return inv->request_id.len <= TEXT_MAX && inv->invoked_arn.len <= TEXT_MAX &&
           inv->trace_id.len <= TEXT_MAX && inv->client_context.len <= TEXT_MAX &&
           inv->cognito_identity.len <= TEXT_MAX && inv->payload.len <= PAYLOAD_MAX;
}

/* Everything that is not the caller's to fill. */
static void reset(struct invocation *inv)
{
    const struct invocation given = *inv;
    *inv = (struct invocation){.spec = given.spec,
                               .request_id = given.request_id,
                               .invoked_arn = given.invoked_arn,
                               .trace_id = given.trace_id,
                               .client_context = given.client_context,
                               .cognito_identity = given.cognito_identity,
                               .payload = given.payload,
                               .wants_log_tail = given.wants_log_tail,
                               .sink = given.sink,
                               .done = given.done};
}

void runtime_invoke(struct runtime *runtime, size_t loop, struct invocation *inv)
{
    assert(loop < runtime->config.loop_count);
    assert(loop_is_current(runtime->config.loops[loop]));
    reset(inv);
    inv->runtime = runtime;
    inv->origin = loop;
    if (inv->trace_id.ptr == NULL)
        inv->trace_id = trace_id_make(inv->trace_text, STR_NONE, inv->request_id,
                                      clock_utc_ms(loop_exec(runtime->config.loops[loop])->clock));
    if (!fits(inv)) {
        inv->result = INVOCATION_REFUSED;
        (void) err_say(&inv->error, -E2BIG, "the invocation is too large");
        inv->done(inv);
        return;
    }
    struct home *home = home_of_function(runtime, inv->spec);
    inv->stream.home = home;
    if (home->index == loop) {
        begin(home, inv);
        return;
    }
    inv->task.run = run_begin;
    exec_post(home->exec, &inv->task);
}

void runtime_function_changed(struct runtime *runtime, size_t loop, struct str arn,
                              const struct function_spec *spec_or_null)
{
    struct home *home = &runtime->homes[loop];
    if (spec_or_null != NULL && home_of_function(runtime, spec_or_null) != home)
        return;
    /* Immutable for all but its reference count, which is what is needed here. */
    struct function_spec *counted = (struct function_spec *) (uintptr_t) spec_or_null;
    sched_function_changed(&home->sched, arn, counted);
    images_changed(home, arn, counted);
    if (spec_or_null == NULL)
        figures_forget(home, arn);
    if (spec_or_null != NULL)
        images_wish_boot(home, spec_or_null);
    home_publish_counts(home);
}

/* ---- snapshots, seen from outside ---- */

enum { KEY_MAX = 512 };

static struct str put_key(char text[KEY_MAX], struct str arn, struct str version)
{
    int n = snprintf(text, KEY_MAX, STR_FMT ":" STR_FMT, STR_ARG(arn), STR_ARG(version));
    return str_of(text, n < 0 || n >= KEY_MAX ? 0 : (size_t) n); /* "": of nobody */
}

bool runtime_snapshot_find(const struct runtime *runtime, struct str arn, struct str version,
                           struct snapshot_status *out)
{
    char text[KEY_MAX];
    return board_get(runtime->board, put_key(text, arn, version), out);
}

void runtime_snapshot_each(const struct runtime *runtime,
                           void (*fn)(void *arg, struct str key, const void *status), void *arg)
{
    board_each(runtime->board, fn, arg);
}

struct drop {
    struct task task;
    struct home *home;
    char text[KEY_MAX];
    struct str key; /* views text */
};

static void run_drop(struct task *task)
{
    struct drop *drop = CONTAINER_OF(task, struct drop, task);
    images_drop(drop->home, drop->key);
    free(drop);
}

void runtime_snapshot_drop(struct runtime *runtime, struct str arn, struct str version)
{
    const struct function_spec spec = {.arn = arn};
    struct drop *drop = NEW(struct drop);
    drop->task.run = run_drop;
    drop->home = home_of_function(runtime, &spec);
    drop->key = put_key(drop->text, arn, version);
    exec_post(drop->home->exec, &drop->task);
}

/* ---- events of the spawner ---- */

/* The spawner has ended, and with it everything that it had built. */
static void all_gone(struct home *home)
{
    size_t at = 0;
    for (struct instance *inst; (inst = map_next(&home->instances, &at, NULL)) != NULL; at = 0) {
        struct sandbox_event event = {.id = inst->id, .status = -1, .error = -EPIPE};
        (void) snprintf(event.reason, sizeof event.reason, "the spawner is gone");
        if (inst->made_us == 0)
            instance_failed(inst, &event);
        else
            instance_gone(inst, &event);
    }
}

static void close_made(const struct sandbox_event *event)
{
    const int fds[] = {event->control_fd, event->log_fd,      event->freeze_fd,
                       event->memory_fd,  event->services_fd, event->runtime_api_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        cleanup_close(&fds[i]);
}

/* The spawner's shells belong to all homes alike. */
static void shells_changed(struct home *home, unsigned count)
{
    uint64_t bytes = (uint64_t) count * SANDBOX_SHELL_BYTES;
    sched_pooled(&home->sched, bytes / home->runtime->config.loop_count);
}

void home_event(struct home *home, const struct sandbox_event *event)
{
    if (template_event(home, event) && event->type != SANDBOX_NONE)
        return;
    struct instance *inst = map_find(&home->instances, str_of(&event->id, sizeof event->id));
    switch (event->type) {
    case SANDBOX_NONE:
        all_gone(home);
        sched_pooled(&home->sched, 0);
        break;
    case SANDBOX_SHELLS: shells_changed(home, event->shells); break;
    case SANDBOX_MADE:
        if (inst != NULL)
            instance_made(inst, event);
        else
            close_made(event);
        break;
    case SANDBOX_FAILED:
        if (inst != NULL)
            instance_failed(inst, event);
        break;
    case SANDBOX_GONE:
        if (inst != NULL)
            instance_gone(inst, event);
        break;
    case SANDBOX_ENDED:
        if (inst != NULL)
            instance_ended(inst, event);
        break;
    case SANDBOX_SOCKET:
        if (inst != NULL)
            telemetry_socket(inst, event);
        else
            cleanup_close(&event->socket_fd);
        break;
    case SANDBOX_EGRESS: cleanup_close(&event->socket_fd); break; /* the broker's, not ours */
    }
    if (home->is_image_delayed && event->type == SANDBOX_GONE)
        images_next(home);
    home_publish_counts(home);
}

/* ---- draining ---- */

static void home_is_drained(struct task *task)
{
    struct home *home = CONTAINER_OF(task, struct home, done_task);
    struct runtime *runtime = home->runtime;
    assert(runtime->homes_left > 0);
    if (--runtime->homes_left == 0)
        exec_post(loop_exec(runtime->config.loops[0]), take_ptr(&runtime->drained));
}

void home_drained(struct home *home)
{
    home->is_drained = true;
    if (home->template != NULL) {
        template_stop(home); /* its end calls this again */
        return;
    }
    timer_clear(home->exec, &home->drain_timer);
    home_publish_counts(home);
    home->done_task.run = home_is_drained;
    exec_post(loop_exec(home->runtime->config.loops[0]), &home->done_task);
}

static void drain_is_over(struct timer *timer)
{
    struct home *home = CONTAINER_OF(timer, struct home, drain_timer);
    log_warn("runtime", "functions did not end in time", "busy=%u queued=%u", home->sched.busy,
             home->sched.queued);
    sched_refuse(&home->sched);
    size_t at = 0;
    for (struct instance *inst; (inst = map_next(&home->instances, &at, NULL)) != NULL;)
        sched_slot_stop(&home->sched, &inst->slot); /* busy ones end when they are gone */
}

static void drain_home(struct task *task)
{
    struct home *home = CONTAINER_OF(task, struct home, drain_task);
    home->drain_timer.fire = drain_is_over;
    timer_set(home->exec, &home->drain_timer,
              exec_now_us(home->exec) + home->runtime->drain_ms * 1000);
    if (home->index == 0)
        selftest_stop(home->runtime);
    template_stop(home);
    sched_drain(&home->sched);
}

void runtime_drain(struct runtime *runtime, int64_t timeout_ms, struct task *done)
{
    assert(runtime->drained == NULL && timeout_ms >= 0);
    runtime->drained = done;
    runtime->drain_ms = timeout_ms;
    runtime->homes_left = runtime->config.loop_count;
    for (size_t i = 0; i < runtime->config.loop_count; i++) {
        struct home *home = &runtime->homes[i];
        home->drain_task.run = drain_home;
        exec_post(home->exec, &home->drain_task);
    }
}

/* ---- making and freeing ---- */

static void home_init(struct home *home, struct runtime *runtime, size_t index)
{
    const struct runtime_config *config = &runtime->config;
    unsigned homes = (unsigned) config->loop_count;
    *home = (struct home){.runtime = runtime,
                          .index = index,
                          .loop = config->loops[index],
                          .exec = loop_exec(config->loops[index]),
                          .next_id = config->loop_count + index,
                          .scratch = mem_new(SCRATCH_SIZE),
                          .log_scratch = mem_new(SCRATCH_SIZE)};
    map_init(&home->instances);
    map_init(&home->figures);
    map_init(&home->images);
    const struct sched_config sched = {.exec = home->exec,
                                       .effects = &instance_effects,
                                       .arg = home,
                                       .accounts = runtime->accounts,
                                       .instances_max = config->instances_max / homes,
                                       .queue_max = config->queue_max,
                                       .memory_max = config->memory_max / homes,
                                       .keep_alive_us = config->keep_alive_ms * 1000,
                                       .is_keep_adaptive = config->is_keep_adaptive,
                                       .freeze_after_us = FREEZE_AFTER_US,
                                       .cpus = cpu_count()};
    sched_init(&home->sched, &sched);
}

int runtime_new(const struct runtime_config *config, struct runtime **out_runtime, struct err *err)
{
    assert(config->loop_count > 0 && config->instances_max >= config->loop_count);
    assert(config->snapshot_dir == NULL || config->workers != NULL);
    struct runtime *runtime = NEW(struct runtime);
    runtime->config = *config;
    runtime->idle_fd = cpu_idle_open(NULL); /* without it, no call waits for a busy instance */
    runtime->accounts = quotas_new(config->account_concurrency);
    runtime->homes = NEW_ARRAY(struct home, config->loop_count);
    runtime->board = board_new(sizeof(struct snapshot_status));
    for (size_t i = 0; i < config->loop_count; i++)
        home_init(&runtime->homes[i], runtime, i);
    int rc = config->snapshot_dir == NULL
                 ? 0
                 : kept_new(config->snapshot_dir, config->snapshot_build, &runtime->kept, err);
    if (rc == 0)
        rc = broker_new(runtime, &runtime->broker, err);
    if (rc < 0) {
        runtime_free(runtime);
        return rc;
    }
    selftest_new(runtime);
    *out_runtime = runtime;
    return 0;
}

void runtime_free(struct runtime *runtime)
{
    if (runtime == NULL)
        return;
    for (size_t i = 0; i < runtime->config.loop_count; i++) {
        struct home *home = &runtime->homes[i];
        assert(home->template == NULL);
        sched_done(&home->sched);
        images_done(home);
        figures_done(home);
        map_done(&home->instances);
        free(home->scratch);
        free(home->log_scratch);
    }
    selftest_free(runtime);
    kept_free(runtime->kept);
    broker_free(runtime->broker);
    cleanup_close(&runtime->idle_fd);
    board_free(runtime->board);
    quotas_free(runtime->accounts);
    free(runtime->homes);
    free(runtime);
}
