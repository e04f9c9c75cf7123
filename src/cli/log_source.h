#pragma once
/* The events of one log group in the order of their time, page by page. thread: one. */
#include "cli/api.h"

struct log_source;

struct log_event {
    int64_t at_ms;
    struct str id, message, stream; /* unescaped */
    struct str json;                /* as the server sent it */
};

/* A request to CloudWatch Logs. target: LOG_TARGET, borrowed as is body. */
#define LOG_TARGET(operation)                                                                      \
    {                                                                                              \
        STR_INIT("X-Amz-Target"), STR_INIT("Logs_20140328." operation)                             \
    }
struct cli_request log_request(const struct http_header *target, struct str body);

/* group, filter: borrowed; filter NULL: all. from_ms: the oldest time wanted. */
struct log_source *log_source_new(const struct cli_common *common, const char *group,
                                  const char *filter, int64_t from_ms);
void log_source_free(struct log_source *source);
const char *log_source_group(const struct log_source *source);

/* The next event, left where it is: NULL at the end. It is valid until log_source_skip. CLI_OK, or
 * the exit code, said on standard error. A group that does not exist (yet) is empty. */
CHECK_RESULT int log_source_peek(struct log_source *source, const struct log_event **out_event);
void log_source_skip(struct log_source *source);
