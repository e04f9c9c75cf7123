#pragma once
/* The memory of a home's instances and of all that is made for them, kept below a bound, so that
 * the host never has to swap or to kill. Pure; thread: the home's loop.
 *
 * Each instance counts with what the kernel has measured of it (its peak), and before that with
 * what its function's last one needed, or a guess. A start that would pass the bound waits and idle
 * instances go; so they do when a measurement turns out larger than expected. What is busy is never
 * ended: only its own limit bounds that. One instance may always run, whatever it counts.
 *
 * What lies there in advance (shells, with their network namespaces) counts, too, and goes before
 * any instance does. Templates count while they run. Images are files, which the kernel keeps in
 * memory as long as nobody wants it.
 *
 * Who goes is decided by cost per byte, the idea of GreedyDual-Size (Cao and Irani, 1997), as
 * FaasCache uses it for functions: the one whose new start would cost the least time for the memory
 * that it holds, the longer idle the cheaper, since it is the less likely to be wanted. */
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

/* How much memory an instance has, in the eyes of the budget. */
struct budget_share {
    uint64_t bytes;
    int64_t start_us; /* what its start has taken; 0: it has not become ready */
};

struct budget {
    uint64_t max;             /* 0: no bound */
    uint64_t bytes, stopping; /* of all instances; of those that are on their way out */
    uint64_t pooled, going;   /* of what was made in advance; of that, what was asked back */
    uint64_t aside;           /* of what runs beside the instances: templates */
    unsigned shares;
};

/* What an instance of a function is expected to need. known: of an earlier one, or 0. */
uint64_t budget_guess(uint64_t known_bytes, uint32_t limit_mb);
/* May one of this size begin? */
bool budget_has_room(const struct budget *budget, uint64_t bytes);
/* The same for what nobody waits for. */
bool budget_can_spare(const struct budget *budget, uint64_t bytes);
/* Bytes that must become free for it beyond what is on its way out already. */
uint64_t budget_missing(const struct budget *budget, uint64_t bytes);

/* What was made in advance has so many bytes now. */
void budget_pool(struct budget *budget, uint64_t bytes);
/* How many bytes of it to ask back, of those that are missing; they count as going from now on. */
uint64_t budget_ask_pool(struct budget *budget, uint64_t missing);

void budget_add(struct budget *budget, struct budget_share *share, uint64_t bytes);
void budget_measured(struct budget *budget, struct budget_share *share, uint64_t bytes);
void budget_leaving(struct budget *budget, const struct budget_share *share);
void budget_left(struct budget *budget, const struct budget_share *share);

/* What ending an idle instance costs, in start time per byte: the smallest goes first. */
double budget_worth(const struct budget_share *share, int64_t idle_us);
