/* The Shutdown phase: what becomes of an instance that is not wanted any more, and that extensions
 * registered in.
 *
 *     shutdown_begin ─ thaw, SIGTERM to the runtime ──→ RUNTIME ─┬─ it has ended, and telemetry
 *                                                                │  has its last words
 *                                                                ├─ 30 % of the time are over
 *     (gone) ←─ all programs have ended ─── EXTENSIONS ←─────────┘  SHUTDOWN events
 *     (gone) ←─ the time is over: killed ───────┘
 *
 * AWS's times: 2000 ms with external extensions, 500 ms with internal ones only, which are part of
 * the runtime and get no event; without any the instance is killed at once. The invocation of the
 * instance, if it had one, has ended before; the slot is STOPPING and counts against the host.
 *
 * Source: Lambda developer guide, "Lambda execution environment lifecycle", Shutdown phase. */
#include "runtime/extensions.h"
#include "runtime/telemetry.h"

enum { RUNTIME_SHARE = 30 /* percent, where others come after it */ };

static void set_timer(struct instance *inst, int64_t at_us)
{
    timer_set(inst->home->exec, &inst->timer, at_us);
}

static void tell_extensions(struct instance *inst)
{
    struct exec *exec = inst->home->exec;
    int64_t left_us = inst->shutdown_ends_us - exec_now_us(exec);
    inst->shutdown = SHUTDOWN_EXTENSIONS;
    if (extensions_say_goodbye(inst, inst->shutdown_reason,
                               clock_utc_ms(exec->clock) + left_us / 1000))
        set_timer(inst, inst->shutdown_ends_us);
    else
        set_timer(inst, exec_now_us(exec)); /* nobody is left to wait for */
}

bool shutdown_begin(struct instance *inst)
{
    unsigned patience_ms = extensions_patience_ms(inst);
    if (patience_ms == 0 || inst->is_killed)
        return false;
    int64_t now = exec_now_us(inst->home->exec);
    int64_t share = patience_ms == EXTENSIONS_INTERNAL_MS ? 100 : RUNTIME_SHARE;
    inst->shutdown_ends_us = now + patience_ms * 1000;
    inst->shutdown_share_us = now + patience_ms * 10 * share;
    inst->shutdown = SHUTDOWN_RUNTIME;
    instance_thaw(inst);
    telemetry_flush(inst);
    if (!inst->has_program_ended)
        broker_terminate(inst->home, inst->id);
    /* Of one that ended by itself the last records come in this turn of the loop. */
    set_timer(inst, inst->has_program_ended ? now : inst->shutdown_share_us);
    return true;
}

/* All that the runtime has said before is with the subscribers. */
static void runtime_is_over(struct instance *inst)
{
    if (inst->shutdown == SHUTDOWN_RUNTIME && inst->has_program_ended && !telemetry_is_busy(inst))
        tell_extensions(inst);
}

void shutdown_program_ended(struct instance *inst)
{
    inst->has_program_ended = true;
    output_drain(inst); /* its last words */
    runtime_is_over(inst);
}

void shutdown_flushed(struct instance *inst)
{
    if (inst->shutdown == SHUTDOWN_RUNTIME && inst->has_program_ended)
        set_timer(inst, exec_now_us(inst->home->exec)); /* what is under way may have more */
}

bool shutdown_goes_on(struct instance *inst)
{
    if (inst->shutdown != SHUTDOWN_RUNTIME)
        return false;
    if (telemetry_is_busy(inst) && exec_now_us(inst->home->exec) < inst->shutdown_share_us)
        set_timer(inst, inst->shutdown_share_us);
    else
        tell_extensions(inst);
    return true;
}
