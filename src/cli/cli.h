#pragma once
/* The commands of the `virga` program that speak to a server over HTTP, as any client does. main()
 * belongs to app/, which finds the command here and runs it. */
#include <stdbool.h>
#include <stddef.h>

struct cli_command {
    const char *name;
    const char *summary;
    int (*main)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
};

struct cli_commands {
    const struct cli_command *items; /* borrowed */
    size_t count;
};

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

enum cli_exit {
    CLI_OK = 0,
    CLI_FUNCTION_ERROR = 1, /* the function was called and failed */
    CLI_USAGE = 2,          /* the command line, or a local file, is wrong */
    CLI_SERVER_ERROR = 3,   /* the server refused, or cannot be reached */
};

extern const char cli_exit_codes[]; /* what they mean, for help */

int cli_deploy_main(int argc, char **argv);
int cli_invoke_main(int argc, char **argv);
int cli_logs_main(int argc, char **argv);
int cli_list_main(int argc, char **argv);
int cli_delete_main(int argc, char **argv);
int cli_describe_main(int argc, char **argv);
int cli_top_main(int argc, char **argv);
int cli_snapshot_main(int argc, char **argv);
int cli_status_main(int argc, char **argv);
int cli_env_main(int argc, char **argv);
int cli_version_main(int argc, char **argv);
