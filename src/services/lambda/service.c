/* The lambda service: its operations, and how it starts.
 *
 * open brings the three things that describe functions into agreement, whatever a crash left:
 * rows (the truth), packages and directories (found again or unpacked from the blob), and the
 * loops' specifications. A function whose package is lost stays listed and answers
 * InvalidZipFileException, so that a new package repairs it; everything else runs. */
#include "services/lambda/lambda.h"

#include "base/log.h"
#include "base/mem.h"
#include "services/lambda/async.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/rules.h"
#include "services/lambda/url.h"
#include "services/lambda/versions.h"

#include <limits.h>

static const struct service_op ops[] = {
    {.model = &lambda_op_CreateFunction,
     .prepare = lambda_prepare_CreateFunction,
     .discard = lambda_discard,
     .run = lambda_run_CreateFunction,
     .publish = lambda_publish,
     .body_max = LAMBDA_REQUEST_MAX},
    {.model = &lambda_op_GetFunction, .run = lambda_run_GetFunction, .is_read_only = true},
    {.model = &lambda_op_GetFunctionConfiguration,
     .run = lambda_run_GetFunctionConfiguration,
     .is_read_only = true},
    {.model = &lambda_op_ListFunctions, .run = lambda_run_ListFunctions, .is_read_only = true},
    {.model = &lambda_op_UpdateFunctionCode,
     .prepare = lambda_prepare_UpdateFunctionCode,
     .discard = lambda_discard,
     .run = lambda_run_UpdateFunctionCode,
     .publish = lambda_publish,
     .body_max = LAMBDA_REQUEST_MAX},
    {.model = &lambda_op_UpdateFunctionConfiguration,
     .run = lambda_run_UpdateFunctionConfiguration,
     .publish = lambda_publish},
    {.model = &lambda_op_DeleteFunction,
     .run = lambda_run_DeleteFunction,
     .publish = lambda_publish},
    {.model = &lambda_op_ListVersionsByFunction,
     .run = lambda_run_ListVersionsByFunction,
     .is_read_only = true},
    {.model = &lambda_op_PublishVersion,
     .run = lambda_run_PublishVersion,
     .publish = lambda_publish},
    {.model = &lambda_op_CreateAlias, .run = lambda_run_CreateAlias, .publish = alias_publish},
    {.model = &lambda_op_UpdateAlias, .run = lambda_run_UpdateAlias, .publish = alias_publish},
    {.model = &lambda_op_DeleteAlias, .run = lambda_run_DeleteAlias, .publish = alias_publish},
    {.model = &lambda_op_GetAlias, .run = lambda_run_GetAlias, .is_read_only = true},
    {.model = &lambda_op_ListAliases, .run = lambda_run_ListAliases, .is_read_only = true},
    {.model = &lambda_op_PutFunctionConcurrency,
     .run = lambda_run_PutFunctionConcurrency,
     .publish = lambda_publish},
    {.model = &lambda_op_GetFunctionConcurrency,
     .run = lambda_run_GetFunctionConcurrency,
     .is_read_only = true},
    {.model = &lambda_op_DeleteFunctionConcurrency,
     .run = lambda_run_DeleteFunctionConcurrency,
     .publish = lambda_publish},
    {.model = &lambda_op_GetAccountSettings,
     .run = lambda_run_GetAccountSettings,
     .is_read_only = true},
    {.model = &lambda_op_ListTags, .run = lambda_run_ListTags, .is_read_only = true},
    {.model = &lambda_op_TagResource, .run = lambda_run_TagResource},
    {.model = &lambda_op_UntagResource, .run = lambda_run_UntagResource},
    {.model = &lambda_op_GetFunctionEventInvokeConfig,
     .run = lambda_run_GetFunctionEventInvokeConfig,
     .is_read_only = true},
    {.model = &lambda_op_PutFunctionEventInvokeConfig,
     .run = lambda_run_PutFunctionEventInvokeConfig},
    {.model = &lambda_op_UpdateFunctionEventInvokeConfig,
     .run = lambda_run_UpdateFunctionEventInvokeConfig},
    {.model = &lambda_op_DeleteFunctionEventInvokeConfig,
     .run = lambda_run_DeleteFunctionEventInvokeConfig},
    {.model = &lambda_op_ListFunctionEventInvokeConfigs,
     .run = lambda_run_ListFunctionEventInvokeConfigs,
     .is_read_only = true},
    {.model = &lambda_op_CreateFunctionUrlConfig,
     .run = lambda_run_CreateFunctionUrlConfig,
     .publish = url_publish},
    {.model = &lambda_op_UpdateFunctionUrlConfig,
     .run = lambda_run_UpdateFunctionUrlConfig,
     .publish = url_publish},
    {.model = &lambda_op_DeleteFunctionUrlConfig,
     .run = lambda_run_DeleteFunctionUrlConfig,
     .publish = url_publish},
    {.model = &lambda_op_GetFunctionUrlConfig,
     .run = lambda_run_GetFunctionUrlConfig,
     .is_read_only = true},
    {.model = &lambda_op_ListFunctionUrlConfigs,
     .run = lambda_run_ListFunctionUrlConfigs,
     .is_read_only = true},
    {.model = &lambda_op_PublishLayerVersion,
     .prepare = lambda_prepare_PublishLayerVersion,
     .discard = lambda_discard,
     .run = lambda_run_PublishLayerVersion,
     .publish = lambda_publish,
     .body_max = LAMBDA_REQUEST_MAX},
    {.model = &lambda_op_GetLayerVersion, .run = lambda_run_GetLayerVersion, .is_read_only = true},
    {.model = &lambda_op_GetLayerVersionByArn,
     .run = lambda_run_GetLayerVersionByArn,
     .is_read_only = true},
    {.model = &lambda_op_ListLayers, .run = lambda_run_ListLayers, .is_read_only = true},
    {.model = &lambda_op_ListLayerVersions,
     .run = lambda_run_ListLayerVersions,
     .is_read_only = true},
    {.model = &lambda_op_DeleteLayerVersion,
     .run = lambda_run_DeleteLayerVersion,
     .publish = lambda_publish},
    {.model = &lambda_op_InvokeWithResponseStream,
     .start = lambda_start_InvokeWithResponseStream,
     .body_max = LAMBDA_PAYLOAD_MAX + 1024 * 1024},
    {.model = &lambda_op_Invoke,
     .start = lambda_start_Invoke,
     .body_max = LAMBDA_PAYLOAD_MAX + 1024 * 1024}, /* beyond: our words, not the gateway's */
};

static void spec_changed(void *arg, size_t loop, struct str key, struct snapshot *snapshot)
{
    struct lambda_state *state = arg;
    struct function_spec *spec =
        snapshot == NULL ? NULL : CONTAINER_OF(snapshot, struct function_spec, snapshot);
    runtime_function_changed(state->runtime, loop, key, spec);
}

/* Found or unpacked again; where that fails, what needs it does not run. */
static void restore_code(struct lambda_state *state, struct str sha256, struct str owner)
{
    struct code *code;
    struct err why;
    if (code_store_restore(state->code, sha256, &code, &why) < 0)
        log_error("lambda", "code is lost", "of=" STR_FMT " err=\"%s\"", STR_ARG(owner), why.text);
}

static void load_layer(void *arg, struct str code_sha256)
{
    restore_code(arg, code_sha256, STR("a layer"));
}

static int load_row(void *arg, const struct lambda_row *row, struct err *err)
{
    (void) err;
    struct lambda_state *state = arg;
    struct lambda_layer layers[LAYERS_MAX];
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    struct str arn = lambda_row_arn(&arena, row);
    struct str key = version_key(&arena, arn, row->version);
    restore_code(state, row->code_sha256, key);
    size_t layer_count = layers_parse(row->layers, layers);
    for (size_t i = 0; i < layer_count; i++)
        restore_code(state, layers[i].code_sha256, key);
    struct lambda_spec *own = lambda_spec_new(state, row, arn);
    if (own->code != NULL)
        runtime_function_loaded(state->runtime, &own->spec);
    directory_publish(state->directory, key, &own->spec.snapshot, NULL);
    return 0;
}

static void load_alias(void *arg, const struct alias_row *row)
{
    struct lambda_state *state = arg;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    const struct lambda_row function = {
        .account = row->account, .region = row->region, .name = row->name};
    struct str arn = lambda_row_arn(&arena, &function);
    struct str key = arena_printf(&arena, STR_FMT ":" STR_FMT, STR_ARG(arn), STR_ARG(row->alias));
    directory_publish(state->aliases, key, &alias_spec_new(row)->snapshot, NULL);
}

static void load_url(void *arg, const struct url_row *row)
{
    struct lambda_state *state = arg;
    directory_publish(state->urls, row->id, &url_spec_new(row)->snapshot, NULL);
}

static void lambda_close(void *state_any)
{
    struct lambda_state *state = state_any;
    if (state == NULL)
        return;
    async_free(state->async);
    code_store_close(state->code); /* first: what goes from here on is removed without workers */
    if (state->directory != NULL)
        directory_free(state->directory);
    if (state->aliases != NULL)
        directory_free(state->aliases);
    if (state->urls != NULL)
        directory_free(state->urls);
    if (state->blobs != NULL)
        blobs_close(state->blobs);
    free(state);
}

static int open_files(struct lambda_state *state, const struct service_env *env, struct err *err)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/packages", env->data_dir);
    if (len < 0 || (size_t) len >= sizeof path)
        return err_set(err, -ENAMETOOLONG, "'%s'", env->data_dir);
    int rc = blobs_open(path, &state->blobs, err);
    if (rc < 0)
        return rc;
    (void) snprintf(path, sizeof path, "%s/code", env->data_dir); /* shorter than the other */
    rc = code_store_open(path, env->workers, env->rng, state->blobs, &state->code, err);
    if (rc < 0)
        return rc;
    (void) snprintf(path, sizeof path, "%s/lambda.db", env->data_dir);
    return lambda_db_open(path, env->is_in_memory, &state->db, err);
}

static int lambda_open(const struct service_env *env, void **out_state, struct db **out_db,
                       struct err *err)
{
    struct lambda_state *state = NEW(struct lambda_state);
    state->runtime = env->port;
    state->interpreters = env->interpreters;
    state->is_strict = env->is_strict;
    state->directory = directory_new(env->loops, env->loop_count);
    directory_on_change(state->directory, spec_changed, state);
    state->aliases = directory_new(env->loops, env->loop_count);
    state->urls = directory_new(env->loops, env->loop_count);
    state->rng = env->rng;
    state->workers = env->workers;
    int rc = open_files(state, env, err);
    if (rc == 0)
        rc = layer_db_each_code(state->db, load_layer, state, err);
    if (rc == 0)
        rc = lambda_db_each(state->db, load_row, state, err);
    if (rc == 0)
        rc = code_store_sweep(state->code, err);
    if (rc == 0)
        runtime_functions_loaded(state->runtime);
    if (rc == 0)
        rc = alias_db_each(state->db, load_alias, state, err);
    if (rc == 0)
        rc = url_db_each(state->db, load_url, state, err);
    if (rc == 0)
        rc = async_new(state, env, &state->async, err);
    if (rc < 0) {
        if (state->db != NULL)
            db_close(state->db);
        lambda_close(state);
        return rc;
    }
    *out_state = state;
    *out_db = state->db;
    return 0;
}

static void lambda_start(void *state_any, struct actor *actor)
{
    struct lambda_state *state = state_any;
    state->actor = actor;
    async_start(state->async);
}

static void lambda_stop(void *state_any)
{
    struct lambda_state *state = state_any;
    async_stop(state->async);
}

const struct service lambda_room = {
    .model = &lambda_service,
    .ops = ops,
    .op_count = ARRAY_LEN(ops),
    .open = lambda_open,
    .start = lambda_start,
    .stop = lambda_stop,
    .front = &url_front, /* and snapshots_front */
    .close = lambda_close,
};
