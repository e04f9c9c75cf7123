/* What extensions are told, INVOKE and SHUTDOWN, when they ask for it; and the errors that they
 * report. An event that is new takes the place of one that was not fetched. */
#include "runtime/extensions_int.h"

#include "data/json.h"
#include "os/random.h"

#include <inttypes.h>

static void give(struct extensions *exts, struct extension *ext, struct exchange *x)
{
    unsigned char random[16];
    char id[UUID_TEXT_SIZE];
    rng_fill(&rng_real, random, sizeof random);
    uuid_format(random, id);
    const struct http_header headers[] = {{STR("Content-Type"), STR("application/json")},
                                          {STR("Lambda-Extension-Event-Identifier"), str_from(id)}};
    ext->state = EXTENSION_RUNNING;
    ext->is_owed = false;
    exchange_answer(x, 200, headers, ARRAY_LEN(headers), buf_str(&exts->event));
}

/* The event of exts->event is the extension's now, at once or when it asks. */
static void owe(struct extensions *exts, struct extension *ext)
{
    struct exchange *x = take_ptr(&ext->waiting);
    ext->is_owed = true;
    ext->state = EXTENSION_RUNNING;
    if (x != NULL && exchange_is_gone(x))
        exchange_abort(x); /* it will come and ask again */
    else if (x != NULL)
        give(exts, ext, x);
}

void extensions_invoke(struct instance *inst, const struct invocation *inv)
{
    struct extensions *exts = inst->extensions;
    if (exts == NULL)
        return;
    struct json_writer w;
    buf_reset(&exts->event);
    json_writer_init(&w, &exts->event);
    json_object_begin(&w);
    json_key(&w, STR("eventType"));
    json_str(&w, STR("INVOKE"));
    json_key(&w, STR("deadlineMs"));
    json_i64(&w, inst->deadline_ms);
    json_key(&w, STR("requestId"));
    json_str(&w, inv->request_id);
    json_key(&w, STR("invokedFunctionArn"));
    json_str(&w, inv->invoked_arn);
    json_key(&w, STR("tracing"));
    json_object_begin(&w);
    json_key(&w, STR("type"));
    json_str(&w, STR("X-Amzn-Trace-Id"));
    json_key(&w, STR("value"));
    json_str(&w, str_head(inv->trace_id, EXTENSION_EVENT_MAX / 2));
    json_object_end(&w);
    json_object_end(&w);
    for (size_t i = 0; i < exts->count; i++)
        if (exts->items[i].wants_invoke)
            owe(exts, &exts->items[i]);
}

bool extensions_say_goodbye(struct instance *inst, const char *reason, int64_t deadline_ms)
{
    struct extensions *exts = inst->extensions;
    bool is_anybody = false;
    buf_reset(&exts->event);
    buf_printf(&exts->event,
               "{\"eventType\":\"SHUTDOWN\",\"shutdownReason\":\"%s\",\"deadlineMs\":%" PRId64 "}",
               reason, deadline_ms);
    for (size_t i = 0; i < exts->count; i++) {
        struct extension *ext = &exts->items[i];
        bool can_hear = ext->state == EXTENSION_REGISTERED || ext->state == EXTENSION_READY ||
                        ext->state == EXTENSION_RUNNING;
        if (!ext->wants_shutdown || !can_hear)
            continue;
        is_anybody = true;
        owe(exts, ext);
    }
    return is_anybody;
}

void extensions_on_next(struct instance *inst, struct exchange *x, struct extension *ext)
{
    struct exchange *before = take_ptr(&ext->waiting);
    if (before != NULL)
        extensions_refuse_state(before, ext, "Ready",
                                str_from(ext->id)); /* the last that asks counts */
    if (ext->is_owed) {
        give(inst->extensions, ext, x);
        return;
    }
    bool can_wait = ext->state == EXTENSION_REGISTERED || ext->state == EXTENSION_READY ||
                    ext->state == EXTENSION_RUNNING;
    if (!can_wait) {
        extensions_refuse_state(x, ext, "Ready", str_from(ext->id));
        return;
    }
    bool is_news = ext->state != EXTENSION_READY;
    ext->state = EXTENSION_READY;
    ext->waiting = x;
    if (is_news)
        instance_settled(inst);
}

/* ---- errors that it reports ---- */

void extensions_on_error(struct instance *inst, struct exchange *x, struct extension *ext,
                         bool is_init)
{
    struct str type =
        http_header_find(exchange_head(x), STR("lambda-extension-function-error-type"));
    enum extension_state to = is_init ? EXTENSION_INIT_ERROR : EXTENSION_EXIT_ERROR;
    bool can_fail = is_init ? ext->state == EXTENSION_REGISTERED
                            : ext->state == EXTENSION_REGISTERED || ext->state == EXTENSION_READY ||
                                  ext->state == EXTENSION_RUNNING;
    if (type.len == 0) {
        extensions_refuse(x, "Extension.MissingHeader",
                          "Lambda-Extension-Function-Error-Type not found");
        return;
    }
    if (!can_fail && ext->state != to) {
        extensions_refuse_state(x, ext, extension_state_names[to], str_from(ext->id));
        return;
    }
    ext->state = to;
    if (inst->extensions->error_type == NULL)
        inst->extensions->error_type = is_init ? "Extension.InitError" : "Extension.ExitError";
    extensions_accept(x);
}
