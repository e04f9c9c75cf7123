/* virga status: the server's health, which needs no key. */
#include "cli/api.h"
#include "cli/cli.h"
#include "data/json.h"

enum { TIMEOUT_MS = 10 * 1000 };

static void print_services(struct arena *arena, struct str services)
{
    struct json_reader r;
    json_reader_init(&r, services, arena);
    printf("services  ");
    for (enum json_token tok; (tok = json_next(&r)) != JSON_END && tok != JSON_ERROR;) {
        if (tok == JSON_KEY)
            printf(" " STR_FMT, STR_ARG(r.text));
    }
    printf("\n");
}

static void print_status(const struct cli_common *common, struct str health)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str instances = cli_json_member(&arena, health, STR("instances"));
    struct str services = cli_json_member(&arena, health, STR("services"));
    printf("server     %s\nstatus     " STR_FMT "\nversion    " STR_FMT "\n", common->endpoint,
           STR_ARG(cli_json_member(&arena, health, STR("status"))),
           STR_ARG(cli_json_member(&arena, health, STR("version"))));
    printf("instances  " STR_FMT " alive, " STR_FMT " busy; " STR_FMT " calls wait\n",
           STR_ARG(cli_json_member(&arena, instances, STR("alive"))),
           STR_ARG(cli_json_member(&arena, instances, STR("busy"))),
           STR_ARG(cli_json_member(&arena, instances, STR("queued"))));
    print_services(&arena, services);
}

int cli_status_main(int argc, char **argv)
{
    const struct cli_syntax syntax = {
        .command = "status",
        .summary = "Shows the server's version, services and instances.",
        .arguments = "",
    };
    struct cli_common common = {0};
    int rc = cli_parse(&syntax, argc, argv, &common, NULL);
    if (rc != CLI_PARSED)
        return rc;
    struct http_response response;
    const struct cli_request request = {
        .method = "GET", .target = STR("/_virga/health"), .timeout_ms = TIMEOUT_MS};
    rc = cli_ask(&common, "status", &request, &response);
    if (rc != CLI_OK)
        return rc;
    if (common.is_json)
        printf(STR_FMT "\n", STR_ARG(response.body));
    else
        print_status(&common, response.body);
    http_response_done(&response);
    return CLI_OK;
}
