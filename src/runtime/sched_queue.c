/* What waits for an instance, function by function, oldest first.
 *
 * Not every waiting invocation wants an instance of its own: when the CPUs are full and the
 * function is short (crowd.h), it is *patient* and waits for a busy one, CROWD_PATIENCE_US at most.
 * The patient ones are the newest of their function's queue; after that time they are like the
 * others. */
#include "runtime/sched_int.h"

bool queue_is_patient(const struct invocation *inv)
{
    return list_is_linked(&inv->patient);
}

static void end_patience(struct sched *sched, struct invocation *inv)
{
    list_remove(&sched->patient, &inv->patient);
    inv->function->patient--;
}

struct invocation *queue_take(struct sched *sched, struct sched_function *function)
{
    struct list_node *node = list_pop_front(&function->waiting);
    if (node == NULL)
        return NULL;
    sched->queued--;
    struct invocation *inv = CONTAINER_OF(node, struct invocation, node);
    if (queue_is_patient(inv))
        end_patience(sched, inv);
    return inv;
}

/* Do enough instances of the function run, not counting `without` of them? */
static bool is_crowded(struct sched *sched, struct sched_function *function, unsigned without)
{
    unsigned busy = function->busy - without;
    return busy > 0 && busy >= crowd_limit(&function->crowd, &sched->crowd, busy);
}

bool queue_prefers_to_wait(struct sched *sched, struct sched_function *function, unsigned without)
{
    const struct list_node *first = list_first(&function->waiting);
    return first != NULL && queue_is_patient(CONTAINER_OF(first, struct invocation, node)) &&
           is_crowded(sched, function, without);
}

/* Sends what waits to instances that are idle. */
static void serve(struct sched *sched, struct sched_function *function)
{
    for (struct list_node *node; (node = list_first(&function->idle)) != NULL;) {
        if (list_is_empty(&function->waiting) || queue_prefers_to_wait(sched, function, 0))
            return;
        slot_send(sched, CONTAINER_OF(node, struct slot, own_idle), queue_take(sched, function));
    }
}

void queue_patience_over(struct timer *timer)
{
    struct sched *sched = CONTAINER_OF(timer, struct sched, patience);
    int64_t now = exec_now_us(sched->config.exec);
    for (struct list_node *node; (node = list_first(&sched->patient)) != NULL;) {
        struct invocation *inv = CONTAINER_OF(node, struct invocation, patient);
        int64_t due = inv->created_us + CROWD_PATIENCE_US;
        if (due > now) {
            timer_set(sched->config.exec, timer, due);
            break;
        }
        struct sched_function *function = inv->function;
        end_patience(sched, inv);
        serve(sched, function);
        starts_note(sched, function);
    }
    starts_balance(sched);
}

static void wait_patiently(struct sched *sched, struct invocation *inv)
{
    list_push_back(&sched->patient, &inv->patient);
    inv->function->patient++;
    if (!sched->patience.is_set)
        timer_set(sched->config.exec, &sched->patience, inv->created_us + CROWD_PATIENCE_US);
}

static void end_all_patience(struct sched *sched, struct sched_function *function)
{
    if (function->patient == 0)
        return;
    LIST_FOR_EACH (&function->waiting, node) {
        struct invocation *inv = CONTAINER_OF(node, struct invocation, node);
        if (queue_is_patient(inv))
            end_patience(sched, inv);
    }
    starts_note(sched, function);
}

static void look_at_cpus(struct sched *sched, int64_t now_us)
{
    if (crowd_is_due(&sched->crowd, now_us))
        crowd_look(&sched->crowd, now_us, sched->config.effects->cpu_use(sched->config.arg));
}

void queue_put(struct sched *sched, struct invocation *inv)
{
    struct sched_function *function = inv->function;
    look_at_cpus(sched, inv->created_us);
    if (is_crowded(sched, function, 0))
        wait_patiently(sched, inv);
    else
        end_all_patience(sched, function); /* nobody is served before who came earlier */
    list_push_back(&function->waiting, &inv->node);
    sched->queued++;
    serve(sched, function);
}

struct invocation *sched_take_waiting(struct sched *sched, struct slot *slot)
{
    return queue_take(sched, slot->function);
}

const struct invocation *sched_first_waiting(const struct slot *slot)
{
    const struct list_node *node = list_first(&slot->function->waiting);
    return node == NULL ? NULL : CONTAINER_OF(node, struct invocation, node);
}

void sched_return_waiting(struct sched *sched, struct invocation *inv)
{
    list_push_front(&inv->function->waiting, &inv->node);
    sched->queued++;
    starts_note(sched, inv->function);
}
