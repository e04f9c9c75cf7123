/* The timer heap: a binary min-heap ordered by due_us over an array of borrowed timers.
 *
 * Each timer knows its place (heap_at), so moving and clearing one costs O(log n) without a
 * search: connections and invocations set a timer on every step and nearly always clear it before
 * it fires. Timers due at the same time fire in an order that depends only on the sequence of
 * calls, which is what the simulator needs; callers must not rely on more.
 *
 * Used by the loop (net/loop.c) and by the simulator's exec, on the thread of each. */
#include "os/exec.h"

#include "base/assert.h"
#include "base/mem.h"

enum { HEAP_CAP_MIN = 16 };

static void heap_place(struct timer_heap *heap, size_t at, struct timer *timer)
{
    heap->at[at] = timer;
    timer->heap_at = at;
}

static void heap_up(struct timer_heap *heap, size_t at)
{
    struct timer *timer = heap->at[at];
    while (at > 0 && timer->due_us < heap->at[(at - 1) / 2]->due_us) {
        heap_place(heap, at, heap->at[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(heap, at, timer);
}

static void heap_down(struct timer_heap *heap, size_t at)
{
    struct timer *timer = heap->at[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->len)
            break;
        if (child + 1 < heap->len && heap->at[child + 1]->due_us < heap->at[child]->due_us)
            child++;
        if (timer->due_us <= heap->at[child]->due_us)
            break;
        heap_place(heap, at, heap->at[child]);
        at = child;
    }
    heap_place(heap, at, timer);
}

static void heap_grow(struct timer_heap *heap)
{
    size_t cap = heap->cap == 0 ? HEAP_CAP_MIN : heap->cap * 2;
    heap->at = mem_resize(heap->at, cap * sizeof(struct timer *));
    heap->cap = cap;
}

void timer_heap_set(struct timer_heap *heap, struct timer *timer, int64_t due_us)
{
    assert(timer->fire != NULL);
    timer->due_us = due_us;
    if (!timer->is_set) {
        if (heap->len == heap->cap)
            heap_grow(heap);
        timer->is_set = 1;
        heap_place(heap, heap->len++, timer);
    }
    assert(timer->heap_at < heap->len && heap->at[timer->heap_at] == timer);
    heap_up(heap, timer->heap_at);
    heap_down(heap, timer->heap_at);
}

void timer_heap_clear(struct timer_heap *heap, struct timer *timer)
{
    if (!timer->is_set)
        return;
    size_t at = timer->heap_at;
    assert(at < heap->len && heap->at[at] == timer);
    timer->is_set = 0;
    struct timer *last = heap->at[--heap->len];
    if (last == timer)
        return;
    heap_place(heap, at, last);
    heap_up(heap, at);
    heap_down(heap, last->heap_at);
}

struct timer *timer_heap_first(const struct timer_heap *heap)
{
    return heap->len == 0 ? NULL : heap->at[0];
}

void timer_heap_done(struct timer_heap *heap)
{
    free(heap->at);
    *heap = (struct timer_heap){0};
}
