/* The entry: `virga COMMAND ...` finds the command in a table and gives it the rest of the line.
 * The commands that speak to a server live in cli/, one file each; `serve` lives here. */
#include "app/serve.h"
#include "base/str.h"

struct command {
    const char *name;
    const char *summary;
    int (*main)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
};

static int help_main(int argc, char **argv);

static int version_main(int argc, char **argv)
{
    (void) argc, (void) argv;
    printf("virga " VIRGA_VERSION "\n");
    return 0;
}

static const struct command commands[] = {
    {"serve", "run the server", serve_main},
    {"version", "say which version this is", version_main},
    {"help", "show this text", help_main},
};

static void usage_print(FILE *to)
{
    (void) fprintf(to, "usage: virga COMMAND [options]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void) fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void) fprintf(to, "\n`virga COMMAND --help` tells the options.\n");
}

static int help_main(int argc, char **argv)
{
    (void) argc, (void) argv;
    usage_print(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct str name = argc > 1 ? str_from(argv[1]) : STR("");
    if (str_eq(name, STR("--help")) || str_eq(name, STR("-h")))
        name = STR("help");
    if (str_eq(name, STR("--version")))
        name = STR("version");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (str_eq(name, str_from(commands[i].name)))
            return commands[i].main(argc - 1, argv + 1);
    }
    if (name.len > 0)
        (void) fprintf(stderr, "virga: there is no command '%s'\n\n", argv[1]);
    usage_print(stderr);
    return 2;
}
