/* The life of one API request.
 *
 *     loop     head and body: who calls, which operation, refusals             arrival.c
 *     loop     a small body is decoded here                                    request_go
 *     worker   a large body is decoded; the operation's prepare step           work_run
 *     actor    run, inside the service's transaction; after the commit:        message_run, _done
 *              publish, until every loop has the change                        published_run
 *     loop     encode, answer, release                                         answer_run
 *
 *     data plane: after decoding, start on the loop; op_finish ends it         started_finish,
 *     perhaps after a streamed answer                                          stream.c
 *
 * Ownership. The request (op, arena, decoded input) has one owner at a time and travels through
 * the stations as a message or a task; its one task struct is posted again from each. The exchange
 * stays on the loop and outlives its connection until it is answered (net/server.h), so the
 * request needs no slot or generation to find it: it holds the pointer and uses it on the loop
 * alone. The bytes of head and body, which decoded values point into, live as long as the exchange.
 * A client that goes away marks op.is_gone and frees nothing, unless the body was still coming:
 * then the exchange has ended and the request with it.
 *
 * Authentication. The head says who claims to call, and the key is found on the loop; the signature
 * covers the body too and is judged where the body is decoded, before anything else is believed.
 *
 * Failure. Whatever goes wrong becomes op.fault and leads to answer_run, from any station. What
 * prepare left behind is taken back by discard when run or the commit failed.
 *
 * Overload. A loop bounds its requests in flight (arrival.c), an actor its mailbox; beyond either
 * the answer is the service's own "slow down", with Retry-After. */
#include "gateway/request.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"

#define TRACE_HEADER STR("X-Amzn-Trace-Id")
enum { SPARE_MAX = 256 };

/* --- making and releasing --- */

void request_id_make(struct gateway_loop *home, char out_id[REQUEST_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    if (home->ids_left == 0) {
        rng_fill(home->gateway->config.rng, home->ids, sizeof home->ids);
        home->ids_left = IDS_AHEAD;
    }
    unsigned char *random = home->ids[--home->ids_left];
    random[6] = (unsigned char) (0x40 | (random[6] & 0x0f)); /* RFC 9562: version 4, */
    random[8] = (unsigned char) (0x80 | (random[8] & 0x3f)); /* variant 10. */
    char *at = out_id;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[random[i] >> 4];
        *at++ = digits[random[i] & 15];
    }
    *at = '\0';
}

struct request *request_new(struct gateway_door *door, struct exchange *x)
{
    struct gateway_loop *home = door->home;
    struct list_node *node = list_pop_front(&home->spare);
    struct request *request;
    if (node != NULL) {
        request = CONTAINER_OF(node, struct request, spare);
        struct arena arena = request->arena;
        *request = (struct request){.arena = arena};
        request->arena.limit_bytes = ARENA_BASE;
    } else {
        request = NEW(struct request);
        arena_init(&request->arena, ARENA_BASE);
    }
    const struct gateway_config *config = &home->gateway->config;
    request->home = home;
    request->door = door;
    request->x = x;
    request->head = exchange_head(x);
    request->started_us = clock_mono_us(config->clock);
    request_id_make(home, request->id);
    request->op = (struct op){
        .request_id = str_of(request->id, REQUEST_ID_SIZE - 1),
        .host = request->head->host,
        .trace_given = http_header_find(request->head, TRACE_HEADER),
        .arena = &request->arena,
        .now_ms = clock_utc_ms(config->clock),
        .rng = config->rng,
        .loop = home->number,
        .loop_exec = loop_exec(home->loop),
    };
    home->in_flight++;
    door->in_flight++;
    trace("request", (uintptr_t) request, home->in_flight);
    return request;
}

void request_release(struct request *request)
{
    struct gateway_loop *home = request->home;
    assert(home->in_flight > 0);
    home->in_flight--;
    door_release(request->door);
    auth_done(&request->auth);
    if (request->is_upload)
        upload_done(request);
    if (home->spare.len < SPARE_MAX) {
        arena_reset(&request->arena);
        list_push_front(&home->spare, &request->spare);
        return;
    }
    arena_done(&request->arena);
    free(request);
}

void requests_free(struct gateway_loop *home)
{
    for (struct list_node *node; (node = list_pop_front(&home->spare)) != NULL;) {
        struct request *request = CONTAINER_OF(node, struct request, spare);
        arena_done(&request->arena);
        free(request);
    }
}

/* --- answering, on the loop --- */

static void header_add(struct aws_http_answer *answer, struct str name, struct str value)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (str_eq_nocase(answer->headers[i].name, name))
            return;
    }
    if (answer->header_count < AWS_HEADERS_MAX)
        answer->headers[answer->header_count++] = (struct http_header){name, value};
}

static void headers_common(struct aws_http_answer *answer, const struct op *op)
{
    header_add(answer, STR("x-amzn-RequestId"), op->request_id);
    if (op->trace_id.ptr != NULL)
        header_add(answer, TRACE_HEADER, op->trace_id);
}

void request_log(const struct request *request, int status, size_t answer_bytes)
{
    if (!log_is_on(LOG_DEBUG))
        return;
    const struct http_head *head = request->head;
    struct log_text path;
    int64_t us = clock_mono_us(request->home->gateway->config.clock) - request->started_us;
    log_debug("gateway", "request",
              "method=" STR_FMT " path=%s op=" STR_FMT " account=" STR_FMT
              " status=%d bytes=%zu us=%lld req=%s",
              STR_ARG(head->method), log_quote(&path, head->path),
              STR_ARG(request->operation == NULL ? STR("-") : request->operation->name),
              STR_ARG(request->op.caller.account), status, answer_bytes, (long long) us,
              request->id);
}

static struct aws_http_answer *front_compose(struct request *request, struct aws_http_answer *room)
{
    struct op *op = &request->op;
    struct aws_http_answer *answer = request->rc == 0 ? op->out : room;
    if (request->rc != 0)
        front_put_fault(&op->fault, &request->arena, answer);
    headers_common(answer, op);
    /* Under our own address, a function's page must not be of our origin: it could drive us. */
    if (request->front.is_path_form)
        header_add(answer, STR("Content-Security-Policy"),
                   STR("sandbox allow-scripts allow-forms"));
    return answer;
}

struct aws_http_answer *request_compose(struct request *request, struct aws_http_answer *room)
{
    if (request->front.installed != NULL)
        return front_compose(request, room);
    struct op *op = &request->op;
    const struct aws_service *model = request->installed->model;
    *room = (struct aws_http_answer){0};
    if (request->rc == 0) {
        int rc = aws_encode(model, request->protocol, request->operation, op->out, op->request_id,
                            &request->arena, room);
        if (rc < 0) {
            struct err err;
            (void) err_set(&err, rc, "encode the answer");
            request->rc = svc_fail_internal(op, &err);
        }
    }
    if (request->rc != 0) {
        assert(op->fault.error != NULL);
        *room = (struct aws_http_answer){0};
        op->fault.resource = request->head->path;
        aws_encode_fault(model, request->protocol, request->operation, &op->fault, op->request_id,
                         &request->arena, room);
        if (op->fault.error->status == 429 || op->fault.error == &aws_error_throttling)
            header_add(room, STR("Retry-After"), STR("1"));
    }
    if (!model->is_s3) /* it has its own name for it */
        headers_common(room, op);
    trace("answer", (uintptr_t) request, (uint64_t) room->status);
    return room;
}

void request_answer(struct request *request)
{
    struct aws_http_answer room;
    const struct aws_http_answer *answer = request_compose(request, &room);
    request_log(request, answer->status, answer->body.len);
    exchange_answer(request->x, answer->status, answer->headers, answer->header_count,
                    answer->body);
    request_release(request);
}

static void answer_run(struct task *task)
{
    struct request *request = request_of(task);
    if (request->x == NULL)
        request_release(request); /* Its client left in the middle of an upload. */
    else
        request_answer(request);
}

/* From any thread: the rest happens on the loop. */
void request_to_loop(struct request *request, int rc)
{
    request->rc = rc;
    request->task.run = answer_run;
    exec_post(request->op.loop_exec, &request->task);
}

/* --- on the actor --- */

static int message_run(struct message *msg, struct db *db)
{
    struct request *request = CONTAINER_OF(msg, struct request, msg);
    struct op *op = &request->op;
    op->db = db;
    request->run_rc = op->def->run(op, request->in, op->out);
    op->db = NULL;
    assert(request->run_rc == 0 || op->fault.error != NULL);
    return request->run_rc;
}

static void published_run(struct task *task)
{
    request_to_loop(request_of(task), 0);
}

void request_discard(struct request *request)
{
    if (request->was_discardable && request->op.def->discard != NULL)
        request->op.def->discard(&request->op);
    request->was_discardable = false;
}

static void message_done(struct message *msg, int rc)
{
    struct request *request = CONTAINER_OF(msg, struct request, msg);
    struct op *op = &request->op;
    if (rc < 0) {
        struct err err;
        (void) err_set(&err, rc, "commit");
        request->run_rc = svc_fail_internal(op, &err);
    }
    if (request->run_rc != 0) {
        request_discard(request);
        request_to_loop(request, OP_FAILED);
    } else if (op->def->publish != NULL) {
        request->task.run = published_run;
        op->def->publish(op, &request->task);
    } else {
        request_to_loop(request, 0);
    }
}

/* loop or worker */
static int request_post(struct request *request)
{
    struct op *op = &request->op;
    request->msg = (struct message){
        .account = op->caller.account,
        .is_read_only = op->def->is_read_only,
        .run = message_run,
        .done = message_done,
    };
    int rc = actor_post(request->installed->actor, &request->msg);
    if (rc == 0)
        return 0;
    return svc_fail(op, op_error_throttling(op->def->model), "Rate exceeded");
}

/* --- on the loop: data plane --- */

static void started_finish(struct op *op, int rc)
{
    struct request *request = CONTAINER_OF(op, struct request, op);
    if (request->is_begun) {
        stream_finish(request, rc);
        return;
    }
    request->rc = rc;
    request_answer(request);
}

static void request_start(struct request *request)
{
    struct op *op = &request->op;
    op->finish = started_finish;
    op->stream = &request_stream;
    op->def->start(op, request->in, op->out);
}

static void start_run(struct task *task)
{
    struct request *request = request_of(task);
    if (request->x != NULL) {
        request_start(request);
        return;
    }
    request_discard(request); /* Its client left in the middle of an upload. */
    request_release(request);
}

/* --- decoding, on loop or worker --- */

/* Whether a front's request is signed is the front's business to judge. */
static int front_decode(struct request *request, const struct aws_http_request *http)
{
    struct op *op = &request->op;
    struct front_in *in = ARENA_NEW(&request->arena, struct front_in);
    struct aws_fault ignored;
    op->out = ARENA_NEW(&request->arena, struct aws_http_answer);
    *in = (struct front_in){
        .http = *http,
        .id = request->front.id,
        .host = request->head->host,
        .peer = host_name(exchange_peer(request->x)),
        .is_https = exchange_is_tls(request->x),
        .is_authentic = request->home->gateway->config.keys == NULL || request->is_known ||
                        auth_check(&request->auth, http, request->installed->model,
                                   request->installed->model->protocol, STR_NONE, op->now_ms,
                                   &request->arena, &ignored) == 0,
    };
    in->http.path = request->front.path;
    op->in = request->in = in;
    request->is_decoded = true;
    return 0;
}

int request_decode(struct request *request, struct str body)
{
    struct op *op = &request->op;
    const struct http_head *head = request->head;
    const struct aws_http_request http = {
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .headers = head->headers,
        .header_count = head->header_count,
        .body = body,
    };
    if (request->front.installed != NULL)
        return front_decode(request, &http);
    const struct aws_operation *model = request->operation;
    const struct gateway_config *config = &request->home->gateway->config;
    if (config->keys != NULL && !request->is_known &&
        auth_check(&request->auth, &http, request->installed->model, request->protocol,
                   request->is_upload ? request->auth.sig.payload_hash : STR_NONE, op->now_ms,
                   &request->arena, &op->fault) < 0)
        return OP_FAILED;
    /* Structures are fixed by the model; only what they point to depends on the client. */
    if (model->input != NULL)
        request->in = arena_alloc(&request->arena, model->input->size);
    if (model->output != NULL)
        op->out = arena_alloc(&request->arena, model->output->size);
    op->in = request->in;
    request->is_decoded = true;
    int rc = aws_decode(request->installed->model, request->protocol, model, &http, &request->arena,
                        request->in, &op->fault);
    assert(rc == 0 || op->fault.error != NULL);
    return rc == 0 ? 0 : OP_FAILED;
}

static int request_prepare(struct request *request)
{
    struct op *op = &request->op;
    if (op->def->prepare == NULL)
        return 0;
    int rc = op->def->prepare(op, request->in);
    assert(rc == 0 || op->fault.error != NULL);
    request->was_discardable |= rc == 0;
    return rc;
}

void request_work_run(struct task *task)
{
    struct request *request = request_of(task);
    int rc = request->is_decoded ? 0 : request_decode(request, exchange_body(request->x));
    if (rc == 0 && request->is_upload)
        rc = upload_end(request);
    if (rc == 0)
        rc = request_prepare(request);
    if (rc == 0 && request->op.def->start != NULL) {
        task->run = start_run;
        exec_post(request->op.loop_exec, task);
        return;
    }
    if (rc == 0)
        rc = request_post(request);
    if (rc == 0)
        return;
    request_discard(request);
    request_to_loop(request, rc);
}

/* --- on the loop: the way to the first station --- */

void request_go(struct request *request)
{
    const struct service_op *def = request->op.def;
    bool is_large = exchange_body(request->x).len > BODY_LOOP_MAX;
    int rc = is_large ? 0 : request_decode(request, exchange_body(request->x));
    if (rc == 0 && (is_large || def->prepare != NULL)) {
        request->task.run = request_work_run;
        exec_post(request->home->gateway->config.workers, &request->task);
        return;
    }
    if (rc == 0 && def->start != NULL) {
        request_start(request);
        return;
    }
    if (rc == 0)
        rc = request_post(request);
    if (rc == 0)
        return; /* The actor's now, and perhaps answered already: not to be touched. */
    request->rc = rc;
    request_answer(request);
}
