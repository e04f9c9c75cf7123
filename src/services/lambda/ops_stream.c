/* InvokeWithResponseStream: the answer as a stream of events, wholly on the loop that received the
 * request.
 *
 *     function streams     head  PayloadChunk…  InvokeComplete      as it writes
 *     answer in one piece  head  PayloadChunk…  InvokeComplete      when it is there, see pump
 *     error                head  InvokeComplete with ErrorCode
 *
 * ErrorCode is "Unhandled", as Invoke's FunctionError, and ErrorDetails the error object; an error
 * in the middle of a stream has its own type as the code. What never ran (throttled, refused) is an
 * ordinary error answer. The function goes on when its client has left, as on AWS.
 *
 * Sources: API_InvokeWithResponseStreamCompleteEvent; codes and details as clients on AWS have
 * recorded them (aws-lambda-dotnet's integration tests, Remotion). */
#include "data/json.h"
#include "services/lambda/lambda_int.h"

enum {
    CHUNK_MAX = 64 * 1024,    /* of an answer in one piece */
    DETAILS_MAX = 256 * 1024, /* of an error object */
    ERROR_ARENA = 512 * 1024,
};

struct stream_call {
    struct invocation inv;
    struct op *op;
    struct str rest; /* of an answer in one piece: not sent yet; in the op's arena */
    struct lambda_InvokeWithResponseStreamCompleteEvent complete;
    struct task task;
    bool is_done;    /* the invocation is */
    bool is_waiting; /* pump is */
};

static struct stream_call *call_of(struct invocation *inv)
{
    return CONTAINER_OF(inv, struct stream_call, inv);
}

static void begin_answer(struct stream_call *call, struct str content_type)
{
    struct lambda_InvokeWithResponseStreamResponse *out = call->op->out;
    out->has_StatusCode = true;
    out->StatusCode = 200;
    out->ExecutedVersion = call->inv.spec->version;
    out->ResponseStreamContentType = arena_str(call->op->arena, content_type);
    op_begin(call->op, -1);
}

static bool put_chunk(struct stream_call *call, struct str bytes)
{
    struct lambda_InvokeResponseStreamUpdate update = {.Payload = bytes};
    const struct lambda_InvokeWithResponseStreamResponseEvent event = {.PayloadChunk = &update};
    return op_event(call->op, &event);
}

/* ---- what the function streams ---- */

static void sink_begin(struct invocation *inv, struct str content_type)
{
    begin_answer(call_of(inv), content_type);
}

static bool sink_write(struct invocation *inv, struct str bytes)
{
    return put_chunk(call_of(inv), bytes);
}

static const struct invocation_sink sink = {sink_begin, sink_write};

/* ---- the end ---- */

/* Sends what is left, as the client takes it, then the last event. The op is gone afterwards,
 * unless the client has to be waited for. */
static void pump(struct stream_call *call)
{
    struct op *op = call->op;
    while (call->rest.len > 0) {
        struct str chunk = str_head(call->rest, CHUNK_MAX);
        call->rest = str_skip(call->rest, chunk.len);
        call->is_waiting = !put_chunk(call, chunk);
        if (call->is_waiting)
            return;
    }
    const struct lambda_InvokeWithResponseStreamResponseEvent event = {.InvokeComplete =
                                                                           &call->complete};
    (void) op_event(op, &event); /* the last one: nobody waits */
    op_finish(op, 0);
}

static void go_on(struct task *task)
{
    pump(CONTAINER_OF(task, struct stream_call, task));
}

static void on_drained(struct op *op)
{
    struct stream_call *call = op->prepared;
    if (!call->is_done)
        runtime_resume(&call->inv);
    else if (call->is_waiting)
        pump(call);
}

/* Nobody reads any more, so nothing is to be waited for. */
static void on_gone(struct op *op)
{
    struct stream_call *call = op->prepared;
    if (!call->is_done) {
        runtime_resume(&call->inv);
    } else if (call->is_waiting) {
        call->task.run = go_on; /* not from inside: it ends the op */
        exec_post(op->loop_exec, &call->task);
    }
}

/* "errorType" of an error object, which is a function's word. */
static struct str error_type(struct op *op, struct str error)
{
    AUTO_ARENA struct arena arena;
    struct json_reader r;
    arena_init(&arena, ERROR_ARENA);
    json_reader_init(&r, error, &arena);
    r.is_lenient = true;
    if (json_next(&r) != JSON_OBJECT_BEGIN)
        return STR("Unhandled");
    while (json_next(&r) == JSON_KEY) {
        bool is_type = str_eq(r.text, STR("errorType"));
        enum json_token tok = json_next(&r);
        if (is_type && tok == JSON_STRING && r.text.len > 0)
            return arena_str(op->arena, str_head(r.text, 256));
        if (!json_skip(&r, tok, NULL))
            break;
    }
    return STR("Unhandled");
}

static void take_error(struct stream_call *call)
{
    const struct invocation *inv = &call->inv;
    struct op *op = call->op;
    call->complete.ErrorCode = inv->is_streamed ? error_type(op, inv->answer) : STR("Unhandled");
    call->complete.ErrorDetails = arena_str(op->arena, str_head(inv->answer, DETAILS_MAX));
}

/* The answer is copied: it is the runtime's, and a slow client outlasts it. */
static int take_answer(struct stream_call *call)
{
    const struct invocation *inv = &call->inv;
    struct op *op = call->op;
    if (inv->is_streamed)
        return 0;
    op->arena->limit_bytes += inv->answer.len; /* below the runtime's limit */
    call->rest = arena_str(op->arena, inv->answer);
    return call->rest.ptr == NULL ? lambda_fail_too_large(op) : 0;
}

static int take_result(struct stream_call *call)
{
    const struct invocation *inv = &call->inv;
    int rc = 0;
    switch (inv->result) {
    case INVOCATION_THROTTLED:
    case INVOCATION_REFUSED: return lambda_call_fail(call->op, inv);
    case INVOCATION_FUNCTION_ERROR: take_error(call); break;
    case INVOCATION_OK: rc = take_answer(call); break;
    }
    if (rc == 0 && inv->wants_log_tail)
        rc = lambda_log_tail(call->op, inv->log_tail, &call->complete.LogResult);
    return rc;
}

static void invocation_done(struct invocation *inv)
{
    struct stream_call *call = call_of(inv);
    struct snapshot *spec = &inv->spec->snapshot;
    call->is_done = true;
    int rc = take_result(call);
    if (rc < 0) {
        op_finish(call->op, rc);
    } else {
        if (!inv->is_streamed)
            begin_answer(call, inv->content_type);
        pump(call); /* call lies in op's arena: gone, perhaps */
    }
    snapshot_unref(spec);
}

void lambda_start_InvokeWithResponseStream(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_InvokeWithResponseStreamRequest *in = in_any;
    struct lambda_InvokeWithResponseStreamResponse *out = out_any;
    const struct lambda_call_request request = LAMBDA_CALL_REQUEST(in);
    struct stream_call *call = ARENA_NEW(op->arena, struct stream_call);
    struct lambda_target target;
    int rc = lambda_call_check(op, &request, &target, &call->inv);
    bool is_dry = str_eq(in->InvocationType, STR("DryRun"));
    if (rc < 0 || is_dry) {
        out->has_StatusCode = is_dry;
        out->StatusCode = 204;
        op_finish(op, rc);
        return;
    }
    call->op = op;
    call->inv.sink = &sink;
    call->inv.done = invocation_done;
    op->prepared = call;
    op->on_drained = on_drained;
    op->on_gone = on_gone;
    lambda_call_run(op, &call->inv);
}
