/* One instance: from the request for a sandbox to the last that is heard of it.
 *
 *     start ──spawn──> BUILDING ──made──> INITIALISING ──READY──> IDLE <──> BUSY ──> ...
 *                         │ failed            │ INIT_ERROR           answer, timeout
 *                         v                   v end of stream        end of stream
 *                       (gone)             STOPPING ──────────────────── gone
 *
 * The control socket's end is only a hint that the program has ended; why it ended, the spawner
 * says a moment later (exit status, signal, out of memory). Until then the instance is stopping,
 * not killed (that would falsify the status), and holds on to the invocation that the verdict is
 * for: the one it ran, or, when it fails while starting, the oldest that waited. One timer serves
 * all phases: what takes too long is killed and answered for. */
#include "runtime/extensions.h"
#include "runtime/instance_int.h"
#include "runtime/telemetry.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>

void instance_violated(struct instance *inst)
{
    if (inst->slot.state == SLOT_STOPPING)
        return;
    if (instance_is_unborn(inst)) {
        instance_not_restored(inst, "it does not speak the protocol");
        return;
    }
    if (inst->slot.state == SLOT_INITIALISING)
        instance_take_victim(inst);
    inst->shutdown_reason = "failure";
    sched_slot_stop(instance_sched(inst), &inst->slot);
}

void instance_lost(struct instance *inst)
{
    if (inst->slot.state == SLOT_STOPPING) {
        channel_close_control(inst);
        return;
    }
    if (instance_is_unborn(inst)) {
        instance_not_restored(inst, "the copy ended");
        return;
    }
    if (instance_speaks_http(inst)) { /* It has no use for this socket and may close it. */
        channel_deafen(inst);
        return;
    }
    inst->is_ending = !slot_state_is_idle(inst->slot.state); /* nobody asks why an idle one ends */
    instance_violated(inst);
}

void instance_frame(struct instance *inst, const struct frame *frame, bool is_oversize)
{
    enum slot_state state = inst->slot.state;
    bool is_answer = state == SLOT_BUSY && !inst->is_replied && !instance_speaks_http(inst) &&
                     frame->seq == inst->seq && channel_is_sent(inst);
    bool is_starting = state == SLOT_INITIALISING && channel_is_sent(inst);
    inst->is_framed |= is_starting;
    if (is_answer && instance_answer_frame(inst, frame, is_oversize))
        return;
    if (frame->type == FRAME_BOOTED && is_starting)
        instance_has_booted(inst);
    else if (frame->type == FRAME_READY && is_starting)
        instance_asked(inst);
    else if (frame->type == FRAME_INIT_ERROR && is_starting)
        instance_not_initialised(inst, is_oversize);
    else
        instance_violated(inst);
}

/* ---- the end ---- */

static void instance_free(struct instance *inst)
{
    assert(inst->victim == NULL);
    timer_clear(inst->home->exec, &inst->timer);
    extensions_free(inst);
    api_free(inst->api);
    if (inst->door != NULL) {
        const struct runtime_doors *doors = &inst->home->runtime->config.doors;
        doors->close(doors->arg, inst->door);
    }
    output_done(inst); /* names the function, which the slot knows until it is gone */
    telemetry_free(inst);
    sched_slot_gone(instance_sched(inst), &inst->slot);
    channel_close(inst);
    (void) map_remove(&inst->home->instances, str_of(&inst->id, sizeof inst->id));
    buf_done(&inst->answer);
    buf_done(&inst->streamed);
    buf_done(&inst->out);
    buf_done(&inst->log);
    free(inst);
}

void instance_failed(struct instance *inst, const struct sandbox_event *event)
{
    struct err err;
    (void) err_say(&err, event->error < 0 ? event->error : -EIO, "build a sandbox: %s",
                   event->reason);
    log_warn("runtime", "sandbox not built", "fn=" STR_FMT " err=\"%s\"",
             STR_ARG(inst->slot.spec->name), event->reason);
    if (inst->slot.state == SLOT_BUILDING)
        instance_take_victim(inst);
    instance_refuse_victim(inst, &err);
    instance_free(inst);
}

static void report_init_ended(struct instance *inst, const struct sandbox_event *event)
{
    char message[256], error[128];
    const struct verdict *verdict = ending_verdict(inst, event, message, sizeof message);
    bool is_extension = strncmp(verdict->type, "Extension.", strlen("Extension.")) == 0;
    (void) snprintf(error, sizeof error, "{\"errorType\":\"%s\"}",
                    is_extension ? verdict->type : verdict_exit.type);
    extensions_report(inst);
    report_init_failed(inst, str_from(error));
}

/* Ends what the instance still holds, for the reason that the spawner gives. */
static void end_held(struct instance *inst, const struct sandbox_event *event)
{
    output_drain(inst);
    struct invocation *inv = take_ptr(&inst->victim);
    if (inv != NULL) {
        report_init_ended(inst, event);
        ending_begin_unsent(inst, inv);
        ending_by_exit(inst, inv, event);
        sched_end(instance_sched(inst), inv);
    }
    inv = inst->slot.invocation;
    if (inv != NULL) {
        if (!inst->is_replied) {
            ending_fail(inv);
            inv->run_us = instance_now_us(inst) - inv->sent_us;
            ending_by_exit(inst, inv, event);
        }
        sched_slot_failed(instance_sched(inst), &inst->slot);
    }
}

/* The runtime or an extension has ended. What that means for the caller is known now; the others
 * get their time. */
void instance_ended(struct instance *inst, const struct sandbox_event *event)
{
    enum slot_state state = inst->slot.state;
    inst->has_program_ended |= event->companion == 0;
    if (state == SLOT_STOPPING && !inst->is_ending) {
        if (event->companion == 0)
            shutdown_program_ended(inst);
        return;
    }
    if (state == SLOT_INITIALISING)
        instance_take_victim(inst);
    inst->is_ending = false;
    inst->shutdown_reason = "failure";
    if (state == SLOT_STOPPING)
        instance_end_now(inst);
    else
        sched_slot_stop(instance_sched(inst), &inst->slot);
    end_held(inst, event);
}

void instance_gone(struct instance *inst, const struct sandbox_event *event)
{
    if (inst->control_fd >= 0 && inst->control_watch != NULL)
        channel_read_rest(inst); /* an answer may have come just before the end */
    if (inst->slot.state != SLOT_STOPPING) {
        inst->is_killed = true; /* nothing is left to be killed */
        bool is_starting =
            inst->slot.state == SLOT_INITIALISING || inst->slot.state == SLOT_BUILDING;
        if (instance_is_unborn(inst))
            images_broken(inst->home, inst->slot.spec, inst->copied_from, "the copy ended");
        else if (is_starting)
            instance_take_victim(inst);
        sched_slot_stop(instance_sched(inst), &inst->slot);
    }
    end_held(inst, event);
    instance_free(inst);
}

/* ---- time ---- */

static void invocation_timed_out(struct instance *inst)
{
    struct invocation *inv = inst->slot.invocation;
    ending_fail(inv);
    inv->run_us = (int64_t) inv->spec->timeout_ms * 1000;
    output_drain(inst);
    ending_by_timeout(inst, inv);
    inst->shutdown_reason = "timeout";
    sched_slot_failed(instance_sched(inst), &inst->slot);
}

/* It was to end and does not, or the spawner does not say so: nobody waits any longer. */
static void stopping_timed_out(struct instance *inst)
{
    if (shutdown_goes_on(inst))
        return;
    if (!inst->is_killed) {
        instance_kill(inst);
        instance_set_timer(inst, INSTANCE_GONE_LIMIT_US);
        return;
    }
    log_error("runtime", "instance was killed and is not gone", "id=%" PRIu64, inst->id);
    const struct sandbox_event killed = {.is_signalled = true, .status = SIGKILL};
    end_held(inst, &killed);
}

void instance_timer_fired(struct timer *timer)
{
    struct instance *inst = CONTAINER_OF(timer, struct instance, timer);
    struct err err;
    switch (inst->slot.state) {
    case SLOT_BUILDING:
        (void) err_say(&err, -ETIMEDOUT, "the sandbox is not built in time");
        instance_take_victim(inst);
        sched_slot_stop(instance_sched(inst), &inst->slot);
        instance_refuse_victim(inst, &err);
        break;
    case SLOT_INITIALISING: instance_init_timed_out(inst); break;
    case SLOT_BUSY:
        if (inst->is_replied)
            instance_finish_later(inst);
        else
            invocation_timed_out(inst);
        break;
    case SLOT_FINISHING:
        inst->shutdown_reason = "timeout";
        sched_slot_stop(instance_sched(inst), &inst->slot);
        break;
    case SLOT_STOPPING: stopping_timed_out(inst); break;
    case SLOT_IDLE:
    case SLOT_FROZEN: assert(!slot_state_is_idle(inst->slot.state)); break; /* its timer is clear */
    }
}
