#pragma once
/* The wire engine: HTTP request -> operation and input; output or fault -> HTTP answer. Pure: bytes
 * and tables in, values out; no sockets, no clock. thread: any, one request at a time.
 *
 * A decode that fails fills the fault with AWS's own code, status and message; encoding a fault
 * cannot fail. */
#include "aws/model.h"
#include "base/arena.h"
#include "base/buf.h"
#include "data/header.h"

struct aws_http_request {
    struct str method, path, query; /* as received, still encoded */
    const struct http_header *headers;
    size_t header_count;
    struct str body;
};

enum { AWS_HEADERS_MAX = 48 };

struct aws_http_answer {
    int status;
    struct http_header headers[AWS_HEADERS_MAX]; /* names literal, values in the arena */
    size_t header_count;
    struct str body; /* in the arena, or the payload member itself, not copied */
};

/* True when the room speaks that protocol. */
bool aws_has_protocol(enum aws_protocol protocol);

/* One violated constraint, as Smithy's servers list them. */
struct aws_violation {
    struct str path, message;
};

struct aws_fault {
    const struct aws_error *error; /* NULL: none */
    struct str message;
    const void *detail; /* NULL, or the error's C struct (further members); message wins over its */
    const struct aws_violation *violations; /* of aws_error_validation; NULL: none */
    size_t violation_count;
    struct str resource; /* the request's path, which S3's errors tell; ptr NULL: not known */
};

/* Errors that every service shares, from the AWS "Common Errors" pages. */
extern const struct aws_error aws_error_unknown_operation, aws_error_serialization,
    aws_error_validation, aws_error_internal, aws_error_throttling, aws_error_request_too_large,
    aws_error_access_denied, aws_error_not_implemented, aws_error_unsupported_media_type,
    aws_error_not_acceptable, aws_error_malformed_xml, aws_error_missing_action;
/* An operation that the service lacks: 404 where the path names it, 400 where the request does. */
const struct aws_error *aws_error_unknown(enum aws_protocol protocol);

/* A virtual-host request of S3 as one by path: "bucket.s3.eu-west-1.amazonaws.com" and "/key" make
 * "/bucket/key". The path itself when the host names no bucket; ptr NULL: over the arena's limit.
 */
struct str aws_s3_path(struct str host, struct str path, struct arena *arena);

/* The REST operation for method and path; label values are cut out at decode. NULL and
 * *out_rejected: a known operation that we do not support; NULL without: no such route. */
const struct aws_operation *aws_route(const struct aws_service *service, struct str method,
                                      struct str path, struct str query, struct str *out_rejected);
/* True when some operation has that path, whatever its method: the answer is then 405, not 404. */
bool aws_route_has_path(const struct aws_service *service, struct str path, struct str query);
/* The operation of that name (X-Amz-Target, Action); same rules. */
const struct aws_operation *aws_operation_find(const struct aws_service *service, struct str name,
                                               struct str *out_rejected);

/* Takes "…/service/NAME/operation/NAME" apart, CBOR's path; NAME of the service is its target
 * prefix. False: another path. */
bool aws_cbor_path(struct str path, struct str *out_service, struct str *out_operation);

/* The operation that a request of that protocol names, by whichever of the two applies. */
const struct aws_operation *aws_dispatch(const struct aws_service *service,
                                         enum aws_protocol protocol,
                                         const struct aws_http_request *req, struct arena *arena,
                                         struct str *out_rejected);

/* Decodes and validates the input into out_input (op->input->size zeroed bytes). Returns 0, or
 * -EINVAL with *out_fault filled. */
CHECK_RESULT int aws_decode(const struct aws_service *service, enum aws_protocol protocol,
                            const struct aws_operation *op, const struct aws_http_request *req,
                            struct arena *arena, void *out_input, struct aws_fault *out_fault);

/* Encodes an output; when it is an event stream, its head and first bytes (aws/eventstream.h).
 * -E2BIG: larger than the arena allows. */
CHECK_RESULT int aws_encode(const struct aws_service *service, enum aws_protocol protocol,
                            const struct aws_operation *op, const void *output,
                            struct str request_id, struct arena *arena,
                            struct aws_http_answer *out_answer);

/* op may be NULL when the operation is not known. */
void aws_encode_fault(const struct aws_service *service, enum aws_protocol protocol,
                      const struct aws_operation *op, const struct aws_fault *fault,
                      struct str request_id, struct arena *arena,
                      struct aws_http_answer *out_answer);

/* Checks the constraints of the model (required, length, range, pattern, enum) over a decoded
 * input, all violations in one message in the words of the service's style: "2 validation errors
 * detected: Value 'x' at 'functionName' failed to satisfy constraint: Member must …; Value …".
 * 0, or -EINVAL with the fault filled. aws_decode calls it. */
CHECK_RESULT int aws_validate(const struct aws_service *service, const struct aws_shape *shape,
                              const void *value, struct arena *arena, struct aws_fault *out_fault);
