/* The entry: `virga COMMAND ...` finds the command in a table and gives it the rest of the line.
 * The commands that speak to a server live in cli/, one file each; `serve` and `doctor` live here,
 * and what tells of all commands: help, the manual page, completions. */
#include "app/doctor.h"
#include "app/serve.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/manual.h"
#include "cli/options.h"

static int help_main(int argc, char **argv);
static int man_main(int argc, char **argv);
static int completion_main(int argc, char **argv);

static const struct cli_command first_commands[] = {
    {"serve", "run the server", serve_main},
    {"doctor", "say what this host can and cannot do", doctor_main},
};
static const struct cli_command last_commands[] = {
    {"completion", "print a shell's completions", completion_main},
    {"man", "print the manual page: virga man | man -l -", man_main},
    {"help", "print this text, or the options of a command", help_main},
};

enum { COMMANDS_MAX = 64 };

/* All of them, in the order of help. */
static struct cli_commands commands_gather(struct cli_command to[COMMANDS_MAX])
{
    const struct {
        const struct cli_command *from;
        size_t count;
    } parts[] = {{first_commands, ARRAY_LEN(first_commands)},
                 {cli_commands, cli_command_count},
                 {last_commands, ARRAY_LEN(last_commands)}};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        for (size_t k = 0; k < parts[i].count && count < COMMANDS_MAX; k++)
            to[count++] = parts[i].from[k];
    }
    return (struct cli_commands){to, count};
}

static void usage_print(FILE *to)
{
    struct cli_command all[COMMANDS_MAX];
    struct cli_commands commands = commands_gather(all);
    (void) fprintf(to, "usage: virga COMMAND [options]\n\n");
    for (size_t i = 0; i < commands.count; i++)
        (void) fprintf(to, "  %-10s %s\n", all[i].name, all[i].summary);
    (void) fprintf(to, "\n`virga help COMMAND` tells the options.\n");
}

static const struct cli_command *command_find(const struct cli_commands *commands, const char *name)
{
    for (size_t i = 0; i < commands->count; i++) {
        if (strcmp(commands->items[i].name, name) == 0)
            return &commands->items[i];
    }
    return NULL;
}

static int run(const char *name, int argc, char **argv)
{
    struct cli_command all[COMMANDS_MAX];
    struct cli_commands commands = commands_gather(all);
    const struct cli_command *command = command_find(&commands, name);
    if (command != NULL)
        return command->main(argc, argv);
    (void) fprintf(stderr, "virga: there is no command '%s'\n\n", name);
    usage_print(stderr);
    return CLI_USAGE;
}

static int help_main(int argc, char **argv)
{
    static const char *const names[] = {"COMMAND"};
    const struct cli_syntax syntax = {
        .command = "help",
        .summary = "Prints the commands, or the options of one.",
        .arguments = "[COMMAND]",
        .names_of_arguments = names,
        .argument_count = 1,
        .optional_count = 1,
        .scope = CLI_LOCAL,
    };
    struct cli_common common = {0};
    const char *name;
    int rc = cli_parse(&syntax, argc, argv, &common, &name);
    if (rc != CLI_PARSED)
        return rc;
    if (name != NULL) {
        char option[] = "--help";
        return run(name, 2, (char *[]){argv[0], option, NULL});
    }
    usage_print(stdout);
    return CLI_OK;
}

static int man_main(int argc, char **argv)
{
    const struct cli_syntax syntax = {
        .command = "man",
        .summary = "Prints the manual page of this program, for man(1):\n  virga man | man -l -",
        .arguments = "",
        .scope = CLI_LOCAL,
    };
    struct cli_common common = {0};
    struct cli_command all[COMMANDS_MAX];
    struct cli_commands commands = commands_gather(all);
    int rc = cli_parse(&syntax, argc, argv, &common, NULL);
    if (rc != CLI_PARSED)
        return rc;
    manual_print(&commands);
    return CLI_OK;
}

static int completion_main(int argc, char **argv)
{
    static const char *const names[] = {"SHELL"};
    const struct cli_syntax syntax = {
        .command = "completion",
        .summary = "Prints the completions of a shell:\n"
                   "  bash   source <(virga completion bash)\n"
                   "  zsh    virga completion zsh > a folder of $fpath/_virga\n"
                   "  fish   virga completion fish > ~/.config/fish/completions/virga.fish",
        .arguments = "bash|zsh|fish",
        .names_of_arguments = names,
        .argument_count = 1,
        .scope = CLI_LOCAL,
    };
    struct cli_common common = {0};
    struct cli_command all[COMMANDS_MAX];
    struct cli_commands commands = commands_gather(all);
    const char *shell;
    int rc = cli_parse(&syntax, argc, argv, &common, &shell);
    if (rc != CLI_PARSED)
        return rc;
    if (completion_print(&commands, shell))
        return CLI_OK;
    (void) fprintf(stderr, "virga completion: the shells are bash, zsh and fish\n");
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    if (name[0] != '\0')
        return run(name, argc - 1, argv + 1);
    usage_print(stderr);
    return CLI_USAGE;
}
