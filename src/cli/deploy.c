/* virga deploy DIR|ZIP: pack, guess what was not said, create or update, say how to call it.
 *
 * What the command line leaves open is guessed for a new function; for one that is there it keeps
 * its value, except the handler: it is guessed again, since the code that it names is new. */
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/guess.h"
#include "cli/pack.h"
#include "cli/watch.h"
#include "data/base64.h"
#include "data/json.h"
#include "os/clock.h"
#include "os/interpreters.h"

#include <errno.h>
#include <limits.h>

enum { TIMEOUT_MS = 120 * 1000, BODY_MAX = 80 * 1024 * 1024 };

struct deploy {
    struct cli_common common;
    struct arena *arena;
    const char *path, *name, *handler, *runtime, *role, *description;
    int64_t memory_mb, timeout_s; /* -1: not given */
    struct option_list env;
    struct buf zip;
    bool is_new;
    bool is_watching, is_lenient;
};

static int fail(const char *text)
{
    (void) fprintf(stderr, "virga deploy: %s\n", text);
    return CLI_USAGE;
}

static int prepare(struct deploy *d)
{
    struct err err;
    struct guess guess = {0};
    struct interpreters host;
    char absolute[PATH_MAX];
    if (realpath(d->path, absolute) == NULL) {
        (void) err_set(&err, -errno, "'%s'", d->path);
        return fail(err.text);
    }
    interpreters_begin(&host, "");
    int rc = pack_path(absolute, &d->zip, &err);
    interpreters_end(&host);
    if (rc < 0 || guess_package(d->arena, buf_str(&d->zip), &host, &guess, &err) < 0)
        return fail(err.text);
    if (d->name == NULL)
        d->name = guess_name(d->arena, absolute).ptr;
    if (d->handler == NULL)
        d->handler = guess.handler.ptr;
    if (d->runtime == NULL)
        d->runtime = guess.runtime.ptr;
    if (d->is_lenient && d->env.count < OPTION_LIST_MAX)
        d->env.items[d->env.count++] = "VIRGA_LENIENT=1";
    for (size_t i = 0; i < d->env.count; i++) {
        if (strchr(d->env.items[i], '=') == NULL)
            return fail("--env needs NAME=VALUE");
    }
    return CLI_OK;
}

static void put_text(struct json_writer *w, const char *key, const char *value)
{
    if (value == NULL)
        return;
    json_key(w, str_from(key));
    json_str(w, str_from(value));
}

static void put_number(struct json_writer *w, const char *key, int64_t value)
{
    if (value < 0)
        return;
    json_key(w, str_from(key));
    json_i64(w, value);
}

/* The members that CreateFunction and UpdateFunctionConfiguration share. */
static void put_settings(struct json_writer *w, const struct deploy *d)
{
    put_text(w, "Runtime", d->runtime);
    put_text(w, "Handler", d->handler);
    put_text(w, "Role", d->role);
    put_text(w, "Description", d->description);
    put_number(w, "MemorySize", d->memory_mb);
    put_number(w, "Timeout", d->timeout_s);
    if (d->env.count == 0)
        return;
    json_key(w, STR("Environment"));
    json_object_begin(w);
    json_key(w, STR("Variables"));
    json_object_begin(w);
    for (size_t i = 0; i < d->env.count; i++) {
        struct str item = str_from(d->env.items[i]);
        size_t equals = str_find(item, '=');
        json_key(w, str_head(item, equals));
        json_str(w, str_skip(item, equals + 1));
    }
    json_object_end(w);
    json_object_end(w);
}

static void put_zip(struct json_writer *w, const struct buf *zip)
{
    AUTO_BUF struct buf text;
    buf_init(&text, BODY_MAX);
    base64_encode(&text, buf_str(zip));
    json_key(w, STR("ZipFile"));
    json_str(w, buf_str(&text));
}

/* Sends body; on success the answer stays in *out_response. */
static int send(struct deploy *d, const char *method, struct str target, const struct buf *body,
                struct http_response *out_response)
{
    const struct cli_request request = {
        .method = method,
        .target = target,
        .body = body == NULL ? STR_NONE : buf_str(body),
        .timeout_ms = TIMEOUT_MS,
    };
    return cli_ask(&d->common, "deploy", &request, out_response);
}

static int is_there(struct deploy *d, bool *out_is_there)
{
    struct http_response response;
    const struct cli_request request = {
        .method = "GET",
        .target = cli_function_path(d->arena, d->name, "/configuration"),
        .timeout_ms = TIMEOUT_MS,
    };
    int rc = cli_call(&d->common, "deploy", &request, &response);
    if (rc != CLI_OK)
        return rc;
    if (response.status != 200 && response.status != 404)
        rc = cli_print_fault("deploy", &response);
    else
        *out_is_there = response.status == 200;
    http_response_done(&response);
    return rc;
}

static int create(struct deploy *d, struct http_response *out_response)
{
    if (d->runtime == NULL || d->handler == NULL)
        return fail("cannot guess the handler; say --runtime and --handler");
    if (d->role == NULL)
        d->role = "arn:aws:iam::000000000000:role/virga-deploy";
    AUTO_BUF struct buf body;
    struct json_writer w;
    buf_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    put_text(&w, "FunctionName", d->name);
    put_settings(&w, d);
    json_key(&w, STR("Code"));
    json_object_begin(&w);
    put_zip(&w, &d->zip);
    json_object_end(&w);
    json_object_end(&w);
    d->is_new = true;
    return send(d, "POST", STR("/2015-03-31/functions"), &body, out_response);
}

static int update_code(struct deploy *d, struct arena *arena, struct http_response *out_response)
{
    AUTO_BUF struct buf code;
    struct json_writer w;
    buf_init(&code, BODY_MAX);
    json_writer_init(&w, &code);
    json_object_begin(&w);
    put_zip(&w, &d->zip);
    json_object_end(&w);
    return send(d, "PUT", cli_function_path(arena, d->name, "/code"), &code, out_response);
}

static int update(struct deploy *d, struct http_response *out_response)
{
    AUTO_BUF struct buf settings;
    struct json_writer w;
    int rc = update_code(d, d->arena, out_response);
    if (rc != CLI_OK)
        return rc;
    http_response_done(out_response);
    buf_init(&settings, BODY_MAX);
    json_writer_init(&w, &settings);
    json_object_begin(&w);
    put_settings(&w, d);
    json_object_end(&w);
    return send(d, "PUT", cli_function_path(d->arena, d->name, "/configuration"), &settings,
                out_response);
}

/* How curl signs: by the same key, whose secret does not appear. */
static void print_curl_key(const struct cli_common *common)
{
    bool has_variables = getenv("AWS_ACCESS_KEY_ID") != NULL;
    if (common->access_key == NULL && common->data_dir == NULL && !has_variables)
        return; /* a server with --dev asks for none */
    printf(" --aws-sigv4 aws:amz:%s:lambda --user ", common->region);
    if (common->access_key != NULL)
        printf("%s", common->access_key); /* curl asks for the secret */
    else if (common->data_dir != NULL)
        printf("\"$(paste -sd: '%s/data/root-key')\"", common->data_dir);
    else
        printf("\"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\"");
    if (common->session_token != NULL || getenv("AWS_SESSION_TOKEN") != NULL)
        printf(" -H \"X-Amz-Security-Token: $AWS_SESSION_TOKEN\"");
}

/* Lines to paste, with what this command was told about the server. */
static void print_hints(const struct cli_common *common, const char *name)
{
    printf("  virga invoke %s --payload '{}'", name);
    if (common->is_endpoint_given)
        printf(" --endpoint %s", common->endpoint);
    if (common->data_dir != NULL)
        printf(" --data '%s'", common->data_dir);
    printf("\n  curl");
    print_curl_key(common);
    bool is_tls = str_starts(str_from(common->endpoint), STR("https:"));
    if (is_tls && common->is_insecure)
        printf(" --insecure");
    else if (is_tls && common->ca_path != NULL)
        printf(" --cacert '%s'", common->ca_path);
    else if (is_tls && common->data_dir != NULL)
        printf(" --cacert '%s/data/tls/cert.pem'", common->data_dir);
    printf(" -d '{}' %s/2015-03-31/functions/%s/invocations\n", common->endpoint, name);
}

static void report(const struct deploy *d, const struct http_response *response, int64_t took_us)
{
    struct str arn = cli_json_member(d->arena, response->body, STR("FunctionArn"));
    struct str runtime = cli_json_member(d->arena, response->body, STR("Runtime"));
    struct str handler = cli_json_member(d->arena, response->body, STR("Handler"));
    struct str warning = cli_runtime_warning(d->arena, response->body);
    if (warning.ptr != NULL)
        (void) fprintf(stderr, "virga deploy: warning: " STR_FMT "\n", STR_ARG(warning));
    if (d->common.is_json) {
        printf(STR_FMT "\n", STR_ARG(response->body));
        return;
    }
    printf("%s %s in %.0f ms (%zu bytes, " STR_FMT ", " STR_FMT ")\n" STR_FMT "\n\n",
           d->is_new ? "created" : "updated", d->name, (double) took_us / 1000, d->zip.len,
           STR_ARG(runtime), STR_ARG(handler), STR_ARG(arn));
    print_hints(&d->common, d->name);
}

/* Packs again; sends it when it is another package than before. A folder that cannot be packed just
 * now, or code that the server refuses, is said, and the next change is waited for. */
static void redeploy(struct deploy *d)
{
    int64_t begin_us = clock_mono_us(&clock_real);
    struct http_response response;
    struct err err;
    struct buf old = d->zip;
    buf_init(&d->zip, PACK_MAX);
    if (pack_path(d->path, &d->zip, &err) < 0) {
        (void) fail(err.text);
        buf_done(&d->zip);
        d->zip = old; /* what the server has */
        return;
    }
    AUTO_ARENA struct arena arena; /* of this turn: there may be many */
    arena_init(&arena, 1 << 20);
    bool is_same = str_eq(buf_str(&d->zip), buf_str(&old));
    buf_done(&old);
    if (is_same || update_code(d, &arena, &response) != CLI_OK)
        return;
    if (d->common.is_json)
        printf(STR_FMT "\n", STR_ARG(response.body));
    else
        printf("updated %s in %.0f ms (%zu bytes)\n", d->name,
               (double) (clock_mono_us(&clock_real) - begin_us) / 1000, d->zip.len);
    http_response_done(&response);
}

/* Until a signal ends the program. */
static int watch(struct deploy *d)
{
    struct err err;
    int fd;
    while (watch_open(d->path, &fd, &err) == 0) {
        redeploy(d); /* also what changed while nobody was looking */
        (void) fflush(stdout);
        if (watch_wait(fd, &err) < 0)
            break;
    }
    return fail(err.text);
}

static int run(struct deploy *d)
{
    int64_t begin_us = clock_mono_us(&clock_real);
    bool exists = false;
    struct http_response response;
    int rc = prepare(d);
    if (rc == CLI_OK)
        rc = is_there(d, &exists);
    if (rc == CLI_OK)
        rc = exists ? update(d, &response) : create(d, &response);
    if (rc != CLI_OK)
        return rc;
    report(d, &response, clock_mono_us(&clock_real) - begin_us);
    http_response_done(&response);
    (void) fflush(stdout);
    return d->is_watching ? watch(d) : CLI_OK;
}

int cli_deploy_main(int argc, char **argv)
{
    struct deploy d = {.memory_mb = -1, .timeout_s = -1};
    static const char *const names[] = {"DIR|ZIP"};
    const struct cli_option options[] = {
        {"--name", OPTION_TEXT, &d.name, "NAME", "of the function (default: of the folder)"},
        {"--handler", OPTION_TEXT, &d.handler, "FILE.FUNCTION", "(default: guessed)"},
        {"--runtime", OPTION_TEXT, &d.runtime, "ID", "for example python3.12 (default: guessed)"},
        {"--memory", OPTION_NUMBER, &d.memory_mb, "MB", "128 to 10240"},
        {"--timeout", OPTION_NUMBER, &d.timeout_s, "SECONDS", "1 to 900"},
        {"--env", OPTION_LIST, &d.env, "NAME=VALUE", "a variable; again for more"},
        {"--role", OPTION_TEXT, &d.role, "ARN", "of the function's role"},
        {"--description", OPTION_TEXT, &d.description, "TEXT", ""},
        {"--lenient", OPTION_FLAG, &d.is_lenient, NULL,
         "for code that leaves out its imports, as texts print it: sets VIRGA_LENIENT=1"},
        {"--watch", OPTION_FLAG, &d.is_watching, NULL, "stay, and send the code when it changes"},
    };
    const struct cli_syntax syntax = {
        .command = "deploy",
        .summary = "Creates a function from a folder or a ZIP file, or updates the one of that "
                   "name.",
        .arguments = "DIR|ZIP",
        .names_of_arguments = names,
        .argument_count = 1,
        .options = options,
        .option_count = ARRAY_LEN(options),
    };
    int rc = cli_parse(&syntax, argc, argv, &d.common, &d.path);
    if (rc != CLI_PARSED)
        return rc;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 64 << 20);
    d.arena = &arena;
    buf_init(&d.zip, PACK_MAX);
    rc = run(&d);
    buf_done(&d.zip);
    return rc;
}
