/* What an instance prints, and what the platform says about it: the log pipe, cut into events, to
 * the log and to the callers that asked for the tail.
 *
 * The pipe is read whenever it has something, and emptied before an answer is passed on: all that
 * the function wrote before it answered is in the pipe by then, and stands before END. One callback
 * reads a bounded amount, so that a flood of output does not stop the loop.
 *
 * Back-pressure. When the log has enough of this instance, its pipe is not read until there is room
 * again: the function waits in its own write, and nothing is lost. An answer does not wait, though:
 * what the pipe holds at that moment goes to the log at once, which may count it as lost. Without a
 * log, output nobody wants is read and dropped, so that a function never waits for it.
 *
 * A line without an end becomes an event when the invocation ends, when the platform has something
 * to say, or when it is a second old. */
#include "runtime/extensions.h"
#include "runtime/telemetry.h"

#include "base/log.h"

#include <errno.h>

enum {
    OUTPUT_SIZE = 16 * 1024, /* of one read: as empty lines still less than 1 ms of work */
    DRAIN_READS_MAX = 128,
    REST_US = 1000 * 1000, /* the age of a line without an end */
    ROOM_US = 10 * 1000,   /* between looks for room */
};

/* ---- events ---- */

static struct log_place place_of(const struct instance *inst)
{
    return (struct log_place){inst->home->index, inst->slot.spec, str_from(inst->log_stream)};
}

static void put_event(void *arg, int64_t at_ms, struct str line)
{
    struct instance *inst = arg;
    const struct runtime_config *config = &inst->home->runtime->config;
    const struct log_place place = place_of(inst);
    if (!config->log_sink(config->log_arg, &place, at_ms, line))
        inst->is_output_paused = true;
}

static bool is_logged(const struct instance *inst)
{
    return inst->home->runtime->config.log_sink != NULL;
}

/* What the function wrote. */
static void put_line(void *arg, int64_t at_ms, struct str line)
{
    struct instance *inst = arg;
    if (is_logged(inst))
        put_event(inst, at_ms, line);
    telemetry_line(inst, TELEMETRY_FUNCTION, at_ms, line);
}

static bool has_readers(const struct instance *inst)
{
    return is_logged(inst) || inst->telemetry != NULL;
}

/* Keeps the end of the output; the buffer holds at most twice what is wanted. */
void output_keep(struct instance *inst, struct str text)
{
    struct buf *log = &inst->log;
    if (text.len > LOG_TAIL_SIZE)
        text = str_skip(text, text.len - LOG_TAIL_SIZE);
    if (log->len + text.len > log->limit)
        buf_consume(log, log->len - LOG_TAIL_SIZE);
    buf_put(log, text);
}

static void note(struct instance *inst, struct str text)
{
    const struct invocation *inv = inst->slot.invocation;
    if (inv == NULL || inv->wants_log_tail)
        output_keep(inst, text);
    if (log_is_on(LOG_DEBUG)) {
        struct log_text quoted;
        log_debug("function", "output", "fn=" STR_FMT " text=%s", STR_ARG(inst->slot.spec->name),
                  log_quote(&quoted, text));
    }
}

void output_end_line(struct instance *inst)
{
    lines_flush(&inst->lines, put_line, inst);
}

void output_log(struct instance *inst, struct str text)
{
    output_end_line(inst);
    if (is_logged(inst))
        put_event(inst, clock_utc_ms(inst->home->exec->clock), text);
}

void output_line(struct instance *inst, int64_t at_ms, struct str line)
{
    if (is_logged(inst))
        put_event(inst, at_ms, line);
}

void output_say(struct instance *inst, struct str text)
{
    output_log(inst, text);
    note(inst, text);
}

/* ---- the pipe ---- */

/* Returns false at the end of what is there. */
static bool read_pipe(struct instance *inst)
{
    char *scratch = inst->home->log_scratch;
    ssize_t n = read(inst->log_fd, scratch, OUTPUT_SIZE);
    if (n < 0 && errno == EINTR)
        return true;
    /* Every writer has gone; the instance's end comes from elsewhere. One that was stopped while it
     * was being built is not watched at all. */
    if (n == 0 && inst->log_watch != NULL)
        watch_set(inst->log_watch, 0);
    if (n <= 0)
        return false;
    size_t size = (size_t) n;
    if (has_readers(inst))
        lines_feed(&inst->lines, clock_utc_ms(inst->home->exec->clock), scratch, size, put_line,
                   inst);
    else
        lines_restore_newlines(scratch, size);
    note(inst, str_of(scratch, size));
    return true;
}

static void set_timer(struct instance *inst, int64_t after_us)
{
    struct exec *exec = inst->home->exec;
    if (!inst->output_timer.is_set)
        timer_set(exec, &inst->output_timer, exec_now_us(exec) + after_us);
}

/* Either there is room, or the timer looks for it; and it sees to a line without an end. */
static void settle(struct instance *inst)
{
    watch_set(inst->log_watch, inst->is_output_paused ? 0 : WATCH_READ);
    extensions_listen(inst);
    if (inst->is_output_paused)
        set_timer(inst, ROOM_US);
    else if (lines_has_rest(&inst->lines))
        set_timer(inst, REST_US);
}

static void timer_fired(struct timer *timer)
{
    struct instance *inst = CONTAINER_OF(timer, struct instance, output_timer);
    const struct runtime_config *config = &inst->home->runtime->config;
    const struct log_place place = place_of(inst);
    int64_t now_ms = clock_utc_ms(inst->home->exec->clock);
    if (inst->is_output_paused)
        inst->is_output_paused = !config->log_has_room(config->log_arg, &place);
    else if (lines_has_rest(&inst->lines) && now_ms - inst->lines.since_ms >= REST_US / 1000)
        lines_flush(&inst->lines, put_line, inst);
    settle(inst);
}

void output_drain(struct instance *inst)
{
    extensions_drain(inst);
    for (int i = 0; i < DRAIN_READS_MAX && inst->log_fd >= 0; i++)
        if (!read_pipe(inst))
            return;
}

void output_readable(void *arg, int events)
{
    struct instance *inst = arg;
    (void) events;
    if (read_pipe(inst)) /* the rest in the next turn */
        settle(inst);
}

void output_init(struct instance *inst)
{
    inst->output_timer.fire = timer_fired;
    lines_init(&inst->lines);
}

/* The instance is gone; what it left without an end is its last event. */
void output_done(struct instance *inst)
{
    timer_clear(inst->home->exec, &inst->output_timer);
    lines_flush(&inst->lines, put_line, inst);
    lines_done(&inst->lines);
}
