/* GetCallerIdentity: what each kind of principal is called. */
#include "test.h"

#include "gen/sts.h"
#include "services/sts/rules.h"
#include "services/sts/sts.h"

struct identity_case {
    const char *principal, *user_id, *arn; /* user_id ends in '*': begins so, 21 letters a part */
};

static const struct identity_case cases[] = {
    {NULL, "123456789012", "arn:aws:iam::123456789012:root"},
    {"not an ARN", "123456789012", "arn:aws:iam::123456789012:root"},
    {"arn:aws:iam::123456789012:root", "123456789012", "arn:aws:iam::123456789012:root"},
    {"arn:aws:iam::123456789012:user/ann", "AIDA*", "arn:aws:iam::123456789012:user/ann"},
    {"arn:aws:sts::123456789012:assumed-role/demo/i-1", "AROA*:i-1",
     "arn:aws:sts::123456789012:assumed-role/demo/i-1"},
    {"arn:aws:sts::123456789012:assumed-role/demo", "123456789012",
     "arn:aws:sts::123456789012:assumed-role/demo"},
    {"arn:aws:sts::123456789012:federated-user/bob", "123456789012:bob",
     "arn:aws:sts::123456789012:federated-user/bob"},
};

static struct sts_identity identify(struct arena *arena, const char *principal)
{
    struct sts_identity identity = {0};
    const struct op_caller caller = {.account = STR("123456789012"),
                                     .principal = str_from(principal)};
    assert_ok(sts_identify(arena, &caller, &identity));
    return identity;
}

static void test_identities(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sts_identity identity = identify(&arena, cases[i].principal);
        struct str expected = str_from(cases[i].user_id);
        size_t star = str_find(expected, '*');
        assert_str(identity.account, "123456789012");
        assert_str(identity.arn, cases[i].arn);
        if (star == expected.len) {
            assert_str(identity.user_id, cases[i].user_id);
            continue;
        }
        assert_true(str_starts(identity.user_id, str_head(expected, star)));
        assert_true(str_ends(identity.user_id, str_skip(expected, star + 1)));
        assert_int_equal(identity.user_id.len, 21 + expected.len - star - 1);
    }
    /* The same session's role has the same id, another role another one. */
    struct str one = identify(&arena, "arn:aws:sts::123456789012:assumed-role/a/s").user_id;
    struct str same = identify(&arena, "arn:aws:sts::123456789012:assumed-role/a/s").user_id;
    struct str other = identify(&arena, "arn:aws:sts::123456789012:assumed-role/b/s").user_id;
    assert_true(str_eq(one, same));
    assert_false(str_eq(one, other));
}

static int finished_rc = 1;

static void finish(struct op *op, int rc)
{
    (void) op;
    finished_rc = rc;
}

static void test_operation(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    struct sts_GetCallerIdentityResponse out = {0};
    arena_init(&arena, 1 << 16);
    struct op op = {.caller = {.account = STR("000000000000"),
                               .principal = STR("arn:aws:iam::000000000000:root")},
                    .arena = &arena,
                    .out = &out,
                    .finish = finish};
    sts_room.ops[0].start(&op, NULL, &out);
    assert_int_equal(finished_rc, 0);
    assert_str(out.Account, "000000000000");
    assert_str(out.UserId, "000000000000");
    assert_str(out.Arn, "arn:aws:iam::000000000000:root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
