/* virga invoke NAME: one synchronous call. The function's answer goes to standard output, and
 * nothing else does; log and times go to standard error. */
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/debug.h"
#include "cli/stream.h"
#include "data/base64.h"
#include "data/json.h"
#include "os/clock.h"
#include "os/file.h"

#include <errno.h>

enum { PAYLOAD_MAX = 64 * 1024 * 1024, TIMEOUT_MS = 1000 * 1000 };

struct invoke {
    struct cli_common common;
    const char *name, *payload;
    bool wants_tail, wants_timing, wants_debugger, is_streamed;
    int64_t debug_port;
    struct str event;
};

/* "JSON", "@file" or "-". */
static int read_payload(const char *text, struct buf *out)
{
    struct err err;
    int rc;
    if (text[0] != '@' && strcmp(text, "-") != 0) {
        buf_put(out, str_from(text));
        return 0;
    }
    rc = file_read(text[0] == '@' ? text + 1 : "/dev/stdin", out, &err);
    if (rc < 0)
        (void) fprintf(stderr, "virga invoke: %s\n", err.text);
    return rc;
}

/* The number after `label` in the REPORT line, as text; "-" when it is not there. */
static struct str report_value(struct str report, struct str label)
{
    struct str rest = str_skip(report, str_find_str(report, label));
    if (rest.len == 0)
        return STR("-");
    rest = str_trim(str_skip(rest, label.len));
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '\t' && rest.ptr[end] != '\n')
        end++;
    return str_head(rest, end);
}

static void print_timing(struct str log, int64_t client_us)
{
    struct str report = str_skip(log, str_find_str(log, STR("REPORT RequestId:")));
    struct str init = report_value(report, STR("\tInit Duration:"));
    (void) fprintf(stderr,
                   "start     %s\ninit      " STR_FMT "\nrun       " STR_FMT "\nbilled    " STR_FMT
                   "\nmemory    " STR_FMT " of " STR_FMT "\nclient    %.2f ms\n",
                   init.len == 1 ? "warm" : "cold", STR_ARG(init),
                   STR_ARG(report_value(report, STR("\tDuration:"))),
                   STR_ARG(report_value(report, STR("\tBilled Duration:"))),
                   STR_ARG(report_value(report, STR("\tMax Memory Used:"))),
                   STR_ARG(report_value(report, STR("\tMemory Size:"))), (double) client_us / 1000);
}

/* {"errorMessage", "errorType", "stackTrace"} as a reader wants it. */
static void print_function_error(struct str payload)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 64 << 20);
    struct str type = cli_json_member(&arena, payload, STR("errorType"));
    struct str text = cli_json_member(&arena, payload, STR("errorMessage"));
    struct str trace = cli_json_member(&arena, payload, STR("stackTrace"));
    if (text.ptr == NULL) {
        (void) fprintf(stderr, "virga invoke: the function failed: " STR_FMT "\n",
                       STR_ARG(payload));
        return;
    }
    (void) fprintf(stderr, "virga invoke: the function failed: " STR_FMT "%s" STR_FMT "\n",
                   STR_ARG(type), type.len == 0 ? "" : ": ", STR_ARG(text));
    struct json_reader r;
    json_reader_init(&r, trace.ptr == NULL ? STR("[]") : trace, &arena);
    for (enum json_token tok; (tok = json_next(&r)) != JSON_END && tok != JSON_ERROR;) {
        if (tok == JSON_STRING)
            (void) fprintf(stderr, STR_FMT "%s", STR_ARG(r.text),
                           r.text.len > 0 && r.text.ptr[r.text.len - 1] == '\n' ? "" : "\n");
    }
}

/* "12.34" of "12.34 ms"; null where the log has no such value. */
static void put_reported(struct json_writer *w, struct str key, struct str report, struct str label)
{
    struct str value = report_value(report, label);
    value = str_head(value, str_find(value, ' '));
    json_key(w, key);
    if (value.len > 0 && value.ptr[0] >= '0' && value.ptr[0] <= '9' && json_is_valid(value, NULL))
        json_raw(w, value);
    else
        json_null(w);
}

static void put_timing(struct json_writer *w, struct str log)
{
    struct str report = str_skip(log, str_find_str(log, STR("REPORT RequestId:")));
    put_reported(w, STR("initMs"), report, STR("\tInit Duration:"));
    put_reported(w, STR("durationMs"), report, STR("\tDuration:"));
    put_reported(w, STR("billedMs"), report, STR("\tBilled Duration:"));
    put_reported(w, STR("memoryUsedMb"), report, STR("\tMax Memory Used:"));
    put_reported(w, STR("memorySizeMb"), report, STR("\tMemory Size:"));
}

static void print_json(const struct http_response *response, struct str error, struct str log,
                       int64_t client_us)
{
    AUTO_BUF struct buf out;
    struct json_writer w;
    buf_init(&out, (size_t) 2 << 30);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, STR("payload"));
    if (json_is_valid(response->body, NULL))
        json_raw(&w, response->body);
    else
        json_str(&w, response->body);
    json_key(&w, STR("functionError"));
    if (error.len > 0)
        json_str(&w, error);
    else
        json_null(&w);
    json_key(&w, STR("log"));
    json_str(&w, log);
    json_key(&w, STR("clientMs"));
    json_double(&w, (double) client_us / 1000);
    put_timing(&w, log);
    json_object_end(&w);
    printf("%s\n", out.ptr);
}

static int show(const struct invoke *invoke, const struct http_response *response,
                int64_t client_us)
{
    if (response->status != 200)
        return cli_print_fault("invoke", response);
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str error = http_header_find(&response->head, STR("X-Amz-Function-Error"));
    struct str log = STR("");
    struct str encoded = http_header_find(&response->head, STR("X-Amz-Log-Result"));
    if (encoded.len > 0 && base64_decode(&arena, encoded, &log) < 0)
        log = STR("");
    if (invoke->common.is_json)
        print_json(response, error, log, client_us);
    else if (error.len == 0)
        printf(STR_FMT "\n", STR_ARG(response->body));
    (void) fflush(stdout);
    if (invoke->wants_tail)
        (void) fprintf(stderr, STR_FMT, STR_ARG(log));
    if (invoke->wants_timing)
        print_timing(log, client_us);
    if (error.len > 0 && !invoke->common.is_json)
        print_function_error(response->body);
    return error.len > 0 ? CLI_FUNCTION_ERROR : CLI_OK;
}

/* After the payload, which is on standard output. */
static int show_stream(const struct invoke *invoke, const struct cli_stream *stream)
{
    if (invoke->wants_tail)
        (void) fprintf(stderr, STR_FMT, STR_ARG(stream->log));
    if (invoke->wants_timing) {
        (void) fprintf(stderr, "first     %.2f ms\n", (double) stream->first_us / 1000);
        print_timing(stream->log, clock_mono_us(&clock_real) - stream->begin_us);
    }
    if (!stream->is_complete || stream->is_broken) {
        (void) fprintf(stderr, "virga invoke: the stream ended before the answer did\n");
        return CLI_SERVER_ERROR;
    }
    if (stream->error.len == 0)
        return CLI_OK;
    (void) fprintf(stderr, "virga invoke: the function failed: " STR_FMT ": " STR_FMT "\n",
                   STR_ARG(stream->error), STR_ARG(stream->details));
    return CLI_FUNCTION_ERROR;
}

static struct str stream_path(struct arena *arena, const char *name)
{
    struct str path = cli_function_path(arena, name, "/response-streaming-invocations");
    struct str rest = str_skip(path, str_find_str(path, STR("/functions/")));
    return arena_printf(arena, "/2021-11-15" STR_FMT, STR_ARG(rest));
}

static int call_streamed(void *arg)
{
    const struct invoke *invoke = arg;
    AUTO_ARENA struct arena arena;
    struct cli_stream stream;
    arena_init(&arena, 16 << 20);
    cli_stream_init(&stream, &arena);
    const struct http_header tail = {STR("X-Amz-Log-Type"), STR("Tail")};
    const struct cli_request request = {
        .method = "POST",
        .target = stream_path(&arena, invoke->name),
        .headers = &tail,
        .header_count = invoke->wants_tail || invoke->wants_timing,
        .body = invoke->event,
        .timeout_ms = TIMEOUT_MS,
        .on_body = cli_stream_on_body,
        .user = &stream,
    };
    struct http_response response;
    int rc = cli_ask(&invoke->common, "invoke", &request, &response);
    if (rc == CLI_OK) {
        rc = show_stream(invoke, &stream);
        http_response_done(&response);
    }
    cli_stream_done(&stream);
    return rc;
}

static int call(void *arg)
{
    const struct invoke *invoke = arg;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct http_header tail = {STR("X-Amz-Log-Type"), STR("Tail")};
    const struct cli_request request = {
        .method = "POST",
        .target = cli_function_path(&arena, invoke->name, "/invocations"),
        .headers = &tail,
        .header_count = invoke->wants_tail || invoke->wants_timing || invoke->common.is_json,
        .body = invoke->event,
        .timeout_ms = TIMEOUT_MS,
    };
    struct http_response response;
    int64_t begin_us = clock_mono_us(&clock_real);
    int rc = cli_call(&invoke->common, "invoke", &request, &response);
    if (rc != CLI_OK)
        return rc;
    rc = show(invoke, &response, clock_mono_us(&clock_real) - begin_us);
    http_response_done(&response);
    return rc;
}

int cli_invoke_main(int argc, char **argv)
{
    struct invoke invoke = {.payload = "{}"};
    static const char *const names[] = {"NAME"};
    const struct cli_option options[] = {
        {"--payload", OPTION_TEXT, &invoke.payload, "JSON|@FILE|-",
         "the event; - reads standard input (default {})"},
        {"--tail", OPTION_FLAG, &invoke.wants_tail, NULL, "print the end of the call's log"},
        {"--stream", OPTION_FLAG, &invoke.is_streamed, NULL,
         "print the answer's bytes as they come (InvokeWithResponseStream)"},
        {"--debug", OPTION_FLAG, &invoke.wants_debugger, NULL,
         "wait for a debugger, and stop at its breakpoints (Python: debugpy,\n"
         "Node.js: the inspector); wants a server with --dev. Meanwhile every\n"
         "call of the function waits, up to 15 minutes"},
        {"--debug-port", OPTION_NUMBER, &invoke.debug_port, "PORT",
         "where the debugger's front end connects (default 5678, Node.js 9229)"},
        {"--timing", OPTION_FLAG, &invoke.wants_timing, NULL, "print where the time went"},
    };
    const struct cli_syntax syntax = {
        .command = "invoke",
        .summary = "Calls a function and prints its answer. Log and times go to standard error.",
        .arguments = "NAME",
        .names_of_arguments = names,
        .argument_count = 1,
        .options = options,
        .option_count = ARRAY_LEN(options),
    };
    int rc = cli_parse(&syntax, argc, argv, &invoke.common, &invoke.name);
    if (rc != CLI_PARSED)
        return rc;
    AUTO_BUF struct buf payload;
    buf_init(&payload, PAYLOAD_MAX);
    if (read_payload(invoke.payload, &payload) < 0)
        return CLI_USAGE;
    invoke.event = buf_str(&payload);
    if (invoke.is_streamed && invoke.common.is_json) {
        (void) fprintf(stderr, "virga invoke: --stream prints bytes, --json does not fit\n");
        return CLI_USAGE;
    }
    int (*run)(void *arg) = invoke.is_streamed ? call_streamed : call;
    if (invoke.debug_port > UINT16_MAX) {
        (void) fprintf(stderr, "virga invoke: --debug-port wants a port\n");
        return CLI_USAGE;
    }
    if (invoke.wants_debugger)
        return cli_debug(&invoke.common, invoke.name, invoke.debug_port, run, &invoke);
    return run(&invoke);
}
