/* The public half: the life of the process, answers, error objects. How they travel is the matter
 * of frames.c and http.c. */
#include "lambda_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- life ---- */

void lambda_die(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void) fflush(stdout);
    (void) fputs("virga_lambda: ", stderr);
    (void) vfprintf(stderr, format, values);
    (void) fputc('\n', stderr);
    va_end(values);
    _exit(1);
}

static const char *text_of(const char *name)
{
    const char *value = getenv(name);
    return value == NULL ? "" : value;
}

/* Children inherit neither the descriptor nor its name. */
static const struct lambda_link *open_frames(const char *fd_text)
{
    char *end;
    long fd = strtol(fd_text, &end, 10);
    if (*end != '\0' || fd < 0 || fd > 65535)
        lambda_die("VIRGA_RUNTIME_FD is '%s', not a descriptor", fd_text);
    (void) unsetenv("VIRGA_RUNTIME_FD");
    return frames_open((int) fd);
}

static void open_link(struct lambda_state *state)
{
    const char *fd = text_of("VIRGA_RUNTIME_FD"), *api = text_of("AWS_LAMBDA_RUNTIME_API");
    if (*fd == '\0' && *api == '\0')
        lambda_die("neither VIRGA_RUNTIME_FD nor AWS_LAMBDA_RUNTIME_API is set: this program is "
                   "started by Virga or AWS Lambda");
    state->link = *fd != '\0' ? open_frames(fd) : http_open(api);
    state->call.function_name = text_of("AWS_LAMBDA_FUNCTION_NAME");
    state->call.function_version = text_of("AWS_LAMBDA_FUNCTION_VERSION");
    state->call.log_group_name = text_of("AWS_LAMBDA_LOG_GROUP_NAME");
    state->call.log_stream_name = text_of("AWS_LAMBDA_LOG_STREAM_NAME");
    state->call.memory_limit_mb =
        (int) strtol(text_of("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), NULL, 10);
}

/* Where X-Ray's clients look for it. */
static void set_trace_id(const char *trace_id)
{
    static const char name[] = "_X_AMZN_TRACE_ID";
    if (*trace_id == '\0')
        (void) unsetenv(name);
    else if (strcmp(text_of(name), trace_id) != 0 && setenv(name, trace_id, 1) < 0)
        lambda_die("no memory for the environment");
}

static void flush_output(void)
{
    (void) fflush(stdout); /* a log that cannot be written is no reason to fail the call */
    (void) fflush(stderr);
}

static void finish(struct lambda_state *state)
{
    const struct lambda_link *link = state->link;
    flush_output();
    if (state->is_streaming && state->error.len > 0)
        link->stream_fail(state);
    else if (state->is_streaming)
        link->stream_end(state);
    else if (state->error.len > 0)
        link->fail(state);
    else if (state->answer.len > 0)
        link->answer(state, state->answer.ptr, state->answer.len);
    else
        link->answer(state, "null", 4);
    bytes_reset(&state->answer);
    bytes_reset(&state->error);
    state->is_streaming = false;
}

int lambda_run(lambda_handler handler, void *user)
{
    struct lambda_state state = {.link = NULL};
    open_link(&state);
    flush_output();
    state.link->ready();
    while (state.link->next(&state)) {
        set_trace_id(state.call.trace_id);
        handler(&state.call, user);
        finish(&state);
    }
    free(state.answer.ptr);
    free(state.error.ptr);
    return 0;
}

int64_t lambda_remaining_ms(const struct lambda_call *call)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_REALTIME, &now); /* this clock exists */
    int64_t left_ms =
        call->deadline_ms - ((int64_t) now.tv_sec * 1000 + (int64_t) now.tv_nsec / 1000000);
    return left_ms > 0 ? left_ms : 0;
}

/* ---- answers ---- */

static struct lambda_state *state_of(struct lambda_call *call)
{
    return (struct lambda_state *) (void *) call; /* its first member */
}

static void send_pieces(struct lambda_state *state)
{
    if (!state->is_streaming)
        return;
    if (state->answer.len > 0 && state->error.len == 0)
        state->link->stream_write(state, state->answer.ptr, state->answer.len);
    bytes_reset(&state->answer);
}

void lambda_write(struct lambda_call *call, const void *bytes, size_t size)
{
    bytes_put(&state_of(call)->answer, bytes, size);
    send_pieces(state_of(call));
}

void lambda_printf(struct lambda_call *call, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    bytes_vprintf(&state_of(call)->answer, format, values);
    va_end(values);
    send_pieces(state_of(call));
}

void lambda_write_string(struct lambda_call *call, const char *text, size_t size)
{
    bytes_put_json(&state_of(call)->answer, text, size);
    send_pieces(state_of(call));
}

void lambda_stream(struct lambda_call *call, const char *content_type)
{
    struct lambda_state *state = state_of(call);
    if (state->is_streaming || state->error.len > 0)
        return;
    state->is_streaming = true;
    state->link->stream_begin(state,
                              content_type == NULL ? "application/octet-stream" : content_type);
    send_pieces(state);
}

/* ---- errors ---- */

LAMBDA_PRINTF(4, 0)
static void put_error(struct lambda_state *state, const char *type, const char *place,
                      const char *format, va_list values)
{
    struct bytes message = {.ptr = NULL};
    bytes_vprintf(&message, format, values);
    (void) snprintf(state->error_type, sizeof state->error_type, "%s", type);
    bytes_put(&state->error, "{\"errorMessage\":", 16);
    bytes_put_json(&state->error, message.ptr, message.len);
    bytes_put(&state->error, ",\"errorType\":", 13);
    bytes_put_json(&state->error, type, strlen(type));
    bytes_put(&state->error, ",\"stackTrace\":[", 15);
    if (*place != '\0')
        bytes_put_json(&state->error, place, strlen(place));
    bytes_put(&state->error, "]}", 2);
    free(message.ptr);
}

/* As AWS's own runtimes do: an error stands in the log as well. */
static void log_error(const struct lambda_state *state)
{
    flush_output();
    (void) fprintf(stderr, "[ERROR] %.*s\n", (int) state->error.len, state->error.ptr);
}

void lambda_fail_at(struct lambda_call *call, const char *file, int line, const char *function,
                    const char *type, const char *format, ...)
{
    struct lambda_state *state = state_of(call);
    if (state->error.len > 0)
        return;
    char place[512];
    (void) snprintf(place, sizeof place, "%s:%d in %s", file, line, function);
    va_list values;
    va_start(values, format);
    put_error(state, type, place, format, values);
    va_end(values);
    log_error(state);
}

void lambda_init_fail(const char *type, const char *format, ...)
{
    struct lambda_state state = {.link = NULL};
    va_list values;
    va_start(values, format);
    put_error(&state, type, "", format, values);
    va_end(values);
    log_error(&state);
    open_link(&state);
    state.link->init_fail(&state);
    _exit(1);
}
