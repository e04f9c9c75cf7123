#include "test.h"

#include "base/err.h"

#include <errno.h>

static void context_goes_before(void **state)
{
    (void) state;
    struct err err = {0};
    assert_int_equal(err_set(&err, -ENOENT, "open '%s'", "x"), -ENOENT);
    assert_string_equal(err.text, "open 'x': No such file or directory");
    assert_int_equal(err_wrap(&err, "start %d", 7), -ENOENT);
    assert_string_equal(err.text, "start 7: open 'x': No such file or directory");
    assert_int_equal(err_set(NULL, -EPERM, "x"), -EPERM);
}

static void long_text_is_cut(void **state)
{
    (void) state;
    struct err err = {0};
    assert_int_equal(err_say(&err, -EINVAL, "%0300d", 1), -EINVAL);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(err_wrap(&err, "%0300d", 1), -EINVAL);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_goes_before),
        cmocka_unit_test(long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
