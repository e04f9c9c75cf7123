#pragma once
/* Attributes that release a resource on every path out of a scope.
 *
 * AUTO_FREE char *p = …        free(p) at scope end
 * AUTO_CLOSE int fd = …        close(fd) at scope end when fd >= 0
 * take_ptr(&p), take_fd(&fd)   hand the resource over; the scope then releases nothing
 */
#include <stdlib.h>
#include <unistd.h>

#define CHECK_RESULT      __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define UNUSED            __attribute__((unused))

static inline void cleanup_free(void *slot)
{
    free(*(void **) slot);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        (void) close(*fd); /* A failed close leaves nothing to do. */
}

#define AUTO_FREE  __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE __attribute__((cleanup(cleanup_close)))

static inline int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define take_ptr(slot)                                                                             \
    __extension__({                                                                                \
        typeof(*(slot)) taken_ = *(slot);                                                          \
        *(slot) = NULL;                                                                            \
        taken_;                                                                                    \
    })

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *) (void *) ((char *) (ptr) -offsetof(type, member)))
