/* virga describe NAME: one function as GetFunction shows it. */
#include "cli/api.h"
#include "cli/cli.h"
#include "data/json.h"

static void print_variables(struct arena *arena, struct str environment)
{
    struct str variables = cli_json_member(arena, environment, STR("Variables"));
    struct json_reader r;
    json_reader_init(&r, variables.ptr == NULL ? STR("{}") : variables, arena);
    const char *head = "env\n";
    for (enum json_token tok; (tok = json_next(&r)) != JSON_END && tok != JSON_ERROR;) {
        if (tok == JSON_KEY)
            printf("%s  " STR_FMT "=", head, STR_ARG(r.text));
        else if (tok == JSON_STRING)
            printf(STR_FMT "\n", STR_ARG(r.text));
        head = tok == JSON_KEY ? "" : head;
    }
}

static void print_function(const char *name, struct str body)
{
    (void) name;
    static const struct {
        const char *label;
        struct str member;
        const char *unit;
    } rows[] = {
        {"name", STR_INIT("FunctionName"), ""},    {"arn", STR_INIT("FunctionArn"), ""},
        {"runtime", STR_INIT("Runtime"), ""},      {"handler", STR_INIT("Handler"), ""},
        {"memory", STR_INIT("MemorySize"), " MB"}, {"timeout", STR_INIT("Timeout"), " s"},
        {"code", STR_INIT("CodeSize"), " bytes"},  {"role", STR_INIT("Role"), ""},
        {"changed", STR_INIT("LastModified"), ""}, {"state", STR_INIT("State"), ""},
        {"about", STR_INIT("Description"), ""},
    };
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 16 << 20);
    struct str function = cli_json_member(&arena, body, STR("Configuration"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str value = cli_json_member(&arena, function, rows[i].member);
        if (value.len > 0)
            printf("%-9s " STR_FMT "%s\n", rows[i].label, STR_ARG(value), rows[i].unit);
    }
    struct str warning = cli_runtime_warning(&arena, function);
    if (warning.ptr != NULL)
        printf("%-9s " STR_FMT "\n", "warning", STR_ARG(warning));
    print_variables(&arena, cli_json_member(&arena, function, STR("Environment")));
}

int cli_describe_main(int argc, char **argv)
{
    const struct cli_function_command command = {
        .command = "describe",
        .summary = "Shows a function.",
        .method = "GET",
        .show = print_function,
        .more = cli_snapshot_line,
    };
    return cli_function_main(&command, argc, argv);
}
