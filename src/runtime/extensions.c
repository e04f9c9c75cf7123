/* Extensions of one instance: programs beside the runtime, and the API that they speak.
 *
 *     POST /2020-01-01/extension/register      name and events; the identifier of all that follows
 *     GET  /2020-01-01/extension/event/next    waits for INVOKE or SHUTDOWN
 *     POST /2020-01-01/extension/init/error    it cannot start; it should end
 *     POST /2020-01-01/extension/exit/error    it cannot go on; it should end
 *
 *              register               next              INVOKE, SHUTDOWN
 *     STARTED ─────────→ REGISTERED ───────→ READY ───────────────────→ RUNNING
 *                          │ init/error        ↑           next            │ exit/error
 *                          ↓                   └───────────────────────────┤
 *                      INIT_ERROR                                          ↓
 *                                                                     EXIT_ERROR
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
#include "runtime/extensions_int.h"

#include "base/mem.h"

#include <errno.h>

const char *const extension_state_names[] = {
    [EXTENSION_STARTED] = "Started",
    [EXTENSION_REGISTERED] = "Registered",
    [EXTENSION_READY] = "Ready",
    [EXTENSION_RUNNING] = "Running",
    [EXTENSION_INIT_ERROR] = "InitError",
    [EXTENSION_EXIT_ERROR] = "ExitError",
    [EXTENSION_LAUNCH_ERROR] = "LaunchError",
};

struct extensions *extensions_of(struct instance *inst)
{
    if (inst->extensions != NULL)
        return inst->extensions;
    struct extensions *exts = inst->extensions = NEW(struct extensions);
    exts->output_fd = -1;
    exts->is_runtime_started = true;
    buf_init(&exts->event, EXTENSION_EVENT_MAX);
    lines_init(&exts->lines);
    return exts;
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
        report_extension(inst, ext->name, extension_state_names[ext->state], events);
    }
}

void extensions_free(struct instance *inst)
{
    struct extensions *exts = inst->extensions;
    if (exts == NULL)
        return;
    extensions_output_done(inst);
    inst->extensions = NULL;
    for (size_t i = 0; i < exts->count; i++)
        if (exts->items[i].waiting != NULL)
            exchange_abort(take_ptr(&exts->items[i].waiting));
    buf_done(&exts->event);
    free(exts);
}
