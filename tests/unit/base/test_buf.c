#include "test.h"

#include "base/buf.h"

static void the_limit_is_kept_and_remembered(void **state)
{
    (void) state;
    AUTO_BUF struct buf b;
    buf_init(&b, 8);
    buf_put(&b, STR("12345"));
    buf_put(&b, STR("6789"));
    assert_true(buf_is_over(&b));
    assert_str(buf_str(&b), "12345");
    buf_put(&b, STR("6"));
    assert_str(buf_str(&b), "12345");
    buf_reset(&b);
    assert_false(buf_is_over(&b));
    buf_put(&b, STR("12345678"));
    assert_false(buf_is_over(&b));
    assert_int_equal(b.ptr[8], 0);
}

static void numbers_and_formats(void **state)
{
    (void) state;
    AUTO_BUF struct buf b;
    buf_init(&b, 1000);
    buf_put_i64(&b, INT64_MIN);
    buf_put_char(&b, ' ');
    buf_put_u64(&b, 0);
    buf_printf(&b, " %s-%d", "x", 5);
    assert_str(buf_str(&b), "-9223372036854775808 0 x-5");
    buf_consume(&b, 21);
    assert_str(buf_str(&b), "0 x-5");
    char *taken = buf_take(&b);
    assert_string_equal(taken, "0 x-5");
    free(taken);
    assert_int_equal(b.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_kept_and_remembered),
        cmocka_unit_test(numbers_and_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
