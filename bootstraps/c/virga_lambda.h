#pragma once
/* Lambda functions in C.
 *
 *     #include <virga_lambda.h>
 *
 *     static void handle(struct lambda_call *call, void *user)
 *     {
 *         lambda_printf(call, "{\"bytes\": %zu}", call->event_size);
 *     }
 *
 *     int main(void)
 *     {
 *         return lambda_run(handle, NULL);
 *     }
 *
 * Built as a program called `bootstrap`, that is a function of the runtimes `provided.al2023`,
 * `provided.al2` and `provided`. On Virga it speaks frames over the descriptor that the variable
 * VIRGA_RUNTIME_FD names; where that is missing or empty (AWS) the Lambda Runtime API over HTTP.
 *
 * One invocation at a time, all on the thread that called lambda_run. What the handler has been
 * given is valid until it returns. The answer is sent when the handler returns; standard output and
 * standard error, which are the function's log, are flushed before.
 *
 * Memory that runs out, and a platform that went away in the middle of a call, end the process:
 * the platform then answers Runtime.ExitError and starts another one.
 *
 * Source: Lambda developer guide, "Using the Lambda runtime API for custom runtimes". */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LAMBDA_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define LAMBDA_NORETURN            __attribute__((noreturn))
#else
#define LAMBDA_PRINTF(text, first)
#define LAMBDA_NORETURN
#endif

/* An invocation: AWS's context object. All texts end with NUL; what the caller did not send, or the
 * environment does not hold, is "". */
struct lambda_call {
    const char *event; /* JSON; ends with a NUL that event_size does not count */
    size_t event_size;
    const char *request_id;
    const char *invoked_function_arn;
    const char *trace_id;         /* also in the environment: _X_AMZN_TRACE_ID */
    const char *client_context;   /* JSON */
    const char *cognito_identity; /* JSON */
    int64_t deadline_ms;          /* UTC, milliseconds since 1970 */

    const char *function_name, *function_version;
    const char *log_group_name, *log_stream_name;
    int memory_limit_mb;
};

/* Handles one invocation. Without a word of it the answer is `null`. */
typedef void (*lambda_handler)(struct lambda_call *call, void *user);

/* Serves invocations until the platform wants no more. user is handed to each.
 * Returns the exit status for main: 0, or 1 after saying on standard error what is wrong. */
int lambda_run(lambda_handler handler, void *user);

/* In place of lambda_run: the function cannot start. The caller of the first invocation reads why.
 */
LAMBDA_NORETURN LAMBDA_PRINTF(2, 3) void lambda_init_fail(const char *type, const char *format,
                                                          ...);

/* Milliseconds until the platform ends the invocation; 0 when they have passed. */
int64_t lambda_remaining_ms(const struct lambda_call *call);

/* ---- the answer: appended piece by piece, JSON unless the caller wants something else ---- */

void lambda_write(struct lambda_call *call, const void *bytes, size_t size);
LAMBDA_PRINTF(2, 3) void lambda_printf(struct lambda_call *call, const char *format, ...);
/* A JSON string: quoted, with what JSON wants escaped. Bytes that are not UTF-8 stay as they are.
 */
void lambda_write_string(struct lambda_call *call, const char *text, size_t size);

/* From here on each write goes out at once (InvokeWithResponseStream, function URLs with
 * RESPONSE_STREAM; other callers get the whole at the end). Called first, before any write, and
 * once: what was written before it goes out with it. content_type NULL: application/octet-stream.
 */
void lambda_stream(struct lambda_call *call, const char *content_type);
/* content_type of a stream that begins with {"statusCode":…,"headers":{…},"cookies":[…]} and eight
 * NUL bytes: status and headers of the function URL's answer. */
#define LAMBDA_HTTP_STREAM "application/vnd.awslambda.http-integration-response"

/* The invocation has failed: the caller gets an error object with this type ("Orders.NotFound"),
 * message, and the place of the call as its stack; what was written to the answer is dropped. After
 * lambda_stream the stream breaks off with it. The first failure of an invocation counts. */
#define lambda_fail(call, type, ...)                                                               \
    lambda_fail_at(call, __FILE__, __LINE__, __func__, type, __VA_ARGS__)
LAMBDA_PRINTF(6, 7)
void lambda_fail_at(struct lambda_call *call, const char *file, int line, const char *function,
                    const char *type, const char *format, ...);

#ifdef __cplusplus
}
#endif
