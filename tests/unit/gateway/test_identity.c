#include "test.h"

#include "gateway/identity.h"
#include "heads.h"

static void scope_is_taken_apart_from_its_end(void **state)
{
    (void) state;
    struct credential_scope scope;
    assert_true(scope_parse(STR("AKID/20261120/eu-west-1/lambda/aws4_request"), &scope));
    assert_str(scope.access_key, "AKID");
    assert_str(scope.date, "20261120");
    assert_str(scope.region, "eu-west-1");
    assert_str(scope.service, "lambda");
    assert_true(scope_parse(STR("a/b/20261120/US/s3/aws4_request"), &scope));
    assert_str(scope.access_key, "a/b");
    assert_str(scope.region, "US");
}

static void malformed_scopes_name_nobody(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "",
        "/",
        "AKID",
        "20261120/us-east-1/lambda/aws4_request",
        "/20261120/us-east-1/lambda/aws4_request",
        "AKID/20261120/us-east-1/lambda/aws4_reques",
        "AKID/20261120/us-east-1/lambda/aws4_request/",
        "AKID/20261120//lambda/aws4_request",
        "AKID//us-east-1/lambda/aws4_request",
        "AKID/20261120/us-east-1//aws4_request",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct credential_scope scope;
        if (scope_parse(str_from(bad[i]), &scope) || scope.access_key.ptr != NULL)
            fail_msg("accepted: %s", bad[i]);
    }
}

static struct credential_scope found_in(const char *text, struct arena *arena)
{
    struct http_head head = head_of(text);
    struct credential_scope scope;
    scope_find(&head, arena, &scope);
    return scope;
}

static void found_in_header_or_query(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 65536);
    struct credential_scope scope =
        found_in("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256 "
                 "Credential=K/20261120/r/lambda/aws4_request, SignedHeaders=host, "
                 "Signature=00\r\n\r\n",
                 &arena);
    assert_str(scope.access_key, "K");
    /* No blanks after the commas: some clients write it so. */
    scope = found_in("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256 "
                     "SignedHeaders=host,Credential=K2/1/r/s3/aws4_request,Signature=0\r\n\r\n",
                     &arena);
    assert_str(scope.access_key, "K2");
    scope = found_in("GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
                     "K3%2F20261120%2Feu-west-1%2Fs3%2Faws4_request HTTP/1.1\r\nHost: a\r\n\r\n",
                     &arena);
    assert_str(scope.access_key, "K3");
    assert_str(scope.region, "eu-west-1");
}

static void nothing_is_found_where_nothing_is(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 65536);
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?X-Amz-Credential=%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?X-Amz-Credential HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic Credential=K/1/r/s/aws4_request\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization:\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_null(found_in(texts[i], &arena).access_key.ptr);
}

static void twelve_digits_are_the_account(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 65536);
    static const struct {
        const char *key, *account;
    } cases[] = {
        {"123456789012", "123456789012"},  {"12345678901", "000000000000"},
        {"1234567890123", "000000000000"}, {"12345678901a", "000000000000"},
        {"test", "000000000000"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct credential_scope scope = {str_from(cases[i].key), STR("20261120"),
                                               STR("eu-west-1"), STR("lambda")};
        struct op_caller caller;
        identity_dev(&scope, &arena, &caller);
        assert_str(caller.account, cases[i].account);
        assert_str(caller.region, "eu-west-1");
        assert_str(caller.access_key, cases[i].key);
        assert_true(str_starts(caller.principal, STR("arn:aws:iam::")));
    }
    struct op_caller nobody;
    identity_dev(&(struct credential_scope){0}, &arena, &nobody);
    assert_str(nobody.account, "000000000000");
    assert_str(nobody.region, "us-east-1");
    assert_str(nobody.principal, "arn:aws:iam::000000000000:root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scope_is_taken_apart_from_its_end),
        cmocka_unit_test(malformed_scopes_name_nobody),
        cmocka_unit_test(found_in_header_or_query),
        cmocka_unit_test(nothing_is_found_where_nothing_is),
        cmocka_unit_test(twelve_digits_are_the_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
