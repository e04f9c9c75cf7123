#include "test.h"

#include "core/actor.h"
#include "core/pool.h"
#include "fake_db.h"
#include "os/thread.h"

#include <errno.h>

/* An exec that runs its tasks when the test says so: what waits meanwhile makes one batch. */
struct hand {
    struct exec exec; /* first */
    struct list tasks;
};

static void hand_post(struct exec *exec, struct task *task)
{
    list_push_back(&((struct hand *) exec)->tasks, &task->node);
}

static const struct exec_ops hand_ops = {.post = hand_post};

static void hand_init(struct hand *hand)
{
    hand->exec = (struct exec){.ops = &hand_ops, .clock = &clock_real};
    list_init(&hand->tasks);
}

static bool hand_run_one(struct hand *hand)
{
    struct list_node *node = list_pop_front(&hand->tasks);
    if (node == NULL)
        return false;
    struct task *task = CONTAINER_OF(node, struct task, node);
    task->run(task);
    return true;
}

struct write {
    struct message msg; /* first */
    uint64_t row;
    int result; /* what run returns */
    unsigned runs, dones;
    int done_rc;
    size_t rows_at_done; /* committed when done ran */
    struct db *db;
};

static int write_run(struct message *msg, struct db *db)
{
    struct write *w = (struct write *) msg;
    w->runs++;
    w->db = db;
    if (!msg->is_read_only)
        fake_db_append(db, w->row);
    return w->result;
}

static void write_done(struct message *msg, int rc)
{
    struct write *w = (struct write *) msg;
    w->dones++;
    w->done_rc = rc;
    if (w->db != NULL)
        (void) fake_db_rows(w->db, &w->rows_at_done);
}

static void write_init(struct write *w, uint64_t row, int result)
{
    *w = (struct write){
        .msg = {.account = STR("000000000000"), .run = write_run, .done = write_done},
        .row = row,
        .result = result};
}

struct bench {
    struct hand hand;
    struct db *db;
    struct actor *actor;
};

static void bench_init(struct bench *bench, unsigned batch_max)
{
    hand_init(&bench->hand);
    bench->db = fake_db_new();
    assert_ok(actor_new(&(struct actor_config){.name = "test",
                                               .exec = &bench->hand.exec,
                                               .db = bench->db,
                                               .mailbox_max = 100,
                                               .batch_max = batch_max},
                        &bench->actor, NULL));
}

static void bench_done(struct bench *bench)
{
    actor_free(bench->actor);
    fake_db_free(bench->db);
}

static void waiting_messages_share_one_commit(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, 64);
    struct write writes[10];
    for (size_t i = 0; i < 10; i++) {
        write_init(&writes[i], i, i % 3 == 0 ? -1 : 0); /* 0 3 6 9 refuse */
        assert_ok(actor_post(bench.actor, &writes[i].msg));
    }
    assert_true(hand_run_one(&bench.hand));
    assert_false(hand_run_one(&bench.hand));
    assert_int_equal(fake_db_commits(bench.db), 1);
    size_t count;
    const uint64_t *rows = fake_db_rows(bench.db, &count);
    static const uint64_t expected[] = {1, 2, 4, 5, 7, 8};
    assert_int_equal(count, 6);
    assert_memory_equal(rows, expected, sizeof expected);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(writes[i].runs, 1);
        assert_int_equal(writes[i].dones, 1);
        assert_int_equal(writes[i].done_rc, 0);
        assert_int_equal(writes[i].rows_at_done, 6); /* after the commit, all of them */
    }
    bench_done(&bench);
}

static void batch_max_bounds_a_commit(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, 4);
    struct write writes[10];
    for (size_t i = 0; i < 10; i++) {
        write_init(&writes[i], i, 0);
        assert_ok(actor_post(bench.actor, &writes[i].msg));
    }
    unsigned batches = 0;
    while (hand_run_one(&bench.hand))
        batches++;
    assert_int_equal(batches, 3);
    assert_int_equal(fake_db_commits(bench.db), 3);
    bench_done(&bench);
}

static void reads_need_no_transaction_and_see_committed_rows(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, 64);
    struct write write, read;
    write_init(&write, 7, 0);
    write_init(&read, 0, 0);
    read.msg.is_read_only = true;
    assert_ok(actor_post(bench.actor, &write.msg));
    assert_ok(actor_post(bench.actor, &read.msg));
    assert_true(hand_run_one(&bench.hand));
    assert_int_equal(read.dones, 1);
    assert_int_equal(read.rows_at_done, 0);
    assert_int_equal(write.rows_at_done, 1);

    write_init(&read, 0, -1);
    read.msg.is_read_only = true;
    assert_ok(actor_post(bench.actor, &read.msg));
    assert_true(hand_run_one(&bench.hand));
    assert_int_equal(read.rows_at_done, 1);
    assert_int_equal(read.done_rc, 0); /* It remembers its own failure. */
    assert_int_equal(fake_db_commits(bench.db), 1);
    bench_done(&bench);
}

struct fault {
    const char *call;
    int rc;
};

static int fault_now(void *arg, const char *call)
{
    const struct fault *fault = arg;
    return fault->call != NULL && str_eq(str_from(fault->call), str_from(call)) ? fault->rc : 0;
}

static void any_failure_of_the_group_is_told_to_each(void **state)
{
    (void) state;
    static const char *const calls[] = {"begin", "savepoint", "release", "rollback_to", "commit"};
    for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
        struct bench bench;
        bench_init(&bench, 64);
        struct fault fault = {calls[c], -ENOSPC};
        fake_db_on_call(bench.db, fault_now, &fault);
        struct write writes[3];
        for (size_t i = 0; i < 3; i++) {
            write_init(&writes[i], i, i == 1 ? -1 : 0);
            assert_ok(actor_post(bench.actor, &writes[i].msg));
        }
        assert_true(hand_run_one(&bench.hand));
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(writes[i].dones, 1);
            assert_int_equal(writes[i].done_rc, -ENOSPC);
        }
        size_t count;
        (void) fake_db_rows(bench.db, &count);
        assert_int_equal(count, 0);

        fault.call = NULL; /* There is room again: the next group is stored. */
        write_init(&writes[0], 9, 0);
        assert_ok(actor_post(bench.actor, &writes[0].msg));
        assert_true(hand_run_one(&bench.hand));
        assert_int_equal(writes[0].done_rc, 0);
        (void) fake_db_rows(bench.db, &count);
        assert_int_equal(count, 1);
        bench_done(&bench);
    }
}

static void a_broken_disk_ends_writing_but_not_reading(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, 64);
    struct fault fault = {"commit", -EIO};
    fake_db_on_call(bench.db, fault_now, &fault);
    struct write write, read;
    write_init(&write, 1, 0);
    assert_ok(actor_post(bench.actor, &write.msg));
    assert_true(hand_run_one(&bench.hand));
    assert_int_equal(write.done_rc, -EIO);

    fault.call = NULL; /* A later fsync would claim success; it must not be believed. */
    write_init(&write, 2, 0);
    write_init(&read, 0, 0);
    read.msg.is_read_only = true;
    assert_ok(actor_post(bench.actor, &write.msg));
    assert_ok(actor_post(bench.actor, &read.msg));
    assert_true(hand_run_one(&bench.hand));
    assert_int_equal(write.runs, 0);
    assert_int_equal(write.done_rc, -EROFS);
    assert_int_equal(read.runs, 1);
    assert_int_equal(read.done_rc, 0);
    bench_done(&bench);
}

static void an_empty_mailbox_or_batch_is_refused(void **state)
{
    (void) state;
    struct actor *actor = NULL;
    struct err err = {0};
    assert_int_equal(
        actor_new(&(struct actor_config){.name = "x", .mailbox_max = 0, .batch_max = 1}, &actor,
                  &err),
        -EINVAL);
    assert_null(actor);
}

/* Threads post to two actors that share a pool; each actor is on one thread at a time. */
enum { POSTERS = 4, EACH = 3000, ACTORS = 2 };

struct shared {
    struct actor *actor;
    struct db *db;
    bool is_running;  /* plain on purpose: ThreadSanitizer sees two threads in one actor */
    unsigned answers; /* actor only */
};

struct posted {
    struct message msg; /* first */
    struct shared *shared;
    uint64_t row;
    char account[16];
};

static int posted_run(struct message *msg, struct db *db)
{
    struct posted *posted = (struct posted *) msg;
    assert_false(posted->shared->is_running);
    posted->shared->is_running = true;
    fake_db_append(db, posted->row);
    posted->shared->is_running = false;
    return 0;
}

static void posted_done(struct message *msg, int rc)
{
    struct posted *posted = (struct posted *) msg;
    assert_int_equal(rc, 0);
    posted->shared->answers++;
    free(posted); /* The message is ours again, on the actor's thread. */
}

struct load {
    struct shared *shared; /* ACTORS of them */
    unsigned number;
};

static void *load_main(void *arg)
{
    const struct load *load = arg;
    for (unsigned i = 0; i < EACH; i++) {
        struct posted *posted = calloc(1, sizeof *posted);
        assert_non_null(posted);
        (void) snprintf(posted->account, sizeof posted->account, "%012u", load->number);
        posted->msg = (struct message){
            .account = str_from(posted->account), .run = posted_run, .done = posted_done};
        posted->shared = &load->shared[i % ACTORS];
        posted->row = (uint64_t) load->number << 32 | i;
        while (actor_post(posted->shared->actor, &posted->msg) == -EAGAIN)
            (void) sched_yield();
    }
    return NULL;
}

static void many_threads_two_actors_nothing_lost(void **state)
{
    (void) state;
    struct pool *pool;
    assert_ok(pool_new("actors", 2, &clock_real, &pool, NULL));
    struct shared shared[ACTORS] = {0};
    for (size_t a = 0; a < ACTORS; a++) {
        shared[a].db = fake_db_new();
        assert_ok(actor_new(&(struct actor_config){.name = "shared",
                                                   .exec = pool_exec(pool),
                                                   .db = shared[a].db,
                                                   .mailbox_max = 32,
                                                   .batch_max = 8},
                            &shared[a].actor, NULL));
    }
    struct load loads[POSTERS];
    pthread_t threads[POSTERS];
    for (unsigned p = 0; p < POSTERS; p++) {
        loads[p] = (struct load){.shared = shared, .number = p};
        assert_ok(thread_start(&threads[p], "load", load_main, &loads[p], NULL));
    }
    for (unsigned p = 0; p < POSTERS; p++)
        assert_int_equal(pthread_join(threads[p], NULL), 0);
    for (size_t a = 0; a < ACTORS; a++) {
        actor_free(shared[a].actor); /* Finishes what waits. */
        size_t count;
        const uint64_t *rows = fake_db_rows(shared[a].db, &count);
        assert_int_equal(count, POSTERS * EACH / ACTORS);
        assert_int_equal(shared[a].answers, count);
        int64_t last[POSTERS] = {-1, -1, -1, -1};
        for (size_t i = 0; i < count; i++) { /* Each account's order is kept. */
            unsigned poster = (unsigned) (rows[i] >> 32);
            assert_true((int64_t) (rows[i] & UINT32_MAX) > last[poster]);
            last[poster] = (int64_t) (rows[i] & UINT32_MAX);
        }
        fake_db_free(shared[a].db);
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_messages_share_one_commit),
        cmocka_unit_test(batch_max_bounds_a_commit),
        cmocka_unit_test(reads_need_no_transaction_and_see_committed_rows),
        cmocka_unit_test(any_failure_of_the_group_is_told_to_each),
        cmocka_unit_test(a_broken_disk_ends_writing_but_not_reading),
        cmocka_unit_test(an_empty_mailbox_or_batch_is_refused),
        cmocka_unit_test(many_threads_two_actors_nothing_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
