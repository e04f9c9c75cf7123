/* From a committed row to what the loops run.
 *
 * Every loop has a directory from function ARN to struct lambda_spec, which it reads without a
 * lock. publish hands a change to all of them and lets the answer go out when the last has taken
 * it, so whoever was told "updated" meets the new function on his next call, on any loop.
 *
 * A specification is immutable and counted: instances that still run an older one keep it, and
 * with it the directory of its code. Called on the actor, after the commit. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "services/lambda/async.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/rules.h"
#include "services/lambda/versions.h"

static void spec_free(struct snapshot *snapshot)
{
    struct function_spec *spec = CONTAINER_OF(snapshot, struct function_spec, snapshot);
    struct lambda_spec *own = CONTAINER_OF(spec, struct lambda_spec, spec);
    if (own->code != NULL)
        snapshot_unref(&own->code->snapshot);
    for (size_t i = 0; i < LAYERS_MAX; i++)
        if (own->layers[i] != NULL)
            snapshot_unref(&own->layers[i]->snapshot);
    arena_done(&own->arena);
    free(own);
}

static void spec_environment(struct lambda_spec *own, struct str json)
{
    struct lambda_EnvironmentVariables vars;
    if (json.ptr == NULL)
        return;
    /* The names and values are views into the text, and the row's does not outlive the operation.
     */
    int rc = lambda_map_parse(&own->arena, arena_str(&own->arena, json), &vars);
    assert(rc == 0); /* we wrote it; the arena has room for what was limited at the door */
    own->spec.env = ARENA_ARRAY(&own->arena, typeof(*own->spec.env), vars.count);
    assert(own->spec.env != NULL || vars.count == 0);
    for (size_t i = 0; i < vars.count; i++) {
        own->spec.env[i].name = vars.items[i].key;
        own->spec.env[i].value = vars.items[i].value;
    }
    own->spec.env_count = vars.count;
}

/* Differs whenever anything changed: 60 random bits of the revision's UUID. */
uint64_t lambda_revision_number(struct str uuid)
{
    uint64_t number = 0;
    for (size_t i = 0; i < uuid.len && i < 18; i++) {
        char c = uuid.ptr[i];
        if (c != '-')
            number = number << 4 | (unsigned) (c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    return number;
}

/* As AWS's log shows it: "python3.12" -> "python:3.12.v1", "nodejs20.x" -> "nodejs:20.v1". A
 * runtime here has one build, the interpreter that is installed. */
static struct str runtime_version(struct arena *arena, struct str id)
{
    size_t at = 0;
    while (at < id.len && (id.ptr[at] < '0' || id.ptr[at] > '9'))
        at++;
    struct str number = str_skip(id, at);
    if (str_ends(number, STR(".x")))
        number.len -= 2;
    return arena_printf(arena, STR_FMT ":" STR_FMT ".v1", STR_ARG(str_head(id, at)),
                        STR_ARG(number));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The files of /opt/extensions, by name; a name that two layers have is one file there. */
static void spec_extensions(struct lambda_spec *own)
{
    size_t bytes = 0, count = 0, kept = 0;
    for (size_t i = 0; i < own->spec.layer_count; i++)
        bytes += own->layers[i]->extensions.len;
    const char **names = ARENA_ARRAY(&own->arena, const char *, bytes / 2 + 1);
    assert(names != NULL);
    for (size_t i = 0; i < own->spec.layer_count; i++) {
        const struct buf *list = &own->layers[i]->extensions; /* lives as long as the layer */
        for (size_t at = 0; at < list->len; at += strlen(list->ptr + at) + 1)
            names[count++] = list->ptr + at;
    }
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(names[i], names[kept - 1]) != 0)
            names[kept++] = names[i];
    own->spec.extensions = names;
    own->spec.extension_count = kept;
}

static struct code *code_ref(struct code *code)
{
    return CONTAINER_OF(snapshot_ref(&code->snapshot), struct code, snapshot);
}

/* Package and layers, all or none. */
static void spec_code(struct lambda_spec *own, const struct lambda_row *row,
                      struct code_store *store)
{
    struct function_spec *spec = &own->spec;
    struct lambda_layer layers[LAYERS_MAX];
    struct code *found[LAYERS_MAX];
    struct code *code = code_store_find(store, row->code_sha256);
    size_t count = layers_parse(row->layers, layers);
    spec->code_fd = -1;
    for (size_t i = 0; i < count && code != NULL; i++) {
        found[i] = code_store_find(store, layers[i].code_sha256);
        if (found[i] == NULL)
            code = NULL;
    }
    if (code == NULL)
        return;
    own->code = code_ref(code);
    spec->code_fd = code->fd; /* the code's, which we hold; and so the layers' */
    spec->has_bootstrap = code->has_bootstrap;
    for (; spec->layer_count < count; spec->layer_count++) {
        own->layers[spec->layer_count] = code_ref(found[spec->layer_count]);
        spec->layer_fds[spec->layer_count] = found[spec->layer_count]->fd;
    }
}

static_assert((int) LAYERS_MAX == (int) FUNCTION_LAYERS_MAX, "one limit of layers");

struct lambda_spec *lambda_spec_new(const struct lambda_state *state, const struct lambda_row *row,
                                    struct str arn)
{
    struct lambda_spec *own = NEW(struct lambda_spec);
    struct arena *arena = &own->arena;
    struct function_spec *spec = &own->spec;
    arena_init(arena, 1 << 20);
    snapshot_init(&spec->snapshot, spec_free);
    spec->account = arena_str(arena, row->account);
    spec->region = arena_str(arena, row->region);
    spec->name = arena_str(arena, row->name);
    spec->version = version_format(arena, row->version);
    spec->role = arena_str(arena, row->role);
    spec->arn = arena_str(arena, arn);
    spec->runtime_id = arena_str(arena, row->runtime);
    spec->runtime_version = runtime_version(arena, row->runtime);
    spec->runtime_version_arn = lambda_runtime_version_arn(arena, row->region, row->runtime);
    spec->kind = lambda_runtime_kind(row->runtime);
    spec->interpreter = lambda_runtime_program(state->interpreters, row->runtime);
    spec->runtime_note = lambda_runtime_note(arena, state->interpreters, row->runtime);
    spec->handler = arena_str(arena, row->handler);
    spec->memory_mb = (uint32_t) row->memory_mb;
    spec->timeout_ms = (uint32_t) row->timeout_s * 1000;
    spec->tmp_bytes = (uint64_t) row->tmp_mb << 20;
    spec->code_sha256 = arena_str(arena, row->code_sha256);
    spec->revision = lambda_revision_number(row->revision_id);
    spec->reserved_concurrency = row->reserved;
    own->modified_at_ms = row->modified_at_ms;
    spec->is_snap_start = row->is_snap_start && row->version > 0;
    spec->log_group = row->log_group.ptr != NULL
                          ? arena_str(arena, row->log_group)
                          : arena_printf(arena, "/aws/lambda/" STR_FMT, STR_ARG(row->name));
    spec->is_log_json = str_eq(row->log_format, STR("JSON"));
    spec->app_log_level = arena_str(arena, row->app_log_level);
    spec->system_log_level = str_eq(row->system_log_level, STR("DEBUG"))  ? FUNCTION_LOG_DEBUG
                             : str_eq(row->system_log_level, STR("WARN")) ? FUNCTION_LOG_WARN
                                                                          : FUNCTION_LOG_INFO;
    spec_environment(own, row->environment);
    spec_code(own, row, state->code);
    spec_extensions(own);
    assert(!arena_is_over(arena));
    return own;
}

void lambda_work_release(struct op *op, struct lambda_work *work, struct str sha256)
{
    if (sha256.len >= CODE_SHA_SIZE)
        return; /* no package of ours */
    struct lambda_released *released = ARENA_NEW(op->arena, struct lambda_released);
    released->next = work->released;
    memcpy(released->code_sha256, sha256.ptr, sha256.len);
    work->released = released;
}

void lambda_work_release_layers(struct op *op, struct lambda_work *work, struct str text)
{
    struct lambda_layer layers[LAYERS_MAX];
    size_t count = layers_parse(text, layers);
    for (size_t i = 0; i < count; i++)
        lambda_work_release(op, work, layers[i].code_sha256);
}

/* The change no longer uses this package; perhaps nobody does. */
static void release_old(struct lambda_state *state, const char *old_sha256)
{
    struct err err;
    int rc = lambda_db_uses_code(state->db, str_from(old_sha256), &err);
    if (rc < 0) /* it stays until the next start */
        log_warn("lambda", "cannot tell whether code is in use", "err=\"%s\"", err.text);
    else if (rc == 0)
        code_store_release(state->code, str_from(old_sha256));
}

/* Hands a version to the loops. */
static void publish_row(struct op *op, const struct lambda_row *row, struct task *then)
{
    struct lambda_state *state = op->state;
    const struct lambda_work *work = op->prepared;
    struct lambda_spec *own = lambda_spec_new(state, row, work->arn);
    directory_publish(state->directory, version_key(op->arena, work->arn, row->version),
                      &own->spec.snapshot, then);
}

static int publish_version(void *arg, const struct lambda_row *row, struct err *err)
{
    (void) err;
    if (row->version > 0)
        publish_row(arg, row, NULL);
    return 0;
}

/* In the order that matters: what leads to a version goes before it. */
static void publish_gone(struct op *op, struct task *then)
{
    struct lambda_state *state = op->state;
    const struct lambda_work *work = op->prepared;
    for (const struct lambda_gone_name *gone = work->gone_urls; gone != NULL; gone = gone->next)
        directory_publish(state->urls, gone->name, NULL, NULL);
    for (const struct lambda_gone_name *gone = work->gone_aliases; gone != NULL; gone = gone->next)
        directory_publish(
            state->aliases,
            arena_printf(op->arena, STR_FMT ":" STR_FMT, STR_ARG(work->arn), STR_ARG(gone->name)),
            NULL, NULL);
    for (const struct lambda_gone *gone = work->gone; gone != NULL; gone = gone->next) {
        if (gone->version != work->row.version)
            directory_publish(state->directory, version_key(op->arena, work->arn, gone->version),
                              NULL, NULL);
    }
    async_forgotten(state->async, work->forgotten_bytes);
    directory_publish(state->directory, version_key(op->arena, work->arn, work->row.version), NULL,
                      then);
}

void lambda_publish(struct op *op, struct task *then)
{
    struct lambda_state *state = op->state;
    struct lambda_work *work = op->prepared;
    if (work != NULL && work->is_package_kept)
        (void) code_store_adopt(state->code, &work->package); /* publish_row finds it */
    else if (work != NULL)
        code_package_drop(state->code, &work->package);
    for (const struct lambda_released *r = work == NULL ? NULL : work->released; r != NULL;
         r = r->next)
        release_old(state, r->code_sha256);
    if (work == NULL || work->arn.ptr == NULL) { /* no function changed: a dry run, a layer */
        then->run(then);
        return;
    }
    if (work->is_deleted) {
        publish_gone(op, then);
        return;
    }
    struct err err;
    if (work->are_all &&
        lambda_db_each_version(state->db, &work->row, publish_version, op, &err) < 0)
        log_error("lambda", "cannot tell all versions of a change", "err=\"%s\"", err.text);
    if (work->also != NULL)
        publish_row(op, work->also, NULL);
    publish_row(op, &work->row, then);
}

void lambda_discard(struct op *op)
{
    struct lambda_state *state = op->state;
    struct lambda_work *work = op->prepared;
    if (work != NULL)
        code_package_drop(state->code, &work->package);
}
