/* What each function does and did, for `virga top` and whoever asks /_virga/status.
 *
 * A home counts its functions' calls where they end. Asking is a task that goes round the homes and
 * back: each tells its own, so nothing is shared between loops and nothing is locked. A function
 * has figures from its first call until it is deleted. */
#include "base/mem.h"
#include "runtime/histogram.h"
#include "runtime/runtime_int.h"

enum { KEY_MAX = 512 };

struct figure {
    char *key; /* owned: "arn:version", the map's */
    size_t key_len;
    struct function_spec *spec; /* counted: of the last call */
    uint64_t calls, errors, throttles, cold_starts, memory_peak;
    struct histogram times;
};

static struct str key_put(char text[KEY_MAX], const struct function_spec *spec)
{
    int n =
        snprintf(text, KEY_MAX, STR_FMT ":" STR_FMT, STR_ARG(spec->arn), STR_ARG(spec->version));
    assert(n > 0 && n < KEY_MAX); /* AWS bounds ARNs far below */
    return str_of(text, (size_t) n);
}

void figures_begin(struct home *home, struct function_spec *spec)
{
    char text[KEY_MAX];
    struct str key = key_put(text, spec);
    struct figure *figure = map_find(&home->figures, key);
    if (figure == NULL) {
        figure = NEW(struct figure);
        figure->key = mem_copy(key.ptr, key.len);
        figure->key_len = key.len;
        (void) map_put(&home->figures, str_of(figure->key, key.len), figure);
    }
    if (figure->spec != spec) {
        if (figure->spec != NULL)
            snapshot_unref(&figure->spec->snapshot);
        (void) snapshot_ref(&spec->snapshot);
        figure->spec = spec;
    }
}

static void figure_free(struct home *home, struct figure *figure)
{
    (void) map_remove(&home->figures, str_of(figure->key, figure->key_len));
    snapshot_unref(&figure->spec->snapshot);
    free(figure->key);
    free(figure);
}

void figures_count(struct home *home, const struct invocation *inv)
{
    char text[KEY_MAX];
    struct figure *figure = map_find(&home->figures, key_put(text, inv->spec));
    if (figure == NULL)
        return; /* deleted while the call ran */
    if (inv->result == INVOCATION_THROTTLED) {
        figure->throttles++;
        return;
    }
    figure->calls++;
    figure->errors += inv->result != INVOCATION_OK;
    figure->cold_starts += inv->is_cold;
    figure->memory_peak = inv->memory_peak_bytes;
    histogram_add(&figure->times, inv->run_us, exec_now_us(home->exec));
}

/* Of a deleted function, all versions; of a version, that one. */
void figures_forget(struct home *home, struct str arn)
{
    size_t at = 0;
    for (struct figure *figure; (figure = map_next(&home->figures, &at, NULL)) != NULL;) {
        struct str key = str_of(figure->key, figure->key_len);
        if (str_eq(key, arn) ||
            (key.len > arn.len && str_eq(str_head(key, arn.len), arn) && key.ptr[arn.len] == ':')) {
            figure_free(home, figure);
            at = 0; /* the map has changed */
        }
    }
}

void figures_done(struct home *home)
{
    size_t at = 0;
    for (struct figure *figure; (figure = map_next(&home->figures, &at, NULL)) != NULL; at = 0)
        figure_free(home, figure);
    map_done(&home->figures);
}

static void tell_all(struct home *home, const struct figures_ask *ask)
{
    int64_t now_us = exec_now_us(home->exec);
    size_t at = 0;
    for (struct figure *figure; (figure = map_next(&home->figures, &at, NULL)) != NULL;) {
        const struct sched_counts counts = sched_counts(&home->sched, figure->spec);
        const struct function_figures told = {
            .spec = figure->spec,
            .instances = counts.instances,
            .starting = counts.starting,
            .idle = counts.idle,
            .busy = counts.busy,
            .queued = counts.queued,
            .calls = figure->calls,
            .errors = figure->errors,
            .throttles = figure->throttles,
            .cold_starts = figure->cold_starts,
            .memory_peak_bytes = figure->memory_peak,
            .calls_per_s = histogram_per_second(&figure->times, now_us),
            .p50_us = histogram_quantile(&figure->times, 0.5, now_us),
            .p99_us = histogram_quantile(&figure->times, 0.99, now_us),
        };
        ask->each(ask->arg, &told);
    }
}

static void run_done(struct task *task)
{
    struct figures_ask *ask = CONTAINER_OF(task, struct figures_ask, task);
    ask->done(ask->arg);
}

static void run_home(struct task *task)
{
    struct figures_ask *ask = CONTAINER_OF(task, struct figures_ask, task);
    struct runtime *runtime = ask->runtime;
    tell_all(&runtime->homes[ask->next], ask);
    bool is_last = ++ask->next == runtime->config.loop_count;
    ask->task.run = is_last ? run_done : run_home;
    exec_post(runtime->homes[is_last ? ask->origin : ask->next].exec, &ask->task);
}

void runtime_ask_figures(struct runtime *runtime, size_t loop, struct figures_ask *ask)
{
    assert(loop < runtime->config.loop_count);
    ask->runtime = runtime;
    ask->origin = loop;
    ask->next = 0;
    ask->task.run = run_home;
    exec_post(runtime->homes[0].exec, &ask->task);
}
