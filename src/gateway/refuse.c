/* Answers where no service's codec can speak: unknown services, foreign hosts and origins.
 *
 * Clients must be able to read them (an HTML page breaks their decoders, a 5xx makes them retry
 * for minutes), so the dialect is guessed: XML for S3's clients and for those of the query
 * protocol, CBOR for those that say so, JSON for all others, with the error's code in every place
 * where SDKs look for it. Sources: botocore's parsers.py; Smithy "AWS JSON" and "AWS query"
 * protocols. */
#include "gateway/gateway_int.h"

#include "aws/xml.h"
#include "data/cbor.h"
#include "data/uri.h"

enum { REFUSAL_MAX = 8192 };

enum dialect { DIALECT_JSON, DIALECT_S3, DIALECT_QUERY, DIALECT_CBOR };

static void put_element(struct buf *out, const char *name, struct str text)
{
    xml_put_text(out, str_from(name), text);
}

static void put_s3(struct buf *out, const struct refusal *refusal, struct str request_id)
{
    buf_put(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>"));
    put_element(out, "Code", refusal->code);
    put_element(out, "Message", refusal->message);
    put_element(out, "RequestId", request_id);
    buf_put(out, STR("</Error>"));
}

static void put_query(struct buf *out, const struct refusal *refusal, struct str request_id)
{
    buf_put(out, STR("<ErrorResponse><Error><Type>Sender</Type>"));
    put_element(out, "Code", refusal->code);
    put_element(out, "Message", refusal->message);
    buf_put(out, STR("</Error>"));
    put_element(out, "RequestId", request_id);
    buf_put(out, STR("</ErrorResponse>"));
}

static void put_json(struct buf *out, const struct refusal *refusal)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, STR("__type"));
    json_str(&w, refusal->code);
    json_key(&w, STR("message"));
    json_str(&w, refusal->message);
    json_object_end(&w);
}

static void put_cbor(struct buf *out, const struct refusal *refusal)
{
    cbor_put_map(out, 2);
    cbor_put_text(out, STR("__type"));
    cbor_put_text(out, refusal->code);
    cbor_put_text(out, STR("message"));
    cbor_put_text(out, refusal->message);
}

static enum dialect dialect_of(const struct http_head *head, struct str service)
{
    struct str type = http_header_find(head, STR("content-type"));
    struct str key, value, rest = head->query;
    if (str_eq(http_header_find(head, STR("smithy-protocol")), STR("rpc-v2-cbor")))
        return DIALECT_CBOR;
    if (str_eq(service, STR("s3")))
        return DIALECT_S3;
    if (str_eq(service, STR("route53")) || str_eq(service, STR("cloudfront")))
        return DIALECT_QUERY; /* rest-xml like S3, but its errors have Query's envelope */
    if (str_starts_nocase(type, STR("application/x-www-form-urlencoded")))
        return DIALECT_QUERY;
    while (rest.ptr != NULL && uri_query_next(&rest, &key, &value)) {
        if (str_eq(key, STR("Action")))
            return DIALECT_QUERY;
    }
    return DIALECT_JSON;
}

void refuse(struct exchange *x, const struct refusal *refusal, struct str service,
            struct str request_id)
{
    static const struct str types[] = {
        [DIALECT_JSON] = STR_INIT("application/json"),
        [DIALECT_S3] = STR_INIT("application/xml"),
        [DIALECT_QUERY] = STR_INIT("text/xml"),
        [DIALECT_CBOR] = STR_INIT("application/cbor"),
    };
    enum dialect dialect = dialect_of(exchange_head(x), service);
    AUTO_BUF struct buf body;
    buf_init(&body, REFUSAL_MAX);
    switch (dialect) {
    case DIALECT_S3: put_s3(&body, refusal, request_id); break;
    case DIALECT_QUERY: put_query(&body, refusal, request_id); break;
    case DIALECT_CBOR: put_cbor(&body, refusal); break;
    case DIALECT_JSON: put_json(&body, refusal); break;
    }
    const struct http_header headers[] = {
        {STR("Content-Type"), types[dialect]},
        {STR("x-amzn-RequestId"), request_id},
        {STR("x-amzn-ErrorType"), refusal->code},
        {STR("smithy-protocol"), STR("rpc-v2-cbor")}, /* the last: of CBOR only */
    };
    size_t count = ARRAY_LEN(headers) - (dialect != DIALECT_CBOR);
    exchange_answer(x, refusal->status, headers, count, buf_str(&body));
}
