/* What the platform says about an instance, as AWS's objects with time, type and record: lines of
 * the log for a function whose LogFormat is JSON, each of a level that its SystemLogLevel lets
 * through, and events for extensions that subscribed to them (telemetry.c), which get all of them.
 * Each is written once for whoever wants it, and not at all when nobody does.
 *
 *     platform.initStart, .restoreStart                 INFO
 *     platform.initRuntimeDone, .restoreRuntimeDone     DEBUG, WARN when not a success
 *     platform.initReport                               DEBUG, WARN when not a success
 *     platform.restoreReport                            INFO, WARN when not a success
 *     platform.extension, .telemetrySubscription, .logsSubscription    INFO
 *     platform.start                                    INFO
 *     platform.runtimeDone                              DEBUG, WARN when not a success
 *     platform.report                                   INFO, WARN when not a success
 *     platform.logsDropped                              WARN
 *     platform.end, .fault                              the Logs API's alone
 *
 * There is no object of its own for a timeout or an exit: the status of the report tells. Source:
 * Lambda developer guide, "Log-level filtering", "Telemetry API Event schema reference" and "Lambda
 * Logs API"; members that it leaves open (instanceId, instanceMaxMemory) as observed. */
#include "runtime/runtime_int.h"
#include "runtime/telemetry.h"

#include "data/json.h"
#include "data/time.h"

#include <math.h>

struct record {
    struct json_writer w;
    struct buf line;
    unsigned to; /* REPORT_TO_LOG, bits of telemetry_schema */
};

/* False: nobody of `to` wants it. The record's value comes next. */
static bool begin_value(struct record *record, const struct instance *inst, unsigned to,
                        enum function_log_level level, const char *type)
{
    const struct function_spec *spec = inst->slot.spec;
    bool is_logged = spec->is_log_json && level >= spec->system_log_level;
    record->to = to & ((is_logged ? (unsigned) REPORT_TO_LOG : 0) |
                       telemetry_wants(inst, TELEMETRY_PLATFORM));
    if (record->to == 0)
        return false;
    AUTO_BUF struct buf time;
    buf_init(&time, 64);
    time_put_iso8601(&time, clock_utc_ms(inst->home->exec->clock), true);
    buf_init(&record->line, 8192);
    json_writer_init(&record->w, &record->line);
    json_object_begin(&record->w);
    json_key(&record->w, STR("time"));
    json_str(&record->w, buf_str(&time));
    json_key(&record->w, STR("type"));
    json_str(&record->w, str_from(type));
    json_key(&record->w, STR("record"));
    return true;
}

static bool begin(struct record *record, const struct instance *inst, unsigned to,
                  enum function_log_level level, const char *type)
{
    bool is_wanted = begin_value(record, inst, to, level, type);
    if (is_wanted)
        json_object_begin(&record->w);
    return is_wanted;
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

typedef void (*say_fn)(struct instance *inst, struct str text);

static void end_value(struct record *record, struct instance *inst, say_fn say)
{
    unsigned schemas = record->to & SCHEMAS_ALL;
    json_object_end(&record->w);
    output_end_line(inst);
    if (schemas != 0)
        telemetry_put(inst, TELEMETRY_PLATFORM, schemas, buf_str(&record->line));
    buf_put_char(&record->line, '\n');
    if ((record->to & REPORT_TO_LOG) != 0)
        say(inst, buf_str(&record->line));
    buf_done(&record->line);
}

static void end(struct record *record, struct instance *inst, say_fn say)
{
    json_object_end(&record->w);
    end_value(record, inst, say);
}

enum { TO_TELEMETRY = REPORT_TO_LOG | SCHEMAS_TELEMETRY, TO_ALL = REPORT_TO_LOG | SCHEMAS_ALL };

/* ---- init ---- */

static bool is_restored(const struct instance *inst)
{
    return inst->copied_from == COPIED_FROM_SNAPSHOT;
}

static void put_init(struct record *record, const struct instance *inst)
{
    if (is_restored(inst))
        return;
    put_text(record, "initializationType", STR("on-demand"));
    put_text(record, "phase", inst->is_retry ? STR("invoke") : STR("init"));
}

void report_json_init_start(struct instance *inst)
{
    const struct function_spec *spec = inst->slot.spec;
    struct record record;
    if (!begin(&record, inst, TO_TELEMETRY, FUNCTION_LOG_INFO,
               is_restored(inst) ? "platform.restoreStart" : "platform.initStart"))
        return;
    put_init(&record, inst);
    put_text(&record, "runtimeVersion", spec->runtime_version);
    put_text(&record, "runtimeVersionArn", spec->runtime_version_arn);
    put_text(&record, "functionName", spec->name);
    put_text(&record, "functionVersion", spec->version);
    put_text(&record, "instanceId", str_from(inst->log_stream));
    put_number(&record, "instanceMaxMemory", (int64_t) spec->memory_mb << 20);
    end(&record, inst, output_log);
}

/* Ours: AWS has no such event. */
void report_json_note(struct instance *inst)
{
    struct str note = inst->slot.spec->runtime_note;
    struct record record;
    if (note.ptr == NULL ||
        !begin(&record, inst, REPORT_TO_LOG, FUNCTION_LOG_WARN, "virga.runtimeNote"))
        return;
    put_text(&record, "message", note);
    end(&record, inst, output_log);
}

static bool is_success(const char *status)
{
    return strcmp(status, "success") == 0;
}

void report_json_init_runtime_done(struct instance *inst, const char *status, const char *type)
{
    struct record record;
    if (!begin(&record, inst, TO_TELEMETRY,
               is_success(status) ? FUNCTION_LOG_DEBUG : FUNCTION_LOG_WARN,
               is_restored(inst) ? "platform.restoreRuntimeDone" : "platform.initRuntimeDone"))
        return;
    put_init(&record, inst);
    put_status(&record, status, type);
    end(&record, inst, output_log);
}

void report_json_init(struct instance *inst, const char *status, const char *type)
{
    struct record record;
    enum function_log_level level = is_restored(inst) ? FUNCTION_LOG_INFO : FUNCTION_LOG_DEBUG;
    if (!begin(&record, inst, TO_TELEMETRY, is_success(status) ? level : FUNCTION_LOG_WARN,
               is_restored(inst) ? "platform.restoreReport" : "platform.initReport"))
        return;
    put_init(&record, inst);
    put_status(&record, status, type);
    json_key(&record.w, STR("metrics"));
    json_object_begin(&record.w);
    put_ms(&record, "durationMs", exec_now_us(inst->home->exec) - inst->made_us);
    json_object_end(&record.w);
    end(&record, inst, output_log);
}

/* ---- extensions ---- */

void report_json_extension(struct instance *inst, const char *name, const char *state,
                           const char *events)
{
    struct record record;
    struct str list = str_from(events), event;
    if (!begin(&record, inst, TO_ALL, FUNCTION_LOG_INFO, "platform.extension"))
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

void report_json_subscription(struct instance *inst, enum telemetry_api api, const char *name,
                              const char *state, unsigned types)
{
    struct record record;
    bool is_logs = api == TELEMETRY_LOGS_API;
    if (!begin(&record, inst, is_logs ? REPORT_TO_LOG | SCHEMAS_LOGS : TO_TELEMETRY,
               FUNCTION_LOG_INFO,
               is_logs ? "platform.logsSubscription" : "platform.telemetrySubscription"))
        return;
    put_text(&record, "name", str_from(name));
    put_text(&record, "state", str_from(state));
    json_key(&record.w, STR("types"));
    json_array_begin(&record.w);
    for (unsigned type = TELEMETRY_PLATFORM; type <= TELEMETRY_EXTENSION; type <<= 1)
        if ((types & type) != 0)
            json_str(&record.w, str_from(telemetry_type_name(type)));
    json_array_end(&record.w);
    end(&record, inst, output_log);
}

void report_json_logs_dropped(struct instance *inst, uint64_t items, uint64_t bytes,
                              const char *reason)
{
    struct record record;
    if (!begin(&record, inst, TO_ALL, FUNCTION_LOG_WARN, "platform.logsDropped"))
        return;
    put_text(&record, "reason", str_from(reason));
    put_number(&record, "droppedRecords", (int64_t) items);
    put_number(&record, "droppedBytes", (int64_t) bytes);
    end(&record, inst, output_log);
}

/* ---- invocations ---- */

/* As on AWS, of a trace that is recorded: its "Root=...;Parent=...;Sampled=1". */
static void put_tracing(struct record *record, struct str trace_id)
{
    static const struct str parent = STR_INIT("Parent=");
    if (str_find_str(trace_id, STR("Sampled=1")) == trace_id.len)
        return;
    struct str span = str_skip(trace_id, str_find_str(trace_id, parent));
    span = str_skip(span, parent.len);
    json_key(&record->w, STR("tracing"));
    json_object_begin(&record->w);
    if (span.len > 0)
        put_text(record, "spanId", str_head(span, str_find(span, ';')));
    put_text(record, "type", STR("X-Amzn-Trace-Id"));
    put_text(record, "value", trace_id);
    json_object_end(&record->w);
}

void report_json_start(struct instance *inst, const struct invocation *inv)
{
    struct record record;
    if (!begin(&record, inst, TO_ALL, FUNCTION_LOG_INFO, "platform.start"))
        return;
    put_text(&record, "requestId", inv->request_id);
    put_text(&record, "version", inv->spec->version);
    put_tracing(&record, str_head(inv->trace_id, REPORT_TRACE_MAX - 1));
    end(&record, inst, output_say);
}

static void put_span(struct record *record, const char *name, int64_t at_us,
                     const struct report_facts *facts, int64_t duration_us)
{
    AUTO_BUF struct buf time;
    buf_init(&time, 64);
    time_put_iso8601(&time, facts->began_ms + at_us / 1000, true);
    json_object_begin(&record->w);
    put_text(record, "name", str_from(name));
    put_text(record, "start", buf_str(&time));
    put_ms(record, "durationMs", duration_us);
    json_object_end(&record->w);
}

static void put_spans(struct record *record, const struct report_facts *facts)
{
    int64_t end_us = facts->latency_us + facts->response_us;
    if (!facts->has_response)
        return;
    json_key(&record->w, STR("spans"));
    json_array_begin(&record->w);
    put_span(record, "responseLatency", 0, facts, facts->latency_us);
    put_span(record, "responseDuration", facts->latency_us, facts, facts->response_us);
    if (facts->overhead_us >= 0)
        put_span(record, "runtimeOverhead", end_us, facts, facts->overhead_us);
    json_array_end(&record->w);
}

static void runtime_done(struct instance *inst, const struct report_facts *facts, unsigned to)
{
    struct record record;
    bool is_fine = facts->error_type == NULL;
    if (!begin(&record, inst, to & TO_TELEMETRY, is_fine ? FUNCTION_LOG_DEBUG : FUNCTION_LOG_WARN,
               "platform.runtimeDone"))
        return;
    put_text(&record, "requestId", str_from(facts->request_id));
    put_status(&record, facts->status, facts->error_type);
    json_key(&record.w, STR("metrics"));
    json_object_begin(&record.w);
    put_ms(&record, "durationMs",
           facts->run_us + (facts->overhead_us > 0 ? facts->overhead_us : 0));
    put_number(&record, "producedBytes", (int64_t) facts->produced_bytes);
    json_object_end(&record.w);
    put_spans(&record, facts);
    put_tracing(&record, str_from(facts->trace_id));
    end(&record, inst, output_say);
}

/* The Logs API knows success, failure and timeout. */
static void logs_runtime_done(struct instance *inst, const struct report_facts *facts, unsigned to)
{
    struct record record;
    bool is_error = strcmp(facts->status, "error") == 0;
    if (!begin(&record, inst, to & SCHEMA_LOGS_2021, FUNCTION_LOG_DEBUG, "platform.runtimeDone"))
        return;
    put_text(&record, "requestId", str_from(facts->request_id));
    put_status(&record, is_error ? "failure" : facts->status, NULL);
    end(&record, inst, output_say);
}

static void invocation_end(struct instance *inst, const struct report_facts *facts, unsigned to)
{
    struct record record;
    if (!begin(&record, inst, to & SCHEMAS_LOGS, FUNCTION_LOG_INFO, "platform.end"))
        return;
    put_text(&record, "requestId", str_from(facts->request_id));
    end(&record, inst, output_say);
}

static void invocation_report(struct instance *inst, const struct report_facts *facts, unsigned to)
{
    struct record record;
    if (!begin(&record, inst, to, facts->error_type == NULL ? FUNCTION_LOG_INFO : FUNCTION_LOG_WARN,
               "platform.report"))
        return;
    put_text(&record, "requestId", str_from(facts->request_id));
    json_key(&record.w, STR("metrics"));
    json_object_begin(&record.w);
    put_ms(&record, "durationMs", facts->run_us);
    put_number(&record, "billedDurationMs", facts->billed_ms);
    put_number(&record, "memorySizeMB", facts->memory_mb);
    put_number(&record, "maxMemoryUsedMB", facts->memory_used_mb);
    if (facts->restore_us > 0)
        put_ms(&record, "restoreDurationMs", facts->restore_us);
    else if (facts->init_us > 0)
        put_ms(&record, "initDurationMs", facts->init_us);
    json_object_end(&record.w);
    put_status(&record, facts->status, facts->report_error_type);
    put_tracing(&record, str_from(facts->trace_id));
    end(&record, inst, output_say);
}

void report_json_done(struct instance *inst, const struct report_facts *facts, unsigned to)
{
    runtime_done(inst, facts, to);
    logs_runtime_done(inst, facts, to);
    invocation_end(inst, facts, to);
    invocation_report(inst, facts, to);
}

void report_json_fault(struct instance *inst, struct str text)
{
    struct record record;
    if (!begin_value(&record, inst, SCHEMAS_LOGS, FUNCTION_LOG_WARN, "platform.fault"))
        return;
    json_str(&record.w, text);
    end_value(&record, inst, output_say);
}
