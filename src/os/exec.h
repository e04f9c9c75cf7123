#pragma once
/* struct exec: something that runs tasks one at a time and fires timers: a loop thread in the
 * product, the simulator in tests. State machines (runtime, actors) are written against this
 * interface, so that tests/sim runs them all on one thread, in an order drawn from a seed, with a
 * virtual clock.
 *
 * A task may be posted from any thread; it runs later, once, on the exec's thread. The poster
 * gives the task's memory away until it runs. Timers belong to the exec's thread; setting a set
 * timer moves it; a fired timer is clear. */
#include "base/list.h"
#include "os/clock.h"

struct task {
    struct list_node node;          /* exec's queue */
    void (*run)(struct task *task); /* may free or post the task again */
};

struct timer {
    void (*fire)(struct timer *timer);
    int64_t due_us;       /* on the exec's clock; valid while is_set */
    size_t heap_at;       /* exec's */
    unsigned char is_set; /* exec's */
};

struct exec;

struct exec_ops {
    void (*post)(struct exec *exec, struct task *task);
    void (*timer_set)(struct exec *exec, struct timer *timer, int64_t due_us);
    void (*timer_clear)(struct exec *exec, struct timer *timer);
};

struct exec {
    const struct exec_ops *ops;
    const struct clock *clock;
};

/* thread: any. owner: the task moves to the exec until it runs. */
static inline void exec_post(struct exec *exec, struct task *task)
{
    exec->ops->post(exec, task);
}

/* thread: the exec's. */
static inline void timer_set(struct exec *exec, struct timer *timer, int64_t due_us)
{
    exec->ops->timer_set(exec, timer, due_us);
}

static inline void timer_clear(struct exec *exec, struct timer *timer)
{
    exec->ops->timer_clear(exec, timer);
}

static inline int64_t exec_now_us(const struct exec *exec)
{
    return clock_mono_us(exec->clock);
}

/* A binary heap of timers, shared by the implementations of exec. */
struct timer_heap {
    struct timer **at; /* owned array */
    size_t len, cap;
};

void timer_heap_done(struct timer_heap *heap);
void timer_heap_set(struct timer_heap *heap, struct timer *timer, int64_t due_us);
void timer_heap_clear(struct timer_heap *heap, struct timer *timer);
/* The earliest timer, or NULL. */
struct timer *timer_heap_first(const struct timer_heap *heap);
