/* Per-thread rings of trace records, linked into one list so that a dump reaches all of them.
 * Rings are never freed (a thread's last records matter after its end); the number of threads of
 * the process is small and fixed. A dump races with writers by design: a torn record in a crash
 * report is better than a lock on the hot path. */
#include "base/trace.h"

#include "base/assert.h"
#include "base/str.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TRACE_LEN = 128 };

struct trace_record {
    const char *label;
    uint64_t a, b;
    uint64_t ns;
};

struct trace_ring {
    struct trace_ring *next;
    unsigned at;
    struct trace_record records[TRACE_LEN];
};

static _Atomic(struct trace_ring *) rings;
static _Thread_local struct trace_ring *my_ring;

static struct trace_ring *trace_ring_new(void)
{
    struct trace_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return NULL;
    ring->next = atomic_load(&rings);
    while (!atomic_compare_exchange_weak(&rings, &ring->next, ring))
        continue;
    return ring;
}

void trace(const char *label, uint64_t a, uint64_t b)
{
    if (my_ring == NULL && (my_ring = trace_ring_new()) == NULL)
        return;
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    my_ring->records[my_ring->at++ % TRACE_LEN] = (struct trace_record){
        label, a, b, (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec};
}

static size_t put_hex(char *to, uint64_t value)
{
    size_t len = 1;
    while (len < 16 && value >> (4 * len) != 0)
        len++;
    for (size_t i = 0; i < len; i++)
        to[i] = "0123456789abcdef"[value >> (4 * (len - 1 - i)) & 15];
    return len;
}

void trace_dump(int fd)
{
    for (struct trace_ring *ring = atomic_load(&rings); ring != NULL; ring = ring->next) {
        if (write(fd, "--- trace of a thread, oldest first\n", 36) < 0)
            return;
        for (unsigned i = 0; i < TRACE_LEN; i++) {
            const struct trace_record *r = &ring->records[(ring->at + i) % TRACE_LEN];
            if (r->label == NULL)
                continue;
            char line[160];
            size_t len = put_hex(line, r->ns);
            line[len++] = ' ';
            size_t label_len = strnlen(r->label, 80);
            memcpy(line + len, r->label, label_len);
            len += label_len;
            line[len++] = ' ';
            len += put_hex(line + len, r->a);
            line[len++] = ' ';
            len += put_hex(line + len, r->b);
            line[len++] = '\n';
            if (write(fd, line, len) < 0)
                return;
        }
    }
}

void assert_fail(const char *expression, const char *file, int line, const char *function)
{
    char text[512];
    int len = snprintf(text, sizeof text, "virga: assertion failed: %s (%s:%d, %s)\n", expression,
                       file, line, function);
    if (write(STDERR_FILENO, text, (size_t) len) >= 0)
        trace_dump(STDERR_FILENO);
    abort();
}
