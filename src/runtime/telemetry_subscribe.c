/* Subscribing: a PUT during init, one subscription for an extension, to one of the two APIs.
 *
 * The same request again changes nothing; another one of the same extension takes the place of the
 * first and gets everything from the start. AWS's words where it is documented or its emulator has
 * them: the types of errors, SubscriptionClosed, "Already subscribed". */
#include "runtime/telemetry_int.h"

#include "base/mem.h"

static const struct {
    const char *name, *invalid, *closed, *closed_text;
} apis[] = {
    [TELEMETRY_API] = {"Telemetry API", "ValidationError", "Telemetry.SubscriptionClosed",
                       "Telemetry API subscription is closed already"},
    [TELEMETRY_LOGS_API] = {"Logs API", "Logs.ValidationError", "Logs.SubscriptionClosed",
                            "Logs API subscription is closed already"},
};

static struct subscription **find(struct telemetry *telemetry, const struct extension *ext)
{
    for (size_t i = 0; i < telemetry->count; i++)
        if (telemetry->items[i]->extension == ext)
            return &telemetry->items[i];
    return NULL;
}

static struct subscription *subscription_new(struct telemetry *telemetry,
                                             const struct extension *ext, enum telemetry_api api,
                                             const struct telemetry_request *wants)
{
    struct subscription *sub = NEW(struct subscription);
    *sub = (struct subscription){
        .telemetry = telemetry, .extension = ext, .api = api, .wants = *wants};
    telemetry_queue_init(&sub->queue, wants->is_tcp, wants->items_max, wants->bytes_max,
                         wants->timeout_ms);
    delivery_init(sub);
    return sub;
}

static bool is_same(const struct telemetry_request *a, const struct telemetry_request *b)
{
    return a->schema == b->schema && a->types == b->types && a->is_tcp == b->is_tcp &&
           a->is_put == b->is_put && a->port == b->port && a->items_max == b->items_max &&
           a->bytes_max == b->bytes_max && a->timeout_ms == b->timeout_ms &&
           strcmp(a->path, b->path) == 0;
}

/* Returns AWS's word for what it did. */
static const char *subscribe(struct telemetry *telemetry, const struct extension *ext,
                             enum telemetry_api api, const struct telemetry_request *wants)
{
    struct subscription **old = find(telemetry, ext);
    if (old != NULL && is_same(&(*old)->wants, wants))
        return "Already subscribed";
    struct subscription *sub = subscription_new(telemetry, ext, api, wants);
    if (old != NULL) {
        delivery_done(*old);
        *old = sub;
    } else {
        telemetry->items[telemetry->count++] = sub;
    }
    telemetry_replay(telemetry, sub);
    return old == NULL ? "Subscribed" : "Already subscribed";
}

static void refuse(struct exchange *x, enum telemetry_api api, const char *message)
{
    extensions_refuse_request(x, apis[api].invalid, message);
}

void telemetry_subscribe(struct instance *inst, struct exchange *x, const struct extension *ext,
                         enum telemetry_api api)
{
    static const struct http_header header = {STR_INIT("Content-Type"),
                                              STR_INIT("application/json")};
    struct telemetry *telemetry = inst->telemetry;
    struct telemetry_request wants;
    AUTO_BUF struct buf problems;
    buf_init(&problems, 1024);
    if (telemetry == NULL || telemetry->is_closed || inst->slot.state != SLOT_INITIALISING) {
        extensions_refuse(x, apis[api].closed, apis[api].closed_text);
        return;
    }
    struct subscription **old = find(telemetry, ext);
    if (telemetry_request_parse(exchange_body(x), api, &wants, &problems) < 0) {
        refuse(x, api, buf_str(&problems).ptr);
        return;
    }
    if (old != NULL && (*old)->api != api) {
        buf_printf(&problems, "the extension is subscribed to the %s already",
                   apis[(*old)->api].name);
        refuse(x, api, problems.ptr);
        return;
    }
    const char *state = subscribe(telemetry, ext, api, &wants);
    report_subscription(inst, api, ext->name, state, wants.types);
    exchange_answer(x, 200, &header, 1, STR("\"OK\""));
}
