/* The lambda service's decisions, and AWS's words for each refusal. */
#include "test.h"

#include "base/mem.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/languages.h"
#include "services/lambda/rules.h"

static struct arena arena;
static const struct service_op invoke_def = {.model = &lambda_op_Invoke};

static struct op op_make(void)
{
    arena_reset(&arena);
    return (struct op){
        .caller = {.account = STR("123456789012"),
                   .region = STR("us-east-1"),
                   .principal = STR("arn:aws:iam::123456789012:root")},
        .request_id = STR("r"),
        .arena = &arena,
        .def = &invoke_def,
    };
}

static int setup(void **state)
{
    (void) state;
    arena_init(&arena, 32 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    arena_done(&arena);
    return 0;
}

static void expect_fault(const struct op *op, int rc, const char *code, const char *message)
{
    if (rc == 0)
        fail_msg("was accepted, not refused with %s", code);
    assert_str(op->fault.error->code, code);
    if (!str_eq(op->fault.message, str_from(message)))
        fail_msg("\"" STR_FMT "\"\n is not\n\"%s\"", STR_ARG(op->fault.message), message);
}

#define ARN "arn:aws:lambda:us-east-1:123456789012:function:"

static void names_in_every_form(void **state)
{
    (void) state;
    static const struct {
        const char *text, *qualifier, *name, *resolved;
    } cases[] = {
        {"fn", NULL, "fn", NULL},
        {"fn:$LATEST", NULL, "fn", "$LATEST"},
        {"fn:live", "live", "fn", "live"},
        {"fn", "7", "fn", "7"},
        {"function:fn", NULL, "fn", NULL},
        {"123456789012:function:fn", NULL, "fn", NULL},
        {"123456789012:fn", NULL, "fn", NULL},
        {"123456789012:function:fn:1", NULL, "fn", "1"},
        {"us-east-1:123456789012:function:fn", NULL, "fn", NULL},
        {ARN "fn", NULL, "fn", NULL},
        {ARN "fn:$LATEST", "$LATEST", "fn", "$LATEST"},
        {"us-east-1", NULL, "us-east-1", NULL},
        {"123456789012", NULL, "123456789012", NULL},
        {"function", NULL, "function", NULL},
        {"us-east-12", NULL, "us-east-12", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct op op = op_make();
        struct lambda_target target;
        int rc =
            lambda_resolve(&op, str_from(cases[i].text), str_from(cases[i].qualifier), &target);
        if (rc < 0)
            fail_msg("%s: " STR_FMT, cases[i].text, STR_ARG(op.fault.message));
        assert_str(target.name, cases[i].name);
        assert_true(str_eq(target.qualifier, str_from(cases[i].resolved)));
        assert_int_equal(target.arn.len, strlen(ARN) + target.name.len);
        assert_true(str_starts(target.arn, STR(ARN)));
    }
}

static void names_that_mean_somebody_else(void **state)
{
    (void) state;
    struct lambda_target target;
    struct op op = op_make();
    expect_fault(&op,
                 lambda_resolve(&op, STR("arn:aws:lambda:eu-west-1:123456789012:function:fn"),
                                STR_NONE, &target),
                 "ResourceNotFoundException",
                 "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')");
    op = op_make();
    expect_fault(&op, lambda_resolve(&op, STR("210987654321:function:fn"), STR_NONE, &target),
                 "AccessDeniedException",
                 "User: arn:aws:iam::123456789012:root is not authorized to perform: "
                 "lambda:Invoke on resource: 210987654321:function:fn because no resource-based "
                 "policy allows the lambda:Invoke action");
    op = op_make();
    expect_fault(&op, lambda_resolve(&op, STR("fn:1"), STR("2"), &target),
                 "InvalidParameterValueException",
                 "The derived qualifier from the function name does not match the specified "
                 "qualifier.");
    static const char *const broken[] = {
        "",  "a:b:c",     "fn:", "arn:aws:s3:us-east-1:123456789012:x", "arn:aws:lambda",
        ARN, ARN "a:b:c", ":"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        op = op_make();
        if (lambda_resolve(&op, str_from(broken[i]), STR_NONE, &target) == 0)
            fail_msg("'%s' was taken for " STR_FMT, broken[i], STR_ARG(target.name));
        assert_str(op.fault.error->code, "ValidationException");
    }
}

static void what_is_not_there_is_named(void **state)
{
    (void) state;
    struct op op = op_make();
    struct lambda_target target;
    assert_ok(lambda_resolve(&op, STR("fn"), STR_NONE, &target));
    expect_fault(&op, lambda_not_found(&op, &target), "ResourceNotFoundException",
                 "Function not found: " ARN "fn");
    assert_ok(lambda_resolve(&op, STR("fn:7"), STR_NONE, &target));
    expect_fault(&op, lambda_not_found(&op, &target), "ResourceNotFoundException",
                 "Function not found: " ARN "fn:7");
    expect_fault(&op, lambda_check_latest(&op, &target), "InvalidParameterValueException",
                 "Current operation does not support versions other than $LATEST. Please set the "
                 "version to $LATEST or do not set a version in your request.");
}

static void runtimes(void **state)
{
    (void) state;
    static const char *const good[] = {
        "python3.8",  "python3.9", "python3.12",   "python3.13",      "nodejs16.x", "nodejs20.x",
        "nodejs24.x", "provided",  "provided.al2", "provided.al2023", "ruby3.2",    "ruby3.4",
        "ruby4.0",    "java8.al2", "java11",       "java25"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct op op = op_make();
        assert_ok(lambda_check_runtime(&op, str_from(good[i])));
    }
    struct op op = op_make();
    assert_int_equal(lambda_check_runtime(&op, STR("python9.9")), OP_FAILED);
    assert_str(op.fault.error->code, "InvalidParameterValueException");
    assert_true(str_starts(op.fault.message,
                           STR("Value python9.9 at 'runtime' failed to satisfy constraint: Member "
                               "must satisfy enum value set: [")));
    assert_true(str_ends(op.fault.message, STR("] or be a valid ARN")));
    assert_true(str_find_str(op.fault.message, STR("python3.12")) < op.fault.message.len);
    op = op_make();
    expect_fault(&op, lambda_check_runtime(&op, STR("python3.7")), "InvalidParameterValueException",
                 "The runtime parameter of python3.7 is no longer supported for creating or "
                 "updating AWS Lambda functions. We recommend you use the new runtime "
                 "(python3.12) while creating or updating functions.");
    op = op_make();
    static const char *const old[] = {"nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs14.x"};
    for (size_t i = 0; i < ARRAY_LEN(old); i++) {
        op = op_make();
        assert_int_equal(lambda_check_runtime(&op, str_from(old[i])), OP_FAILED);
        assert_true(str_find_str(op.fault.message, STR("the new runtime (nodejs22.x)")) <
                    op.fault.message.len);
    }
    op = op_make();
    expect_fault(&op, lambda_check_runtime(&op, STR("go1.x")), "InvalidParameterValueException",
                 "The runtime parameter of go1.x is no longer supported for creating or updating "
                 "AWS Lambda functions. We recommend you use the new runtime (provided.al2023) "
                 "while creating or updating functions.");
    static const char *const dotnet[] = {"dotnetcore3.1", "dotnet6", "dotnet8", "dotnet10"};
    for (size_t i = 0; i < ARRAY_LEN(dotnet); i++) {
        op = op_make();
        assert_int_equal(lambda_check_runtime(&op, str_from(dotnet[i])), OP_FAILED);
        assert_true(str_starts(op.fault.message, STR("Virga does not run dotnet")));
        assert_true(str_ends(op.fault.message, STR("use the runtime provided.al2023.")));
    }
    assert_int_equal(lambda_runtime_kind(STR("python3.9")), RUNTIME_PYTHON);
    assert_int_equal(lambda_runtime_kind(STR("nodejs22.x")), RUNTIME_NODE);
    assert_int_equal(lambda_runtime_kind(STR("ruby3.3")), RUNTIME_RUBY);
    assert_int_equal(lambda_runtime_kind(STR("java8.al2")), RUNTIME_JAVA);
    assert_int_equal(lambda_runtime_kind(STR("provided.al2023")), RUNTIME_PROVIDED);
}

static void runtimes_of_a_host(void **state)
{
    (void) state;
    static const struct interpreters host = {
        .items = {{INTERPRETER_PYTHON, 311, true, "/usr/bin/python3.11"},
                  {INTERPRETER_JAVA, 1700, true, "/usr/lib/jvm/a/bin/java"},
                  {INTERPRETER_JAVA, 2500, false, "/usr/lib/jvm/b/bin/java"}},
        .count = 3};
    struct lambda_state lambda = {.interpreters = &host};
    struct op op = op_make();
    op.state = &lambda;
    assert_ok(lambda_check_runtime(&op, STR("python3.12")));
    assert_ok(lambda_check_runtime(&op, STR("provided.al2023")));
    expect_fault(&op, lambda_check_runtime(&op, STR("ruby3.3")), "InvalidParameterValueException",
                 "ruby3.3 functions need Ruby 3.3 or another version of it, and this Virga has "
                 "none. Install Debian's package ruby and restart Virga, or use the runtime "
                 "provided.al2023 and bring an interpreter along.");
    lambda.is_strict = true;
    op = op_make();
    op.state = &lambda;
    assert_ok(lambda_check_runtime(&op, STR("python3.11")));
    expect_fault(&op, lambda_check_runtime(&op, STR("java21")), "InvalidParameterValueException",
                 "Java 21 is not installed on this host, and in strict mode no other version "
                 "stands in for java21. Installed is Java 25.");
    assert_null(lambda_runtime_program(&host, STR("python3.12")));
    assert_string_equal(lambda_runtime_program(&host, STR("java21")), "/usr/lib/jvm/b/bin/java");
    assert_null(lambda_runtime_program(&host, STR("java11")));
    assert_null(lambda_runtime_program(NULL, STR("java21")));
    assert_str(lambda_runtime_note(op.arena, &host, STR("python3.12")),
               "Python 3.12 is not installed on this host: Python 3.11 runs the function.");
    assert_str(lambda_runtime_note(op.arena, &host, STR("nodejs20.x")),
               "Node.js 20 is not installed on this host: the function cannot run.");
    assert_null(lambda_runtime_note(op.arena, &host, STR("python3.11")).ptr);
    assert_null(lambda_runtime_note(op.arena, NULL, STR("python3.12")).ptr);
}

static int check_env(struct op *op, const char *key, struct str value)
{
    struct lambda_EnvironmentVariables_entry entries[] = {{.key = STR("A"), .value = STR("1")},
                                                          {.key = str_from(key), .value = value}};
    const struct lambda_Environment env = {.Variables = {entries, ARRAY_LEN(entries)}};
    return lambda_check_environment(op, &env);
}

static void environments(void **state)
{
    (void) state;
    static char big[5000];
    memset(big, 'x', sizeof big);
    struct op op = op_make();
    /* {"A":"1","B":"…"} is 16 bytes longer than the value. */
    assert_ok(check_env(&op, "B", str_of(big, 4096 - 16)));
    assert_int_equal(check_env(&op, "B", str_of(big, 4096 - 15)), OP_FAILED);
    assert_str(op.fault.error->code, "InvalidParameterValueException");
    assert_true(str_starts(
        op.fault.message,
        STR("Lambda was unable to configure your environment variables because the environment "
            "variables you have provided exceeded the 4KB limit. String measured: {\"A\":\"1\",")));
    op = op_make();
    expect_fault(&op, check_env(&op, "AWS_REGION", STR("x")), "InvalidParameterValueException",
                 "Lambda was unable to configure your environment variables because the "
                 "environment variables you have provided contains reserved keys that are "
                 "currently not supported for modification. Reserved keys used in this request: "
                 "AWS_REGION");
    op = op_make();
    expect_fault(&op, check_env(&op, "B", str_of("a\0b", 3)), "InvalidParameterValueException",
                 "Environment variables cannot contain NUL characters.");
    op = op_make();
    assert_ok(check_env(&op, "PATH", STR("/opt/bin"))); /* may be overridden */
}

static void expect_unsupported(const struct lambda_settings *settings, const char *member)
{
    struct op op = op_make();
    char text[200];
    (void) snprintf(text, sizeof text, "Virga does not support %s yet.", member);
    expect_fault(&op, lambda_check_settings(&op, settings), "InvalidParameterValueException", text);
}

static void members_that_we_do_not_act_upon(void **state)
{
    (void) state;
    struct str subnet = STR("subnet-1");
    const struct lambda_VpcConfig vpc = {.SubnetIds = {&subnet, 1}}, no_vpc = {0};
    const struct lambda_DeadLetterConfig dlq = {.TargetArn = STR("arn:x")}, no_dlq = {STR("")};
    const struct lambda_ImageConfig image = {0};
    const struct lambda_CapacityProviderConfig capacity = {0};
    const struct lambda_DurableConfig durable = {0};
    expect_unsupported(&(struct lambda_settings){.vpc = &vpc}, "VpcConfig");
    expect_unsupported(&(struct lambda_settings){.dead_letter = &dlq}, "DeadLetterConfig");
    expect_unsupported(&(struct lambda_settings){.kms_key = STR("arn:x")}, "KMSKeyArn");
    expect_unsupported(&(struct lambda_settings){.file_system_count = 1}, "FileSystemConfigs");
    expect_unsupported(&(struct lambda_settings){.image = &image}, "ImageConfig");
    expect_unsupported(&(struct lambda_settings){.capacity = &capacity}, "CapacityProviderConfig");
    expect_unsupported(&(struct lambda_settings){.durable = &durable}, "DurableConfig");
    struct op op = op_make(); /* empty ones ask for nothing */
    assert_ok(lambda_check_settings(
        &op,
        &(struct lambda_settings){.vpc = &no_vpc, .dead_letter = &no_dlq, .kms_key = STR("")}));
}

static void log_levels_belong_to_json(void **state)
{
    (void) state;
    const struct lambda_LoggingConfig json = {.LogFormat = STR("JSON")},
                                      text = {.LogFormat = STR("Text")},
                                      level = {.SystemLogLevel = STR("DEBUG")};
    struct op op = op_make();
    struct lambda_row row = {.memory_mb = 128};
    expect_fault(
        &op, lambda_apply_settings(&op, &(struct lambda_settings){.logging = &level}, &row),
        "InvalidParameterValueException",
        "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from "
        "your request or change the LogFormat to \"Json\" and try again.");
    op = op_make();
    assert_ok(lambda_apply_settings(&op, &(struct lambda_settings){.logging = &json}, &row));
    assert_str(row.app_log_level, "INFO");
    assert_str(row.system_log_level, "INFO");
    assert_ok(lambda_apply_settings(&op, &(struct lambda_settings){.logging = &level}, &row));
    assert_str(row.app_log_level, "INFO");
    assert_str(row.system_log_level, "DEBUG");
    assert_ok(lambda_apply_settings(&op, &(struct lambda_settings){.logging = &text}, &row));
    assert_null(row.system_log_level.ptr);
}

static void numbers_beyond_the_model(void **state)
{
    (void) state;
    struct op op = op_make();
    expect_fault(&op,
                 lambda_check_settings(
                     &op, &(struct lambda_settings){.has_timeout = true, .timeout_s = 901}),
                 "ValidationException",
                 "1 validation error detected: Value '901' at 'timeout' failed to satisfy "
                 "constraint: Member must have value less than or equal to 900");
    op = op_make();
    expect_fault(&op,
                 lambda_check_settings(
                     &op, &(struct lambda_settings){.has_memory = true, .memory_mb = 10241}),
                 "InvalidParameterValueException",
                 "'MemorySize' value failed to satisfy constraint: Member must have value less "
                 "than or equal to 10240");
}

static void code_sources(void **state)
{
    (void) state;
    struct op op = op_make();
    assert_ok(lambda_check_code(&op, &(struct lambda_FunctionCode){.ZipFile = STR("PK")}));
    expect_fault(&op, lambda_check_code(&op, NULL), "InvalidParameterValueException",
                 "Please provide a source for function code.");
    expect_fault(&op, lambda_check_code(&op, &(struct lambda_FunctionCode){.ZipFile = STR("")}),
                 "InvalidParameterValueException", "Uploaded file must be a non-empty zip");
    expect_fault(
        &op, lambda_check_code(&op, &(struct lambda_FunctionCode){.ZipFile = {"PK", 52428801}}),
        "InvalidParameterValueException", "Zipped size must be smaller than 52428800 bytes");
    expect_fault(&op, lambda_check_code(&op, &(struct lambda_FunctionCode){.S3Bucket = STR("b")}),
                 "InvalidParameterValueException",
                 "Virga does not support code in S3 (S3Bucket, S3Key, S3ObjectVersion) yet.");
}

static void payloads(void **state)
{
    (void) state;
    struct op op = op_make();
    assert_ok(lambda_check_payload(&op, STR("")));
    assert_ok(lambda_check_payload(&op, STR(" {\"a\": [1, null]} ")));
    assert_ok(lambda_check_payload(&op, STR("\"text\"")));
    assert_ok(lambda_check_payload(&op, STR("{\"\\uDC00\": \"\\ud800\"}")));
    expect_fault(&op, lambda_check_payload(&op, STR("Dx")), "InvalidRequestContentException",
                 "Could not parse request body into json: Could not parse payload into json: "
                 "Unexpected character ('D' (code 68)): expected a valid value (JSON String, "
                 "Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: "
                 "(byte[])\"Dx\"; line: 1, column: 1]");
    expect_fault(&op, lambda_check_payload(&op, STR("[1")), "InvalidRequestContentException",
                 "Could not parse request body into json: Could not parse payload into json: "
                 "Unexpected end-of-input\n at [Source: (byte[])\"[1\"; line: 1, column: 3]");
    expect_fault(&op, lambda_check_payload(&op, (struct str){"\"", LAMBDA_PAYLOAD_MAX + 1}),
                 "RequestEntityTooLargeException",
                 "Request must be smaller than 6291456 bytes for the InvokeFunction operation");
}

static void client_contexts(void **state)
{
    (void) state;
    struct op op = op_make();
    struct str json = STR("untouched");
    assert_ok(lambda_check_client_context(&op, STR("eyJhIjoxfQ=="), &json));
    assert_str(json, "{\"a\":1}");
    assert_ok(lambda_check_client_context(&op, STR_NONE, &json));
    assert_null(json.ptr);
    static const char *const bad[] = {"", "!", "MTIz" /* 123 */, "eyJh" /* {"a */};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        op = op_make();
        expect_fault(&op, lambda_check_client_context(&op, str_from(bad[i]), &json),
                     "InvalidRequestContentException",
                     "Client context must be a valid Base64-encoded JSON object of at most 3583 "
                     "bytes.");
    }
}

static void layers_of_a_row(void **state)
{
    (void) state;
    struct lambda_layer two[] = {{STR("arn:a:1"), STR("aa"), 7, 200000000},
                                 {STR("arn:b:12"), STR("bb"), 8, 62144000}};
    struct lambda_layer read[LAYERS_MAX];
    struct op op = op_make();
    struct str text = layers_format(&arena, two, 2);
    assert_int_equal(layers_parse(text, read), 2);
    assert_str(read[1].arn, "arn:b:12");
    assert_str(read[1].code_sha256, "bb");
    assert_int_equal(read[1].code_size, 8);
    assert_int_equal(read[1].unzipped_size, 62144000);
    assert_int_equal(layers_parse(STR_NONE, read), 0);
    struct lambda_row row = {.layers = text, .unzipped_size = 0};
    assert_ok(lambda_check_unzipped(&op, &row));
    row.unzipped_size = 1;
    expect_fault(&op, lambda_check_unzipped(&op, &row), "InvalidParameterValueException",
                 "Function code combined with layers exceeds the maximum allowed size of 262144000 "
                 "bytes. The actual size is 262144001 bytes.");
}

static void snap_start_is_for_some_runtimes(void **state)
{
    (void) state;
    const struct lambda_SnapStart on = {.ApplyOn = STR("PublishedVersions")},
                                  off = {.ApplyOn = STR("None")};
    struct lambda_row row = {.runtime = STR("python3.12")};
    struct op op = op_make();
    assert_ok(lambda_apply_settings(&op, &(struct lambda_settings){.snap_start = &on}, &row));
    assert_true(row.is_snap_start);
    assert_ok(lambda_apply_settings(&op, &(struct lambda_settings){.has_timeout = true}, &row));
    assert_true(row.is_snap_start);
    expect_fault(&op,
                 lambda_apply_settings(
                     &op, &(struct lambda_settings){.runtime = STR("provided.al2023")}, &row),
                 "InvalidParameterValueException",
                 "provided.al2023 is not supported for SnapStart enabled functions.");
    assert_ok(lambda_apply_settings(&op, &(struct lambda_settings){.snap_start = &off}, &row));
    assert_false(row.is_snap_start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_every_form),
        cmocka_unit_test(names_that_mean_somebody_else),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(runtimes),
        cmocka_unit_test(runtimes_of_a_host),
        cmocka_unit_test(environments),
        cmocka_unit_test(members_that_we_do_not_act_upon),
        cmocka_unit_test(snap_start_is_for_some_runtimes),
        cmocka_unit_test(numbers_beyond_the_model),
        cmocka_unit_test(log_levels_belong_to_json),
        cmocka_unit_test(code_sources),
        cmocka_unit_test(payloads),
        cmocka_unit_test(client_contexts),
        cmocka_unit_test(layers_of_a_row),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
