/* The table of commands, in the order in which help shows them. */
#include "cli/cli.h"

#include <stdio.h>

const struct cli_command cli_commands[] = {
    {"deploy", "create or update a function from a folder or a ZIP file", cli_deploy_main},
    {"invoke", "call a function and print its answer", cli_invoke_main},
    {"logs", "print what functions logged", cli_logs_main},
    {"list", "list the functions", cli_list_main},
    {"describe", "show a function", cli_describe_main},
    {"delete", "delete a function", cli_delete_main},
    {"top", "show what functions do now", cli_top_main},
    {"snapshot", "show and drop snapshots of functions", cli_snapshot_main},
    {"status", "show how the server is", cli_status_main},
    {"env", "print the environment for AWS clients: eval $(virga env)", cli_env_main},
    {"version", "print the version", cli_version_main},
};
const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];
