/* A function in C that does what its event says; for the tests of bootstraps/c. */
#include <virga_lambda.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put(struct lambda_call *call, const char *name, const char *value)
{
    lambda_printf(call, "\"%s\": ", name);
    lambda_write_string(call, value, strlen(value));
    lambda_printf(call, ", ");
}

static void context(struct lambda_call *call)
{
    const char *trace = getenv("_X_AMZN_TRACE_ID");
    lambda_printf(call, "{");
    put(call, "request_id", call->request_id);
    put(call, "arn", call->invoked_function_arn);
    put(call, "trace_id", call->trace_id);
    put(call, "trace_variable", trace == NULL ? "" : trace);
    put(call, "client_context", call->client_context);
    put(call, "cognito_identity", call->cognito_identity);
    put(call, "name", call->function_name);
    put(call, "version", call->function_version);
    put(call, "log_group", call->log_group_name);
    put(call, "log_stream", call->log_stream_name);
    put(call, "fd_variable", getenv("VIRGA_RUNTIME_FD") == NULL ? "" : getenv("VIRGA_RUNTIME_FD"));
    lambda_printf(call, "\"memory\": %d, \"deadline_ms\": %lld, \"remaining_ms\": %lld}",
                  call->memory_limit_mb, (long long) call->deadline_ms,
                  (long long) lambda_remaining_ms(call));
}

static void stream(struct lambda_call *call)
{
    lambda_printf(call, "be");
    lambda_stream(call, "text/plain");
    lambda_printf(call, "fore ");
    lambda_write(call, "", 0);
    for (int i = 0; i < 3; i++)
        lambda_printf(call, "%d\r\n", i);
}

static void large(struct lambda_call *call, size_t size)
{
    char *text = malloc(size);
    if (text == NULL)
        abort();
    memset(text, 'x', size);
    lambda_write_string(call, text, size);
    free(text);
}

static int is(const struct lambda_call *call, const char *what)
{
    size_t size = strlen(what);
    return call->event_size >= size + 2 && memcmp(call->event + 1, what, size) == 0;
}

static void handle(struct lambda_call *call, void *user)
{
    int *calls = user;
    ++*calls;
    if (call->event[call->event_size] != '\0')
        abort();
    if (is(call, "context")) {
        context(call);
    } else if (is(call, "nothing")) {
        printf("no word\n");
    } else if (is(call, "string")) {
        lambda_write_string(call, "a\"b\\c\n\t\x01\xc3\xa9", 10);
    } else if (is(call, "large ")) {
        large(call, strtoul(call->event + 7, NULL, 10));
    } else if (is(call, "size")) {
        lambda_printf(call, "%zu", call->event_size);
    } else if (is(call, "fail")) {
        lambda_printf(call, "dropped");
        lambda_fail(call, "Orders.NotFound", "no order \"%d\"", 7);
        lambda_fail(call, "Second", "%s", "does not count");
    } else if (is(call, "stream fail")) {
        stream(call);
        lambda_fail(call, "Stream.Broken", "in the middle");
        lambda_printf(call, "after");
    } else if (is(call, "stream large")) {
        lambda_stream(call, NULL);
        large(call, 200000);
    } else if (is(call, "stream")) {
        stream(call);
    } else if (is(call, "crash")) {
        abort();
    } else if (is(call, "exit")) {
        exit(3);
    } else if (is(call, "hang")) {
        pause();
    } else if (is(call, "print")) {
        printf("to the log"); /* without an end */
        fprintf(stderr, "to the log as well\n");
    } else if (is(call, "count")) {
        lambda_printf(call, "%d", *calls);
    } else {
        lambda_write(call, call->event, call->event_size);
    }
}

int main(void)
{
    int calls = 0;
    const char *handler = getenv("_HANDLER");
    if (handler != NULL && strcmp(handler, "init-fail") == 0)
        lambda_init_fail("Init.NoLuck", "no %s", "luck");
    return lambda_run(handle, &calls);
}
