/* Robin-hood-free linear probing with backward-shift deletion: no tombstones, so a table that
 * sees many inserts and removes does not decay. Load factor at most 3/4. The hash is SipHash-1-3
 * (Aumasson and Bernstein), keyed once per process from getrandom(2). */
#include "base/map.h"

#include "base/assert.h"
#include "base/mem.h"

#include <pthread.h>
#include <sys/random.h>

struct map_slot {
    uint64_t hash;
    struct str key;
    void *value; /* NULL: free */
};

static uint64_t hash_key[2];

static void hash_key_draw(void)
{
    if (getrandom(hash_key, sizeof hash_key, 0) != (ssize_t) sizeof hash_key)
        abort();
}

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t hash_bytes(struct str bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void) pthread_once(&once, hash_key_draw);

    uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575, hash_key[1] ^ 0x646f72616e646f6d,
                     hash_key[0] ^ 0x6c7967656e657261, hash_key[1] ^ 0x7465646279746573};
    size_t at = 0;
    uint64_t word;
    for (; at + 8 <= bytes.len; at += 8) {
        memcpy(&word, bytes.ptr + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t) bytes.len << 56;
    for (size_t i = 0; at + i < bytes.len; i++)
        word |= (uint64_t) (unsigned char) bytes.ptr[at + i] << (8 * i);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_done(struct map *map)
{
    if (map == NULL)
        return;
    free(map->slots);
    *map = (struct map){0};
}

/* Index of the slot that holds key, or of the free slot where it belongs. cap > len. */
static size_t map_probe(const struct map *map, struct str key, uint64_t hash)
{
    size_t mask = map->cap - 1;
    size_t at = (size_t) hash & mask;
    while (map->slots[at].value != NULL) {
        if (map->slots[at].hash == hash && str_eq(map->slots[at].key, key))
            break;
        at = (at + 1) & mask;
    }
    return at;
}

void *map_find(const struct map *map, struct str key)
{
    if (map->len == 0)
        return NULL;
    return map->slots[map_probe(map, key, hash_bytes(key))].value;
}

static void map_grow(struct map *map)
{
    struct map old = *map;
    map->cap = old.cap == 0 ? 8 : old.cap * 2;
    map->slots = NEW_ARRAY(struct map_slot, map->cap);
    for (size_t i = 0; i < old.cap; i++) {
        const struct map_slot *slot = &old.slots[i];
        if (slot->value != NULL)
            map->slots[map_probe(map, slot->key, slot->hash)] = *slot;
    }
    free(old.slots);
}

void *map_put(struct map *map, struct str key, void *value)
{
    assert(value != NULL);
    if ((map->len + 1) * 4 > map->cap * 3)
        map_grow(map);
    uint64_t hash = hash_bytes(key);
    struct map_slot *slot = &map->slots[map_probe(map, key, hash)];
    void *before = slot->value;
    *slot = (struct map_slot){hash, key, value};
    if (before == NULL)
        map->len++;
    return before;
}

void *map_remove(struct map *map, struct str key)
{
    if (map->len == 0)
        return NULL;
    size_t mask = map->cap - 1;
    size_t hole = map_probe(map, key, hash_bytes(key));
    void *value = map->slots[hole].value;
    if (value == NULL)
        return NULL;
    /* Close the hole: move back every following entry whose home is not behind the hole. */
    for (size_t at = (hole + 1) & mask; map->slots[at].value != NULL; at = (at + 1) & mask) {
        size_t home = (size_t) map->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (struct map_slot){0};
    map->len--;
    return value;
}

void *map_next(const struct map *map, size_t *at, struct str *out_key)
{
    while (*at < map->cap) {
        const struct map_slot *slot = &map->slots[(*at)++];
        if (slot->value == NULL)
            continue;
        if (out_key != NULL)
            *out_key = slot->key;
        return slot->value;
    }
    return NULL;
}
