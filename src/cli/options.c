/* Parsing of a command's line, and its --help, from one table. */
#include "cli/options.h"

#include "base/assert.h"
#include "cli/cli.h"

#include <errno.h>

static const char default_endpoint[] = "http://127.0.0.1:4566";
const char cli_exit_codes[] =
    "0 done, 1 the function failed, 2 wrong usage, 3 the server refused or "
    "is not reachable";

/* Set while cli_visit calls a command. */
static struct {
    cli_visit_fn fn;
    void *arg;
} visitor;

void cli_visit(const struct cli_command *command, cli_visit_fn fn, void *arg)
{
    char name[32];
    (void) snprintf(name, sizeof name, "%s", command->name);
    visitor.fn = fn;
    visitor.arg = arg;
    (void) command->main(1, (char *[]){name, NULL}); /* it ends in cli_parse */
    visitor.fn = NULL;
}

/* Those of the scope; returns their number. */
static size_t shared_options(enum cli_scope scope, struct cli_common *common, bool *wants_help,
                             struct cli_option out[CLI_SHARED_MAX])
{
    const struct cli_option all[CLI_SHARED_MAX] = {
        {"--endpoint", OPTION_TEXT, &common->endpoint, "URL",
         "the server (else VIRGA_ENDPOINT, AWS_ENDPOINT_URL, http://127.0.0.1:4566)"},
        {"--region", OPTION_TEXT, &common->region, "NAME",
         "(else AWS_REGION, AWS_DEFAULT_REGION, us-east-1)"},
        {"--access-key", OPTION_TEXT, &common->access_key, "ID",
         "signs the requests (else the key of --data, AWS_ACCESS_KEY_ID)"},
        {"--secret-key", OPTION_TEXT, &common->secret_key, "SECRET",
         "of --access-key; other users of this machine see command lines"},
        {"--session-token", OPTION_TEXT, &common->session_token, "TOKEN", "of a temporary key"},
        {"--data", OPTION_TEXT, &common->data_dir, "DIR",
         "sign by the root key of the server that has this data directory,\n"
         "and trust its certificate"},
        {"--ca", OPTION_TEXT, &common->ca_path, "FILE",
         "whom to trust over https, in PEM (else AWS_CA_BUNDLE, the system's)"},
        {"--insecure", OPTION_FLAG, &common->is_insecure, NULL,
         "do not check the certificate of an https server"},
        {"--json", OPTION_FLAG, &common->is_json, NULL, "print JSON"},
        {"--help", OPTION_FLAG, wants_help, NULL, "print this", 'h'},
    };
    size_t count = scope == CLI_REMOTE ? CLI_SHARED_MAX : scope == CLI_JSON ? 2 : 1;
    memcpy(out, all + CLI_SHARED_MAX - count, count * sizeof *out);
    return count;
}

static void print_option(const struct cli_option *option)
{
    char left[64];
    int at = option->letter == 0 ? 0 : snprintf(left, sizeof left, "-%c, ", option->letter);
    (void) snprintf(left + at, sizeof left - (size_t) at, "%s%s%s", option->name,
                    option->value == NULL ? "" : " ", option->value == NULL ? "" : option->value);
    struct str rest = str_from(option->help), line;
    for (bool is_first = true; str_split(&rest, '\n', &line); is_first = false) {
        if (line.len == 0)
            printf("  %s\n", left);
        else
            printf("  %-23s " STR_FMT "\n", is_first ? left : "", STR_ARG(line));
    }
}

static void print_help(const struct cli_syntax *syntax, const struct cli_option *shared,
                       size_t shared_count)
{
    const char *codes = syntax->exit_codes;
    printf("usage: virga %s %s%s[options]\n\n%s\n\noptions:\n", syntax->command, syntax->arguments,
           syntax->argument_count == 0 ? "" : " ", syntax->summary);
    for (size_t i = 0; i < syntax->option_count; i++)
        print_option(&syntax->options[i]);
    for (size_t i = 0; i < shared_count; i++)
        print_option(&shared[i]);
    printf("\nexit codes: %s\n", codes != NULL ? codes : cli_exit_codes);
}

static int usage_error(const struct cli_syntax *syntax, const char *what, const char *word)
{
    (void) fprintf(stderr, "virga %s: %s '%s'; see: virga %s --help\n", syntax->command, what, word,
                   syntax->command);
    return CLI_USAGE;
}

static int take_value(const struct cli_syntax *syntax, const struct cli_option *option,
                      const char *value)
{
    struct option_list *list;
    switch (option->kind) {
    case OPTION_FLAG: break;
    case OPTION_TEXT: *(const char **) option->to = value; break;
    case OPTION_NUMBER:
        if (parse_i64(str_from(value), 0, INT32_MAX, option->to) < 0)
            return usage_error(syntax, "not a number:", value);
        break;
    case OPTION_LIST:
        list = option->to;
        if (list->count == OPTION_LIST_MAX)
            return usage_error(syntax, "too many of", option->name);
        list->items[list->count++] = value;
        break;
    }
    return CLI_PARSED;
}

static const struct cli_option *option_find(const struct cli_option *options, size_t count,
                                            struct str name)
{
    for (size_t i = 0; i < count; i++) {
        const char letter[] = {'-', options[i].letter, '\0'};
        if (str_eq(name, str_from(options[i].name)) ||
            (letter[1] != '\0' && str_eq(name, str_from(letter))))
            return &options[i];
    }
    return NULL;
}

/* A command's own options, and those that it shares. */
struct table {
    const struct cli_syntax *syntax;
    struct cli_option shared[CLI_SHARED_MAX];
    size_t shared_count;
};

static const struct cli_option *table_find(const struct table *table, struct str name)
{
    const struct cli_option *option =
        option_find(table->syntax->options, table->syntax->option_count, name);
    return option != NULL ? option : option_find(table->shared, table->shared_count, name);
}

/* One word that begins with "-"; *at moves on when the value is the next word. */
static int take_option(const struct table *table, int argc, char **argv, int *at)
{
    const struct cli_syntax *syntax = table->syntax;
    struct str word = str_from(argv[*at]);
    size_t equals = str_find(word, '=');
    const struct cli_option *option = table_find(table, str_head(word, equals));
    if (option == NULL)
        return usage_error(syntax, "unknown option", argv[*at]);
    if (option->kind == OPTION_FLAG && equals < word.len)
        return usage_error(syntax, "no value belongs to", option->name);
    if (option->kind == OPTION_FLAG) {
        *(bool *) option->to = true;
        return CLI_PARSED;
    }
    if (equals < word.len)
        return take_value(syntax, option, argv[*at] + equals + 1);
    if (*at + 1 >= argc)
        return usage_error(syntax, "a value is missing after", option->name);
    return take_value(syntax, option, argv[++*at]);
}

static const char *first_of(const char *given, const char *const *variables, size_t count,
                            const char *otherwise)
{
    for (size_t i = 0; given == NULL && i < count; i++) {
        const char *value = getenv(variables[i]);
        if (value != NULL && value[0] != '\0')
            given = value;
    }
    return given == NULL ? otherwise : given;
}

static void fill_common(struct cli_common *common)
{
    static const char *const endpoints[] = {"VIRGA_ENDPOINT", "AWS_ENDPOINT_URL"};
    static const char *const regions[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    static const char *const bundles[] = {"AWS_CA_BUNDLE"};
    common->is_endpoint_given = common->endpoint != NULL;
    common->endpoint =
        first_of(common->endpoint, endpoints, ARRAY_LEN(endpoints), default_endpoint);
    common->region = first_of(common->region, regions, ARRAY_LEN(regions), "us-east-1");
    if (common->data_dir == NULL)
        common->ca_path = first_of(common->ca_path, bundles, ARRAY_LEN(bundles), NULL);
}

/* CLI_PARSED, and how many arguments there are; or CLI_USAGE. */
static int take_words(const struct table *table, int argc, char **argv, const char **out_arguments,
                      size_t *out_count)
{
    const struct cli_syntax *syntax = table->syntax;
    bool is_literal = false;
    size_t count = 0;
    for (int at = 1; at < argc; at++) {
        struct str word = str_from(argv[at]);
        if (!is_literal && str_eq(word, STR("--"))) {
            is_literal = true;
        } else if (!is_literal && word.len > 1 && word.ptr[0] == '-') {
            if (take_option(table, argc, argv, &at) != CLI_PARSED)
                return CLI_USAGE;
        } else if (count == syntax->argument_count) {
            return usage_error(syntax, "too many arguments:", argv[at]);
        } else {
            out_arguments[count++] = argv[at];
        }
    }
    *out_count = count;
    return CLI_PARSED;
}

int cli_parse(const struct cli_syntax *syntax, int argc, char **argv, struct cli_common *common,
              const char **out_arguments)
{
    bool wants_help = false;
    size_t count = 0;
    struct table table = {.syntax = syntax};
    table.shared_count = shared_options(syntax->scope, common, &wants_help, table.shared);
    if (visitor.fn != NULL) {
        visitor.fn(visitor.arg, syntax, table.shared, table.shared_count);
        return CLI_OK;
    }
    for (size_t i = 0; i < syntax->argument_count; i++)
        out_arguments[i] = NULL;
    int rc = take_words(&table, argc, argv, out_arguments, &count);
    if (rc != CLI_PARSED)
        return rc;
    if (wants_help) {
        print_help(syntax, table.shared, table.shared_count);
        return CLI_OK;
    }
    if (count + syntax->optional_count < syntax->argument_count)
        return usage_error(syntax, "an argument is missing:", syntax->names_of_arguments[count]);
    if (syntax->scope == CLI_REMOTE)
        fill_common(common);
    return CLI_PARSED;
}
