/* One number per quota, changed by compare-and-swap. Leasing blocks of it to each loop would spare
 * the loops this shared cache line: 50 ns of a call of 20 us and more, with two CPUs hammering it.
 * In exchange a call could be refused while other loops hold units that they do not use, or those
 * would have to be asked for them. So a lease is of one unit, for as long as a call is in flight.
 */
#include "core/quota.h"

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>

struct quota {
    int64_t used, kept; /* atomic */
    int64_t limit;
    char *name; /* owned, the map's key */
};

struct quotas {
    pthread_mutex_t lock; /* of the map */
    struct map quotas;
    int64_t limit;
};

struct quotas *quotas_new(int64_t limit)
{
    assert(limit > 0);
    struct quotas *quotas = NEW(struct quotas);
    (void) pthread_mutex_init(&quotas->lock, NULL); /* Default attributes: cannot fail. */
    map_init(&quotas->quotas);
    quotas->limit = limit;
    return quotas;
}

void quotas_free(struct quotas *quotas)
{
    if (quotas == NULL)
        return;
    size_t at = 0;
    for (struct quota *quota; (quota = map_next(&quotas->quotas, &at, NULL)) != NULL;) {
        assert(quota->used == 0);
        free(quota->name);
        free(quota);
    }
    map_done(&quotas->quotas);
    (void) pthread_mutex_destroy(&quotas->lock);
    free(quotas);
}

static struct quota *quota_new(struct quotas *quotas, struct str name)
{
    struct quota *quota = NEW(struct quota);
    *quota = (struct quota){.limit = quotas->limit, .name = mem_copy(name.ptr, name.len)};
    (void) map_put(&quotas->quotas, str_of(quota->name, name.len), quota);
    return quota;
}

struct quota *quotas_find(struct quotas *quotas, struct str name)
{
    (void) pthread_mutex_lock(&quotas->lock);
    struct quota *quota = map_find(&quotas->quotas, name);
    if (quota == NULL)
        quota = quota_new(quotas, name);
    (void) pthread_mutex_unlock(&quotas->lock);
    return quota;
}

bool quota_take(struct quota *quota)
{
    int64_t used = __atomic_load_n(&quota->used, __ATOMIC_RELAXED);
    do {
        if (used + quota_kept(quota) >= quota->limit)
            return false;
    } while (!__atomic_compare_exchange_n(&quota->used, &used, used + 1, true, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    return true;
}

void quota_give(struct quota *quota)
{
    int64_t before = __atomic_fetch_sub(&quota->used, 1, __ATOMIC_RELEASE);
    assert(before > 0);
}

void quota_keep(struct quota *quota, int64_t units)
{
    int64_t before = __atomic_fetch_add(&quota->kept, units, __ATOMIC_RELAXED);
    assert(before + units >= 0);
}

int64_t quota_used(const struct quota *quota)
{
    return __atomic_load_n(&quota->used, __ATOMIC_RELAXED);
}

int64_t quota_kept(const struct quota *quota)
{
    return __atomic_load_n(&quota->kept, __ATOMIC_RELAXED);
}
