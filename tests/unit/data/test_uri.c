#include "test.h"

#include "data/uri.h"

#include <errno.h>

static void encodes_all_but_unreserved(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, 1000);
    uri_encode(&out, STR("aZ09-._~ /+=&%\xC3\xA4"), false);
    assert_str(buf_str(&out), "aZ09-._~%20%2F%2B%3D%26%25%C3%A4");
    buf_reset(&out);
    uri_encode(&out, STR("/a b/"), true);
    assert_str(buf_str(&out), "/a%20b/");
    buf_reset(&out);
    uri_encode(&out, STR_NONE, true);
    assert_int_equal(out.len, 0);
}

static void every_byte_comes_back(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 64 * 1024);
    AUTO_BUF struct buf out;
    buf_init(&out, 4096);
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char) i;
    uri_encode(&out, str_of(bytes, sizeof bytes), false);
    struct str back;
    assert_ok(uri_decode(&arena, buf_str(&out), true, &back));
    assert_true(str_eq(back, str_of(bytes, sizeof bytes)));
}

static void decoding(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    struct str plain = STR_INIT("a+b"), out = STR_NONE;
    assert_ok(uri_decode(&arena, plain, false, &out));
    assert_ptr_equal(out.ptr, plain.ptr);
    assert_ok(uri_decode(&arena, plain, true, &out));
    assert_str(out, "a b");
    assert_ok(uri_decode(&arena, STR("%2b%2B+%41"), false, &out));
    assert_str(out, "+++A");
    static const char *const broken[] = {"%", "%4", "a%4", "%zz", "%4g", "%%41", "%+1", "% 1"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        assert_int_equal(uri_decode(&arena, str_from(broken[i]), true, &out), -EINVAL);
    assert_str(out, "+++A");
    static char big[8192];
    memset(big, '+', sizeof big);
    assert_int_equal(uri_decode(&arena, str_of(big, sizeof big), true, &out), -E2BIG);
}

static void pairs_of_a_query(void **state)
{
    (void) state;
    struct str rest = STR_INIT("&a=1&&b&c==&=d&"), key, value;
    assert_true(uri_query_next(&rest, &key, &value));
    assert_str(key, "a");
    assert_str(value, "1");
    assert_true(uri_query_next(&rest, &key, &value));
    assert_str(key, "b");
    assert_null(value.ptr);
    assert_true(uri_query_next(&rest, &key, &value));
    assert_str(key, "c");
    assert_str(value, "=");
    assert_true(uri_query_next(&rest, &key, &value));
    assert_str(key, "");
    assert_str(value, "d");
    assert_false(uri_query_next(&rest, &key, &value));
    assert_false(uri_query_next(&rest, &key, &value));
}

static void finding_a_value(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    struct str query = STR_INIT("ab=0&%61=x%2Fy+z&b&a=2&c="), value;
    assert_ok(uri_query_find(&arena, query, STR("a"), &value));
    assert_str(value, "x/y z");
    assert_ok(uri_query_find(&arena, query, STR("ab"), &value));
    assert_str(value, "0");
    assert_ok(uri_query_find(&arena, query, STR("b"), &value));
    assert_str(value, "");
    assert_non_null(value.ptr);
    assert_ok(uri_query_find(&arena, query, STR("c"), &value));
    assert_non_null(value.ptr);
    assert_ok(uri_query_find(&arena, query, STR("abc"), &value));
    assert_null(value.ptr);
    assert_ok(uri_query_find(&arena, STR(""), STR("a"), &value));
    assert_null(value.ptr);
    assert_int_equal(uri_query_find(&arena, STR("a=%x"), STR("a"), &value), -EINVAL);
    assert_int_equal(uri_query_find(&arena, STR("%4"), STR("a"), &value), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_all_but_unreserved),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(decoding),
        cmocka_unit_test(pairs_of_a_query),
        cmocka_unit_test(finding_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
