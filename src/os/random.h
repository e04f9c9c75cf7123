#pragma once
/* Randomness behind an interface: getrandom(2) in the product, a seeded generator in the
 * simulator. thread: rng_real any; a seeded one has one owner. */
#include <stddef.h>
#include <stdint.h>

struct rng {
    void (*fill)(struct rng *rng, void *bytes, size_t size);
};

extern struct rng rng_real;

static inline void rng_fill(struct rng *rng, void *bytes, size_t size)
{
    rng->fill(rng, bytes, size);
}

uint64_t rng_u64(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound); /* uniform in [0, bound), bound > 0 */

struct rng_seeded {
    struct rng rng; /* first */
    uint64_t state;
};

void rng_seeded_init(struct rng_seeded *rng, uint64_t seed);
