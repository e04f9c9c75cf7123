#include "test.h"

#include "core/pool.h"
#include "os/thread.h"

enum { POSTERS = 4, EACH = 2000 };

struct counted {
    struct task task; /* first */
    int *runs;        /* atomic */
};

static void count(struct task *task)
{
    struct counted *mine = (struct counted *) task;
    (void) __atomic_fetch_add(mine->runs, 1, __ATOMIC_RELAXED);
}

struct poster {
    struct exec *exec;
    struct counted tasks[EACH];
};

static void *poster_main(void *arg)
{
    struct poster *poster = arg;
    for (size_t i = 0; i < EACH; i++)
        exec_post(poster->exec, &poster->tasks[i].task);
    return NULL;
}

static void every_task_of_every_poster_runs_once(void **state)
{
    (void) state;
    struct pool *pool;
    assert_ok(pool_new("test", 3, &clock_real, &pool, NULL));
    int runs = 0;
    static struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (size_t p = 0; p < POSTERS; p++) {
        posters[p].exec = pool_exec(pool);
        for (size_t i = 0; i < EACH; i++)
            posters[p].tasks[i] = (struct counted){.task.run = count, .runs = &runs};
        assert_ok(thread_start(&threads[p], "poster", poster_main, &posters[p], NULL));
    }
    for (size_t p = 0; p < POSTERS; p++)
        assert_int_equal(pthread_join(threads[p], NULL), 0);
    pool_free(pool); /* Finishes what waits. */
    assert_int_equal(runs, POSTERS * EACH);
}

struct ordered {
    struct task task; /* first */
    int number;
    int *next;
};

static void expect_turn(struct task *task)
{
    struct ordered *mine = (struct ordered *) task;
    assert_int_equal(mine->number, *mine->next);
    ++*mine->next;
}

static void one_thread_runs_tasks_in_order(void **state)
{
    (void) state;
    struct pool *pool;
    assert_ok(pool_new("test", 1, &clock_real, &pool, NULL));
    int next = 0;
    struct ordered tasks[100];
    for (int i = 0; i < 100; i++) {
        tasks[i] = (struct ordered){.task.run = expect_turn, .number = i, .next = &next};
        exec_post(pool_exec(pool), &tasks[i].task);
    }
    pool_free(pool);
    assert_int_equal(next, 100);
}

struct again {
    struct task task; /* first */
    struct exec *exec;
    int left;
};

static void run_again(struct task *task)
{
    struct again *mine = (struct again *) task;
    if (--mine->left > 0)
        exec_post(mine->exec, task);
}

static void a_task_may_post_itself_also_while_the_pool_closes(void **state)
{
    (void) state;
    struct pool *pool;
    assert_ok(pool_new("test", 2, &clock_real, &pool, NULL));
    struct again again = {.task.run = run_again, .exec = pool_exec(pool), .left = 1000};
    exec_post(pool_exec(pool), &again.task);
    pool_free(pool);
    assert_int_equal(again.left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_of_every_poster_runs_once),
        cmocka_unit_test(one_thread_runs_tasks_in_order),
        cmocka_unit_test(a_task_may_post_itself_also_while_the_pool_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
