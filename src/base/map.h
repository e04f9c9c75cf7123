#pragma once
/* struct map: byte string -> pointer, open addressing, keyed SipHash-1-3 so that clients cannot
 * choose colliding keys. Keys are borrowed: they must live as long as the entry, usually inside
 * the value. Not thread-safe. */
#include "base/str.h"

struct map_slot;

struct map {
    struct map_slot *slots; /* owned */
    size_t cap;             /* power of two, 0 when empty */
    size_t len;
};

void map_init(struct map *map);
void map_done(struct map *map); /* frees the table, not the values */

/* The value, or NULL. */
void *map_find(const struct map *map, struct str key);
/* Inserts or replaces; returns the value that was there before, or NULL. value != NULL. */
void *map_put(struct map *map, struct str key, void *value);
/* Removes; returns the value, or NULL when there was none. */
void *map_remove(struct map *map, struct str key);

/* Iteration in no order: start with *at = 0; returns the next value or NULL. The map must not be
 * changed meanwhile. */
void *map_next(const struct map *map, size_t *at, struct str *out_key);

/* Keyed hash of bytes, the same within one process only. */
uint64_t hash_bytes(struct str bytes);
