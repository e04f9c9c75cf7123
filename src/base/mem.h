#pragma once
/* Heap memory. Small allocations abort when memory is gone (there is nothing sensible left to
 * do); sizes that a client chooses go through mem_try, below a limit that the caller checked. */
#include "base/cleanup.h"

#include <stddef.h>

CHECK_RESULT void *mem_new(size_t size);                  /* zeroed; never NULL */
CHECK_RESULT void *mem_resize(void *old, size_t size);    /* never NULL */
CHECK_RESULT void *mem_try(size_t size);                  /* not zeroed; NULL when refused */
CHECK_RESULT char *mem_copy(const void *bytes, size_t n); /* n bytes and a NUL; never NULL */

#define NEW(type)          ((type *) mem_new(sizeof(type)))
#define NEW_ARRAY(type, n) ((type *) mem_new_array((n), sizeof(type)))
CHECK_RESULT void *mem_new_array(size_t count, size_t size);
