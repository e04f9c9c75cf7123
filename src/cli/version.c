/* virga version */
#include "cli/cli.h"
#include "cli/options.h"

int cli_version_main(int argc, char **argv)
{
    const struct cli_syntax syntax = {
        .command = "version",
        .summary = "Prints the version of this program.",
        .arguments = "",
        .scope = CLI_JSON,
    };
    struct cli_common common = {0};
    int rc = cli_parse(&syntax, argc, argv, &common, NULL);
    if (rc != CLI_PARSED)
        return rc;
    printf(common.is_json ? "{\"version\":\"%s\"}\n" : "virga %s\n", VIRGA_VERSION);
    return CLI_OK;
}
