#include "live_world.h"

#include "base/err.h"
#include "bootstraps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATIENCE_US = 60 * 1000 * 1000 };

static const char app_py[] = "import os, sys, time\n"
                             "count = 0\n"
                             "def hello(event, context):\n"
                             "    global count\n"
                             "    count += 1\n"
                             "    print('hello', context.aws_request_id)\n"
                             "    return {'event': event, 'count': count}\n"
                             "def echo(event, context): return event\n"
                             "def fails(event, context): raise ValueError('no ' + event)\n"
                             "def sleeps(event, context):\n"
                             "    print('asleep')\n"
                             "    time.sleep(event)\n"
                             "    return event\n"
                             "def exits(event, context):\n"
                             "    print('going')\n"
                             "    os._exit(event)\n"
                             "def killed(event, context): os.kill(os.getpid(), event)\n"
                             "def eats(event, context): return len(bytearray(b'x') * (1 << 30))\n"
                             "def big(event, context): return 'x' * event\n"
                             "def floods(event, context):\n"
                             "    for i in range(event): print('%06d' % i, 'y' * 92)\n"
                             "def environ(event, context): return dict(os.environ)\n"
                             "def closes(event, context): os.close(3); time.sleep(60)\n"
                             "def lies(event, context): os.write(3, b'x' * 12); time.sleep(60)\n"
                             "def image(event, context):\n"
                             "    from PIL import Image\n"
                             "    import boto3\n"
                             "    return Image.new('RGB', (4, 2)).size\n";

static const char node_js[] =
    "let count = 0;\n"
    "exports.hello = async (event, context) => {\n"
    "  console.log('hello', context.awsRequestId);\n"
    "  return { event, count: ++count, children: require('child_process').execSync('echo c') + '' "
    "};\n"
    "};\n"
    "exports.fails = async (event) => { throw new RangeError('no ' + event); };\n"
    "exports.exits = async (event) => process.exit(event);\n"
    "exports.lost = async () => { setTimeout(() => { throw new Error('late'); });\n"
    "  await new Promise((ok) => setTimeout(ok, 60000)); };\n"
    "exports.eats = async () => { const all = [];\n"
    "  for (;;) all.push(Buffer.alloc(1 << 20, all.length)); };\n"
    "exports.streams = awslambda.streamifyResponse(async (event, stream) => {\n"
    "  for (let i = 0; i < event; i++) stream.write('x'.repeat(1000));\n"
    "  if (event === 3) throw new Error('mid');\n"
    "  stream.end();\n"
    "});\n"
    "exports.environ = async () => process.env;\n"
    "exports.lies = async () => { const h = Buffer.alloc(12); h[4] = 23; h[8] = 1;\n"
    "  require('fs').writeSync(3, h); await new Promise((ok) => setTimeout(ok, 60000)); };\n";

struct live live;

/* ---- the world ---- */

size_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void write_file(const char *name, const char *text)
{
    int fd = openat(live.code_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void start_spawner(void)
{
    char state_dir[80];
    (void) snprintf(state_dir, sizeof state_dir, "%s/state", live.dir);
    const struct spawner_config config = {.state_dir = state_dir,
                                          .uid_base = 880000,
                                          .slot_count = 64,
                                          .pool_size = 8,
                                          .pool_max = 16};
    struct err err;
    if (spawner_start(&config, &live.spawner, &err) < 0 || spawner_ready(live.spawner, &err) < 0)
        fail_msg("spawner: %s", err.text);
}

int live_setup(void **state)
{
    (void) state;
    (void) snprintf(live.dir, sizeof live.dir, "/tmp/virga-runtime-XXXXXX");
    assert_non_null(mkdtemp(live.dir));
    assert_int_equal(chmod(live.dir, 0755), 0);
    (void) snprintf(live.code, sizeof live.code, "%s/code", live.dir);
    assert_int_equal(mkdir(live.code, 0755), 0);
    live.code_fd = open(live.code, O_PATH | O_DIRECTORY | O_CLOEXEC);
    write_file("app.py", app_py);
    write_file("node.js", node_js);
    write_file("broken.py", "import nothing_like_this\n");
    write_file("slow.py", "import time\ntime.sleep(1.6)\ndef f(e, c): return 1\n");
    write_file("quits.py", "import sys\nprint('bye')\nsys.exit(4)\n");
    for (size_t i = 0; i < bootstrap_file_count; i++)
        spawner_add_runtime_file(bootstrap_files[i].name, bootstrap_files[i].bytes,
                                 *bootstrap_files[i].size, false);
    char state_dir[80];
    (void) snprintf(state_dir, sizeof state_dir, "%s/state", live.dir);
    assert_int_equal(mkdir(state_dir, 0700), 0);
    start_spawner();
    struct err err;
    assert_ok(loop_new(&clock_real, &live.loop, &err)); /* libuv keeps some descriptors for good */
    loop_free(live.loop);
    return 0;
}

static void remove_tree(const char *dir)
{
    char command[128];
    (void) snprintf(command, sizeof command, "rm -rf %s", dir);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(pclose(pipe), 0);
}

int live_teardown(void **state)
{
    (void) state;
    spawner_stop(live.spawner);
    start_spawner(); /* removes what the one that was killed has left */
    spawner_stop(live.spawner);
    close(live.code_fd);
    remove_tree(live.dir);
    return 0;
}

static void out_of_patience(struct timer *timer)
{
    (void) timer;
    fail_msg("%u calls did not end", live.waiting);
}

void run_loop(void)
{
    struct exec *exec = loop_exec(live.loop);
    live.patience.fire = out_of_patience;
    timer_set(exec, &live.patience, exec_now_us(exec) + PATIENCE_US);
    loop_run(live.loop);
    timer_clear(exec, &live.patience);
}

void runtime_up_with_init_limit(unsigned instances_max, int64_t keep_alive_ms,
                                int64_t init_limit_ms)
{
    struct err err;
    live.fds_before = count_fds();
    assert_ok(loop_new(&clock_real, &live.loop, &err));
    const struct runtime_config config = {.loops = &live.loop,
                                          .loop_count = 1,
                                          .spawner = live.spawner,
                                          .account_concurrency = 1000,
                                          .instances_max = instances_max,
                                          .queue_max = 1000,
                                          .keep_alive_ms = keep_alive_ms,
                                          .init_limit_ms = init_limit_ms};
    assert_ok(runtime_new(&config, &live.runtime, &err));
}

void runtime_up(unsigned instances_max, int64_t keep_alive_ms)
{
    runtime_up_with_init_limit(instances_max, keep_alive_ms, 0);
}

void stop_loop(struct task *task)
{
    (void) task;
    loop_stop(live.loop);
}

void runtime_down(void)
{
    struct task drained = {.run = stop_loop};
    runtime_drain(live.runtime, 5000, &drained);
    run_loop();
    const struct runtime_counts counts = runtime_counts(live.runtime);
    assert_int_equal(counts.instances + counts.busy + counts.queued, 0);
    runtime_free(live.runtime);
    loop_free(live.loop);
    assert_int_equal(count_fds(), live.fds_before);
}

/* ---- functions and calls ---- */

static void spec_free(struct snapshot *snapshot)
{
    free(CONTAINER_OF(snapshot, struct function_spec, snapshot));
}

struct function_spec *live_function(const char *handler, uint32_t timeout_ms)
{
    struct function_spec *spec = calloc(1, sizeof *spec);
    *spec = (struct function_spec){.account = STR("000000000000"),
                                   .region = STR("eu-west-1"),
                                   .name = str_from(handler),
                                   .version = STR("$LATEST"),
                                   .arn = str_from(handler),
                                   .runtime_id = STR("python3.12"),
                                   .handler = str_from(handler),
                                   .memory_mb = 256,
                                   .timeout_ms = timeout_ms,
                                   .tmp_bytes = UINT64_C(64) << 20,
                                   .code_fd = live.code_fd,
                                   .revision = 1,
                                   .reserved_concurrency = -1,
                                   .log_group = STR("/aws/lambda/f")};
    snapshot_init(&spec->snapshot, spec_free);
    return spec;
}

struct function_spec *live_node_function(const char *handler, uint32_t timeout_ms)
{
    struct function_spec *spec = live_function(handler, timeout_ms);
    spec->kind = RUNTIME_NODE;
    spec->runtime_id = STR("nodejs20.x");
    return spec;
}

static void call_done(struct invocation *inv)
{
    struct call *call = CONTAINER_OF(inv, struct call, inv);
    buf_put(&call->answer, inv->answer);
    buf_put(&call->tail, inv->log_tail);
    call->is_done = true;
    snapshot_unref(&inv->spec->snapshot);
    if (--live.waiting == 0)
        loop_stop(live.loop);
}

static void begin_call(struct task *task)
{
    struct call *call = CONTAINER_OF(task, struct call, task);
    runtime_invoke(live.runtime, 0, &call->inv);
}

void call_post(struct call *call, struct function_spec *spec, struct str payload)
{
    (void) snapshot_ref(&spec->snapshot);
    *call = (struct call){.inv = {.spec = spec,
                                  .request_id = STR("11111111-2222-3333-4444-555555555555"),
                                  .invoked_arn = spec->arn,
                                  .payload = payload,
                                  .wants_log_tail = true,
                                  .done = call_done},
                          .task = {.run = begin_call}};
    buf_init(&call->answer, 16 << 20);
    buf_init(&call->tail, 16 << 10);
    live.waiting++;
    exec_post(loop_exec(live.loop), &call->task);
}

void call_free(struct call *call)
{
    buf_done(&call->answer);
    buf_done(&call->tail);
}

/* One call; what it gave is in *call, to be freed with call_free. */
void run_call(struct call *call, struct function_spec *spec, const char *payload)
{
    call_post(call, spec, str_from(payload));
    run_loop();
    assert_true(call->is_done);
    if (call->inv.result == INVOCATION_REFUSED)
        fail_msg("refused: %s", call->inv.error.text);
}

void assert_has(const struct buf *text, const char *needle)
{
    if (str_find_str(buf_str(text), str_from(needle)) == text->len && needle[0] != '\0')
        fail_msg("\"" STR_FMT "\" lacks \"%s\"", STR_ARG(buf_str(text)), needle);
}

/* ---- ends ---- */

static void check_for_idle(struct timer *timer)
{
    struct exec *exec = loop_exec(live.loop);
    if (runtime_counts(live.runtime).instances == 0)
        loop_stop(live.loop);
    else
        timer_set(exec, timer, exec_now_us(exec) + 2000);
}

/* Turns the loop until no instance is left. */
void wait_for_none(void)
{
    struct timer poll = {.fire = check_for_idle};
    struct exec *exec = loop_exec(live.loop);
    timer_set(exec, &poll, exec_now_us(exec));
    run_loop();
}

/* From outside, with the sandboxes on the shelf: an idle instance is frozen soon and cannot end by
 * itself. Waits for their ends. */
void kill_instances(void)
{
    char path[64];
    (void) snprintf(path, sizeof path, "/proc/%d/task/%d/children", spawner_pid(live.spawner),
                    spawner_pid(live.spawner));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[256] = "";
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(fclose(file), 0);
    char *at = line;
    for (long pid; (pid = strtol(at, &at, 10)) > 0;) {
        struct pollfd ended = {.fd = (int) syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
        if (ended.fd < 0) { /* A helper of the spawner that has ended by itself. */
            assert_int_equal(errno, ESRCH);
            continue;
        }
        if (syscall(SYS_pidfd_send_signal, ended.fd, SIGKILL, NULL, 0) < 0)
            assert_int_equal(errno, ESRCH); /* The same, just now. */
        assert_int_equal(poll(&ended, 1, 10000), 1);
        assert_int_equal(close(ended.fd), 0);
    }
}
