/* Registration: of an external extension under the name of its file, of an internal one under any
 * other, until init is over. */
#include "runtime/extensions_int.h"

#include "data/json.h"
#include "os/random.h"

struct wishes {
    bool invoke, shutdown;
};

/* {"events": ["INVOKE", "SHUTDOWN"]}; other members are nobody's. False: it was refused. */
static bool take_wishes(struct exchange *x, bool is_external, struct wishes *out)
{
    AUTO_ARENA struct arena arena;
    struct json_reader r;
    enum json_token tok;
    bool is_events = false;
    arena_init(&arena, 64 * 1024);
    json_reader_init(&r, exchange_body(x), &arena);
    if (json_next(&r) != JSON_OBJECT_BEGIN) {
        extensions_refuse(x, "InvalidRequestFormat", "the body is no JSON object");
        return false;
    }
    while ((tok = json_next(&r)) != JSON_END && tok != JSON_ERROR) {
        if (tok == JSON_KEY && r.depth == 1) {
            is_events = str_eq(r.text, STR("events"));
        } else if (tok == JSON_STRING && r.depth == 2 && is_events) {
            bool is_invoke = str_eq(r.text, STR("INVOKE"));
            bool is_shutdown = str_eq(r.text, STR("SHUTDOWN"));
            char message[160];
            (void) snprintf(message, sizeof message, STR_FMT ": %s", STR_ARG(str_head(r.text, 64)),
                            is_shutdown ? "ShutdownEventNotSupportedForInternalExtension"
                                        : "InvalidEventType");
            if (!is_invoke && !(is_shutdown && is_external)) {
                extensions_refuse(x, "Extension.InvalidEventType", message);
                return false;
            }
            out->invoke |= is_invoke;
            out->shutdown |= is_shutdown;
        }
    }
    if (tok == JSON_ERROR)
        extensions_refuse(x, "InvalidRequestFormat", r.error);
    return tok == JSON_END;
}

static void answer_registered(struct instance *inst, struct exchange *x,
                              const struct extension *ext)
{
    const struct function_spec *spec = inst->slot.spec;
    struct str features =
                   http_header_find(exchange_head(x), STR("lambda-extension-accept-feature")),
               feature;
    AUTO_BUF struct buf body;
    struct json_writer w;
    buf_init(&body, 4096);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_key(&w, STR("functionName"));
    json_str(&w, spec->name);
    json_key(&w, STR("functionVersion"));
    json_str(&w, spec->version);
    json_key(&w, STR("handler"));
    json_str(&w, spec->handler);
    while (features.len > 0 && str_split(&features, ',', &feature))
        if (str_eq(str_trim(feature), STR("accountId"))) {
            json_key(&w, STR("accountId"));
            json_str(&w, spec->account);
            break;
        }
    json_object_end(&w);
    const struct http_header headers[] = {{STR("Content-Type"), STR("application/json")},
                                          {STR("Lambda-Extension-Identifier"), str_from(ext->id)}};
    exchange_answer(x, 200, headers, ARRAY_LEN(headers), buf_str(&body));
}

static struct extension *find_name(struct extensions *exts, struct str name)
{
    for (size_t i = 0; i < exts->count; i++)
        if (str_eq(str_from(exts->items[i].name), name))
            return &exts->items[i];
    return NULL;
}

/* NULL: it was refused. */
static struct extension *new_internal(struct instance *inst, struct exchange *x, struct str name)
{
    struct extensions *exts = extensions_of(inst);
    char message[64];
    (void) snprintf(message, sizeof message, "Extension limit (%d) reached", EXTENSIONS_MAX);
    if (exts->is_closed || inst->slot.state != SLOT_INITIALISING) {
        extensions_refuse(x, "Extension.RegistrationClosed",
                          "Extension registration closed already");
    } else if (exts->count == EXTENSIONS_MAX) {
        extensions_refuse(x, "Extension.TooManyExtensions", message);
    } else {
        struct extension *ext = &exts->items[exts->count++];
        *ext = (struct extension){.state = EXTENSION_STARTED};
        memcpy(ext->name, name.ptr, name.len);
        return ext;
    }
    return NULL;
}

void extensions_on_register(struct instance *inst, struct exchange *x)
{
    struct str name = http_header_find(exchange_head(x), STR("lambda-extension-name"));
    if (name.len == 0 || name.len > EXTENSION_NAME_MAX) {
        extensions_refuse(x, "Extension.InvalidExtensionName",
                          name.len == 0 ? "Empty extension name" : "Invalid extension name");
        return;
    }
    struct extension *ext = inst->extensions == NULL ? NULL : find_name(inst->extensions, name);
    bool is_external = ext != NULL && ext->is_external;
    struct wishes wishes = {0};
    if (!take_wishes(x, is_external, &wishes))
        return;
    if (ext != NULL && !is_external) {
        extensions_refuse(x, "Extension.InvalidExtensionState",
                          "Extension with this name already registered");
        return;
    }
    if (is_external && ext->state != EXTENSION_STARTED) {
        extensions_refuse_state(x, ext, "Registered", name);
        return;
    }
    if (ext == NULL)
        ext = new_internal(inst, x, name);
    if (ext == NULL)
        return;
    unsigned char random[16];
    rng_fill(&rng_real, random, sizeof random);
    uuid_format(random, ext->id);
    ext->state = EXTENSION_REGISTERED;
    ext->wants_invoke = wishes.invoke;
    ext->wants_shutdown = wishes.shutdown;
    answer_registered(inst, x, ext);
    extensions_start_runtime(inst);
}
