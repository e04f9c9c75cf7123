#include "runtime/gate.h"

#include "base/assert.h"

#include <limits.h>

static unsigned narrow(const struct gate *gate)
{
    return gate->cpus.count * GATE_STARTS_PER_CPU;
}

void gate_init(struct gate *gate, unsigned cpus)
{
    *gate = (struct gate){0};
    crowd_cpus_init(&gate->cpus, cpus);
    gate->width = narrow(gate);
}

void gate_shut(struct gate *gate, int64_t now_us, struct crowd_use use)
{
    assert(!gate->is_shut);
    gate->is_shut = true;
    crowd_look(&gate->cpus, now_us, use);
}

void gate_look(struct gate *gate, int64_t now_us, struct crowd_use use)
{
    assert(gate->is_shut);
    crowd_look(&gate->cpus, now_us, use);
    unsigned more = gate->cpus.verdict == CROWD_SPARE ? gate->width : gate->cpus.count;
    gate->width = gate->width > UINT_MAX - more ? UINT_MAX : gate->width + more;
}

void gate_open(struct gate *gate)
{
    gate->is_shut = false;
    gate->width = narrow(gate);
}
