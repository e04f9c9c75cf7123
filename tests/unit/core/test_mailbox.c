#include "test.h"

#include "core/mailbox.h"
#include "os/thread.h"

#include <errno.h>

struct note {
    struct message msg; /* first */
    int account, number;
};

static int run_nothing(struct message *msg, struct db *db)
{
    (void) msg, (void) db;
    return 0;
}

static void done_nothing(struct message *msg, int rc)
{
    (void) msg, (void) rc;
}

static const char *const accounts[] = {"111111111111", "222222222222", "333333333333",
                                       "444444444444"};

static struct note note_of(int account, int number)
{
    return (struct note){
        .msg = {.account = str_from(accounts[account]), .run = run_nothing, .done = done_nothing},
        .account = account,
        .number = number,
    };
}

static struct note *note_pop(struct list *list)
{
    return (struct note *) (void *) list_pop_front(list);
}

static void the_first_post_schedules_and_no_other(void **state)
{
    (void) state;
    struct mailbox *mailbox = mailbox_new(10);
    struct note a = note_of(0, 0), b = note_of(0, 1);
    bool must_schedule = false;
    assert_ok(mailbox_post(mailbox, &a.msg, &must_schedule));
    assert_true(must_schedule);
    assert_ok(mailbox_post(mailbox, &b.msg, &must_schedule));
    assert_false(must_schedule);

    struct list out;
    list_init(&out);
    mailbox_take(mailbox, &out, 1);
    assert_int_equal(out.len, 1);
    assert_true(mailbox_rest(mailbox)); /* b waits */
    mailbox_take(mailbox, &out, 10);
    assert_int_equal(out.len, 2);
    assert_false(mailbox_rest(mailbox));

    struct note c = note_of(0, 2);
    assert_ok(mailbox_post(mailbox, &c.msg, &must_schedule));
    assert_true(must_schedule);
    mailbox_take(mailbox, &out, 10);
    assert_false(mailbox_rest(mailbox));
    mailbox_free(mailbox);
}

static void batches_are_filled_in_turns(void **state)
{
    (void) state;
    struct mailbox *mailbox = mailbox_new(100);
    struct note notes[12];
    bool must_schedule;
    /* Account 0 posts six before the others come: 0 0 0 0 0 0 1 1 1 2 2 2. */
    for (int i = 0; i < 12; i++) {
        notes[i] = note_of(i < 6 ? 0 : i < 9 ? 1 : 2, i);
        assert_ok(mailbox_post(mailbox, &notes[i].msg, &must_schedule));
    }
    static const int expected[] = {0, 6, 9, 1, 7, 10, 2, 8, 11, 3, 4, 5};
    struct list out;
    list_init(&out);
    for (int taken = 0; taken < 12; taken += 4) /* Turns go on where the last batch ended. */
        mailbox_take(mailbox, &out, 4);
    for (int i = 0; i < 12; i++)
        assert_int_equal(note_pop(&out)->number, expected[i]);
    assert_false(mailbox_rest(mailbox));
    mailbox_free(mailbox);
}

static void a_flood_leaves_room_for_others(void **state)
{
    (void) state;
    enum { MAX = 90 };
    struct mailbox *mailbox = mailbox_new(MAX);
    struct note flood[MAX], other = note_of(1, 0);
    bool must_schedule;
    int posted = 0, rc = 0;
    for (; posted < MAX && rc == 0; posted++) {
        flood[posted] = note_of(0, posted);
        rc = mailbox_post(mailbox, &flood[posted].msg, &must_schedule);
    }
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(posted - 1, MAX * 8 / 9);
    assert_ok(mailbox_post(mailbox, &other.msg, &must_schedule));

    struct list out;
    list_init(&out);
    mailbox_take(mailbox, &out, 2);
    assert_ptr_equal(note_pop(&out), &flood[0]);
    assert_ptr_equal(note_pop(&out), &other); /* the second to be served */
    mailbox_take(mailbox, &out, MAX);
    assert_false(mailbox_rest(mailbox));
    mailbox_free(mailbox);
}

static void a_full_mailbox_keeps_nothing_of_the_message(void **state)
{
    (void) state;
    struct mailbox *mailbox = mailbox_new(1);
    struct note a = note_of(0, 0), b = note_of(1, 0);
    bool must_schedule;
    assert_ok(mailbox_post(mailbox, &a.msg, &must_schedule));
    assert_int_equal(mailbox_post(mailbox, &b.msg, &must_schedule), -EAGAIN);
    assert_false(list_is_linked(&b.msg.node));
    struct list out;
    list_init(&out);
    mailbox_take(mailbox, &out, 1);
    assert_ok(mailbox_post(mailbox, &b.msg, &must_schedule)); /* The sender tries again. */
    mailbox_take(mailbox, &out, 1);
    assert_false(mailbox_rest(mailbox));
    mailbox_close(mailbox);
    assert_int_equal(mailbox_post(mailbox, &a.msg, &must_schedule), -ESHUTDOWN);
    mailbox_free(mailbox);
}

/* Threads post, an owner takes: nothing is lost or doubled, each account's order is kept. */
enum { POSTERS = 4, EACH = 5000, BOUND = 64 };

struct race {
    struct mailbox *mailbox;
    pthread_mutex_t lock;
    pthread_cond_t scheduled;
    bool is_scheduled; /* under lock: the owner has to run */
    unsigned full;     /* atomic: refused posts */
};

struct race_poster {
    struct race *race;
    struct note notes[EACH];
};

static void *race_post(void *arg)
{
    struct race_poster *poster = arg;
    struct race *race = poster->race;
    for (int i = 0; i < EACH; i++) {
        bool must_schedule = false;
        while (mailbox_post(race->mailbox, &poster->notes[i].msg, &must_schedule) == -EAGAIN) {
            (void) __atomic_fetch_add(&race->full, 1, __ATOMIC_RELAXED);
            (void) sched_yield();
        }
        if (!must_schedule)
            continue;
        (void) pthread_mutex_lock(&race->lock);
        assert_false(race->is_scheduled); /* Never told twice. */
        race->is_scheduled = true;
        (void) pthread_cond_signal(&race->scheduled);
        (void) pthread_mutex_unlock(&race->lock);
    }
    return NULL;
}

static void race_wait(struct race *race)
{
    (void) pthread_mutex_lock(&race->lock);
    while (!race->is_scheduled)
        (void) pthread_cond_wait(&race->scheduled, &race->lock);
    race->is_scheduled = false;
    (void) pthread_mutex_unlock(&race->lock);
}

static void many_posters_and_one_owner(void **state)
{
    (void) state;
    struct race race = {.mailbox = mailbox_new(BOUND),
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .scheduled = PTHREAD_COND_INITIALIZER};
    static struct race_poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (int p = 0; p < POSTERS; p++) {
        posters[p].race = &race;
        for (int i = 0; i < EACH; i++)
            posters[p].notes[i] = note_of(p, i);
        assert_ok(thread_start(&threads[p], "poster", race_post, &posters[p], NULL));
    }
    int next[POSTERS] = {0}, total = 0;
    while (total < POSTERS * EACH) {
        race_wait(&race);
        do {
            struct list out;
            list_init(&out);
            mailbox_take(race.mailbox, &out, 16);
            for (struct note *note; (note = note_pop(&out)) != NULL; total++)
                assert_int_equal(note->number, next[note->account]++);
        } while (mailbox_rest(race.mailbox));
    }
    for (int p = 0; p < POSTERS; p++)
        assert_int_equal(pthread_join(threads[p], NULL), 0);
    mailbox_close(race.mailbox);
    mailbox_free(race.mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_post_schedules_and_no_other),
        cmocka_unit_test(batches_are_filled_in_turns),
        cmocka_unit_test(a_flood_leaves_room_for_others),
        cmocka_unit_test(a_full_mailbox_keeps_nothing_of_the_message),
        cmocka_unit_test(many_posters_and_one_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
