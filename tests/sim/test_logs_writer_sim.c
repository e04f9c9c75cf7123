/* The writer of the platform's own logs, in the simulator: loops and the actor on one thread in an
 * order drawn from a seed, over the real database. Nothing is lost but what is counted, a stream's
 * lines keep their order, memory stays bounded. */
#include "test.h"

#include "base/mem.h"
#include "services/logs/logs_int.h"
#include "sim.h"

enum { LOOPS = 2, LINES = 200 };

struct world {
    struct sim *sim;
    struct exec *loops[LOOPS];
    struct actor *actor;
    struct logs_writer *writers[LOOPS];
    struct db *db;
    void *state;
    struct rng *rng;
    unsigned sent, idle;
};

static const struct logs_target targets[] = {
    {STR_INIT("000000000000"), STR_INIT("us-east-1"), STR_INIT("/aws/lambda/a"), STR_INIT("s1")},
    {STR_INIT("000000000000"), STR_INIT("us-east-1"), STR_INIT("/aws/lambda/a"), STR_INIT("s2")},
    {STR_INIT("111111111111"), STR_INIT("us-east-1"), STR_INIT("/aws/lambda/a"), STR_INIT("s1")},
    {STR_INIT("000000000000"), STR_INIT("us-east-1"), STR_INIT("/b"), STR_INIT("s")},
};

static struct world *world_gathering(uint64_t seed, unsigned mailbox_max, size_t bytes_max,
                                     int64_t gather_us)
{
    struct world *w = NEW(struct world);
    w->sim = sim_new(seed);
    w->rng = sim_rng(w->sim);
    const struct service_env env = {
        .data_dir = "/nowhere", .is_in_memory = true, .clock = sim_clock(w->sim)};
    assert_ok(logs_room.open(&env, &w->state, &w->db, NULL));
    const struct actor_config config = {.name = "logs",
                                        .exec = sim_exec(w->sim, SIM_POOL),
                                        .db = w->db,
                                        .mailbox_max = mailbox_max,
                                        .batch_max = 8};
    assert_ok(actor_new(&config, &w->actor, NULL));
    for (size_t i = 0; i < LOOPS; i++) {
        w->loops[i] = sim_exec(w->sim, SIM_LOOP);
        const struct logs_writer_config writer = {w->actor, w->state, w->loops[i], bytes_max,
                                                  gather_us};
        w->writers[i] = logs_writer_new(&writer);
    }
    return w;
}

static struct world *world_new(uint64_t seed, unsigned mailbox_max, size_t bytes_max)
{
    return world_gathering(seed, mailbox_max, bytes_max, 0);
}

static void world_free(struct world *w)
{
    actor_free(w->actor);
    for (size_t i = 0; i < LOOPS; i++)
        logs_writer_free(w->writers[i]);
    logs_room.close(w->state);
    sim_free(w->sim);
    free(w);
}

/* Messages of a stream, in the order of their arrival. */
static size_t read_back(struct world *w, const struct logs_target *target, struct arena *arena,
                        struct str *messages, size_t max)
{
    struct logs_group group;
    struct logs_stream stream;
    if (logs_db_group_find(w->db, arena, target->account, target->region, target->group, &group,
                           NULL) < 0 ||
        logs_db_stream_find(w->db, arena, group.id, target->stream, &stream, NULL) < 0)
        return 0;
    const struct logs_range all = {{0, 0}, {INT64_MAX, 0}};
    struct logs_event event;
    size_t count = 0;
    AUTO_STMT struct db_stmt *scan = logs_db_scan_stream(w->db, stream.id, &all, false);
    while (logs_db_scan_next(scan, &event, NULL) == DB_ROW) {
        assert_true(count < max);
        messages[count++] = arena_str(arena, event.message);
    }
    return count;
}

/* --- a task that logs a line of its loop, until all lines are sent --- */

struct talker {
    struct task task;
    struct world *w;
    size_t loop;
    unsigned said[ARRAY_LEN(targets)];
    unsigned left;
};

static void talk(struct task *task)
{
    struct talker *t = CONTAINER_OF(task, struct talker, task);
    size_t which = rng_below(t->w->rng, ARRAY_LEN(targets));
    char text[64];
    int len = snprintf(text, sizeof text, "%zu %u", t->loop, t->said[which]++);
    /* The time stands still in a stream: only the order of arrival tells lines apart. */
    (void) logs_append(t->w->writers[t->loop], &targets[which], 1000, str_of(text, (size_t) len));
    if (--t->left > 0)
        exec_post(t->w->loops[t->loop], &t->task);
}

static void sim_order(uint64_t seed)
{
    /* A mailbox of 2 for two writers and four streams: it is often full. */
    struct world *w = world_gathering(seed, 2, 1 << 20, seed % 2 == 0 ? 0 : 5000);
    struct talker talkers[LOOPS] = {0};
    for (size_t i = 0; i < LOOPS; i++) {
        talkers[i] = (struct talker){.task.run = talk, .w = w, .loop = i, .left = LINES};
        exec_post(w->loops[i], &talkers[i].task);
    }
    sim_run(w->sim);
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 22);
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct str messages[LOOPS * LINES];
        size_t count = read_back(w, &targets[i], &arena, messages, ARRAY_LEN(messages));
        unsigned next[LOOPS] = {0};
        for (size_t k = 0; k < count; k++) {
            size_t loop = (size_t) (messages[k].ptr[0] - '0');
            uint64_t number;
            assert_ok(parse_u64(str_skip(messages[k], 2), 1000, &number));
            assert_int_equal(number, next[loop]++); /* none is missing, none is early */
        }
        total += count;
    }
    assert_int_equal(total, LOOPS * LINES);
    for (size_t i = 0; i < LOOPS; i++)
        assert_int_equal(logs_writer_lost(w->writers[i]), 0);
    world_free(w);
}

static void test_order(void **state)
{
    (void) state;
    sim_seeds(1, 60, sim_order);
}

/* --- on a loop, one thing at a time --- */

struct script {
    struct task task;
    struct world *w;
    void (*body)(struct world *w);
};

static void script_run(struct task *task)
{
    struct script *script = CONTAINER_OF(task, struct script, task);
    script->body(script->w);
}

static void on_loop(struct world *w, void (*body)(struct world *w))
{
    struct script script = {{.run = script_run}, w, body};
    exec_post(w->loops[0], &script.task);
    while (sim_step(w->sim)) {
    }
}

static void say_much(struct world *w)
{
    for (int i = 0; i < 100; i++)
        (void) logs_append(w->writers[0], &targets[0], 1000,
                           STR("0123456789012345678901234567890123456789"));
}

/* Many streams, each with a line: memory bounds them too. */
static void say_widely(struct world *w)
{
    char name[16];
    for (int i = 0; i < 100; i++) {
        (void) snprintf(name, sizeof name, "s%d", i);
        const struct logs_target target = {STR("000000000000"), STR("us-east-1"), STR("/wide"),
                                           str_from(name)};
        (void) logs_append(w->writers[0], &target, 1000, STR("x"));
    }
}

static void test_streams_bounded(void **state)
{
    (void) state;
    struct world *w = world_new(5, 1, 8192); /* the mailbox takes one message */
    on_loop(w, say_widely);
    uint64_t lost = logs_writer_lost(w->writers[0]);
    assert_in_range(lost, 80, 99);
    struct db_stmt *s = db_query(w->db, "SELECT COUNT(*) FROM log_streams");
    assert_int_equal(db_step(s, NULL), DB_ROW);
    /* Each stream that is there has its line or says that it was lost. */
    assert_in_range(db_column_i64(s, 0), 100 - (int64_t) lost, 20);
    db_stmt_done(s);
    world_free(w);
}

static void say_after(struct world *w)
{
    (void) logs_append(w->writers[0], &targets[0], 1000, STR("after"));
}

static void test_lost(void **state)
{
    (void) state;
    struct world *w = world_new(1, 8, 2048); /* room for some 20 such lines */
    on_loop(w, say_much);
    uint64_t lost = logs_writer_lost(w->writers[0]);
    assert_in_range(lost, 50, 99);
    on_loop(w, say_after);
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str messages[110];
    size_t count = read_back(w, &targets[0], &arena, messages, ARRAY_LEN(messages));
    /* Every line is there or counted in one of the notices. */
    uint64_t told = 0;
    size_t notices = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t n;
        if (!str_starts(messages[i], STR("[virga] ")))
            continue;
        struct str rest = str_skip(messages[i], 8);
        assert_ok(parse_u64(str_head(rest, str_find(rest, ' ')), 100, &n));
        told += n;
        notices++;
    }
    assert_int_equal(told, lost);
    assert_int_equal(count - notices + lost, 101);
    world_free(w);
}

static void say_odd(struct world *w)
{
    static char large[600000];
    memset(large, 'x', sizeof large);
    (void) logs_append(w->writers[0], &targets[3], 1, STR(""));
    (void) logs_append(w->writers[0], &targets[3], 2, STR("bad \xFF\xC3 bytes"));
    logs_append_text(w->writers[0], &targets[3], 3, STR("one\n\ntwo\nthree"));
    (void) logs_append(w->writers[0], &targets[3], 4, str_of(large, sizeof large));
}

static void test_odd(void **state)
{
    (void) state;
    struct world *w = world_new(2, 8, 4 << 20);
    on_loop(w, say_odd);
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4 << 20);
    struct str messages[10];
    assert_int_equal(read_back(w, &targets[3], &arena, messages, 10), 7);
    assert_str(messages[0], "bad \xEF\xBF\xBD\xEF\xBF\xBD bytes");
    assert_str(messages[1], "one");
    assert_str(messages[2], "two");
    assert_str(messages[3], "three");
    assert_int_equal(messages[4].len + messages[5].len + messages[6].len, 600000);
    assert_int_equal(messages[4].len, 262144 - 26);
    world_free(w);
}

/* Lines that come together are one commit; a stream that has enough waiting says so. */
static void say_together(struct world *w)
{
    for (int i = 0; i < 50; i++)
        assert_true(logs_append(w->writers[0], &targets[i % 4], 1000, STR("line")));
}

static void say_until_enough(struct world *w)
{
    static char line[200000];
    memset(line, 'x', sizeof line);
    unsigned said = 1;
    while (logs_append(w->writers[0], &targets[0], 1000, str_of(line, sizeof line)))
        assert_true(++said < 100);
    assert_in_range(said, 10, 16);
    assert_false(logs_wants_more(w->writers[0], &targets[0]));
    assert_true(logs_wants_more(w->writers[0], &targets[1])); /* it is that stream's matter */
    for (unsigned i = 0; i < 10; i++) /* who does not listen is not punished yet */
        (void) logs_append(w->writers[0], &targets[0], 1000, str_of(line, sizeof line));
    assert_int_equal(logs_writer_lost(w->writers[0]), 0);
}

static void check_wants_more(struct world *w)
{
    assert_true(logs_wants_more(w->writers[0], &targets[0]));
}

static void test_gathers(void **state)
{
    (void) state;
    struct world *w = world_gathering(6, 8, 16 << 20, 50 * 1000);
    on_loop(w, say_together);
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str messages[60];
    assert_int_equal(read_back(w, &targets[0], &arena, messages, 60), 13);
    assert_int_equal(read_back(w, &targets[3], &arena, messages, 60), 12);
    on_loop(w, say_until_enough);
    on_loop(w, check_wants_more);
    world_free(w);
}

static struct world *waiting;

static void idle_run(struct task *task)
{
    (void) task;
    waiting->idle++;
}

static struct task idle_task = {.run = idle_run};

static void drain_busy(struct world *w)
{
    say_after(w);
    logs_writer_drain(w->writers[0], &idle_task);
    assert_int_equal(w->idle, 0);
}

static void drain_idle(struct world *w)
{
    logs_writer_drain(w->writers[0], &idle_task);
}

static void test_drain(void **state)
{
    (void) state;
    struct world *w = waiting = world_new(3, 8, 4096);
    on_loop(w, drain_busy);
    assert_int_equal(w->idle, 1);
    on_loop(w, drain_idle);
    assert_int_equal(w->idle, 2);
    world_free(w);
}

/* What still waits when everything stops is freed. */
static void test_stop(void **state)
{
    (void) state;
    struct world *w = world_new(4, 1, 4096);
    struct script script = {{.run = script_run}, w, say_much};
    exec_post(w->loops[0], &script.task);
    assert_true(sim_step(w->sim)); /* the lines are said; the actor has not run */
    sim_run(w->sim);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),   cmocka_unit_test(test_lost),
        cmocka_unit_test(test_odd),     cmocka_unit_test(test_drain),
        cmocka_unit_test(test_stop),    cmocka_unit_test(test_streams_bounded),
        cmocka_unit_test(test_gathers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
