/* Requests of the command line.
 *
 * They carry a Credential as AWS's clients do, so that the server sees account and region, and no
 * valid signature: a server with --dev asks for none. The account is AWS_ACCESS_KEY_ID when that
 * is a 12-digit number. */
#include "cli/api.h"

#include "cli/cli.h"
#include "data/json.h"
#include "data/uri.h"

enum { HEADERS_MAX = 8 };

bool cli_call(const struct cli_common *common, const char *command,
              const struct cli_request *request, struct http_response *out_response)
{
    const char *key = getenv("AWS_ACCESS_KEY_ID");
    char authorization[400];
    (void) snprintf(authorization, sizeof authorization,
                    "AWS4-HMAC-SHA256 Credential=%.128s/20260101/%.64s/lambda/aws4_request, "
                    "SignedHeaders=host, Signature=0",
                    key == NULL || key[0] == '\0' ? "test" : key, common->region);
    struct http_header headers[HEADERS_MAX] = {
        {STR("Authorization"), str_from(authorization)},
        {STR("Content-Type"), STR("application/json")},
    };
    size_t count = 2;
    for (size_t i = 0; i < request->header_count && count < HEADERS_MAX; i++)
        headers[count++] = request->headers[i];
    struct err err;
    struct str body = request->body.ptr == NULL ? STR("") : request->body;
    int rc = http_call(common->endpoint, request->method, request->target.ptr, headers, count, body,
                       request->timeout_ms, out_response, &err);
    if (rc < 0)
        (void) fprintf(stderr, "virga %s: %s: %s\n", command, common->endpoint, err.text);
    return rc == 0;
}

int cli_print_fault(const char *command, const struct http_response *response)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str code = http_header_find(&response->head, STR("x-amzn-ErrorType"));
    code = str_head(code, str_find(code, ':'));
    struct str text = cli_json_member(&arena, response->body, STR("message"));
    if (text.ptr == NULL)
        text = cli_json_member(&arena, response->body, STR("Message"));
    if (text.ptr == NULL)
        text = str_head(response->body, 500);
    if (code.len == 0)
        (void) fprintf(stderr, "virga %s: HTTP %d: " STR_FMT "\n", command, response->status,
                       STR_ARG(text));
    else
        (void) fprintf(stderr, "virga %s: " STR_FMT ": " STR_FMT "\n", command, STR_ARG(code),
                       STR_ARG(text));
    return CLI_SERVER_ERROR;
}

struct str cli_function_path(struct arena *arena, const char *name, const char *suffix)
{
    AUTO_BUF struct buf path;
    buf_init(&path, 4096);
    buf_put(&path, STR("/2015-03-31/functions/"));
    uri_encode(&path, str_from(name), false);
    buf_put(&path, str_from(suffix));
    struct str copy = arena_str(arena, buf_str(&path));
    return buf_is_over(&path) || copy.ptr == NULL ? STR("/") : copy;
}

struct str cli_json_member(struct arena *arena, struct str json, struct str name)
{
    struct json_reader r;
    json_reader_init(&r, json, arena);
    if (json_next(&r) != JSON_OBJECT_BEGIN)
        return STR_NONE;
    while (json_next(&r) == JSON_KEY) {
        bool is_wanted = str_eq(r.text, name);
        enum json_token tok = json_next(&r);
        struct str text = r.text, raw;
        if (!json_skip(&r, tok, &raw))
            return STR_NONE;
        if (is_wanted)
            return tok == JSON_NULL ? STR_NONE : tok == JSON_STRING ? text : raw;
    }
    return STR_NONE;
}
