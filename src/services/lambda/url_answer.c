/* From what a function returned to an HTTP answer.
 *
 *     {"statusCode": 201, "headers": {…}, "cookies": […], "body": "…", "isBase64Encoded": false}
 *     {"any": "object"}, [1], 7, null      200, application/json, the JSON itself
 *     "text"                               200, application/json, the text without its quotes
 *
 * Headers that frame the message are the server's to write (net/server.h drops them). An answer
 * that says statusCode and breaks the form is the function's fault: the client gets a 502. Source:
 * Lambda developer guide, "Response payload format"; answers recorded in public sources. */
#include "data/base64.h"
#include "data/json.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/url.h"

bool url_header_add(struct aws_http_answer *out, struct str name, struct str value)
{
    if (out->header_count == AWS_HEADERS_MAX)
        return false;
    out->headers[out->header_count++] = (struct http_header){name, value};
    return true;
}

static bool has_header(const struct aws_http_answer *answer, struct str name)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (str_eq_nocase(answer->headers[i].name, name))
            return true;
    }
    return false;
}

/* A token of RFC 9110. */
static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return name.len > 0;
}

/* {"name": "value" | number | true | false}; tok is the value's first token. */
static int take_headers(struct json_reader *r, enum json_token tok, struct aws_http_answer *out)
{
    if (tok == JSON_NULL)
        return 0;
    if (tok != JSON_OBJECT_BEGIN)
        return -EINVAL;
    while ((tok = json_next(r)) == JSON_KEY) {
        struct str name = r->text, raw;
        tok = json_next(r);
        struct str value = r->text;
        if (!json_skip(r, tok, &raw) || !is_header_name(name) || tok == JSON_OBJECT_BEGIN ||
            tok == JSON_ARRAY_BEGIN)
            return -EINVAL;
        if (tok != JSON_NULL && !url_header_add(out, name, tok == JSON_STRING ? value : raw))
            return -EINVAL;
    }
    return tok == JSON_OBJECT_END ? 0 : -EINVAL;
}

static int take_cookies(struct json_reader *r, enum json_token tok, struct aws_http_answer *out)
{
    if (tok == JSON_NULL)
        return 0;
    if (tok != JSON_ARRAY_BEGIN)
        return -EINVAL;
    while ((tok = json_next(r)) == JSON_STRING) {
        if (!url_header_add(out, STR("Set-Cookie"), r->text))
            return -EINVAL;
    }
    return tok == JSON_ARRAY_END ? 0 : -EINVAL;
}

static int take_status(enum json_token tok, struct str text, struct aws_http_answer *out)
{
    uint64_t status;
    if ((tok != JSON_NUMBER && tok != JSON_STRING) || parse_u64(text, 599, &status) < 0 ||
        status < 200)
        return -EINVAL;
    out->status = (int) status;
    return 0;
}

/* One member of the object; others than these mean nothing here. */
static int take_member(struct json_reader *r, struct str name, struct aws_http_answer *out,
                       bool *is_base64)
{
    enum json_token tok = json_next(r);
    struct str text = r->text;
    if (str_eq(name, STR("headers")))
        return take_headers(r, tok, out);
    if (str_eq(name, STR("cookies")))
        return take_cookies(r, tok, out);
    if (str_eq(name, STR("statusCode")))
        return take_status(tok, text, out);
    if (str_eq(name, STR("body")) && tok != JSON_STRING && tok != JSON_NULL)
        return -EINVAL;
    if (str_eq(name, STR("body")) && tok == JSON_STRING)
        out->body = text;
    if (str_eq(name, STR("isBase64Encoded")))
        *is_base64 = tok == JSON_TRUE;
    return json_skip(r, tok, NULL) ? 0 : -EINVAL;
}

/* What a function returns may hold lone surrogates, as JSON.stringify writes them. */
static void reader_init(struct json_reader *r, struct str result, struct arena *arena)
{
    json_reader_init(r, result, arena);
    r->is_lenient = true;
}

static int take_answer(struct str result, struct arena *arena, struct aws_http_answer *out)
{
    struct json_reader r;
    enum json_token tok;
    bool is_base64 = false;
    reader_init(&r, result, arena);
    if (json_next(&r) != JSON_OBJECT_BEGIN)
        return -EINVAL;
    while ((tok = json_next(&r)) == JSON_KEY) {
        int rc = take_member(&r, r.text, out, &is_base64);
        if (rc < 0)
            return rc;
    }
    if (tok != JSON_OBJECT_END || arena_is_over(arena))
        return -EINVAL;
    return is_base64 && base64_decode(arena, out->body, &out->body) < 0 ? -EINVAL : 0;
}

/* True: an object with the member statusCode. */
static bool says_status(struct str result, struct arena *arena)
{
    struct json_reader r;
    reader_init(&r, result, arena);
    if (json_next(&r) != JSON_OBJECT_BEGIN)
        return false;
    while (json_next(&r) == JSON_KEY) {
        if (str_eq(r.text, STR("statusCode")))
            return true;
        if (!json_skip(&r, json_next(&r), NULL))
            return false;
    }
    return false;
}

int url_prelude(struct str json, struct arena *arena, struct aws_http_answer *out)
{
    struct aws_http_answer head = {.status = 200};
    int rc = take_answer(json, arena, &head);
    if (rc == 0 && !has_header(&head, STR("content-type")) &&
        !url_header_add(&head, STR("Content-Type"), STR("application/octet-stream")))
        rc = -EINVAL;
    if (rc < 0)
        return rc;
    head.body = STR("");
    *out = head;
    return 0;
}

int url_answer(struct str result, struct arena *arena, struct aws_http_answer *out)
{
    struct json_reader r;
    *out = (struct aws_http_answer){.status = 200, .body = STR("")};
    if (says_status(result, arena)) {
        int rc = take_answer(result, arena, out);
        if (rc < 0)
            return rc;
    } else {
        reader_init(&r, result, arena);
        out->body = json_next(&r) == JSON_STRING ? r.text : result;
    }
    if (!has_header(out, STR("content-type")) &&
        !url_header_add(out, STR("Content-Type"), STR("application/json")))
        return -EINVAL;
    return 0;
}
