#pragma once
/* Calls of the Lambda API from the command line. */
#include "base/arena.h"
#include "cli/options.h"
#include "net/client.h"

struct cli_request {
    const char *method;
    struct str target;                 /* NUL-terminated behind */
    const struct http_header *headers; /* further ones */
    size_t header_count;
    struct str body; /* ptr NULL: none */
    int64_t timeout_ms;
};

/* Signs and sends it; the caller ends *out_response with http_response_done whatever the status.
 * False: there is no usable key, or the server was not reached; it was said on standard error. */
CHECK_RESULT bool cli_call(const struct cli_common *common, const char *command,
                           const struct cli_request *request, struct http_response *out_response);
/* Says on standard error why http_call ended with rc < 0. */
void cli_print_unreachable(const char *command, int rc, const struct err *err);
/* Prints "virga COMMAND: Code: message" of an answer that is an error; returns CLI_SERVER_ERROR. */
int cli_print_fault(const char *command, const struct http_response *response);

/* "/2015-03-31/functions/NAME" + suffix in the arena. */
struct str cli_function_path(struct arena *arena, const char *name, const char *suffix);

/* Member of the JSON object `json`: its text (strings: unescaped; else as written), {NULL, 0} when
 * it is not there or null. */
struct str cli_json_member(struct arena *arena, struct str json, struct str name);
