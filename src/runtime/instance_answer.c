/* The answers of an instance, by frames or over the Runtime API, in one piece or as a stream. */
#include "runtime/extensions.h"
#include "runtime/instance_int.h"
#include "runtime/telemetry.h"

enum { FINISH_GRACE_US = 5 * 1000 }; /* from an answer over the Runtime API to the next request */

static void reply(struct instance *inst)
{
    inst->is_replied = true;
    instance_set_timer(inst, FINISH_GRACE_US);
}

static void answered(struct instance *inst, enum invocation_result result, bool is_oversize)
{
    ending_record(inst, result, is_oversize);
    if (inst->is_last) {
        inst->is_ending = true;
        sched_slot_failed(instance_sched(inst), &inst->slot);
    } else if (inst->extensions == NULL) {
        sched_slot_answered(instance_sched(inst), &inst->slot);
    } else {
        inst->is_waiting = true;
        reply(inst);
        instance_settled(inst);
    }
}

/* ---- streamed answers, see frame.h ----
 *
 * Who has a sink gets the pieces as they come. Who has none gets the answer in one piece like any
 * other: it is gathered here, and the content type has no reader. */

static void stream_clear(struct instance *inst)
{
    buf_done(&inst->streamed);
    buf_init(&inst->streamed, ANSWER_SIZE_MAX);
    inst->stream = STREAM_NONE;
}

static void take_chunk(struct instance *inst)
{
    if (inst->slot.invocation->is_streamed)
        stream_write(inst, buf_str(&inst->answer));
    else
        buf_put(&inst->streamed, buf_str(&inst->answer));
}

/* The RESPONSE after a stream: what was gathered takes its place. */
static void stream_answered(struct instance *inst)
{
    const struct invocation *inv = inst->slot.invocation;
    bool is_oversize = buf_is_over(&inst->streamed) || inv->stream.is_over;
    buf_done(&inst->answer);
    inst->answer = inst->streamed;
    inst->streamed = (struct buf){.ptr = NULL};
    stream_clear(inst);
    answered(inst, INVOCATION_OK, is_oversize);
}

bool instance_answer_frame(struct instance *inst, const struct frame *frame, bool is_oversize)
{
    enum frame_type type = frame->type;
    struct invocation *inv = inst->slot.invocation;
    if (type == FRAME_RESPONSE && inst->stream == STREAM_NONE) {
        answered(inst, INVOCATION_OK, is_oversize);
    } else if (type == FRAME_RESPONSE && inst->stream == STREAM_WHOLE && frame->size == 0) {
        stream_answered(inst);
    } else if (type == FRAME_ERROR) {
        stream_clear(inst);
        answered(inst, INVOCATION_FUNCTION_ERROR, is_oversize);
    } else if (type == FRAME_STREAM_HEAD && inst->stream == STREAM_NONE) {
        inst->stream = STREAM_OPEN;
        if (inv->sink != NULL)
            stream_begin(inst, buf_str(&inst->answer));
    } else if (type == FRAME_STREAM_CHUNK && inst->stream == STREAM_OPEN) {
        take_chunk(inst);
    } else if (type == FRAME_STREAM_END && inst->stream == STREAM_OPEN) {
        inst->stream = STREAM_WHOLE;
        inv->stream.is_whole = true;
    } else if (type == FRAME_LAST) {
        inst->is_last = true;
    } else {
        return false;
    }
    return true;
}

/* ---- answers over the Runtime API, and beside extensions ----
 *
 * There the answer is one thing and being done with it another: the program says so by asking for
 * the next invocation, and so does each extension. Usually that follows within microseconds, and
 * the invocation ends then, so that a caller who calls again at once finds this instance. Else the
 * caller gets his answer after a short grace while the program works on, FINISHING, in what is left
 * of its time. */

void instance_answered(struct instance *inst, enum invocation_result result, struct buf *body,
                       bool is_oversize)
{
    buf_done(&inst->answer);
    inst->answer = *body;
    *body = (struct buf){.ptr = NULL};
    ending_record(inst, result, is_oversize);
    reply(inst);
}

bool instance_speaks_http(const struct instance *inst)
{
    return inst->api != NULL && !inst->is_framed;
}

bool instance_is_running(const struct instance *inst)
{
    return inst->slot.state == SLOT_BUSY && !inst->is_replied;
}

void instance_finish_later(struct instance *inst)
{
    inst->is_replied = false;
    instance_set_timer(
        inst, inst->ends_us > instance_now_us(inst) ? inst->ends_us - instance_now_us(inst) : 0);
    sched_slot_replied(instance_sched(inst), &inst->slot);
    home_publish_counts(inst->home);
}

void instance_settled(struct instance *inst)
{
    enum slot_state state = inst->slot.state;
    if (!inst->is_waiting || !extensions_are_ready(inst))
        return;
    if (state == SLOT_INITIALISING) {
        instance_is_ready(inst);
    } else if (state == SLOT_BUSY && inst->is_replied) {
        timer_clear(inst->home->exec, &inst->timer);
        inst->is_replied = false;
        sched_slot_answered(instance_sched(inst), &inst->slot);
    } else if (state == SLOT_FINISHING) {
        timer_clear(inst->home->exec, &inst->timer);
        sched_slot_ready(instance_sched(inst), &inst->slot);
        home_publish_counts(inst->home);
    }
}

void instance_asked(struct instance *inst)
{
    inst->is_waiting = true;
    telemetry_asked(inst);
    if (inst->slot.state == SLOT_INITIALISING) {
        extensions_close(inst);
        report_init_runtime_done(inst, "success", NULL);
    }
    instance_settled(inst);
}
