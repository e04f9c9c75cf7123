#include "runtime/budget.h"

#include "base/assert.h"

enum { START_GUESS_US = 10 * 1000, IDLE_MIN_US = 1000 * 1000 };
#define GUESS_BYTES (UINT64_C(32) << 20)
/* An instance's own processes at the platform, page tables, sockets. */
#define OVERHEAD_BYTES (UINT64_C(1) << 20)

uint64_t budget_guess(uint64_t known_bytes, uint32_t limit_mb)
{
    uint64_t limit = (uint64_t) limit_mb << 20;
    if (known_bytes > 0)
        return known_bytes;
    return (limit < GUESS_BYTES ? limit : GUESS_BYTES) + OVERHEAD_BYTES;
}

bool budget_has_room(const struct budget *budget, uint64_t bytes)
{
    return budget->shares == 0 || budget_can_spare(budget, bytes);
}

bool budget_can_spare(const struct budget *budget, uint64_t bytes)
{
    return budget->max == 0 ||
           budget->bytes + budget->pooled + budget->aside + bytes <= budget->max;
}

uint64_t budget_missing(const struct budget *budget, uint64_t bytes)
{
    uint64_t staying =
        budget->bytes - budget->stopping + budget->pooled - budget->going + budget->aside;
    if (budget->max == 0 || staying + bytes <= budget->max)
        return 0;
    return staying + bytes - budget->max;
}

void budget_pool(struct budget *budget, uint64_t bytes)
{
    uint64_t less = budget->pooled > bytes ? budget->pooled - bytes : 0;
    budget->going -= less < budget->going ? less : budget->going;
    budget->pooled = bytes;
    if (budget->going > bytes)
        budget->going = bytes;
}

uint64_t budget_ask_pool(struct budget *budget, uint64_t missing)
{
    uint64_t there = budget->pooled - budget->going;
    uint64_t asked = missing < there ? missing : there;
    budget->going += asked;
    return asked;
}

void budget_add(struct budget *budget, struct budget_share *share, uint64_t bytes)
{
    *share = (struct budget_share){.bytes = bytes};
    budget->bytes += bytes;
    budget->shares++;
}

void budget_measured(struct budget *budget, struct budget_share *share, uint64_t bytes)
{
    budget->bytes += bytes + OVERHEAD_BYTES - share->bytes;
    share->bytes = bytes + OVERHEAD_BYTES;
}

void budget_leaving(struct budget *budget, const struct budget_share *share)
{
    budget->stopping += share->bytes;
}

void budget_left(struct budget *budget, const struct budget_share *share)
{
    assert(budget->shares > 0 && budget->stopping >= share->bytes);
    budget->stopping -= share->bytes;
    budget->bytes -= share->bytes;
    budget->shares--;
    assert(budget->shares > 0 || budget->bytes == 0);
}

double budget_worth(const struct budget_share *share, int64_t idle_us)
{
    int64_t start_us = share->start_us > 0 ? share->start_us : START_GUESS_US;
    return (double) start_us / (double) (share->bytes + 1) / (double) (idle_us + IDLE_MIN_US);
}
