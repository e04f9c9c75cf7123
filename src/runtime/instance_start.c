/* The start of an instance, from its finished sandbox until it is ready, or is not.
 *
 * Init has AWS's ten seconds; past them the instance is killed and another one is started for the
 * invocation that waits longest, whose init then may take the function's own timeout and counts
 * towards it. A second expiry is a timeout of the invocation. An init that *fails* is answered at
 * once (AWS tries once more inside the invocation, which runs the user's side effects twice). */
#include "runtime/extensions.h"
#include "runtime/instance_int.h"

#include "base/mem.h"

enum { INIT_LIMIT_US = 10 * 1000 * 1000 };

void instance_take_victim(struct instance *inst)
{
    if (inst->victim == NULL)
        inst->victim = sched_take_waiting(instance_sched(inst), &inst->slot);
}

void instance_refuse_victim(struct instance *inst, const struct err *err)
{
    struct invocation *inv = take_ptr(&inst->victim);
    if (inv == NULL)
        return;
    inv->result = INVOCATION_REFUSED;
    inv->error = *err;
    sched_end(instance_sched(inst), inv);
}

void instance_not_initialised(struct instance *inst, bool is_oversize)
{
    instance_take_victim(inst);
    output_drain(inst);
    extensions_report(inst);
    report_init_failed(inst, is_oversize ? STR("{}") : buf_str(&inst->answer));
    inst->shutdown_reason = "failure";
    sched_slot_stop(instance_sched(inst), &inst->slot);
    struct invocation *inv = take_ptr(&inst->victim);
    if (inv == NULL)
        return;
    ending_begin_unsent(inst, inv);
    if (is_oversize)
        report_oversize(&inv->output, ANSWER_SIZE_MAX);
    else
        buf_put(&inv->output, buf_str(&inst->answer));
    ending_conclude(inst, inv, &verdict_none);
    sched_end(instance_sched(inst), inv);
}

bool instance_is_unborn(const struct instance *inst)
{
    bool is_starting = inst->slot.state == SLOT_INITIALISING || inst->slot.state == SLOT_BUILDING;
    return is_starting && !inst->is_booted && inst->copied_from != COPIED_FROM_NOTHING;
}

void instance_not_restored(struct instance *inst, const char *why)
{
    images_broken(inst->home, inst->slot.spec, inst->copied_from, why);
    sched_slot_stop(instance_sched(inst), &inst->slot);
}

void instance_init_failed(struct instance *inst, struct buf *body)
{
    buf_done(&inst->answer);
    inst->answer = *body;
    *body = (struct buf){.ptr = NULL};
    instance_not_initialised(inst, buf_is_over(&inst->answer));
}

void instance_init_timed_out(struct instance *inst)
{
    if (instance_is_unborn(inst)) {
        instance_not_restored(inst, "it took too long");
        return;
    }
    instance_take_victim(inst);
    struct invocation *inv = take_ptr(&inst->victim);
    if (inv != NULL && !inv->is_init_retry) {
        inv->is_init_retry = true;
        sched_return_waiting(instance_sched(inst), inv);
        inv = NULL;
    }
    output_drain(inst);
    extensions_report(inst);
    report_init_failed(inst, STR_NONE);
    inst->shutdown_reason = "timeout";
    sched_slot_stop(instance_sched(inst), &inst->slot);
    if (inv == NULL)
        return;
    ending_begin_unsent(inst, inv);
    ending_by_timeout(inst, inv);
    sched_end(instance_sched(inst), inv);
}

static int64_t init_limit_us(const struct instance *inst)
{
    if (inst->is_retry)
        return (int64_t) inst->slot.spec->timeout_ms * 1000;
    int64_t limit_ms = inst->home->runtime->config.init_limit_ms;
    return limit_ms > 0 ? limit_ms * 1000 : INIT_LIMIT_US;
}

/* What listens for it inside. Takes the descriptors. */
static int open_doors(struct instance *inst, const struct sandbox_event *event, struct err *err)
{
    const struct runtime_doors *doors = &inst->home->runtime->config.doors;
    AUTO_CLOSE int services_fd = event->services_fd;
    AUTO_CLOSE int api_fd = event->runtime_api_fd;
    int rc = 0;
    if (services_fd >= 0 && doors->open != NULL)
        rc = doors->open(doors->arg, inst->home->index, take_fd(&services_fd), inst->slot.spec,
                         &inst->door, err);
    if (rc == 0 && api_fd >= 0)
        rc = api_new(inst, take_fd(&api_fd), &inst->api, err);
    return rc;
}

/* The best rung of the ladder that there is. */
static int put_start(struct instance *inst, struct err *err)
{
    const struct function_spec *spec = inst->slot.spec;
    bool has_services = inst->door != NULL;
    if (spec->extension_count > 0) /* which no image has */
        return extensions_start(inst, err);
    inst->image_fd = images_open(inst->home, spec, &inst->copied_from);
    switch (inst->copied_from) {
    case COPIED_FROM_SNAPSHOT:
        return start_restore(&inst->out, inst->log_stream, images_is_proven(inst->home, spec), err);
    case COPIED_FROM_BOOT:
        return start_booted(&inst->out, spec, inst->log_stream, has_services, err);
    case COPIED_FROM_NOTHING: break;
    }
    return start_block(&inst->out, spec, inst->log_stream, has_services, err);
}

static void not_started(struct instance *inst, const struct err *err)
{
    instance_take_victim(inst);
    sched_slot_stop(instance_sched(inst), &inst->slot);
    instance_refuse_victim(inst, err);
}

/* After its extensions. */
void instance_start_runtime(struct instance *inst)
{
    struct err err;
    buf_reset(&inst->out);
    inst->sent = 0;
    if (start_block(&inst->out, inst->slot.spec, inst->log_stream, inst->door != NULL, &err) < 0)
        not_started(inst, &err);
    else
        channel_send(inst);
}

void instance_made(struct instance *inst, const struct sandbox_event *event)
{
    inst->control_fd = event->control_fd;
    inst->log_fd = event->log_fd;
    inst->freeze_fd = event->freeze_fd;
    inst->memory_fd = event->memory_fd;
    struct err err;
    int rc = open_doors(inst, event, &err);
    if (inst->slot.state != SLOT_BUILDING)
        return; /* stopped meanwhile: it was killed, or is now */
    inst->build_us = event->build_us;
    inst->made_us = inst->booted_us = instance_now_us(inst);
    sched_slot_made(instance_sched(inst), &inst->slot);
    inst->is_framed = inst->slot.spec->kind != RUNTIME_PROVIDED;
    start_log_stream(inst->log_stream, sizeof inst->log_stream, inst->slot.spec,
                     clock_utc_ms(inst->home->exec->clock));
    if (rc == 0)
        rc = put_start(inst, &err);
    if (rc == 0)
        rc = channel_open(inst, &err);
    if (rc < 0) {
        not_started(inst, &err);
        return;
    }
    report_init_start(inst);
    const struct invocation *first = sched_first_waiting(&inst->slot);
    inst->is_retry = first != NULL && first->is_init_retry;
    instance_set_timer(inst, init_limit_us(inst));
    channel_send(inst);
}

void instance_is_ready(struct instance *inst)
{
    inst->ready_us = instance_now_us(inst);
    timer_clear(inst->home->exec, &inst->timer);
    output_drain(inst);
    extensions_report(inst);
    report_init_done(inst);
    if (inst->copied_from == COPIED_FROM_SNAPSHOT)
        images_restored(inst->home, inst->slot.spec, inst->copied_from);
    buf_done(&inst->out); /* the START block was large */
    inst->sent = 0;
    sched_slot_ready(instance_sched(inst), &inst->slot);
    home_publish_counts(inst->home); /* A call that waited for it runs from here on. */
    broker_limit(inst->home, inst->id, inst->slot.spec);
}

void instance_has_booted(struct instance *inst)
{
    inst->booted_us = instance_now_us(inst);
    if (inst->copied_from == COPIED_FROM_BOOT && !inst->is_booted)
        images_restored(inst->home, inst->slot.spec, inst->copied_from);
    inst->is_booted = true;
}
