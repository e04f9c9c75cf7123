/* Bump allocation in blocks. The first block is small (most requests are), later ones double up
 * to a bound; larger requests get a block of their own. */
#include "base/arena.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdalign.h>
#include <stdarg.h>

struct arena_block {
    struct arena_block *next;
    size_t cap;
    size_t used;
    alignas(max_align_t) char bytes[];
};

enum { ARENA_BLOCK_MIN = 4 * 1024, ARENA_BLOCK_MAX = 64 * 1024 };

void arena_init(struct arena *arena, size_t limit_bytes)
{
    assert(limit_bytes > 0);
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

void arena_done(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *keep = NULL;
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        if (keep == NULL && block->cap <= ARENA_BLOCK_MAX)
            keep = block;
        else
            free(block);
    }
    if (keep != NULL) {
        memset(keep->bytes, 0, keep->used);
        keep->next = NULL;
        keep->used = 0;
    }
    arena->blocks = keep;
    arena->used_bytes = 0;
}

static struct arena_block *arena_grow(struct arena *arena, size_t size)
{
    size_t cap = arena->blocks == NULL ? ARENA_BLOCK_MIN : arena->blocks->cap * 2;
    if (cap > ARENA_BLOCK_MAX)
        cap = ARENA_BLOCK_MAX;
    if (cap < size)
        cap = size;
    struct arena_block *block = mem_new(sizeof *block + cap);
    block->cap = cap;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

static void *arena_take(struct arena *arena, size_t size)
{
    size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (need == 0)
        need = alignof(max_align_t);
    struct arena_block *block = arena->blocks;
    if (block == NULL || need > block->cap - block->used)
        block = arena_grow(arena, need);
    void *ptr = block->bytes + block->used;
    block->used += need;
    arena->used_bytes += need;
    return ptr;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    assert(size <= ARENA_SMALL_MAX);
    return arena_take(arena, size);
}

void *arena_try(struct arena *arena, size_t size)
{
    if (arena_is_over(arena) || size > arena->limit_bytes - arena->used_bytes)
        return NULL;
    return arena_take(arena, size);
}

void *arena_try_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_try(arena, total);
}

struct str arena_str(struct arena *arena, struct str s)
{
    char *copy = arena_try(arena, s.len + 1);
    if (copy == NULL)
        return STR_NONE;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return str_of(copy, s.len);
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *to = arena_try(arena, (size_t) len + 1);
    if (to != NULL)
        (void) vsnprintf(to, (size_t) len + 1, format, again);
    va_end(again);
    return to == NULL ? STR_NONE : str_of(to, (size_t) len);
}
