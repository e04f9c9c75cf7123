/* invoke --debug: breakpoints in a sandbox.
 *
 * The function's environment gets VIRGA_DEBUG=TOKEN, and its time-out is raised to AWS's greatest:
 * its next instance waits, in its first call, for a front end (bootstraps/README.md). Front ends
 * connect here; each connection is forwarded to the server, which joins it with one from the
 * instance (gateway/debug.c). When the call has ended, or this program is told to, configuration is
 * as before.
 *
 *     parent      waits for the caller or a signal, then puts the function back
 *     caller      the call, as without a debugger
 *     forwarder   accepts; a child of its own per connection copies both ways
 *
 * Children die with their parent (PR_SET_PDEATHSIG). source: Debug Adapter Protocol over TCP;
 * Chrome DevTools Protocol over HTTP and WebSocket: neither is looked into. */
#include "cli/debug.h"

#include "cli/api.h"
#include "cli/cli.h"
#include "data/hash.h"
#include "data/json.h"
#include "net/server.h"
#include "os/random.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TIMEOUT_MS = 30 * 1000,
    TOKEN_BYTES = 16,
    FUNCTION_TIMEOUT_S = 900, /* AWS's limit */
    COPY_SIZE = 64 * 1024,
    BODY_MAX = 1 << 20,
    PATH_SIZE = 128,
};

struct session {
    const struct cli_common *common;
    const char *name;
    char token[2 * TOKEN_BYTES + 1];
    struct str variables, timeout; /* the function's own: JSON object, number */
    int listen_fd;
    uint16_t port;
};

static int fail(int exit_code, const char *text)
{
    (void) fprintf(stderr, "virga invoke: %s\n", text);
    return exit_code;
}

/* --- the function's configuration --- */

/* token NULL: as it was before. */
static int configure(const struct session *session, const char *token)
{
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf body;
    struct json_writer w;
    struct json_reader r;
    arena_init(&arena, BODY_MAX);
    buf_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_key(&w, STR("Timeout"));
    if (token == NULL)
        json_raw(&w, session->timeout);
    else
        json_i64(&w, FUNCTION_TIMEOUT_S);
    json_key(&w, STR("Environment"));
    json_object_begin(&w);
    json_key(&w, STR("Variables"));
    json_object_begin(&w);
    json_reader_init(&r, session->variables, &arena);
    for (enum json_token tok; (tok = json_next(&r)) != JSON_END && tok != JSON_ERROR;) {
        if (tok == JSON_KEY)
            json_key(&w, r.text);
        else if (tok == JSON_STRING)
            json_str(&w, r.text);
    }
    if (token != NULL) {
        json_key(&w, STR("VIRGA_DEBUG"));
        json_str(&w, str_from(token));
    }
    json_object_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    const struct cli_request request = {
        .method = "PUT",
        .target = cli_function_path(&arena, session->name, "/configuration"),
        .body = buf_str(&body),
        .timeout_ms = TIMEOUT_MS};
    struct http_response response;
    int rc = cli_ask(session->common, "invoke", &request, &response);
    if (rc == CLI_OK)
        http_response_done(&response);
    return rc;
}

/* What of it will be put back, and the usual port of its language's debugger. */
static int look_up(struct session *session, struct arena *arena)
{
    const struct cli_request request = {
        .method = "GET",
        .target = cli_function_path(arena, session->name, "/configuration"),
        .timeout_ms = TIMEOUT_MS};
    struct http_response response;
    int rc = cli_ask(session->common, "invoke", &request, &response);
    if (rc != CLI_OK)
        return rc;
    struct str runtime = cli_json_member(arena, response.body, STR("Runtime"));
    struct str environment = cli_json_member(arena, response.body, STR("Environment"));
    struct str variables = cli_json_member(arena, environment, STR("Variables"));
    session->timeout = arena_str(arena, cli_json_member(arena, response.body, STR("Timeout")));
    session->variables = arena_str(arena, variables.ptr == NULL ? STR("{}") : variables);
    bool is_python = str_starts(runtime, STR("python")),
         is_node = str_starts(runtime, STR("nodejs"));
    http_response_done(&response);
    if (!is_python && !is_node)
        return fail(CLI_USAGE, "--debug: only functions in Python and Node.js can be debugged");
    if (session->port == 0)
        session->port = is_python ? 5678 : 9229;
    return CLI_OK;
}

/* --- forwarding --- */

static int open_tunnel(const struct session *session, const char *token, struct err *err,
                       int *out_fd)
{
    char path[PATH_SIZE];
    const struct http_endpoint endpoint = {.url = session->common->endpoint};
    (void) snprintf(path, sizeof path, "/_virga/debug/%s", token);
    return http_upgrade(&endpoint, path, "virga-debug", TIMEOUT_MS, out_fd, err);
}

/* False: the end. */
static bool copy_some(int from, int to)
{
    char bytes[COPY_SIZE];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    for (ssize_t sent = 0, m; sent < n; sent += m) {
        m = send(to, bytes + sent, (size_t) (n - sent), MSG_NOSIGNAL);
        if (m < 0)
            return false;
    }
    return n > 0;
}

static void forward(const struct session *session, int fd)
{
    int tunnel;
    struct err err;
    if (open_tunnel(session, session->token, &err, &tunnel) < 0) {
        (void) fail(CLI_SERVER_ERROR, err.text);
        return;
    }
    struct pollfd ends[] = {{.fd = fd, .events = POLLIN}, {.fd = tunnel, .events = POLLIN}};
    for (bool is_open = true; is_open;) {
        if (poll(ends, ARRAY_LEN(ends), -1) < 0 && errno != EINTR)
            break;
        for (size_t i = 0; i < ARRAY_LEN(ends); i++)
            is_open = is_open && (ends[i].revents == 0 || copy_some(ends[i].fd, ends[1 - i].fd));
    }
    (void) close(tunnel);
}

/* 0 in the child, which ends with its parent. */
static pid_t child(void)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    sigset_t none;
    (void) sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ||
        sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        _exit(CLI_USAGE);
    return 0;
}

static void forward_all(const struct session *session)
{
    struct pollfd wait = {.fd = session->listen_fd, .events = POLLIN};
    const struct sigaction reap = {.sa_handler = SIG_IGN};
    (void) sigaction(SIGCHLD, &reap, NULL);
    for (;;) {
        (void) poll(&wait, 1, -1);
        int fd = accept4(session->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        if (child() == 0) {
            forward(session, fd);
            _exit(0);
        }
        (void) close(fd);
    }
}

/* --- the session --- */

/* Until the caller has ended or a signal asks for the end; those are blocked, so none is lost. */
static int wait_for_caller(pid_t caller, const sigset_t *signals)
{
    int status;
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        if (number == SIGCHLD && waitpid(caller, &status, WNOHANG) == caller)
            return WIFEXITED(status) ? WEXITSTATUS(status) : fail(CLI_USAGE, "ended by a signal");
        if (number > 0 && number != SIGCHLD)
            break;
    }
    (void) kill(caller, SIGTERM);
    (void) waitpid(caller, &status, 0);
    return fail(CLI_USAGE, "ended by a signal");
}

static int run(const struct session *session, const sigset_t *signals, int (*call)(void *arg),
               void *arg)
{
    (void) fprintf(stderr,
                   "virga invoke: waiting for a debugger at 127.0.0.1:%u (the code is in /var/task "
                   "there)\n",
                   session->port);
    (void) fflush(stdout);
    pid_t forwarder = child();
    if (forwarder == 0) {
        forward_all(session);
        _exit(0);
    }
    pid_t caller = forwarder < 0 ? -1 : child();
    if (caller == 0) {
        int rc = call(arg);
        (void) fflush(stdout);
        _exit(rc);
    }
    int rc =
        caller < 0 ? fail(CLI_USAGE, "cannot start a process") : wait_for_caller(caller, signals);
    if (forwarder > 0) {
        (void) kill(forwarder, SIGTERM);
        (void) waitpid(forwarder, NULL, 0);
    }
    return rc;
}

/* Does the server forward debuggers? Asked before anything is changed. */
static int probe(const struct session *session)
{
    int fd;
    struct err err;
    if (open_tunnel(session, session->token, &err, &fd) < 0) {
        (void) fail(CLI_SERVER_ERROR, err.text);
        return fail(CLI_SERVER_ERROR, "--debug wants `virga serve --dev` with one event loop");
    }
    (void) close(fd);
    return CLI_OK;
}

static void draw_token(struct session *session)
{
    unsigned char bytes[TOKEN_BYTES];
    rng_fill(&rng_real, bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, session->token);
}

int cli_debug(const struct cli_common *common, const char *name, int64_t port,
              int (*call)(void *arg), void *arg)
{
    struct session session = {.common = common, .name = name, .port = (uint16_t) port};
    struct err err;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, BODY_MAX);
    draw_token(&session);
    int rc = probe(&session);
    draw_token(&session);
    if (rc == CLI_OK)
        rc = look_up(&session, &arena);
    if (rc != CLI_OK)
        return rc;
    if (listen_tcp("127.0.0.1", session.port, &session.listen_fd, &session.port, &err) < 0)
        return fail(CLI_USAGE, err.text);
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    sigset_t signals;
    (void) sigemptyset(&signals);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        (void) sigaddset(&signals, numbers[i]);
    (void) sigprocmask(SIG_BLOCK, &signals, NULL); /* from here on the function is put back */
    rc = configure(&session, session.token);
    if (rc == CLI_OK) {
        rc = run(&session, &signals, call, arg);
        int restored = configure(&session, NULL);
        rc = restored == CLI_OK ? rc : restored;
    }
    (void) close(session.listen_fd);
    return rc;
}
