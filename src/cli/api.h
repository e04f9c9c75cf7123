#pragma once
/* Calls of the Lambda API from the command line. */
#include "base/arena.h"
#include "cli/options.h"
#include "net/client.h"

struct cli_request {
    const char *method;
    const char *service;               /* that the signature is for; NULL: lambda */
    struct str target;                 /* NUL-terminated behind */
    const struct http_header *headers; /* further ones */
    size_t header_count;
    struct str content_type; /* ptr NULL: application/json */
    struct str body;         /* ptr NULL: none */
    int64_t timeout_ms;
    http_body_fn on_body; /* NULL, or what gets the answer's body as it comes */
    void *user;           /* of on_body */
};

/* Signs and sends it. Over https the server is checked against --ca, else the certificate below
 * --data, else AWS_CA_BUNDLE, else the system's authorities.
 * CLI_OK: the caller ends *out_response with http_response_done, whatever its status. Else the exit
 * code, said on standard error: a key or endpoint is unusable, or the server was not reached. */
CHECK_RESULT int cli_call(const struct cli_common *common, const char *command,
                          const struct cli_request *request, struct http_response *out_response);
/* As cli_call; an answer other than 2xx is said, too, and leaves nothing to end. */
CHECK_RESULT int cli_ask(const struct cli_common *common, const char *command,
                         const struct cli_request *request, struct http_response *out_response);
/* "ResourceNotFoundException" of an answer that is an error; empty where it has none. */
struct str cli_fault_code(struct arena *arena, const struct http_response *response);
/* Prints "virga COMMAND: Code: message" of an answer that is an error; returns CLI_SERVER_ERROR. */
int cli_print_fault(const char *command, const struct http_response *response);

/* A whole command: one request about the function that its argument names. show prints the answer
 * to a person. */
struct cli_function_command {
    const char *command, *summary, *method;
    void (*show)(const char *name, struct str body);
    const char *json; /* instead of the answer; NULL: the answer */
    /* Asks for more to print to a person; NULL: nothing. */
    void (*more)(const struct cli_common *common, const char *name);
};
CHECK_RESULT int cli_function_main(const struct cli_function_command *what, int argc, char **argv);

/* Prints a line of `describe`: the snapshot of a function, or why it has none. */
void cli_snapshot_line(const struct cli_common *common, const char *name);

/* "/2015-03-31/functions/NAME" + suffix in the arena. */
struct str cli_function_path(struct arena *arena, const char *name, const char *suffix);

/* Member of the JSON object `json`: its text (strings: unescaped; else as written), {NULL, 0} when
 * it is not there or null. */
struct str cli_json_member(struct arena *arena, struct str json, struct str name);
/* What a FunctionConfiguration says of an interpreter that is not the one asked for; ptr NULL:
 * nothing. */
struct str cli_runtime_warning(struct arena *arena, struct str configuration);
/* Calls fn with the raw text of each element of the array that is its member `name`. False: it has
 * no such array. */
CHECK_RESULT bool cli_json_each(struct arena *arena, struct str json, struct str name,
                                void (*fn)(void *arg, struct str element), void *arg);
