/* virga snapshot list | show NAME[:VERSION] | drop NAME[:VERSION] */
#include "cli/api.h"
#include "cli/cli.h"

#include <string.h>

static struct str member(struct arena *arena, struct str entry, struct str name)
{
    struct str text = cli_json_member(arena, entry, name);
    return text.ptr == NULL ? STR("") : text;
}

static void print_row(void *arg, struct str entry)
{
    size_t *count = arg;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    if ((*count)++ == 0)
        printf("%-40s %-8s %10s %8s  %s\n", "FUNCTION", "STATE", "BYTES", "COPIES", "WHY NONE");
    printf("%-40.*s %-8.*s %10.*s %8.*s  " STR_FMT "\n",
           STR_ARG(member(&arena, entry, STR("function"))),
           STR_ARG(member(&arena, entry, STR("state"))),
           STR_ARG(member(&arena, entry, STR("bytes"))),
           STR_ARG(member(&arena, entry, STR("copies"))),
           STR_ARG(member(&arena, entry, STR("reason"))));
}

static void print_one(struct str entry)
{
    static const struct str names[] = {STR_INIT("function"), STR_INIT("state"), STR_INIT("bytes"),
                                       STR_INIT("copies"), STR_INIT("reason")};
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value = cli_json_member(&arena, entry, names[i]);
        if (value.ptr != NULL)
            printf("%-9.*s " STR_FMT "\n", STR_ARG(names[i]), STR_ARG(value));
    }
}

static void print_list(struct arena *arena, struct str body)
{
    size_t count = 0;
    struct str off = member(arena, body, STR("off"));
    if (off.len > 0)
        printf("snapshots are off: " STR_FMT "\n", STR_ARG(off));
    if (!cli_json_each(arena, body, STR("snapshots"), print_row, &count) || count == 0)
        printf("no snapshots\n");
}

static void print_answer(const struct cli_common *common, const char *verb, const char *name,
                         struct str body)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 16 << 20);
    if (strcmp(verb, "drop") == 0)
        printf(common->is_json ? "{\"dropped\":true}\n" : "dropped %s\n", name);
    else if (common->is_json)
        printf(STR_FMT "\n", STR_ARG(body));
    else if (strcmp(verb, "show") == 0)
        print_one(body);
    else
        print_list(&arena, body);
}

void cli_snapshot_line(const struct cli_common *common, const char *name)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct cli_request request = {
        .method = "GET",
        .target = arena_printf(&arena, "/_virga/snapshots/%s", name),
        .timeout_ms = 30000,
    };
    struct http_response response;
    if (cli_ask(common, "describe", &request, &response) != CLI_OK)
        return; /* said */
    struct str reason = member(&arena, response.body, STR("reason"));
    printf("%-9s " STR_FMT "%s" STR_FMT "\n", "snapshot",
           STR_ARG(member(&arena, response.body, STR("state"))), reason.len > 0 ? ": " : "",
           STR_ARG(reason));
    http_response_done(&response);
}

static int ask(const struct cli_common *common, const char *verb, const char *name)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct cli_request request = {
        .method = strcmp(verb, "drop") == 0 ? "DELETE" : "GET",
        .target = arena_printf(&arena, "/_virga/snapshots/%s", name),
        .timeout_ms = 30000,
    };
    struct http_response response;
    int rc = cli_ask(common, "snapshot", &request, &response);
    if (rc != CLI_OK)
        return rc;
    print_answer(common, verb, name, response.body);
    http_response_done(&response);
    return CLI_OK;
}

int cli_snapshot_main(int argc, char **argv)
{
    static const char *const names[] = {"list, show or drop", "NAME"};
    const struct cli_syntax syntax = {
        .command = "snapshot",
        .summary = "Snapshots of initialised functions, which their instances start from:\n"
                   "  list              which functions have one, and why others do not\n"
                   "  show NAME[:VER]   the same of one function or version\n"
                   "  drop NAME[:VER]   removes the image; another is made after the next start",
        .arguments = "list | show NAME | drop NAME",
        .names_of_arguments = names,
        .argument_count = 2,
        .optional_count = 1,
    };
    struct cli_common common = {0};
    const char *arguments[2];
    int rc = cli_parse(&syntax, argc, argv, &common, arguments);
    if (rc != CLI_PARSED)
        return rc;
    const char *verb = arguments[0], *name = arguments[1];
    bool is_list = strcmp(verb, "list") == 0;
    bool is_known = is_list || strcmp(verb, "show") == 0 || strcmp(verb, "drop") == 0;
    if (!is_known || is_list != (name == NULL)) {
        (void) fprintf(stderr, "virga snapshot: list, show NAME or drop NAME\n");
        return CLI_USAGE;
    }
    return ask(&common, verb, is_list ? "" : name);
}
