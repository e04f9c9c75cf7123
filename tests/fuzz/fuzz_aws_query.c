/* Query: no form crashes the decoder, and what it takes can be written as XML. */
#include "aws/wire.h"
#include "base/assert.h"
#include "gen/zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct aws_http_request req = {
        .method = STR("POST"), .path = STR("/"), .body = str_of(bytes, size)};
    struct aws_fault fault = {.error = NULL};
    struct aws_http_answer answer;
    struct str rejected;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 8 << 20);
    (void) aws_dispatch(&zoo_service, AWS_QUERY, &req, &arena, &rejected); /* must not crash */
    void *value = arena_try(&arena, zoo_op_Mirror.input->size);
    if (value == NULL)
        return 0;
    if (aws_decode(&zoo_service, AWS_QUERY, &zoo_op_Mirror, &req, &arena, value, &fault) < 0) {
        assert(fault.error != NULL);
        aws_encode_fault(&zoo_service, AWS_QUERY, NULL, &fault, STR("id"), &arena, &answer);
        assert(answer.status >= 400);
        return 0;
    }
    if (aws_encode(&zoo_service, AWS_QUERY, &zoo_op_Mirror, value, STR("id"), &arena, &answer) == 0)
        assert(str_starts(answer.body, STR("<MirrorResponse xmlns=\"https://zoo.example/doc/\">")));
    return 0;
}
