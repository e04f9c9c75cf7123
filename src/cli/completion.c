/* Completions, generated from the tables that the commands parse by, so that they never differ from
 * what a command takes. What a value is, its name in help says: "on|off" are the words themselves,
 * FILE and DIR are paths; of arguments, NAME is a function's, asked of the server.
 *
 * sources: bash(1) "Programmable Completion"; zshcompsys(1) "_arguments"; fish's complete(1). */
#include "cli/manual.h"

#include "base/str.h"
#include "cli/options.h"

#include <stdio.h>

enum value_kind { VALUE_FREE, VALUE_WORDS, VALUE_PATH, VALUE_FUNCTION, VALUE_COMMAND };

static bool is_words(struct str text)
{
    bool has_bar = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '|' && (text.ptr[i] < 'a' || text.ptr[i] > 'z'))
            return false;
        has_bar |= text.ptr[i] == '|';
    }
    return has_bar;
}

static enum value_kind kind_of(const char *value)
{
    struct str text = str_from(value == NULL ? "" : value);
    if (is_words(text))
        return VALUE_WORDS;
    return str_eq(text, STR("FILE")) || str_eq(text, STR("DIR")) ? VALUE_PATH : VALUE_FREE;
}

static enum value_kind kind_of_argument(const char *arguments)
{
    struct str text = str_from(arguments);
    if (str_find_str(text, STR("DIR")) < text.len)
        return VALUE_PATH;
    if (str_find_str(text, STR("NAME")) < text.len)
        return VALUE_FUNCTION;
    if (str_find_str(text, STR("COMMAND")) < text.len)
        return VALUE_COMMAND;
    return kind_of(arguments);
}

/* "on|off" as "on off". */
static void print_words(const char *value)
{
    struct str rest = str_from(value), word;
    for (const char *gap = ""; str_split(&rest, '|', &word); gap = " ")
        printf("%s" STR_FMT, gap, STR_ARG(word));
}

static void print_names(const struct cli_commands *commands)
{
    for (size_t i = 0; i < commands->count; i++)
        printf("%s%s", i == 0 ? "" : " ", commands->items[i].name);
}

/* The first line of a text, with a backslash before each of `special` and quotes as the shell has
 * them inside single quotes. */
static void print_escaped(const char *text, const char *special)
{
    for (; *text != '\0' && *text != '\n'; text++) {
        if (*text == '\'')
            printf("'\\''");
        else
            printf("%s%c", strchr(special, *text) != NULL ? "\\" : "", *text);
    }
}

/* Calls fn for the options of a command, and for the shared ones. */
typedef void (*option_fn)(const struct cli_syntax *syntax, const struct cli_option *option);
static void each_option(const struct cli_syntax *syntax, const struct cli_option *shared,
                        size_t shared_count, option_fn fn)
{
    for (size_t i = 0; i < syntax->option_count; i++)
        fn(syntax, &syntax->options[i]);
    for (size_t i = 0; i < shared_count; i++)
        fn(syntax, &shared[i]);
}

/* --- bash --- */

static void bash_name(const struct cli_syntax *syntax, const struct cli_option *option)
{
    (void) syntax;
    printf(" %s", option->name);
}

static void bash_value(const struct cli_syntax *syntax, const struct cli_option *option)
{
    (void) syntax;
    if (option->kind == OPTION_FLAG)
        return;
    printf("        %s) ", option->name);
    enum value_kind kind = kind_of(option->value);
    if (kind == VALUE_PATH) {
        printf("_virga_paths; ");
    } else if (kind == VALUE_WORDS) {
        printf("_virga_words '");
        print_words(option->value);
        printf("'; ");
    }
    printf("return ;;\n");
}

static void bash_command(void *arg, const struct cli_syntax *syntax,
                         const struct cli_option *shared, size_t shared_count)
{
    const struct cli_commands *commands = arg;
    printf("    %s)\n        case $prev in\n", syntax->command);
    each_option(syntax, shared, shared_count, bash_value);
    printf("        esac\n        case $cur in\n        -*) _virga_words '");
    each_option(syntax, shared, shared_count, bash_name);
    printf("' ;;\n");
    enum value_kind kind = kind_of_argument(syntax->arguments);
    if (kind == VALUE_PATH)
        printf("        *) _virga_paths ;;\n");
    if (kind == VALUE_FUNCTION)
        printf("        *) _virga_words \"$(virga list --names 2>/dev/null)\" ;;\n");
    if (kind == VALUE_WORDS || kind == VALUE_COMMAND) {
        printf("        *) _virga_words '");
        if (kind == VALUE_WORDS)
            print_words(syntax->arguments);
        else
            print_names(commands);
        printf("' ;;\n");
    }
    printf("        esac ;;\n");
}

static void bash_print(struct cli_commands *commands)
{
    printf("# Completion of virga for bash; made by: virga completion bash\n"
           "_virga_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
           "_virga_paths() {\n"
           "    compopt -o filenames 2>/dev/null\n"
           "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
           "}\n"
           "_virga() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        _virga_words '");
    print_names(commands);
    printf("'\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < commands->count; i++)
        cli_visit(&commands->items[i], bash_command, commands);
    printf("    esac\n}\ncomplete -F _virga virga\n");
}

/* --- zsh --- */

static void zsh_value(enum value_kind kind, const char *name, const struct cli_commands *commands)
{
    printf(":");
    print_escaped(name, ":\\");
    printf(":");
    if (kind == VALUE_PATH)
        printf("_files");
    if (kind == VALUE_FUNCTION)
        printf("_virga_functions");
    if (kind == VALUE_WORDS || kind == VALUE_COMMAND) {
        printf("(");
        if (kind == VALUE_WORDS)
            print_words(name);
        else
            print_names(commands);
        printf(")");
    }
}

static void zsh_option(const struct cli_syntax *syntax, const struct cli_option *option)
{
    (void) syntax;
    const char *once = option->kind == OPTION_LIST ? "*" : "";
    if (option->letter != 0) {
        printf(" '-%c[", option->letter);
        print_escaped(option->help, "[]:\\");
        printf("]'");
    }
    printf(" '%s%s%s[", once, option->name, option->kind == OPTION_FLAG ? "" : "=");
    print_escaped(option->help, "[]:\\");
    printf("]");
    if (option->kind != OPTION_FLAG)
        zsh_value(kind_of(option->value), option->value, NULL);
    printf("'");
}

static void zsh_command(void *arg, const struct cli_syntax *syntax, const struct cli_option *shared,
                        size_t shared_count)
{
    printf("    %s) _arguments", syntax->command);
    each_option(syntax, shared, shared_count, zsh_option);
    if (syntax->argument_count > 0) {
        printf(" '");
        zsh_value(kind_of_argument(syntax->arguments), syntax->arguments, arg);
        printf("'");
    }
    printf(" ;;\n");
}

static void zsh_print(struct cli_commands *commands)
{
    printf("#compdef virga\n"
           "# Completion of virga for zsh; made by: virga completion zsh\n"
           "_virga_functions() {\n"
           "    local -a names=(${(f)\"$(virga list --names 2>/dev/null)\"})\n"
           "    compadd -a names\n"
           "}\n"
           "_virga() {\n"
           "    local -a commands=(\n");
    for (size_t i = 0; i < commands->count; i++) {
        printf("        '%s:", commands->items[i].name);
        print_escaped(commands->items[i].summary, "\\");
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    local command=$words[2]\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case $command in\n");
    for (size_t i = 0; i < commands->count; i++)
        cli_visit(&commands->items[i], zsh_command, commands);
    printf(
        "    esac\n"
        "}\n"
        "if [ \"$funcstack[1]\" = _virga ]; then _virga \"$@\"; else compdef _virga virga; fi\n");
}

/* --- fish --- */

static void fish_begin(const struct cli_syntax *syntax)
{
    printf("complete -c virga -n '__fish_seen_subcommand_from %s'", syntax->command);
}

static void fish_option(const struct cli_syntax *syntax, const struct cli_option *option)
{
    enum value_kind kind = kind_of(option->value);
    fish_begin(syntax);
    printf(" -l %s", option->name + 2);
    if (option->letter != 0)
        printf(" -s %c", option->letter);
    if (option->kind != OPTION_FLAG)
        printf(kind == VALUE_PATH ? " -rF" : " -x");
    if (kind == VALUE_WORDS) {
        printf(" -a '");
        print_words(option->value);
        printf("'");
    }
    printf(" -d '");
    print_escaped(option->help, "\\");
    printf("'\n");
}

static void fish_command(void *arg, const struct cli_syntax *syntax,
                         const struct cli_option *shared, size_t shared_count)
{
    each_option(syntax, shared, shared_count, fish_option);
    enum value_kind kind = kind_of_argument(syntax->arguments);
    if (kind == VALUE_FREE)
        return;
    fish_begin(syntax);
    if (kind == VALUE_PATH) {
        printf(" -F\n");
        return;
    }
    printf(" -a '");
    if (kind == VALUE_FUNCTION)
        printf("(virga list --names 2>/dev/null)");
    else if (kind == VALUE_COMMAND)
        print_names(arg);
    else
        print_words(syntax->arguments);
    printf("'\n");
}

static void fish_print(struct cli_commands *commands)
{
    printf("# Completion of virga for fish; made by: virga completion fish\n"
           "complete -c virga -f\n");
    for (size_t i = 0; i < commands->count; i++) {
        printf("complete -c virga -n __fish_use_subcommand -a %s -d '", commands->items[i].name);
        print_escaped(commands->items[i].summary, "\\");
        printf("'\n");
    }
    for (size_t i = 0; i < commands->count; i++)
        cli_visit(&commands->items[i], fish_command, commands);
}

bool completion_print(const struct cli_commands *commands, const char *shell)
{
    static const struct {
        const char *name;
        void (*print)(struct cli_commands *commands);
    } shells[] = {{"bash", bash_print}, {"zsh", zsh_print}, {"fish", fish_print}};
    struct cli_commands own = *commands;
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].print(&own);
            return true;
        }
    }
    return false;
}
