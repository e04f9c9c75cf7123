/* The errors that every AWS service can answer, and their bodies when the model has no shape for
 * them. The names of the message member are as observed: "Message" where the request could not be
 * read, "message" elsewhere; SDKs read both.
 *
 * thread: any. Sources: "Common Errors" of the AWS API references; ValidationException of Lambda,
 * DynamoDB and others as quoted in public issue trackers. */
#include "aws/protocol.h"

#define COMMON(code, query_code, status, side)                                                     \
    {                                                                                              \
        STR_INIT(code), STR_INIT(code), STR_INIT(query_code), status, side, NULL                   \
    }

const struct aws_error aws_error_unknown_operation =
    COMMON("UnknownOperationException", "InvalidAction", 404, AWS_SENDER);
static const struct aws_error unknown_rpc_operation =
    COMMON("UnknownOperationException", "InvalidAction", 400, AWS_SENDER);
const struct aws_error aws_error_missing_action =
    COMMON("MissingAction", "MissingAction", 400, AWS_SENDER);
const struct aws_error aws_error_serialization =
    COMMON("SerializationException", "MalformedInput", 400, AWS_SENDER);
const struct aws_error aws_error_validation =
    COMMON("ValidationException", "ValidationError", 400, AWS_SENDER);
const struct aws_error aws_error_internal =
    COMMON("InternalFailure", "InternalFailure", 500, AWS_RECEIVER);
const struct aws_error aws_error_throttling =
    COMMON("ThrottlingException", "Throttling", 429, AWS_SENDER);
const struct aws_error aws_error_request_too_large =
    COMMON("RequestEntityTooLargeException", "RequestEntityTooLarge", 413, AWS_SENDER);
const struct aws_error aws_error_access_denied =
    COMMON("AccessDeniedException", "AccessDenied", 403, AWS_SENDER);
const struct aws_error aws_error_not_implemented =
    COMMON("UnsupportedOperationException", "UnsupportedOperation", 400, AWS_SENDER);
const struct aws_error aws_error_unsupported_media_type =
    COMMON("UnsupportedMediaTypeException", "UnsupportedMediaType", 415, AWS_SENDER);
const struct aws_error aws_error_not_acceptable =
    COMMON("NotAcceptableException", "NotAcceptable", 406, AWS_SENDER);

const struct aws_error aws_error_malformed_xml =
    COMMON("MalformedXML", "MalformedXML", 400, AWS_SENDER);

const struct aws_error *aws_error_unknown(enum aws_protocol protocol)
{
    bool is_rpc = protocol == AWS_JSON_1_0 || protocol == AWS_JSON_1_1 || protocol == AWS_QUERY;
    return is_rpc ? &unknown_rpc_operation : &aws_error_unknown_operation;
}

static void put_violations(struct json_writer *w, const struct aws_fault *fault)
{
    json_key(w, STR("fieldList"));
    json_array_begin(w);
    for (size_t i = 0; i < fault->violation_count; i++) {
        json_object_begin(w);
        json_key(w, STR("message"));
        json_str(w, fault->violations[i].message);
        json_key(w, STR("path"));
        json_str(w, fault->violations[i].path);
        json_object_end(w);
    }
    json_array_end(w);
}

void aws_json_put_fault(struct json_writer *w, const struct aws_fault *fault)
{
    bool is_capital = fault->error == &aws_error_serialization;
    json_key(w, is_capital ? STR("Message") : STR("message"));
    json_str(w, fault->message);
    if (fault->violations != NULL)
        put_violations(w, fault);
}

struct str aws_error_type(struct encode *e, const struct aws_error *error)
{
    if (e->service->error_namespace.ptr == NULL)
        return error->code;
    struct str type = arena_printf(e->arena, STR_FMT "#" STR_FMT,
                                   STR_ARG(e->service->error_namespace), STR_ARG(error->code));
    return type.ptr == NULL ? error->code : type;
}

bool aws_answer_query_error(struct encode *e, const struct aws_error *error)
{
    if (!e->service->is_query_compatible || error->query_code.ptr == NULL)
        return true;
    struct str value = arena_printf(e->arena, STR_FMT ";%s", STR_ARG(error->query_code),
                                    error->side == AWS_SENDER ? "Sender" : "Receiver");
    return value.ptr != NULL && aws_answer_header(e->answer, STR("x-amzn-query-error"), value);
}
