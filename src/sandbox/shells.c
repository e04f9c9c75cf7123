/* Shells: sandboxes that are finished but for what they are for.
 *
 * How many: as many as a burst has lately missed, within bounds. Each request that finds none
 * raises the number wanted by one, so that the next burst of the same size finds all of them; what
 * lay there untouched for a whole period is halved, down to the base. Making one costs two
 * milliseconds of CPU, having one about half a megabyte, nearly all of it the kernel's.
 *
 * Fewer when main's memory is short: so many go at once, and until the end of the period no more
 * are made than stayed.
 *
 * When: in idle moments, that is when main has wanted nothing for a while and nothing is being
 * built: a burst of starts keeps the CPUs busy, and a shell that is made meanwhile takes from those
 * who wait. The base is made up for at once, for a day of single starts. */
#include "sandbox/spawner_int.h"

#include "base/assert.h"
#include "sandbox/sandbox.h"

enum { QUIET_US = 50 * 1000, QUIET_BASE_US = 2 * 1000 };
#define PERIOD_US (INT64_C(300) * 1000 * 1000)

/* ---- how many ---- */

void stock_init(struct stock *stock, unsigned base, unsigned max, int64_t now_us)
{
    assert(base <= max);
    *stock = (struct stock){.base = base,
                            .max = max,
                            .bound = max,
                            .wanted = base,
                            .period_ends_us = now_us + PERIOD_US};
}

void stock_took(struct stock *stock, unsigned left)
{
    if (left < stock->least)
        stock->least = left;
}

void stock_missed(struct stock *stock)
{
    stock->least = 0;
    stock->wanted += stock->wanted < stock->bound;
}

void stock_shrink(struct stock *stock, unsigned there, unsigned count)
{
    stock->bound = there > count ? there - count : 0;
    if (stock->wanted > stock->bound)
        stock->wanted = stock->bound;
}

void stock_turn(struct stock *stock, int64_t now_us, unsigned left)
{
    if (now_us < stock->period_ends_us)
        return;
    unsigned surplus = (stock->least + 1) / 2;
    stock->wanted = stock->wanted > stock->base + surplus ? stock->wanted - surplus : stock->base;
    stock->bound = stock->max;
    stock->least = left;
    stock->period_ends_us = now_us + PERIOD_US;
}

/* ---- on the shelf ---- */

static struct slot *shell_find(struct spawner_process *sp, uint64_t tmp_bytes_or_0)
{
    for (unsigned i = 0; sp->shell_count > 0 && i < sp->slot_total; i++) {
        struct slot *slot = &sp->slots[i];
        if (slot->state == SLOT_SHELL && slot->is_shell && !slot->is_doomed &&
            (tmp_bytes_or_0 == 0 || slot->tmp.bytes == tmp_bytes_or_0))
            return slot;
    }
    return NULL;
}

static void shell_discard(struct slot *slot)
{
    slot->is_doomed = true;
    (void) cgroup_kill(&slot->cgroup, NULL); /* Fails only when it has ended already. */
}

struct slot *shells_take(struct spawner_process *sp, const struct wire_request *request)
{
    struct slot *slot;
    while ((slot = shell_find(sp, request->tmp_bytes)) != NULL) {
        unsigned left = sp->shell_count - 1;
        slot_process_ended(sp, slot); /* One that was killed leaves the shelf here. */
        if (slot->state != SLOT_SHELL)
            continue;
        stock_took(&sp->stock, left);
        return slot;
    }
    stock_missed(&sp->stock);
    /* Another size of /tmp is wanted now: one of the old goes, so that the shelf follows. */
    slot = shell_find(sp, 0);
    if (slot != NULL)
        shell_discard(slot);
    sp->parts.tmp.usual_bytes = request->tmp_bytes;
    return NULL;
}

void shells_shrink(struct spawner_process *sp, unsigned count)
{
    stock_shrink(&sp->stock, sp->shell_count, count);
    for (struct slot *slot; count > 0 && (slot = shell_find(sp, 0)) != NULL; count--)
        shell_discard(slot);
}

int shells_wait_ms(const struct spawner_process *sp)
{
    if (sp->building_count > 0 || sp->is_shell_broken)
        return -1;
    const struct stock *stock = &sp->stock;
    int64_t now_us = spawner_now_us();
    int64_t due_us = sp->asked_us + (sp->shell_count < stock->base ? QUIET_BASE_US : QUIET_US);
    if (sp->shell_count == stock->wanted) {
        if (stock->wanted == stock->base && stock->bound == stock->max)
            return -1;
        due_us = stock->period_ends_us;
    }
    return due_us <= now_us ? 0 : (int) ((due_us - now_us + 999) / 1000);
}

void shells_tend(struct spawner_process *sp)
{
    stock_turn(&sp->stock, spawner_now_us(), sp->shell_count);
    if (sp->shell_count > sp->stock.wanted) {
        struct slot *slot = shell_find(sp, 0);
        if (slot != NULL)
            shell_discard(slot);
        sp->asked_us = spawner_now_us(); /* The next when this one has ended. */
        return;
    }
    if (sp->shell_count == sp->stock.wanted)
        return;
    const struct wire_request request = {.tmp_bytes = sp->parts.tmp.usual_bytes,
                                         .network = SANDBOX_NETWORK_RUNTIME_API};
    const struct root_dirs none = {.code_fd = -1};
    struct slot *slot = slot_find_free(sp);
    if (slot == NULL || slot_begin(sp, slot, &request, &none, NULL) < 0)
        sp->is_shell_broken = true;
}
