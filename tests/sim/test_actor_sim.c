/* Actors, loops and a directory under many interleavings, with commits that fail.
 *
 * Each loop sends messages to two actors through bounded mailboxes, trying again later when told
 * to. A message writes its number, or decides against it, or reads. After a commit its actor
 * publishes the number in a directory and answers the loop when every loop has taken it. What must
 * hold in every order:
 *
 *   - each message is answered exactly once, on the loop that sent it;
 *   - an answer of success: the row is committed, and every loop finds at least this version;
 *   - an answer of failure: the row is not there, ever;
 *   - an account's messages are executed in the order in which they were posted;
 *   - at the end the rows are exactly the successes. */
#include "test.h"

#include "sim.h"

#include "core/actor.h"
#include "core/snapshot.h"
#include "fake_db.h"

#include <errno.h>

enum { LOOPS = 3, ACTORS = 2, EACH = 40, SEEDS = 400 };

struct world;

struct place { /* an actor and its database */
    struct world *world;
    struct actor *actor;
    struct db *db;
    unsigned commit_failures;
};

enum wish { WISH_WRITE, WISH_REFUSE, WISH_READ };

struct job {
    struct message msg; /* first */
    struct task task;   /* on the loop: send, and later the answer */
    struct world *world;
    struct place *place;
    size_t loop;
    uint64_t number; /* unique, and ascending in the order of posting within a loop */
    enum wish wish;
    int rc;
    unsigned answers;
    struct timer retry;
};

struct version {
    struct snapshot snapshot; /* first */
    uint64_t number;
};

struct world {
    struct sim *sim;
    struct exec *loops[LOOPS];
    struct place places[ACTORS];
    struct directory *directory;
    struct job jobs[LOOPS][EACH];
    uint64_t last_run[ACTORS][LOOPS]; /* number that ran last, per account */
    unsigned answered;
    size_t versions_alive;
    bool may_fail;
};

static const char *const accounts[LOOPS] = {"111111111111", "222222222222", "333333333333"};

static bool has_row(const struct place *place, uint64_t number)
{
    size_t count;
    const uint64_t *rows = fake_db_rows(place->db, &count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i] == number)
            return true;
    }
    return false;
}

static struct world *world_of_versions; /* one simulation at a time */

static void version_free(struct snapshot *snapshot)
{
    world_of_versions->versions_alive--;
    free(snapshot);
}

static struct snapshot *version_new(struct world *world, uint64_t number)
{
    struct version *version = calloc(1, sizeof *version);
    assert_non_null(version);
    snapshot_init(&version->snapshot, version_free);
    version->number = number;
    world->versions_alive++;
    world_of_versions = world;
    return &version->snapshot;
}

static int job_run(struct message *msg, struct db *db)
{
    struct job *job = (struct job *) msg;
    size_t actor = (size_t) (job->place - job->world->places);
    if (job->wish == WISH_READ)
        return 0;
    assert_true(job->number > job->world->last_run[actor][job->loop]);
    job->world->last_run[actor][job->loop] = job->number;
    fake_db_append(db, job->number);
    return job->wish == WISH_REFUSE ? -1 : 0;
}

/* On the loop: the client gets its answer. */
static void job_answer(struct task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, task);
    assert_true(sim_is_current(job->world->sim, job->world->loops[job->loop]));
    job->answers++;
    job->world->answered++;
    bool must_be_there = job->rc == 0 && job->wish == WISH_WRITE;
    assert_int_equal(has_row(job->place, job->number), must_be_there);
}

/* Every loop has taken the version: read-your-writes, from whichever loop. */
static void job_published(struct task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, task);
    for (size_t loop = 0; loop < LOOPS; loop++) {
        struct version *found = (struct version *) directory_find(job->world->directory, loop,
                                                                  str_from(accounts[job->loop]));
        assert_non_null(found);
        assert_true(found->number >= job->number);
    }
    job->task.run = job_answer;
    exec_post(job->world->loops[job->loop], &job->task);
}

static void job_done(struct message *msg, int rc)
{
    struct job *job = (struct job *) msg;
    job->rc = rc;
    if (rc == 0 && job->wish == WISH_WRITE && job->place == &job->world->places[0]) {
        job->task.run = job_published;
        directory_publish(job->world->directory, str_from(accounts[job->loop]),
                          version_new(job->world, job->number), &job->task);
        return;
    }
    job->task.run = job_answer;
    exec_post(job->world->loops[job->loop], &job->task);
}

static void job_send(struct task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, task);
    int rc = actor_post(job->place->actor, &job->msg);
    if (rc == -EAGAIN) { /* Slow down: the loop keeps the message and tries again. */
        struct exec *loop = job->world->loops[job->loop];
        timer_set(loop, &job->retry, exec_now_us(loop) + 100);
        return;
    }
    assert_int_equal(rc, 0);
    size_t next = (size_t) (job - job->world->jobs[job->loop]) + 1;
    if (next < EACH)
        exec_post(job->world->loops[job->loop], &job->world->jobs[job->loop][next].task);
}

static void job_retry(struct timer *timer)
{
    job_send(&CONTAINER_OF(timer, struct job, retry)->task);
}

static int commit_fault(void *arg, const char *call)
{
    struct place *place = arg;
    struct rng *rng = sim_rng(place->world->sim);
    bool is_commit = str_eq(str_from(call), STR("commit"));
    if (!place->world->may_fail || rng_below(rng, is_commit ? 4 : 40) != 0)
        return 0;
    place->commit_failures++;
    return -ENOSPC;
}

static void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.sim = sim_new(seed)};
    struct rng *rng = sim_rng(world->sim);
    world->may_fail = rng_below(rng, 4) != 0;
    struct exec *pool = sim_exec(world->sim, SIM_POOL);
    for (size_t i = 0; i < LOOPS; i++)
        world->loops[i] = sim_exec(world->sim, SIM_LOOP);
    world->directory = directory_new(world->loops, LOOPS);
    for (size_t a = 0; a < ACTORS; a++) {
        struct place *place = &world->places[a];
        *place = (struct place){.world = world, .db = fake_db_new()};
        fake_db_on_call(place->db, commit_fault, place);
        assert_ok(actor_new(&(struct actor_config){.name = "sim",
                                                   .exec = pool,
                                                   .db = place->db,
                                                   .mailbox_max = 1 + (unsigned) rng_below(rng, 12),
                                                   .batch_max = 1 + (unsigned) rng_below(rng, 8)},
                            &place->actor, NULL));
    }
    for (size_t loop = 0; loop < LOOPS; loop++) {
        for (size_t i = 0; i < EACH; i++)
            world->jobs[loop][i] = (struct job){
                .msg = {.account = str_from(accounts[loop]), .run = job_run, .done = job_done},
                .task.run = job_send,
                .world = world,
                .place = &world->places[rng_below(rng, ACTORS)],
                .loop = loop,
                .number = (uint64_t) loop << 32 | (i + 1),
                .wish = (enum wish) rng_below(rng, 3),
                .retry.fire = job_retry,
            };
        for (size_t i = 0; i < EACH; i++)
            world->jobs[loop][i].msg.is_read_only = world->jobs[loop][i].wish == WISH_READ;
    }
}

static void world_check(struct world *world)
{
    assert_int_equal(world->answered, LOOPS * EACH);
    size_t expected[ACTORS] = {0};
    for (size_t loop = 0; loop < LOOPS; loop++) {
        for (size_t i = 0; i < EACH; i++) {
            const struct job *job = &world->jobs[loop][i];
            assert_int_equal(job->answers, 1);
            bool is_stored = job->wish == WISH_WRITE && job->rc == 0;
            assert_int_equal(has_row(job->place, job->number), is_stored);
            expected[job->place - world->places] += is_stored;
            if (!world->may_fail)
                assert_int_equal(job->rc, 0);
        }
    }
    for (size_t a = 0; a < ACTORS; a++) {
        size_t count;
        (void) fake_db_rows(world->places[a].db, &count);
        assert_int_equal(count, expected[a]); /* None twice, none that nobody was told of. */
    }
}

static void one_order(uint64_t seed)
{
    static struct world world;
    world_init(&world, seed);
    for (size_t loop = 0; loop < LOOPS; loop++)
        exec_post(world.loops[loop], &world.jobs[loop][0].task);
    sim_run(world.sim);
    world_check(&world);
    for (size_t a = 0; a < ACTORS; a++) {
        actor_free(world.places[a].actor);
        fake_db_free(world.places[a].db);
    }
    directory_free(world.directory);
    assert_int_equal(world.versions_alive, 0);
    sim_free(world.sim);
}

static void holds_in_every_order(void **state)
{
    (void) state;
    sim_seeds(1, SEEDS, one_order);
}

/* The simulator itself. */

struct recorder {
    struct task task; /* first */
    struct sim *sim;
    struct exec *exec;
    struct timer timer;
    unsigned left;
    uint64_t *hash;
};

static void record(struct recorder *recorder)
{
    int64_t now = exec_now_us(recorder->exec);
    *recorder->hash = (*recorder->hash ^ (uint64_t) now ^ recorder->left) * 1099511628211U;
}

static void recorder_fire(struct timer *timer)
{
    record(CONTAINER_OF(timer, struct recorder, timer));
}

static void recorder_run(struct task *task)
{
    struct recorder *recorder = (struct recorder *) task;
    record(recorder);
    if (recorder->left-- == 0)
        return;
    int64_t wait_us = (int64_t) rng_below(sim_rng(recorder->sim), 1000);
    timer_set(recorder->exec, &recorder->timer, exec_now_us(recorder->exec) + wait_us);
    exec_post(recorder->exec, task);
}

static uint64_t run_hash(uint64_t seed)
{
    struct sim *sim = sim_new(seed);
    uint64_t hash = 1;
    struct recorder recorders[4];
    for (size_t i = 0; i < 4; i++) {
        recorders[i] = (struct recorder){.task.run = recorder_run,
                                         .sim = sim,
                                         .exec = sim_exec(sim, SIM_LOOP),
                                         .timer.fire = recorder_fire,
                                         .left = 50,
                                         .hash = &hash};
        exec_post(recorders[i].exec, &recorders[i].task);
    }
    sim_run(sim);
    sim_free(sim);
    return hash;
}

static void a_seed_is_a_run(void **state)
{
    (void) state;
    assert_true(run_hash(7) == run_hash(7));
    assert_true(run_hash(7) != run_hash(8));
}

static void running_for_a_time_moves_the_clock_by_just_that(void **state)
{
    (void) state;
    struct sim *sim = sim_new(1);
    uint64_t hash = 1;
    struct recorder late = {
        .sim = sim, .exec = sim_exec(sim, SIM_LOOP), .timer.fire = recorder_fire, .hash = &hash};
    int64_t start_us = clock_mono_us(sim_clock(sim));
    timer_set(late.exec, &late.timer, start_us + 5000);
    sim_run_for(sim, 4999);
    assert_int_equal(clock_mono_us(sim_clock(sim)), start_us + 4999);
    assert_int_equal(hash, 1);
    sim_run_for(sim, 1);
    assert_int_not_equal(hash, 1);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_a_run),
        cmocka_unit_test(running_for_a_time_moves_the_clock_by_just_that),
        cmocka_unit_test(holds_in_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
