/* The board: what was put last is what is read, by everybody. */
#include "test.h"

#include "core/board.h"

#include <pthread.h>

struct value {
    uint64_t number, twice;
};

static void the_last_word_counts(void **state)
{
    (void) state;
    struct board *board = board_new(sizeof(struct value));
    struct value value = {1, 2};
    assert_false(board_get(board, STR("a"), &value));
    board_put(board, STR("a"), &(struct value){3, 6});
    board_put(board, STR("b"), &(struct value){4, 8});
    board_put(board, STR("a"), &(struct value){5, 10});
    assert_true(board_get(board, STR("a"), &value));
    assert_int_equal(value.number, 5);
    board_remove(board, STR("a"));
    board_remove(board, STR("a"));
    assert_false(board_get(board, STR("a"), &value));
    assert_true(board_get(board, STR("b"), &value));
    assert_int_equal(value.twice, 8);
    board_free(board);
    board_free(NULL);
}

static void add(void *arg, struct str key, const void *value)
{
    assert_int_equal(key.len, 1);
    *(uint64_t *) arg += ((const struct value *) value)->number;
}

static void each_entry_is_seen(void **state)
{
    (void) state;
    struct board *board = board_new(sizeof(struct value));
    for (uint64_t i = 0; i < 10; i++)
        board_put(board, str_of(&"0123456789"[i], 1), &(struct value){i, 0});
    uint64_t sum = 0;
    board_each(board, add, &sum);
    assert_int_equal(sum, 45);
    board_free(board);
}

static void *write_many(void *arg)
{
    for (uint64_t i = 1; i < 20000; i++)
        board_put(arg, STR("k"), &(struct value){i, 2 * i});
    return NULL;
}

static void values_are_never_torn(void **state)
{
    (void) state;
    struct board *board = board_new(sizeof(struct value));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_many, board), 0);
    struct value value = {0};
    while (value.number < 19999)
        if (board_get(board, STR("k"), &value))
            assert_true(value.twice == 2 * value.number);
    assert_int_equal(pthread_join(thread, NULL), 0);
    board_free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_word_counts),
        cmocka_unit_test(each_entry_is_seen),
        cmocka_unit_test(values_are_never_torn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
