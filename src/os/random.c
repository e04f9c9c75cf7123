/* The two generators.
 *
 * rng_real asks the kernel (getrandom(2), the urandom pool once initialised). There is no user
 * space pool: a snapshot of a process must never hold random bytes that a second copy would hand
 * out again, and a call costs well under a microsecond for the sizes used here.
 *
 * rng_seeded is splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
 * OOPSLA 2014; constants as in Vigna's public-domain version): one word of state, every seed good,
 * the same bytes on every machine. It is for simulation only and never makes a secret. */
#include "os/random.h"

#include "base/assert.h"
#include "base/str.h"

#include <errno.h>
#include <sys/random.h>

static void real_fill(struct rng *rng, void *bytes, size_t size)
{
    (void) rng;
    char *at = bytes;
    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);
        /* EINTR only before the pool is ready or above 256 bytes; all else is a broken system, and
         * going on without randomness would be worse than stopping. */
        assert(n > 0 || errno == EINTR);
        if (n < 0)
            continue;
        at += n;
        size -= (size_t) n;
    }
}

struct rng rng_real = {.fill = real_fill};

uint64_t rng_u64(struct rng *rng)
{
    uint64_t value;
    rng_fill(rng, &value, sizeof value);
    return value;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    assert(bound > 0);
    /* The lowest 2^64 mod bound values are drawn again: the rest divides evenly. */
    uint64_t reject_below = (0 - bound) % bound;
    for (;;) {
        uint64_t value = rng_u64(rng);
        if (value >= reject_below)
            return value % bound;
    }
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void seeded_fill(struct rng *rng, void *bytes, size_t size)
{
    struct rng_seeded *seeded = (struct rng_seeded *) (void *) rng;
    char *at = bytes;
    while (size > 0) {
        uint64_t word = splitmix64(&seeded->state);
        size_t n = size < sizeof word ? size : sizeof word;
        memcpy(at, &word, n);
        at += n;
        size -= n;
    }
}

void rng_seeded_init(struct rng_seeded *rng, uint64_t seed)
{
    *rng = (struct rng_seeded){.rng = {.fill = seeded_fill}, .state = seed};
}
