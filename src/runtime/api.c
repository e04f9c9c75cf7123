/* The Runtime API of one instance: what a custom runtime finds at AWS_LAMBDA_RUNTIME_API.
 *
 *     GET  /2018-06-01/runtime/invocation/next              waits for work; the first ends init
 *     POST /2018-06-01/runtime/invocation/<id>/response     the result, whole or streamed
 *     POST /2018-06-01/runtime/invocation/<id>/error        AWS's error object
 *     POST /2018-06-01/runtime/init/error                   init has failed; the instance ends
 *
 *                    next                 invocation             response, error
 *     STARTED ──────────────→ READY ───────────────────→ RUNNING ───────────────→ ANSWERING
 *        │ init/error           ↑ next (waits, has work)   ↑ body broken off           │ body ends
 *        ↓                      └─────────── SENT ←────────┴────────────────────────────
 *     INIT_ERROR                       next ┘ └ all else is refused, 403
 *
 * The listener lies in the instance's network namespace, so every client is the instance itself:
 * nobody else's work can be asked for or answered. All of it is hostile all the same. A server of
 * its own bounds what it may hold: connections, heads, one body at a time. It may lose, repeat or
 * garble its own invocations; the scheduler hears of nothing but transitions that its state allows.
 *
 * A waiting `next` keeps its exchange. A client that leaves while waiting has lost its place: the
 * invocation is kept for the next `next`. While one runs, `next` gives it out again, so that a
 * client whose connection broke in the middle can go on. The last of several waiting ones counts.
 *
 * A streamed answer (Lambda-Runtime-Function-Response-Mode: streaming) goes on to who called as it
 * comes, if he wants that; while he has enough, the body is not read. Else it is gathered like any
 * other. Error trailers behind it make it an error. What has gone out cannot be taken back, so a
 * connection that breaks in the middle of it ends the invocation.
 *
 * Sources: Lambda developer guide, "Using the Lambda runtime API" and its OpenAPI file; statuses,
 * error types and texts as in aws-lambda-runtime-interface-emulator. */
#include "runtime/extensions.h"

#include "base/mem.h"
#include "data/base64.h"
#include "data/hash.h"
#include "data/json.h"
#include "net/server.h"

#include <errno.h>
#include <inttypes.h>

enum {
    CONNS_MAX = 64,
    ERROR_SIZE_MAX = 256 * 1024, /* of an error object; AWS cuts them far below */
    /* A runtime keeps its connection while a function works, however long, and writes to it from a
     * sandbox with a few hundredths of a CPU. What it holds meanwhile is bounded. */
    PATIENCE_MS = 24 * 3600 * 1000,
    HEAD_TIMEOUT_MS = 60 * 1000,
};

#define RESPONSE_MODE STR("lambda-runtime-function-response-mode")
#define ERROR_TYPE    STR("lambda-runtime-function-error-type")

enum api_state {
    API_STARTED,
    API_INIT_ERROR,
    API_READY,
    API_RUNNING,
    API_ANSWERING,
    API_SENT,
};

/* What the texts of AWS call them. */
static const char *const state_names[] = {
    [API_STARTED] = "Started",   [API_INIT_ERROR] = "InitError",
    [API_READY] = "Ready",       [API_RUNNING] = "Running",
    [API_SENT] = "ResponseSent", [API_ANSWERING] = "InvocationResponse",
};

struct api {
    struct instance *inst; /* borrowed; owns this */
    struct server *server; /* owned */
    enum api_state state;
    struct exchange *waiting; /* a `next` that has no answer yet */
    struct exchange *taking;  /* whose body goes to `body`; ANSWERING, or init/error in STARTED */
    enum api_call { CALL_NEXT, CALL_RESPONSE, CALL_ERROR, CALL_INIT_ERROR, CALL_NONE } call;
    struct buf body, trailers;
    bool is_streaming;       /* ANSWERING: the body goes to the invocation's sink */
    char id[UUID_TEXT_SIZE]; /* of the last invocation; it may have ended while its state is still
                                SENT */
};

/* ---- answers ---- */

static void answer_json(struct exchange *x, int status, struct str body)
{
    const struct http_header type = {STR("Content-Type"), STR("application/json")};
    exchange_answer(x, status, &type, 1, body);
}

static void accept(struct exchange *x)
{
    answer_json(x, 202, STR("{\"status\":\"OK\"}\n"));
}

static void refuse(struct exchange *x, int status, const char *type, const char *message)
{
    char body[320];
    int n = snprintf(body, sizeof body, "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}\n", message,
                     type);
    assert(n > 0 && (size_t) n < sizeof body); /* all texts are ours */
    answer_json(x, status, str_of(body, (size_t) n));
}

static void refuse_state(struct api *api, struct exchange *x, const char *to)
{
    char message[160];
    (void) snprintf(message, sizeof message,
                    "State transition from %s to %s failed for runtime. Error: State transition "
                    "is not allowed",
                    state_names[api->state], to);
    refuse(x, 403, "InvalidStateTransition", message);
}

static void refuse_size(struct exchange *x, uint64_t size_max)
{
    char message[80];
    (void) snprintf(message, sizeof message,
                    "Exceeded maximum allowed payload size (%" PRIu64 " bytes).", size_max);
    refuse(x, 413, "RequestEntityTooLarge", message);
}

/* ---- next ---- */

static void add(struct http_header *headers, size_t *count, const char *name, struct str value)
{
    if (value.len > 0)
        headers[(*count)++] = (struct http_header){str_from(name), value};
}

static void give(struct api *api, struct exchange *x)
{
    const struct invocation *inv = api->inst->slot.invocation;
    struct http_header headers[7];
    size_t count = 0;
    char deadline[24];
    (void) snprintf(deadline, sizeof deadline, "%" PRId64, api->inst->deadline_ms);
    add(headers, &count, "Content-Type", STR("application/json"));
    add(headers, &count, "Lambda-Runtime-Aws-Request-Id", inv->request_id);
    add(headers, &count, "Lambda-Runtime-Deadline-Ms", str_from(deadline));
    add(headers, &count, "Lambda-Runtime-Invoked-Function-Arn", inv->invoked_arn);
    add(headers, &count, "Lambda-Runtime-Trace-Id", inv->trace_id);
    add(headers, &count, "Lambda-Runtime-Client-Context", inv->client_context);
    add(headers, &count, "Lambda-Runtime-Cognito-Identity", inv->cognito_identity);
    api->state = API_RUNNING;
    (void) snprintf(api->id, sizeof api->id, "%.*s", (int) inv->request_id.len,
                    inv->request_id.ptr);
    exchange_answer(x, 200, headers, count, inv->payload);
}

void api_send(struct api *api)
{
    struct exchange *x = api->waiting;
    if (x == NULL || exchange_is_gone(x))
        return; /* it will come and ask */
    api->waiting = NULL;
    give(api, x);
}

static void wait_for_work(struct api *api, struct exchange *x)
{
    struct exchange *before = api->waiting;
    api->waiting = x;
    if (before != NULL)
        refuse_state(api, before, "Ready");
}

static void on_next(struct api *api, struct exchange *x)
{
    struct instance *inst = api->inst;
    enum slot_state slot = inst->slot.state;
    bool has_work = slot == SLOT_BUSY && !inst->is_replied;
    if (inst->is_framed || slot == SLOT_STOPPING || api->state == API_INIT_ERROR ||
        api->state == API_ANSWERING) {
        refuse_state(api, x, "Ready");
    } else if (has_work && (api->state == API_RUNNING || api->state == API_READY)) {
        give(api, x);
    } else {
        bool is_news = api->state != API_READY;
        api->state = API_READY;
        wait_for_work(api, x);
        if (is_news)
            instance_asked(inst); /* work may be given to x inside */
    }
}

/* ---- bodies ---- */

/* The client may go on sending: the answer ends the connection then. */
static void end_oversize(struct api *api)
{
    struct exchange *x = take_ptr(&api->taking);
    enum api_call call = api->call;
    buf_reset(&api->body);
    exchange_set_user(x, NULL, NULL);
    refuse_size(x, api->is_streaming ? stream_size_max(api->inst->home->runtime) : ANSWER_SIZE_MAX);
    if (call == CALL_INIT_ERROR) {
        api->state = API_INIT_ERROR;
        api->body.is_over = true;
        instance_init_failed(api->inst, &api->body);
    } else {
        api->state = API_SENT;
        if (instance_is_running(api->inst))
            instance_answered(api->inst, INVOCATION_FUNCTION_ERROR, &api->body, true);
    }
}

static void on_chunk(void *user, struct str bytes)
{
    struct api *api = user;
    bool is_over;
    if (api->is_streaming && instance_is_running(api->inst)) {
        stream_write(api->inst, bytes);
        is_over = api->inst->slot.invocation->stream.is_over;
    } else {
        buf_put(&api->body, bytes);
        is_over = buf_is_over(&api->body);
    }
    if (is_over)
        end_oversize(api);
}

void api_pause(struct api *api)
{
    if (api->taking != NULL)
        exchange_pause(api->taking);
}

void api_resume(struct api *api)
{
    if (api->taking != NULL)
        exchange_resume(api->taking);
}

/* The client left, or broke a rule of HTTP, in the middle of a body: it may try again, unless a
 * part of it has gone out. */
static void on_gone(void *user)
{
    struct api *api = user;
    struct instance *inst = api->inst;
    api->taking = NULL;
    if (api->state != API_ANSWERING)
        return;
    api->state = API_RUNNING;
    if (!api->is_streaming || !instance_is_running(inst))
        return;
    api->state = API_SENT;
    buf_reset(&api->body);
    report_error(&api->body, &verdict_truncated, inst->slot.invocation->request_id,
                 "The connection of the response broke off");
    instance_answered(inst, INVOCATION_FUNCTION_ERROR, &api->body, false);
}

/* Never nothing: who called gets an object in any case. */
static void complete_error(struct api *api, struct str type)
{
    if (api->body.len > 0)
        return;
    struct json_writer w;
    json_writer_init(&w, &api->body);
    json_object_begin(&w);
    json_key(&w, STR("errorType"));
    json_str(&w, type.len > 0 ? str_head(type, 256) : STR("Runtime.Unknown"));
    json_key(&w, STR("errorMessage"));
    json_str(&w, STR(""));
    json_object_end(&w);
}

/* A stream that broke off in the middle: what came is no answer, the error is. */
static void take_error_trailer(struct api *api, struct str trailers)
{
    struct str text = http1_trailer_find(trailers, STR("lambda-runtime-function-error-body"));
    size_t len = 0;
    buf_reset(&api->body);
    char *room = buf_room(&api->body, text.len / 4 * 3 + 1);
    if (room != NULL && base64_decode_into(text, room, &len) == 0)
        buf_added(&api->body, len);
}

static struct str media_type(const struct http_head *head)
{
    struct str type = http_header_find(head, STR("content-type"));
    return type.len > 0 ? type : STR("application/octet-stream");
}

/* Who asked for a stream is told the media type, also of an answer in one piece. */
static void note_type(struct api *api, struct exchange *x)
{
    struct invocation *inv = api->inst->slot.invocation;
    if (inv != NULL && inv->sink != NULL && !inv->is_streamed)
        stream_note_type(inv, media_type(exchange_head(x)));
    if (inv != NULL && inv->is_streamed)
        inv->stream.is_whole = true;
}

/* The whole body is there. */
static void on_taken(struct api *api, struct exchange *x)
{
    enum api_call call = api->call;
    struct str trailers = buf_str(&api->trailers);
    struct str type = http1_trailer_find(trailers, ERROR_TYPE);
    if (call == CALL_RESPONSE && type.ptr != NULL) {
        call = CALL_ERROR;
        take_error_trailer(api, trailers);
    }
    if (type.ptr == NULL)
        type = http_header_find(exchange_head(x), ERROR_TYPE);
    if (call != CALL_RESPONSE)
        complete_error(api, type);
    api->taking = NULL;
    exchange_set_user(x, NULL, NULL);
    api->state = call == CALL_INIT_ERROR ? API_INIT_ERROR : API_SENT;
    if (call == CALL_RESPONSE)
        note_type(api, x);
    accept(x);
    if (call == CALL_INIT_ERROR)
        instance_init_failed(api->inst, &api->body);
    else if (instance_is_running(api->inst)) /* and was not killed meanwhile */
        instance_answered(api->inst,
                          call == CALL_RESPONSE ? INVOCATION_OK : INVOCATION_FUNCTION_ERROR,
                          &api->body, false);
}

static void take_body(struct api *api, struct exchange *x, enum api_call call)
{
    api->taking = x;
    api->call = call;
    if (call != CALL_INIT_ERROR)
        api->state = API_ANSWERING;
    buf_done(&api->body);
    buf_init(&api->body, call == CALL_RESPONSE ? ANSWER_SIZE_MAX : ERROR_SIZE_MAX);
    exchange_set_user(x, api, on_gone);
    exchange_set_body_limit(x, SIZE_MAX);
    exchange_stream_body(x, on_chunk);
    buf_reset(&api->trailers);
    exchange_keep_trailers(x, &api->trailers);
    const struct http_head *head = exchange_head(x);
    struct invocation *inv = api->inst->slot.invocation;
    if (call != CALL_INIT_ERROR)
        inv->answer_us = exec_now_us(api->inst->home->exec);
    api->is_streaming = call == CALL_RESPONSE && inv->sink != NULL &&
                        str_eq(http_header_find(head, RESPONSE_MODE), STR("streaming"));
    if (api->is_streaming)
        stream_begin(api->inst, media_type(head));
    else if (head->content_length > (int64_t) api->body.limit)
        end_oversize(api);
}

/* ---- routes ---- */

static bool is_post(const struct http_head *head)
{
    return str_eq(head->method, STR("POST"));
}

/* 0, or it was refused. */
static int check_mode(struct exchange *x)
{
    const struct http_head *head = exchange_head(x);
    struct str mode = http_header_find(head, RESPONSE_MODE);
    if (mode.ptr != NULL && !str_eq(mode, STR("streaming")) && !str_eq(mode, STR("buffered"))) {
        refuse(x, 400, "InvalidFunctionResponseMode", "Invalid function response mode");
        return -EINVAL;
    }
    return 0;
}

/* /runtime/invocation/<id>/response or /error */
static void on_answer(struct api *api, struct exchange *x, struct str id, enum api_call call)
{
    struct instance *inst = api->inst;
    if (api->state < API_RUNNING || !str_eq(id, str_from(api->id)))
        refuse(x, 400, "InvalidRequestID", "Invalid request ID");
    else if (api->state != API_RUNNING || inst->slot.state != SLOT_BUSY)
        refuse_state(api, x,
                     call == CALL_RESPONSE ? "InvocationResponse" : "InvocationErrorResponse");
    else if (call != CALL_RESPONSE || check_mode(x) == 0)
        take_body(api, x, call);
}

static void on_init_error(struct api *api, struct exchange *x)
{
    const struct instance *inst = api->inst;
    if (api->state != API_STARTED || api->taking != NULL || inst->is_framed ||
        inst->slot.state != SLOT_INITIALISING)
        refuse_state(api, x, "InitError");
    else
        take_body(api, x, CALL_INIT_ERROR);
}

/* Cuts the id out of "<id>/response". */
static enum api_call invocation_call(struct str rest, struct str *out_id)
{
    size_t slash = str_find(rest, '/');
    *out_id = str_head(rest, slash);
    struct str tail = str_skip(rest, slash);
    if (str_eq(tail, STR("/response")))
        return CALL_RESPONSE;
    return str_eq(tail, STR("/error")) ? CALL_ERROR : CALL_NONE;
}

static enum api_call call_of(const struct http_head *head, struct str *out_id)
{
    static const struct str root = STR_INIT("/2018-06-01/runtime/");
    static const struct str invocation = STR_INIT("invocation/");
    if (!str_starts(head->path, root))
        return CALL_NONE;
    struct str rest = str_skip(head->path, root.len);
    if (str_eq(rest, STR("invocation/next")))
        return CALL_NEXT;
    if (str_eq(rest, STR("init/error")))
        return CALL_INIT_ERROR;
    return str_starts(rest, invocation) ? invocation_call(str_skip(rest, invocation.len), out_id)
                                        : CALL_NONE;
}

static void on_request(void *arg, struct exchange *x)
{
    struct api *api = arg;
    const struct http_head *head = exchange_head(x);
    struct str id = STR_NONE;
    enum api_call call = call_of(head, &id);
    exchange_set_body_limit(x, 0);
    if (extensions_take(head))
        exchange_set_body_limit(x, ERROR_SIZE_MAX);
    else if (call == CALL_NONE)
        refuse(x, 404, "NotFound", "There is nothing at this path.");
    else if (is_post(head) == (call == CALL_NEXT) ||
             (call == CALL_NEXT && !str_eq(head->method, STR("GET"))))
        refuse(x, 405, "MethodNotAllowed", "This path takes another method.");
    else if (call == CALL_INIT_ERROR)
        on_init_error(api, x);
    else if (call != CALL_NEXT)
        on_answer(api, x, id, call);
}

static void on_body(void *arg, struct exchange *x)
{
    struct api *api = arg;
    if (x == api->taking)
        on_taken(api, x);
    else if (extensions_take(exchange_head(x)))
        extensions_answer(api->inst, x);
    else
        on_next(api, x);
}

/* ---- life ---- */

int api_new(struct instance *inst, int listen_fd, struct api **out_api, struct err *err)
{
    struct api *api = NEW(struct api);
    *api = (struct api){.inst = inst};
    buf_init(&api->body, ANSWER_SIZE_MAX);
    buf_init(&api->trailers, HTTP1_HEAD_MAX);
    const struct server_limits limits = {.conns_max = CONNS_MAX,
                                         .body_max = ERROR_SIZE_MAX,
                                         .head_timeout_ms = HEAD_TIMEOUT_MS,
                                         .idle_timeout_ms = PATIENCE_MS,
                                         .body_timeout_ms = PATIENCE_MS};
    const struct server_handler handler = {on_request, on_body, api};
    AUTO_CLOSE int fd = listen_fd;
    int rc = server_new(inst->home->loop, &limits, &handler, &api->server, err);
    if (rc == 0)
        rc = server_listen(api->server, take_fd(&fd), err);
    if (rc < 0) {
        api_free(api);
        return err_wrap(err, "serve the Runtime API");
    }
    *out_api = api;
    return 0;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    if (api->waiting != NULL)
        exchange_abort(take_ptr(&api->waiting));
    if (api->server != NULL)
        server_close(api->server);
    server_free(api->server);
    buf_done(&api->body);
    buf_done(&api->trailers);
    free(api);
}
