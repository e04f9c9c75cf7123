/* The platform's lines of a function whose LogFormat is JSON: AWS's system log events, objects with
 * time, type and record, each of a level that the function's SystemLogLevel lets through.
 *
 *     platform.initStart    INFO        platform.initReport   DEBUG, WARN when init failed
 *     platform.extension    INFO
 *     platform.start        INFO        platform.runtimeDone  DEBUG, WARN when not a success
 *     platform.report       INFO, WARN when not a success
 *
 * There is no object of its own for a timeout or an exit: the status of the report tells. Source:
 * Lambda developer guide, "Log-level filtering" and "Telemetry API Event schema reference". */
#include "runtime/runtime_int.h"

#include "data/json.h"
#include "data/time.h"

#include <math.h>

struct record {
    struct json_writer w;
    struct buf line;
};

/* False: the function's level keeps it back. */
static bool begin(struct record *record, const struct instance *inst, enum function_log_level level,
                  const char *type)
{
    if (level < inst->slot.spec->system_log_level)
        return false;
    struct buf time;
    buf_init(&time, 64);
    time_put_iso8601(&time, clock_utc_ms(inst->home->exec->clock), true);
    buf_init(&record->line, 4096);
    json_writer_init(&record->w, &record->line);
    json_object_begin(&record->w);
    json_key(&record->w, STR("time"));
    json_str(&record->w, buf_str(&time));
    json_key(&record->w, STR("type"));
    json_str(&record->w, str_from(type));
    json_key(&record->w, STR("record"));
    json_object_begin(&record->w);
    buf_done(&time);
    return true;
}

static void put_text(struct record *record, const char *key, struct str value)
{
    json_key(&record->w, str_from(key));
    json_str(&record->w, value);
}

/* Milliseconds with AWS's three decimals. */
static void put_ms(struct record *record, const char *key, int64_t us)
{
    json_key(&record->w, str_from(key));
    json_double(&record->w, round((double) us) / 1000);
}

static void put_number(struct record *record, const char *key, int64_t value)
{
    json_key(&record->w, str_from(key));
    json_i64(&record->w, value);
}

static void put_status(struct record *record, const char *status, const char *type)
{
    put_text(record, "status", str_from(status));
    if (type != NULL)
        put_text(record, "errorType", str_from(type));
}

static void end(struct record *record, struct instance *inst,
                void (*say)(struct instance *inst, struct str text))
{
    json_object_end(&record->w);
    json_object_end(&record->w);
    buf_put_char(&record->line, '\n');
    say(inst, buf_str(&record->line));
    buf_done(&record->line);
}

void report_json_init_start(struct instance *inst)
{
    const struct function_spec *spec = inst->slot.spec;
    struct record record;
    if (!begin(&record, inst, FUNCTION_LOG_INFO, "platform.initStart"))
        return;
    put_text(&record, "initializationType", STR("on-demand"));
    put_text(&record, "phase", STR("init"));
    put_text(&record, "runtimeVersion", spec->runtime_version);
    put_text(&record, "runtimeVersionArn", spec->runtime_version_arn);
    put_text(&record, "functionName", spec->name);
    put_text(&record, "functionVersion", spec->version);
    end(&record, inst, output_log);
}

/* Ours: AWS has no such event. */
void report_json_note(struct instance *inst)
{
    struct str note = inst->slot.spec->runtime_note;
    struct record record;
    if (note.ptr == NULL || !begin(&record, inst, FUNCTION_LOG_WARN, "virga.runtimeNote"))
        return;
    put_text(&record, "message", note);
    end(&record, inst, output_log);
}

void report_json_init(struct instance *inst, const char *status, const char *type)
{
    struct record record;
    bool is_success = strcmp(status, "success") == 0;
    if (!begin(&record, inst, is_success ? FUNCTION_LOG_DEBUG : FUNCTION_LOG_WARN,
               "platform.initReport"))
        return;
    put_text(&record, "initializationType", STR("on-demand"));
    put_text(&record, "phase", inst->is_retry ? STR("invoke") : STR("init"));
    put_status(&record, status, type);
    json_key(&record.w, STR("metrics"));
    json_object_begin(&record.w);
    put_ms(&record, "durationMs", exec_now_us(inst->home->exec) - inst->made_us);
    json_object_end(&record.w);
    end(&record, inst, output_log);
}

void report_json_extension(struct instance *inst, const char *name, const char *state,
                           const char *events)
{
    struct record record;
    struct str list = str_from(events), event;
    if (!begin(&record, inst, FUNCTION_LOG_INFO, "platform.extension"))
        return;
    put_text(&record, "name", str_from(name));
    put_text(&record, "state", str_from(state));
    json_key(&record.w, STR("events"));
    json_array_begin(&record.w);
    while (list.len > 0 && str_split(&list, ',', &event))
        json_str(&record.w, str_trim(event));
    json_array_end(&record.w);
    end(&record, inst, output_log);
}

void report_json_start(struct instance *inst, const struct invocation *inv)
{
    struct record record;
    if (!begin(&record, inst, FUNCTION_LOG_INFO, "platform.start"))
        return;
    put_text(&record, "requestId", inv->request_id);
    put_text(&record, "version", inv->spec->version);
    end(&record, inst, output_say);
}

static void runtime_done(struct instance *inst, const struct invocation *inv, const char *status,
                         const char *type)
{
    struct record record;
    bool is_success = type == NULL;
    if (!begin(&record, inst, is_success ? FUNCTION_LOG_DEBUG : FUNCTION_LOG_WARN,
               "platform.runtimeDone"))
        return;
    put_text(&record, "requestId", inv->request_id);
    put_status(&record, status, type);
    json_key(&record.w, STR("metrics"));
    json_object_begin(&record.w);
    put_ms(&record, "durationMs", inv->run_us);
    put_number(&record, "producedBytes", (int64_t) inv->answer.len);
    json_object_end(&record.w);
    end(&record, inst, output_say);
}

void report_json_end(struct instance *inst, const struct invocation *inv,
                     const struct verdict *verdict)
{
    const char *status = verdict->status == NULL ? "success" : verdict->status;
    struct record record;
    runtime_done(inst, inv, status, verdict->type);
    if (!begin(&record, inst, verdict->type == NULL ? FUNCTION_LOG_INFO : FUNCTION_LOG_WARN,
               "platform.report"))
        return;
    put_text(&record, "requestId", inv->request_id);
    json_key(&record.w, STR("metrics"));
    json_object_begin(&record.w);
    put_ms(&record, "durationMs", inv->run_us);
    put_number(&record, "billedDurationMs", inv->billed_ms);
    put_number(&record, "memorySizeMB", inv->spec->memory_mb);
    put_number(&record, "maxMemoryUsedMB", report_memory_used_mb(inv));
    if (inv->restore_us > 0)
        put_ms(&record, "restoreDurationMs", inv->restore_us);
    else if (inv->is_cold)
        put_ms(&record, "initDurationMs", inv->boot_us + inv->init_us);
    json_object_end(&record.w);
    put_status(&record, status, verdict == &verdict_timeout ? NULL : verdict->type);
    end(&record, inst, output_say);
}
