/* The protocols json 1.0 and json 1.1: POST /, the operation in X-Amz-Target, everything else in a
 * JSON body.
 *
 *     answer   Content-Type: application/x-amz-json-1.x, {…}; nothing when no output is modelled
 *     fault    {"__type": "Code", "message": "…"}; 1.0 writes "namespace#Code"; services that used
 *              to speak Query add x-amzn-query-error: OldCode;Sender
 *
 * An empty body is taken for {}, as AWS's servers take it. thread: any.
 * Sources: Smithy "AWS JSON 1.0", "AWS JSON 1.1", "AWS query compatible". */
#include "aws/protocol.h"

#include <errno.h>

enum { JSON_ANSWER_MAX = 64 * 1024 * 1024 };

static int json_rpc_decode(struct decode *d, void *out_input)
{
    const struct aws_shape *shape = d->op->input;
    if (shape == NULL)
        return 0;
    if (d->req->body.len == 0)
        return aws_json_defaults(d, shape, out_input);
    return aws_json_decode(d, d->req->body, shape, out_input);
}

static bool content_type(struct encode *e)
{
    return aws_answer_header(e->answer, STR("Content-Type"),
                             e->protocol == AWS_JSON_1_0 ? STR("application/x-amz-json-1.0")
                                                         : STR("application/x-amz-json-1.1"));
}

static int json_rpc_encode(struct encode *e, const void *output)
{
    AUTO_BUF struct buf text;
    struct json_writer w;
    buf_init(&text, JSON_ANSWER_MAX);
    if (!content_type(e))
        return -E2BIG;
    if (e->op->output == NULL)
        return 0;
    json_writer_init(&w, &text);
    json_object_begin(&w);
    aws_json_put_members(&w, e->op->output, output);
    json_object_end(&w);
    return aws_answer_text(e, &text, &e->answer->body);
}

/* Some services model their errors without members (CloudWatch Logs does); their clients read
 * "message" all the same. */
static bool has_message(const struct aws_shape *shape)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        if (str_eq_nocase(shape->members[i].name, STR("message")))
            return true;
    }
    return false;
}

static int json_rpc_encode_fault(struct encode *e, const struct aws_fault *fault,
                                 const void *error_detail)
{
    AUTO_BUF struct buf text;
    struct json_writer w;
    buf_init(&text, JSON_ANSWER_MAX);
    if (!content_type(e) || !aws_answer_query_error(e, fault->error))
        return -E2BIG;
    struct str type = fault->error->code;
    if (e->protocol == AWS_JSON_1_0)
        type = aws_error_type(e, fault->error);
    json_writer_init(&w, &text);
    json_object_begin(&w);
    json_key(&w, STR("__type"));
    json_str(&w, type);
    if (error_detail != NULL)
        aws_json_put_members(&w, fault->error->shape, error_detail);
    if (error_detail == NULL || (fault->message.len > 0 && !has_message(fault->error->shape)))
        aws_json_put_fault(&w, fault);
    json_object_end(&w);
    return aws_answer_text(e, &text, &e->answer->body);
}

const struct aws_codec aws_codec_json_rpc = {
    .decode = json_rpc_decode,
    .encode = json_rpc_encode,
    .encode_fault = json_rpc_encode_fault,
};
