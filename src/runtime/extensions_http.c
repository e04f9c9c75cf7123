/* The requests of extensions, as the Runtime API's server (api.c) takes them: which call it is, who
 * calls, and the answers in AWS's words. */
#include "runtime/extensions_int.h"

#include "data/json.h"
#include "runtime/telemetry.h"

/* ---- answers ---- */

static void answer_error(struct exchange *x, int status, const char *type, const char *message)
{
    static const struct http_header header = {STR_INIT("Content-Type"),
                                              STR_INIT("application/json")};
    AUTO_BUF struct buf body;
    struct json_writer w;
    buf_init(&body, 4096);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_key(&w, STR("errorMessage"));
    json_str(&w, str_from(message));
    json_key(&w, STR("errorType"));
    json_str(&w, str_from(type));
    json_object_end(&w);
    exchange_answer(x, status, &header, 1, buf_str(&body));
}

void extensions_refuse(struct exchange *x, const char *type, const char *message)
{
    answer_error(x, 403, type, message);
}

void extensions_refuse_request(struct exchange *x, const char *type, const char *message)
{
    answer_error(x, 400, type, message);
}

void extensions_refuse_state(struct exchange *x, const struct extension *ext, const char *to,
                             struct str who)
{
    char message[256 + EXTENSION_NAME_MAX];
    (void) snprintf(message, sizeof message,
                    "State transition from %s to %s failed for extension " STR_FMT
                    ". Error: State transition is not allowed",
                    extension_state_names[ext->state], to,
                    STR_ARG(str_head(who, EXTENSION_NAME_MAX)));
    extensions_refuse(x, "Extension.InvalidExtensionState", message);
}

void extensions_accept(struct exchange *x)
{
    static const struct http_header header = {STR_INIT("Content-Type"),
                                              STR_INIT("application/json")};
    exchange_answer(x, 202, &header, 1, STR("{\"status\":\"OK\"}\n"));
}

/* ---- routes ---- */

enum extension_call {
    CALL_REGISTER,
    CALL_NEXT,
    CALL_INIT_ERROR,
    CALL_EXIT_ERROR,
    CALL_TELEMETRY,
    CALL_LOGS,
    CALL_NONE
};

static const struct {
    struct str path, method;
} calls[] = {
    [CALL_REGISTER] = {STR_INIT("/2020-01-01/extension/register"), STR_INIT("POST")},
    [CALL_NEXT] = {STR_INIT("/2020-01-01/extension/event/next"), STR_INIT("GET")},
    [CALL_INIT_ERROR] = {STR_INIT("/2020-01-01/extension/init/error"), STR_INIT("POST")},
    [CALL_EXIT_ERROR] = {STR_INIT("/2020-01-01/extension/exit/error"), STR_INIT("POST")},
    [CALL_TELEMETRY] = {STR_INIT("/2022-07-01/telemetry"), STR_INIT("PUT")},
    [CALL_LOGS] = {STR_INIT("/2020-08-15/logs"), STR_INIT("PUT")},
};

/* AWS's reference writes the subscriptions with a "/" behind them. */
static enum extension_call call_of(const struct http_head *head)
{
    enum extension_call call = CALL_REGISTER;
    struct str path = head->path;
    if (str_eq(head->method, STR("PUT")) && path.ptr[path.len - 1] == '/')
        path.len--;
    while (call < CALL_NONE &&
           !(str_eq(path, calls[call].path) && str_eq(head->method, calls[call].method)))
        call++;
    return call;
}

bool extensions_take(const struct http_head *head)
{
    return call_of(head) != CALL_NONE;
}

static bool is_uuid(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (is_dash ? c != '-' : !is_hex)
            return false;
    }
    return text.len == UUID_TEXT_SIZE - 1;
}

/* NULL: it was refused. */
static struct extension *find_caller(struct instance *inst, struct exchange *x)
{
    struct str id = http_header_find(exchange_head(x), STR("lambda-extension-identifier"));
    struct extensions *exts = inst->extensions;
    for (size_t i = 0; exts != NULL && i < exts->count; i++)
        if (exts->items[i].id[0] != '\0' && str_eq(id, str_from(exts->items[i].id)))
            return &exts->items[i];
    char message[80];
    (void) snprintf(message, sizeof message, "Unknown extension " STR_FMT,
                    STR_ARG(str_head(id, UUID_TEXT_SIZE)));
    if (id.len == 0)
        extensions_refuse(x, "Extension.MissingExtensionIdentifier",
                          "Missing Lambda-Extension-Identifier header");
    else if (!is_uuid(id))
        extensions_refuse(x, "Extension.InvalidExtensionIdentifier",
                          "Invalid Lambda-Extension-Identifier");
    else
        extensions_refuse(x, "Extension.UnknownExtensionIdentifier", message);
    return NULL;
}

void extensions_answer(struct instance *inst, struct exchange *x)
{
    enum extension_call call = call_of(exchange_head(x));
    if (call == CALL_REGISTER) {
        extensions_on_register(inst, x);
        return;
    }
    struct extension *ext = find_caller(inst, x);
    if (ext == NULL)
        return;
    if (call == CALL_NEXT)
        extensions_on_next(inst, x, ext);
    else if (call == CALL_TELEMETRY || call == CALL_LOGS)
        telemetry_subscribe(inst, x, ext, call == CALL_LOGS ? TELEMETRY_LOGS_API : TELEMETRY_API);
    else
        extensions_on_error(inst, x, ext, call == CALL_INIT_ERROR);
}
