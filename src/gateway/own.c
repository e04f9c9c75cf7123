/* Virga's own paths: /_virga/health, with LocalStack's spelling /_localstack/health, which tools
 * that wait for an emulator ask. Its "services" object is theirs; the rest is ours.
 *
 * Health is answered on the loop from numbers that are at hand: it stays truthful and quick under
 * load, and says "stopping" never, since a draining server no longer accepts. */
#include "gateway/gateway_int.h"

enum { HEALTH_MAX = 16 * 1024 };

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

bool own_answer(struct gateway_loop *home, struct exchange *x)
{
    const struct http_head *head = exchange_head(x);
    if (!str_starts(head->path, STR("/_virga/")) && !str_starts(head->path, STR("/_localstack/")))
        return false;
    bool is_health =
        str_eq(head->path, STR("/_virga/health")) || str_eq(head->path, STR("/_localstack/health"));
    bool is_get = str_eq(head->method, STR("GET")) || str_eq(head->method, STR("HEAD"));
    if (is_health && is_get) {
        answer_health(home, x);
        return true;
    }
    char id[REQUEST_ID_SIZE];
    request_id_make(home, id);
    struct refusal refusal = {404, STR("NotFound"), STR("There is nothing at this path.")};
    if (is_health)
        refusal = (struct refusal){405, STR("MethodNotAllowed"), STR("Use GET.")};
    refuse(x, &refusal, STR(""), str_from(id));
    return true;
}
