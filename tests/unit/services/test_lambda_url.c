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

/* A prelude and a body, cut into pieces of every size: always the same head, and the same body. */
static void streamed_heads(void **state)
{
    (void) state;
    static const char text[] = "{\"statusCode\":201,\"headers\":{\"X-A\":\"b\"},"
                               "\"cookies\":[\"c=d\"],\"body\":\"no\"}\0\0\0\0\0\0\0\0\0body";
    struct str type = STR("Application/vnd.awslambda.http-integration-response; x=y");
    for (size_t size = 1; size < sizeof text; size++) {
        AUTO_ARENA struct arena arena;
        AUTO_BUF struct buf body;
        struct aws_http_answer out = {0};
        struct url_head head;
        arena_init(&arena, 1 << 20);
        buf_init(&body, 64);
        url_head_begin(&head, type, &arena, &out);
        for (size_t at = 0; at < sizeof text - 1; at += size) {
            struct str piece = str_head(str_of(text + at, sizeof text - 1 - at), size);
            buf_put(&body, url_head_feed(&head, piece, &arena, &out));
        }
        assert_int_equal(head.state, URL_HEAD_KNOWN);
        assert_true(str_eq(buf_str(&body), str_of("\0body", 5)));
        assert_int_equal(out.status, 201);
        assert_int_equal(out.header_count, 3);
        assert_str(out.headers[1].name, "Set-Cookie");
        assert_str(out.headers[2].value, "application/octet-stream");
        assert_str(out.body, "");
        url_head_done(&head);
    }
}

static void streamed_heads_that_are_none(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    struct aws_http_answer out = {0};
    struct url_head head;
    struct str type = STR("application/vnd.awslambda.http-integration-response"), body;
    arena_init(&arena, 1 << 20);
    url_head_begin(&head, STR("text/event-stream"), &arena, &out);
    assert_int_equal(head.state, URL_HEAD_KNOWN);
    assert_str(out.headers[0].value, "text/event-stream");
    assert_str(url_head_feed(&head, STR("{}"), &arena, &out), "{}");
    url_head_done(&head);

    url_head_begin(&head, type, &arena, &out);
    body = url_head_feed(&head, str_of("{\"statusCode\":9}\0\0\0\0\0\0\0\0x", 25), &arena, &out);
    assert_int_equal(head.state, URL_HEAD_BROKEN);
    assert_int_equal(body.len, 0);
    assert_int_equal(url_head_feed(&head, STR("more"), &arena, &out).len, 0);
    url_head_done(&head);

    static char blanks[1000];
    memset(blanks, ' ', sizeof blanks);
    url_head_begin(&head, type, &arena, &out);
    for (int i = 0; i < 100; i++)
        body = url_head_feed(&head, str_of(blanks, sizeof blanks), &arena, &out);
    assert_int_equal(head.state, URL_HEAD_BROKEN);
    url_head_done(&head);
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
        cmocka_unit_test(streamed_heads),
        cmocka_unit_test(streamed_heads_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
