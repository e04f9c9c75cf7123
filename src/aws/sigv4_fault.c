/* How each family of services words a refused signature. The codes and statuses differ for
 * historical reasons, and clients branch on them: the SDKs correct their clock on some and give up
 * on others.
 *
 * source: the "Common Errors" pages of Lambda, DynamoDB and SQS; "Error responses" of Amazon S3;
 * what clients of these services report in public issue threads. */
#include "aws/sigv4.h"

#include "base/assert.h"

enum family { FAMILY_JSON, FAMILY_REST, FAMILY_QUERY, FAMILY_S3, FAMILY_COUNT };

static enum family family_of(enum aws_protocol protocol)
{
    switch (protocol) {
    case AWS_REST_JSON: return FAMILY_REST;
    case AWS_QUERY: return FAMILY_QUERY;
    case AWS_REST_XML: return FAMILY_S3;
    case AWS_JSON_1_0:
    case AWS_JSON_1_1:
    case AWS_CBOR:
    case AWS_PROTOCOL_COUNT: break;
    }
    return FAMILY_JSON;
}

#define ERROR(text, http)                                                                          \
    {                                                                                              \
        .name = STR_INIT(text), .code = STR_INIT(text), .status = (http), .side = AWS_SENDER       \
    }

static const struct aws_error errors[FAMILY_COUNT][SIGV4_VERDICT_COUNT] =
    {
        [FAMILY_JSON] =
            {
                [SIGV4_MISSING] = ERROR("MissingAuthenticationTokenException", 400),
                [SIGV4_INCOMPLETE] = ERROR("IncompleteSignatureException", 400),
                [SIGV4_EXPIRED] = ERROR("InvalidSignatureException", 400),
                [SIGV4_NOT_YET] = ERROR("InvalidSignatureException", 400),
                [SIGV4_WRONG_SCOPE] = ERROR("InvalidSignatureException", 400),
                [SIGV4_BODY_MISMATCH] = ERROR("InvalidSignatureException", 400),
                [SIGV4_MISMATCH] = ERROR("InvalidSignatureException", 400),
                [SIGV4_UNKNOWN_KEY] = ERROR("UnrecognizedClientException", 400),
            },
        [FAMILY_REST] =
            {
                [SIGV4_MISSING] = ERROR("MissingAuthenticationTokenException", 403),
                [SIGV4_INCOMPLETE] = ERROR("IncompleteSignatureException", 403),
                [SIGV4_EXPIRED] = ERROR("InvalidSignatureException", 403),
                [SIGV4_NOT_YET] = ERROR("InvalidSignatureException", 403),
                [SIGV4_WRONG_SCOPE] = ERROR("InvalidSignatureException", 403),
                [SIGV4_BODY_MISMATCH] = ERROR("InvalidSignatureException", 403),
                [SIGV4_MISMATCH] = ERROR("InvalidSignatureException", 403),
                [SIGV4_UNKNOWN_KEY] = ERROR("UnrecognizedClientException", 403),
            },
        [FAMILY_QUERY] =
            {
                [SIGV4_MISSING] = ERROR("MissingAuthenticationToken", 403),
                [SIGV4_INCOMPLETE] = ERROR("IncompleteSignature", 400),
                [SIGV4_EXPIRED] = ERROR("SignatureDoesNotMatch", 403),
                [SIGV4_NOT_YET] = ERROR("SignatureDoesNotMatch", 403),
                [SIGV4_WRONG_SCOPE] = ERROR("SignatureDoesNotMatch", 403),
                [SIGV4_BODY_MISMATCH] = ERROR("SignatureDoesNotMatch", 403),
                [SIGV4_MISMATCH] = ERROR("SignatureDoesNotMatch", 403),
                [SIGV4_UNKNOWN_KEY] = ERROR("InvalidClientTokenId", 403),
            },
        [FAMILY_S3] =
            {
                [SIGV4_MISSING] = ERROR("AccessDenied", 403),
                [SIGV4_INCOMPLETE] = ERROR("AuthorizationHeaderMalformed", 400),
                [SIGV4_EXPIRED] = ERROR("RequestTimeTooSkewed", 403),
                [SIGV4_NOT_YET] = ERROR("RequestTimeTooSkewed", 403),
                [SIGV4_WRONG_SCOPE] = ERROR("AuthorizationHeaderMalformed", 400),
                [SIGV4_BODY_MISMATCH] = ERROR("XAmzContentSHA256Mismatch", 400),
                [SIGV4_MISMATCH] = ERROR("SignatureDoesNotMatch", 403),
                [SIGV4_UNKNOWN_KEY] = ERROR("InvalidAccessKeyId", 403),
            },
};

static const struct aws_error s3_query_malformed = ERROR("AuthorizationQueryParametersError", 400);
static const struct aws_error s3_query_expired = ERROR("AccessDenied", 403);

const struct aws_error *sigv4_error(enum aws_protocol protocol, enum sigv4_form form,
                                    enum sigv4_verdict verdict)
{
    assert(verdict > SIGV4_OK && verdict < SIGV4_VERDICT_COUNT);
    enum family family = family_of(protocol);
    if (family == FAMILY_S3 && form == SIGV4_QUERY) {
        if (verdict == SIGV4_INCOMPLETE || verdict == SIGV4_WRONG_SCOPE)
            return &s3_query_malformed;
        if (verdict == SIGV4_EXPIRED || verdict == SIGV4_NOT_YET)
            return &s3_query_expired;
    }
    return &errors[family][verdict];
}

struct str sigv4_unknown_key_text(enum aws_protocol protocol)
{
    return family_of(protocol) == FAMILY_S3
               ? STR("The AWS Access Key Id you provided does not exist in our records.")
               : STR("The security token included in the request is invalid.");
}
