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
 * all phases: what takes too long is killed and answered for.
 *
 * Init has AWS's ten seconds; past them the instance is killed and another one is started for the
 * invocation that waits longest, whose init then may take the function's own timeout and counts
 * towards it. A second expiry is a timeout of the invocation. An init that *fails* is answered at
 * once (AWS tries once more inside the invocation, which runs the user's side effects twice). */
#include "runtime/extensions.h"

#include "base/log.h"
#include "base/mem.h"
#include "os/cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>

enum {
    BUILD_LIMIT_US = 30 * 1000 * 1000, /* the spawner takes milliseconds */
    INIT_LIMIT_US = 10 * 1000 * 1000,
    ENDING_LIMIT_US = 500 * 1000, /* between the end of the stream and the end of the process */
    GONE_LIMIT_US = 10 * 1000 * 1000,
    FINISH_GRACE_US = 5 * 1000, /* from an answer over the Runtime API to the next request */
};

static int64_t now_us(const struct instance *inst)
{
    return exec_now_us(inst->home->exec);
}

static struct sched *sched_of(struct instance *inst)
{
    return &inst->home->sched;
}

static void set_timer(struct instance *inst, int64_t after_us)
{
    timer_set(inst->home->exec, &inst->timer, now_us(inst) + after_us);
}

/* ---- effects of the scheduler ---- */

static void timer_fired(struct timer *timer);

static void start(void *arg, struct function_spec *spec)
{
    struct home *home = arg;
    struct instance *inst = NEW(struct instance);
    *inst = (struct instance){.home = home,
                              .id = home->next_id,
                              .control_fd = -1,
                              .log_fd = -1,
                              .freeze_fd = -1,
                              .kill_fd = -1,
                              .memory_fd = -1,
                              .image_fd = -1,
                              .shutdown_reason = "spindown",
                              .reader = {.payload = &inst->answer},
                              .timer = {.fire = timer_fired},
                              .asked_us = exec_now_us(home->exec)};
    home->next_id += home->runtime->config.loop_count;
    buf_init(&inst->answer, ANSWER_SIZE_MAX);
    buf_init(&inst->streamed, ANSWER_SIZE_MAX);
    buf_init(&inst->out, SANDBOX_START_MAX);
    buf_init(&inst->log, 2 * LOG_TAIL_SIZE);
    output_init(inst);
    sched_slot_init(&home->sched, &inst->slot, spec);
    (void) map_put(&home->instances, str_of(&inst->id, sizeof inst->id), inst);
    set_timer(inst, BUILD_LIMIT_US);
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

bool instance_speaks_http(const struct instance *inst)
{
    return inst->api != NULL && !inst->is_framed;
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
    inv->sent_us = now_us(inst);
    inv->queue_us = inv->sent_us - inv->created_us;
    if (!inst->is_used)
        note_cold_start(inst, inv);
    inst->is_used = true;
    buf_reset(&inst->log); /* what was said before is not the invocation's */
    inst->deadline_ms = clock_utc_ms(inst->home->exec->clock) + allowed_us / 1000;
    inst->ends_us = inv->sent_us + allowed_us;
    set_timer(inst, allowed_us);
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
    (void) arg;
    write_freeze(CONTAINER_OF(slot, struct instance, slot), '1');
}

void instance_thaw(struct instance *inst)
{
    write_freeze(inst, '0');
}

static void thaw(void *arg, struct slot *slot)
{
    (void) arg;
    instance_thaw(CONTAINER_OF(slot, struct instance, slot));
}

static void kill_now(struct instance *inst)
{
    if (inst->is_killed)
        return;
    inst->is_killed = true;
    broker_kill(inst->home, inst->id);
}

/* Whoever has extensions says good-bye first, its runtime undisturbed by an end of file. */
static void end_now(struct instance *inst)
{
    if (shutdown_begin(inst))
        return;
    channel_close_control(inst);
    kill_now(inst);
    set_timer(inst, GONE_LIMIT_US);
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
        set_timer(inst, ENDING_LIMIT_US);
        return;
    }
    end_now(inst);
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
    .done = done,
    .cpu_use = cpu_use,
    .drained = drained,
};

/* ---- answers ---- */

static void reply(struct instance *inst)
{
    inst->is_replied = true;
    set_timer(inst, FINISH_GRACE_US);
}

static void answered(struct instance *inst, enum invocation_result result, bool is_oversize)
{
    ending_record(inst, result, is_oversize);
    if (inst->is_last) {
        inst->is_ending = true;
        sched_slot_failed(sched_of(inst), &inst->slot);
    } else if (inst->extensions == NULL) {
        sched_slot_answered(sched_of(inst), &inst->slot);
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

/* A frame of the running invocation; false: out of turn. */
static bool answer_frame(struct instance *inst, const struct frame *frame, bool is_oversize)
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

bool instance_is_running(const struct instance *inst)
{
    return inst->slot.state == SLOT_BUSY && !inst->is_replied;
}

static void finish_later(struct instance *inst)
{
    inst->is_replied = false;
    set_timer(inst, inst->ends_us > now_us(inst) ? inst->ends_us - now_us(inst) : 0);
    sched_slot_replied(sched_of(inst), &inst->slot);
    home_publish_counts(inst->home);
}

static void ready(struct instance *inst);

void instance_settled(struct instance *inst)
{
    enum slot_state state = inst->slot.state;
    if (!inst->is_waiting || !extensions_are_ready(inst))
        return;
    if (state == SLOT_INITIALISING) {
        ready(inst);
    } else if (state == SLOT_BUSY && inst->is_replied) {
        timer_clear(inst->home->exec, &inst->timer);
        inst->is_replied = false;
        sched_slot_answered(sched_of(inst), &inst->slot);
    } else if (state == SLOT_FINISHING) {
        timer_clear(inst->home->exec, &inst->timer);
        sched_slot_ready(sched_of(inst), &inst->slot);
        home_publish_counts(inst->home);
    }
}

void instance_asked(struct instance *inst)
{
    inst->is_waiting = true;
    if (inst->slot.state == SLOT_INITIALISING)
        extensions_close(inst);
    instance_settled(inst);
}

/* ---- starting ---- */

/* What waits longest for this function, in the hands of a start that fails. */
static void take_victim(struct instance *inst)
{
    if (inst->victim == NULL)
        inst->victim = sched_take_waiting(sched_of(inst), &inst->slot);
}

static void refuse_victim(struct instance *inst, const struct err *err)
{
    struct invocation *inv = take_ptr(&inst->victim);
    if (inv == NULL)
        return;
    inv->result = INVOCATION_REFUSED;
    inv->error = *err;
    sched_end(sched_of(inst), inv);
}

static void init_failed(struct instance *inst, bool is_oversize)
{
    take_victim(inst);
    output_drain(inst);
    extensions_report(inst);
    report_init_failed(inst, is_oversize ? STR("{}") : buf_str(&inst->answer));
    inst->shutdown_reason = "failure";
    sched_slot_stop(sched_of(inst), &inst->slot);
    struct invocation *inv = take_ptr(&inst->victim);
    if (inv == NULL)
        return;
    ending_begin_unsent(inst, inv);
    if (is_oversize)
        report_oversize(&inv->output, ANSWER_SIZE_MAX);
    else
        buf_put(&inv->output, buf_str(&inst->answer));
    ending_conclude(inst, inv, &verdict_none);
    sched_end(sched_of(inst), inv);
}

/* A copy that does not come to life is not the function's fault: what waits for it gets another
 * instance, from scratch. One of the booted language has come to life when it says BOOTED; then the
 * function's own init begins. */
static bool is_unborn_copy(const struct instance *inst)
{
    bool is_starting = inst->slot.state == SLOT_INITIALISING || inst->slot.state == SLOT_BUILDING;
    return is_starting && !inst->is_booted && inst->copied_from != COPIED_FROM_NOTHING;
}

static void restore_failed(struct instance *inst, const char *why)
{
    images_broken(inst->home, inst->slot.spec, inst->copied_from, why);
    sched_slot_stop(sched_of(inst), &inst->slot);
}

void instance_init_failed(struct instance *inst, struct buf *body)
{
    buf_done(&inst->answer);
    inst->answer = *body;
    *body = (struct buf){.ptr = NULL};
    init_failed(inst, buf_is_over(&inst->answer));
}

static void init_timed_out(struct instance *inst)
{
    if (is_unborn_copy(inst)) {
        restore_failed(inst, "it took too long");
        return;
    }
    take_victim(inst);
    struct invocation *inv = take_ptr(&inst->victim);
    if (inv != NULL && !inv->is_init_retry) {
        inv->is_init_retry = true;
        sched_return_waiting(sched_of(inst), inv);
        inv = NULL;
    }
    output_drain(inst);
    extensions_report(inst);
    report_init_failed(inst, STR_NONE);
    inst->shutdown_reason = "timeout";
    sched_slot_stop(sched_of(inst), &inst->slot);
    if (inv == NULL)
        return;
    ending_begin_unsent(inst, inv);
    ending_by_timeout(inst, inv);
    sched_end(sched_of(inst), inv);
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
    case COPIED_FROM_SNAPSHOT: return start_restore(&inst->out, inst->log_stream, err);
    case COPIED_FROM_BOOT:
        return start_booted(&inst->out, spec, inst->log_stream, has_services, err);
    case COPIED_FROM_NOTHING: break;
    }
    return start_block(&inst->out, spec, inst->log_stream, has_services, err);
}

static void not_started(struct instance *inst, const struct err *err)
{
    take_victim(inst);
    sched_slot_stop(sched_of(inst), &inst->slot);
    refuse_victim(inst, err);
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
    inst->kill_fd = event->kill_fd;
    inst->memory_fd = event->memory_fd;
    struct err err;
    int rc = open_doors(inst, event, &err);
    if (inst->slot.state != SLOT_BUILDING)
        return; /* stopped meanwhile: it was killed, or is now */
    inst->build_us = event->build_us;
    inst->made_us = inst->booted_us = now_us(inst);
    sched_slot_made(sched_of(inst), &inst->slot);
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
    set_timer(inst, init_limit_us(inst));
    channel_send(inst);
}

/* ---- what the instance says ---- */

static void ready(struct instance *inst)
{
    inst->ready_us = now_us(inst);
    timer_clear(inst->home->exec, &inst->timer);
    output_drain(inst);
    extensions_report(inst);
    report_init_done(inst);
    if (inst->copied_from == COPIED_FROM_SNAPSHOT)
        images_restored(inst->home, inst->slot.spec, inst->copied_from);
    buf_done(&inst->out); /* the START block was large */
    inst->sent = 0;
    sched_slot_ready(sched_of(inst), &inst->slot);
    home_publish_counts(inst->home); /* A call that waited for it runs from here on. */
    broker_limit(inst->home, inst->id, inst->slot.spec);
}

static void booted(struct instance *inst)
{
    inst->booted_us = now_us(inst);
    if (inst->copied_from == COPIED_FROM_BOOT && !inst->is_booted)
        images_restored(inst->home, inst->slot.spec, inst->copied_from);
    inst->is_booted = true;
}

void instance_violated(struct instance *inst)
{
    if (inst->slot.state == SLOT_STOPPING)
        return;
    if (is_unborn_copy(inst)) {
        restore_failed(inst, "it does not speak the protocol");
        return;
    }
    if (inst->slot.state == SLOT_INITIALISING)
        take_victim(inst);
    inst->shutdown_reason = "failure";
    sched_slot_stop(sched_of(inst), &inst->slot);
}

void instance_lost(struct instance *inst)
{
    if (inst->slot.state == SLOT_STOPPING) {
        channel_close_control(inst);
        return;
    }
    if (is_unborn_copy(inst)) {
        restore_failed(inst, "the copy ended");
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
    if (is_answer && answer_frame(inst, frame, is_oversize))
        return;
    if (frame->type == FRAME_BOOTED && is_starting)
        booted(inst);
    else if (frame->type == FRAME_READY && is_starting)
        instance_asked(inst);
    else if (frame->type == FRAME_INIT_ERROR && is_starting)
        init_failed(inst, is_oversize);
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
    sched_slot_gone(sched_of(inst), &inst->slot);
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
        take_victim(inst);
    refuse_victim(inst, &err);
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
        sched_end(sched_of(inst), inv);
    }
    inv = inst->slot.invocation;
    if (inv != NULL) {
        if (!inst->is_replied) {
            ending_fail(inv);
            inv->run_us = now_us(inst) - inv->sent_us;
            ending_by_exit(inst, inv, event);
        }
        sched_slot_failed(sched_of(inst), &inst->slot);
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
        take_victim(inst);
    inst->is_ending = false;
    inst->shutdown_reason = "failure";
    if (state == SLOT_STOPPING)
        end_now(inst);
    else
        sched_slot_stop(sched_of(inst), &inst->slot);
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
        if (is_unborn_copy(inst))
            images_broken(inst->home, inst->slot.spec, inst->copied_from, "the copy ended");
        else if (is_starting)
            take_victim(inst);
        sched_slot_stop(sched_of(inst), &inst->slot);
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
    sched_slot_failed(sched_of(inst), &inst->slot);
}

/* It was to end and does not, or the spawner does not say so: nobody waits any longer. */
static void stopping_timed_out(struct instance *inst)
{
    if (shutdown_goes_on(inst))
        return;
    if (!inst->is_killed) {
        kill_now(inst);
        set_timer(inst, GONE_LIMIT_US);
        return;
    }
    log_error("runtime", "instance was killed and is not gone", "id=%" PRIu64, inst->id);
    const struct sandbox_event killed = {.is_signalled = true, .status = SIGKILL};
    end_held(inst, &killed);
}

static void timer_fired(struct timer *timer)
{
    struct instance *inst = CONTAINER_OF(timer, struct instance, timer);
    struct err err;
    switch (inst->slot.state) {
    case SLOT_BUILDING:
        (void) err_say(&err, -ETIMEDOUT, "the sandbox is not built in time");
        take_victim(inst);
        sched_slot_stop(sched_of(inst), &inst->slot);
        refuse_victim(inst, &err);
        break;
    case SLOT_INITIALISING: init_timed_out(inst); break;
    case SLOT_BUSY:
        if (inst->is_replied)
            finish_later(inst);
        else
            invocation_timed_out(inst);
        break;
    case SLOT_FINISHING:
        inst->shutdown_reason = "timeout";
        sched_slot_stop(sched_of(inst), &inst->slot);
        break;
    case SLOT_STOPPING: stopping_timed_out(inst); break;
    case SLOT_IDLE:
    case SLOT_FROZEN: assert(!slot_state_is_idle(inst->slot.state)); break; /* its timer is clear */
    }
}
