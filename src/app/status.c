/* The answer of /_virga/status: figures go from the runtime to the gateway, which know nothing of
 * each other. The writer is filled on one loop after the other, never on two at once. */
#include "app/services.h"
#include "base/mem.h"
#include "gateway/gateway.h"

struct asking {
    struct figures_ask ask;
    struct json_writer writer;
    struct gateway_status *status; /* borrowed until it is done */
};

static void put_text(struct json_writer *w, struct str key, struct str value)
{
    json_key(w, key);
    json_str(w, value);
}

static void put_number(struct json_writer *w, struct str key, uint64_t value)
{
    json_key(w, key);
    json_u64(w, value);
}

static void put_ms(struct json_writer *w, struct str key, int64_t value_us)
{
    json_key(w, key);
    json_double(w, (double) value_us / 1000);
}

static void put_function(void *arg, const struct function_figures *figures)
{
    struct asking *asking = arg;
    struct json_writer *w = &asking->writer;
    const struct function_spec *spec = figures->spec;
    json_object_begin(w);
    put_text(w, STR("name"), spec->name);
    put_text(w, STR("version"), spec->version);
    put_text(w, STR("account"), spec->account);
    put_text(w, STR("region"), spec->region);
    put_text(w, STR("runtime"), spec->runtime_id);
    put_number(w, STR("memoryMb"), spec->memory_mb);
    put_number(w, STR("instances"), figures->instances);
    put_number(w, STR("starting"), figures->starting);
    put_number(w, STR("idle"), figures->idle);
    put_number(w, STR("busy"), figures->busy);
    put_number(w, STR("queued"), figures->queued);
    put_number(w, STR("calls"), figures->calls);
    put_number(w, STR("errors"), figures->errors);
    put_number(w, STR("throttles"), figures->throttles);
    put_number(w, STR("coldStarts"), figures->cold_starts);
    put_number(w, STR("memoryUsedBytes"), figures->memory_peak_bytes);
    json_key(w, STR("callsPerSecond"));
    json_double(w, figures->calls_per_s);
    put_ms(w, STR("p50Ms"), figures->p50_us);
    put_ms(w, STR("p99Ms"), figures->p99_us);
    json_object_end(w);
}

static void finish(void *arg)
{
    struct asking *asking = arg;
    struct gateway_status *status = asking->status;
    json_array_end(&asking->writer);
    json_object_end(&asking->writer);
    free(asking);
    status->done(status);
}

void services_status(void *arg, size_t loop, struct gateway_status *status)
{
    struct services *services = arg;
    struct asking *asking = NEW(struct asking);
    struct json_writer *w = &asking->writer;
    asking->status = status;
    asking->ask = (struct figures_ask){.each = put_function, .done = finish, .arg = asking};
    json_writer_init(w, &status->out);
    json_object_begin(w);
    put_text(w, STR("version"), STR(VIRGA_VERSION));
    services_health(services, w);
    json_key(w, STR("functions"));
    json_array_begin(w);
    runtime_ask_figures(services_runtime(services), loop, &asking->ask);
}
