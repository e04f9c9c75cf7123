/* A row as AWS shows it: FunctionConfiguration.
 *
 * What AWS returns although nobody asked for it (SnapStart, EphemeralStorage, LoggingConfig, …) is
 * returned here, too, with the value that is true for us. A change is in force before its answer,
 * so State is Active and LastUpdateStatus Successful; AWS's clients wait for exactly that. Only a
 * version published with SnapStart is Pending while its snapshot is made, and Failed if its init
 * fails then, as on AWS. Environment is left out when it was never given.
 * Source: AWS's answers as recorded in public sources. */
#include "base/assert.h"
#include "data/base64.h"
#include "data/hash.h"
#include "data/json.h"
#include "data/time.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/rules.h"
#include "services/lambda/versions.h"

static_assert(sizeof(struct lambda_EnvironmentVariables_entry) == sizeof(struct str_pair),
              "entries of maps are pairs");

int lambda_map_parse(struct arena *arena, struct str json,
                     struct lambda_EnvironmentVariables *out_map)
{
    struct json_reader r;
    enum json_token tok;
    size_t count = 0, at = 0;
    json_reader_init(&r, json, arena);
    while ((tok = json_next(&r)) != JSON_END && tok != JSON_ERROR)
        count += tok == JSON_KEY;
    struct lambda_EnvironmentVariables_entry *items =
        ARENA_ARRAY(arena, struct lambda_EnvironmentVariables_entry, count + 1);
    if (tok == JSON_ERROR || items == NULL)
        return tok == JSON_ERROR ? -EINVAL : -E2BIG;
    json_reader_init(&r, json, arena);
    while ((tok = json_next(&r)) != JSON_END && at < count + 1) {
        if (tok == JSON_KEY)
            items[at].key = r.text;
        else if (tok == JSON_STRING)
            items[at++].value = r.text;
    }
    *out_map = (struct lambda_EnvironmentVariables){items, count};
    return 0;
}

struct str lambda_sha256_base64(struct arena *arena, struct str hex)
{
    unsigned char hash[SHA256_SIZE];
    struct buf text;
    buf_init(&text, 64);
    if (hex_decode(hex, hash, sizeof hash) == 0)
        base64_encode(&text, str_of(hash, sizeof hash));
    struct str copy = arena_str(arena, buf_str(&text));
    buf_done(&text);
    return copy;
}

struct str lambda_time(struct arena *arena, int64_t utc_ms)
{
    struct buf text;
    buf_init(&text, 64);
    time_put_lambda(&text, utc_ms);
    struct str copy = arena_str(arena, buf_str(&text));
    buf_done(&text);
    return copy;
}

/* AWS names the build of a runtime by a hash; ours is the hash of the runtime's name. */
struct str lambda_runtime_version_arn(struct arena *arena, struct str region, struct str runtime)
{
    unsigned char hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    hash_sha256(runtime, hash);
    hex_encode(hash, sizeof hash, hex);
    return arena_printf(arena, "arn:aws:lambda:" STR_FMT "::runtime:%s", STR_ARG(region), hex);
}

/* A version that is not installed is an error here, beside the ARN, though another one stands in.
 */
static struct lambda_RuntimeVersionConfig *runtime_version(const struct op *op,
                                                           const struct lambda_row *row)
{
    const struct lambda_state *state = op->state;
    struct arena *arena = op->arena;
    struct lambda_RuntimeVersionConfig *config =
        ARENA_NEW(arena, struct lambda_RuntimeVersionConfig);
    config->RuntimeVersionArn = lambda_runtime_version_arn(arena, row->region, row->runtime);
    struct str note = lambda_runtime_note(arena, state->interpreters, row->runtime);
    if (note.ptr != NULL) {
        config->Error = ARENA_NEW(arena, struct lambda_RuntimeVersionError);
        config->Error->ErrorCode = STR("RuntimeVersionNotInstalled");
        config->Error->Message = note;
    }
    return config;
}

static void show_constants(struct arena *arena, const struct lambda_row *row,
                           struct lambda_FunctionConfiguration *out)
{
    out->PackageType = STR("Zip");
    out->Version = version_format(arena, row->version);
    out->TracingConfig = ARENA_NEW(arena, struct lambda_TracingConfigResponse);
    out->TracingConfig->Mode = row->tracing_mode;
    out->EphemeralStorage = ARENA_NEW(arena, struct lambda_EphemeralStorage);
    out->EphemeralStorage->has_Size = true;
    out->EphemeralStorage->Size = row->tmp_mb;
    out->LoggingConfig = ARENA_NEW(arena, struct lambda_LoggingConfig);
    out->LoggingConfig->LogFormat = row->log_format.ptr != NULL ? row->log_format : STR("Text");
    out->LoggingConfig->ApplicationLogLevel = row->app_log_level;
    out->LoggingConfig->SystemLogLevel = row->system_log_level;
    out->LoggingConfig->LogGroup =
        row->log_group.ptr != NULL
            ? row->log_group
            : arena_printf(arena, "/aws/lambda/" STR_FMT, STR_ARG(row->name));
    out->Architectures.items = ARENA_NEW(arena, struct str);
    out->Architectures.items[0] = row->architecture;
    out->Architectures.count = 1;
}

static void show_state(struct op *op, const struct lambda_row *row, enum lambda_shown shown,
                       struct lambda_FunctionConfiguration *out)
{
    enum version_state at = VERSION_ACTIVE;
    struct snapshot_status status = {.state = SNAPSHOT_NONE};
    if (row->is_snap_start && row->version > 0)
        at = version_snap_start(op->state, lambda_row_arn(op->arena, row),
                                version_format(op->arena, row->version), row->modified_at_ms,
                                (uint32_t) row->timeout_s * 1000, op->now_ms, &status);
    out->SnapStart = ARENA_NEW(op->arena, struct lambda_SnapStartResponse);
    out->SnapStart->ApplyOn = row->is_snap_start ? STR("PublishedVersions") : STR("None");
    out->SnapStart->OptimizationStatus = status.state == SNAPSHOT_READY ? STR("On") : STR("Off");
    if (shown != LAMBDA_SHOW_ALL)
        return;
    out->State = STR("Active");
    out->LastUpdateStatus = STR("Successful");
    out->RuntimeVersionConfig = runtime_version(op, row);
    if (at == VERSION_PENDING) {
        out->State = STR("Pending");
        out->StateReason = STR("The function is being created.");
        out->StateReasonCode = STR("Creating");
    } else if (at == VERSION_FAILED) {
        out->State = out->LastUpdateStatus = STR("Failed");
        out->StateReason = out->LastUpdateStatusReason =
            STR("An error occurred during function initialization.");
        out->StateReasonCode = out->LastUpdateStatusReasonCode = STR("FunctionError");
    }
}

static void show_layers(struct arena *arena, struct str text,
                        struct lambda_LayersReferenceList *out)
{
    struct lambda_layer layers[LAYERS_MAX];
    size_t count = layers_parse(text, layers);
    if (count == 0)
        return;
    *out =
        (struct lambda_LayersReferenceList){ARENA_ARRAY(arena, struct lambda_Layer, count), count};
    for (size_t i = 0; i < count && out->items != NULL; i++)
        out->items[i] = (struct lambda_Layer){
            .Arn = layers[i].arn, .has_CodeSize = true, .CodeSize = layers[i].code_size};
}

int lambda_show(struct op *op, const struct lambda_row *row, struct str qualifier,
                enum lambda_shown shown, struct lambda_FunctionConfiguration *out)
{
    struct arena *arena = op->arena;
    out->FunctionName = row->name;
    out->FunctionArn =
        arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(lambda_row_arn(arena, row)),
                     qualifier.ptr != NULL ? ":" : "", STR_ARG(qualifier));
    out->Runtime = row->runtime;
    out->Role = row->role;
    out->Handler = row->handler;
    out->has_CodeSize = out->has_Timeout = out->has_MemorySize = true;
    out->CodeSize = row->code_size;
    out->Timeout = row->timeout_s;
    out->MemorySize = row->memory_mb;
    out->Description = row->description;
    out->LastModified = lambda_time(arena, row->modified_at_ms);
    out->CodeSha256 = lambda_sha256_base64(arena, row->code_sha256);
    out->RevisionId = row->revision_id;
    show_constants(arena, row, out);
    show_layers(arena, row->layers, &out->Layers);
    show_state(op, row, shown, out);
    if (row->environment.ptr != NULL) {
        out->Environment = ARENA_NEW(arena, struct lambda_EnvironmentResponse);
        if (lambda_map_parse(arena, row->environment, &out->Environment->Variables) < 0)
            return -E2BIG;
    }
    return arena_is_over(arena) ? -E2BIG : 0;
}
