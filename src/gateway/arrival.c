/* What arrives at a loop: from the head of a request to the station that takes it (request.c).
 *
 *     head     ours, or a front's, or from another site's page: answered or handed on
 *              who calls, which operation, is there room, is the body too long   request_on_head
 *     body     a Query request says here what it wants; refusals are answered    request_on_body
 *
 * Refusals wait for the body: a client that is still sending might not read them. */
#include "gateway/request.h"

#include "base/log.h"

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
