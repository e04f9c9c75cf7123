/* The rest-json protocol: HTTP bindings around a JSON body.
 *
 *     request   bindings (rest_in.c) + {"Member": …} or the payload member alone
 *     answer    bindings (rest_out.c) + the same
 *     fault     X-Amzn-ErrorType: Code, {"Type": "User", "message": "…"} with the member names of
 *               the error's shape
 *
 * Media types: Smithy's own servers (validation style smithy) refuse a body of another type than
 * the model's; AWS's older services, Lambda among them, read JSON whatever it is called, and take
 * blobs of any type everywhere. Both are kept, since clients rely on both.
 *
 * thread: any. Sources: Smithy "AWS restJson1"; error bodies of Lambda as in its API reference. */
#include "aws/protocol.h"

#include <errno.h>

/* The type that a structure's body has; ptr NULL: any. */
static struct str body_type(const struct aws_shape *shape)
{
    return shape->payload != NULL ? aws_rest_media_type(shape->payload) : STR("application/json");
}

static bool is_media_type(struct str value, struct str wanted)
{
    return str_eq_nocase(str_trim(str_head(value, str_find(value, ';'))), wanted);
}

static bool accepts(struct str accept, struct str wanted)
{
    struct str part;
    while (str_split(&accept, ',', &part)) {
        part = str_trim(str_head(part, str_find(part, ';')));
        size_t slash = str_find(part, '/');
        bool is_star = str_eq(str_skip(part, slash), STR("/*"));
        if (str_eq(part, STR("*/*")) || str_eq_nocase(part, wanted) ||
            (is_star && str_starts_nocase(wanted, str_head(part, slash + 1))))
            return true;
    }
    return false;
}

static int check_content_type(struct decode *d)
{
    const struct aws_shape *shape = d->op->input;
    struct str have = aws_request_header(d->req, STR("content-type"));
    bool has_body = shape != NULL && (shape->member_count == 0 || aws_rest_has_body_members(shape));
    if (!has_body && (have.ptr == NULL || d->req->body.len == 0))
        return 0;
    struct str wanted = has_body ? body_type(shape) : STR_NONE;
    if (has_body && (wanted.ptr == NULL || (d->req->body.len == 0 && have.ptr == NULL) ||
                     (have.ptr != NULL && is_media_type(have, wanted))))
        return 0;
    return aws_refuse(d, &aws_error_unsupported_media_type, "Unsupported media type: " STR_FMT,
                      STR_ARG(have.ptr == NULL ? STR("none") : have));
}

static int check_accept(struct decode *d)
{
    struct str accept = aws_request_header(d->req, STR("accept"));
    if (accept.ptr == NULL || d->op->output == NULL)
        return 0;
    struct str wanted = body_type(d->op->output);
    if (wanted.ptr == NULL || accepts(accept, wanted))
        return 0;
    return aws_refuse(d, &aws_error_not_acceptable, "The answer's media type is " STR_FMT,
                      STR_ARG(wanted));
}

static int decode_payload(struct decode *d, const struct aws_member *payload, void *base)
{
    struct str body = d->req->body;
    const struct aws_shape *shape = payload->shape;
    if (body.len == 0 && shape->kind != AWS_STRING)
        return 0;
    if (body.len == 0 && (aws_request_header(d->req, STR("content-type")).ptr == NULL))
        return 0;
    void *to = aws_member_room(payload, base, d->arena);
    if (to == NULL)
        return aws_refuse_size(d);
    if (shape->kind == AWS_STRING || shape->kind == AWS_BLOB) {
        *(struct str *) to = body;
        return 0;
    }
    if (shape->flags & AWS_EVENT_STREAM)
        return aws_refuse(d, &aws_error_not_implemented,
                          "Event streams in requests are not supported");
    return aws_json_decode(d, body, shape, to);
}

static int rest_json_decode(struct decode *d, void *out_input)
{
    const struct aws_shape *shape = d->op->input;
    int rc = 0;
    if (d->is_strict) {
        rc = check_content_type(d);
        rc = rc < 0 ? rc : check_accept(d);
    }
    if (rc < 0 || shape == NULL)
        return rc;
    rc = aws_rest_decode(d, out_input);
    if (rc < 0)
        return rc;
    if (shape->payload != NULL)
        return decode_payload(d, shape->payload, out_input);
    if (!aws_rest_has_body_members(shape) || d->req->body.len == 0)
        return aws_json_defaults(d, shape, out_input);
    return aws_json_decode(d, d->req->body, shape, out_input);
}

enum { JSON_ANSWER_MAX = 64 * 1024 * 1024 };

/* payload NULL: the whole structure but for its bound members. */
static int encode_json(struct encode *e, const struct aws_shape *shape,
                       const struct aws_member *payload, const void *value)
{
    AUTO_BUF struct buf text;
    struct json_writer w;
    buf_init(&text, JSON_ANSWER_MAX);
    json_writer_init(&w, &text);
    if (payload != NULL)
        aws_json_put(&w, payload, value);
    else
        aws_json_put_root(&w, shape, value);
    if (!aws_answer_header(e->answer, STR("Content-Type"), STR("application/json")))
        return -E2BIG;
    return aws_answer_text(e, &text, &e->answer->body);
}

static int encode_payload(struct encode *e, const struct aws_member *payload, const void *base)
{
    const struct aws_shape *shape = payload->shape;
    if (!aws_member_has(payload, base))
        return 0;
    const void *value = aws_member_value(payload, base);
    if (shape->kind != AWS_STRING && shape->kind != AWS_BLOB)
        return encode_json(e, shape, payload, value);
    struct str type = aws_rest_media_type(payload);
    if (!aws_answer_has(e->answer, STR("content-type")) &&
        !aws_answer_header(e->answer, STR("Content-Type"),
                           type.ptr == NULL ? STR("application/octet-stream") : type))
        return -E2BIG;
    e->answer->body = *(const struct str *) value;
    return 0;
}

static int encode_structure(struct encode *e, const struct aws_shape *shape, const void *base)
{
    int rc = aws_rest_encode(e, shape, base);
    if (rc < 0 || e->answer->status == 204 || e->answer->status == 304)
        return rc;
    if (shape->payload != NULL)
        return encode_payload(e, shape->payload, base);
    return encode_json(e, shape, NULL, base);
}

static int rest_json_encode(struct encode *e, const void *output)
{
    const struct aws_shape *shape = e->op->output;
    return shape == NULL ? 0 : encode_structure(e, shape, output);
}

static int rest_json_encode_fault(struct encode *e, const struct aws_fault *fault,
                                  const void *error_detail)
{
    if (!aws_answer_header(e->answer, STR("X-Amzn-ErrorType"), fault->error->code))
        return -E2BIG;
    if (error_detail != NULL)
        return encode_structure(e, fault->error->shape, error_detail);
    AUTO_BUF struct buf text;
    struct json_writer w;
    buf_init(&text, JSON_ANSWER_MAX);
    json_writer_init(&w, &text);
    json_object_begin(&w);
    aws_json_put_fault(&w, fault);
    json_object_end(&w);
    if (!aws_answer_header(e->answer, STR("Content-Type"), STR("application/json")))
        return -E2BIG;
    return aws_answer_text(e, &text, &e->answer->body);
}

const struct aws_codec aws_codec_rest_json = {
    .decode = rest_json_decode,
    .encode = rest_json_encode,
    .encode_fault = rest_json_encode_fault,
};
