/* virga env: what an AWS client needs to find and to be let in, for `eval $(virga env)`. The values
 * are those that the commands themselves would use. */
#include "cli/cli.h"
#include "cli/credentials.h"
#include "data/json.h"

enum { OUT_MAX = 64 * 1024 };

/* In single quotes, which take everything but themselves. */
static void put_quoted(struct buf *out, struct str value)
{
    buf_put_char(out, '\'');
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\'')
            buf_put(out, STR("'\\''"));
        else
            buf_put_char(out, value.ptr[i]);
    }
    buf_put_char(out, '\'');
}

static void print_env(const struct cli_common *common, const struct credentials *credentials)
{
    const struct {
        struct str name, value;
    } variables[] = {
        {STR("AWS_ENDPOINT_URL"), str_from(common->endpoint)},
        {STR("AWS_ACCESS_KEY_ID"), credentials->access_key},
        {STR("AWS_SECRET_ACCESS_KEY"), credentials->secret_key},
        {STR("AWS_SESSION_TOKEN"), credentials->session_token},
        {STR("AWS_REGION"), str_from(common->region)},
        {STR("AWS_DEFAULT_REGION"), str_from(common->region)},
    };
    AUTO_BUF struct buf out;
    struct json_writer w;
    buf_init(&out, OUT_MAX);
    json_writer_init(&w, &out);
    if (common->is_json)
        json_object_begin(&w);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        if (variables[i].value.len == 0)
            continue;
        if (common->is_json) {
            json_key(&w, variables[i].name);
            json_str(&w, variables[i].value);
            continue;
        }
        /* With semicolons: eval $(…) without quotes makes one line of them. */
        buf_printf(&out, "export " STR_FMT "=", STR_ARG(variables[i].name));
        put_quoted(&out, variables[i].value);
        buf_put(&out, STR(";\n"));
    }
    if (common->is_json) {
        json_object_end(&w);
        buf_put_char(&out, '\n');
    }
    printf("%s", out.ptr);
}

int cli_env_main(int argc, char **argv)
{
    const struct cli_syntax syntax = {
        .command = "env",
        .summary = "Prints the environment in which AWS's clients use this server:\n"
                   "  eval $(virga env)\n"
                   "Clients older than AWS CLI 2.13 (1.29) and boto3 1.28 do not read\n"
                   "AWS_ENDPOINT_URL; they need --endpoint-url, or they go to AWS.",
        .arguments = "",
    };
    struct cli_common common = {0};
    int rc = cli_parse(&syntax, argc, argv, &common, NULL);
    if (rc != CLI_PARSED)
        return rc;
    AUTO_ARENA struct arena arena;
    struct credentials credentials;
    struct err err;
    arena_init(&arena, OUT_MAX);
    if (credentials_find(&common, &arena, &credentials, &err) < 0) {
        (void) fprintf(stderr, "virga env: %s\n", err.text);
        return CLI_USAGE;
    }
    print_env(&common, &credentials);
    return CLI_OK;
}
