/* The door of the wire engine: picks the protocol's codec and does what all protocols share.
 *
 *     aws_decode   gunzip where the model allows it → codec->decode (bytes to struct) →
 * aws_validate (constraints of the model) aws_encode   status and request id → codec->encode fault
 * status and request id → the error's C struct, its message filled in → codec->encode_fault; what
 * does not fit the arena is answered without a body
 *
 * A protocol is one struct aws_codec in `codecs`; nothing else knows the list.
 * thread: any, one request at a time. */
#include "aws/protocol.h"
#include "base/assert.h"
#include "data/gzip.h"
#include "data/uri.h"

#include <errno.h>
#include <stdarg.h>

/* CloudWatch takes 1 MB; the arena must hold the text and what is decoded from it. */
enum { INFLATED_MAX = 4 * 1024 * 1024 };

static const struct aws_codec *const codecs[AWS_PROTOCOL_COUNT] = {
    [AWS_REST_JSON] = &aws_codec_rest_json, [AWS_JSON_1_0] = &aws_codec_json_rpc,
    [AWS_JSON_1_1] = &aws_codec_json_rpc,   [AWS_QUERY] = &aws_codec_query,
    [AWS_REST_XML] = &aws_codec_rest_xml,   [AWS_CBOR] = &aws_codec_cbor,
};

bool aws_has_protocol(enum aws_protocol protocol)
{
    return protocol < AWS_PROTOCOL_COUNT && codecs[protocol] != NULL;
}

static bool is_rest(enum aws_protocol protocol)
{
    return protocol == AWS_REST_JSON || protocol == AWS_REST_XML;
}

int aws_refuse(struct decode *d, const struct aws_error *error, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct str message = arena_str(d->arena, str_from(text));
    *d->fault = (struct aws_fault){.error = error};
    d->fault->message = message.ptr == NULL ? STR("") : message;
    return -EINVAL;
}

int aws_check_union(struct decode *d, const struct aws_shape *shape, const void *base, unsigned set)
{
    unsigned known = 0;
    for (uint32_t i = 0; i < shape->member_count; i++)
        known += aws_member_has(&shape->members[i], base);
    if (set == 1 && known == 1)
        return 0;
    return aws_refuse(d, &aws_error_serialization,
                      "Unions must have exactly one member set: " STR_FMT, STR_ARG(shape->name));
}

int aws_refuse_size(struct decode *d)
{
    *d->fault = (struct aws_fault){.error = &aws_error_request_too_large,
                                   .message = STR("Request must be smaller")};
    return -EINVAL;
}

struct str aws_request_header(const struct aws_http_request *req, struct str name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (str_eq_nocase(req->headers[i].name, name))
            return req->headers[i].value;
    return STR_NONE;
}

bool aws_answer_header(struct aws_http_answer *answer, struct str name, struct str value)
{
    if (answer->header_count == AWS_HEADERS_MAX)
        return false;
    answer->headers[answer->header_count++] = (struct http_header){name, value};
    return true;
}

bool aws_answer_has(const struct aws_http_answer *answer, struct str name)
{
    for (size_t i = 0; i < answer->header_count; i++)
        if (str_eq_nocase(answer->headers[i].name, name))
            return true;
    return false;
}

int aws_answer_text(struct encode *e, struct buf *text, struct str *out_text)
{
    if (buf_is_over(text))
        return -E2BIG;
    struct str copy = arena_str(e->arena, buf_str(text));
    if (copy.ptr == NULL)
        return -E2BIG;
    *out_text = copy;
    return 0;
}

bool aws_cbor_path(struct str path, struct str *out_service, struct str *out_operation)
{
    struct str parts[4] = {STR_NONE, STR_NONE, STR_NONE, STR_NONE}; /* the last four segments */
    for (struct str part; str_split(&path, '/', &part);) {
        memmove(parts, parts + 1, 3 * sizeof parts[0]);
        parts[3] = part;
    }
    if (!str_eq(parts[0], STR("service")) || !str_eq(parts[2], STR("operation")) ||
        parts[1].len == 0 || parts[3].len == 0)
        return false;
    *out_service = parts[1];
    *out_operation = parts[3];
    return true;
}

/* The operation's name where a protocol puts it: the end of X-Amz-Target or of CBOR's path, the
 * parameter Action of a form. */
static struct str operation_name(enum aws_protocol protocol, const struct aws_http_request *req,
                                 struct arena *arena)
{
    struct str name = STR_NONE;
    if (protocol == AWS_QUERY) {
        if (uri_query_find(arena, req->body, STR("Action"), &name) == 0 && name.ptr != NULL)
            return name;
        return uri_query_find(arena, req->query, STR("Action"), &name) == 0 ? name : STR_NONE;
    }
    if (protocol == AWS_CBOR) {
        struct str service;
        return str_eq(req->method, STR("POST")) && aws_cbor_path(req->path, &service, &name)
                   ? name
                   : STR_NONE;
    }
    struct str text = aws_request_header(req, STR("x-amz-target"));
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '.')
        at--;
    return str_skip(text, at);
}

const struct aws_operation *aws_dispatch(const struct aws_service *service,
                                         enum aws_protocol protocol,
                                         const struct aws_http_request *req, struct arena *arena,
                                         struct str *out_rejected)
{
    if (is_rest(protocol))
        return aws_route(service, req->method, req->path, req->query, out_rejected);
    struct str name = operation_name(protocol, req, arena);
    return aws_operation_find(service, name, out_rejected);
}

/* True when the last coding of the body is gzip: "Content-Encoding: custom, gzip". */
static bool is_gzip(const struct aws_http_request *req)
{
    struct str list = aws_request_header(req, STR("content-encoding")), last = STR_NONE;
    while (str_split(&list, ',', &last)) {
    }
    return str_eq_nocase(str_trim(last), STR("gzip"));
}

/* Requests of the few operations that allow it (PutMetricData) come compressed. */
static int inflate_body(struct decode *d, struct aws_http_request *req)
{
    AUTO_BUF struct buf plain;
    struct err err;
    buf_init(&plain, INFLATED_MAX);
    int rc = gzip_inflate(req->body, &plain, &err);
    if (rc == -E2BIG)
        return aws_refuse_size(d);
    if (rc < 0)
        return aws_refuse(d, &aws_error_serialization, "Could not decompress the request body: %s",
                          err.text);
    req->body = arena_str(d->arena, buf_str(&plain));
    return req->body.ptr == NULL ? aws_refuse_size(d) : 0;
}

int aws_decode(const struct aws_service *service, enum aws_protocol protocol,
               const struct aws_operation *op, const struct aws_http_request *req,
               struct arena *arena, void *out_input, struct aws_fault *out_fault)
{
    assert(aws_has_protocol(protocol));
    struct decode d = {
        .service = service, .op = op, .req = req, .arena = arena, .fault = out_fault};
    d.is_rest = is_rest(protocol);
    d.is_strict = service->validation == AWS_VALIDATION_SMITHY;
    struct aws_http_request plain = *req;
    if ((op->flags & AWS_OP_COMPRESSED) && req->body.len > 0 && is_gzip(req)) {
        int inflated = inflate_body(&d, &plain);
        if (inflated < 0)
            return inflated;
        d.req = &plain;
    }
    int rc = codecs[protocol]->decode(&d, out_input);
    if (rc < 0 || op->input == NULL)
        return rc;
    return aws_validate(service, op->input, out_input, arena, out_fault);
}

/* The answer begins anew: status and request id. */
static void answer_begin(const struct aws_service *service, struct aws_http_answer *answer,
                         int status, struct str request_id)
{
    *answer = (struct aws_http_answer){.status = status, .body = STR("")};
    if (request_id.len > 0 && !service->is_s3) /* it has a name of its own */
        (void) aws_answer_header(answer, STR("x-amzn-RequestId"), request_id); /* the first fits */
}

int aws_encode(const struct aws_service *service, enum aws_protocol protocol,
               const struct aws_operation *op, const void *output, struct str request_id,
               struct arena *arena, struct aws_http_answer *out_answer)
{
    assert(aws_has_protocol(protocol));
    struct encode e = {service, protocol, op, request_id, arena, out_answer};
    answer_begin(service, out_answer, op->status, request_id);
    if (op->flags & AWS_OP_EVENTS_OUT)
        return aws_event_encode_head(&e, output);
    return codecs[protocol]->encode(&e, output);
}

/* Stores text in the error's member of that name, when it has one. */
static void detail_set(const struct aws_error *error, struct str name, struct str text,
                       bool keeps_old, void *detail)
{
    for (uint32_t i = 0; i < error->shape->member_count; i++) {
        const struct aws_member *member = &error->shape->members[i];
        if (member->shape->kind != AWS_STRING || !str_eq_nocase(member->name, name) ||
            (keeps_old && aws_member_has(member, detail)))
            continue;
        *(struct str *) (void *) ((char *) detail + member->offset) = text;
        return;
    }
}

/* The message, and who is to blame ("Type", in Lambda's errors). */
const void *aws_fault_detail(const struct aws_fault *fault, struct arena *arena)
{
    const struct aws_error *error = fault->error;
    if (error->shape == NULL)
        return NULL;
    void *detail = arena_try(arena, error->shape->size);
    if (detail == NULL)
        return NULL;
    if (fault->detail != NULL)
        memcpy(detail, fault->detail, error->shape->size);
    if (fault->message.len > 0)
        detail_set(error, STR("message"), fault->message, false, detail);
    detail_set(error, STR("Type"), error->side == AWS_SENDER ? STR("User") : STR("Service"), true,
               detail);
    return detail;
}

/* The model's status, which in services that once spoke Query is Query's; the others that such a
 * service speaks know 400 and 500. */
static int fault_status(const struct aws_service *service, enum aws_protocol protocol,
                        const struct aws_error *error)
{
    if (!service->is_query_compatible || protocol == AWS_QUERY || error->query_code.ptr == NULL)
        return error->status;
    return error->side == AWS_SENDER ? 400 : 500;
}

void aws_encode_fault(const struct aws_service *service, enum aws_protocol protocol,
                      const struct aws_operation *op, const struct aws_fault *fault,
                      struct str request_id, struct arena *arena,
                      struct aws_http_answer *out_answer)
{
    assert(aws_has_protocol(protocol) && fault->error != NULL);
    struct encode e = {service, protocol, op, request_id, arena, out_answer};
    int status = fault_status(service, protocol, fault->error);
    answer_begin(service, out_answer, status, request_id);
    if (codecs[protocol]->encode_fault(&e, fault, aws_fault_detail(fault, arena)) < 0) {
        /* The arena is full: the code still goes out, by the header that all SDKs read first. */
        answer_begin(service, out_answer, status, request_id);
        (void) aws_answer_header(out_answer, STR("X-Amzn-ErrorType"), fault->error->code);
    }
}
