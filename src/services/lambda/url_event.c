/* From an HTTP request to the event of payload format 2.0. Members that have nothing to say (no
 * cookies, no query, no body) are left out, as AWS leaves them out.
 *
 *     headers   lower case, those of one name joined by commas; what belongs to the connection
 *               alone is left out; X-Forwarded-* tell whom the client spoke to
 *     cookies   one by one; unlike with API Gateway they stand among the headers as well, and
 *               aws-lambda-go's lambdaurl looks for them only there
 *     body      as text when its type says text and its bytes are UTF-8, else base64
 *
 * Source: "Invoking Lambda function URLs", section "Request payload format", Lambda developer
 * guide; events as recorded in public sources (cookies: aws-lambda-rust-runtime, pull request 586;
 * aws-lambda-go, issue 597). */
#include "data/base64.h"
#include "data/json.h"
#include "data/time.h"
#include "data/trace_id.h"
#include "data/uri.h"
#include "data/utf8.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/url.h"

enum { NAME_MAX_BYTES = 256, BASE64_MAX = 16 * 1024 * 1024 };

struct str url_header_find(const struct front_in *in, struct str name)
{
    for (size_t i = 0; i < in->http.header_count; i++) {
        if (str_eq_nocase(in->http.headers[i].name, name))
            return in->http.headers[i].value;
    }
    return STR_NONE;
}

static void put(struct json_writer *w, struct str key, struct str value)
{
    json_key(w, key);
    json_str(w, value);
}

/* Of this connection, not of the request; or what we say ourselves. */
static bool is_left_out(struct str name)
{
    static const struct str names[] = {
        STR_INIT("connection"),
        STR_INIT("keep-alive"),
        STR_INIT("proxy-connection"),
        STR_INIT("te"),
        STR_INIT("transfer-encoding"),
        STR_INIT("upgrade"),
        STR_INIT("expect"),
        STR_INIT("http2-settings"),
        STR_INIT("x-forwarded-for"),
        STR_INIT("x-forwarded-port"),
        STR_INIT("x-forwarded-proto"),
        STR_INIT("x-amzn-trace-id"),
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

static bool is_first_of_name(const struct front_in *in, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (str_eq_nocase(in->http.headers[i].name, in->http.headers[at].name))
            return false;
    }
    return true;
}

static void put_lower_key(struct json_writer *w, struct str name)
{
    char text[NAME_MAX_BYTES];
    size_t len = name.len < sizeof text ? name.len : sizeof text;
    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[i];
        text[i] = c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
    }
    json_key(w, str_of(text, len));
}

/* The values of all headers that have the name of the one at `first`. Cookies come one to a header
 * with HTTP/2, and are joined as RFC 9113 has it. */
static void join_values(const struct front_in *in, size_t first, struct buf *out)
{
    struct str name = in->http.headers[first].name;
    struct str separator = str_eq_nocase(name, STR("cookie")) ? STR("; ") : STR(",");
    buf_reset(out);
    buf_put(out, in->http.headers[first].value);
    for (size_t i = first + 1; i < in->http.header_count; i++) {
        if (!str_eq_nocase(in->http.headers[i].name, name))
            continue;
        buf_put(out, separator);
        buf_put(out, in->http.headers[i].value);
    }
}

static void put_headers(struct json_writer *w, const struct op *op, const struct front_in *in)
{
    AUTO_BUF struct buf joined;
    buf_init(&joined, 1 << 20);
    json_key(w, STR("headers"));
    json_object_begin(w);
    for (size_t i = 0; i < in->http.header_count; i++) {
        struct str name = in->http.headers[i].name;
        if (is_left_out(name) || !is_first_of_name(in, i))
            continue;
        join_values(in, i, &joined);
        put_lower_key(w, name);
        json_str(w, buf_str(&joined));
    }
    size_t colon = str_find(in->host, ':');
    struct str usual = in->is_https ? STR("443") : STR("80");
    put(w, STR("x-forwarded-for"), in->peer);
    put(w, STR("x-forwarded-port"), colon < in->host.len ? str_skip(in->host, colon + 1) : usual);
    put(w, STR("x-forwarded-proto"), in->is_https ? STR("https") : STR("http"));
    /* The client's, or the root of the new trace: the invocation's own part of it is told apart. */
    put(w, STR("x-amzn-trace-id"),
        trace_id_is_valid(op->trace_given) ? op->trace_given
                                           : str_head(op->trace_id, str_find(op->trace_id, ';')));
    json_object_end(w);
}

/* Each "name=value" of all Cookie headers. */
static void put_cookies(struct json_writer *w, const struct front_in *in)
{
    bool is_open = false;
    for (size_t i = 0; i < in->http.header_count; i++) {
        struct str rest = in->http.headers[i].value, cookie;
        if (!str_eq_nocase(in->http.headers[i].name, STR("cookie")))
            continue;
        while (str_split(&rest, ';', &cookie)) {
            cookie = str_trim(cookie);
            if (cookie.len == 0)
                continue;
            if (!is_open) {
                json_key(w, STR("cookies"));
                json_array_begin(w);
            }
            is_open = true;
            json_str(w, cookie);
        }
    }
    if (is_open)
        json_array_end(w);
}

static struct str decoded(struct arena *arena, struct str text)
{
    struct str out = text; /* what is no valid escape stays as it is */
    if (text.ptr == NULL)
        return STR("");
    return uri_decode(arena, text, true, &out) < 0 ? text : out;
}

/* True: no pair before `at` bytes of the query has this key. */
static bool is_first_key(struct arena *arena, struct str query, size_t pairs, struct str key)
{
    struct str rest = query, other, value;
    while (pairs-- > 0 && uri_query_next(&rest, &other, &value)) {
        if (str_eq(decoded(arena, other), key))
            return false;
    }
    return true;
}

static void put_query(struct json_writer *w, const struct op *op, struct str query)
{
    struct str rest = query, key, value, more_key, more_value;
    AUTO_BUF struct buf joined;
    buf_init(&joined, 1 << 20);
    if (query.len == 0)
        return;
    json_key(w, STR("queryStringParameters"));
    json_object_begin(w);
    for (size_t pairs = 0; uri_query_next(&rest, &key, &value); pairs++) {
        struct str name = decoded(op->arena, key), others = rest;
        if (!is_first_key(op->arena, query, pairs, name))
            continue;
        buf_reset(&joined);
        buf_put(&joined, decoded(op->arena, value));
        while (uri_query_next(&others, &more_key, &more_value)) {
            if (!str_eq(decoded(op->arena, more_key), name))
                continue;
            buf_put_char(&joined, ',');
            buf_put(&joined, decoded(op->arena, more_value));
        }
        json_key(w, name);
        json_str(w, buf_str(&joined));
    }
    json_object_end(w);
}

/* "20/Nov/2026:23:40:00 +0000" */
static struct str clf_time(struct arena *arena, int64_t utc_ms)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil t;
    time_civil(utc_ms, &t);
    return arena_printf(arena, "%02d/%s/%04d:%02d:%02d:%02d +0000", t.day, months[t.month - 1],
                        (int) t.year, t.hour, t.minute, t.second);
}

static void put_authorizer(struct json_writer *w, const struct op_caller *caller)
{
    json_key(w, STR("authorizer"));
    json_object_begin(w);
    json_key(w, STR("iam"));
    json_object_begin(w);
    put(w, STR("accessKey"), caller->access_key.ptr == NULL ? STR("") : caller->access_key);
    put(w, STR("accountId"), caller->account);
    put(w, STR("callerId"), caller->account);
    json_key(w, STR("cognitoIdentity"));
    json_null(w);
    json_key(w, STR("principalOrgId"));
    json_null(w);
    put(w, STR("userArn"), caller->principal);
    put(w, STR("userId"), caller->account);
    json_object_end(w);
    json_object_end(w);
}

static void put_context(struct json_writer *w, const struct op *op, const struct front_in *in,
                        const struct url_row *row)
{
    struct str agent = url_header_find(in, STR("user-agent"));
    json_key(w, STR("requestContext"));
    json_object_begin(w);
    put(w, STR("accountId"), row->is_iam ? op->caller.account : STR("anonymous"));
    put(w, STR("apiId"), row->id);
    if (row->is_iam)
        put_authorizer(w, &op->caller);
    put(w, STR("domainName"), in->host);
    put(w, STR("domainPrefix"), row->id);
    json_key(w, STR("http"));
    json_object_begin(w);
    put(w, STR("method"), in->http.method);
    put(w, STR("path"), in->http.path);
    put(w, STR("protocol"), STR("HTTP/1.1"));
    put(w, STR("sourceIp"), in->peer);
    put(w, STR("userAgent"), agent.ptr == NULL ? STR("") : agent);
    json_object_end(w);
    put(w, STR("requestId"), op->request_id);
    put(w, STR("routeKey"), STR("$default"));
    put(w, STR("stage"), STR("$default"));
    put(w, STR("time"), clf_time(op->arena, op->now_ms));
    json_key(w, STR("timeEpoch"));
    json_i64(w, op->now_ms);
    json_object_end(w);
}

static bool is_text(const struct front_in *in)
{
    static const struct str kinds[] = {STR_INIT("text/"), STR_INIT("json"), STR_INIT("xml"),
                                       STR_INIT("javascript")};
    struct str type = url_header_find(in, STR("content-type"));
    type = str_head(type, str_find(type, ';'));
    bool is_named = false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (size_t at = 0; at < type.len && !is_named; at++)
            is_named = str_starts_nocase(str_skip(type, at), kinds[i]);
    }
    return is_named && url_header_find(in, STR("content-encoding")).len == 0 &&
           utf8_is_valid(in->http.body);
}

static void put_body(struct json_writer *w, const struct front_in *in)
{
    bool is_base64 = in->http.body.len > 0 && !is_text(in);
    if (is_base64) {
        AUTO_BUF struct buf text;
        buf_init(&text, BASE64_MAX);
        base64_encode(&text, in->http.body);
        put(w, STR("body"), buf_str(&text));
    } else if (in->http.body.len > 0) {
        put(w, STR("body"), in->http.body);
    }
    json_key(w, STR("isBase64Encoded"));
    json_bool(w, is_base64);
}

void url_event(const struct op *op, const struct front_in *in, const struct url_row *row,
               struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    put(&w, STR("version"), STR("2.0"));
    put(&w, STR("routeKey"), STR("$default"));
    put(&w, STR("rawPath"), in->http.path);
    put(&w, STR("rawQueryString"), in->http.query.ptr == NULL ? STR("") : in->http.query);
    put_cookies(&w, in);
    put_headers(&w, op, in);
    put_query(&w, op, in->http.query);
    put_context(&w, op, in, row);
    put_body(&w, in);
    json_object_end(&w);
}
