/* Answers where no service's codec can speak: unknown services, foreign hosts and origins.
 *
 * Clients must be able to read them (an HTML page breaks their decoders, a 5xx makes them retry
 * for minutes), so the dialect is guessed: XML for S3's clients and for those of the query
 * protocol, JSON for all others, with the error's code in every place where SDKs look for it.
 * Sources: botocore's parsers.py; Smithy "AWS JSON" and "AWS query" protocols. */
#include "gateway/gateway_int.h"

enum { REFUSAL_MAX = 4096 };

static void put_xml_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '<')
            buf_put(out, STR("&lt;"));
        else if (c == '&')
            buf_put(out, STR("&amp;"));
        else if (c == '>')
            buf_put(out, STR("&gt;"));
        else
            buf_put_char(out, (unsigned char) c < ' ' ? ' ' : c);
    }
}

static void put_element(struct buf *out, const char *name, struct str text)
{
    buf_printf(out, "<%s>", name);
    put_xml_text(out, text);
    buf_printf(out, "</%s>", name);
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

void refuse(struct exchange *x, const struct refusal *refusal, struct str service,
            struct str request_id)
{
    struct str type = http_header_find(exchange_head(x), STR("content-type"));
    bool is_s3 = str_eq(service, STR("s3"));
    bool is_query = str_starts_nocase(type, STR("application/x-www-form-urlencoded"));
    AUTO_BUF struct buf body;
    buf_init(&body, REFUSAL_MAX);
    if (is_s3)
        put_s3(&body, refusal, request_id);
    else if (is_query)
        put_query(&body, refusal, request_id);
    else
        put_json(&body, refusal);
    const struct http_header headers[] = {
        {STR("Content-Type"), is_s3      ? STR("application/xml")
                              : is_query ? STR("text/xml")
                                         : STR("application/json")},
        {STR("x-amzn-RequestId"), request_id},
        {STR("x-amzn-ErrorType"), refusal->code},
    };
    exchange_answer(x, refusal->status, headers, ARRAY_LEN(headers), buf_str(&body));
}
