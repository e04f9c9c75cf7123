#include "test.h"

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POOL = 4 };

static struct harness h;

#define TENANT(...) ((const char *[]){"/var/task/tenant", __VA_ARGS__, NULL})

static void a_program_runs_and_is_heard(void **state)
{
    (void) state;
    struct outcome out;
    harness_run(&h, NULL, TENANT("hello"), &out);
    assert_string_equal(out.log, "hello\n");
    assert_false(out.gone.is_signalled);
    assert_int_equal(out.gone.status, 0);
    assert_int_equal(out.gone.oom_kills, 0);
    assert_true(out.gone.cpu_us > 0);
    assert_true(out.gone.memory_peak_bytes > 0);
}

static void exit_codes_and_signals_are_exact(void **state)
{
    (void) state;
    struct outcome out;
    harness_run(&h, NULL, TENANT("exit", "42"), &out);
    assert_false(out.gone.is_signalled);
    assert_int_equal(out.gone.status, 42);
    harness_run(&h, NULL, TENANT("exit", "255"), &out);
    assert_int_equal(out.gone.status, 255);
    harness_run(&h, NULL, TENANT("raise", "6"), &out);
    assert_true(out.gone.is_signalled);
    assert_int_equal(out.gone.status, 6);
    harness_run(&h, NULL, TENANT("raise", "11"), &out);
    assert_true(out.gone.is_signalled);
    assert_int_equal(out.gone.status, 11);
    assert_int_equal(out.gone.oom_kills, 0);
}

static void a_program_that_cannot_be_executed_says_why(void **state)
{
    (void) state;
    struct outcome out;
    harness_run(&h, NULL, (const char *[]){"/var/task/absent", NULL}, &out);
    assert_int_equal(out.gone.status, -1);
    assert_int_equal(out.gone.error, -ENOENT);
    harness_run(&h, NULL, (const char *[]){"/etc/passwd", NULL}, &out);
    assert_int_equal(out.gone.error, -EACCES);
}

static void one_that_never_started_is_gone_with_minus_one(void **state)
{
    (void) state;
    struct sandbox_spec spec = harness_spec(&h);
    struct sandbox_event made = harness_spawn(&h, &spec);
    assert_true(made.pid > 0);
    assert_true(made.build_us > 0);
    harness_close(&made); /* End of file on the control socket ends virga-init. */
    struct sandbox_event gone = harness_event(&h, spec.id);
    assert_int_equal(gone.type, SANDBOX_GONE);
    assert_int_equal(gone.status, -1);
    assert_false(gone.is_signalled);

    spec = harness_spec(&h);
    made = harness_spawn(&h, &spec);
    struct err err;
    assert_ok(spawner_kill(h.spawner, spec.id, &err));
    assert_ok(spawner_kill(h.spawner, spec.id, &err)); /* Twice is fine. */
    gone = harness_event(&h, spec.id);
    assert_int_equal(gone.status, -1);
    harness_close(&made);
}

static void a_broken_start_block_ends_it(void **state)
{
    (void) state;
    static const char *const blocks[] = {"VRGASTRX\1\0\0\0\1\0\0\0",
                                         "VRGASTRT\377\377\377\377\1\0\0\0",
                                         "VRGASTRT\1\0\0\0\0\0\0\0", "VRGASTRT\1\0\0\0\1\0\0\0x"};
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        struct sandbox_spec spec = harness_spec(&h);
        struct sandbox_event made = harness_spawn(&h, &spec);
        assert_true(write(made.control_fd, blocks[i], i == 3 ? 17 : 16) > 0);
        struct sandbox_event gone = harness_event(&h, spec.id);
        assert_int_equal(gone.type, SANDBOX_GONE);
        assert_int_equal(gone.status, -1);
        harness_close(&made);
    }
}

/* Without control groups the spawner stops it, a moment later. */
static void frozen_wait(const struct sandbox_event *made)
{
    char path[32], line[128] = "";
    (void) snprintf(path, sizeof path, "/proc/%d/stat", made->pid);
    for (int tries = 0; spawner_is_bare(h.spawner) && tries < 500; tries++) {
        AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(read(fd, line, sizeof line - 1) > 0);
        if (strstr(line, ") T") != NULL)
            return;
        (void) poll(NULL, 0, 10);
    }
    if (spawner_is_bare(h.spawner))
        fail_msg("not frozen: %s", line);
}

static void freezing_stops_and_thawing_goes_on(void **state)
{
    (void) state;
    struct sandbox_spec spec = harness_spec(&h);
    struct sandbox_event made = harness_spawn(&h, &spec);
    assert_int_equal(write(made.freeze_fd, "1", 1), 1);
    frozen_wait(&made);
    harness_start(&made, TENANT("hello"));
    struct pollfd silence = {.fd = made.log_fd, .events = POLLIN};
    assert_int_equal(poll(&silence, 1, 50), 0);
    char peak[32] = "";
    assert_true(pread(made.memory_fd, peak, sizeof peak - 1, 0) > 0);
    assert_true(strtoull(peak, NULL, 10) > 0);
    assert_int_equal(write(made.freeze_fd, "0", 1), 1);
    struct outcome out;
    harness_finish(&h, &made, &out);
    assert_string_equal(out.log, "hello\n");
}

static int make_layer(const char *name, const char *text)
{
    char path[128], file[160];
    (void) snprintf(path, sizeof path, "%s/%s", h.dir, name);
    (void) snprintf(file, sizeof file, "%s/name", path);
    assert_int_equal(mkdir(path, 0755), 0);
    AUTO_CLOSE int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_layer(const char *name)
{
    char path[128], file[160];
    (void) snprintf(path, sizeof path, "%s/%s", h.dir, name);
    (void) snprintf(file, sizeof file, "%s/name", path);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(path), 0);
}

static void the_last_layer_lies_on_top(void **state)
{
    (void) state;
    AUTO_CLOSE int low = make_layer("low", "low");
    AUTO_CLOSE int high = make_layer("high", "high");
    struct outcome out;
    struct sandbox_spec spec = harness_spec(&h);
    spec.layer_fds[0] = low;
    spec.layer_count = 1;
    harness_run(&h, &spec, TENANT("layers"), &out);
    assert_string_equal(out.log, "low");
    spec.id = h.next_id++;
    spec.layer_fds[1] = high;
    spec.layer_count = 2;
    harness_run(&h, &spec, TENANT("layers"), &out);
    assert_string_equal(out.log, "high");
    remove_layer("low");
    remove_layer("high");
}

static struct sandbox_event refused(const struct sandbox_spec *spec)
{
    struct err err;
    assert_ok(spawner_spawn(h.spawner, spec, &err));
    struct sandbox_event event = harness_event(&h, spec->id);
    assert_int_equal(event.type, SANDBOX_FAILED);
    return event;
}

static void wrong_directories_are_refused(void **state)
{
    (void) state;
    struct sandbox_spec spec = harness_spec(&h);
    char path[128];
    (void) snprintf(path, sizeof path, "%s/tenant", h.code);
    AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC);
    spec.code_fd = file;
    assert_int_equal(refused(&spec).error, -ENOTDIR);

    (void) snprintf(path, sizeof path, "%s/theirs", h.dir);
    assert_int_equal(mkdir(path, 0755), 0);
    AUTO_CLOSE int theirs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    spec.code_fd = theirs;
    if (!harness_has_one_id()) { /* Else there is nobody whose it could be. */
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_int_equal(refused(&spec).error, -EPERM);
    }

    /* One that was removed, and one whose name now belongs to another directory. */
    assert_int_equal(chown(path, 0, 0), 0);
    assert_int_equal(rmdir(path), 0);
    struct sandbox_event event = refused(&spec);
    assert_int_equal(event.error, -ENOENT);
    assert_string_equal(event.reason, "build sandbox: mount /var/task: No such file or directory");
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(refused(&spec).type, SANDBOX_FAILED);
    assert_int_equal(rmdir(path), 0);
}

static void bad_numbers_do_not_reach_the_spawner(void **state)
{
    (void) state;
    struct err err;
    struct sandbox_spec spec = harness_spec(&h);
    spec.memory_mb = 16;
    assert_int_equal(spawner_spawn(h.spawner, &spec, &err), -EPROTO);
    spec = harness_spec(&h);
    spec.tmp_bytes = UINT64_MAX;
    assert_int_equal(spawner_spawn(h.spawner, &spec, &err), -EPROTO);
    spec = harness_spec(&h);
    spec.layer_count = 6;
    assert_int_equal(spawner_spawn(h.spawner, &spec, &err), -EINVAL);
}

static void more_than_the_slots_are_refused(void **state)
{
    (void) state;
    struct sandbox_event made[16];
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        struct sandbox_spec spec = harness_spec(&h);
        made[i] = harness_spawn(&h, &spec);
    }
    struct sandbox_spec spec = harness_spec(&h);
    assert_int_equal(refused(&spec).error, -EAGAIN);
    spec.id = made[3].id; /* An id that lives. */
    struct err err;
    assert_ok(spawner_spawn(h.spawner, &spec, &err));
    assert_int_equal(harness_event(&h, spec.id).error, -EEXIST);
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        harness_close(&made[i]);
        assert_int_equal(harness_event(&h, made[i].id).type, SANDBOX_GONE);
    }
    struct outcome out;
    harness_run(&h, NULL, TENANT("hello"), &out);
    assert_int_equal(out.gone.status, 0);
}

static void interpreters_run(void **state)
{
    (void) state;
    struct outcome out;
    harness_run(&h, NULL,
                (const char *[]){"/usr/bin/python3", "-c",
                                 "import json,os,pwd,ssl,tempfile,subprocess,threading\n"
                                 "t=threading.Thread(target=lambda: None); t.start(); t.join()\n"
                                 "tempfile.NamedTemporaryFile().write(b'x')\n"
                                 "print(json.dumps([os.getcwd(), pwd.getpwuid(os.getuid())[0],\n"
                                 " subprocess.check_output(['uname','-n']).decode().strip()]))",
                                 NULL},
                &out);
    assert_string_equal(out.log, "[\"/var/task\", \"sbx_user1051\", \"localhost\"]\n");
    assert_int_equal(out.gone.status, 0);
    if (access("/usr/bin/node", X_OK) < 0)
        return;
    struct sandbox_spec spec = harness_spec(&h);
    spec.memory_mb = 256;
    harness_run(&h, &spec,
                (const char *[]){"/usr/bin/node", "-e",
                                 "const w=require('worker_threads');"
                                 "new w.Worker('1',{eval:true}).on('exit',()=>"
                                 "console.log(os.networkInterfaces().lo[0].address,"
                                 "fs.readdirSync('/tmp').length))",
                                 NULL},
                &out);
    assert_string_equal(out.log, "127.0.0.1 0\n");
    assert_int_equal(out.gone.status, 0);
}

static void visit(enum sandbox_network network, const char *port, const char *expected)
{
    struct sandbox_spec spec = harness_spec(&h);
    spec.network = network;
    struct sandbox_event made = harness_spawn(&h, &spec);
    assert_int_equal(made.services_fd >= 0, network >= SANDBOX_NETWORK_PLATFORM);
    assert_int_equal(made.runtime_api_fd >= 0, network >= SANDBOX_NETWORK_RUNTIME_API);
    harness_start(&made, TENANT("port", port));
    int fd = strcmp(port, "4566") == 0 ? made.services_fd : made.runtime_api_fd;
    if (fd >= 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 10000), 1);
        int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(conn >= 0);
        assert_int_equal(accept4(fd, NULL, NULL, SOCK_CLOEXEC), -1);
        assert_int_equal(errno, EAGAIN); /* It never waits. */
        assert_int_equal(write(conn, expected, strlen(expected)), strlen(expected));
        close(conn);
    }
    struct outcome out;
    harness_finish(&h, &made, &out);
    char line[64];
    (void) snprintf(line, sizeof line, "%s\n", expected);
    assert_string_equal(out.log, line);
    assert_int_equal(out.gone.status, 0);
}

static void the_platform_listens_inside_when_asked(void **state)
{
    (void) state;
    for (int i = 0; i < 6; i++) { /* More in a row than the pool has. */
        visit(SANDBOX_NETWORK_NONE, "4566", "Connection refused");
        visit(SANDBOX_NETWORK_PLATFORM, "4566", "services");
        visit(SANDBOX_NETWORK_PLATFORM, "9001", "Connection refused");
        visit(SANDBOX_NETWORK_RUNTIME_API, "9001", "runtime");
        visit(SANDBOX_NETWORK_RUNTIME_API, "4566", "services");
    }
}

static void wait_for_shells(unsigned count)
{
    while (h.shells != count)
        (void) harness_event(&h, 0);
}

static void shells_go_when_memory_is_short(void **state)
{
    (void) state;
    struct err err = {0};
    wait_for_shells(POOL);
    assert_ok(spawner_shrink(h.spawner, POOL - 1, &err));
    wait_for_shells(1);
    assert_ok(spawner_shrink(h.spawner, 100, &err));
    wait_for_shells(0);
}

int main(void)
{
    if (geteuid() != 0) {
        printf("skipped: building sandboxes needs root\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_runs_and_is_heard),
        cmocka_unit_test(exit_codes_and_signals_are_exact),
        cmocka_unit_test(a_program_that_cannot_be_executed_says_why),
        cmocka_unit_test(one_that_never_started_is_gone_with_minus_one),
        cmocka_unit_test(a_broken_start_block_ends_it),
        cmocka_unit_test(freezing_stops_and_thawing_goes_on),
        cmocka_unit_test(the_last_layer_lies_on_top),
        cmocka_unit_test(wrong_directories_are_refused),
        cmocka_unit_test(bad_numbers_do_not_reach_the_spawner),
        cmocka_unit_test(more_than_the_slots_are_refused),
        cmocka_unit_test(interpreters_run),
        cmocka_unit_test(the_platform_listens_inside_when_asked),
        cmocka_unit_test(shells_go_when_memory_is_short), /* last: none are made for minutes */
    };
    harness_init(&h);
    harness_spawner(&h, 16, POOL);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    harness_done(&h);
    return rc;
}
