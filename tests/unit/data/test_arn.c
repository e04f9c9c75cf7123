#include "test.h"

#include "data/arn.h"

#include <errno.h>

static void cuts_the_six_fields(void **state)
{
    (void) state;
    struct arn arn;
    assert_ok(arn_parse(STR("arn:aws:lambda:eu-west-1:123456789012:function:f:1"), &arn));
    assert_str(arn.partition, "aws");
    assert_str(arn.service, "lambda");
    assert_str(arn.region, "eu-west-1");
    assert_str(arn.account, "123456789012");
    assert_str(arn.resource, "function:f:1");
}

static void region_and_account_may_be_empty(void **state)
{
    (void) state;
    struct arn arn;
    assert_ok(arn_parse(STR("arn:aws:s3:::bucket/a:b"), &arn));
    assert_str(arn.region, "");
    assert_str(arn.account, "");
    assert_str(arn.resource, "bucket/a:b");
}

static void refuses_what_is_incomplete(void **state)
{
    (void) state;
    static const char *const cases[] = {"",
                                        "arn",
                                        "arn:",
                                        "ARN:aws:s3:::b",
                                        "arn:aws:s3",
                                        "arn:aws:s3:::",
                                        "arn::s3:::b",
                                        "arn:aws::::b",
                                        "arn:aws:sqs:eu-west-1:123456789012",
                                        " arn:aws:s3:::b"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arn arn = {.service = STR_INIT("kept")};
        assert_int_equal(arn_parse(str_from(cases[i]), &arn), -EINVAL);
        assert_str(arn.service, "kept");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_the_six_fields),
        cmocka_unit_test(region_and_account_may_be_empty),
        cmocka_unit_test(refuses_what_is_incomplete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
