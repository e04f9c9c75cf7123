/* What is true of the scheduler after each of its steps; for tests. */
#include "runtime/sched_int.h"

#include "base/assert.h"

void sched_check(const struct sched *sched)
{
    size_t at = 0, slots = 0, starting = 0, waiting = 0, idle = 0, patient = 0, busy = 0;
    int64_t in_flight = 0;
    for (struct sched_function *f; (f = map_next(&sched->functions, &at, NULL)) != NULL;) {
        assert(f->starting + f->idle.len <= f->slots);
        assert(f->in_flight >= (int64_t) f->waiting.len);
        assert(!starts_are_wanted(f) || list_is_linked(&f->hungry));
        slots += f->slots;
        starting += f->starting;
        waiting += f->waiting.len;
        idle += f->idle.len;
        patient += f->patient;
        busy += f->busy;
        assert(f->patient <= f->waiting.len);
        assert(list_is_empty(&f->idle) || f->rest.is_set);
        assert(f->prewarm_at_us == 0 || f->slots > 0 || f->rest.is_set);
        in_flight += f->in_flight;
        bool was_patient = false;
        LIST_FOR_EACH (&f->waiting, node) {
            bool is_now = queue_is_patient(CONTAINER_OF(node, struct invocation, node));
            assert(is_now || !was_patient);
            was_patient = is_now;
        }
        LIST_FOR_EACH (&f->idle, node) {
            const struct slot *slot = CONTAINER_OF(node, struct slot, own_idle);
            assert(slot_state_is_idle(slot->state) && slot->function == f);
            assert(slot->invocation == NULL);
            assert((slot->state == SLOT_IDLE) == list_is_linked(&slot->awake));
        }
    }
    assert(slots == sched->instances && starting == sched->starting);
    assert(waiting == sched->queued && idle == sched->idle.len);
    assert(sched->instances ==
           sched->starting + sched->idle.len + sched->busy + sched->finishing + sched->stopping);
    assert(in_flight >= (int64_t) (sched->queued + sched->busy));
    assert(sched->instances <= sched->config.instances_max);
    assert(sched->budget.shares == sched->instances);
    assert(list_is_empty(&sched->idle) || budget_missing(&sched->budget, 0) == 0);
    assert(list_is_empty(&sched->awake) || sched->freeze.is_set);
    assert(sched->awake.len <= sched->idle.len);
    assert(patient == sched->patient.len && busy == sched->busy);
    assert(sched->gate.is_shut == sched->gate_due.is_set);
    assert(list_is_empty(&sched->patient) || sched->patience.is_set);
}
