/* What the scheduler asks of an instance: to be started, to run an invocation, to freeze, to end.
 */
#include "runtime/extensions.h"
#include "runtime/instance_int.h"
#include "runtime/telemetry.h"

#include "base/log.h"
#include "base/mem.h"
#include "os/cpu.h"

#include <errno.h>
#include <inttypes.h>

enum {
    BUILD_LIMIT_US = 30 * 1000 * 1000, /* the spawner takes milliseconds */
    ENDING_LIMIT_US = 500 * 1000, /* between the end of the stream and the end of the process */
};

static void start(void *arg, struct function_spec *spec)
{
    struct home *home = arg;
    struct instance *inst = NEW(struct instance);
    *inst = (struct instance){.home = home,
                              .id = home->next_id,
                              .control_fd = -1,
                              .log_fd = -1,
                              .freeze_fd = -1,
                              .memory_fd = -1,
                              .image_fd = -1,
                              .shutdown_reason = "spindown",
                              .reader = {.payload = &inst->answer},
                              .timer = {.fire = instance_timer_fired},
                              .asked_us = exec_now_us(home->exec)};
    home->next_id += home->runtime->config.loop_count;
    buf_init(&inst->answer, ANSWER_SIZE_MAX);
    buf_init(&inst->streamed, ANSWER_SIZE_MAX);
    buf_init(&inst->out, SANDBOX_START_MAX);
    buf_init(&inst->log, 2 * LOG_TAIL_SIZE);
    output_init(inst);
    sched_slot_init(&home->sched, &inst->slot, spec);
    (void) map_put(&home->instances, str_of(&inst->id, sizeof inst->id), inst);
    instance_set_timer(inst, BUILD_LIMIT_US);
    broker_spawn(home, inst->id, spec);
}

/* The time that the invocation has left on this instance. */
static int64_t time_allowed_us(const struct instance *inst, const struct invocation *inv)
{
    int64_t allowed = (int64_t) inv->spec->timeout_ms * 1000;
    if (inst->is_retry && !inst->is_used)
        allowed -= inst->ready_us - inst->made_us;
    return allowed > 0 ? allowed : 0;
}

static void note_cold_start(struct instance *inst, struct invocation *inv)
{
    inv->is_cold = true;
    inv->sandbox_us = inst->build_us;
    if (inst->copied_from == COPIED_FROM_SNAPSHOT) {
        inv->restore_us = inst->ready_us - inst->made_us;
    } else {
        inv->boot_us = inst->booted_us - inst->made_us;
        inv->init_us = inst->ready_us - inst->booted_us;
    }
    inv->queue_us -= inv->sandbox_us + inv->boot_us + inv->init_us + inv->restore_us;
    if (inv->queue_us < 0)
        inv->queue_us = 0; /* the instance was started for another one */
}

static void send_frame(struct instance *inst, const struct invocation *inv)
{
    inst->seq = inst->seq == UINT32_MAX ? 1 : inst->seq + 1;
    const struct frame_invoke invoke = {.deadline_ms = inst->deadline_ms,
                                        .request_id = inv->request_id,
                                        .invoked_arn = inv->invoked_arn,
                                        .trace_id = inv->trace_id,
                                        .client_context = inv->client_context,
                                        .cognito_identity = inv->cognito_identity,
                                        .event_size = inv->payload.len};
    buf_reset(&inst->out);
    int rc = frame_invoke_put(&inst->out, &invoke, inst->seq, NULL);
    assert(rc == 0 && !buf_is_over(&inst->out)); /* runtime_invoke checked the sizes */
    inst->event = inv->payload;
    inst->sent = 0;
    channel_send(inst);
}

static void send(void *arg, struct slot *slot, struct invocation *inv)
{
    struct instance *inst = CONTAINER_OF(slot, struct instance, slot);
    (void) arg;
    int64_t allowed_us = time_allowed_us(inst, inv);
    inv->sent_us = instance_now_us(inst);
    inv->queue_us = inv->sent_us - inv->created_us;
    if (!inst->is_used)
        note_cold_start(inst, inv);
    inst->is_used = true;
    buf_reset(&inst->log); /* what was said before is not the invocation's */
    inst->deadline_ms = clock_utc_ms(inst->home->exec->clock) + allowed_us / 1000;
    inst->ends_us = inv->sent_us + allowed_us;
    instance_set_timer(inst, allowed_us);
    if (report_is_wanted(inst, inv))
        report_start(inst, inv);
    inst->is_waiting = false;
    extensions_invoke(inst, inv);
    if (instance_speaks_http(inst))
        api_send(inst->api);
    else
        send_frame(inst, inv);
}

static void write_freeze(struct instance *inst, char digit)
{
    if (write(inst->freeze_fd, &digit, 1) !=
        1) /* Never seen; what cannot thaw runs into its time. */
        log_warn("runtime", "instance not frozen or thawed", "id=%" PRIu64 " to=%c errno=%d",
                 inst->id, digit, errno);
}

static void freeze(void *arg, struct slot *slot)
{
    struct instance *inst = CONTAINER_OF(slot, struct instance, slot);
    (void) arg;
    telemetry_freeze(inst);
    write_freeze(inst, '1');
}

void instance_thaw(struct instance *inst)
{
    write_freeze(inst, '0');
    telemetry_thaw(inst);
}

static void thaw(void *arg, struct slot *slot)
{
    (void) arg;
    instance_thaw(CONTAINER_OF(slot, struct instance, slot));
}

void instance_kill(struct instance *inst)
{
    if (inst->is_killed)
        return;
    inst->is_killed = true;
    broker_kill(inst->home, inst->id);
}

void instance_end_now(struct instance *inst)
{
    if (shutdown_begin(inst))
        return;
    channel_close_control(inst);
    instance_kill(inst);
    instance_set_timer(inst, INSTANCE_GONE_LIMIT_US);
}

static void stop(void *arg, struct slot *slot)
{
    struct instance *inst = CONTAINER_OF(slot, struct instance, slot);
    (void) arg;
    inst->event = STR_NONE;
    buf_reset(&inst->out);
    inst->sent = 0;
    if (inst->is_ending) {
        channel_close_control(inst);
        instance_set_timer(inst, ENDING_LIMIT_US);
        return;
    }
    instance_end_now(inst);
}

static void shrink(void *arg, uint64_t bytes)
{
    broker_shrink(arg, bytes);
}

static void done(void *arg, struct invocation *inv)
{
    home_done(arg, inv);
}

static struct crowd_use cpu_use(void *arg)
{
    const struct home *home = arg;
    return (struct crowd_use){cpu_idle_us(home->runtime->idle_fd), cpu_thread_us()};
}

static void drained(void *arg)
{
    home_drained(arg);
}

const struct sched_effects instance_effects = {
    .start = start,
    .send = send,
    .freeze = freeze,
    .thaw = thaw,
    .stop = stop,
    .shrink = shrink,
    .done = done,
    .cpu_use = cpu_use,
    .drained = drained,
};
