/* The whole service on one thread: operations are driven as the gateway drives them, loops and
 * workers run tasks at once, the runtime is a stand-in that answers by itself. */
#include "test.h"

#include "base/mem.h"
#include "core/actor.h"
#include "data/zip.h"
#include "os/file.h"
#include "services/lambda/lambda.h"
#include "services/lambda/lambda_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

struct place {
    char path[64];
    struct exec inline_exec;
    struct exec *loops[1];
    void *state;
    struct db *db;
    struct arena arena;
    struct op op;      /* of the last call */
    bool is_published; /* of the last call */
    unsigned changes;  /* seen by the runtime */
    unsigned calls;    /* of functions */
    struct buf events; /* of a streamed answer, as text */
    unsigned patience; /* events before the client wants to be waited for */
    unsigned resumed;
    struct snapshot_status snapshot;
    struct message *messages[64]; /* to the actor */
    size_t message_count;
    struct clock_virtual clock;
    int64_t alarm_us; /* what the timer is set to; 0: not */
    struct timer *alarm;
};

static struct place *here;

static void inline_post(struct exec *exec, struct task *task)
{
    (void) exec;
    task->run(task);
}

static void inline_timer_set(struct exec *exec, struct timer *timer, int64_t due_us)
{
    (void) exec;
    here->alarm = timer;
    here->alarm_us = due_us;
}

static void inline_timer_clear(struct exec *exec, struct timer *timer)
{
    (void) exec, (void) timer;
    here->alarm_us = 0;
}

static const struct exec_ops inline_ops = {inline_post, inline_timer_set, inline_timer_clear};

/* --- the stand-in runtime --- */

unsigned runtime_account_concurrency(const struct runtime *runtime)
{
    (void) runtime;
    return 1000;
}

void runtime_invoke(struct runtime *runtime, size_t loop, struct invocation *inv)
{
    (void) runtime, (void) loop;
    here->calls++;
    inv->result = INVOCATION_OK;
    inv->answer = inv->payload;
    inv->log_tail = STR("START\nEND\n");
    if (str_eq(inv->payload, STR("\"fail\"")))
        inv->result = INVOCATION_FUNCTION_ERROR;
    inv->throttle = THROTTLE_CONCURRENT;
    if (str_eq(inv->payload, STR("\"throttle\"")))
        inv->result = INVOCATION_THROTTLED;
    if (str_eq(inv->payload, STR("\"code\""))) { /* the code is where the specification says */
        struct stat st;
        if (fstatat(inv->spec->code_fd, "lambda_function.py", &st, 0) < 0)
            inv->result = INVOCATION_FUNCTION_ERROR;
        inv->answer = inv->spec->handler;
    }
    static char big[150 * 1024];
    if (str_eq(inv->payload, STR("\"big\"")))
        inv->answer = str_of(big, sizeof big);
    inv->content_type = STR("application/json");
    if (str_eq(inv->payload, STR("\"stream\""))) {
        inv->is_streamed = true;
        inv->sink->begin(inv, STR("text/plain"));
        if (!inv->sink->write(inv, STR("one")))
            here->op.on_drained(&here->op);
        (void) inv->sink->write(inv, STR("two"));
        here->op.on_gone(&here->op);
        inv->result = INVOCATION_FUNCTION_ERROR;
        inv->answer = STR("{\"errorMessage\":\"no\",\"errorType\":\"Mid.Stream\"}");
    }
    inv->done(inv);
}

void runtime_resume(struct invocation *inv)
{
    assert_true(inv->is_streamed);
    here->resumed++;
}

void runtime_function_changed(struct runtime *runtime, size_t loop, struct str arn,
                              const struct function_spec *spec)
{
    (void) runtime, (void) loop, (void) arn, (void) spec;
    here->changes++;
}

bool runtime_snapshot_find(const struct runtime *runtime, struct str arn, struct str version,
                           struct snapshot_status *out)
{
    (void) runtime, (void) arn, (void) version;
    *out = here->snapshot;
    return here->snapshot.state != SNAPSHOT_NONE;
}

void runtime_function_loaded(struct runtime *runtime, struct function_spec *spec)
{
    (void) runtime, (void) spec;
}

void runtime_functions_loaded(struct runtime *runtime)
{
    (void) runtime;
}

bool runtime_snapshots_state(const struct runtime *runtime, struct snapshot_status *out)
{
    (void) runtime, (void) out;
    return false;
}

void runtime_snapshot_each(const struct runtime *runtime,
                           void (*fn)(void *arg, struct str key, const void *status), void *arg)
{
    (void) runtime, (void) fn, (void) arg;
}

void runtime_snapshot_drop(struct runtime *runtime, struct str arn, struct str version)
{
    (void) runtime, (void) arn, (void) version;
}

/* --- the stand-in actor: a batch of one, at once; what is posted meanwhile comes after it --- */

static void batch(struct message *msg)
{
    if (msg->is_read_only) {
        (void) msg->run(msg, here->db);
        msg->done(msg, 0);
        return;
    }
    assert_ok(db_begin(here->db, NULL));
    if (msg->run(msg, here->db) < 0)
        db_rollback(here->db);
    else
        assert_ok(db_commit(here->db, NULL));
    msg->done(msg, 0);
}

int actor_post(struct actor *actor, struct message *msg)
{
    (void) actor;
    here->messages[here->message_count++] = msg;
    assert_true(here->message_count < ARRAY_LEN(here->messages));
    if (here->message_count > 1)
        return 0;
    for (size_t at = 0; at < here->message_count; at++)
        batch(here->messages[at]);
    here->message_count = 0;
    return 0;
}

/* --- the gateway's part --- */

static void published(struct task *task)
{
    (void) task;
    here->is_published = true;
}

static void stream_begin(struct op *op, int64_t content_length)
{
    const struct lambda_InvokeWithResponseStreamResponse *out = op->out;
    assert_int_equal(content_length, -1);
    buf_printf(&here->events, "%d " STR_FMT " " STR_FMT "\n", out->StatusCode,
               STR_ARG(out->ExecutedVersion), STR_ARG(out->ResponseStreamContentType));
}

static bool stream_event(struct op *op, const void *event_any)
{
    const struct lambda_InvokeWithResponseStreamResponseEvent *event = event_any;
    (void) op;
    if (event->PayloadChunk != NULL)
        buf_printf(&here->events, "chunk %zu\n", event->PayloadChunk->Payload.len);
    if (event->InvokeComplete != NULL)
        buf_printf(&here->events, "complete '" STR_FMT "' '" STR_FMT "' '" STR_FMT "'\n",
                   STR_ARG(event->InvokeComplete->ErrorCode),
                   STR_ARG(event->InvokeComplete->ErrorDetails),
                   STR_ARG(event->InvokeComplete->LogResult));
    if (here->patience > 0)
        here->patience--;
    return here->patience > 0;
}

static const struct op_stream stream = {.begin = stream_begin, .event = stream_event};

static void finished(struct op *op, int rc)
{
    (void) op;
    here->is_published = rc == 0;
}

static const struct service_op *op_find(const struct aws_operation *model)
{
    for (size_t i = 0; i < lambda_room.op_count; i++) {
        if (lambda_room.ops[i].model == model)
            return &lambda_room.ops[i];
    }
    fail_msg("no such operation");
    return NULL;
}

/* 0 or OP_FAILED with here->op.fault. */
static int call(const struct aws_operation *model, const void *in, void *out)
{
    static struct task then = {.run = published};
    const struct service_op *def = op_find(model);
    here->is_published = false;
    here->op = (struct op){
        .caller = {.account = STR("000000000000"),
                   .region = STR("us-east-1"),
                   .principal = STR("arn:aws:iam::000000000000:root")},
        .request_id = STR("req-1"),
        .arena = &here->arena,
        .now_ms = clock_utc_ms(&here->clock.clock),
        .rng = &rng_real,
        .state = here->state,
        .loop_exec = &here->inline_exec,
        .def = def,
        .in = in,
        .out = out,
        .finish = finished,
        .stream = &stream,
    };
    struct op *op = &here->op;
    if (def->start != NULL) {
        def->start(op, in, out);
        return here->is_published ? 0 : OP_FAILED;
    }
    int rc = def->prepare == NULL ? 0 : def->prepare(op, in);
    if (rc < 0)
        return rc;
    op->db = here->db;
    assert_ok(db_begin(here->db, NULL));
    rc = def->run(op, in, out);
    if (rc < 0) {
        db_rollback(here->db);
        if (def->discard != NULL)
            def->discard(op);
        return rc;
    }
    assert_ok(db_commit(here->db, NULL));
    if (def->publish != NULL) {
        def->publish(op, &then);
        assert_true(here->is_published);
    }
    return 0;
}

static void service_open(void)
{
    const struct service_env env = {
        .data_dir = here->path,
        .clock = &here->clock.clock,
        .rng = &rng_real,
        .workers = &here->inline_exec,
        .loops = here->loops,
        .loop_count = 1,
        .endpoint = "http://127.0.0.1:4566",
    };
    struct err err;
    if (lambda_room.open(&env, &here->state, &here->db, &err) < 0)
        fail_msg("%s", err.text);
    lambda_room.start(here->state, NULL);
}

static void service_close(void)
{
    db_close(here->db);
    lambda_room.close(here->state);
}

static int setup(void **state)
{
    (void) state;
    here = NEW(struct place);
    (void) snprintf(here->path, sizeof here->path, "/tmp/virga-test-lambda-XXXXXX");
    assert_non_null(mkdtemp(here->path));
    here->inline_exec = (struct exec){.ops = &inline_ops, .clock = &here->clock.clock};
    clock_virtual_init(&here->clock, 1795210800123);
    here->loops[0] = &here->inline_exec;
    arena_init(&here->arena, 64 << 20);
    service_open();
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    service_close();
    arena_done(&here->arena);
    assert_ok(dir_remove(AT_FDCWD, here->path, NULL));
    free(here);
    return 0;
}

static struct str package(const char *source)
{
    struct buf bytes;
    AUTO_ZIP_WRITER struct zip_writer *w = NULL;
    buf_init(&bytes, 1 << 20);
    assert_ok(zip_writer_new(&bytes, &w, NULL));
    assert_ok(zip_writer_file(w, STR("lambda_function.py"), str_from(source), false, NULL));
    assert_ok(zip_writer_end(w, NULL));
    struct str copy = arena_str(&here->arena, buf_str(&bytes));
    buf_done(&bytes);
    return copy;
}

static int create(const char *name, struct str zip, struct lambda_FunctionConfiguration *out)
{
    struct lambda_FunctionCode code = {.ZipFile = zip};
    struct lambda_EnvironmentVariables_entry variable = {.key = STR("STAGE"), .value = STR("dev")};
    struct lambda_Environment environment = {.Variables = {&variable, 1}};
    struct lambda_Tags_entry tag = {.key = STR("team"), .value = STR("sky")};
    const struct lambda_CreateFunctionRequest in = {
        .FunctionName = str_from(name),
        .Runtime = STR("python3.12"),
        .Role = STR("arn:aws:iam::000000000000:role/r"),
        .Handler = STR("lambda_function.handler"),
        .Code = &code,
        .Environment = &environment,
        .Tags = {&tag, 1},
    };
    *out = (struct lambda_FunctionConfiguration){0};
    return call(&lambda_op_CreateFunction, &in, out);
}

static int invoke(const char *name, const char *payload, struct lambda_InvocationResponse *out)
{
    const struct lambda_InvocationRequest in = {
        .FunctionName = str_from(name), .Payload = str_from(payload), .LogType = STR("Tail")};
    *out = (struct lambda_InvocationResponse){0};
    return call(&lambda_op_Invoke, &in, out);
}

/* Some of what has come so far. */
static int invoke_stream(const char *payload, unsigned patience)
{
    const struct lambda_InvokeWithResponseStreamRequest in = {
        .FunctionName = STR("fn"), .Payload = str_from(payload), .LogType = STR("Tail")};
    static struct lambda_InvokeWithResponseStreamResponse out;
    out = (struct lambda_InvokeWithResponseStreamResponse){0};
    buf_reset(&here->events);
    here->patience = patience;
    return call(&lambda_op_InvokeWithResponseStream, &in, &out);
}

static int delete (const char *name)
{
    const struct lambda_DeleteFunctionRequest in = {.FunctionName = str_from(name)};
    struct lambda_DeleteFunctionResponse out;
    return call(&lambda_op_DeleteFunction, &in, &out);
}

static unsigned entries_in(const char *sub)
{
    char path[128];
    (void) snprintf(path, sizeof path, "%s/%s", here->path, sub);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    unsigned count = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    (void) closedir(dir);
    return count;
}

static void expect_events(const char *text)
{
    assert_str(buf_str(&here->events), text);
}

static void expect_fault(int rc, const char *code)
{
    assert_int_equal(rc, OP_FAILED);
    assert_str(here->op.fault.error->code, code);
}

/* --- tests --- */

static void a_function_lives(void **state)
{
    (void) state;
    struct lambda_FunctionConfiguration made, seen = {0};
    assert_ok(create("fn", package("v1"), &made));
    assert_str(made.FunctionArn, "arn:aws:lambda:us-east-1:000000000000:function:fn");
    assert_str(made.Version, "$LATEST");
    assert_str(made.State, "Active");
    assert_str(made.LastModified, "2026-11-20T21:40:00.123+0000");
    assert_int_equal(made.CodeSha256.len, 44);
    assert_int_equal(made.Timeout, 3);
    assert_int_equal(made.MemorySize, 128);
    assert_int_equal(made.RevisionId.len, 36);
    assert_str(made.LoggingConfig->LogGroup, "/aws/lambda/fn");
    assert_int_equal(made.Environment->Variables.count, 1);
    assert_int_equal(here->changes, 1);

    const struct lambda_GetFunctionConfigurationRequest get = {.FunctionName = STR("fn:$LATEST")};
    assert_ok(call(&lambda_op_GetFunctionConfiguration, &get, &seen));
    assert_str(seen.FunctionArn, "arn:aws:lambda:us-east-1:000000000000:function:fn:$LATEST");
    assert_true(str_eq(seen.RevisionId, made.RevisionId));
    assert_str(seen.Environment->Variables.items[0].value, "dev");

    const struct lambda_GetFunctionRequest whole = {.FunctionName = STR("fn")};
    struct lambda_GetFunctionResponse function = {0};
    assert_ok(call(&lambda_op_GetFunction, &whole, &function));
    assert_str(function.Code->RepositoryType, "S3");
    assert_int_equal(function.Tags.count, 1);
    assert_str(function.Tags.items[0].value, "sky");

    expect_fault(create("fn", package("v2"), &made), "ResourceConflictException");
    assert_int_equal(entries_in("code"), 1); /* the refused package is gone */
    assert_ok(delete ("fn"));
    expect_fault(delete ("fn"), "ResourceNotFoundException");
    expect_fault(call(&lambda_op_GetFunctionConfiguration, &get, &seen),
                 "ResourceNotFoundException");
}

static void calls_meet_the_newest_configuration(void **state)
{
    (void) state;
    struct lambda_FunctionConfiguration made;
    struct lambda_InvocationResponse out;
    expect_fault(invoke("fn", "{}", &out), "ResourceNotFoundException");
    assert_ok(create("fn", package("v1"), &made));
    assert_ok(invoke("fn", "{\"a\":1}", &out));
    assert_str(out.Payload, "{\"a\":1}");
    assert_int_equal(out.StatusCode, 200);
    assert_str(out.ExecutedVersion, "$LATEST");
    assert_str(out.LogResult, "U1RBUlQKRU5ECg==");
    assert_null(out.FunctionError.ptr);
    assert_ok(invoke("fn", "", &out));
    assert_str(out.Payload, "{}");
    assert_ok(invoke("fn", "\"fail\"", &out));
    assert_str(out.FunctionError, "Unhandled");
    expect_fault(invoke("fn", "\"throttle\"", &out), "TooManyRequestsException");
    const struct lambda_TooManyRequestsException *detail = here->op.fault.detail;
    assert_str(detail->Reason, "ConcurrentInvocationLimitExceeded");
    expect_fault(invoke("fn:7", "{}", &out), "ResourceNotFoundException");
    assert_str(here->op.fault.message,
               "Function not found: arn:aws:lambda:us-east-1:000000000000:function:fn:7");
    expect_fault(invoke("fn", "{", &out), "InvalidRequestContentException");

    const struct lambda_UpdateFunctionConfigurationRequest change = {
        .FunctionName = STR("fn"), .Handler = STR("other.handler"), .RevisionId = made.RevisionId};
    struct lambda_FunctionConfiguration changed = {0};
    assert_ok(call(&lambda_op_UpdateFunctionConfiguration, &change, &changed));
    assert_false(str_eq(changed.RevisionId, made.RevisionId));
    assert_ok(invoke("fn", "\"code\"", &out));
    assert_str(out.Payload, "other.handler");
    assert_null(out.FunctionError.ptr);
    expect_fault(call(&lambda_op_UpdateFunctionConfiguration, &change, &changed),
                 "PreconditionFailedException");
    assert_ok(delete ("fn"));
    expect_fault(invoke("fn", "{}", &out), "ResourceNotFoundException");
}

static void invocation_types(void **state)
{
    (void) state;
    struct lambda_FunctionConfiguration made;
    struct lambda_InvocationResponse out = {0};
    assert_ok(create("fn", package("v1"), &made));
    struct lambda_InvocationRequest in = {.FunctionName = STR("fn"),
                                          .InvocationType = STR("DryRun")};
    assert_ok(call(&lambda_op_Invoke, &in, &out));
    assert_int_equal(out.StatusCode, 204);
    in = (struct lambda_InvocationRequest){.FunctionName = STR("fn"), .TenantId = STR("t")};
    expect_fault(call(&lambda_op_Invoke, &in, &out), "InvalidParameterValueException");
    assert_str(here->op.fault.message, "Virga does not support TenantId yet.");
}

static int send_event(const char *payload)
{
    struct lambda_InvocationResponse out = {0};
    const struct lambda_InvocationRequest in = {
        .FunctionName = STR("fn"), .InvocationType = STR("Event"), .Payload = str_from(payload)};
    int rc = call(&lambda_op_Invoke, &in, &out);
    assert_int_equal(out.StatusCode, 202);
    return rc;
}

/* Moves the clock to where the timer stands, and fires it. */
static void next_alarm(int64_t expected_ms)
{
    int64_t wait_us = here->alarm_us - here->clock.mono_us;
    assert_true(here->alarm_us > 0);
    assert_int_equal(wait_us / 1000, expected_ms);
    here->alarm_us = 0;
    clock_virtual_advance(&here->clock, wait_us);
    here->alarm->fire(here->alarm);
}

/* AWS's waits, on a clock that a test can move. */
static void events_are_retried(void **state)
{
    (void) state;
    struct lambda_FunctionConfiguration made;
    assert_ok(create("fn", package("v1"), &made));
    assert_ok(send_event("{}"));
    assert_int_equal(here->calls, 1);
    assert_int_equal(here->alarm_us, 0);
    assert_ok(send_event("\"fail\""));
    assert_int_equal(here->calls, 2);
    assert_ok(send_event("{}")); /* does not wait for the other */
    assert_int_equal(here->calls, 3);
    next_alarm(60 * 1000);
    assert_int_equal(here->calls, 4);
    next_alarm(120 * 1000);
    assert_int_equal(here->calls, 5);
    assert_int_equal(here->alarm_us, 0);

    assert_ok(send_event("\"throttle\""));
    for (int64_t wait_ms = 1000; wait_ms < 300 * 1000; wait_ms *= 2)
        next_alarm(wait_ms);
    next_alarm(300 * 1000);
    assert_ok(delete ("fn")); /* and what waits goes with it */
    unsigned calls = here->calls;
    next_alarm(300 * 1000);
    assert_int_equal(here->calls, calls);
    assert_int_equal(here->alarm_us, 0);
}

static void events_survive_a_restart(void **state)
{
    (void) state;
    struct lambda_FunctionConfiguration made;
    assert_ok(create("fn", package("v1"), &made));
    assert_ok(send_event("\"fail\""));
    service_close();
    here->alarm_us = 0;
    service_open();
    next_alarm(60 * 1000);
    assert_int_equal(here->calls, 2);
}

static int update_code(struct str zip, bool is_dry_run, struct lambda_FunctionConfiguration *out)
{
    const struct lambda_UpdateFunctionCodeRequest in = {
        .FunctionName = STR("a"), .ZipFile = zip, .has_DryRun = is_dry_run, .DryRun = is_dry_run};
    *out = (struct lambda_FunctionConfiguration){0};
    return call(&lambda_op_UpdateFunctionCode, &in, out);
}

/* As many packages and directories as there are different codes in use. */
static void code_is_shared_and_removed(void **state)
{
    (void) state;
    struct lambda_FunctionConfiguration one, two;
    assert_ok(create("a", package("same"), &one));
    assert_ok(create("b", package("same"), &two));
    assert_true(str_eq(one.CodeSha256, two.CodeSha256));
    assert_int_equal(entries_in("code"), 1);
    assert_ok(update_code(package("new"), true, &two));
    assert_false(str_eq(one.CodeSha256, two.CodeSha256));
    assert_true(str_eq(one.RevisionId, two.RevisionId));
    assert_int_equal(entries_in("code"), 1);
    assert_ok(update_code(package("new"), false, &two));
    assert_false(str_eq(one.RevisionId, two.RevisionId));
    assert_int_equal(entries_in("code"), 2);
    assert_ok(update_code(package("new"), false, &two)); /* the same again */
    assert_int_equal(entries_in("code"), 2);
    assert_ok(delete ("b"));
    assert_int_equal(entries_in("code"), 1);
    assert_ok(delete ("a"));
    assert_int_equal(entries_in("code"), 0);
    expect_fault(update_code(package("new"), false, &two), "ResourceNotFoundException");
    assert_int_equal(entries_in("code"), 0);
    expect_fault(create("c", STR("no zip"), &one), "InvalidParameterValueException");
    assert_int_equal(entries_in("code"), 0);
}

static void everything_survives_a_restart(void **state)
{
    (void) state;
    struct lambda_FunctionConfiguration made;
    struct lambda_InvocationResponse out;
    char path[128];
    assert_ok(create("kept", package("kept"), &made));
    assert_ok(create("lost", package("lost"), &made));
    service_close();
    /* The directories are gone, the packages of one function too; foreign things lie about. */
    (void) snprintf(path, sizeof path, "%s/code", here->path);
    assert_ok(dir_remove(AT_FDCWD, path, NULL));
    (void) snprintf(path, sizeof path, "%s/code/half.0123456789abcdef.tmp/x", here->path);
    assert_ok(dir_make(path, 0700, NULL));
    service_open();
    assert_int_equal(entries_in("code"), 2);
    assert_ok(invoke("kept", "\"code\"", &out));
    assert_null(out.FunctionError.ptr);

    service_close();
    (void) snprintf(path, sizeof path, "%s/code", here->path);
    assert_ok(dir_remove(AT_FDCWD, path, NULL));
    (void) snprintf(path, sizeof path, "%s/packages", here->path);
    assert_ok(dir_remove(AT_FDCWD, path, NULL));
    service_open();
    expect_fault(invoke("lost", "{}", &out), "InvalidZipFileException");
    assert_ok(delete ("lost"));
    assert_ok(delete ("kept"));
}

static void lists_have_pages(void **state)
{
    (void) state;
    struct lambda_FunctionConfiguration made;
    char name[16];
    for (int i = 0; i < 53; i++) {
        (void) snprintf(name, sizeof name, "fn-%02d", i);
        assert_ok(create(name, package("same"), &made));
    }
    struct lambda_ListFunctionsRequest in = {0};
    struct lambda_ListFunctionsResponse out = {0};
    assert_ok(call(&lambda_op_ListFunctions, &in, &out));
    assert_int_equal(out.Functions.count, 50);
    assert_str(out.Functions.items[0].FunctionName, "fn-00");
    assert_null(out.Functions.items[0].State.ptr);
    in.Marker = out.NextMarker;
    in.FunctionVersion = STR("ALL");
    out = (struct lambda_ListFunctionsResponse){0};
    assert_ok(call(&lambda_op_ListFunctions, &in, &out));
    assert_int_equal(out.Functions.count, 3);
    assert_null(out.NextMarker.ptr);
    assert_true(str_ends(out.Functions.items[2].FunctionArn, STR(":fn-52:$LATEST")));
    in = (struct lambda_ListFunctionsRequest){.has_MaxItems = true, .MaxItems = 2};
    assert_ok(call(&lambda_op_ListFunctions, &in, &out));
    assert_int_equal(out.Functions.count, 2);
    in.Marker = STR("?");
    expect_fault(call(&lambda_op_ListFunctions, &in, &out), "InvalidParameterValueException");
}

/* Answers in one piece leave in chunks, as the client takes them; the last event has what Invoke
 * says in headers. */
static void answers_are_streamed(void **state)
{
    (void) state;
    const char *log = "U1RBUlQKRU5ECg==";
    char expected[300];
    struct lambda_FunctionConfiguration made;
    assert_ok(create("fn", package("v1"), &made));
    buf_init(&here->events, 4096);

    assert_ok(invoke_stream("{\"a\": 1}", 100));
    (void) snprintf(expected, sizeof expected,
                    "200 $LATEST application/json\nchunk 8\ncomplete '' '' '%s'\n", log);
    expect_events(expected);

    assert_int_equal(invoke_stream("\"big\"", 2), OP_FAILED); /* not finished, that is */
    expect_events("200 $LATEST application/json\nchunk 65536\nchunk 65536\n");
    here->patience = 3;
    here->op.on_drained(&here->op);
    assert_true(here->is_published);
    assert_true(str_ends(buf_str(&here->events), STR("complete '' '' 'U1RBUlQKRU5ECg=='\n")));

    assert_int_equal(invoke_stream("\"big\"", 1), OP_FAILED);
    here->op.is_gone = true;
    here->patience = 100; /* whoever has left wants nothing to be waited for */
    here->op.on_gone(&here->op);
    assert_true(here->is_published);

    assert_ok(invoke_stream("\"fail\"", 100));
    (void) snprintf(expected, sizeof expected,
                    "200 $LATEST application/json\ncomplete 'Unhandled' '\"fail\"' '%s'\n", log);
    expect_events(expected);
    expect_fault(invoke_stream("\"throttle\"", 100), "TooManyRequestsException");
    expect_events("");

    assert_ok(invoke_stream("\"stream\"", 1));
    (void) snprintf(expected, sizeof expected,
                    "200 $LATEST text/plain\nchunk 3\nchunk 3\ncomplete 'Mid.Stream' '%s' '%s'\n",
                    "{\"errorMessage\":\"no\",\"errorType\":\"Mid.Stream\"}", log);
    expect_events(expected);
    assert_int_equal(here->resumed, 2);
    buf_done(&here->events);
}

int main(void)
{
#define WITH_SERVICE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(a_function_lives),           WITH_SERVICE(calls_meet_the_newest_configuration),
        WITH_SERVICE(invocation_types),           WITH_SERVICE(answers_are_streamed),
        WITH_SERVICE(events_are_retried),         WITH_SERVICE(events_survive_a_restart),
        WITH_SERVICE(code_is_shared_and_removed), WITH_SERVICE(everything_survives_a_restart),
        WITH_SERVICE(lists_have_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
