/* The behaviours in C. Events are {"do": WHAT, NAME: VALUE}, as Python's json writes them, so that
 * looking for the texts is parsing enough. */
#include <virga_lambda.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static int count;

/* What stands behind "name": up to the end of the event's object. */
static const char *member(const struct lambda_call *call, const char *name, size_t *out_size)
{
    char key[32];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(call->event, key);
    at = at == NULL ? "" : at + strlen(key);
    *out_size = *at == '\0' ? 0 : (size_t) (call->event + call->event_size - 1 - at);
    return at;
}

static long number(const struct lambda_call *call, const char *name)
{
    size_t size;
    return strtol(member(call, name, &size), NULL, 10);
}

/* A text without escapes that matter. */
static char *text(const struct lambda_call *call, const char *name, char *out, size_t room)
{
    size_t size;
    const char *at = member(call, name, &size);
    const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
    snprintf(out, room, "%.*s", end == NULL ? 0 : (int) (end - at - 1), at + 1);
    return out;
}

static void put_member(struct lambda_call *call, const char *name, const char *value)
{
    lambda_printf(call, "\"%s\": ", name);
    lambda_write_string(call, value, strlen(value));
    lambda_printf(call, ", ");
}

static void do_context(struct lambda_call *call)
{
    const char *custom = strstr(call->client_context, "\"custom\": ");
    lambda_printf(call, "{");
    put_member(call, "id", call->request_id);
    put_member(call, "arn", call->invoked_function_arn);
    put_member(call, "name", call->function_name);
    put_member(call, "version", call->function_version);
    put_member(call, "group", call->log_group_name);
    put_member(call, "stream", call->log_stream_name);
    lambda_printf(call, "\"memory\": %d, \"identity\": null, \"client\": ", call->memory_limit_mb);
    if (custom == NULL)
        lambda_printf(call, "null}");
    else
        lambda_printf(call, "%.*s}", (int) (strchr(custom, '}') - custom - 9), custom + 10);
}

static void do_env(struct lambda_call *call)
{
    lambda_printf(call, "{");
    for (char **at = environ; *at != NULL; at++) {
        const char *equals = strchr(*at, '=');
        lambda_printf(call, at == environ ? "" : ", ");
        lambda_write_string(call, *at, (size_t) (equals - *at));
        lambda_printf(call, ": ");
        lambda_write_string(call, equals + 1, strlen(equals + 1));
    }
    lambda_printf(call, "}");
}

static void do_place(struct lambda_call *call)
{
    char cwd[256], zone[16];
    time_t now = time(NULL);
    strftime(zone, sizeof zone, "%z", localtime(&now));
    lambda_printf(call, "{\"cwd\": \"%s\", \"zone\": \"%s\", \"pid\": %d, \"uid\": %u}",
                  getcwd(cwd, sizeof cwd), zone, getpid(), getuid());
}

/* ["first", "", "third"], where \u00e4 is the only escape. */
static void do_print(const struct lambda_call *call)
{
    size_t size;
    const char *at = member(call, "lines", &size);
    while ((at = strchr(at, '"')) != NULL) {
        const char *end = strchr(at + 1, '"');
        char line[128];
        size_t len = 0;
        for (const char *c = at + 1; c < end; c++) {
            bool is_escape = strncmp(c, "\\u00e4", 6) == 0;
            len += (size_t) snprintf(line + len, sizeof line - len, "%.*s", is_escape ? 2 : 1,
                                     is_escape ? "ä" : c);
            c += is_escape ? 5 : 0;
        }
        line[len] = '\0';
        printf("%s\n", line);
        fprintf(stderr, "%s\n", line);
        at = end + 1;
    }
}

static void do_sleep(struct lambda_call *call)
{
    long ms = number(call, "ms");
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    lambda_printf(call, "%d", count);
}

static void do_remaining(struct lambda_call *call)
{
    long long first = (long long) lambda_remaining_ms(call);
    nanosleep(&(struct timespec){0, 20 * 1000000}, NULL);
    lambda_printf(call, "[%lld, %lld]", first, (long long) lambda_remaining_ms(call));
}

static void do_big(struct lambda_call *call)
{
    size_t size = (size_t) number(call, "size");
    char *bytes = malloc(size);
    memset(bytes, 'x', size);
    lambda_write_string(call, bytes, size);
    free(bytes);
}

static void do_tmp(struct lambda_call *call)
{
    lambda_printf(call, access("/tmp/kept", F_OK) == 0 ? "true" : "false");
    close(open("/tmp/kept", O_WRONLY | O_CREAT, 0644));
}

static void do_write(struct lambda_call *call)
{
    char path[128];
    int fd = open(text(call, "path", path, sizeof path), O_WRONLY | O_CREAT, 0644);
    if (fd < 0)
        lambda_printf(call, "\"%s\"", strerror(errno));
}

static void do_oom(void)
{
    for (char *held; (held = malloc(8 << 20)) != NULL;)
        memset(held, 1, 8 << 20);
}

static void handle(struct lambda_call *call, void *user)
{
    char what[32], said[128];
    size_t size;
    (void) user;
    count++;
    text(call, "do", what, sizeof what);
    const char *value = member(call, "value", &size);
    if (strcmp(what, "echo") == 0)
        lambda_write(call, value, size);
    else if (strcmp(what, "context") == 0)
        do_context(call);
    else if (strcmp(what, "env") == 0)
        do_env(call);
    else if (strcmp(what, "trace") == 0)
        lambda_write_string(call, call->trace_id, strlen(call->trace_id));
    else if (strcmp(what, "place") == 0)
        do_place(call);
    else if (strcmp(what, "print") == 0)
        do_print(call);
    else if (strcmp(what, "sleep") == 0)
        do_sleep(call);
    else if (strcmp(what, "remaining") == 0)
        do_remaining(call);
    else if (strcmp(what, "big") == 0)
        do_big(call);
    else if (strcmp(what, "size") == 0)
        lambda_printf(call, "%zu", size - 2);
    else if (strcmp(what, "count") == 0)
        lambda_printf(call, "%d", count);
    else if (strcmp(what, "tmp") == 0)
        do_tmp(call);
    else if (strcmp(what, "write") == 0)
        do_write(call);
    else if (strcmp(what, "event") == 0)
        printf("one\ntwo\n");
    else if (strcmp(what, "raise") == 0)
        lambda_fail(call, "Custom", "%s",
                    strstr(text(call, "message", said, sizeof said), "words") ? "my words ä"
                                                                              : said);
    else if (strcmp(what, "bad") == 0)
        lambda_fail(call, "Bad", "no JSON for this");
    else if (strcmp(what, "exit") == 0)
        _exit((int) number(call, "code"));
    else if (strcmp(what, "kill") == 0)
        kill(getpid(), SIGKILL);
    else if (strcmp(what, "oom") == 0)
        do_oom();
}

int main(void)
{
    const char *handler = getenv("_HANDLER");
    printf("said while starting\n");
    fflush(stdout);
    if (strcmp(handler, "app.handler") != 0)
        lambda_init_fail("NoHandler", "no handler %s", handler);
    return lambda_run(handle, NULL);
}
