/* rest-json: no request crashes the decoder, and what it takes is stable: a body that was decoded
 * and encoded decodes to what encodes to the same bytes. The first byte chooses the operation;
 * path, query, one header and the body follow, separated by NUL. */
#include "aws/wire.h"
#include "base/assert.h"
#include "gen/lambda.h"
#include "gen/zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ARENA_MAX = 8 << 20 };

static bool decode(const struct aws_service *service, const struct aws_operation *op,
                   const struct aws_http_request *req, struct arena *arena, void **out_input)
{
    struct aws_fault fault = {.error = NULL};
    *out_input = arena_try(arena, op->input == NULL ? 1 : op->input->size);
    if (*out_input == NULL)
        return false;
    if (aws_decode(service, AWS_REST_JSON, op, req, arena, *out_input, &fault) == 0)
        return true;
    assert(fault.error != NULL && fault.message.ptr != NULL);
    struct aws_http_answer answer;
    aws_encode_fault(service, AWS_REST_JSON, op, &fault, STR("id"), arena, &answer);
    assert(answer.status >= 400);
    return false;
}

static void mirror(struct str body)
{
    struct aws_http_request req = {.method = STR("POST"), .path = STR("/mirror"), .body = body};
    struct aws_http_answer answers[2];
    AUTO_ARENA struct arena arena;
    void *value;
    arena_init(&arena, ARENA_MAX);
    for (int i = 0; i < 2; i++) {
        if (!decode(&zoo_service, &zoo_op_Mirror, &req, &arena, &value)) {
            assert(i == 0 || arena_is_over(&arena) || arena.used_bytes > ARENA_MAX / 4);
            return;
        }
        if (aws_encode(&zoo_service, AWS_REST_JSON, &zoo_op_Mirror, value, STR("id"), &arena,
                       &answers[i]) < 0)
            return;
        req.body = answers[i].body;
    }
    assert(str_eq(answers[0].body, answers[1].body));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct str rest = str_of(bytes + 1, size - 1), parts[5] = {{NULL, 0}};
    mirror(rest);
    for (size_t i = 0; i < 4 && str_split(&rest, '\0', &parts[i]); i++)
        ;
    parts[4] = rest.ptr == NULL ? STR("") : rest;
    const struct aws_service *service = bytes[0] & 1 ? &zoo_service : &lambda_service;
    const struct aws_operation *op =
        service->operations[(bytes[0] >> 1) % service->operation_count];
    struct http_header header = {parts[2], parts[3]};
    struct aws_http_request req = {op->method,           parts[0], parts[1], &header,
                                   parts[3].ptr != NULL, parts[4]};
    struct str rejected;
    (void) aws_route(service, op->method, parts[0], parts[1], &rejected); /* must not crash */
    AUTO_ARENA struct arena arena;
    void *value;
    arena_init(&arena, ARENA_MAX);
    (void) decode(service, op, &req, &arena, &value);
    return 0;
}
