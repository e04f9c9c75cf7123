/* Subscriptions to telemetry, as extensions ask for them, and the batches that they get. */
#include "test.h"

#include "runtime/telemetry_batch.h"
#include "runtime/telemetry_request.h"

#include <string.h>

#define HTTP(uri) "\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"" uri "\"}"
#define HERE      HTTP("http://sandbox.localdomain:8080")
#define TYPES     "\"types\":[\"platform\"]"
#define VERSION   "\"schemaVersion\":\"2022-12-13\""

static void test_all_members(void **state)
{
    (void) state;
    static const char body[] =
        "{\"schemaVersion\":\"2021-03-18\",\"other\":[{}],\"types\":[\"function\",\"extension\","
        "\"function\"],\"buffering\":{\"timeoutMs\":25,\"maxBytes\":1048576,\"maxItems\":1000,"
        "\"x\":null},\"destination\":{\"URI\":\"http://sandbox:65535/a/b?c=d\",\"protocol\":"
        "\"HTTP\",\"method\":\"PUT\",\"encoding\":\"JSON\",\"y\":[1]}}";
    struct telemetry_request got;
    struct buf problems;
    buf_init(&problems, 1024);
    assert_ok(telemetry_request_parse(str_from(body), TELEMETRY_LOGS_API, &got, &problems));
    assert_int_equal(got.schema, SCHEMA_LOGS_2021);
    assert_int_equal(got.types, TELEMETRY_FUNCTION | TELEMETRY_EXTENSION);
    assert_false(got.is_tcp);
    assert_true(got.is_put);
    assert_int_equal(got.port, 65535);
    assert_string_equal(got.host, "sandbox");
    assert_string_equal(got.path, "/a/b?c=d");
    assert_int_equal(got.items_max, 1000);
    assert_int_equal(got.bytes_max, 1048576);
    assert_int_equal(got.timeout_ms, 25);
    buf_done(&problems);
}

static void test_defaults(void **state)
{
    (void) state;
    static const char body[] = "{" TYPES ",\"destination\":{\"protocol\":\"TCP\",\"port\":4711}}";
    struct telemetry_request got;
    struct buf problems;
    buf_init(&problems, 1024);
    assert_ok(telemetry_request_parse(str_from(body), TELEMETRY_LOGS_API, &got, &problems));
    assert_int_equal(got.schema, SCHEMA_LOGS_2020);
    assert_true(got.is_tcp);
    assert_int_equal(got.port, 4711);
    assert_int_equal(got.items_max, 10000);
    assert_int_equal(got.bytes_max, 262144);
    assert_int_equal(got.timeout_ms, 1000);
    assert_int_equal(telemetry_request_parse(str_from(body), TELEMETRY_API, &got, &problems), -22);
    assert_str(buf_str(&problems), "schemaVersion is not provided");
    buf_done(&problems);
}

static void test_refused(void **state)
{
    (void) state;
    static const struct {
        const char *body, *problems;
    } cases[] = {
        {"[]", "the body should be a JSON object"},
        {"", "the body should be a JSON object"},
        {"{}", "schemaVersion is not provided; types should not be empty; destination is not "
               "provided"},
        {"{" VERSION "," HERE ",\"types\":[]}", "types should not be empty"},
        {"{" VERSION "," HERE ",\"types\":\"platform\"}", "types should be an array"},
        {"{" VERSION "," HERE ",\"types\":[\"platform\",[\"x\"]]}",
         "types should be platform, function or extension"},
        {"{\"schemaVersion\":\"2020-08-15\"," TYPES "," HERE "}", "schemaVersion is not supported"},
        {"{\"schemaVersion\":1," TYPES "," HERE "}", "schemaVersion should be a string"},
        {"{" VERSION "," TYPES ",\"destination\":7}", "destination should be an object"},
        {"{" VERSION "," TYPES ",\"destination\":{}}", "protocol is not provided"},
        {"{" VERSION "," TYPES ",\"destination\":{\"protocol\":\"HTTP\"}}", "URI is not provided"},
        {"{" VERSION "," TYPES ",\"destination\":{\"protocol\":\"TCP\",\"port\":0}}",
         "port should be between 1 and 65535"},
        {"{" VERSION "," TYPES ",\"destination\":{\"protocol\":\"TCP\",\"port\":1e3}}",
         "port should be between 1 and 65535"},
        {"{" VERSION "," TYPES ",\"destination\":{\"protocol\":\"TCP\",\"port\":4566}}",
         "port is reserved"},
        {"{" VERSION "," TYPES "," HTTP("https://sandbox.localdomain:1") "}",
         "URI should begin with http://"},
        {"{" VERSION "," TYPES "," HTTP("http://sandbox.localdomain:") "}",
         "URI port is not provided"},
        {"{" VERSION "," TYPES "," HTTP("http://sandbox.localdomain/x:1") "}",
         "URI port is not provided"},
        {"{" VERSION "," TYPES "," HTTP("http://10.0.0.1:80") "}",
         "URI host should be sandbox.localdomain"},
        {"{" VERSION "," TYPES "," HTTP("http://u@sandbox.localdomain:80") "}",
         "URI host should be sandbox.localdomain"},
        {"{" VERSION "," TYPES "," HTTP("http://sandbox:80/\\r\\nX: y") "}",
         "URI path is too long, or not one of an URI"},
        {"{" VERSION "," TYPES "," HERE ",\"buffering\":{\"maxBytes\":262143}}",
         "maxBytes should be between 262144 and 1048576"},
        {"{" VERSION "," TYPES "," HERE ",\"buffering\":{\"maxItems\":10001,\"timeoutMs\":\"1\"}}",
         "maxItems should be between 1000 and 10000; timeoutMs should be between 25 and 30000"},
        {"{" VERSION "," TYPES "," HERE ",}", "the body is no JSON: unexpected character"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct telemetry_request got;
        struct buf problems;
        buf_init(&problems, 1024);
        assert_int_equal(
            telemetry_request_parse(str_from(cases[i].body), TELEMETRY_API, &got, &problems), -22);
        assert_str(buf_str(&problems), cases[i].problems);
        buf_done(&problems);
    }
}

static void expect_batch(struct telemetry_queue *queue, const char *text, size_t items)
{
    struct telemetry_batch batch = telemetry_queue_take(queue);
    assert_str(buf_str(&batch.text), text);
    assert_int_equal(batch.items, items);
    telemetry_batch_done(&batch);
}

static void test_batches(void **state)
{
    (void) state;
    struct telemetry_queue queue;
    telemetry_queue_init(&queue, false, 1000, 262144, 25);
    assert_true(telemetry_queue_due_us(&queue) == INT64_MAX);
    assert_true(telemetry_queue_put(&queue, 100, STR("{\"a\":1}")));
    assert_true(telemetry_queue_put(&queue, 200, STR("{}")));
    assert_int_equal(telemetry_queue_due_us(&queue), 100 + 25000);
    expect_batch(&queue, "[{\"a\":1},{}]", 2);
    assert_true(telemetry_queue_due_us(&queue) == INT64_MAX);
    telemetry_queue_done(&queue);

    telemetry_queue_init(&queue, true, 1000, 262144, 25);
    assert_true(telemetry_queue_put(&queue, 100, STR("{\"a\":1}")));
    assert_true(telemetry_queue_put(&queue, 200, STR("{}")));
    expect_batch(&queue, "{\"a\":1}\n{}\n", 2);
    telemetry_queue_done(&queue);
}

/* By items or by bytes: then it is due at once, and what comes is counted. */
static void test_full(void **state)
{
    (void) state;
    struct telemetry_queue queue;
    telemetry_queue_init(&queue, false, 1000, 262144, 1000);
    for (int i = 0; i < 1000; i++)
        assert_true(telemetry_queue_put(&queue, 7, STR("{}")));
    assert_int_equal(telemetry_queue_due_us(&queue), 7);
    assert_false(telemetry_queue_put(&queue, 8, STR("{}")));
    assert_false(telemetry_queue_put(&queue, 8, STR("{}")));
    assert_int_equal(queue.lost_items, 2);
    assert_int_equal(queue.lost_bytes, 4);
    telemetry_queue_done(&queue);

    static char large[262144 + 100];
    memset(large, 'x', sizeof large);
    struct str event = str_of(large, sizeof large);
    telemetry_queue_init(&queue, false, 1000, 262144, 1000);
    assert_true(telemetry_queue_put(&queue, 7, STR("{}")));
    assert_true(telemetry_queue_put(&queue, 7, event)); /* the one that passes the size is in */
    assert_int_equal(telemetry_queue_due_us(&queue), 7);
    assert_false(telemetry_queue_put(&queue, 8, STR("{}")));
    struct telemetry_batch batch = telemetry_queue_take(&queue);
    assert_true(telemetry_queue_put(&queue, 9, STR("{}")));
    assert_true(batch.text.len <= 2 * 262144);
    assert_false(buf_is_over(&batch.text));
    telemetry_batch_done(&batch);
    telemetry_queue_done(&queue);
}

static void test_cut(void **state)
{
    (void) state;
    struct telemetry_queue queue;
    telemetry_queue_init(&queue, true, 1000, 262144, 25);
    for (int i = 0; i < 3; i++)
        assert_true(telemetry_queue_put(&queue, 0, STR("{1}")));
    struct telemetry_batch batch = telemetry_queue_take(&queue);
    telemetry_batch_cut(&batch, 3); /* the first, but for its end */
    assert_int_equal(batch.items, 3);
    telemetry_batch_cut(&batch, 9); /* two and a bit */
    assert_str(buf_str(&batch.text), "{1}\n");
    assert_int_equal(batch.items, 1);
    telemetry_batch_done(&batch);
    telemetry_queue_done(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_members), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_batches),
        cmocka_unit_test(test_full),        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
