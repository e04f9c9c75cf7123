/* The manual page: what is the same for all commands is written here, the rest comes from their
 * tables. source: man(7), groff_man(7). */
#include "cli/manual.h"

#include "base/str.h"
#include "cli/options.h"

#include <stdio.h>

static const char head[] =
    ".TH VIRGA 1 \"\" \"virga " VIRGA_VERSION "\" \"User Commands\"\n"
    ".SH NAME\n"
    "virga \\- a serverless cloud that speaks AWS\\(aqs protocols\n"
    ".SH SYNOPSIS\n"
    ".B virga\n"
    ".I command\n"
    ".RI [ options ]\n"
    ".SH DESCRIPTION\n"
    "Virga runs functions in sandboxes and serves them, with the services around them, over the\n"
    "wire protocols of AWS Lambda.\n"
    ".B virga serve\n"
    "is the server; the other commands are its clients, as any AWS client is.\n"
    ".PP\n"
    "Standard output holds a command\\(aqs result alone; what else there is to say goes to "
    "standard\n"
    "error. Options may be written\n"
    ".BI \\-\\-name \" value\"\n"
    "or\n"
    ".BI \\-\\-name= value\\fR;\n"
    "a word\n"
    ".B \\-\\-\n"
    "ends them.\n"
    ".SH COMMANDS\n";

static const char shared_head[] = ".SH OPTIONS OF ALL COMMANDS THAT CALL A SERVER\n";

static const char surroundings[] =
    ".SH ENVIRONMENT\n"
    ".TP\n"
    ".BR VIRGA_ENDPOINT \", \" AWS_ENDPOINT_URL\n"
    "The server, where\n"
    ".B \\-\\-endpoint\n"
    "is not given.\n"
    ".TP\n"
    ".BR AWS_REGION \", \" AWS_DEFAULT_REGION\n"
    "The region.\n"
    ".TP\n"
    ".BR AWS_ACCESS_KEY_ID \", \" AWS_SECRET_ACCESS_KEY \", \" AWS_SESSION_TOKEN\n"
    "The key that signs requests. A server started with\n"
    ".B \\-\\-dev\n"
    "takes any, and none.\n"
    ".TP\n"
    ".B AWS_CA_BUNDLE\n"
    "Whom to trust over https, in PEM.\n"
    ".SH FILES\n"
    ".TP\n"
    ".I /var/lib/virga\n"
    "The data directory of a server that was not told another.\n"
    ".TP\n"
    ".IR DIR /data/root-key\n"
    "The root access key and its secret, a line each.\n"
    ".TP\n"
    ".IR DIR /data/tls/cert.pem\n"
    "The certificate that the server made for itself.\n"
    ".SH EXIT STATUS\n";

static const char tail[] =
    ". What\n"
    ".B serve\n"
    "and\n"
    ".B doctor\n"
    "end with, their\n"
    ".B \\-\\-help\n"
    "says.\n"
    ".SH EXAMPLES\n"
    ".nf\n"
    "virga serve \\-\\-dev &\n"
    "virga deploy examples/hello \\-\\-watch &\n"
    "virga invoke hello \\-\\-payload \\(aq{\"name\": \"you\"}\\(aq \\-\\-timing\n"
    "virga logs hello \\-\\-follow\n"
    "eval $(virga env); aws lambda list\\-functions\n"
    ".fi\n"
    ".SH SEE ALSO\n"
    "The documentation of AWS Lambda describes the protocol; docs/services of Virga says which\n"
    "operations are executed.\n";

/* Text of ours in roff: no escapes, hyphens that can be searched for, no line that is a request. */
static void print_text(const char *text)
{
    bool is_line_start = true;
    for (; *text != '\0'; text++) {
        if (is_line_start && (*text == '.' || *text == '\''))
            printf("\\&");
        is_line_start = *text == '\n';
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-')
            printf("\\-");
        else if (*text == '\'')
            printf("\\(aq");
        else
            printf("%c", *text);
    }
}

static void print_option(const struct cli_option *option)
{
    printf(".TP\n\\fB");
    if (option->letter != 0)
        printf("\\-%c\\fR, \\fB", option->letter);
    print_text(option->name);
    printf("\\fR");
    if (option->value != NULL) {
        printf(" \\fI");
        print_text(option->value);
        printf("\\fR");
    }
    printf("\n");
    if (option->help[0] == '\0')
        printf("\\&");
    print_text(option->help);
    printf("\n");
}

static void print_command(void *arg, const struct cli_syntax *syntax,
                          const struct cli_option *shared, size_t shared_count)
{
    (void) arg;
    printf(".SS virga %s ", syntax->command);
    print_text(syntax->arguments);
    printf("\n.nf\n"); /* summaries are broken by hand, some show commands */
    print_text(syntax->summary);
    printf("\n.fi\n");
    for (size_t i = 0; i < syntax->option_count; i++)
        print_option(&syntax->options[i]);
    for (size_t i = 0; syntax->scope != CLI_REMOTE && i < shared_count; i++)
        print_option(&shared[i]);
}

static void print_shared(void *arg, const struct cli_syntax *syntax,
                         const struct cli_option *shared, size_t shared_count)
{
    bool *is_done = arg;
    if (syntax->scope != CLI_REMOTE || *is_done)
        return;
    *is_done = true;
    printf("%s", shared_head);
    for (size_t i = 0; i < shared_count; i++)
        print_option(&shared[i]);
}

void manual_print(const struct cli_commands *commands)
{
    bool is_done = false;
    printf("%s", head);
    for (size_t i = 0; i < commands->count; i++)
        cli_visit(&commands->items[i], print_command, NULL);
    for (size_t i = 0; i < commands->count; i++)
        cli_visit(&commands->items[i], print_shared, &is_done);
    printf("%s%s%s", surroundings, cli_exit_codes, tail);
}
