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
    const char *value; /* how help calls the value */
    const char *help;
};

struct cli_syntax {
    const char *command;
    const char *summary;                   /* one line or more */
    const char *arguments;                 /* "DIR|ZIP" */
    const char *const *names_of_arguments; /* for messages */
    size_t argument_count;                 /* exactly that many */
    const struct cli_option *options;
    size_t option_count;
};

/* The options that every command has. */
struct cli_common {
    const char *endpoint; /* never NULL after cli_parse */
    const char *region;   /* never NULL after cli_parse */
    /* As given on the line; NULL: see cli/credentials.h. */
    const char *access_key, *secret_key, *session_token, *data_dir;
    bool is_json;
};

enum { CLI_PARSED = -1 };

/* Fills the options' targets and out_arguments. CLI_PARSED: go on; else the exit code: help was
 * asked for and printed (0), or the line is wrong and was said so on standard error (2). */
CHECK_RESULT int cli_parse(const struct cli_syntax *syntax, int argc, char **argv,
                           struct cli_common *common, const char **out_arguments);
