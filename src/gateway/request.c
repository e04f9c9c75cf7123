/* The life of one API request.
 *
 *     loop     head: cross-site rules, who calls, which operation, limits      request_on_head
 *     loop     body: a small one is decoded here; refusals are answered        request_on_body
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
 * Overload. A loop bounds its requests in flight, an actor its mailbox; beyond either the answer
 * is the service's own "slow down", with Retry-After. */
#include "gateway/request.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"
#include "data/uri.h"

#include <errno.h>

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

static struct request *request_new(struct gateway_door *door, struct exchange *x)
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
    header_add(answer, STR("x-amzn-RequestId"), op->request_id);
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
        header_add(room, STR("x-amzn-RequestId"), op->request_id);
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

/* --- from the server --- */

void request_mark_gone(struct request *request)
{
    struct op *op = &request->op;
    op->is_gone = true;
    if (op->on_gone != NULL)
        op->on_gone(op);
}

static void request_gone(void *user)
{
    struct request *request = user;
    if (request->has_body)
        request_mark_gone(request);
    else
        request_release(request); /* The exchange ended with its connection. */
}

/* Nobody here takes it: say so in words that the client can read. */
static void refuse_unknown(struct request *request)
{
    struct refusal refusal = {
        .status = 400,
        .code = STR("UnknownOperationException"),
        .message = STR("No service could be recognised in this request."),
    };
    if (request->service.len > 0)
        refusal.message = arena_printf(&request->arena,
                                       "The service '" STR_FMT "' is not available on this server.",
                                       STR_ARG(request->service));
    struct log_text service;
    log_debug("gateway", "no such service", "service=%s req=%s",
              log_quote(&service, request->service), request->id);
    refuse(request->x, &refusal, request->service, request->op.request_id);
    request_release(request);
}

/* The service lacks it: rejected by name, as far as the client gave one. */
static int fail_operation(struct request *request, const struct classified *found)
{
    struct op *op = &request->op;
    struct str service = request->installed->model->id;
    const struct aws_error *error = aws_error_unknown(request->protocol);
    struct log_text quoted;
    /* A warning: once a second at most, however often a client asks. */
    log_warn("gateway", "operation not supported", "service=" STR_FMT " op=%s req=%s",
             STR_ARG(service), log_quote(&quoted, found->rejected), request->id);
    if (found->rejected.len == 0 && request->protocol == AWS_QUERY)
        return svc_fail(op, &aws_error_missing_action, "Missing Action");
    if (found->rejected.len == 0)
        return svc_fail(op, error, "The request names no operation of " STR_FMT ".",
                        STR_ARG(service));
    if (found->version.ptr != NULL)
        return svc_fail(op, error, "Could not find operation " STR_FMT " for version " STR_FMT,
                        STR_ARG(found->rejected), STR_ARG(found->version));
    return svc_fail(op, error, "The operation " STR_FMT " of " STR_FMT " is not supported.",
                    STR_ARG(found->rejected), STR_ARG(service));
}

/* The loop has no room for it, or the caller has more than his share. */
static bool is_overloaded(const struct request *request)
{
    const struct gateway_door *door = request->door;
    return request->home->in_flight > request->home->gateway->config.in_flight_max ||
           (door->caller.account.ptr != NULL && door->in_flight > DOOR_IN_FLIGHT_MAX);
}

/* False: the length that the client announces is too great, and the answer has been given. */
static bool request_limit_body(struct request *request)
{
    const struct service_op *def = request->op.def;
    size_t limit = def == NULL || def->body_max == 0 ? BODY_DEFAULT_MAX : def->body_max;
    const struct http_head *head = request->head;
    if (request->installed != NULL && head->content_length > 0 &&
        (uint64_t) head->content_length > limit) {
        struct str name = request->operation == NULL ? STR("requested") : request->operation->name;
        request->rc =
            svc_fail(&request->op, op_error_too_large(request->operation),
                     "Request must be smaller than %zu bytes for the " STR_FMT " operation", limit,
                     STR_ARG(name));
        request_answer(request);
        return false;
    }
    exchange_set_body_limit(request->x, limit);
    return true;
}

static bool answer_crosssite(struct gateway_loop *home, struct exchange *x, bool is_front)
{
    const struct crosssite *rules = &home->gateway->config.crosssite;
    const char *why = is_front ? crosssite_check_host(rules, exchange_head(x))
                               : crosssite_check(rules, exchange_head(x));
    if (why == NULL)
        return false;
    struct log_text host;
    log_warn("gateway", "cross-site request refused", "host=%s why=\"%s\"",
             log_quote(&host, exchange_head(x)->host), why);
    char id[REQUEST_ID_SIZE];
    request_id_make(home, id);
    const struct refusal refusal = {403, STR("AccessDeniedException"), str_from(why)};
    refuse(x, &refusal, STR(""), str_from(id));
    return true;
}

/* Who calls: through a door of his own its owner; in development mode as the request says, else by
 * the key that must have signed it. */
static void request_identify(struct request *request, const struct credential_scope *scope)
{
    struct gateway_loop *home = request->home;
    struct directory *keys = home->gateway->config.keys;
    const struct gateway_caller *known = &request->door->caller;
    struct op_caller *caller = &request->op.caller;
    request->is_known = known->account.ptr != NULL;
    identity_dev(scope, &request->arena, caller);
    if (request->is_known) {
        caller->account = known->account;
        caller->principal = known->principal;
        if (scope->region.len == 0)
            caller->region = known->region;
    }
    if (keys == NULL)
        return;
    auth_begin(&home->signing_keys, keys, home->number, request->head, &request->arena,
               &request->auth);
    const struct access_key *key = request->auth.key;
    if (key == NULL && request->is_known)
        return;
    request->is_known = false;
    caller->account = key == NULL ? STR("-") : key->account;
    caller->principal = key == NULL ? STR("-") : key->principal;
}

void request_keep_head(struct request *request)
{
    struct http_head *head = ARENA_NEW(&request->arena, struct http_head);
    *head = *request->head;
    struct str *texts[] = {&head->method, &head->target, &head->path, &head->query, &head->host};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i]->ptr != NULL)
            *texts[i] = arena_str(&request->arena, *texts[i]);
    for (size_t i = 0; i < head->header_count; i++) {
        head->headers[i].name = arena_str(&request->arena, head->headers[i].name);
        head->headers[i].value = arena_str(&request->arena, head->headers[i].value);
    }
    request->head = head;
    request->op.host = head->host;
    auth_done(&request->auth);
    struct credential_scope scope;
    scope_find(head, &request->arena, &scope);
    request_identify(request, &scope);
}

static void request_set_operation(struct request *request, const struct aws_operation *operation)
{
    request->operation = operation;
    request->op.def = installed_op(request->installed, operation);
    request->op.state = request->installed->state;
}

/* A Query request names its operation in the body, or in the URL; a stray one its service, too. */
static int request_take_action(struct request *request)
{
    struct gateway_loop *home = request->home;
    struct classified found = {.installed = request->installed, .service = request->service};
    classify_form(home->gateway->config.registry, request->head, exchange_body(request->x),
                  &request->arena, &found);
    if (home->gateway->config.is_strict)
        classify_strictly(&found);
    request->installed = found.installed;
    request->service = found.service;
    if (found.installed == NULL)
        return 0; /* Nobody's: refused as such. */
    request->protocol = found.protocol;
    if (found.operation == NULL)
        return fail_operation(request, &found);
    if (is_overloaded(request))
        return svc_fail(&request->op, op_error_throttling(found.operation), "Rate exceeded");
    request_set_operation(request, found.operation);
    return 0;
}

static void front_on_head(struct gateway_door *door, struct exchange *x,
                          const struct front_found *found)
{
    struct request *request = request_new(door, x);
    struct credential_scope scope;
    scope_find(request->head, &request->arena, &scope);
    request_identify(request, &scope);
    request->front = *found;
    request->installed = found->installed;
    request->op.def = &found->front->op;
    request->op.state = found->installed->state;
    if (is_overloaded(request))
        request->rc = svc_fail(&request->op, op_error_throttling(NULL), "Rate exceeded");
    if (request_limit_body(request))
        exchange_set_user(x, request, request_gone);
}

void request_on_head(void *arg, struct exchange *x)
{
    struct gateway_door *door = arg;
    struct gateway_loop *home = door->home;
    bool is_public = door->caller.account.ptr == NULL;
    struct front_found front;
    bool is_front = front_find(home->gateway->config.registry, exchange_head(x), &front);
    if ((is_public && answer_crosssite(home, x, is_front)) || (!is_front && own_take(door, x)))
        return;
    if (is_front) {
        front_on_head(door, x, &front);
        return;
    }
    struct request *request = request_new(door, x);
    const struct http_head *head = exchange_head(x);
    struct credential_scope scope;
    struct classified found;
    scope_find(head, &request->arena, &scope);
    request_identify(request, &scope);
    classify(home->gateway->config.registry, head, &scope, &found);
    if (home->gateway->config.is_strict)
        classify_strictly(&found);
    request->installed = found.installed;
    request->is_form = found.is_form;
    request->protocol = found.protocol;
    request->service = found.service;
    if (found.operation != NULL)
        request_set_operation(request, found.operation);
    if (found.installed != NULL && found.operation == NULL && !found.is_form)
        request->rc = fail_operation(request, &found);
    else if (found.installed != NULL && !found.is_form && is_overloaded(request))
        request->rc = svc_fail(&request->op, op_error_throttling(found.operation), "Rate exceeded");
    if (!request_limit_body(request))
        return;
    /* Refusals wait for the body too: a client that is still sending might not read them. */
    if (request->op.def != NULL && request->op.def->take != NULL)
        upload_begin(request);
    else
        exchange_set_user(x, request, request_gone);
}

static void request_go(struct request *request)
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

void request_on_body(void *arg, struct exchange *x)
{
    struct request *request = exchange_user(x);
    if (request == NULL) {
        own_on_body(arg, x);
        return;
    }
    request->has_body = true;
    if (request->is_upload) {
        intake_finish(&request->intake);
        return;
    }
    /* Decoding copies what it has to unescape or decode; twice the body covers base64 and JSON. */
    request->arena.limit_bytes = ARENA_BASE + 2 * exchange_body(x).len;
    if (request->rc == 0 && request->is_form)
        request->rc = request_take_action(request);
    if (request->installed == NULL)
        refuse_unknown(request);
    else if (request->rc != 0)
        request_answer(request);
    else
        request_go(request);
}
