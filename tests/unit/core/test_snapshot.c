#include "test.h"

#include "core/pool.h"
#include "core/snapshot.h"
#include "os/thread.h"

/* Pools of one thread stand for the loops: tasks in order, each on its own thread. */
enum { LOOPS = 3, CHANGES = 2000, KEYS = 7 };

static int alive; /* atomic: snapshots not freed yet */

struct value {
    struct snapshot snapshot; /* first */
    int number;
};

static void value_free(struct snapshot *snapshot)
{
    (void) __atomic_fetch_sub(&alive, 1, __ATOMIC_RELAXED);
    free(snapshot);
}

static struct snapshot *value_new(int number)
{
    struct value *value = calloc(1, sizeof *value);
    assert_non_null(value);
    snapshot_init(&value->snapshot, value_free);
    value->number = number;
    (void) __atomic_fetch_add(&alive, 1, __ATOMIC_RELAXED);
    return &value->snapshot;
}

struct stage {
    struct pool *pools[LOOPS];
    struct exec *loops[LOOPS];
    struct directory *directory;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned done;        /* under lock */
    unsigned seen[LOOPS]; /* on_change calls, each loop its own */
};

static void stage_on_change(void *arg, size_t loop, struct str key, struct snapshot *snapshot)
{
    struct stage *stage = arg;
    stage->seen[loop]++;
    assert_ptr_equal(directory_find(stage->directory, loop, key), snapshot);
}

static void stage_init(struct stage *stage)
{
    *stage = (struct stage){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    for (size_t i = 0; i < LOOPS; i++) {
        assert_ok(pool_new("loop", 1, &clock_real, &stage->pools[i], NULL));
        stage->loops[i] = pool_exec(stage->pools[i]);
    }
    stage->directory = directory_new(stage->loops, LOOPS);
    directory_on_change(stage->directory, stage_on_change, stage);
}

static void stage_done(struct stage *stage)
{
    for (size_t i = 0; i < LOOPS; i++)
        pool_free(stage->pools[i]);
    directory_free(stage->directory);
    assert_int_equal(__atomic_load_n(&alive, __ATOMIC_RELAXED), 0);
}

struct published {
    struct task task; /* first */
    struct stage *stage;
};

static void published_run(struct task *task)
{
    struct stage *stage = ((struct published *) task)->stage;
    (void) pthread_mutex_lock(&stage->lock);
    stage->done++;
    (void) pthread_cond_signal(&stage->changed);
    (void) pthread_mutex_unlock(&stage->lock);
}

static void stage_wait(struct stage *stage, unsigned done)
{
    (void) pthread_mutex_lock(&stage->lock);
    while (stage->done < done)
        (void) pthread_cond_wait(&stage->changed, &stage->lock);
    assert_int_equal(stage->done, done);
    (void) pthread_mutex_unlock(&stage->lock);
}

/* Looks a key up on a loop's thread. */
struct lookup {
    struct published then; /* first */
    size_t loop;
    struct str key;
    int found; /* -1: absent */
};

static void lookup_run(struct task *task)
{
    struct lookup *lookup = (struct lookup *) task;
    struct value *value =
        (struct value *) directory_find(lookup->then.stage->directory, lookup->loop, lookup->key);
    lookup->found = value == NULL ? -1 : value->number;
    published_run(task);
}

static void expect_on_every_loop(struct stage *stage, unsigned *done, struct str key, int number)
{
    for (size_t i = 0; i < LOOPS; i++) {
        struct lookup lookup = {
            .then = {{.run = lookup_run}, stage}, .loop = i, .key = key, .found = -2};
        exec_post(stage->loops[i], &lookup.then.task);
        stage_wait(stage, ++*done);
        assert_int_equal(lookup.found, number);
    }
}

static void what_is_published_is_on_every_loop_when_done_runs(void **state)
{
    (void) state;
    struct stage stage;
    stage_init(&stage);
    struct published then = {{.run = published_run}, &stage};
    unsigned done = 0;
    char key_bytes[] = "function:a";
    struct str key = str_from(key_bytes);
    directory_publish(stage.directory, key, value_new(1), &then.task);
    key_bytes[0] = 'X'; /* The key was copied. */
    stage_wait(&stage, ++done);
    expect_on_every_loop(&stage, &done, STR("function:a"), 1);
    expect_on_every_loop(&stage, &done, STR("Xunction:a"), -1);

    directory_publish(stage.directory, STR("function:a"), value_new(2), NULL);
    directory_publish(stage.directory, STR("function:a"), NULL, NULL);
    directory_publish(stage.directory, STR("function:a"), value_new(3), &then.task);
    stage_wait(&stage, ++done);
    expect_on_every_loop(&stage, &done, STR("function:a"), 3);
    assert_int_equal(stage.seen[0], 4);

    directory_publish(stage.directory, STR("never there"), NULL, &then.task);
    stage_wait(&stage, ++done);
    stage_done(&stage);
}

struct publisher {
    struct stage *stage;
    int number;
    struct published then;
};

static void *publisher_main(void *arg)
{
    struct publisher *publisher = arg;
    for (int i = 0; i < CHANGES; i++) {
        char key[16];
        int len = snprintf(key, sizeof key, "%d-%d", publisher->number, i % KEYS);
        struct snapshot *snapshot = i % 5 == 4 ? NULL : value_new(i);
        directory_publish(publisher->stage->directory, str_of(key, (size_t) len), snapshot,
                          i + 1 == CHANGES ? &publisher->then.task : NULL);
    }
    return NULL;
}

static void publishers_of_own_keys_do_not_disturb_each_other(void **state)
{
    (void) state;
    struct stage stage;
    stage_init(&stage);
    struct publisher publishers[2];
    pthread_t threads[2];
    for (int p = 0; p < 2; p++) {
        publishers[p] = (struct publisher){&stage, p, {{.run = published_run}, &stage}};
        assert_ok(thread_start(&threads[p], "publisher", publisher_main, &publishers[p], NULL));
    }
    for (int p = 0; p < 2; p++)
        assert_int_equal(pthread_join(threads[p], NULL), 0);
    unsigned done = 2;
    stage_wait(&stage, done);
    for (int p = 0; p < 2; p++) {
        for (int i = CHANGES - KEYS; i < CHANGES; i++) { /* the last change of each key */
            char key[16];
            int len = snprintf(key, sizeof key, "%d-%d", p, i % KEYS);
            expect_on_every_loop(&stage, &done, str_of(key, (size_t) len), i % 5 == 4 ? -1 : i);
        }
    }
    for (size_t i = 0; i < LOOPS; i++)
        assert_int_equal(stage.seen[i], 2 * CHANGES);
    stage_done(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published_is_on_every_loop_when_done_runs),
        cmocka_unit_test(publishers_of_own_keys_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
