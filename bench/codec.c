/* What the wire engine costs: route, decode, validate and encode of an invocation and of a
 * CreateFunction with its configuration as the answer; and the rate at which function code in a
 * request becomes bytes. One thread, warm caches, the best of several rounds.
 *
 * usage: bench_codec        prints one line a case: name, nanoseconds per request */
#include "aws/wire.h"
#include "base/assert.h"
#include "gen/lambda.h"

#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7, REPEAT = 20000, CODE_BYTES = 50 << 20 };

static const char create_body[] =
    "{\"FunctionName\":\"thumbnail\",\"Runtime\":\"python3.12\","
    "\"Role\":\"arn:aws:iam::123456789012:role/lambda-role\",\"Handler\":\"app.handler\","
    "\"Code\":{\"ZipFile\":\"UEsDBBQAAAAIAA==\"},\"Description\":\"makes "
    "thumbnails\",\"Timeout\":30,"
    "\"MemorySize\":512,\"Publish\":false,\"Environment\":{\"Variables\":{\"BUCKET\":\"pictures\","
    "\"SIZE\":\"128\"}},\"Tags\":{\"team\":\"media\"},\"Architectures\":[\"x86_64\"],"
    "\"EphemeralStorage\":{\"Size\":512},\"TracingConfig\":{\"Mode\":\"PassThrough\"}}";

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void *decode(const struct aws_http_request *req, const struct aws_operation **out_op,
                    struct arena *arena)
{
    struct str rejected;
    struct aws_fault fault;
    const struct aws_operation *op =
        aws_route(&lambda_service, req->method, req->path, req->query, &rejected);
    assert(op != NULL);
    void *in = arena_alloc(arena, op->input->size);
    assert(aws_decode(&lambda_service, AWS_REST_JSON, op, req, arena, in, &fault) == 0);
    *out_op = op;
    return in;
}

static void encode(const struct aws_operation *op, const void *out, struct arena *arena)
{
    struct aws_http_answer answer;
    assert(aws_encode(&lambda_service, AWS_REST_JSON, op, out, STR("request-id"), arena, &answer) ==
           0);
}

static void invoke(struct arena *arena)
{
    static const struct http_header headers[] = {
        {STR_INIT("host"), STR_INIT("127.0.0.1:4566")},
        {STR_INIT("x-amz-invocation-type"), STR_INIT("RequestResponse")},
        {STR_INIT("content-length"), STR_INIT("7")}};
    static const struct aws_http_request req = {
        STR_INIT("POST"),
        STR_INIT("/2015-03-31/functions/thumbnail/invocations"),
        STR_INIT(""),
        headers,
        3,
        STR_INIT("{\"a\":1}")};
    const struct aws_operation *op;
    const struct lambda_InvocationRequest *in = decode(&req, &op, arena);
    struct lambda_InvocationResponse out = {.has_StatusCode = true,
                                            .StatusCode = 200,
                                            .Payload = in->Payload,
                                            .ExecutedVersion = STR("$LATEST")};
    encode(op, &out, arena);
}

static void create(struct arena *arena)
{
    static const struct aws_http_request req = {STR_INIT("POST"),
                                                STR_INIT("/2015-03-31/functions"),
                                                STR_INIT(""),
                                                NULL,
                                                0,
                                                {create_body, sizeof create_body - 1}};
    const struct aws_operation *op;
    const struct lambda_CreateFunctionRequest *in = decode(&req, &op, arena);
    struct lambda_EnvironmentVariables_entry variables[2];
    assert(in->Environment->Variables.count == 2);
    memcpy(variables, in->Environment->Variables.items, sizeof variables);
    struct lambda_EnvironmentResponse env = {.Variables = {variables, 2}};
    struct lambda_FunctionConfiguration out = {
        .FunctionName = in->FunctionName,
        .FunctionArn = STR("arn:aws:lambda:us-east-1:123456789012:function:thumbnail"),
        .Runtime = in->Runtime,
        .Role = in->Role,
        .Handler = in->Handler,
        .Description = in->Description,
        .has_Timeout = true,
        .Timeout = in->Timeout,
        .has_MemorySize = true,
        .MemorySize = in->MemorySize,
        .has_CodeSize = true,
        .CodeSize = 12345,
        .LastModified = STR("2026-11-20T21:40:00.123+0000"),
        .CodeSha256 = STR("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        .Version = STR("$LATEST"),
        .Environment = &env,
        .State = STR("Active"),
        .Architectures = in->Architectures};
    encode(op, &out, arena);
}

static void measure(const char *name, void (*run)(struct arena *arena))
{
    double best = 1e18;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = now_ns();
        for (int i = 0; i < REPEAT; i++) {
            run(&arena);
            arena_reset(&arena);
        }
        double each = (double) (now_ns() - start) / REPEAT;
        best = each < best ? each : best;
    }
    printf("%-16s %8.0f ns\n", name, best);
}

static void measure_code(void)
{
    static const char head[] =
        "{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::123456789012:role/r\","
        "\"Code\":{\"ZipFile\":\"";
    size_t text = CODE_BYTES / 3 * 4, len = sizeof head - 1 + text + 3;
    AUTO_FREE char *body = malloc(len);
    assert(body != NULL);
    memcpy(body, head, sizeof head - 1);
    memset(body + sizeof head - 1, 'A', text);
    memcpy(body + len - 3, "\"}}", 3);
    const struct aws_http_request req = {
        STR("POST"), STR("/2015-03-31/functions"), STR(""), NULL, 0, {body, len}};
    double best = 1e18;
    for (int round = 0; round < 3; round++) {
        AUTO_ARENA struct arena arena;
        const struct aws_operation *op;
        arena_init(&arena, 100 << 20);
        int64_t start = now_ns();
        (void) decode(&req, &op, &arena);
        double took = (double) (now_ns() - start);
        best = took < best ? took : best;
    }
    printf("%-16s %8.1f ms for %d MB of code\n", "CreateFunction", best / 1e6, CODE_BYTES >> 20);
}

int main(void)
{
    measure("Invoke", invoke);
    measure("CreateFunction", create);
    measure_code();
    return 0;
}
