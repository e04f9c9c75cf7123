/* Requests of the command line: signed with SigV4 as AWS's clients do it, over host, date, session
 * token and the hash of the body. A server with --dev looks at account and region only. */
#include "cli/api.h"

#include "cli/cli.h"
#include "cli/credentials.h"
#include "data/json.h"
#include "data/uri.h"
#include "os/clock.h"

#include <errno.h>

enum { HEADERS_MAX = 12, ARENA_MAX = 1 << 20 };

/* "127.0.0.1:4566" of "http://127.0.0.1:4566/". */
static struct str authority_of(const char *endpoint)
{
    struct str rest = str_from(endpoint);
    size_t at = str_find_str(rest, STR("://"));
    rest = str_skip(rest, at == rest.len ? 0 : at + 3);
    return str_head(rest, str_find(rest, '/'));
}

bool cli_call(const struct cli_common *common, const char *command,
              const struct cli_request *request, struct http_response *out_response)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct str body = request->body.ptr == NULL ? STR("") : request->body;
    struct http_header headers[HEADERS_MAX] = {{STR("Host"), authority_of(common->endpoint)}};
    struct credentials credentials;
    struct err err;
    int rc = credentials_find(common, &arena, &credentials, &err);
    if (rc == 0)
        rc = credentials_sign(&credentials, str_from(request->method), request->target, body,
                              str_from(common->region), clock_utc_ms(&clock_real), &arena, headers,
                              &err);
    if (rc < 0) {
        (void) fprintf(stderr, "virga %s: %s\n", command, err.text);
        return false;
    }
    size_t count = (size_t) rc;
    headers[count++] = (struct http_header){STR("Content-Type"), STR("application/json")};
    for (size_t i = 0; i < request->header_count && count < HEADERS_MAX; i++)
        headers[count++] = request->headers[i];
    rc = http_call(common->endpoint, request->method, request->target.ptr, headers, count, body,
                   request->timeout_ms, out_response, &err);
    if (rc < 0)
        cli_print_unreachable(command, rc, &err);
    return rc == 0;
}

void cli_print_unreachable(const char *command, int rc, const struct err *err)
{
    (void) fprintf(stderr, "virga %s: %s%s\n", command, err->text,
                   rc == -ECONNREFUSED ? "; is a server running there (virga serve)?" : "");
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
