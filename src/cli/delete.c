/* virga delete NAME */
#include "cli/api.h"
#include "cli/cli.h"

static void show(const char *name, struct str body)
{
    (void) body;
    printf("deleted %s\n", name);
}

int cli_delete_main(int argc, char **argv)
{
    const struct cli_function_command command = {
        .command = "delete",
        .summary = "Deletes a function. Calls that are running finish.",
        .method = "DELETE",
        .show = show,
        .json = "{\"deleted\":true}",
    };
    return cli_function_main(&command, argc, argv);
}
