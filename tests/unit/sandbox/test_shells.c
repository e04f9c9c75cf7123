#include "test.h"

#include "sandbox/spawner_int.h"

#define PERIOD_US (INT64_C(300) * 1000 * 1000)

/* A burst that takes what is there and misses the rest. */
static void burst(struct stock *stock, unsigned size)
{
    unsigned left = stock->wanted;
    for (unsigned i = 0; i < size; i++)
        if (left > 0)
            stock_took(stock, --left);
        else
            stock_missed(stock);
}

static void the_next_burst_finds_what_the_last_one_missed(void **state)
{
    (void) state;
    struct stock stock;
    stock_init(&stock, 8, 128, 0);
    assert_int_equal(stock.wanted, 8);
    burst(&stock, 100);
    assert_int_equal(stock.wanted, 100);
    burst(&stock, 100);
    assert_int_equal(stock.wanted, 100);
    burst(&stock, 1000);
    assert_int_equal(stock.wanted, 128);
}

static void what_nobody_takes_goes(void **state)
{
    (void) state;
    struct stock stock;
    stock_init(&stock, 8, 128, 0);
    burst(&stock, 100);
    int64_t now = 0;
    stock_turn(&stock, now += PERIOD_US - 1, 100);
    assert_int_equal(stock.wanted, 100); /* not before the period's end */
    stock_turn(&stock, now += 1, 100);
    assert_int_equal(stock.wanted, 100); /* in this period all were taken */
    stock_turn(&stock, now += PERIOD_US, 100);
    assert_int_equal(stock.wanted, 50);
    for (int i = 0; i < 8; i++)
        stock_turn(&stock, now += PERIOD_US, stock.wanted);
    assert_int_equal(stock.wanted, 8);
}

static void what_is_taken_stays(void **state)
{
    (void) state;
    struct stock stock;
    stock_init(&stock, 8, 128, 0);
    burst(&stock, 100);
    int64_t now = 0;
    stock_turn(&stock, now += PERIOD_US, 100);
    for (int i = 0; i < 20; i++) {
        burst(&stock, 60);
        stock_turn(&stock, now += PERIOD_US, stock.wanted);
    }
    assert_in_range(stock.wanted, 60, 62);
}

static void what_memory_has_no_room_for_stays_away_for_a_period(void **state)
{
    (void) state;
    struct stock stock;
    stock_init(&stock, 8, 128, 0);
    burst(&stock, 100);
    stock_shrink(&stock, 100, 70);
    assert_int_equal(stock.wanted, 30);
    burst(&stock, 60); /* which misses 30 */
    assert_int_equal(stock.wanted, 30);
    stock_shrink(&stock, 30, 1000);
    assert_int_equal(stock.wanted, 0); /* the base, too */
    stock_turn(&stock, PERIOD_US, 0);
    assert_int_equal(stock.wanted, 8);
    burst(&stock, 100);
    assert_int_equal(stock.wanted, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_burst_finds_what_the_last_one_missed),
        cmocka_unit_test(what_nobody_takes_goes),
        cmocka_unit_test(what_is_taken_stays),
        cmocka_unit_test(what_memory_has_no_room_for_stays_away_for_a_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
