/* The life of an instance, as far as scheduling is concerned: the drawing is in sched.h, the table
 * here. slot_move is the one writer of slot->state, and keeps the counters and the idle lists in
 * step with it. */
#include "runtime/sched_int.h"

#include "base/sm.h"

static const struct sm_rule slot_rules[] = {
    [SLOT_BUILDING] = {"building", SM_TO(SLOT_INITIALISING) | SM_TO(SLOT_STOPPING)},
    [SLOT_INITIALISING] = {"initialising",
                           SM_TO(SLOT_IDLE) | SM_TO(SLOT_BUSY) | SM_TO(SLOT_STOPPING)},
    [SLOT_IDLE] = {"idle", SM_TO(SLOT_FROZEN) | SM_TO(SLOT_BUSY) | SM_TO(SLOT_STOPPING)},
    [SLOT_FROZEN] = {"frozen", SM_TO(SLOT_BUSY) | SM_TO(SLOT_STOPPING)},
    [SLOT_BUSY] = {"busy", SM_TO(SLOT_BUSY) | SM_TO(SLOT_IDLE) | SM_TO(SLOT_FINISHING) |
                               SM_TO(SLOT_STOPPING)},
    [SLOT_FINISHING] = {"finishing", SM_TO(SLOT_BUSY) | SM_TO(SLOT_IDLE) | SM_TO(SLOT_STOPPING)},
    [SLOT_STOPPING] = {"stopping", 0},
};

const char *slot_state_name(enum slot_state state)
{
    return slot_rules[state].name;
}

static bool is_starting(enum slot_state state)
{
    return state == SLOT_BUILDING || state == SLOT_INITIALISING;
}

/* The one writer of slot->state; keeps the counters and the idle lists in step with it. */
void slot_move(struct sched *sched, struct slot *slot, enum slot_state to)
{
    enum slot_state from = slot->state;
    sm_check(slot_rules, from, to);
    sched->starting -= is_starting(from) && !is_starting(to);
    slot->function->starting -= is_starting(from) && !is_starting(to);
    sched->busy += (to == SLOT_BUSY) - (from == SLOT_BUSY);
    slot->function->busy += (to == SLOT_BUSY) - (from == SLOT_BUSY);
    sched->finishing += (to == SLOT_FINISHING) - (from == SLOT_FINISHING);
    sched->stopping += to == SLOT_STOPPING;
    if (to == SLOT_STOPPING)
        budget_leaving(&sched->budget, &slot->memory);
    if (from == SLOT_INITIALISING && to != SLOT_STOPPING)
        slot->memory.start_us = exec_now_us(sched->config.exec) - slot->begun_us;
    if (from == SLOT_IDLE)
        list_remove(&sched->awake, &slot->awake);
    if (slot_state_is_idle(from) && !slot_state_is_idle(to)) {
        list_remove(&slot->function->idle, &slot->own_idle);
        list_remove(&sched->idle, &slot->all_idle);
    }
    slot->state = to;
    if (to == SLOT_IDLE)
        rest_begin(sched, slot);
}

void slot_send(struct sched *sched, struct slot *slot, struct invocation *inv)
{
    bool is_frozen = slot->state == SLOT_FROZEN;
    slot->invocation = inv;
    slot->is_prewarmed = false;
    slot->busy_since_us = exec_now_us(sched->config.exec);
    slot_move(sched, slot, SLOT_BUSY);
    if (is_frozen)
        sched->config.effects->thaw(sched->config.arg, slot);
    sched->config.effects->send(sched->config.arg, slot, inv);
}

void slot_stop(struct sched *sched, struct slot *slot)
{
    slot_move(sched, slot, SLOT_STOPPING);
    sched->config.effects->stop(sched->config.arg, slot);
}
