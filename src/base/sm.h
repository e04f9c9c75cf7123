#pragma once
/* A life cycle as a table: for each state its name and the states it may move to. One writer
 * function per type calls sm_check before it stores the new state; a drawing stands above the
 * table. Source of the idea: dqlite's lib/sm.h. */
#include "base/assert.h"

#include <stdint.h>

struct sm_rule {
    const char *name;
    uint32_t next; /* bit set of allowed next states: SM_TO(A) | SM_TO(B) */
};

#define SM_TO(state) (UINT32_C(1) << (state))

static inline void sm_check(const struct sm_rule *rules, unsigned from, unsigned to)
{
    assert((rules[from].next & SM_TO(to)) != 0);
}
