/* The rest-xml protocol: HTTP bindings around an XML body.
 *
 *     request   bindings + <AnyRoot>members</AnyRoot>, or the payload member alone
 *     answer    bindings + <OutputShape> or the payload's element
 *     fault     <ErrorResponse><Error>…</Error><RequestId/></ErrorResponse>
 *
 * S3's dialect (`dialect s3` in the model file): documents begin with an XML declaration, <Error>
 * is the root and holds Resource, RequestId and HostId, the ids travel as x-amz-request-id and
 * x-amz-id-2, and an answer marked `unwrapped` is its only member.
 *
 * The root's name in requests is not checked, as S3 does not either.
 * thread: any. Sources: Smithy "AWS restXml"; "Error responses" of the S3 API reference. */
#include "aws/protocol.h"
#include "aws/xml.h"
#include "data/base64.h"

#include <errno.h>

enum { XML_ANSWER_MAX = 64 * 1024 * 1024, HOST_ID_MAX = 1024 };

static int decode_payload(struct decode *d, const struct aws_member *payload, void *base)
{
    const struct aws_shape *shape = payload->shape;
    if (d->req->body.len == 0)
        return 0;
    if (shape->flags & AWS_EVENT_STREAM)
        return aws_refuse(d, &aws_error_not_implemented,
                          "Event streams in requests are not supported");
    void *to = aws_member_room(payload, base, d->arena);
    if (to == NULL)
        return aws_refuse_size(d);
    if (aws_is_text(shape)) {
        *(struct str *) to = d->req->body;
        return 0;
    }
    return aws_xml_decode(d, d->req->body, shape, to, false);
}

static int rest_xml_decode(struct decode *d, void *out_input)
{
    const struct aws_shape *shape = d->op->input;
    if (shape == NULL)
        return 0;
    int rc = aws_rest_decode(d, out_input);
    if (rc < 0)
        return rc;
    if (shape->payload != NULL)
        return decode_payload(d, shape->payload, out_input);
    if (!aws_rest_has_body_members(shape) || d->req->body.len == 0)
        return aws_json_defaults(d, shape, out_input);
    return aws_xml_decode(d, d->req->body, shape, out_input, true);
}

static int finish(struct encode *e, struct buf *text)
{
    if (!aws_answer_header(e->answer, STR("Content-Type"), STR("application/xml")))
        return -E2BIG;
    return aws_answer_text(e, text, &e->answer->body);
}

static void put_declaration(const struct encode *e, struct buf *out)
{
    if (e->service->is_s3)
        buf_put(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
}

/* What S3 calls the host's id: opaque to clients, the request id again in their usual form. */
static void put_host_id(const struct encode *e, struct buf *out)
{
    base64_encode(out, e->request_id);
}

/* S3's names for the request id, in headers. */
static int put_ids(struct encode *e)
{
    if (!e->service->is_s3)
        return 0;
    AUTO_BUF struct buf id;
    struct str host;
    buf_init(&id, HOST_ID_MAX);
    put_host_id(e, &id);
    int rc = aws_answer_text(e, &id, &host);
    if (rc < 0)
        return rc;
    return aws_answer_header(e->answer, STR("x-amz-request-id"), e->request_id) &&
                   aws_answer_header(e->answer, STR("x-amz-id-2"), host)
               ? 0
               : -E2BIG;
}

static int encode_payload(struct encode *e, const struct aws_member *payload, const void *base)
{
    AUTO_BUF struct buf text;
    const struct aws_shape *shape = payload->shape;
    buf_init(&text, XML_ANSWER_MAX);
    if (!aws_member_has(payload, base))
        return 0;
    const void *value = aws_member_value(payload, base);
    if (aws_is_text(shape)) {
        e->answer->body = *(const struct str *) value;
        bool has_type = aws_answer_has(e->answer, STR("content-type"));
        struct str type = aws_rest_media_type(payload);
        type = type.ptr == NULL ? STR("application/octet-stream") : type;
        return has_type || aws_answer_header(e->answer, STR("Content-Type"), type) ? 0 : -E2BIG;
    }
    bool is_named = !str_eq(payload->wire, payload->name);
    put_declaration(e, &text);
    xml_put_root(&text, is_named ? payload->wire : xml_shape_name(shape), shape, payload->names,
                 e->service->xml_namespace, value);
    return finish(e, &text);
}

static bool has_answer_body(const struct aws_shape *shape)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        uint8_t location = shape->members[i].location;
        if (location != AWS_IN_HEADER && location != AWS_IN_HEADER_PREFIX &&
            location != AWS_IN_STATUS)
            return true;
    }
    return false;
}

static int rest_xml_encode(struct encode *e, const void *output)
{
    AUTO_BUF struct buf text;
    const struct aws_shape *shape = e->op->output;
    buf_init(&text, XML_ANSWER_MAX);
    int rc = put_ids(e);
    if (rc < 0 || shape == NULL)
        return rc;
    rc = aws_rest_encode(e, shape, output);
    if (rc < 0 || e->answer->status == 204 || e->answer->status == 304)
        return rc;
    if (shape->payload != NULL)
        return encode_payload(e, shape->payload, output);
    if (!has_answer_body(shape))
        return finish(e, &text);
    put_declaration(e, &text);
    const struct aws_member *first = &shape->members[0];
    if (shape->flags & AWS_XML_UNWRAPPED)
        xml_put_only(&text, first, e->service->xml_namespace,
                     aws_member_has(first, output) ? aws_member_value(first, output) : NULL);
    else
        xml_put_root(&text, xml_shape_name(shape), shape, NULL, e->service->xml_namespace, output);
    return finish(e, &text);
}

static int rest_xml_encode_fault(struct encode *e, const struct aws_fault *fault,
                                 const void *error_detail)
{
    AUTO_BUF struct buf text;
    const struct aws_error *error = fault->error;
    bool is_s3 = e->service->is_s3, is_wrapped = !is_s3 && !e->service->is_error_unwrapped;
    buf_init(&text, XML_ANSWER_MAX);
    int rc = put_ids(e);
    if (rc == 0 && error_detail != NULL)
        rc = aws_rest_encode(e, error->shape, error_detail);
    if (rc < 0)
        return rc;
    put_declaration(e, &text);
    if (is_wrapped)
        xml_open(&text, STR("ErrorResponse"));
    xml_open(&text, STR("Error"));
    if (is_wrapped)
        xml_put_text(&text, STR("Type"),
                     error->side == AWS_SENDER ? STR("Sender") : STR("Receiver"));
    xml_put_text(&text, STR("Code"),
                 error->query_code.ptr != NULL ? error->query_code : error->code);
    if (error_detail != NULL)
        xml_put_error_members(&text, error->shape, error_detail);
    else
        xml_put_text(&text, STR("Message"), fault->message);
    if (is_wrapped)
        xml_close(&text, STR("Error"));
    if (is_s3 && fault->resource.ptr != NULL)
        xml_put_text(&text, STR("Resource"), fault->resource);
    xml_put_text(&text, STR("RequestId"), e->request_id);
    if (is_s3) {
        xml_open(&text, STR("HostId"));
        put_host_id(e, &text);
        xml_close(&text, STR("HostId"));
    }
    xml_close(&text, is_wrapped ? STR("ErrorResponse") : STR("Error"));
    return finish(e, &text);
}

const struct aws_codec aws_codec_rest_xml = {
    .decode = rest_xml_decode,
    .encode = rest_xml_encode,
    .encode_fault = rest_xml_encode_fault,
};
