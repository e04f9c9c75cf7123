/* CBOR: no bytes crash the decoder, and what was decoded and encoded once decodes to what
 * encodes to the same bytes. */
#include "aws/wire.h"
#include "base/assert.h"
#include "gen/zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct aws_http_request req = {.method = STR("POST"),
                                   .path = STR("/service/Zoo_20200101/operation/Mirror"),
                                   .body = str_of(bytes, size)};
    struct aws_http_answer answers[2];
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 16 << 20);
    for (int i = 0; i < 2; i++) {
        struct aws_fault fault = {.error = NULL};
        void *value = arena_try(&arena, zoo_op_Mirror.input->size);
        if (value == NULL)
            return 0;
        if (aws_decode(&zoo_service, AWS_CBOR, &zoo_op_Mirror, &req, &arena, value, &fault) < 0) {
            assert(fault.error != NULL);
            assert(i == 0 || fault.error == &aws_error_request_too_large);
            return 0;
        }
        if (aws_encode(&zoo_service, AWS_CBOR, &zoo_op_Mirror, value, STR("id"), &arena,
                       &answers[i]) < 0)
            return 0;
        req.body = answers[i].body;
    }
    assert(str_eq(answers[0].body, answers[1].body));
    return 0;
}
