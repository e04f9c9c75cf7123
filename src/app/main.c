/* The entry: `virga COMMAND ...` finds the command in a table and gives it the rest of the line.
 * The commands that speak to a server live in cli/, one file each; `serve` and `doctor` live here.
 */
#include "app/doctor.h"
#include "app/serve.h"
#include "base/str.h"
#include "cli/cli.h"

static int help_main(int argc, char **argv);

static const struct cli_command own_commands[] = {
    {"serve", "run the server", serve_main},
    {"doctor", "say what this host can and cannot do", doctor_main},
    {"help", "show this text", help_main},
};

static void commands_print(FILE *to, const struct cli_command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void) fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
}

static void usage_print(FILE *to)
{
    (void) fprintf(to, "usage: virga COMMAND [options]\n\n");
    commands_print(to, own_commands, ARRAY_LEN(own_commands));
    commands_print(to, cli_commands, cli_command_count);
    (void) fprintf(to, "\n`virga COMMAND --help` tells the options.\n");
}

static int help_main(int argc, char **argv)
{
    (void) argc, (void) argv;
    usage_print(stdout);
    return 0;
}

static const struct cli_command *command_find(const struct cli_command *commands, size_t count,
                                              struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(name, str_from(commands[i].name)))
            return &commands[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct str name = argc > 1 ? str_from(argv[1]) : STR("");
    if (str_eq(name, STR("--help")) || str_eq(name, STR("-h")))
        name = STR("help");
    if (str_eq(name, STR("--version")))
        name = STR("version");
    const struct cli_command *command = command_find(own_commands, ARRAY_LEN(own_commands), name);
    if (command == NULL)
        command = command_find(cli_commands, cli_command_count, name);
    if (command != NULL)
        return command->main(argc - 1, argv + 1);
    if (name.len > 0)
        (void) fprintf(stderr, "virga: there is no command '%s'\n\n", argv[1]);
    usage_print(stderr);
    return 2;
}
