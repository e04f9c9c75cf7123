/* A pool: a queue of tasks under one lock, and threads that take the oldest.
 *
 * Tasks may block for long (fsync, unzip), so a lock around a list is never what limits them. The
 * condition is signalled once per post: each waiting thread takes one task and looks again before
 * it sleeps, so a signal that finds nobody asleep is not a lost task.
 *
 * An actor is one task that posts itself again while messages wait (core/actor.c). That it never
 * runs on two threads at a time follows from its being queued at most once, not from anything
 * here.
 *
 * Timers: none. Whoever needs one asks a loop. */
#include "core/pool.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/thread.h"

struct pool {
    struct exec exec; /* first */
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct list tasks; /* under lock */
    bool is_closing;   /* under lock */
    unsigned thread_count;
    pthread_t threads[];
};

static void pool_post(struct exec *exec, struct task *task)
{
    struct pool *pool = (struct pool *) exec;
    assert(task->run != NULL);
    (void) pthread_mutex_lock(&pool->lock); /* Fails for a broken mutex only, here and below. */
    list_push_back(&pool->tasks, &task->node);
    (void) pthread_cond_signal(&pool->has_work);
    (void) pthread_mutex_unlock(&pool->lock);
}

static void pool_timer_set(struct exec *exec, struct timer *timer, int64_t due_us)
{
    (void) timer, (void) due_us;
    assert(exec == NULL); /* A pool has no timers. */
}

static void pool_timer_clear(struct exec *exec, struct timer *timer)
{
    (void) exec;
    assert(!timer->is_set);
}

static const struct exec_ops pool_ops = {pool_post, pool_timer_set, pool_timer_clear};

/* The oldest task; waits for one; NULL once the pool closes and nothing is left. */
static struct task *pool_next(struct pool *pool)
{
    (void) pthread_mutex_lock(&pool->lock);
    while (list_is_empty(&pool->tasks) && !pool->is_closing)
        (void) cond_wait_ms(&pool->has_work, &pool->lock, -1); /* Without a bound: cannot fail. */
    struct list_node *node = list_pop_front(&pool->tasks);
    (void) pthread_mutex_unlock(&pool->lock);
    return node == NULL ? NULL : CONTAINER_OF(node, struct task, node);
}

static void *pool_thread(void *arg)
{
    struct pool *pool = arg;
    for (struct task *task; (task = pool_next(pool)) != NULL;)
        task->run(task);
    return NULL;
}

int pool_new(const char *name, unsigned threads, const struct clock *clock, struct pool **out_pool,
             struct err *err)
{
    assert(threads > 0);
    struct pool *pool = mem_new(sizeof *pool + threads * sizeof pool->threads[0]);
    pool->exec = (struct exec){.ops = &pool_ops, .clock = clock};
    (void) pthread_mutex_init(&pool->lock, NULL); /* Default attributes: cannot fail on Linux. */
    (void) pthread_cond_init(&pool->has_work, NULL);
    list_init(&pool->tasks);
    while (pool->thread_count < threads) {
        int rc = thread_start(&pool->threads[pool->thread_count], name, pool_thread, pool, err);
        if (rc < 0) {
            pool_free(pool);
            return rc;
        }
        pool->thread_count++;
    }
    *out_pool = pool;
    return 0;
}

struct exec *pool_exec(struct pool *pool)
{
    return &pool->exec;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    (void) pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    (void) pthread_cond_broadcast(&pool->has_work);
    (void) pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        (void) pthread_join(pool->threads[i], NULL); /* Fails for a foreign thread only. */
    assert(list_is_empty(&pool->tasks));
    (void) pthread_cond_destroy(&pool->has_work);
    (void) pthread_mutex_destroy(&pool->lock);
    free(pool);
}
