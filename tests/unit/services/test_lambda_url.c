/* Results of functions read as answers; the API tests show the rest of function URLs. */
#include "test.h"

#include "services/lambda/lambda_int.h"
#include "services/lambda/url.h"

static int answer(struct arena *arena, const char *result, struct aws_http_answer *out)
{
    return url_answer(str_from(result), arena, out);
}

static void answers(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    struct aws_http_answer out;
    arena_init(&arena, 1 << 20);
    assert_ok(
        answer(&arena, "{\"body\":\"aGk=\",\"isBase64Encoded\":true,\"statusCode\":404}", &out));
    assert_int_equal(out.status, 404);
    assert_str(out.body, "hi");
    assert_str(out.headers[0].value, "application/json");
    assert_ok(
        answer(&arena, "{\"statusCode\":200,\"headers\":{\"A\":1.5,\"B\":null},\"x\":[{}]}", &out));
    assert_int_equal(out.header_count, 2);
    assert_str(out.headers[0].value, "1.5");
    assert_ok(answer(&arena, "\"a\\nb\"", &out));
    assert_str(out.body, "a\nb");
    assert_ok(answer(&arena, "{\"body\":\"\\udc00-\",\"statusCode\":404}", &out));
    assert_int_equal(out.status, 404);
    assert_str(out.body, "\xEF\xBF\xBD-");
    assert_ok(answer(&arena, "{\"nested\":{\"statusCode\":404}}", &out));
    assert_int_equal(out.status, 200);
}

static void nonsense(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "{\"statusCode\":1000}",
        "{\"statusCode\":-200}",
        "{\"statusCode\":101}",
        "{\"statusCode\":null}",
        "{\"statusCode\":200.5}",
        "{\"statusCode\":[200]}",
        "{\"statusCode\":200,\"body\":1}",
        "{\"statusCode\":200,\"headers\":{\"\":\"x\"}}",
        "{\"statusCode\":200,\"headers\":{\"a:b\":\"x\"}}",
        "{\"statusCode\":200,\"headers\":{\"a\":[\"x\"]}}",
        "{\"statusCode\":200,\"cookies\":[1]}",
        "{\"statusCode\":200",
    };
    AUTO_ARENA struct arena arena;
    struct aws_http_answer out;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (answer(&arena, bad[i], &out) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
    }
}

static void too_many_headers(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf text;
    struct aws_http_answer out;
    arena_init(&arena, 1 << 20);
    buf_init(&text, 1 << 16);
    buf_put(&text, STR("{\"statusCode\":200,\"headers\":{"));
    for (int i = 0; i < 60; i++)
        buf_printf(&text, "%s\"h%d\":\"\"", i == 0 ? "" : ",", i);
    buf_put(&text, STR("}}"));
    assert_int_equal(url_answer(buf_str(&text), &arena, &out), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(too_many_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
