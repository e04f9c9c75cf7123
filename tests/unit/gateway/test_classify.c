#include "test.h"

#include "gateway/classify.h"
#include "heads.h"

/* A REST service and two JSON services, one of them signing like the other. */

static const struct aws_operation invoke = {.name = STR_INIT("Invoke")};
static const struct aws_operation put = {.name = STR_INIT("PutItem")};
static const struct aws_operation read_op = {.name = STR_INIT("GetRecords")};

static const struct aws_operation *const rest_ops[] = {&invoke};
static const struct aws_route rest_routes[] = {
    {STR_INIT("Invoke"), STR_INIT("POST"),
     STR_INIT("/2015-03-31/functions/{FunctionName}/invocations"), &invoke},
    {STR_INIT("GetLayer"), STR_INIT("GET"), STR_INIT("/2018-10-31/layers/{Name}"), NULL},
};
static const struct aws_service rest_model = {
    .id = STR_INIT("lambda"),
    .signing_name = STR_INIT("lambda"),
    .endpoint_prefix = STR_INIT("lambda"),
    .target_prefix = STR_INIT("AWSLambda"),
    .protocols = 1U << AWS_REST_JSON,
    .protocol = AWS_REST_JSON,
    .operations = rest_ops,
    .operation_count = 1,
    .routes = rest_routes,
    .route_count = 2,
};

static const struct aws_operation *const table_ops[] = {&put};
static const struct aws_route table_routes[] = {
    {STR_INIT("PutItem"), STR_INIT("POST"), STR_INIT("/"), &put},
    {STR_INIT("GetItem"), STR_INIT("POST"), STR_INIT("/"), NULL},
};
static const struct aws_service table_model = {
    .id = STR_INIT("dynamodb"),
    .signing_name = STR_INIT("dynamodb"),
    .endpoint_prefix = STR_INIT("dynamodb"),
    .target_prefix = STR_INIT("DynamoDB_20120810"),
    .protocols = 1U << AWS_JSON_1_0 | 1U << AWS_JSON_1_1 | 1U << AWS_CBOR,
    .protocol = AWS_JSON_1_0,
    .operations = table_ops,
    .operation_count = 1,
    .routes = table_routes,
    .route_count = 2,
};

static const struct aws_operation *const stream_ops[] = {&read_op};
static const struct aws_route stream_routes[] = {
    {STR_INIT("GetRecords"), STR_INIT("POST"), STR_INIT("/records"), &read_op}};
static const struct aws_service stream_model = {
    .id = STR_INIT("dynamodbstreams"),
    .signing_name = STR_INIT("dynamodb"),
    .endpoint_prefix = STR_INIT("streams.dynamodb"),
    .target_prefix = STR_INIT("DynamoDBStreams_20120810"),
    .protocols = 1U << AWS_JSON_1_0,
    .protocol = AWS_JSON_1_0,
    .operations = stream_ops,
    .operation_count = 1,
    .routes = stream_routes,
    .route_count = 1,
};

static const struct aws_operation identity = {.name = STR_INIT("GetCallerIdentity")};
static const struct aws_operation *const form_ops[] = {&identity};
static const struct aws_route form_routes[] = {
    {STR_INIT("AssumeRole"), STR_INIT("POST"), STR_INIT("/"), NULL},
    {STR_INIT("GetCallerIdentity"), STR_INIT("POST"), STR_INIT("/"), &identity},
};
static const struct aws_service form_model = {
    .id = STR_INIT("sts"),
    .signing_name = STR_INIT("sts"),
    .endpoint_prefix = STR_INIT("sts"),
    .api_version = STR_INIT("2011-06-15"),
    .protocols = 1U << AWS_QUERY,
    .protocol = AWS_QUERY,
    .operations = form_ops,
    .operation_count = 1,
    .routes = form_routes,
    .route_count = 2,
};

static int open_nothing(const struct service_env *env, void **out_state, struct db **out_db,
                        struct err *err)
{
    (void) env, (void) out_state, (void) out_db, (void) err;
    return 0;
}

static void start_nothing(struct op *op, const void *in, void *out)
{
    (void) op, (void) in, (void) out;
}

static const struct service_op ops[] = {{.model = &invoke, .start = start_nothing},
                                        {.model = &put, .start = start_nothing},
                                        {.model = &read_op, .start = start_nothing},
                                        {.model = &identity, .start = start_nothing}};
static const struct service services[] = {{&rest_model, &ops[0], 1, open_nothing, NULL},
                                          {&table_model, &ops[1], 1, open_nothing, NULL},
                                          {&stream_model, &ops[2], 1, open_nothing, NULL},
                                          {&form_model, &ops[3], 1, open_nothing, NULL}};

static struct registry *registry;

static int setup(void **state)
{
    (void) state;
    static struct exec idle;
    registry = registry_new();
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        assert_ok(registry_open(registry, &services[i], &(struct service_env){0}, &idle, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    registry_stop(registry);
    registry_free(registry);
    return 0;
}

static struct classified classified_of(const char *text)
{
    static struct arena arena;
    arena_done(&arena);
    arena_init(&arena, 65536);
    struct http_head head = head_of(text);
    struct credential_scope scope;
    struct classified found;
    scope_find(&head, &arena, &scope);
    classify(registry, &head, &scope, &found);
    return found;
}

#define SIGNED(service)                                                                            \
    "Authorization: AWS4-HMAC-SHA256 Credential=K/20261120/us-east-1/" service                     \
    "/aws4_request, SignedHeaders=host, Signature=0\r\n"

static void expect(const char *text, const struct aws_service *service,
                   const struct aws_operation *operation, enum aws_protocol protocol)
{
    struct classified found = classified_of(text);
    if (found.installed == NULL || found.installed->model != service)
        fail_msg("wrong service for %s", text);
    if (found.operation != operation || found.protocol != protocol)
        fail_msg("wrong operation or protocol for %s", text);
}

static void from_the_strongest_sign_to_the_weakest(void **state)
{
    (void) state;
    expect("POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n"
           "Content-Type: application/x-amz-json-1.0\r\n" SIGNED("lambda") "\r\n",
           &table_model, &put, AWS_JSON_1_0);
    expect(
        "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: a\r\n" SIGNED("lambda") "\r\n",
        &rest_model, &invoke, AWS_REST_JSON);
    expect("POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: a\r\n\r\n", &rest_model,
           &invoke, AWS_REST_JSON);
    expect("POST /records HTTP/1.1\r\nHost: a\r\n" SIGNED("dynamodb") "\r\n", &stream_model,
           &read_op, AWS_JSON_1_0); /* Signs like another: the path decides. */
    expect("GET /2018-10-31/layers/l HTTP/1.1\r\nHost: Lambda.us-east-1.amazonaws.com\r\n\r\n",
           &rest_model, NULL, AWS_REST_JSON);
    expect("POST /records HTTP/1.1\r\nHost: streams.dynamodb.us-east-1.amazonaws.com\r\n\r\n",
           &stream_model, &read_op, AWS_JSON_1_0);
    expect("POST / HTTP/1.1\r\nHost: sync-dynamodb.us-east-1.amazonaws.com\r\n\r\n", &table_model,
           NULL, AWS_JSON_1_1);
}

/* All operations of such a service have the path "/": the first of them must not be run. */
static void a_json_service_needs_a_target(void **state)
{
    (void) state;
    expect("POST / HTTP/1.1\r\nHost: dynamodb.us-east-1.amazonaws.com\r\n"
           "Content-Type: application/x-amz-json-1.0\r\n\r\n",
           &table_model, NULL, AWS_JSON_1_0);
    struct classified found =
        classified_of("POST / HTTP/1.1\r\nHost: a\r\n" SIGNED("dynamodb") "\r\n");
    assert_non_null(found.installed);
    assert_null(found.operation);
    assert_int_equal(found.rejected.len, 0);
}

static void expect_form(const char *text, const char *body, const struct aws_service *service,
                        const struct aws_operation *operation, const char *rejected)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 65536);
    struct http_head head = head_of(text);
    struct classified found = classified_of(text);
    assert_true(found.is_form);
    classify_form(registry, &head, str_from(body), &arena, &found);
    assert_ptr_equal(found.installed == NULL ? NULL : found.installed->model, service);
    assert_ptr_equal(found.operation, operation);
    assert_str(found.rejected, rejected);
}

static void a_form_says_what_it_wants(void **state)
{
    (void) state;
    static const char scoped[] = "POST / HTTP/1.1\r\nHost: a\r\n" SIGNED("sts") "\r\n";
    static const char stray[] =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n";
    static const char *const heads[] = {scoped, stray};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        expect_form(heads[i], "Action=GetCallerIdentity&Version=2011-06-15", &form_model, &identity,
                    "GetCallerIdentity");
        expect_form(heads[i], "Version=2011-06-15&Action=GetCallerIdentit%79", &form_model,
                    &identity, "GetCallerIdentity");
        expect_form(heads[i], "Action=GetCallerIdentity", &form_model, &identity,
                    "GetCallerIdentity");
        expect_form(heads[i], "Action=AssumeRole&Version=2011-06-15", &form_model, NULL,
                    "AssumeRole");
    }
    expect_form("GET /?Action=GetCallerIdentity&Version=2011-06-15 HTTP/1.1\r\nHost: a\r\n\r\n", "",
                &form_model, &identity, "GetCallerIdentity");
    expect_form(scoped, "Action=GetCallerIdentity&Version=1999-01-01", &form_model, NULL,
                "GetCallerIdentity");
    expect_form(stray, "Action=GetCallerIdentity&Version=1999-01-01", NULL, NULL,
                "GetCallerIdentity");
    expect_form(scoped, "Action=Dance", &form_model, NULL, "Dance");
    expect_form(stray, "Action=Dance", NULL, NULL, "Dance");
    expect_form(scoped, "Action=%zz", &form_model, NULL, "");
    expect_form(stray, "", NULL, NULL, "");
}

static void a_form_names_its_operation_later(void **state)
{
    (void) state;
    static const char *const heads[] = {
        "POST / HTTP/1.1\r\nHost: a\r\n" SIGNED("sts") "\r\n",
        "POST / HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n",
        "GET /?Action=GetCallerIdentity HTTP/1.1\r\nHost: a\r\n" SIGNED("sts") "\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        expect(heads[i], &form_model, NULL, AWS_QUERY);
        assert_true(classified_of(heads[i]).is_form);
    }
    assert_false(classified_of("POST / HTTP/1.1\r\nHost: a\r\n" SIGNED("dynamodb") "\r\n").is_form);
}

static void the_content_type_tells_the_json_version(void **state)
{
    (void) state;
    expect("POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n"
           "Content-Type: application/x-amz-json-1.1\r\n\r\n",
           &table_model, &put, AWS_JSON_1_1);
    expect("POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: DynamoDBStreams_20120810.GetRecords\r\n"
           "Content-Type: application/x-amz-json-1.1\r\n\r\n",
           &stream_model, &read_op, AWS_JSON_1_0); /* It speaks no 1.1. */
    expect("POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AWSLambda.Invoke\r\n\r\n", &rest_model,
           &invoke, AWS_REST_JSON);
}

static void cbor_is_told_by_header_and_path(void **state)
{
    (void) state;
    expect("POST /service/DynamoDB_20120810/operation/PutItem HTTP/1.1\r\nHost: a\r\n"
           "smithy-protocol: rpc-v2-cbor\r\n" SIGNED("lambda") "\r\n",
           &table_model, &put, AWS_CBOR);
    expect("POST /service/DynamoDB_20120810/operation/GetItem HTTP/1.1\r\nHost: a\r\n"
           "smithy-protocol: rpc-v2-cbor\r\n\r\n",
           &table_model, NULL, AWS_CBOR);
    expect("GET /service/DynamoDB_20120810/operation/PutItem HTTP/1.1\r\nHost: a\r\n"
           "smithy-protocol: rpc-v2-cbor\r\n\r\n",
           &table_model, NULL, AWS_CBOR);
    expect("POST /service/AWSLambda/operation/Invoke HTTP/1.1\r\nHost: a\r\n"
           "smithy-protocol: rpc-v2-cbor\r\n\r\n",
           &rest_model, NULL, AWS_REST_JSON); /* It speaks no CBOR. */
    struct classified found =
        classified_of("POST /service/Nobody/operation/Do HTTP/1.1\r\nHost: a\r\n"
                      "smithy-protocol: rpc-v2-cbor\r\n\r\n");
    assert_null(found.installed);
    assert_str(found.service, "Nobody");
}

static void what_we_lack_is_named(void **state)
{
    (void) state;
    struct classified found =
        classified_of("GET /2018-10-31/layers/l HTTP/1.1\r\nHost: a\r\n" SIGNED("lambda") "\r\n");
    assert_null(found.operation);
    assert_str(found.rejected, "GetLayer");
    found = classified_of(
        "POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n\r\n");
    assert_ptr_equal(found.installed->model, &table_model);
    assert_null(found.operation);
    assert_str(found.rejected, "GetItem");
    found = classified_of(
        "POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: DynamoDB_20120810.Dance\r\n\r\n");
    assert_str(found.rejected, "Dance");
    found = classified_of("GET /nowhere HTTP/1.1\r\nHost: a\r\n" SIGNED("lambda") "\r\n");
    assert_ptr_equal(found.installed->model, &rest_model);
    assert_null(found.operation);
    assert_int_equal(found.rejected.len, 0);
}

static void strict_mode_rejects_what_is_only_stored(void **state)
{
    (void) state;
    static const struct aws_operation kept = {.name = STR_INIT("PutPolicy"),
                                              .flags = AWS_OP_STORED};
    struct classified found = {.operation = &kept, .rejected = STR("")};
    classify_strictly(&found);
    assert_null(found.operation);
    assert_str(found.rejected, "PutPolicy");
    found = (struct classified){.operation = &put, .rejected = STR("")};
    classify_strictly(&found);
    assert_ptr_equal(found.operation, &put);
    assert_int_equal(found.rejected.len, 0);
}

static void services_that_we_lack_are_named(void **state)
{
    (void) state;
    struct classified found = classified_of("GET /b/k HTTP/1.1\r\nHost: a\r\n" SIGNED("s3") "\r\n");
    assert_null(found.installed);
    assert_str(found.service, "s3");
    found = classified_of("POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.Send\r\n\r\n");
    assert_null(found.installed);
    assert_str(found.service, "AmazonSQS");
    static const char *const nobody[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /1999-01-01/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /2015-03-3x/functions HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: nodot\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: .x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: x.\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: nothing.localhost\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(nobody); i++) {
        found = classified_of(nobody[i]);
        assert_null(found.installed);
        assert_int_equal(found.service.len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_strongest_sign_to_the_weakest),
        cmocka_unit_test(a_form_names_its_operation_later),
        cmocka_unit_test(a_json_service_needs_a_target),
        cmocka_unit_test(a_form_says_what_it_wants),
        cmocka_unit_test(the_content_type_tells_the_json_version),
        cmocka_unit_test(cbor_is_told_by_header_and_path),
        cmocka_unit_test(what_we_lack_is_named),
        cmocka_unit_test(strict_mode_rejects_what_is_only_stored),
        cmocka_unit_test(services_that_we_lack_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
