/* Calls of function URLs, on the loop that received them.
 *
 *     loop      the URL in this loop's directory; who may call; preflight   front_start
 *     worker    a large body becomes the event; small ones on the loop      build
 *     loop      the function is called; its result becomes the answer       invoke, invoked
 *     worker    a large result                                              interpret
 *
 *     loop      InvokeMode RESPONSE_STREAM: the answer as it comes          sink, stream_ended
 *
 * With RESPONSE_STREAM the result of a function that does not stream is the body as it is, also
 * when it looks like an answer (as AWS does it; LocalStack's recorded test
 * test_lambda_url_echo_invoke).
 *
 * AWS answers a URL that is not there like one that may not be called (403), a function that failed
 * or returned nonsense 502, throttling 429. */
#include "services/lambda/url.h"

#include "base/log.h"
#include "base/mem.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/versions.h"

enum {
    LOOP_BYTES_MAX = 64 * 1024, /* more is read on a worker */
    EVENT_MAX = 16 * 1024 * 1024,
};

struct url_call {
    struct invocation inv;
    struct op *op;
    struct url_spec *url; /* reference */
    struct buf event;
    struct task task;
    struct str result;
    struct url_head head; /* of a streamed answer */
    bool is_begun;        /* it has been sent */
};

static void url_spec_free(struct snapshot *snapshot)
{
    struct url_spec *url = CONTAINER_OF(snapshot, struct url_spec, snapshot);
    arena_done(&url->arena);
    free(url);
}

static struct str keep(struct arena *arena, struct str text)
{
    return text.ptr == NULL ? STR_NONE : arena_str(arena, text);
}

static bool is_alias(const struct url_row *row)
{
    return !str_eq(row->qualifier, STR("$LATEST"));
}

struct str url_row_arn(struct arena *arena, const struct url_row *row)
{
    const struct lambda_row function = {
        .account = row->account, .region = row->region, .name = row->name};
    struct str arn = lambda_row_arn(arena, &function);
    return is_alias(row)
               ? arena_printf(arena, STR_FMT ":" STR_FMT, STR_ARG(arn), STR_ARG(row->qualifier))
               : arn;
}

struct url_spec *url_spec_new(const struct url_row *row)
{
    struct url_spec *url = NEW(struct url_spec);
    struct arena *arena = &url->arena;
    snapshot_init(&url->snapshot, url_spec_free);
    arena_init(arena, 1 << 20);
    url->row = *row;
    struct str *texts[] = {&url->row.account,
                           &url->row.region,
                           &url->row.name,
                           &url->row.qualifier,
                           &url->row.id,
                           &url->row.cors.allow_headers,
                           &url->row.cors.allow_methods,
                           &url->row.cors.allow_origins,
                           &url->row.cors.expose_headers};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = keep(arena, *texts[i]);
    url->arn = url_row_arn(arena, row);
    url->function_arn =
        is_alias(row) ? str_head(url->arn, url->arn.len - row->qualifier.len - 1) : url->arn;
    return url;
}

static void call_end(struct url_call *call, int rc)
{
    struct op *op = call->op; /* call lies in its arena */
    struct snapshot *url = &call->url->snapshot;
    if (rc == 0 && !call->is_begun)
        url_cors_headers(&call->url->row.cors, op->in, op->arena, op->out);
    buf_done(&call->event);
    struct url_head head = call->head; /* what is answered may lie there */
    op_finish(op, rc);
    url_head_done(&head);
    snapshot_unref(url);
}

static void answer_plain(struct op *op, int status, struct str text)
{
    struct aws_http_answer *out = op->out;
    *out = (struct aws_http_answer){.status = status, .body = text};
    (void) url_header_add(out, STR("Content-Type"), STR("application/json")); /* it is the first */
}

static void read_result(struct url_call *call)
{
    struct op *op = call->op;
    if (url_answer(call->result, op->arena, op->out) < 0)
        answer_plain(op, 502, STR("Internal Server Error"));
}

static void result_read(struct task *task)
{
    call_end(CONTAINER_OF(task, struct url_call, task), 0);
}

static void interpret(struct task *task)
{
    struct url_call *call = CONTAINER_OF(task, struct url_call, task);
    read_result(call);
    task->run = result_read;
    exec_post(call->op->loop_exec, task);
}

/* ---- RESPONSE_STREAM ---- */

static void begin_answer(struct url_call *call)
{
    struct op *op = call->op;
    url_cors_headers(&call->url->row.cors, op->in, op->arena, op->out);
    call->is_begun = true;
    op_begin(op, -1);
}

static void sink_begin(struct invocation *inv, struct str content_type)
{
    struct url_call *call = CONTAINER_OF(inv, struct url_call, inv);
    url_head_begin(&call->head, content_type, call->op->arena, call->op->out);
    if (call->head.state == URL_HEAD_KNOWN)
        begin_answer(call);
}

static bool sink_write(struct invocation *inv, struct str bytes)
{
    struct url_call *call = CONTAINER_OF(inv, struct url_call, inv);
    struct str rest = url_head_feed(&call->head, bytes, call->op->arena, call->op->out);
    if (call->head.state == URL_HEAD_KNOWN && !call->is_begun)
        begin_answer(call);
    return rest.len == 0 || op_write(call->op, rest);
}

static const struct invocation_sink sink = {sink_begin, sink_write};

static void on_client(struct op *op)
{
    struct url_call *call = op->prepared;
    runtime_resume(&call->inv);
}

/* An answer in one piece: the same head, and the rest of it at once. */
static void read_whole(struct url_call *call)
{
    struct op *op = call->op;
    struct aws_http_answer *out = op->out;
    url_head_begin(&call->head, call->inv.content_type, op->arena, out);
    struct str body = url_head_feed(&call->head, call->inv.answer, op->arena, out);
    if (call->head.state == URL_HEAD_KNOWN)
        out->body = body;
    else
        answer_plain(op, 502, STR("Internal Server Error"));
}

static int stream_ended(struct url_call *call)
{
    const struct invocation *inv = &call->inv;
    struct op *op = call->op;
    bool is_failed = inv->result == INVOCATION_FUNCTION_ERROR;
    if (call->is_begun)
        return is_failed ? svc_fail(op, MSG_URL_BROKE_OFF) : 0;
    if (is_failed || inv->is_streamed)
        answer_plain(op, 502, STR("Internal Server Error"));
    else
        read_whole(call);
    return 0;
}

/* ---- BUFFERED, and what both have in common ---- */

static int ended(struct url_call *call)
{
    if (call->inv.result == INVOCATION_OK)
        read_result(call);
    else
        answer_plain(call->op, 502, STR("Internal Server Error"));
    return 0;
}

static void invoked(struct invocation *inv)
{
    struct url_call *call = CONTAINER_OF(inv, struct url_call, inv);
    struct op *op = call->op;
    struct lambda_state *state = op->state;
    struct snapshot *spec = &inv->spec->snapshot;
    bool is_streamed = inv->sink != NULL;
    call->result = inv->answer;
    if (!is_streamed && inv->result == INVOCATION_OK && inv->answer.len > LOOP_BYTES_MAX) {
        op->arena->limit_bytes += 4 * inv->answer.len; /* below the runtime's limit */
        call->result = arena_str(op->arena, inv->answer);
        snapshot_unref(spec);
        call->task.run = interpret;
        exec_post(state->workers, &call->task);
        return;
    }
    int rc = 0;
    switch (inv->result) {
    case INVOCATION_OK:
    case INVOCATION_FUNCTION_ERROR: rc = is_streamed ? stream_ended(call) : ended(call); break;
    case INVOCATION_THROTTLED: rc = svc_fail(op, MSG_THROTTLED); break;
    case INVOCATION_REFUSED: rc = svc_fail_internal(op, &inv->error); break;
    }
    call_end(call, rc);
    snapshot_unref(spec);
}

/* Loop: the event is there. */
static void invoke(struct url_call *call)
{
    struct op *op = call->op;
    struct lambda_state *state = op->state;
    const struct url_row *row = &call->url->row;
    struct lambda_spec *own = version_find(state, op->loop, call->url->function_arn,
                                           is_alias(row) ? row->qualifier : STR_NONE);
    if (own == NULL || own->code == NULL) {
        answer_plain(op, 502, STR("Internal Server Error"));
        call_end(call, 0);
        return;
    }
    if (buf_is_over(&call->event) || call->event.len > LAMBDA_PAYLOAD_MAX) {
        call_end(call, svc_fail(op, MSG_URL_SIZE));
        return;
    }
    (void) snapshot_ref(&own->spec.snapshot);
    call->inv = (struct invocation){
        .spec = &own->spec,
        .request_id = op->request_id,
        .invoked_arn = call->url->arn,
        .trace_id = op->trace_id,
        .payload = buf_str(&call->event),
        .sink = call->url->row.is_streamed ? &sink : NULL,
        .done = invoked,
    };
    op->prepared = call;
    op->on_drained = op->on_gone = on_client;
    runtime_invoke(state->runtime, op->loop, &call->inv);
}

static void built(struct task *task)
{
    invoke(CONTAINER_OF(task, struct url_call, task));
}

static void build(struct task *task)
{
    struct url_call *call = CONTAINER_OF(task, struct url_call, task);
    url_event(call->op, call->op->in, &call->url->row, &call->event);
    task->run = built;
    exec_post(call->op->loop_exec, task);
}

/* The URL of this id on this loop, or NULL. Ids are lower case, host names may be written anyhow.
 */
static struct url_spec *find(const struct op *op, struct str id)
{
    const struct lambda_state *state = op->state;
    char lower[64];
    if (id.len >= sizeof lower)
        return NULL;
    for (size_t i = 0; i < id.len; i++)
        lower[i] = id.ptr[i] >= 'A' && id.ptr[i] <= 'Z' ? (char) (id.ptr[i] + 32) : id.ptr[i];
    struct snapshot *snapshot = directory_find(state->urls, op->loop, str_of(lower, id.len));
    return snapshot == NULL ? NULL : CONTAINER_OF(snapshot, struct url_spec, snapshot);
}

static void front_start(struct op *op, const void *in_any, void *out)
{
    const struct front_in *in = in_any;
    struct lambda_state *state = op->state;
    struct url_spec *url = find(op, in->id);
    if (url == NULL) {
        op_finish(op, svc_fail(op, MSG_URL_FORBIDDEN));
        return;
    }
    if (url_cors_preflight(&url->row.cors, in, op->arena, out)) {
        op_finish(op, 0);
        return;
    }
    if (url->row.is_iam && (!in->is_authentic || !str_eq(op->caller.account, url->row.account))) {
        op_finish(op, svc_fail(op, MSG_URL_FORBIDDEN));
        return;
    }
    (void) lambda_trace(op);
    struct url_call *call = ARENA_NEW(op->arena, struct url_call);
    (void) snapshot_ref(&url->snapshot);
    call->op = op;
    call->url = url;
    buf_init(&call->event, EVENT_MAX);
    if (in->http.body.len > LOOP_BYTES_MAX) {
        call->task.run = build;
        exec_post(state->workers, &call->task);
        return;
    }
    url_event(op, in, &url->row, &call->event);
    invoke(call);
}

const struct service_front url_front = {
    .host_label = STR_INIT("lambda-url"),
    .path_prefix = STR_INIT("/_virga/lambda-url/"),
    .next = &snapshots_front,
    .op = {.start = front_start, .body_max = LAMBDA_PAYLOAD_MAX},
};
