#pragma once
/* How many starts of a home are under way at once. Pure; thread: the home's loop.
 *
 * To start an instance is work for a CPU. Of more starts than the CPUs can work at none is ready
 * sooner, and all are ready late; one after the other, the first are ready early and take calls
 * that the later ones were for. So a few starts for each CPU are under way, and the others wait at
 * the gate.
 *
 * Not every start works: an init may wait for a network. While something waits at the gate, the
 * CPUs are looked at: if they have time the gate gets twice as wide. If they have none it gets a
 * little wider all the same, for it may be others who keep them busy. It is narrow again when
 * nobody waits. Where idle time is unknown the gate only delays. */
#include "runtime/crowd.h"

#include <stdbool.h>

enum { GATE_LOOK_US = 25 * 1000, GATE_STARTS_PER_CPU = 4 };

struct gate {
    unsigned width;         /* starts under way before others wait */
    bool is_shut;           /* somebody waits: `cpus` is kept up */
    struct crowd_cpus cpus; /* as seen at the last look */
};

void gate_init(struct gate *gate, unsigned cpus);
static inline bool gate_lets_in(const struct gate *gate, unsigned starting)
{
    return starting < gate->width;
}
/* Somebody waits from now on. */
void gate_shut(struct gate *gate, int64_t now_us, struct crowd_use use);
/* GATE_LOOK_US later, and every time after that. */
void gate_look(struct gate *gate, int64_t now_us, struct crowd_use use);
/* Nobody waits any more. */
void gate_open(struct gate *gate);
