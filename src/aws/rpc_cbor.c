/* The protocol rpc-v2-cbor: POST /service/NAME/operation/NAME, everything else in a CBOR body.
 *
 *     request  smithy-protocol: rpc-v2-cbor, Content-Type: application/cbor
 *     answer   the same two headers and a map; no body and no type when no output is modelled
 *     fault    {"__type": "namespace#Code", "message": "…"}; services that used to speak Query add
 *              x-amzn-query-error: OldCode;Sender
 *
 * An empty body is taken for an empty map, as the specification asks of servers.
 * thread: any. Sources: Smithy "RPC v2 CBOR protocol", "AWS query compatible". */
#include "aws/protocol.h"
#include "data/cbor.h"

#include <errno.h>

enum { CBOR_ANSWER_MAX = 64 * 1024 * 1024 };

static int cbor_decode(struct decode *d, void *out_input)
{
    const struct aws_shape *shape = d->op->input;
    struct str type = aws_request_header(d->req, STR("content-type"));
    if (d->req->body.len > 0 && type.ptr != NULL &&
        !str_eq_nocase(str_trim(str_head(type, str_find(type, ';'))), STR("application/cbor")))
        return aws_refuse(d, &aws_error_unsupported_media_type,
                          "The body of this protocol is application/cbor");
    if (shape == NULL)
        return 0;
    if (d->req->body.len == 0)
        return aws_json_defaults(d, shape, out_input);
    return aws_cbor_decode(d, d->req->body, shape, out_input);
}

static bool put_headers(struct encode *e, bool has_body)
{
    return aws_answer_header(e->answer, STR("smithy-protocol"), STR("rpc-v2-cbor")) &&
           (!has_body ||
            aws_answer_header(e->answer, STR("Content-Type"), STR("application/cbor")));
}

static int cbor_encode(struct encode *e, const void *output)
{
    AUTO_BUF struct buf bytes;
    const struct aws_shape *shape = e->op->output;
    buf_init(&bytes, CBOR_ANSWER_MAX);
    if (!put_headers(e, shape != NULL))
        return -E2BIG;
    if (shape == NULL)
        return 0;
    int rc = aws_cbor_put_root(e, &bytes, STR_NONE, shape, output);
    return rc < 0 ? rc : aws_answer_text(e, &bytes, &e->answer->body);
}

/* An error without a shape: the message, and the violations that it has. */
static void put_fault(struct buf *out, struct str type, const struct aws_fault *fault)
{
    cbor_put_map(out, fault->violations == NULL ? 2 : 3);
    cbor_put_text(out, STR("__type"));
    cbor_put_text(out, type);
    cbor_put_text(out, STR("message"));
    cbor_put_text(out, fault->message);
    if (fault->violations == NULL)
        return;
    cbor_put_text(out, STR("fieldList"));
    cbor_put_array(out, fault->violation_count);
    for (size_t i = 0; i < fault->violation_count; i++) {
        cbor_put_map(out, 2);
        cbor_put_text(out, STR("message"));
        cbor_put_text(out, fault->violations[i].message);
        cbor_put_text(out, STR("path"));
        cbor_put_text(out, fault->violations[i].path);
    }
}

static int cbor_encode_fault(struct encode *e, const struct aws_fault *fault,
                             const void *error_detail)
{
    AUTO_BUF struct buf bytes;
    int rc = 0;
    buf_init(&bytes, CBOR_ANSWER_MAX);
    if (!put_headers(e, true) || !aws_answer_query_error(e, fault->error))
        return -E2BIG;
    struct str type = aws_error_type(e, fault->error);
    if (error_detail != NULL)
        rc = aws_cbor_put_root(e, &bytes, type, fault->error->shape, error_detail);
    else
        put_fault(&bytes, type, fault);
    return rc < 0 ? rc : aws_answer_text(e, &bytes, &e->answer->body);
}

const struct aws_codec aws_codec_cbor = {
    .decode = cbor_decode,
    .encode = cbor_encode,
    .encode_fault = cbor_encode_fault,
};
