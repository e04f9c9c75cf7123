/* Virga's own paths: /_virga/status, what each function does, and /_virga/health, with LocalStack's
 * spelling /_localstack/health, which tools that wait for an emulator ask. Its "services" object is
 * theirs; the rest is ours.
 *
 * Health is answered on the loop from numbers that are at hand: it stays truthful and quick under
 * load, and says "stopping" never, since a draining server no longer accepts. */
#include "gateway/gateway_int.h"

#include "base/mem.h"

enum { HEALTH_MAX = 16 * 1024, STATUS_MAX = 64 << 20 };

static void put_health(struct gateway_loop *home, struct buf *out)
{
    const struct gateway_config *config = &home->gateway->config;
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, STR("status"));
    json_str(&w, STR("running"));
    json_key(&w, STR("version"));
    json_str(&w, STR(VIRGA_VERSION));
    json_key(&w, STR("services"));
    json_object_begin(&w);
    for (size_t i = 0; i < registry_len(config->registry); i++) {
        json_key(&w, registry_at(config->registry, i)->model->id);
        json_str(&w, STR("running"));
    }
    json_object_end(&w);
    if (config->health != NULL)
        config->health(config->health_arg, &w);
    json_object_end(&w);
}

static void answer_health(struct gateway_loop *home, struct exchange *x)
{
    AUTO_BUF struct buf body;
    buf_init(&body, HEALTH_MAX);
    put_health(home, &body);
    const struct http_header headers[] = {
        {STR("Content-Type"), STR("application/json")},
        {STR("Cache-Control"), STR("no-store")},
    };
    /* Also for HEAD: the server leaves the body out and keeps its length. */
    exchange_answer(x, 200, headers, ARRAY_LEN(headers), buf_str(&body));
}

static void refuse_own(struct gateway_loop *home, struct exchange *x, const struct refusal *refusal)
{
    char id[REQUEST_ID_SIZE];
    request_id_make(home, id);
    refuse(x, refusal, STR(""), str_from(id));
}

/* The status is the public's only with --dev: it names functions. Doors of functions have none. */
static bool has_status(const struct gateway_door *door)
{
    return door->caller.account.ptr == NULL && door->home->gateway->config.status != NULL;
}

bool own_take(struct gateway_door *door, struct exchange *x)
{
    struct gateway_loop *home = door->home;
    const struct http_head *head = exchange_head(x);
    if (!str_starts(head->path, STR("/_virga/")) && !str_starts(head->path, STR("/_localstack/")))
        return false;
    bool is_health =
        str_eq(head->path, STR("/_virga/health")) || str_eq(head->path, STR("/_localstack/health"));
    bool is_status = str_eq(head->path, STR("/_virga/status")) && has_status(door);
    bool is_get = str_eq(head->method, STR("GET")) || str_eq(head->method, STR("HEAD"));
    if ((is_status || debug_is_asked(door, head)) && is_get) {
        exchange_set_body_limit(x, 0);
        return true; /* own_on_body goes on */
    }
    if (is_health && is_get) {
        answer_health(home, x);
        return true;
    }
    struct refusal refusal = {404, STR("NotFound"), STR("There is nothing at this path.")};
    if (is_health || is_status)
        refusal = (struct refusal){405, STR("MethodNotAllowed"), STR("Use GET.")};
    refuse_own(home, x, &refusal);
    return true;
}

/* --- status --- */

struct status_call {
    struct gateway_status status; /* first */
    struct exchange *x;
};

static void status_done(struct gateway_status *status)
{
    struct status_call *call = CONTAINER_OF(status, struct status_call, status);
    const struct http_header headers[] = {
        {STR("Content-Type"), STR("application/json")},
        {STR("Cache-Control"), STR("no-store")},
    };
    exchange_answer(call->x, 200, headers, ARRAY_LEN(headers), buf_str(&status->out));
    buf_done(&status->out);
    free(call);
}

/* Signed for Lambda: functions are what it tells of. 0, or -EACCES with *out_fault. */
static int check_signature(struct gateway_loop *home, const struct http_head *head,
                           struct arena *arena, struct aws_fault *out_fault)
{
    const struct gateway_config *config = &home->gateway->config;
    const struct installed *lambda = registry_by_signing(config->registry, STR("lambda"), NULL);
    const struct aws_http_request http = {.method = head->method,
                                          .path = head->path,
                                          .query = head->query,
                                          .headers = head->headers,
                                          .header_count = head->header_count,
                                          .body = STR("")};
    struct auth auth = {0};
    if (config->keys == NULL)
        return 0;
    auth_begin(&home->signing_keys, config->keys, home->number, head, arena, &auth);
    int rc = auth_check(&auth, &http, lambda->service->model, AWS_REST_JSON, STR_NONE,
                        clock_utc_ms(config->clock), arena, out_fault);
    auth_done(&auth);
    return rc;
}

static void status_begin(struct gateway_door *door, struct exchange *x)
{
    struct gateway_loop *home = door->home;
    const struct gateway_config *config = &home->gateway->config;
    AUTO_ARENA struct arena arena;
    struct aws_fault fault = {0};
    arena_init(&arena, HEALTH_MAX);
    if (check_signature(home, exchange_head(x), &arena, &fault) < 0) {
        const struct refusal refusal = {fault.error->status, fault.error->code, fault.message};
        refuse_own(home, x, &refusal);
        return;
    }
    struct status_call *call = NEW(struct status_call);
    call->x = x;
    call->status.done = status_done;
    buf_init(&call->status.out, STATUS_MAX);
    config->status(config->status_arg, home->number, &call->status);
}

void own_on_body(struct gateway_door *door, struct exchange *x)
{
    if (!debug_is_asked(door, exchange_head(x))) {
        status_begin(door, x);
        return;
    }
    const char *why = debug_on_body(door, x);
    if (why != NULL)
        refuse_own(door->home, x, &(struct refusal){400, STR("BadRequest"), str_from(why)});
}
