/* Programs beside the program, what the end of each means, and sockets that reach into a sandbox.
 */
#include "test.h"

#include "base/buf.h"
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct harness h;

struct company {
    struct sandbox_event made;
    int output; /* read end of the companions' output */
};

static const char *const env[] = {"PATH=/usr/bin:/bin"};

static void put_shell(struct buf *out, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script};
    assert_ok(sandbox_start_block(out, argv, 3, env, 1, NULL));
}

/* Starts companions with their scripts (NULL: a file that is not there); the program is yet to
 * come.
 */
static struct company company_start(const char *const *scripts, size_t count)
{
    struct sandbox_spec spec = harness_spec(&h);
    struct company c = {.made = harness_spawn(&h, &spec)};
    AUTO_BUF struct buf out;
    buf_init(&out, SANDBOX_START_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t at = out.len;
        const char *const absent[] = {"/opt/absent"};
        if (scripts[i] != NULL)
            put_shell(&out, scripts[i]);
        else
            assert_ok(sandbox_start_block(&out, absent, 1, env, 1, NULL));
        sandbox_start_companion(&out, at);
    }
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(sandbox_send_fd(c.made.control_fd, buf_str(&out), ends[1], NULL), out.len);
    close(ends[1]);
    c.output = ends[0];
    return c;
}

static void program_start(const struct company *c, const char *script)
{
    AUTO_BUF struct buf out;
    buf_init(&out, SANDBOX_START_MAX);
    put_shell(&out, script);
    assert_int_equal(write(c->made.control_fd, out.ptr, out.len), out.len);
}

/* One line of the companions' output or of the log. */
static void expect_line(int fd, const char *expected)
{
    char line[80] = "";
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (size_t at = 0; at + 1 < sizeof line; at++) {
        assert_int_equal(poll(&wait, 1, 10000), 1);
        if (read(fd, line + at, 1) != 1 || line[at] == '\n') {
            line[at] = '\0';
            break;
        }
    }
    assert_string_equal(line, expected);
}

static void expect_end(const struct sandbox_event *event, enum sandbox_event_type type,
                       unsigned companion, int status)
{
    assert_int_equal(event->type, type);
    assert_int_equal(event->companion, companion);
    assert_int_equal(event->status, status);
}

static void company_end(struct company *c)
{
    harness_close(&c->made);
    close(c->output);
}

#define WAITS "trap 'echo asked; exit 5' TERM; echo up; while true; do sleep 0.05; done"

/* The program's control socket is none of theirs, their output is not the log. */
static void they_run_beside_the_program(void **state)
{
    (void) state;
    static const char *const scripts[] = {"echo one; ls /proc/self/fd | xargs; read x < /dev/zero",
                                          "echo two; exec sleep 60"};
    struct company c = company_start(scripts, 1);
    expect_line(c.output, "one");
    expect_line(c.output, "0 1 2 3"); /* 3: the directory that ls reads */
    program_start(&c, "ls /proc/self/fd | xargs; exit 3");
    expect_line(c.made.log_fd, "0 1 2 3 4"); /* with the control socket */
    struct sandbox_event ended = harness_event(&h, c.made.id);
    expect_end(&ended, SANDBOX_ENDED, 0, 3);
    assert_ok(spawner_kill(h.spawner, c.made.id, NULL));
    struct sandbox_event gone = harness_event(&h, c.made.id);
    expect_end(&gone, SANDBOX_GONE, 0, 3);
    company_end(&c);
}

static void the_end_of_one_is_the_end_of_all(void **state)
{
    (void) state;
    static const char *const scripts[] = {"echo a; exec sleep 0", "echo b; read x; exit 7"};
    struct company c = company_start(scripts + 1, 1); /* /dev/null: read fails at once */
    expect_line(c.output, "b");
    struct sandbox_event gone = harness_event(&h, c.made.id); /* before there is a program */
    expect_end(&gone, SANDBOX_GONE, 1, 7);
    company_end(&c);

    static const char *const waits[] = {
        "trap 'exit 9' TERM; while [ ! -e /tmp/go ]; do sleep 0.02; "
        "done; kill -9 $$",
        "echo b; while true; do sleep 0.05; done"};
    c = company_start(waits, 2);
    expect_line(c.output, "b");
    program_start(&c, "trap 'echo asked; exit 5' TERM; echo up; touch /tmp/go; "
                      "while true; do sleep 0.05; done");
    expect_line(c.made.log_fd, "up");
    struct sandbox_event ended = harness_event(&h, c.made.id);
    expect_end(&ended, SANDBOX_ENDED, 1, 9);
    assert_true(ended.is_signalled);
    expect_line(c.made.log_fd, "asked"); /* the program was sent SIGTERM */
    assert_ok(spawner_kill(h.spawner, c.made.id, NULL));
    gone = harness_event(&h, c.made.id);
    expect_end(&gone, SANDBOX_GONE, 1, 9);
    company_end(&c);
}

static void asked_to_end_the_last_one_decides(void **state)
{
    (void) state;
    static const char *const scripts[] = {
        "while [ ! -s /tmp/end ]; do sleep 0.02; done; while kill -0 $(cat /tmp/end); do sleep "
        "0.02; done 2> /dev/null; echo bye"};
    struct company c = company_start(scripts, 1);
    program_start(&c, "trap 'echo asked; echo $$ > /tmp/end; exit 5' TERM; echo up; "
                      "kill -TERM 1; for i in 1 2 3 4 5; do kill -40 1; done; "
                      "while true; do sleep 0.05; done"); /* of its own: nothing */
    expect_line(c.made.log_fd, "up");
    assert_ok(spawner_terminate(h.spawner, c.made.id, NULL));
    expect_line(c.made.log_fd, "asked");
    struct sandbox_event ended = harness_event(&h, c.made.id);
    expect_end(&ended, SANDBOX_ENDED, 0, 5);
    expect_line(c.output, "bye");
    struct sandbox_event gone = harness_event(&h, c.made.id);
    expect_end(&gone, SANDBOX_GONE, 0, 5);
    company_end(&c);
}

static void one_that_cannot_be_executed_says_so(void **state)
{
    (void) state;
    static const char *const scripts[] = {"echo up; exec sleep 60", NULL};
    struct company c = company_start(scripts, 2);
    struct sandbox_event ended = harness_event(&h, c.made.id);
    expect_end(&ended, SANDBOX_ENDED, 2, -1);
    assert_int_equal(ended.error, -ENOENT);
    assert_ok(spawner_kill(h.spawner, c.made.id, NULL));
    struct sandbox_event gone = harness_event(&h, c.made.id);
    expect_end(&gone, SANDBOX_GONE, 2, -1);
    assert_int_equal(gone.error, -ENOENT);
    company_end(&c);
}

static void a_program_alone_is_asked_too(void **state)
{
    (void) state;
    struct sandbox_spec spec = harness_spec(&h);
    struct sandbox_event made = harness_spawn(&h, &spec);
    const char *const argv[] = {"/bin/sh", "-c", WAITS, NULL};
    harness_start(&made, argv);
    expect_line(made.log_fd, "up");
    assert_ok(spawner_terminate(h.spawner, made.id, NULL));
    expect_line(made.log_fd, "asked");
    struct sandbox_event gone = harness_event(&h, made.id);
    expect_end(&gone, SANDBOX_GONE, 0, 5);
    harness_close(&made);
}

static void a_socket_reaches_what_listens_inside(void **state)
{
    (void) state;
    struct sandbox_spec spec = harness_spec(&h);
    spec.network = SANDBOX_NETWORK_RUNTIME_API;
    struct sandbox_event made = harness_spawn(&h, &spec);
    const char *const argv[] = {"/usr/bin/python3", "-c",
                                "import socket; s = socket.create_server(('127.0.0.1', 4243)); "
                                "print('up', flush=True); c = s.accept()[0]; "
                                "print(c.recv(9).decode(), flush=True); s.accept()",
                                NULL};
    harness_start(&made, argv);
    expect_line(made.log_fd, "up");
    assert_ok(spawner_socket(h.spawner, made.id, NULL));
    struct sandbox_event event = harness_event(&h, made.id);
    assert_int_equal(event.type, SANDBOX_SOCKET);
    assert_int_equal(event.error, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(4243), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void) connect(event.socket_fd, (struct sockaddr *) &to, sizeof to);
    struct pollfd wait = {.fd = event.socket_fd, .events = POLLOUT};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    assert_int_equal(send(event.socket_fd, "in there", 8, MSG_NOSIGNAL), 8);
    expect_line(made.log_fd, "in there");
    assert_ok(spawner_kill(h.spawner, made.id, NULL));
    struct sandbox_event gone = harness_event(&h, made.id);
    assert_int_equal(gone.type, SANDBOX_GONE);
    close(event.socket_fd);
    harness_close(&made);

    assert_ok(spawner_socket(h.spawner, made.id, NULL));
    event = harness_event(&h, made.id);
    assert_int_equal(event.type, SANDBOX_SOCKET);
    assert_int_equal(event.error, -ESRCH);
    assert_int_equal(event.socket_fd, -1);
}

int main(void)
{
    if (geteuid() != 0) {
        printf("skipped: building sandboxes needs root\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_run_beside_the_program),
        cmocka_unit_test(the_end_of_one_is_the_end_of_all),
        cmocka_unit_test(asked_to_end_the_last_one_decides),
        cmocka_unit_test(one_that_cannot_be_executed_says_so),
        cmocka_unit_test(a_program_alone_is_asked_too),
        cmocka_unit_test(a_socket_reaches_what_listens_inside),
    };
    harness_init(&h);
    harness_spawner(&h, 16, 4);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    harness_done(&h);
    return rc;
}
