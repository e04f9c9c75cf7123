/* Idle instances.
 *
 * Each function has a timer for its idle instances, and for the start of one before the next call
 * is expected (keepalive.h). The timer may fire early (the instance was used meanwhile) and is then
 * set again, which keeps it off the hot path. Freezing works the same way, with one timer for all:
 * a function that is called all the time is never frozen, it only sees the timer pass by. */
#include "runtime/sched_int.h"

/* Each freeze costs a write of about 15 us; a burst that ends must not stop the loop for long. */
enum { FREEZES_PER_TURN = 16, FREEZE_TURN_US = 1000 };
/* An instance whose function is not expected for minutes stays as long, for a call that comes
 * again. */
enum { PREWARM_GRACE_US = 30 * 1000 * 1000 };

/* Until when an idle instance is kept. */
static int64_t rest_due(const struct slot *slot)
{
    const struct sched_function *function = slot->function;
    if (function->prewarm_at_us == 0)
        return slot->idle_since_us + function->keep_us;
    if (slot->is_prewarmed)
        return function->history->idle_since_us + function->keep_us;
    return slot->idle_since_us + PREWARM_GRACE_US; /* nobody is expected for a while */
}

void rest_arm(struct sched_function *function, int64_t due_us)
{
    if (!function->rest.is_set || due_us < function->rest.due_us)
        timer_set(function->sched->config.exec, &function->rest, due_us);
}

void rest_begin(struct sched *sched, struct slot *slot)
{
    const struct sched_config *config = &sched->config;
    slot->idle_since_us = exec_now_us(config->exec);
    list_push_front(&slot->function->idle, &slot->own_idle);
    list_push_back(&sched->idle, &slot->all_idle);
    list_push_back(&sched->awake, &slot->awake);
    rest_arm(slot->function, rest_due(slot));
    if (!sched->freeze.is_set)
        timer_set(config->exec, &sched->freeze, slot->idle_since_us + config->freeze_after_us);
}

void rest_freeze_due(struct timer *timer)
{
    struct sched *sched = CONTAINER_OF(timer, struct sched, freeze);
    int64_t now = exec_now_us(sched->config.exec);
    for (int i = 0; !list_is_empty(&sched->awake); i++) {
        struct slot *slot = CONTAINER_OF(list_first(&sched->awake), struct slot, awake);
        int64_t due = slot->idle_since_us + sched->config.freeze_after_us;
        if (due <= now && i == FREEZES_PER_TURN)
            due = now + FREEZE_TURN_US;
        if (due > now) {
            timer_set(sched->config.exec, timer, due);
            return;
        }
        slot_move(sched, slot, SLOT_FROZEN);
        sched->config.effects->freeze(sched->config.arg, slot);
    }
}

void rest_note_arrival(struct sched_function *function, int64_t now_us)
{
    struct keepalive_history *history = function->history;
    if (function->in_flight > 0)
        return;
    if (history->idle_since_us > 0)
        keepalive_observe(history, now_us - history->idle_since_us);
    function->prewarm_at_us = 0;
}

void rest_note_end(struct sched *sched, struct sched_function *function)
{
    int64_t now = exec_now_us(sched->config.exec);
    function->history->idle_since_us = now;
    if (!sched->config.is_keep_adaptive || function->is_removed || sched->is_draining)
        return;
    struct keepalive_windows windows =
        keepalive_windows(function->history, sched->config.keep_alive_us);
    function->keep_us = windows.keep_us;
    function->prewarm_at_us = windows.prewarm_us > 0 ? now + windows.prewarm_us : 0;
    LIST_FOR_EACH (&function->idle, node)
        rest_arm(function, rest_due(CONTAINER_OF(node, struct slot, own_idle)));
    if (function->prewarm_at_us > 0)
        rest_arm(function, function->prewarm_at_us);
}

void rest_over(struct timer *timer)
{
    struct sched_function *function = CONTAINER_OF(timer, struct sched_function, rest);
    struct sched *sched = function->sched;
    int64_t now = exec_now_us(sched->config.exec);
    LIST_FOR_EACH_SAFE (&function->idle, node) {
        struct slot *slot = CONTAINER_OF(node, struct slot, own_idle);
        if (rest_due(slot) <= now)
            slot_stop(sched, slot);
        else
            rest_arm(function, rest_due(slot));
    }
    if (function->prewarm_at_us > now) {
        rest_arm(function, function->prewarm_at_us);
    } else if (function->prewarm_at_us > 0 && function->in_flight == 0) {
        if (now < function->history->idle_since_us + function->keep_us)
            starts_prewarm(sched, function);
        if (function->slots == 0)
            function->prewarm_at_us = 0; /* it did not come, or nothing can be made for it */
    }
    function_release(sched, function);
}
