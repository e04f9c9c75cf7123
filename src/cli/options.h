#pragma once
/* Command lines: "--name VALUE", "--name=VALUE", flags, and positional arguments in any order;
 * "--" ends the options. What is not known is refused. */
#include "base/str.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST };

enum { OPTION_LIST_MAX = 64 };

struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct cli_option {
    const char *name; /* "--memory" */
    enum option_kind kind;
    void *to;          /* bool, const char *, int64_t, struct option_list */
    const char *value; /* how help calls the value; "on|off": these words, "FILE", "DIR": paths */
    const char *help;  /* a line; further ones behind '\n' */
    char letter;       /* 'f': "-f" is the same flag; 0: none */
};

/* Which options a command has beside its own. */
enum cli_scope {
    CLI_REMOTE, /* it speaks to a server: all of cli_common */
    CLI_JSON,   /* --json and --help */
    CLI_LOCAL,  /* --help */
};

struct cli_syntax {
    const char *command;
    const char *summary;                   /* one line or more */
    const char *arguments;                 /* "DIR|ZIP", "[NAME]" */
    const char *const *names_of_arguments; /* for messages */
    size_t argument_count;                 /* at most that many */
    size_t optional_count;                 /* so many of them may be missing */
    const struct cli_option *options;
    size_t option_count;
    enum cli_scope scope;
    const char *exit_codes; /* NULL: enum cli_exit */
};

/* The options that commands share. */
struct cli_common {
    const char *endpoint; /* CLI_REMOTE: never NULL after cli_parse, as region */
    const char *region;
    /* As given on the line; NULL: see cli/credentials.h. */
    const char *access_key, *secret_key, *session_token, *data_dir;
    const char *ca_path;    /* as given on the line or by AWS_CA_BUNDLE; NULL: see cli_call */
    bool is_endpoint_given; /* on the line */
    bool is_insecure;
    bool is_json;
};

enum { CLI_PARSED = -1, CLI_SHARED_MAX = 10 };

/* Fills the options' targets and out_arguments (NULL for what may be missing and is). CLI_PARSED:
 * go on; else the exit code: help was asked for and printed (0), or the line is wrong and was said
 * so on standard error (2). Every command begins with it: see cli_visit. */
CHECK_RESULT int cli_parse(const struct cli_syntax *syntax, int argc, char **argv,
                           struct cli_common *common, const char **out_arguments);

/* Shows the syntax of a command, with the options that it shares, instead of running it. Views for
 * the time of the call. */
struct cli_command;
typedef void (*cli_visit_fn)(void *arg, const struct cli_syntax *syntax,
                             const struct cli_option *shared, size_t shared_count);
void cli_visit(const struct cli_command *command, cli_visit_fn fn, void *arg);
