/* virga delete NAME */
#include "cli/api.h"
#include "cli/cli.h"

int cli_delete_main(int argc, char **argv)
{
    static const char *const names[] = {"NAME"};
    const struct cli_syntax syntax = {
        .command = "delete",
        .summary = "Deletes a function. Calls that are running finish.",
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
    arena_init(&arena, 1 << 20);
    const struct cli_request request = {
        .method = "DELETE", .target = cli_function_path(&arena, name, ""), .timeout_ms = 30000};
    struct http_response response;
    if (!cli_call(&common, "delete", &request, &response))
        return CLI_SERVER_ERROR;
    rc = CLI_OK;
    if (response.status / 100 != 2)
        rc = cli_print_fault("delete", &response);
    else
        printf(common.is_json ? "{\"deleted\":true}\n" : "deleted %s\n", name);
    http_response_done(&response);
    return rc;
}
