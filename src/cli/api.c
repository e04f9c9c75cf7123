/* Requests of the command line: signed with SigV4 as AWS's clients do it, over host, date, session
 * token and the hash of the body. A server with --dev looks at account and region only. */
#include "cli/api.h"

#include "cli/cli.h"
#include "cli/credentials.h"
#include "data/json.h"
#include "data/uri.h"
#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum { HEADERS_MAX = 12, ARENA_MAX = 1 << 20, TIMEOUT_MS = 30 * 1000 };

static struct str authority_of(const char *endpoint) /* "127.0.0.1:4566" */
{
    struct str rest = str_from(endpoint);
    size_t at = str_find_str(rest, STR("://"));
    rest = str_skip(rest, at == rest.len ? 0 : at + 3);
    return str_head(rest, str_find(rest, '/'));
}

/* path: where the name of a certificate may be put. */
static struct http_endpoint endpoint_of(const struct cli_common *common, char path[PATH_MAX])
{
    const char *ca_path = common->ca_path;
    if (ca_path == NULL && common->data_dir != NULL &&
        snprintf(path, PATH_MAX, "%s/data/tls/cert.pem", common->data_dir) < PATH_MAX &&
        access(path, R_OK) == 0)
        ca_path = path;
    return (struct http_endpoint){common->endpoint, ca_path, common->is_insecure};
}

static int fail(const char *command, int exit_code, const char *text, const char *hint)
{
    (void) fprintf(stderr, "virga %s: %s%s\n", command, text, hint);
    return exit_code;
}

static int send_request(const struct cli_common *common, const char *command,
                        const struct cli_request *request, const struct http_header *headers,
                        size_t header_count, struct http_response *out_response)
{
    char path[PATH_MAX];
    struct http_endpoint endpoint = endpoint_of(common, path);
    struct err err;
    struct str body = request->body.ptr == NULL ? STR("") : request->body;
    int rc = http_call_streamed(&endpoint, request->method, request->target.ptr, headers,
                                header_count, body, request->timeout_ms, request->on_body,
                                request->user, out_response, &err);
    if (rc >= 0)
        return CLI_OK;
    const char *hint = rc == -ECONNREFUSED ? "; is a server running there (virga serve)?"
                       : rc == -EKEYREJECTED
                           ? "; --data or --ca say whom to trust, --insecure trusts anyone"
                           : "";
    return fail(command, rc == -EINVAL ? CLI_USAGE : CLI_SERVER_ERROR, err.text, hint);
}

int cli_call(const struct cli_common *common, const char *command,
             const struct cli_request *request, struct http_response *out_response)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct str body = request->body.ptr == NULL ? STR("") : request->body;
    struct str service = str_from(request->service == NULL ? "lambda" : request->service);
    struct http_header headers[HEADERS_MAX] = {{STR("Host"), authority_of(common->endpoint)}};
    struct credentials credentials;
    struct err err;
    int rc = credentials_find(common, &arena, &credentials, &err);
    if (rc == 0)
        rc = credentials_sign(&credentials, str_from(request->method), request->target, body,
                              str_from(common->region), service, clock_utc_ms(&clock_real), &arena,
                              headers, &err);
    if (rc < 0)
        return fail(command, CLI_USAGE, err.text, "");
    size_t count = (size_t) rc;
    if (request->content_type.ptr == NULL)
        headers[count++] = (struct http_header){STR("Content-Type"), STR("application/json")};
    else
        headers[count++] = (struct http_header){STR("Content-Type"), request->content_type};
    for (size_t i = 0; i < request->header_count && count < HEADERS_MAX; i++)
        headers[count++] = request->headers[i];
    return send_request(common, command, request, headers, count, out_response);
}

int cli_ask(const struct cli_common *common, const char *command, const struct cli_request *request,
            struct http_response *out_response)
{
    int rc = cli_call(common, command, request, out_response);
    if (rc != CLI_OK || out_response->status / 100 == 2)
        return rc;
    rc = cli_print_fault(command, out_response);
    http_response_done(out_response);
    return rc;
}

int cli_function_main(const struct cli_function_command *what, int argc, char **argv)
{
    static const char *const names[] = {"NAME"};
    const struct cli_syntax syntax = {
        .command = what->command,
        .summary = what->summary,
        .arguments = "NAME",
        .names_of_arguments = names,
        .argument_count = 1,
    };
    struct cli_common common = {0};
    const char *name;
    int rc = cli_parse(&syntax, argc, argv, &common, &name);
    if (rc != CLI_PARSED)
        return rc;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, ARENA_MAX);
    const struct cli_request request = {.method = what->method,
                                        .target = cli_function_path(&arena, name, ""),
                                        .timeout_ms = TIMEOUT_MS};
    struct http_response response;
    rc = cli_ask(&common, what->command, &request, &response);
    if (rc != CLI_OK)
        return rc;
    if (common.is_json)
        printf(STR_FMT "\n", STR_ARG(what->json == NULL ? response.body : str_from(what->json)));
    else
        what->show(name, response.body);
    http_response_done(&response);
    if (!common.is_json && what->more != NULL)
        what->more(&common, name);
    return CLI_OK;
}

struct str cli_fault_code(struct arena *arena, const struct http_response *response)
{
    struct str code = http_header_find(&response->head, STR("x-amzn-ErrorType"));
    if (code.len == 0)
        code = cli_json_member(arena, response->body, STR("__type"));
    size_t hash = str_find(code, '#'); /* "com.amazonaws.logs#ResourceNotFoundException" */
    code = str_skip(code, hash == code.len ? 0 : hash + 1);
    return str_head(code, str_find(code, ':'));
}

int cli_print_fault(const char *command, const struct http_response *response)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str code = cli_fault_code(&arena, response);
    struct str text = cli_json_member(&arena, response->body, STR("message"));
    if (text.ptr == NULL)
        text = cli_json_member(&arena, response->body, STR("Message"));
    if (text.ptr == NULL)
        text = str_head(response->body, 500);
    const char *hint = str_eq(code, STR("UnrecognizedClientException"))
                           ? " Sign by --data DIR, or eval $(virga env --data DIR)."
                           : "";
    if (code.len == 0)
        (void) fprintf(stderr, "virga %s: HTTP %d: " STR_FMT "\n", command, response->status,
                       STR_ARG(text));
    else
        (void) fprintf(stderr, "virga %s: " STR_FMT ": " STR_FMT "%s\n", command, STR_ARG(code),
                       STR_ARG(text), hint);
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

struct str cli_runtime_warning(struct arena *arena, struct str configuration)
{
    struct str version = cli_json_member(arena, configuration, STR("RuntimeVersionConfig"));
    struct str error = cli_json_member(arena, version, STR("Error"));
    return cli_json_member(arena, error, STR("Message"));
}

bool cli_json_each(struct arena *arena, struct str json, struct str name,
                   void (*fn)(void *arg, struct str element), void *arg)
{
    struct json_reader r;
    struct str array = cli_json_member(arena, json, name);
    json_reader_init(&r, array.ptr == NULL ? STR("") : array, arena);
    if (json_next(&r) != JSON_ARRAY_BEGIN)
        return false;
    enum json_token tok;
    struct str raw;
    while ((tok = json_next(&r)) != JSON_ARRAY_END) {
        if (tok == JSON_ERROR || !json_skip(&r, tok, &raw))
            return false;
        fn(arg, raw);
    }
    return true;
}
