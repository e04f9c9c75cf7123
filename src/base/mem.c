/* The heap, with the policy of base/mem.h. */
#include "base/mem.h"

#include "base/assert.h"
#include "base/str.h"

static void *mem_or_abort(void *ptr)
{
    if (ptr == NULL) {
        fputs("virga: out of memory\n", stderr);
        abort();
    }
    return ptr;
}

void *mem_new(size_t size)
{
    return mem_or_abort(calloc(1, size == 0 ? 1 : size));
}

void *mem_new_array(size_t count, size_t size)
{
    return mem_or_abort(calloc(count == 0 ? 1 : count, size));
}

void *mem_resize(void *old, size_t size)
{
    assert(size > 0);
    return mem_or_abort(realloc(old, size));
}

void *mem_try(size_t size)
{
    return malloc(size == 0 ? 1 : size);
}

char *mem_copy(const void *bytes, size_t n)
{
    char *copy = mem_new(n + 1);
    if (n > 0)
        memcpy(copy, bytes, n);
    return copy;
}
