/* What the platform says to callers in the function's place, in AWS's words: the error objects of
 * timeouts, exits and oversize answers, and the START, END and REPORT lines of the log.
 *
 *     START RequestId: <id> Version: $LATEST
 *     ... the function's own output ...
 *     END RequestId: <id>
 *     REPORT RequestId: <id>\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t
 *         Max Memory Used: 33 MB\tInit Duration: 12.34 ms\t[Status: timeout]
 *
 * Billed is the run rounded up to a millisecond; the first invocation of an instance pays for its
 * init too (AWS, since August 2025). Init Duration covers the boot of the language and the user's
 * init. Texts: observed in public logs of Lambda, 2024 to 2026; "Status" appears where the platform
 * ended the invocation, not for errors that the function reported itself. */
#include "runtime/runtime_int.h"
#include "runtime/telemetry.h"

#include "data/json.h"
#include "data/time.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>

const struct verdict verdict_none = {NULL, NULL};
const struct verdict verdict_timeout = {"Sandbox.Timedout", "timeout"};
const struct verdict verdict_exit = {"Runtime.ExitError", "error"};
const struct verdict verdict_out_of_memory = {"Runtime.OutOfMemory", "error"};
const struct verdict verdict_entrypoint = {"Runtime.InvalidEntrypoint", "error"};
const struct verdict verdict_truncated = {"Runtime.TruncatedResponse", NULL};
const struct verdict verdict_extension_crash = {"Extension.Crash", "error"};
const struct verdict verdict_extension_launch = {"Extension.LaunchError", "error"};
const struct verdict verdict_extension_init = {"Extension.InitError", "error"};
const struct verdict verdict_extension_exit = {"Extension.ExitError", "error"};

/* ---- error objects ---- */

void report_error(struct buf *out, const struct verdict *verdict, struct str request_id,
                  const char *message)
{
    struct json_writer w;
    char text[256];
    (void) snprintf(text, sizeof text, "RequestId: " STR_FMT " Error: %s", STR_ARG(request_id),
                    message);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, STR("errorType"));
    json_str(&w, str_from(verdict->type));
    json_key(&w, STR("errorMessage"));
    json_str(&w, str_from(text));
    json_object_end(&w);
}

void report_oversize(struct buf *out, uint64_t size_max)
{
    buf_reset(out); /* it says that it was too small */
    buf_printf(out,
               "{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size "
               "(%" PRIu64 " bytes).\",\"errorType\":\"Function.ResponseSizeTooLarge\"}",
               size_max);
}

/* Names as Go's syscall package has them, since Lambda's supervisor prints those. */
static const char *signal_text(int number)
{
    switch (number) {
    case SIGHUP: return "hangup";
    case SIGINT: return "interrupt";
    case SIGQUIT: return "quit";
    case SIGILL: return "illegal instruction";
    case SIGTRAP: return "trace/breakpoint trap";
    case SIGABRT: return "aborted";
    case SIGBUS: return "bus error";
    case SIGFPE: return "floating point exception";
    case SIGKILL: return "killed";
    case SIGUSR1: return "user defined signal 1";
    case SIGSEGV: return "segmentation fault";
    case SIGUSR2: return "user defined signal 2";
    case SIGPIPE: return "broken pipe";
    case SIGALRM: return "alarm clock";
    case SIGTERM: return "terminated";
    default: return NULL;
    }
}

void report_end_text(char *out, size_t size, const struct sandbox_event *event)
{
    const char *name = event->is_signalled ? signal_text(event->status) : NULL;
    if (name != NULL)
        (void) snprintf(out, size, "signal: %s", name);
    else
        (void) snprintf(out, size, "%s %d", event->is_signalled ? "signal" : "exit status",
                        event->status);
}

void report_exit_text(char *out, size_t size, const struct sandbox_event *event)
{
    char how[64];
    report_end_text(how, sizeof how, event);
    if (event->is_signalled || event->status > 0)
        (void) snprintf(out, size, "Runtime exited with error: %s", how);
    else
        (void) snprintf(out, size, "Runtime exited without providing a reason");
}

/* AWS says the first when there is no such file at all (observed); else what Go's os/exec says. */
bool report_entrypoint_text(char *out, size_t size, const struct function_spec *spec, int error)
{
    const char *why = error == -EACCES    ? "permission denied"
                      : error == -ENOEXEC ? "exec format error"
                      : error == -ENOENT  ? "no such file or directory" /* or its interpreter */
                                          : NULL;
    if (spec->kind == RUNTIME_PROVIDED && !spec->has_bootstrap && error == -ENOENT)
        (void) snprintf(out, size,
                        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]");
    else if (why != NULL)
        (void) snprintf(out, size, "fork/exec %s: %s", start_program(spec), why);
    return why != NULL;
}

/* ---- lines ---- */

bool report_is_wanted(const struct instance *inst, const struct invocation *inv)
{
    return inv->wants_log_tail || inst->home->runtime->config.log_sink != NULL ||
           inst->telemetry != NULL;
}

/* An interpreter that is not the one the function asked for is a reason to read its log. */
static void report_note(struct instance *inst)
{
    struct str note = inst->slot.spec->runtime_note;
    char line[256];
    if (note.ptr == NULL)
        return;
    int n = snprintf(line, sizeof line, "[WARN] " STR_FMT "\n", STR_ARG(note));
    output_log(inst, str_head(str_of(line, (size_t) n), sizeof line - 1));
}

/* The version's ARN ends with the hash that GetFunctionConfiguration shows. */
void report_init_start(struct instance *inst)
{
    const struct function_spec *spec = inst->slot.spec;
    char line[512];
    telemetry_begin(inst);
    report_json_init_start(inst);
    report_json_note(inst);
    if (spec->is_log_json)
        return;
    int n = snprintf(line, sizeof line,
                     "INIT_START Runtime Version: " STR_FMT "\tRuntime Version ARN: " STR_FMT "\n",
                     STR_ARG(spec->runtime_version), STR_ARG(spec->runtime_version_arn));
    output_log(inst, str_head(str_of(line, (size_t) n), sizeof line - 1));
    report_note(inst);
}

/* "errorType" of an error object, which is a function's word: at most `size` of it. */
static void error_type(struct str error, char *out, size_t size)
{
    AUTO_ARENA struct arena arena;
    struct json_reader r;
    arena_init(&arena, 64 * 1024);
    json_reader_init(&r, error, &arena);
    r.is_lenient = true;
    enum json_token tok;
    bool is_next = false;
    while ((tok = json_next(&r)) != JSON_END && tok != JSON_ERROR) {
        if (is_next && tok == JSON_STRING) {
            (void) snprintf(out, size, STR_FMT, STR_ARG(r.text));
            return;
        }
        is_next = tok == JSON_KEY && str_eq(r.text, STR("errorType"));
    }
    (void) snprintf(out, size, "Runtime.Unknown");
}

/* error_or_empty: the error object of an init that failed; empty: its time was over. */
void report_init_failed(struct instance *inst, struct str error_or_empty)
{
    char line[256], type[96] = "";
    int64_t init_us = exec_now_us(inst->home->exec) - inst->made_us;
    if (error_or_empty.len > 0)
        error_type(error_or_empty, type, sizeof type);
    const char *status = type[0] == '\0' ? "timeout" : "error";
    const char *type_or_null = type[0] == '\0' ? NULL : type;
    report_init_runtime_done(inst, status, type_or_null);
    report_json_init(inst, status, type_or_null);
    telemetry_close(inst);
    if (inst->slot.spec->is_log_json)
        return;
    int n = snprintf(line, sizeof line,
                     "INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s%s%s\n",
                     (double) init_us / 1000, inst->is_retry ? "invoke" : "init", status,
                     type_or_null == NULL ? "" : "\tError Type: ", type);
    output_log(inst, str_head(str_of(line, (size_t) n), sizeof line - 1));
}

/* Text has no line for it, nor for the next. */
void report_init_runtime_done(struct instance *inst, const char *status, const char *type)
{
    if (inst->has_init_run)
        return;
    inst->has_init_run = true;
    report_json_init_runtime_done(inst, status, type);
}

void report_init_done(struct instance *inst)
{
    report_json_init(inst, "success", NULL);
    telemetry_close(inst);
}

void report_start(struct instance *inst, const struct invocation *inv)
{
    char line[256];
    report_json_start(inst, inv);
    if (inv->spec->is_log_json)
        return;
    int n = snprintf(line, sizeof line, "START RequestId: " STR_FMT " Version: " STR_FMT "\n",
                     STR_ARG(inv->request_id), STR_ARG(inv->spec->version));
    output_say(inst, str_head(str_of(line, (size_t) n), sizeof line - 1));
}

/* Rounded up to whole MB as AWS shows it, never above what the function may use. */
unsigned report_memory_used_mb(const struct invocation *inv)
{
    uint64_t mb = (inv->memory_peak_bytes + (1 << 20) - 1) >> 20;
    return (unsigned) (mb < inv->spec->memory_mb ? mb : inv->spec->memory_mb);
}

static void facts_of(const struct instance *inst, const struct invocation *inv,
                     const struct verdict *verdict, struct report_facts *out)
{
    int64_t now_us = exec_now_us(inst->home->exec);
    bool has_response = inv->answer_us > 0 && verdict->status == NULL;
    bool is_sampled = str_find_str(inv->trace_id, STR("Sampled=1")) < inv->trace_id.len;
    *out = (struct report_facts){
        .status = verdict->status == NULL ? "success" : verdict->status,
        .error_type = verdict->type,
        .report_error_type = verdict == &verdict_timeout ? NULL : verdict->type,
        .began_ms = clock_utc_ms(inst->home->exec->clock) - (now_us - inv->sent_us) / 1000,
        .answered_at_us = now_us,
        .latency_us = inv->answer_us - inv->sent_us,
        .response_us = inv->sent_us + inv->run_us - inv->answer_us,
        .overhead_us = instance_speaks_http(inst) ? -1 : 0, /* a frame says both at once */
        .run_us = inv->run_us,
        .billed_ms = inv->billed_ms,
        .init_us = inv->is_cold ? inv->boot_us + inv->init_us : 0,
        .restore_us = inv->restore_us,
        .produced_bytes = inv->is_streamed ? inv->stream.bytes : inv->answer.len,
        .memory_mb = inv->spec->memory_mb,
        .memory_used_mb = report_memory_used_mb(inv),
        .has_response = has_response};
    (void) snprintf(out->request_id, sizeof out->request_id, STR_FMT, STR_ARG(inv->request_id));
    if (is_sampled && inv->trace_id.len < sizeof out->trace_id)
        (void) snprintf(out->trace_id, sizeof out->trace_id, STR_FMT, STR_ARG(inv->trace_id));
}

void report_end(struct instance *inst, const struct invocation *inv, const struct verdict *verdict)
{
    struct buf line;
    if (inv->spec->is_log_json || inst->telemetry != NULL) {
        struct report_facts facts;
        facts_of(inst, inv, verdict, &facts);
        report_json_done(inst, &facts, REPORT_TO_LOG);
        telemetry_done(inst, &facts);
    }
    if (inv->spec->is_log_json)
        return;
    buf_init(&line, 1024);
    buf_printf(&line, "END RequestId: " STR_FMT "\n", STR_ARG(inv->request_id));
    output_say(inst, buf_str(&line));
    buf_reset(&line);
    buf_printf(&line,
               "REPORT RequestId: " STR_FMT "\tDuration: %.2f ms\tBilled Duration: %lld ms\t"
               "Memory Size: %u MB\tMax Memory Used: %u MB\t",
               STR_ARG(inv->request_id), (double) inv->run_us / 1000, (long long) inv->billed_ms,
               inv->spec->memory_mb, report_memory_used_mb(inv));
    if (inv->restore_us > 0)
        buf_printf(&line, "Restore Duration: %.2f ms\tBilled Restore Duration: %lld ms\t",
                   (double) inv->restore_us / 1000, (long long) (inv->restore_us + 999) / 1000);
    else if (inv->is_cold)
        buf_printf(&line, "Init Duration: %.2f ms\t",
                   (double) (inv->boot_us + inv->init_us) / 1000);
    if (verdict->status != NULL)
        buf_printf(&line, "Status: %s", verdict->status);
    if (verdict->status != NULL && verdict != &verdict_timeout)
        buf_printf(&line, "\tError Type: %s", verdict->type);
    buf_put_char(&line, '\n');
    output_say(inst, buf_str(&line));
    buf_done(&line);
}

void report_extension(struct instance *inst, const char *name, const char *state,
                      const char *events)
{
    char line[320];
    report_json_extension(inst, name, state, events);
    if (inst->slot.spec->is_log_json)
        return;
    int n = snprintf(line, sizeof line, "EXTENSION\tName: %s\tState: %s\tEvents: [%s]\n", name,
                     state, events);
    output_log(inst, str_head(str_of(line, (size_t) n), sizeof line - 1));
}

static const char *type_word(unsigned type)
{
    return type == TELEMETRY_PLATFORM   ? "Platform"
           : type == TELEMETRY_FUNCTION ? "Function"
                                        : "Extension";
}

void report_subscription(struct instance *inst, enum telemetry_api api, const char *name,
                         const char *state, unsigned types)
{
    struct buf line;
    report_json_subscription(inst, api, name, state, types);
    if (inst->slot.spec->is_log_json)
        return;
    buf_init(&line, 512);
    buf_printf(&line, "%s\tName: %s\tState: %s\tTypes: [",
               api == TELEMETRY_LOGS_API ? "LOGS" : "TELEMETRY", name, state);
    const char *comma = "";
    for (unsigned type = TELEMETRY_PLATFORM; type <= TELEMETRY_EXTENSION; type <<= 1)
        if ((types & type) != 0) {
            buf_printf(&line, "%s%s", comma, type_word(type));
            comma = ", ";
        }
    buf_put(&line, STR("]\n"));
    output_log(inst, buf_str(&line));
    buf_done(&line);
}

void report_timeout(struct instance *inst, const struct invocation *inv)
{
    struct buf line;
    buf_init(&line, 512);
    time_put_iso8601(&line, clock_utc_ms(inst->home->exec->clock), true);
    buf_printf(&line, " " STR_FMT " Task timed out after %.2f seconds\n\n",
               STR_ARG(inv->request_id), (double) inv->spec->timeout_ms / 1000);
    report_json_fault(inst, buf_str(&line));
    if (!inv->spec->is_log_json) /* there its report tells */
        output_say(inst, buf_str(&line));
    buf_done(&line);
}

void report_exit(struct instance *inst, const struct invocation *inv, const struct verdict *verdict,
                 const char *message)
{
    char line[320];
    const char *type = verdict == &verdict_out_of_memory ? verdict_exit.type /* as AWS's lines */
                                                         : verdict->type;
    int n = snprintf(line, sizeof line, "RequestId: " STR_FMT " Error: %s\n%s\n",
                     STR_ARG(inv->request_id), message, type);
    struct str text = str_head(str_of(line, (size_t) n), sizeof line - 1);
    report_json_fault(inst, text);
    if (!inv->spec->is_log_json) /* there its report tells */
        output_say(inst, text);
}

/* The last 4 KB of the instance's log go with the invocation. */
void report_tail(struct instance *inst, struct invocation *inv)
{
    if (!inv->wants_log_tail)
        return;
    inv->tail = inst->log;
    buf_init(&inst->log, 2 * LOG_TAIL_SIZE);
    struct str tail = buf_str(&inv->tail);
    inv->log_tail = str_skip(tail, tail.len > LOG_TAIL_SIZE ? tail.len - LOG_TAIL_SIZE : 0);
}
