/* Python and Node functions in real sandboxes through the whole runtime, on one real loop. Needs
 * root; says so with exit code 77 otherwise. Each test has a runtime of its own and drains it, and
 * after each one the process has the descriptors it had before. */
#include "live_world.h"

#include "base/err.h"
#include "os/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void cold_then_warm(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *f = live_function("app.hello", 3000);
    f->memory_mb = 1769; /* a whole CPU */
    struct call call;
    run_call(&call, f, "{\"a\": [1, 2.50]}");
    assert_int_equal(call.inv.result, INVOCATION_OK);
    assert_str(buf_str(&call.answer), "{\"event\": {\"a\": [1, 2.5]}, \"count\": 1}");
    assert_true(call.inv.is_cold);
    assert_true(call.inv.sandbox_us > 0 && call.inv.boot_us + call.inv.init_us > 0);
    assert_true(call.inv.billed_ms >= (call.inv.boot_us + call.inv.init_us) / 1000);
    assert_true(call.inv.memory_peak_bytes > 1 << 20);
    assert_has(&call.tail, "START RequestId: 11111111-2222-3333-4444-555555555555 Version: "
                           "$LATEST\nhello 11111111-2222-3333-4444-555555555555\nEND RequestId: "
                           "11111111-2222-3333-4444-555555555555\nREPORT RequestId: "
                           "11111111-2222-3333-4444-555555555555\tDuration: ");
    assert_has(&call.tail, "\tMemory Size: 1769 MB\tMax Memory Used: ");
    assert_has(&call.tail, "\tInit Duration: ");
    print_message("cold: queue %ld sandbox %ld boot %ld init %ld run %ld us\n",
                  (long) call.inv.queue_us, (long) call.inv.sandbox_us, (long) call.inv.boot_us,
                  (long) call.inv.init_us, (long) call.inv.run_us);
    call_free(&call);
    run_call(&call, f, "1");
    assert_str(buf_str(&call.answer), "{\"event\": 1, \"count\": 2}");
    assert_false(call.inv.is_cold);
    assert_int_equal(call.inv.boot_us, 0);
    assert_int_equal(str_find_str(buf_str(&call.tail), STR("Init Duration")), call.tail.len);
    print_message("warm: run %ld us\n", (long) call.inv.run_us);
    call_free(&call);
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void a_function_error_leaves_the_instance_usable(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *f = live_function("app.fails", 3000);
    struct call call;
    for (int i = 0; i < 2; i++) {
        run_call(&call, f, "\"way\"");
        assert_int_equal(call.inv.result, INVOCATION_FUNCTION_ERROR);
        assert_has(&call.answer, "{\"errorMessage\": \"no way\", \"errorType\": \"ValueError\", "
                                 "\"requestId\": \"11111111-2222-3333-4444-555555555555\", "
                                 "\"stackTrace\": [\"  File \\\"/var/task/app.py\\\", line ");
        assert_has(&call.tail, "[ERROR] ValueError: no way\nTraceback");
        assert_int_equal(call.inv.is_cold, i == 0);
        call_free(&call);
    }
    runtime_down();
    snapshot_unref(&f->snapshot);
}

/* A call that ends with the platform's error object and takes the instance along; the next one
 * starts afresh. */
static void check_end(const char *handler, uint32_t timeout_ms, const char *event,
                      const char *answer, const char *tail, const char *status)
{
    runtime_up(4, 60000);
    struct function_spec *f = live_function(handler, timeout_ms);
    for (int i = 0; i < 2; i++) {
        struct call call;
        run_call(&call, f, event);
        assert_int_equal(call.inv.result, INVOCATION_FUNCTION_ERROR);
        assert_str(buf_str(&call.answer), answer);
        assert_has(&call.tail, tail);
        assert_has(&call.tail, status);
        assert_has(&call.tail, "START RequestId: ");
        call_free(&call);
    }
    runtime_down();
    snapshot_unref(&f->snapshot);
}

#define ID "RequestId: 11111111-2222-3333-4444-555555555555 Error: "

static void a_timeout_is_answered_as_aws_does(void **state)
{
    (void) state;
    check_end("app.sleeps", 300, "30",
              "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"" ID
              "Task timed out after 0.30 seconds\"}",
              "11111111-2222-3333-4444-555555555555 Task timed out after 0.30 seconds\n\nEND",
              "\tDuration: 300.00 ms\t");
}

static void exits_and_signals_are_told_apart(void **state)
{
    (void) state;
    check_end("app.exits", 5000, "3",
              "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"" ID
              "Runtime exited with error: exit status 3\"}",
              "going\n" ID "Runtime exited with error: exit status 3\nRuntime.ExitError\nEND",
              "Status: error\tError Type: Runtime.ExitError\n");
    check_end("app.exits", 5000, "0",
              "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"" ID
              "Runtime exited without providing a reason\"}",
              "going\n", "Runtime.ExitError\n");
    check_end("app.killed", 5000, "11",
              "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"" ID
              "Runtime exited with error: signal: segmentation fault\"}",
              "", "Runtime.ExitError\n");
}

static void out_of_memory_is_recognised(void **state)
{
    (void) state;
    check_end("app.eats", 20000, "0",
              "{\"errorType\":\"Runtime.OutOfMemory\",\"errorMessage\":\"" ID
              "Runtime exited with error: signal: killed\"}",
              "\tMax Memory Used: 256 MB\t", "Status: error\tError Type: Runtime.OutOfMemory\n");
}

static void init_errors_end_the_instance(void **state)
{
    (void) state;
    check_end("broken.f", 5000, "0",
              "{\"errorMessage\": \"Unable to import module 'broken': No module named "
              "'nothing_like_this'\", \"errorType\": \"Runtime.ImportModuleError\", "
              "\"requestId\": \"\", \"stackTrace\": []}",
              "[ERROR] Runtime.ImportModuleError: Unable to import", "REPORT");
    check_end("quits.f", 5000, "0",
              "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"" ID
              "Runtime exited with error: exit status 4\"}",
              "Version: $LATEST\nbye\n", "Runtime.ExitError\n");
}

static void a_slow_init_is_tried_again_within_the_timeout(void **state)
{
    (void) state;
    runtime_up_with_init_limit(4, 60000, 1200);
    struct function_spec *slow = live_function("slow.f", 500),
                         *patient = live_function("slow.f", 20000);
    patient->arn = STR("patient");
    struct call calls[2];
    call_post(&calls[0], slow, STR("0"));
    call_post(&calls[1], patient, STR("0"));
    run_loop();
    assert_int_equal(calls[0].inv.result, INVOCATION_FUNCTION_ERROR);
    assert_has(&calls[0].answer, "Task timed out after 0.50 seconds");
    assert_int_equal(calls[1].inv.result, INVOCATION_OK);
    assert_str(buf_str(&calls[1].answer), "1");
    assert_true(calls[1].inv.init_us > 1500000);
    call_free(&calls[0]);
    call_free(&calls[1]);
    runtime_down();
    snapshot_unref(&slow->snapshot);
    snapshot_unref(&patient->snapshot);
}

static void violations_end_the_instance(void **state)
{
    (void) state;
    check_end("app.closes", 10000, "0",
              "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"" ID
              "Runtime exited with error: signal: killed\"}",
              "END", "Runtime.ExitError\n");
    check_end("app.lies", 10000, "0",
              "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"" ID
              "Runtime exited with error: signal: killed\"}",
              "END", "Runtime.ExitError\n");
}

static void six_megabytes_go_both_ways(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *echo = live_function("app.echo", 20000),
                         *big = live_function("app.big", 20000);
    size_t size = 6 << 20;
    char *event = malloc(size + 1);
    memset(event, 'z', size);
    event[0] = event[size - 1] = '"';
    event[size] = '\0';
    struct call call;
    for (int i = 0; i < 3; i++) {
        run_call(&call, echo, event);
        assert_int_equal(call.answer.len, size);
        assert_memory_equal(call.answer.ptr, event, size);
        call_free(&call);
    }
    free(event);
    run_call(&call, big, "6291554"); /* and two quotes: exactly the limit */
    assert_int_equal(call.inv.result, INVOCATION_OK);
    assert_int_equal(call.answer.len, 6291556);
    call_free(&call);
    run_call(&call, big, "6291555");
    assert_int_equal(call.inv.result, INVOCATION_FUNCTION_ERROR);
    assert_str(buf_str(&call.answer),
               "{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size "
               "(6291556 bytes).\",\"errorType\":\"Function.ResponseSizeTooLarge\"}");
    call_free(&call);
    run_call(&call, big, "3");
    assert_str(buf_str(&call.answer), "\"xxx\"");
    assert_false(call.inv.is_cold);
    call_free(&call);
    runtime_down();
    snapshot_unref(&echo->snapshot);
    snapshot_unref(&big->snapshot);
}

static void a_burst_of_fifty(void **state)
{
    (void) state;
    runtime_up(16, 60000);
    struct function_spec *f = live_function("app.sleeps", 20000);
    struct call calls[50];
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        call_post(&calls[i], f, STR("0.05"));
    run_loop();
    unsigned cold = 0;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        assert_int_equal(calls[i].inv.result, INVOCATION_OK);
        assert_str(buf_str(&calls[i].answer), "0.05");
        cold += calls[i].inv.is_cold;
        call_free(&calls[i]);
    }
    assert_in_range(cold, 1, 16);
    assert_in_range(runtime_counts(live.runtime).instances, 1, 16);
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void the_tail_is_the_last_four_kilobytes(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *f = live_function("app.floods", 20000);
    struct call call;
    run_call(&call, f, "20000");
    assert_int_equal(call.inv.result, INVOCATION_OK);
    assert_int_equal(call.tail.len, 4096);
    assert_has(&call.tail, "019999 yyy");
    assert_has(&call.tail, "yyy\nEND RequestId: ");
    call_free(&call);
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void the_environment_is_awss(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *f = live_function("app.environ", 20000);
    struct {
        struct str name, value;
    } env[] = {{STR("MINE"), STR("v=1")},
               {STR("TZ"), STR("Europe/Rome")},
               {STR("AWS_REGION"), STR("never")}};
    f->env = (void *) env;
    f->env_count = ARRAY_LEN(env);
    struct call call;
    run_call(&call, f, "0");
    assert_int_equal(call.inv.result, INVOCATION_OK);
    static const char *const expected[] = {"\"_HANDLER\": \"app.environ\"",
                                           "\"AWS_REGION\": \"eu-west-1\"",
                                           "\"AWS_DEFAULT_REGION\": \"eu-west-1\"",
                                           "\"AWS_LAMBDA_FUNCTION_MEMORY_SIZE\": \"256\"",
                                           "\"LAMBDA_TASK_ROOT\": \"/var/task\"",
                                           "\"LAMBDA_RUNTIME_DIR\": \"/var/runtime\"",
                                           "\"MINE\": \"v=1\"",
                                           "\"TZ\": \"Europe/Rome\"",
                                           "\"AWS_LAMBDA_LOG_STREAM_NAME\": \"20",
                                           "/[$LATEST]",
                                           "\"AWS_EXECUTION_ENV\": \"AWS_Lambda_python3.12\"",
                                           "\"AWS_LAMBDA_INITIALIZATION_TYPE\": \"on-demand\""};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_has(&call.answer, expected[i]);
    call_free(&call);
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void an_idle_instance_goes_by_its_end_or_by_time(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *f = live_function("app.hello", 20000);
    struct call call;
    run_call(&call, f, "1");
    assert_int_equal(call.inv.result, INVOCATION_OK);
    call_free(&call);
    kill_instances();
    wait_for_none();
    run_call(&call, f, "1");
    assert_int_equal(call.inv.result, INVOCATION_OK);
    assert_true(call.inv.is_cold);
    call_free(&call);
    runtime_down();
    runtime_up(4, 50);
    run_call(&call, f, "1");
    call_free(&call);
    wait_for_none(); /* scaled to zero */
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void an_update_takes_effect_at_once(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *old = live_function("app.hello", 20000),
                         *new = live_function("app.echo", 20000);
    new->arn = old->arn;
    new->revision = 2;
    struct call call;
    run_call(&call, old, "1");
    call_free(&call);
    runtime_function_changed(live.runtime, 0, new->arn, new);
    run_call(&call, new, "7");
    assert_str(buf_str(&call.answer), "7");
    assert_true(call.inv.is_cold);
    call_free(&call);
    runtime_function_changed(live.runtime, 0, new->arn, NULL);
    wait_for_none();
    runtime_down();
    snapshot_unref(&old->snapshot);
    snapshot_unref(&new->snapshot);
}

static void begin_drain(struct timer *timer)
{
    (void) timer;
    static struct task drained = {.run = stop_loop};
    runtime_drain(live.runtime, 300, &drained);
}

static void a_drain_ends_what_does_not_finish(void **state)
{
    (void) state;
    runtime_up(1, 60000);
    struct function_spec *f = live_function("app.sleeps", 60000);
    struct call calls[2];
    call_post(&calls[0], f, STR("50"));
    call_post(&calls[1], f, STR("50"));
    live.waiting++; /* the calls' ends do not stop the loop: the drain's end does */
    struct exec *exec = loop_exec(live.loop);
    struct timer later = {.fire = begin_drain};
    timer_set(exec, &later, exec_now_us(exec) + 400000);
    run_loop();
    assert_int_equal(--live.waiting, 0);
    assert_int_equal(calls[0].inv.result, INVOCATION_FUNCTION_ERROR);
    assert_has(&calls[0].answer, "Runtime.ExitError");
    assert_int_equal(calls[1].inv.result, INVOCATION_REFUSED);
    call_free(&calls[0]);
    call_free(&calls[1]);
    runtime_free(live.runtime);
    loop_free(live.loop);
    assert_int_equal(count_fds(), live.fds_before);
    snapshot_unref(&f->snapshot);
}

static void begin_hasty_drain(struct timer *timer)
{
    (void) timer;
    static struct task drained = {.run = stop_loop};
    runtime_drain(live.runtime, 0, &drained);
}

static void a_drain_ends_what_is_being_built(void **state)
{
    (void) state;
    enum { CALLS = 12 };
    runtime_up(CALLS, 60000);
    struct function_spec *f = live_function("app.sleeps", 60000);
    struct call calls[CALLS];
    for (size_t i = 0; i < CALLS; i++)
        call_post(&calls[i], f, STR("50"));
    live.waiting++;
    struct exec *exec = loop_exec(live.loop);
    struct timer soon = {.fire = begin_hasty_drain};
    timer_set(exec, &soon, exec_now_us(exec) + 1000);
    run_loop();
    assert_int_equal(--live.waiting, 0);
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_not_equal(calls[i].inv.result, INVOCATION_OK);
        call_free(&calls[i]);
    }
    runtime_free(live.runtime);
    loop_free(live.loop);
    assert_int_equal(count_fds(), live.fds_before);
    snapshot_unref(&f->snapshot);
}

static void two_functions_share_a_small_host(void **state)
{
    (void) state;
    runtime_up(2, 60000);
    struct function_spec *f[3] = {live_function("app.echo", 20000),
                                  live_function("app.hello", 20000),
                                  live_function("app.sleeps", 20000)};
    struct call calls[30];
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        call_post(&calls[i], f[i % 3], STR("0.01"));
    run_loop();
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        assert_int_equal(calls[i].inv.result, INVOCATION_OK);
        call_free(&calls[i]);
    }
    runtime_down();
    for (size_t i = 0; i < 3; i++)
        snapshot_unref(&f[i]->snapshot);
}

static void debians_packages_can_be_imported(void **state)
{
    (void) state;
    if (access("/usr/lib/python3/dist-packages/PIL", F_OK) < 0 ||
        access("/usr/lib/python3/dist-packages/boto3", F_OK) < 0)
        skip();
    runtime_up(4, 60000);
    struct function_spec *f = live_function("app.image", 20000);
    struct call call;
    run_call(&call, f, "0");
    assert_str(buf_str(&call.answer), "[4, 2]");
    call_free(&call);
    runtime_down();
    snapshot_unref(&f->snapshot);
}

/* ---- two loops ---- */

struct away {
    struct call call; /* first */
    struct task back;
};

static struct loop *loops[2];

static void *other_thread(void *arg)
{
    (void) arg;
    loop_run(loops[1]);
    return NULL;
}

static void begin_away(struct task *task)
{
    struct away *away = CONTAINER_OF(task, struct away, call.task);
    runtime_invoke(live.runtime, 1, &away->call.inv);
}

static void came_back(struct task *task)
{
    (void) task;
    if (--live.waiting == 0)
        loop_stop(live.loop);
}

static void done_away(struct invocation *inv)
{
    struct away *away = CONTAINER_OF(inv, struct away, call.inv);
    away->call.is_done = loop_is_current(loops[1]);
    buf_put(&away->call.answer, inv->answer);
    snapshot_unref(&inv->spec->snapshot);
    exec_post(loop_exec(loops[0]), &away->back);
}

static void calls_travel_to_the_home_of_their_function(void **state)
{
    (void) state;
    static const char *const arns[] = {"a", "b", "c", "d", "e", "f"};
    struct err err;
    live.fds_before = count_fds();
    assert_ok(loop_new(&clock_real, &loops[0], &err));
    assert_ok(loop_new(&clock_real, &loops[1], &err));
    live.loop = loops[0];
    const struct runtime_config config = {.loops = loops,
                                          .loop_count = 2,
                                          .spawner = live.spawner,
                                          .account_concurrency = 1000,
                                          .instances_max = 16,
                                          .queue_max = 1000,
                                          .keep_alive_ms = 60000};
    assert_ok(runtime_new(&config, &live.runtime, &err));
    pthread_t thread;
    assert_ok(thread_start(&thread, "loop-1", other_thread, NULL, &err));
    struct away away[2 * ARRAY_LEN(arns)];
    for (size_t i = 0; i < ARRAY_LEN(away); i++) {
        struct function_spec *f = live_function("app.echo", 20000);
        f->arn = str_from(arns[i / 2]);
        away[i] = (struct away){.back = {.run = came_back}};
        away[i].call = (struct call){.inv = {.spec = f, .payload = STR("5"), .done = done_away},
                                     .task = {.run = begin_away}};
        buf_init(&away[i].call.answer, 100);
        live.waiting++;
        exec_post(loop_exec(loops[1]), &away[i].call.task);
    }
    run_loop();
    for (size_t i = 0; i < ARRAY_LEN(away); i++) {
        assert_true(away[i].call.is_done);
        assert_str(buf_str(&away[i].call.answer), "5");
        buf_done(&away[i].call.answer);
    }
    struct task drained = {.run = stop_loop};
    runtime_drain(live.runtime, 5000, &drained);
    run_loop();
    loop_stop(loops[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    runtime_free(live.runtime);
    loop_free(loops[1]);
    loop_free(loops[0]);
    assert_int_equal(count_fds(), live.fds_before);
}

static void kill_spawner(struct timer *timer)
{
    (void) timer;
    FILE *children = fopen("/proc/thread-self/children", "re");
    assert_non_null(children);
    char text[32] = "";
    assert_non_null(fgets(text, sizeof text, children));
    fclose(children);
    uint64_t pid; /* our only child */
    assert_ok(parse_u64(str_trim(str_from(text)), INT32_MAX, &pid));
    assert_int_equal(kill((pid_t) pid, SIGKILL), 0);
}

/* Last: nothing runs after it. */
static void the_spawners_death_ends_every_call(void **state)
{
    (void) state;
    runtime_up(1, 60000);
    struct function_spec *f = live_function("app.sleeps", 60000);
    struct call calls[2];
    call_post(&calls[0], f, STR("50"));
    call_post(&calls[1], f, STR("50"));
    struct exec *exec = loop_exec(live.loop);
    struct timer later = {.fire = kill_spawner};
    timer_set(exec, &later, exec_now_us(exec) + 400000);
    run_loop();
    assert_int_equal(calls[0].inv.result, INVOCATION_FUNCTION_ERROR);
    assert_has(&calls[0].answer, "Runtime.ExitError");
    assert_int_equal(calls[1].inv.result, INVOCATION_REFUSED);
    assert_int_equal(calls[1].inv.error.code, -EPIPE);
    call_free(&calls[0]);
    call_free(&calls[1]);
    call_post(&calls[0], f, STR("0"));
    run_loop();
    assert_int_equal(calls[0].inv.result, INVOCATION_REFUSED);
    call_free(&calls[0]);
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void node_cold_then_warm(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *f = live_node_function("node.hello", 10000);
    f->memory_mb = 1769;
    for (int i = 1; i <= 3; i++) {
        struct call call;
        run_call(&call, f, "{\"a\": [1, 2.50]}");
        char expected[80];
        (void) snprintf(expected, sizeof expected,
                        "{\"event\":{\"a\":[1,2.5]},\"count\":%d,\"children\":\"c\\n\"}", i);
        assert_str(buf_str(&call.answer), expected);
        assert_int_equal(call.inv.is_cold, i == 1);
        assert_has(&call.tail, "\tINFO\thello 11111111-2222-3333-4444-555555555555\nEND RequestId");
        print_message("node: sandbox %ld boot %ld init %ld run %ld us\n",
                      (long) call.inv.sandbox_us, (long) call.inv.boot_us, (long) call.inv.init_us,
                      (long) call.inv.run_us);
        call_free(&call);
    }
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void node_expect(const char *handler, const char *event, enum invocation_result result,
                        const char *answer)
{
    runtime_up(4, 60000);
    struct function_spec *f = live_node_function(handler, 10000);
    for (int i = 0; i < 2; i++) {
        struct call call;
        run_call(&call, f, event);
        assert_int_equal(call.inv.result, result);
        assert_has(&call.answer, answer);
        call_free(&call);
    }
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void node_errors_are_awss(void **state)
{
    (void) state;
    node_expect(
        "node.fails", "7", INVOCATION_FUNCTION_ERROR,
        "{\"errorType\":\"RangeError\",\"errorMessage\":\"no 7\",\"trace\":[\"RangeError: no "
        "7\",\"    at ");
    node_expect("node.exits", "5", INVOCATION_FUNCTION_ERROR, "exit status 5");
    node_expect("node.lies", "5", INVOCATION_FUNCTION_ERROR, "Runtime.ExitError");
    node_expect("node.eats", "5", INVOCATION_FUNCTION_ERROR, "Runtime.OutOfMemory");
    node_expect("none.f", "1", INVOCATION_FUNCTION_ERROR, "Runtime.ImportModuleError");
}

/* The error is the function's, the process ends, and the next call gets another instance. */
static void node_uncaught_exceptions_end_the_instance(void **state)
{
    (void) state;
    node_expect("node.lost", "1", INVOCATION_FUNCTION_ERROR,
                "{\"errorType\":\"Error\",\"errorMessage\":\"late\"");
}

static void node_streams_are_gathered(void **state)
{
    (void) state;
    runtime_up(4, 60000);
    struct function_spec *f = live_node_function("node.streams", 10000);
    static const struct {
        const char *event;
        size_t size;
    } cases[] = {{"0", 0}, {"2", 2000}, {"3", 0}, {"500", 500000}, {"6292", 0}, {"1", 1000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call call;
        run_call(&call, f, cases[i].event);
        if (strcmp(cases[i].event, "3") == 0)
            assert_has(&call.answer, "\"errorMessage\":\"mid\"");
        else if (strcmp(cases[i].event, "6292") == 0)
            assert_has(&call.answer, "Function.ResponseSizeTooLarge");
        else
            assert_int_equal(call.answer.len, cases[i].size);
        assert_int_equal(call.inv.is_cold, i == 0);
        call_free(&call);
    }
    runtime_down();
    snapshot_unref(&f->snapshot);
}

static void node_environment(void **state)
{
    (void) state;
    node_expect("node.environ", "1", INVOCATION_OK,
                "\"NODE_PATH\":\"/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:"
                "/var/runtime/node_modules:/var/runtime:/var/task\"");
}

int main(void)
{
    if (geteuid() != 0) {
        fprintf(stderr, "needs root\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cold_then_warm),
        cmocka_unit_test(a_function_error_leaves_the_instance_usable),
        cmocka_unit_test(a_timeout_is_answered_as_aws_does),
        cmocka_unit_test(exits_and_signals_are_told_apart),
        cmocka_unit_test(out_of_memory_is_recognised),
        cmocka_unit_test(init_errors_end_the_instance),
        cmocka_unit_test(a_slow_init_is_tried_again_within_the_timeout),
        cmocka_unit_test(violations_end_the_instance),
        cmocka_unit_test(six_megabytes_go_both_ways),
        cmocka_unit_test(a_burst_of_fifty),
        cmocka_unit_test(the_tail_is_the_last_four_kilobytes),
        cmocka_unit_test(the_environment_is_awss),
        cmocka_unit_test(an_idle_instance_goes_by_its_end_or_by_time),
        cmocka_unit_test(an_update_takes_effect_at_once),
        cmocka_unit_test(a_drain_ends_what_does_not_finish),
        cmocka_unit_test(a_drain_ends_what_is_being_built),
        cmocka_unit_test(two_functions_share_a_small_host),
        cmocka_unit_test(debians_packages_can_be_imported),
        cmocka_unit_test(node_cold_then_warm),
        cmocka_unit_test(node_errors_are_awss),
        cmocka_unit_test(node_uncaught_exceptions_end_the_instance),
        cmocka_unit_test(node_streams_are_gathered),
        cmocka_unit_test(node_environment),
        cmocka_unit_test(calls_travel_to_the_home_of_their_function),
        cmocka_unit_test(the_spawners_death_ends_every_call),
    };
    return cmocka_run_group_tests(tests, live_setup, live_teardown);
}
