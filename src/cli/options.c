/* Parsing of a command's line, and its --help, from one table. */
#include "cli/options.h"

#include "base/assert.h"
#include "cli/cli.h"

#include <errno.h>

static const char default_endpoint[] = "http://127.0.0.1:4566";

static void print_option(const struct cli_option *option)
{
    char left[64];
    (void) snprintf(left, sizeof left, "%s%s%s", option->name, option->value == NULL ? "" : " ",
                    option->value == NULL ? "" : option->value);
    if (option->help[0] == '\0')
        printf("  %s\n", left);
    else
        printf("  %-23s %s\n", left, option->help);
}

static void print_help(const struct cli_syntax *syntax)
{
    printf("usage: virga %s %s%s[options]\n\n%s\n\noptions:\n", syntax->command, syntax->arguments,
           syntax->argument_count == 0 ? "" : " ", syntax->summary);
    for (size_t i = 0; i < syntax->option_count; i++)
        print_option(&syntax->options[i]);
    const struct cli_option common[] = {
        {"--endpoint", OPTION_TEXT, NULL, "URL",
         "the server (else VIRGA_ENDPOINT, AWS_ENDPOINT_URL, http://127.0.0.1:4566)"},
        {"--region", OPTION_TEXT, NULL, "NAME", "(else AWS_REGION, AWS_DEFAULT_REGION, us-east-1)"},
        {"--access-key", OPTION_TEXT, NULL, "ID",
         "signs the requests (else the key of --data, AWS_ACCESS_KEY_ID)"},
        {"--secret-key", OPTION_TEXT, NULL, "SECRET",
         "of --access-key; other users of this machine see command lines"},
        {"--session-token", OPTION_TEXT, NULL, "TOKEN", "of a temporary key"},
        {"--data", OPTION_TEXT, NULL, "DIR",
         "sign by the root key of the server that has this data directory"},
        {"--json", OPTION_FLAG, NULL, NULL, "print JSON"},
        {"--help", OPTION_FLAG, NULL, NULL, "print this"},
    };
    for (size_t i = 0; i < ARRAY_LEN(common); i++)
        print_option(&common[i]);
    printf("\nexit codes: 0 done, 1 the function failed, 2 wrong usage, 3 the server refused or "
           "is not reachable\n");
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
        if (str_eq(name, str_from(options[i].name)))
            return &options[i];
    }
    return NULL;
}

/* One word that begins with "--"; *at moves on when the value is the next word. */
static int take_option(const struct cli_syntax *syntax, const struct cli_option *common,
                       size_t common_count, int argc, char **argv, int *at)
{
    struct str word = str_from(argv[*at]);
    size_t equals = str_find(word, '=');
    struct str name = str_head(word, equals);
    const struct cli_option *option = option_find(syntax->options, syntax->option_count, name);
    if (option == NULL)
        option = option_find(common, common_count, name);
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
    common->endpoint =
        first_of(common->endpoint, endpoints, ARRAY_LEN(endpoints), default_endpoint);
    common->region = first_of(common->region, regions, ARRAY_LEN(regions), "us-east-1");
}

int cli_parse(const struct cli_syntax *syntax, int argc, char **argv, struct cli_common *common,
              const char **out_arguments)
{
    bool wants_help = false, is_literal = false;
    const struct cli_option shared[] = {
        {"--endpoint", OPTION_TEXT, &common->endpoint, "URL", ""},
        {"--region", OPTION_TEXT, &common->region, "NAME", ""},
        {"--access-key", OPTION_TEXT, &common->access_key, "ID", ""},
        {"--secret-key", OPTION_TEXT, &common->secret_key, "SECRET", ""},
        {"--session-token", OPTION_TEXT, &common->session_token, "TOKEN", ""},
        {"--data", OPTION_TEXT, &common->data_dir, "DIR", ""},
        {"--json", OPTION_FLAG, &common->is_json, NULL, ""},
        {"--help", OPTION_FLAG, &wants_help, NULL, ""},
    };
    size_t count = 0;
    for (int at = 1; at < argc; at++) {
        struct str word = str_from(argv[at]);
        if (!is_literal && str_eq(word, STR("--"))) {
            is_literal = true;
        } else if (!is_literal && (str_starts(word, STR("--")) || str_eq(word, STR("-h")))) {
            if (str_eq(word, STR("-h")))
                wants_help = true;
            else if (take_option(syntax, shared, ARRAY_LEN(shared), argc, argv, &at) != CLI_PARSED)
                return CLI_USAGE;
        } else if (!is_literal && word.len > 1 && word.ptr[0] == '-') {
            return usage_error(syntax, "unknown option", argv[at]);
        } else if (count == syntax->argument_count) {
            return usage_error(syntax, "too many arguments:", argv[at]);
        } else {
            out_arguments[count++] = argv[at];
        }
    }
    if (wants_help) {
        print_help(syntax);
        return CLI_OK;
    }
    if (count < syntax->argument_count)
        return usage_error(syntax, "an argument is missing:", syntax->names_of_arguments[count]);
    fill_common(common);
    return CLI_PARSED;
}
