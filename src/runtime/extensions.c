/* Extensions of one instance: programs beside the runtime, and the API that they speak.
 *
 *     POST /2020-01-01/extension/register      name and events; the identifier of all that follows
 *     GET  /2020-01-01/extension/event/next    waits for INVOKE or SHUTDOWN
 *     POST /2020-01-01/extension/init/error    it cannot start; it should end
 *     POST /2020-01-01/extension/exit/error    it cannot go on; it should end
 *
 *              register                next               INVOKE, SHUTDOWN
 *     STARTED ─────────→ REGISTERED ────────→ READY (waits) ─────────────→ RUNNING
 *                          │ init/error         ↑           next             │    exit/error
 *                          ↓                    └────────────────────────────┘  ──────────→
 * EXIT_ERROR INIT_ERROR
 *
 * External ones are the files of /opt/extensions, started before the runtime as companions (see
 * sandbox/sandbox.h); the runtime follows when all of them have registered. Internal ones are
 * threads of the runtime: they register any other name, until init is over. The instance is ready,
 * and later done with an invocation, when the runtime and every extension wait. What the end of one
 * means is instance.c's, the good-bye shutdown.c's.
 *
 * All of it comes from inside the sandbox and can harm nobody but its own instance: what is kept is
 * bounded by EXTENSIONS_MAX and the server's limits.
 *
 * Sources: Lambda developer guide, "Lambda Extensions API"; statuses, error types and texts as in
 * aws-lambda-runtime-interface-emulator. */
#include "runtime/extensions.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/hash.h"
#include "data/json.h"
#include "os/random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum {
    EXTENSIONS_MAX = 10,
    NAME_MAX_SIZE = 128,
    EVENT_MAX = 8 * 1024,
    OUTPUT_SIZE = 16 * 1024,
    DRAIN_READS_MAX = 16
};
static_assert((int) EXTENSIONS_MAX == (int) SANDBOX_COMPANIONS_MAX, "all can be started");

enum extension_state {
    EXTENSION_STARTED,
    EXTENSION_REGISTERED,
    EXTENSION_READY,
    EXTENSION_RUNNING,
    EXTENSION_INIT_ERROR,
    EXTENSION_EXIT_ERROR,
    EXTENSION_LAUNCH_ERROR,
};

/* What the texts of AWS call them. */
static const char *const state_names[] = {
    [EXTENSION_STARTED] = "Started",
    [EXTENSION_REGISTERED] = "Registered",
    [EXTENSION_READY] = "Ready",
    [EXTENSION_RUNNING] = "Running",
    [EXTENSION_INIT_ERROR] = "InitError",
    [EXTENSION_EXIT_ERROR] = "ExitError",
    [EXTENSION_LAUNCH_ERROR] = "LaunchError",
};

struct extension {
    char name[NAME_MAX_SIZE + 1];
    char id[UUID_TEXT_SIZE];
    enum extension_state state;
    bool is_external, wants_invoke, wants_shutdown;
    bool is_owed;             /* the last event has not reached it */
    struct exchange *waiting; /* its `next`, until answered */
};

struct extensions {
    struct extension items[EXTENSIONS_MAX];
    size_t count, external_count;
    bool is_closed; /* nobody can register any more */
    bool is_runtime_started;
    const char *error_type; /* the first that was reported, "Extension.InitError"; NULL: none */
    struct buf event;       /* JSON of the last event */
    int output_fd;          /* of the external ones, read end; -1 */
    struct watch *output_watch;
    struct lines lines;
};

static struct extensions *extensions_of(struct instance *inst)
{
    if (inst->extensions != NULL)
        return inst->extensions;
    struct extensions *exts = inst->extensions = NEW(struct extensions);
    exts->output_fd = -1;
    exts->is_runtime_started = true;
    buf_init(&exts->event, EVENT_MAX);
    lines_init(&exts->lines);
    return exts;
}

/* ---- starting the external ones ---- */

static void put_line(void *arg, int64_t at_ms, struct str line)
{
    output_line(arg, at_ms, line);
}

/* False at the end of what is there. */
static bool read_output(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    char *scratch = inst->home->log_scratch;
    ssize_t n = read(exts->output_fd, scratch, OUTPUT_SIZE);
    if (n == 0 && exts->output_watch != NULL) /* all writers have gone; why, comes from elsewhere */
        watch_set(exts->output_watch, 0);
    if (n > 0)
        lines_feed(&exts->lines, clock_utc_ms(inst->home->exec->clock), scratch, (size_t) n,
                   put_line, inst);
    return n > 0;
}

static void on_output(void *arg, int events)
{
    struct instance *inst = arg;
    (void) events;
    if (read_output(inst))
        extensions_listen(inst);
}

void extensions_drain(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    for (int i = 0; i < DRAIN_READS_MAX && exts != NULL && exts->output_fd >= 0; i++)
        if (!read_output(inst))
            return;
}

void extensions_listen(struct instance *inst)
{
    if (inst->extensions != NULL && inst->extensions->output_watch != NULL)
        watch_set(inst->extensions->output_watch, inst->is_output_paused ? 0 : WATCH_READ);
}

/* The pipe that external extensions write to; its other end goes with the first START block. */
static int open_output(struct instance *inst, struct err *err)
{
    struct extensions *exts = inst->extensions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, -errno, "pipe of extensions");
    exts->output_fd = ends[0];
    inst->image_fd = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return err_set(err, -errno, "pipe of extensions");
    int rc = watch_new(inst->home->loop, ends[0], on_output, inst, &exts->output_watch, err);
    if (rc == 0)
        watch_set(exts->output_watch, WATCH_READ);
    return rc;
}

static int put_block(struct instance *inst, const char *name, struct err *err)
{
    char path[32 + NAME_MAX_SIZE];
    (void) snprintf(path, sizeof path, "/opt/extensions/%s", name);
    size_t at = inst->out.len;
    int rc = start_extension(&inst->out, inst->slot.spec, inst->log_stream, inst->door != NULL,
                             path, err);
    if (rc == 0)
        sandbox_start_companion(&inst->out, at);
    return rc;
}

int extensions_start(struct instance *inst, struct err *err)
{
    const struct function_spec *spec = inst->slot.spec;
    struct extensions *exts = extensions_of(inst);
    if (spec->extension_count > EXTENSIONS_MAX)
        return err_say(err, -E2BIG, "Extension limit (%d) reached", EXTENSIONS_MAX);
    exts->is_runtime_started = false;
    int rc = open_output(inst, err);
    for (size_t i = 0; i < spec->extension_count && rc == 0; i++) {
        struct extension *ext = &exts->items[exts->count];
        if (strlen(spec->extensions[i]) > NAME_MAX_SIZE)
            return err_say(err, -ENAMETOOLONG, "the name of an extension is too long");
        *ext = (struct extension){.is_external = true};
        memcpy(ext->name, spec->extensions[i], strlen(spec->extensions[i]) + 1);
        exts->count++;
        exts->external_count++;
        rc = put_block(inst, ext->name, err);
    }
    return rc;
}

/* When the last external one has registered comes the runtime. */
static void start_runtime(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    for (size_t i = 0; i < exts->external_count; i++) /* they come first */
        if (exts->items[i].state == EXTENSION_STARTED)
            return;
    if (exts->is_runtime_started || inst->slot.state != SLOT_INITIALISING)
        return;
    exts->is_runtime_started = true;
    instance_start_runtime(inst);
}

/* ---- answers ---- */

static void answer_error(struct exchange *x, const char *type, const char *message)
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
    exchange_answer(x, 403, &header, 1, buf_str(&body));
}

static void answer_state(struct exchange *x, const struct extension *ext, const char *to,
                         struct str who)
{
    char message[256 + NAME_MAX_SIZE];
    (void) snprintf(message, sizeof message,
                    "State transition from %s to %s failed for extension " STR_FMT
                    ". Error: State transition is not allowed",
                    state_names[ext->state], to, STR_ARG(str_head(who, NAME_MAX_SIZE)));
    answer_error(x, "Extension.InvalidExtensionState", message);
}

static void answer_accepted(struct exchange *x)
{
    static const struct http_header header = {STR_INIT("Content-Type"),
                                              STR_INIT("application/json")};
    exchange_answer(x, 202, &header, 1, STR("{\"status\":\"OK\"}\n"));
}

/* ---- register ---- */

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
        answer_error(x, "InvalidRequestFormat", "the body is no JSON object");
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
                answer_error(x, "Extension.InvalidEventType", message);
                return false;
            }
            out->invoke |= is_invoke;
            out->shutdown |= is_shutdown;
        }
    }
    if (tok == JSON_ERROR)
        answer_error(x, "InvalidRequestFormat", r.error);
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
        answer_error(x, "Extension.RegistrationClosed", "Extension registration closed already");
    } else if (exts->count == EXTENSIONS_MAX) {
        answer_error(x, "Extension.TooManyExtensions", message);
    } else {
        struct extension *ext = &exts->items[exts->count++];
        *ext = (struct extension){.state = EXTENSION_STARTED};
        memcpy(ext->name, name.ptr, name.len);
        return ext;
    }
    return NULL;
}

static void on_register(struct instance *inst, struct exchange *x)
{
    struct str name = http_header_find(exchange_head(x), STR("lambda-extension-name"));
    if (name.len == 0 || name.len > NAME_MAX_SIZE) {
        answer_error(x, "Extension.InvalidExtensionName",
                     name.len == 0 ? "Empty extension name" : "Invalid extension name");
        return;
    }
    struct extension *ext = inst->extensions == NULL ? NULL : find_name(inst->extensions, name);
    bool is_external = ext != NULL && ext->is_external;
    struct wishes wishes = {0};
    if (!take_wishes(x, is_external, &wishes))
        return;
    if (ext != NULL && !is_external) {
        answer_error(x, "Extension.InvalidExtensionState",
                     "Extension with this name already registered");
        return;
    }
    if (is_external && ext->state != EXTENSION_STARTED) {
        answer_state(x, ext, "Registered", name);
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
    start_runtime(inst);
}

/* ---- events ---- */

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
    json_str(&w, str_head(inv->trace_id, EVENT_MAX / 2));
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

static void on_next(struct instance *inst, struct exchange *x, struct extension *ext)
{
    struct exchange *before = take_ptr(&ext->waiting);
    if (before != NULL)
        answer_state(before, ext, "Ready", str_from(ext->id)); /* the last that asks counts */
    if (ext->is_owed) {
        give(inst->extensions, ext, x);
        return;
    }
    bool can_wait = ext->state == EXTENSION_REGISTERED || ext->state == EXTENSION_READY ||
                    ext->state == EXTENSION_RUNNING;
    if (!can_wait) {
        answer_state(x, ext, "Ready", str_from(ext->id));
        return;
    }
    bool is_news = ext->state != EXTENSION_READY;
    ext->state = EXTENSION_READY;
    ext->waiting = x;
    if (is_news)
        instance_settled(inst);
}

/* ---- errors that it reports ---- */

static void on_error(struct instance *inst, struct exchange *x, struct extension *ext, bool is_init)
{
    struct str type =
        http_header_find(exchange_head(x), STR("lambda-extension-function-error-type"));
    enum extension_state to = is_init ? EXTENSION_INIT_ERROR : EXTENSION_EXIT_ERROR;
    bool can_fail = is_init ? ext->state == EXTENSION_REGISTERED
                            : ext->state == EXTENSION_REGISTERED || ext->state == EXTENSION_READY ||
                                  ext->state == EXTENSION_RUNNING;
    if (type.len == 0) {
        answer_error(x, "Extension.MissingHeader",
                     "Lambda-Extension-Function-Error-Type not found");
        return;
    }
    if (!can_fail && ext->state != to) {
        answer_state(x, ext, state_names[to], str_from(ext->id));
        return;
    }
    ext->state = to;
    if (inst->extensions->error_type == NULL)
        inst->extensions->error_type = is_init ? "Extension.InitError" : "Extension.ExitError";
    answer_accepted(x);
}

/* ---- routes ---- */

enum extension_call { CALL_REGISTER, CALL_NEXT, CALL_INIT_ERROR, CALL_EXIT_ERROR, CALL_NONE };

static const struct {
    struct str path, method;
} calls[] = {
    [CALL_REGISTER] = {STR_INIT("/2020-01-01/extension/register"), STR_INIT("POST")},
    [CALL_NEXT] = {STR_INIT("/2020-01-01/extension/event/next"), STR_INIT("GET")},
    [CALL_INIT_ERROR] = {STR_INIT("/2020-01-01/extension/init/error"), STR_INIT("POST")},
    [CALL_EXIT_ERROR] = {STR_INIT("/2020-01-01/extension/exit/error"), STR_INIT("POST")},
};

static enum extension_call call_of(const struct http_head *head)
{
    enum extension_call call = CALL_REGISTER;
    while (call < CALL_NONE &&
           !(str_eq(head->path, calls[call].path) && str_eq(head->method, calls[call].method)))
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
        answer_error(x, "Extension.MissingExtensionIdentifier",
                     "Missing Lambda-Extension-Identifier header");
    else if (!is_uuid(id))
        answer_error(x, "Extension.InvalidExtensionIdentifier",
                     "Invalid Lambda-Extension-Identifier");
    else
        answer_error(x, "Extension.UnknownExtensionIdentifier", message);
    return NULL;
}

void extensions_answer(struct instance *inst, struct exchange *x)
{
    enum extension_call call = call_of(exchange_head(x));
    if (call == CALL_REGISTER) {
        on_register(inst, x);
        return;
    }
    struct extension *ext = find_caller(inst, x);
    if (ext == NULL)
        return;
    if (call == CALL_NEXT)
        on_next(inst, x, ext);
    else
        on_error(inst, x, ext, call == CALL_INIT_ERROR);
}

/* ---- what instance.c asks ---- */

bool extensions_are_ready(const struct instance *inst)
{
    const struct extensions *exts = inst->extensions;
    for (size_t i = 0; exts != NULL && i < exts->count; i++)
        if (exts->items[i].state != EXTENSION_READY)
            return false;
    return true;
}

unsigned extensions_patience_ms(const struct instance *inst)
{
    const struct extensions *exts = inst->extensions;
    bool is_any = false;
    for (size_t i = 0; exts != NULL && i < exts->count; i++) {
        bool is_registered = exts->items[i].id[0] != '\0';
        if (is_registered && exts->items[i].is_external)
            return EXTENSIONS_EXTERNAL_MS;
        is_any |= is_registered;
    }
    return is_any ? EXTENSIONS_INTERNAL_MS : 0;
}

void extensions_close(struct instance *inst)
{
    if (inst->extensions != NULL)
        inst->extensions->is_closed = true;
}

/* Go's words, as for the runtime (report.c). */
const struct verdict *extensions_verdict(const struct instance *inst,
                                         const struct sandbox_event *event, char *message,
                                         size_t size)
{
    const struct extensions *exts = inst->extensions;
    if (exts == NULL || event->oom_kills > 0)
        return NULL;
    if (event->companion > 0 && event->companion <= exts->count && event->error != 0) {
        struct extension *ext = &inst->extensions->items[event->companion - 1];
        const char *why = event->error == -EACCES    ? "permission denied"
                          : event->error == -ENOEXEC ? "exec format error"
                          : event->error == -ENOENT  ? "no such file or directory"
                                                     : "cannot be executed";
        (void) snprintf(message, size, "fork/exec /opt/extensions/%s: %s", ext->name, why);
        ext->state = EXTENSION_LAUNCH_ERROR;
        return &verdict_extension_launch;
    }
    if (event->companion == 0 && exts->error_type == NULL)
        return NULL;
    if (event->is_signalled || event->status > 0)
        report_end_text(message, size, event);
    else
        (void) snprintf(message, size, "exit code 0");
    return exts->error_type == NULL ? &verdict_extension_crash
           : str_eq(str_from(exts->error_type), STR("Extension.InitError"))
               ? &verdict_extension_init
               : &verdict_extension_exit;
}

void extensions_report(struct instance *inst)
{
    const struct extensions *exts = inst->extensions;
    for (size_t i = 0; exts != NULL && i < exts->count; i++) {
        const struct extension *ext = &exts->items[i];
        const char *events = ext->wants_invoke && ext->wants_shutdown ? "INVOKE, SHUTDOWN"
                             : ext->wants_invoke                      ? "INVOKE"
                             : ext->wants_shutdown                    ? "SHUTDOWN"
                                                                      : "";
        report_extension(inst, ext->name, state_names[ext->state], events);
    }
}

void extensions_free(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    if (exts == NULL)
        return;
    extensions_drain(inst); /* the last words */
    inst->extensions = NULL;
    for (size_t i = 0; i < exts->count; i++)
        if (exts->items[i].waiting != NULL)
            exchange_abort(take_ptr(&exts->items[i].waiting));
    lines_flush(&exts->lines, put_line, inst);
    lines_done(&exts->lines);
    watch_free(exts->output_watch);
    cleanup_close(&exts->output_fd);
    buf_done(&exts->event);
    free(exts);
}
