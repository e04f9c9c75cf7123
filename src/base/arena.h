#pragma once
/* struct arena: memory of one request, freed whole.
 *
 * arena_alloc serves small fixed sizes and never fails; arena_try serves sizes that a client
 * chooses and answers NULL once the limit is passed, which the caller turns into a client error.
 * Both count towards the limit; loops over client data also ask arena_is_over(). */
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned, newest first */
    size_t used_bytes;          /* handed out, over all blocks */
    size_t limit_bytes;
};

enum { ARENA_SMALL_MAX = 64 * 1024 };

void arena_init(struct arena *arena, size_t limit_bytes);
void arena_done(struct arena *arena);
void arena_reset(struct arena *arena); /* frees all but one block */

static inline bool arena_is_over(const struct arena *arena)
{
    return arena->used_bytes > arena->limit_bytes;
}

/* Zeroed, aligned for any type, never NULL. size <= ARENA_SMALL_MAX. */
CHECK_RESULT void *arena_alloc(struct arena *arena, size_t size);
/* Zeroed; NULL when the arena's limit would be passed. */
CHECK_RESULT void *arena_try(struct arena *arena, size_t size);
/* count * size with the multiplication checked. */
CHECK_RESULT void *arena_try_array(struct arena *arena, size_t count, size_t size);

#define ARENA_NEW(arena, type)          ((type *) arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *) arena_try_array((arena), (count), sizeof(type)))

/* A copy of s with a NUL behind it; {NULL, 0} when the limit would be passed. */
struct str arena_str(struct arena *arena, struct str s);
/* Formatted text; {NULL, 0} when the limit would be passed. */
struct str arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

static inline void cleanup_arena(struct arena *arena)
{
    arena_done(arena);
}
#define AUTO_ARENA __attribute__((cleanup(cleanup_arena)))
