/* Events of the model to messages.
 *
 *     head        REST: the bound members as HTTP headers. Others: a first message
 * "initial-response" with the output's other members event       :message-type event, :event-type
 * the union's member, :content-type when there is a payload; members marked event-header as
 * headers; the member marked event-payload, or else all that are left in the protocol's own form,
 * as payload exception   :message-type exception, :exception-type; payload as an event error
 * :message-type error, :error-code, :error-message: what the model has no shape for
 *
 * thread: any. Sources: Smithy "Event stream specification"; message dumps of Kinesis
 * SubscribeToShard and Lambda InvokeWithResponseStream in public issue trackers, for the media
 * types. */
#include "aws/eventstream.h"
#include "aws/protocol.h"
#include "aws/xml.h"
#include "base/assert.h"

#include <errno.h>

static const struct str event_stream_type = STR_INIT("application/vnd.amazon.eventstream");

const struct aws_shape *aws_event_union(const struct aws_shape *shape)
{
    for (uint32_t i = 0; shape != NULL && i < shape->member_count; i++)
        if (shape->members[i].shape->flags & AWS_EVENT_STREAM)
            return shape->members[i].shape;
    return NULL;
}

static void add_text(struct event_message *message, struct str name, struct str value)
{
    if (message->header_count < EVENT_HEADERS_MAX)
        message->headers[message->header_count++] =
            (struct event_header){.name = name, .type = EVENT_STRING, .bytes = value};
}

static void add_value(struct event_message *message, const struct aws_member *member,
                      const void *value)
{
    const struct aws_shape *shape = member->shape;
    struct event_header header = {.name = member->wire};
    if (aws_is_text(shape)) {
        header.type = shape->kind == AWS_BLOB ? EVENT_BYTES : EVENT_STRING;
        header.bytes = *(const struct str *) value;
    } else if (shape->kind == AWS_BOOLEAN) {
        header.type = *(const bool *) value ? EVENT_TRUE : EVENT_FALSE;
    } else if (shape->kind == AWS_TIMESTAMP) {
        header.type = EVENT_TIME;
        header.number = *(const int64_t *) value;
    } else if (aws_is_integer(shape)) {
        header.type = (enum event_type)(EVENT_BYTE + shape->kind - AWS_BYTE);
        header.number = aws_integer_get(shape, value);
    } else {
        return; /* the specification has headers for these kinds only */
    }
    if (message->header_count < EVENT_HEADERS_MAX)
        message->headers[message->header_count++] = header;
}

static struct str document_type(const struct encode *e)
{
    switch (e->protocol) {
    case AWS_JSON_1_0: return STR("application/x-amz-json-1.0");
    case AWS_JSON_1_1: return STR("application/x-amz-json-1.1");
    case AWS_CBOR: return STR("application/cbor");
    case AWS_QUERY:
    case AWS_REST_XML: return STR("text/xml");
    case AWS_REST_JSON:
    case AWS_PROTOCOL_COUNT:
    default: return STR("application/json");
    }
}

/* A structure in the protocol's own form; members that travel as headers are not written. */
static int put_document(struct encode *e, struct buf *out, const struct aws_shape *shape,
                        const void *base)
{
    if (e->protocol == AWS_CBOR)
        return aws_cbor_put_root(e, out, STR_NONE, shape, base);
    if (e->protocol == AWS_REST_XML || e->protocol == AWS_QUERY) {
        xml_put_root(out, xml_shape_name(shape), shape, NULL, e->service->xml_namespace, base);
        return 0;
    }
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    aws_json_put_members(&w, shape, base);
    json_object_end(&w);
    return 0;
}

/* The payload member of an event, or NULL; *out_is_document: members are left for a document. */
static const struct aws_member *payload_of(const struct aws_shape *shape, bool *out_is_document)
{
    *out_is_document = false;
    for (uint32_t i = 0; i < shape->member_count; i++) {
        if (shape->members[i].flags & AWS_EVENT_PAYLOAD)
            return &shape->members[i];
        if ((shape->members[i].flags & AWS_EVENT_HEADER) == 0)
            *out_is_document = true;
    }
    return NULL;
}

/* Completes a message whose kind and name are set by the structure that it carries. */
static int put_message(struct encode *e, struct event_message *message,
                       const struct aws_shape *shape, const void *base, struct buf *out)
{
    AUTO_BUF struct buf text;
    bool is_document;
    int rc = 0;
    const struct aws_member *payload = payload_of(shape, &is_document);
    buf_init(&text, EVENT_BYTES_MAX);
    for (uint32_t i = 0; i < shape->member_count; i++)
        if ((shape->members[i].flags & AWS_EVENT_HEADER) &&
            aws_member_has(&shape->members[i], base))
            add_value(message, &shape->members[i], aws_member_value(&shape->members[i], base));
    if (payload != NULL && aws_member_has(payload, base)) {
        const void *value = aws_member_value(payload, base);
        if (aws_is_text(payload->shape)) {
            bool is_blob = payload->shape->kind == AWS_BLOB;
            add_text(message, STR(":content-type"),
                     is_blob ? STR("application/octet-stream") : STR("text/plain"));
            message->payload = *(const struct str *) value;
            return event_put(out, message, NULL);
        }
        rc = put_document(e, &text, payload->shape, value);
        is_document = true;
    } else if (is_document) {
        rc = put_document(e, &text, shape, base);
    }
    if (is_document)
        add_text(message, STR(":content-type"), document_type(e));
    if (rc < 0 || buf_is_over(&text))
        return -E2BIG;
    message->payload = buf_str(&text);
    return event_put(out, message, NULL);
}

static bool is_error(const struct aws_service *service, const struct aws_shape *shape)
{
    for (uint32_t i = 0; i < service->error_count; i++)
        if (service->errors[i]->shape == shape)
            return true;
    return false;
}

static int put_member(struct encode *e, const struct aws_member *member, const void *value,
                      struct buf *out)
{
    struct event_message message = {.payload = STR("")};
    bool is_exception = is_error(e->service, member->shape);
    add_text(&message, STR(":message-type"), is_exception ? STR("exception") : STR("event"));
    add_text(&message, is_exception ? STR(":exception-type") : STR(":event-type"), member->wire);
    return put_message(e, &message, member->shape, value, out);
}

int aws_event_encode(const struct aws_service *service, enum aws_protocol protocol,
                     const struct aws_operation *op, const void *event, struct arena *arena,
                     struct buf *out)
{
    struct encode e = {.service = service, .protocol = protocol, .op = op, .arena = arena};
    const struct aws_shape *shape = aws_event_union(op->output);
    assert(shape != NULL);
    uint32_t at = 0;
    while (at < shape->member_count && !aws_member_has(&shape->members[at], event))
        at++;
    assert(at < shape->member_count);
    const struct aws_member *member = &shape->members[at];
    return put_member(&e, member, aws_member_value(member, event), out);
}

int aws_event_encode_fault(const struct aws_service *service, enum aws_protocol protocol,
                           const struct aws_operation *op, const struct aws_fault *fault,
                           struct arena *arena, struct buf *out)
{
    struct encode e = {.service = service, .protocol = protocol, .op = op, .arena = arena};
    const struct aws_shape *shape = aws_event_union(op->output);
    const void *detail = aws_fault_detail(fault, arena);
    assert(shape != NULL);
    for (uint32_t i = 0; detail != NULL && i < shape->member_count; i++)
        if (shape->members[i].shape == fault->error->shape)
            return put_member(&e, &shape->members[i], detail, out);
    struct event_message message = {.payload = STR("")};
    add_text(&message, STR(":message-type"), STR("error"));
    add_text(&message, STR(":error-code"), fault->error->code);
    add_text(&message, STR(":error-message"),
             fault->message.ptr == NULL ? STR("") : fault->message);
    return event_put(out, &message, NULL);
}

int aws_event_encode_head(struct encode *e, const void *output)
{
    const struct aws_shape *shape = e->op->output;
    bool is_rest = e->protocol == AWS_REST_JSON || e->protocol == AWS_REST_XML;
    int rc = is_rest ? aws_rest_encode(e, shape, output) : 0;
    /* An output may say itself what its events carry, as that of Lambda's does. */
    if (rc < 0 || (!aws_answer_has(e->answer, STR("Content-Type")) &&
                   !aws_answer_header(e->answer, STR("Content-Type"), event_stream_type)))
        return -E2BIG;
    if (is_rest)
        return 0;
    if (e->protocol == AWS_CBOR &&
        !aws_answer_header(e->answer, STR("smithy-protocol"), STR("rpc-v2-cbor")))
        return -E2BIG;
    AUTO_BUF struct buf text;
    struct event_message message = {.payload = STR("")};
    buf_init(&text, EVENT_BYTES_MAX);
    add_text(&message, STR(":message-type"), STR("event"));
    add_text(&message, STR(":event-type"), STR("initial-response"));
    rc = put_message(e, &message, shape, output, &text);
    return rc < 0 ? rc : aws_answer_text(e, &text, &e->answer->body);
}
