/* The wire engine over Lambda's own tables: what its clients send and what they must get back. */
#include "test.h"

#include "aws/wire.h"
#include "data/pattern.h"
#include "gen/lambda.h"

struct exchange {
    struct arena arena;
    struct aws_fault fault;
    struct aws_http_answer answer;
    const struct aws_operation *op;
    void *in;
};

static int setup(void **state)
{
    struct exchange *x = calloc(1, sizeof *x);
    arena_init(&x->arena, 1 << 20);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct exchange *x = *state;
    arena_done(&x->arena);
    free(x);
    return 0;
}

/* Routes and decodes; the result of aws_decode. */
static int send(struct exchange *x, const char *method, const char *path, const char *query,
                const struct http_header *headers, size_t header_count, const char *body)
{
    struct aws_http_request req = {str_from(method), str_from(path), str_from(query),
                                   headers,          header_count,   str_from(body)};
    struct str rejected;
    x->op = aws_route(&lambda_service, req.method, req.path, req.query, &rejected);
    assert_non_null(x->op);
    x->in = arena_try(&x->arena, x->op->input->size);
    return aws_decode(&lambda_service, AWS_REST_JSON, x->op, &req, &x->arena, x->in, &x->fault);
}

static int create(struct exchange *x, const char *body)
{
    return send(x, "POST", "/2015-03-31/functions", "", NULL, 0, body);
}

static struct str answer_header(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->answer.header_count; i++)
        if (str_eq_nocase(x->answer.headers[i].name, str_from(name)))
            return x->answer.headers[i].value;
    return STR_NONE;
}

static void fault_answer(struct exchange *x)
{
    aws_encode_fault(&lambda_service, AWS_REST_JSON, x->op, &x->fault, STR("r-1"), &x->arena,
                     &x->answer);
}

static void routes(void **state)
{
    (void) state;
    struct str rejected;
    const struct {
        const char *method, *path;
        const struct aws_operation *op;
        const char *rejected;
    } cases[] = {
        {"GET", "/2015-03-31/functions", &lambda_op_ListFunctions, NULL},
        {"GET", "/2015-03-31/functions/", &lambda_op_ListFunctions, NULL},
        {"GET", "/2015-03-31/functions/f", &lambda_op_GetFunction, NULL},
        {"GET", "/2015-03-31/functions/f/configuration", &lambda_op_GetFunctionConfiguration, NULL},
        {"POST", "/2015-03-31/functions/a%3Ab/invocations", &lambda_op_Invoke, NULL},
        {"GET", "/2017-03-31/tags/arn", &lambda_op_ListTags, NULL},
        {"GET", "/2015-03-31/event-source-mappings", NULL, "ListEventSourceMappings"},
        {"POST", "/2015-03-31/functions/f/versions", &lambda_op_PublishVersion, NULL},
        {"PATCH", "/2015-03-31/functions", NULL, NULL},
        {"GET", "/2015-03-31/functions//configuration", NULL, NULL},
        {"GET", "/2015-03-31/functions/f/configuration/x", NULL, NULL},
        {"GET", "2015-03-31/functions", NULL, NULL},
        {"GET", "", NULL, NULL},
        {"GET", "/", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct aws_operation *op = aws_route(&lambda_service, str_from(cases[i].method),
                                                   str_from(cases[i].path), STR(""), &rejected);
        if (op != cases[i].op)
            fail_msg("%s %s", cases[i].method, cases[i].path);
        assert_str(rejected, cases[i].rejected == NULL ? "" : cases[i].rejected);
    }
    assert_true(aws_route_has_path(&lambda_service, STR("/2015-03-31/functions"), STR("")));
    assert_ptr_equal(aws_operation_find(&lambda_service, STR("Invoke"), &rejected),
                     &lambda_op_Invoke);
    assert_null(aws_operation_find(&lambda_service, STR("AddPermission"), &rejected));
    assert_str(rejected, "AddPermission");
}

static void invoke_is_decoded(void **state)
{
    struct exchange *x = *state;
    const struct http_header headers[] = {
        {STR_INIT("x-amz-invocation-type"), STR_INIT("DryRun")},
        {STR_INIT("X-Amz-Log-Type"), STR_INIT("Tail")},
        {STR_INIT("Content-Type"), STR_INIT("application/x-www-form-urlencoded")}};
    assert_ok(send(x, "POST", "/2015-03-31/functions/my%2Dfn/invocations", "Qualifier=v1", headers,
                   3, "{\"a\":1}"));
    const struct lambda_InvocationRequest *in = x->in;
    assert_str(in->FunctionName, "my-fn");
    assert_str(in->Qualifier, "v1");
    assert_str(in->Payload, "{\"a\":1}");
    assert_int_equal(lambda_InvocationType_find(in->InvocationType), lambda_InvocationType_DRYRUN);
    assert_int_equal(lambda_LogType_find(in->LogType), lambda_LogType_TAIL);
    assert_null(in->ClientContext.ptr);
}

static const char full[] =
    "{\"FunctionName\":\"f\",\"Runtime\":\"python3.12\",\"Role\":\"arn:aws:iam::123456789012:role/"
    "r\""
    ",\"Handler\":\"a.b\",\"Code\":{\"ZipFile\":\"UEsDBA==\"},\"Timeout\":3,\"MemorySize\":128,"
    "\"Publish\":true,\"Unknown\":{\"x\":[1,{}]},\"Description\":null,"
    "\"Environment\":{\"Variables\":{\"AB\":\"1\",\"CD\":\"\\u00e9\",\"AB\":\"2\"}},"
    "\"Layers\":[],\"Architectures\":[\"arm64\"]}";

static void create_is_decoded(void **state)
{
    struct exchange *x = *state;
    assert_ok(create(x, full));
    const struct lambda_CreateFunctionRequest *in = x->in;
    assert_str(in->FunctionName, "f");
    assert_int_equal(lambda_Runtime_find(in->Runtime), lambda_Runtime_PYTHON3_12);
    assert_str(lambda_Runtime_text(lambda_Runtime_PYTHON3_12), "python3.12");
    assert_int_equal(in->Code->ZipFile.len, 4);
    assert_true(in->has_Timeout && in->Timeout == 3 && in->MemorySize == 128 && in->Publish);
    assert_null(in->Description.ptr);
    assert_int_equal(in->Environment->Variables.count, 2);
    assert_str(in->Environment->Variables.items[0].key, "AB");
    assert_str(in->Environment->Variables.items[0].value, "2");
    assert_str(in->Environment->Variables.items[1].value, "\xC3\xA9");
    assert_true(in->Layers.items != NULL && in->Layers.count == 0);
    assert_null(in->FileSystemConfigs.items);
    assert_str(in->Architectures.items[0], "arm64");
}

#define PREFIX "1 validation error detected: "
#define MIN    "{\"FunctionName\":\"f\",\"Code\":{},\"Role\":\"arn:aws:iam::123456789012:role/r\","

static void violations_are_told_as_lambda_does(void **state)
{
    struct exchange *x = *state;
    const struct {
        const char *body, *message;
    } cases[] = {
        {MIN "\"MemorySize\":127}",
         PREFIX "Value '127' at 'memorySize' failed to satisfy constraint: Member must have value "
                "greater than or equal to 128"},
        {MIN "\"Handler\":\"a b\"}", PREFIX
         "Value 'a b' at 'handler' failed to satisfy constraint: Member must satisfy regular "
         "expression pattern: [^\\s]+"},
        {MIN "\"PackageType\":\"Tar\"}",
         PREFIX "Value 'Tar' at 'packageType' failed to satisfy constraint: Member must satisfy "
                "enum value set: [Zip, Image]"},
        {MIN "\"Architectures\":[\"mips\",\"z80\"]}",
         "2 validation errors detected: Value '[mips, z80]' at 'architectures' failed to satisfy "
         "constraint: Member must have length less than or equal to 1; Value '[mips, z80]' at "
         "'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member "
         "must satisfy enum value set: [x86_64, arm64], Member must not be null]"},
        {MIN "\"Environment\":{\"Variables\":{\"1\":\"x\"}}}",
         PREFIX "Value at 'environment.variables' failed to satisfy constraint: Map keys must "
                "satisfy constraint: [Member must satisfy regular expression pattern: "
                "[a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]"},
        {MIN "\"FileSystemConfigs\":[{\"Arn\":\"x\",\"LocalMountPath\":\"/mnt/a\"}]}", NULL},
        {"{\"Role\":\"arn:aws:iam::123456789012:role/r\",\"Code\":{}}",
         PREFIX "Value null at 'functionName' failed to satisfy constraint: Member must not be "
                "null"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(create(x, cases[i].body), -22);
        assert_ptr_equal(x->fault.error, &aws_error_validation);
        if (cases[i].message != NULL)
            assert_str(x->fault.message, cases[i].message);
        else
            assert_true(str_starts(x->fault.message,
                                   STR(PREFIX "Value 'x' at 'fileSystemConfigs.1.member.arn' ")));
    }
    fault_answer(x);
    assert_int_equal(x->answer.status, 400);
    assert_str(answer_header(x, "x-amzn-errortype"), "ValidationException");
    assert_str(answer_header(x, "x-amzn-requestid"), "r-1");
    assert_true(str_starts(x->answer.body, STR("{\"message\":\"1 validation error")));
}

static void what_does_not_fit_is_a_serialization_exception(void **state)
{
    struct exchange *x = *state;
    const struct {
        const char *body, *message;
    } cases[] = {
        {"{\"FunctionName\":1}", "NUMBER_VALUE can not be converted to a String"},
        {"{\"Timeout\":\"3\"}", "STRING_VALUE can not be converted to an Integer"},
        {"{\"Timeout\":3000000000}", "NUMBER_VALUE can not be converted to an Integer"},
        {"{\"Timeout\":true}", "TRUE_VALUE can not be converted to an Integer"},
        {"{\"FunctionName\":{}}", "Start of structure or map found where not expected."},
        {"{\"Code\":[]}", "Start of list found where not expected."},
        {"{\"Layers\":[null]}", "NULL_VALUE can not be converted to a String"},
        {"{\"Code\":{\"ZipFile\":\"abc\"}}",
         "Base64 encoded length is expected a multiple of 4 bytes but found: 3"},
        {"{\"Code\":{\"ZipFile\":\"ab*=\"}}", "Invalid Base64 character"},
        {"[]", "Start of list found where not expected."},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(create(x, cases[i].body), -22);
        assert_ptr_equal(x->fault.error, &aws_error_serialization);
        assert_str(x->fault.message, cases[i].message);
    }
    static const char *const broken[] = {"{", "x", "{}x", "{\"a\"}", "{\"Layers\":[}", "\"\\"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        assert_int_equal(create(x, broken[i]), -22);
        assert_ptr_equal(x->fault.error, &aws_error_serialization);
    }
    fault_answer(x);
    assert_true(str_starts(x->answer.body, STR("{\"Message\":\"")));
}

static void a_request_beyond_its_memory_is_refused(void **state)
{
    struct exchange *x = *state;
    static char body[3 << 20];
    int at = snprintf(body, sizeof body, MIN "\"Layers\":[\"\"");
    while ((size_t) at < sizeof body - 100)
        at += snprintf(body + at, sizeof body - (size_t) at, ",\"\"");
    snprintf(body + at, sizeof body - (size_t) at, "]}");
    assert_int_equal(create(x, body), -22);
    assert_ptr_equal(x->fault.error, &aws_error_request_too_large);
    fault_answer(x); /* the arena is full; the answer still says what happened */
    assert_int_equal(x->answer.status, 413);
    assert_str(answer_header(x, "x-amzn-errortype"), "RequestEntityTooLargeException");
}

static void configuration_is_encoded(void **state)
{
    struct exchange *x = *state;
    struct lambda_EnvironmentVariables_entry variables[] = {{STR_INIT("A"), STR_INIT("\"\n")}};
    struct lambda_EnvironmentResponse env = {.Variables = {variables, 1}};
    struct lambda_FunctionConfiguration out = {.FunctionName = STR("f"),
                                               .has_CodeSize = true,
                                               .CodeSize = INT64_C(1) << 40,
                                               .Environment = &env};
    assert_ok(aws_encode(&lambda_service, AWS_REST_JSON, &lambda_op_CreateFunction, &out,
                         STR("r-1"), &x->arena, &x->answer));
    assert_int_equal(x->answer.status, 201);
    assert_str(answer_header(x, "content-type"), "application/json");
    assert_str(x->answer.body, "{\"FunctionName\":\"f\",\"CodeSize\":1099511627776,"
                               "\"Environment\":{\"Variables\":{\"A\":\"\\\"\\n\"}}}");
}

static void an_invocation_answers_with_its_payload(void **state)
{
    struct exchange *x = *state;
    struct lambda_InvocationResponse out = {.has_StatusCode = true,
                                            .StatusCode = 202,
                                            .Payload = STR("{}"),
                                            .FunctionError = STR("Unhandled"),
                                            .ExecutedVersion = STR("a\r\nX: split")};
    assert_ok(aws_encode(&lambda_service, AWS_REST_JSON, &lambda_op_Invoke, &out, STR(""),
                         &x->arena, &x->answer));
    assert_int_equal(x->answer.status, 202);
    assert_ptr_equal(x->answer.body.ptr, out.Payload.ptr);
    assert_str(answer_header(x, "content-type"), "application/json");
    assert_str(answer_header(x, "x-amz-function-error"), "Unhandled");
    assert_null(answer_header(x, "x-amz-executed-version").ptr);
}

static void deletion_has_no_body(void **state)
{
    struct exchange *x = *state;
    struct lambda_DeleteFunctionResponse out = {.has_StatusCode = true, .StatusCode = 204};
    assert_ok(aws_encode(&lambda_service, AWS_REST_JSON, &lambda_op_DeleteFunction, &out, STR("r"),
                         &x->arena, &x->answer));
    assert_int_equal(x->answer.status, 204);
    assert_int_equal(x->answer.body.len, 0);
    assert_null(answer_header(x, "content-type").ptr);
}

static void errors_have_the_members_of_their_shapes(void **state)
{
    struct exchange *x = *state;
    x->fault = (struct aws_fault){.error = &lambda_error_ResourceNotFoundException,
                                  .message = STR("Function not found: f")};
    fault_answer(x);
    assert_int_equal(x->answer.status, 404);
    assert_str(x->answer.body, "{\"Type\":\"User\",\"Message\":\"Function not found: f\"}");
    struct lambda_TooManyRequestsException detail = {
        .retryAfterSeconds = STR("1"), .Reason = STR("ConcurrentInvocationLimitExceeded")};
    x->fault = (struct aws_fault){.error = &lambda_error_TooManyRequestsException,
                                  .message = STR("Rate Exceeded."),
                                  .detail = &detail};
    fault_answer(x);
    assert_int_equal(x->answer.status, 429);
    assert_str(answer_header(x, "retry-after"), "1");
    assert_str(x->answer.body, "{\"Type\":\"User\",\"message\":\"Rate Exceeded.\","
                               "\"Reason\":\"ConcurrentInvocationLimitExceeded\"}");
    x->fault = (struct aws_fault){.error = &lambda_error_ServiceException, .message = STR("x")};
    fault_answer(x);
    assert_str(x->answer.body, "{\"Type\":\"Service\",\"Message\":\"x\"}");
}

/* Every pattern that Lambda's tables reach is inside the subset of data/pattern.h. */
static void compile_patterns(const struct aws_shape *shape, unsigned depth, unsigned *count)
{
    if (shape == NULL || depth > 6)
        return;
    if (shape->pattern != NULL) {
        struct pattern *pattern = NULL;
        struct err err;
        const struct aws_pattern *have = shape->pattern;
        if (pattern_new(have->matches.ptr != NULL ? have->matches : have->source, &pattern, &err) <
            0)
            fail_msg(STR_FMT ": %s", STR_ARG(shape->pattern->source), err.text);
        pattern_free(pattern);
        ++*count;
    }
    for (uint32_t i = 0; i < shape->member_count; i++)
        compile_patterns(shape->members[i].shape, depth + 1, count);
}

static void all_patterns_compile(void **state)
{
    (void) state;
    unsigned count = 0;
    for (uint32_t i = 0; i < lambda_service.operation_count; i++)
        compile_patterns(lambda_service.operations[i]->input, 0, &count);
    assert_true(count > 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(routes),
        TEST(invoke_is_decoded),
        TEST(create_is_decoded),
        TEST(violations_are_told_as_lambda_does),
        TEST(what_does_not_fit_is_a_serialization_exception),
        TEST(a_request_beyond_its_memory_is_refused),
        TEST(configuration_is_encoded),
        TEST(an_invocation_answers_with_its_payload),
        TEST(deletion_has_no_body),
        TEST(errors_have_the_members_of_their_shapes),
        TEST(all_patterns_compile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
