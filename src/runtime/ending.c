/* How an invocation ends: its result, durations and memory, and the last lines about it. What
 * becomes of the instance is instance.c's. */
#include "runtime/extensions.h"

#include <signal.h>

void ending_conclude(struct instance *inst, struct invocation *inv, const struct verdict *verdict)
{
    int64_t billed_us = inv->run_us + inv->boot_us + inv->init_us + inv->restore_us;
    inv->billed_ms = (billed_us + 999) / 1000;
    if (inv->memory_peak_bytes == 0)
        inv->memory_peak_bytes = channel_memory_peak(inst);
    sched_slot_measured(&inst->home->sched, &inst->slot, inv->memory_peak_bytes);
    inv->answer = buf_str(&inv->output);
    inv->content_type =
        inv->stream.type.len > 0 ? buf_str(&inv->stream.type) : STR("application/json");
    if (inv->is_streamed)
        stream_leave(inst, inv);
    if (!report_is_wanted(inst, inv))
        return;
    report_end(inst, inv, verdict);
    report_tail(inst, inv);
}

void ending_fail(struct invocation *inv)
{
    inv->result = INVOCATION_FUNCTION_ERROR;
    buf_init(&inv->output, ANSWER_SIZE_MAX);
}

void ending_begin_unsent(struct instance *inst, struct invocation *inv)
{
    ending_fail(inv);
    inv->run_us = inst->made_us == 0 ? 0 : exec_now_us(inst->home->exec) - inst->made_us;
    inv->queue_us = exec_now_us(inst->home->exec) - inv->created_us - inv->run_us;
    if (!report_is_wanted(inst, inv))
        return;
    struct buf init_output = inst->log; /* START belongs before what init said */
    buf_init(&inst->log, 2 * LOG_TAIL_SIZE);
    report_start(inst, inv);
    output_keep(inst, buf_str(&init_output));
    buf_done(&init_output);
}

void ending_by_timeout(struct instance *inst, struct invocation *inv)
{
    char message[64];
    (void) snprintf(message, sizeof message, "Task timed out after %.2f seconds",
                    (double) inv->spec->timeout_ms / 1000);
    report_error(&inv->output, &verdict_timeout, inv->request_id, message);
    if (report_is_wanted(inst, inv))
        report_timeout(inst, inv);
    ending_conclude(inst, inv, &verdict_timeout);
}

const struct verdict *ending_verdict(const struct instance *inst, const struct sandbox_event *event,
                                     char *message, size_t size)
{
    bool is_oom = event->oom_kills > 0;
    const struct sandbox_event killed = {.is_signalled = true, .status = SIGKILL};
    const struct verdict *verdict = extensions_verdict(inst, event, message, size);
    if (verdict != NULL)
        return verdict;
    if (report_entrypoint_text(message, size, inst->slot.spec, event->error))
        return &verdict_entrypoint;
    report_exit_text(message, size, is_oom ? &killed : event);
    return is_oom ? &verdict_out_of_memory : &verdict_exit;
}

void ending_by_exit(struct instance *inst, struct invocation *inv,
                    const struct sandbox_event *event)
{
    char message[256];
    const struct verdict *verdict = ending_verdict(inst, event, message, sizeof message);
    inv->memory_peak_bytes = event->memory_peak_bytes;
    bool is_cut = inv->is_streamed && !inv->stream.is_whole;
    report_error(&inv->output, is_cut ? &verdict_truncated : verdict, inv->request_id, message);
    if (report_is_wanted(inst, inv))
        report_exit(inst, inv, verdict, message);
    ending_conclude(inst, inv, verdict);
}

void ending_record(struct instance *inst, enum invocation_result result, bool is_oversize)
{
    struct invocation *inv = inst->slot.invocation;
    timer_clear(inst->home->exec, &inst->timer);
    inv->run_us = exec_now_us(inst->home->exec) - inv->sent_us;
    if (inv->answer_us == 0)
        inv->answer_us = inv->sent_us + inv->run_us; /* it came in one piece */
    output_drain(inst);
    inv->result = is_oversize ? INVOCATION_FUNCTION_ERROR : result;
    inv->output = inst->answer;
    buf_init(&inst->answer, ANSWER_SIZE_MAX);
    if (is_oversize)
        report_oversize(&inv->output,
                        inv->is_streamed ? stream_size_max(inv->runtime) : ANSWER_SIZE_MAX);
    inst->event = STR_NONE;
    ending_conclude(inst, inv, &verdict_none);
    if (inv->is_cold && inst->copied_from != COPIED_FROM_SNAPSHOT && inv->result == INVOCATION_OK &&
        (inst->extensions == NULL || inst->slot.spec->extension_count > 0)) /* or it is connected */
        images_wish(inst->home, inst->slot.spec);
}
