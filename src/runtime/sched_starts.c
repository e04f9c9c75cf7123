/* What is started for calls that wait, and what has to go for it.
 *
 * For each queued invocation without a starting instance one is started, as long as not too many
 * are being started already (gate.h) and the host has room (instances_max and the memory budget,
 * instances that are being stopped included). At the limit the idle instance that costs the least
 * to do without (budget.h), of any function, is stopped, one for each start that waits. A function
 * that waits for room is on the `hungry` list, served in order, one start per turn, so that a burst
 * on one function does not starve the others.
 */
#include "runtime/sched_int.h"

/* Instances that what waits would like to have started. */
static size_t wanted_instances(const struct sched_function *function)
{
    size_t impatient = function->waiting.len - function->patient;
    return impatient > function->starting ? impatient - function->starting : 0;
}

bool starts_are_wanted(const struct sched_function *function)
{
    return wanted_instances(function) > 0;
}

void starts_note(struct sched *sched, struct sched_function *function)
{
    if (starts_are_wanted(function) && !list_is_linked(&function->hungry))
        list_push_back(&sched->hungry, &function->hungry);
}

uint64_t starts_memory_guess(const struct sched_function *function)
{
    return budget_guess(function->memory_bytes, function->spec->memory_mb);
}

static bool has_room(const struct sched *sched, const struct sched_function *function)
{
    return sched->instances < sched->config.instances_max &&
           budget_has_room(&sched->budget, starts_memory_guess(function));
}

/* The idle instance that costs the least to do without. */
static struct slot *least_worth(const struct sched *sched)
{
    struct slot *found = NULL;
    double least = 0;
    int64_t now = exec_now_us(sched->config.exec);
    LIST_FOR_EACH (&sched->idle, node) {
        struct slot *slot = CONTAINER_OF(node, struct slot, all_idle);
        double worth = budget_worth(&slot->memory, now - slot->idle_since_us);
        if (found == NULL || worth < least) {
            found = slot;
            least = worth;
        }
    }
    return found;
}

/* Frees so many bytes, first of what was made in advance, then of idle instances. */
static void free_memory(struct sched *sched, uint64_t bytes)
{
    uint64_t asked = budget_ask_pool(&sched->budget, budget_missing(&sched->budget, bytes));
    if (asked > 0)
        sched->config.effects->shrink(sched->config.arg, asked);
    while (budget_missing(&sched->budget, bytes) > 0 && !list_is_empty(&sched->idle))
        slot_stop(sched, least_worth(sched));
}

/* Ends idle instances for what is hungry: as many as it wants, or as many bytes as the first needs.
 */
static void make_room(struct sched *sched)
{
    const struct sched_function *first =
        CONTAINER_OF(list_first(&sched->hungry), struct sched_function, hungry);
    bool is_full = sched->instances >= sched->config.instances_max;
    size_t missing = 0;
    LIST_FOR_EACH (&sched->hungry, node) {
        const struct sched_function *function = CONTAINER_OF(node, struct sched_function, hungry);
        missing += wanted_instances(function);
        if (missing > sched->stopping || !is_full)
            break;
    }
    for (; is_full && missing > sched->stopping && !list_is_empty(&sched->idle); missing--)
        slot_stop(sched, least_worth(sched));
    free_memory(sched, starts_memory_guess(first));
}

void starts_keep_budget(struct sched *sched)
{
    free_memory(sched, 0);
}

/* Nothing is started now: at once when a start is over, else when the gate has become wider. */
static void wait_at_gate(struct sched *sched)
{
    int64_t now_us = exec_now_us(sched->config.exec);
    if (!sched->gate.is_shut)
        gate_shut(&sched->gate, now_us, sched->config.effects->cpu_use(sched->config.arg));
    if (!sched->gate_due.is_set)
        timer_set(sched->config.exec, &sched->gate_due, now_us + GATE_LOOK_US);
}

static void leave_gate(struct sched *sched)
{
    if (!sched->gate.is_shut)
        return;
    gate_open(&sched->gate);
    timer_clear(sched->config.exec, &sched->gate_due);
}

void starts_gate_due(struct timer *timer)
{
    struct sched *sched = CONTAINER_OF(timer, struct sched, gate_due);
    gate_look(&sched->gate, exec_now_us(sched->config.exec),
              sched->config.effects->cpu_use(sched->config.arg));
    starts_balance(sched);
}

void starts_balance(struct sched *sched)
{
    for (struct list_node *node; (node = list_first(&sched->hungry)) != NULL;) {
        struct sched_function *function = CONTAINER_OF(node, struct sched_function, hungry);
        bool is_wanted = starts_are_wanted(function);
        if (is_wanted && !gate_lets_in(&sched->gate, sched->starting)) {
            wait_at_gate(sched);
            return;
        }
        if (is_wanted && !has_room(sched, function))
            break;
        list_remove(&sched->hungry, node);
        if (!is_wanted)
            continue;
        sched->config.effects->start(sched->config.arg, function->spec);
        starts_note(sched, function);
    }
    leave_gate(sched);
    if (!list_is_empty(&sched->hungry))
        make_room(sched);
}

void starts_prewarm(struct sched *sched, struct sched_function *function)
{
    if (sched->is_draining || function->is_removed || function->slots > 0 ||
        !has_room(sched, function) || !list_is_empty(&sched->hungry))
        return;
    function->is_prewarming = true;
    sched->config.effects->start(sched->config.arg, function->spec);
    function->is_prewarming = false;
}
