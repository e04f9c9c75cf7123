/* What a function may be called and what its configuration may say.
 *
 * The wire engine has checked the model's constraints already (lengths, ranges, patterns, enums);
 * here are the rules that AWS's service has beyond its model, and our own: a member of a request
 * that we would not act upon is refused by name, never ignored (README.md lists them all).
 *
 * Names. The pattern of the model has four optional groups in front of the name:
 *
 *     arn:aws:lambda: us-east-1: 123456789012: function: name :qualifier
 *
 * and is greedy, so "123456789012:name" is an account and a name, not a name and a qualifier; we
 * take the parts in the same order. Called by workers, the actor, and (Invoke) the loops. */
#include "services/lambda/rules.h"

#include "base/assert.h"
#include "base/buf.h"
#include "data/base64.h"
#include "data/json.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"

#include <errno.h>
#include <inttypes.h>

const struct aws_error lambda_error_entity_too_large = {
    .name = STR_INIT("RequestEntityTooLargeException"),
    .code = STR_INIT("RequestEntityTooLargeException"),
    .status = 413,
    .side = AWS_SENDER,
    .shape = &lambda_shape_RequestTooLargeException,
};

static bool is_account(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return s.len == 12;
}

/* xx-…-…-9 */
static bool is_region(struct str s)
{
    return s.len >= 6 && s.ptr[2] == '-' && s.ptr[s.len - 2] == '-' && s.ptr[s.len - 1] >= '0' &&
           s.ptr[s.len - 1] <= '9';
}

struct name_parts {
    struct str region, account, name, qualifier; /* ptr NULL: not there */
};

static bool split_name(struct str text, struct name_parts *out)
{
    struct str parts[8], rest = text;
    size_t count = 0, at = 0;
    while (count < ARRAY_LEN(parts) && str_split(&rest, ':', &parts[count]))
        count++;
    if (rest.ptr != NULL)
        return false;
    struct name_parts n = {0};
    if (count > 3 && str_eq(parts[0], STR("arn"))) {
        if (!str_starts(parts[1], STR("aws")) || !str_eq(parts[2], STR("lambda")))
            return false;
        at = 3;
    }
    if (at + 1 < count && is_region(parts[at]))
        n.region = parts[at++];
    if (at + 1 < count && is_account(parts[at]))
        n.account = parts[at++];
    if (at + 1 < count && str_eq(parts[at], STR("function")))
        at++;
    n.name = parts[at++];
    if (at < count)
        n.qualifier = parts[at++];
    *out = n;
    return at == count && n.name.len > 0 && (n.qualifier.ptr == NULL || n.qualifier.len > 0);
}

/* arn:aws:lambda:REGION:ACCOUNT:function:NAME, without printf's cost: Invoke comes through here. */
static struct str function_arn(struct arena *arena, const struct op_caller *caller, struct str name)
{
    const struct str parts[] = {STR_INIT("arn:aws:lambda:"),
                                caller->region,
                                STR_INIT(":"),
                                caller->account,
                                STR_INIT(":function:"),
                                name};
    size_t len = 0, at = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        len += parts[i].len;
    char *arn = arena_try(arena, len + 1);
    if (arn == NULL)
        return STR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        memcpy(arn + at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    return str_of(arn, len);
}

int lambda_resolve(struct op *op, struct str function_name, struct str qualifier,
                   struct lambda_target *out_target)
{
    struct name_parts parts;
    if (!split_name(function_name, &parts))
        return svc_fail(op, MSG_NAME_PATTERN, STR_ARG(function_name));
    if (parts.region.ptr != NULL && !str_eq(parts.region, op->caller.region))
        return svc_fail(op, MSG_OTHER_REGION, STR_ARG(parts.region), STR_ARG(op->caller.region));
    if (parts.account.ptr != NULL && !str_eq(parts.account, op->caller.account))
        return svc_fail(op, MSG_OTHER_ACCOUNT, STR_ARG(op->caller.principal),
                        STR_ARG(op->def->model->name), STR_ARG(function_name),
                        STR_ARG(op->def->model->name));
    if (parts.qualifier.ptr != NULL && qualifier.ptr != NULL && !str_eq(parts.qualifier, qualifier))
        return svc_fail(op, MSG_QUALIFIER_MISMATCH);
    struct lambda_target target = {
        .name = parts.name,
        .qualifier = qualifier.ptr != NULL ? qualifier : parts.qualifier,
        .arn = function_arn(op->arena, &op->caller, parts.name),
    };
    if (target.arn.ptr == NULL)
        return svc_fail(op, &aws_error_request_too_large, "Request is too large.");
    *out_target = target;
    return 0;
}

struct str lambda_invoked_arn(struct op *op, const struct lambda_target *target)
{
    if (target->qualifier.ptr == NULL)
        return target->arn;
    return arena_printf(op->arena, STR_FMT ":" STR_FMT, STR_ARG(target->arn),
                        STR_ARG(target->qualifier));
}

int lambda_not_found(struct op *op, const struct lambda_target *target)
{
    struct str arn = lambda_invoked_arn(op, target);
    return svc_fail(op, MSG_FUNCTION_NOT_FOUND, STR_ARG(arn));
}

int lambda_check_latest(struct op *op, const struct lambda_target *target)
{
    if (target->qualifier.ptr != NULL && !str_eq(target->qualifier, STR("$LATEST")))
        return svc_fail(op, MSG_LATEST_ONLY);
    return 0;
}

const char *lambda_architecture(void)
{
#if defined(__x86_64__)
    return "x86_64";
#elif defined(__aarch64__)
    return "arm64";
#else
#error "Lambda knows x86_64 and arm64"
#endif
}

int lambda_check_architectures(struct op *op, const struct str *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(items[i], str_from(lambda_architecture())))
            return svc_fail(op, MSG_ARCHITECTURE, lambda_architecture(), STR_ARG(items[i]));
    }
    return 0;
}

/* AWS Lambda developer guide, "Defined runtime environment variables", the reserved ones. */
static const struct str reserved_keys[] = {
    STR_INIT("_HANDLER"),
    STR_INIT("_X_AMZN_TRACE_ID"),
    STR_INIT("AWS_DEFAULT_REGION"),
    STR_INIT("AWS_REGION"),
    STR_INIT("AWS_EXECUTION_ENV"),
    STR_INIT("AWS_LAMBDA_FUNCTION_NAME"),
    STR_INIT("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    STR_INIT("AWS_LAMBDA_FUNCTION_VERSION"),
    STR_INIT("AWS_LAMBDA_INITIALIZATION_TYPE"),
    STR_INIT("AWS_LAMBDA_LOG_FORMAT"),
    STR_INIT("AWS_LAMBDA_LOG_GROUP_NAME"),
    STR_INIT("AWS_LAMBDA_LOG_LEVEL"),
    STR_INIT("AWS_LAMBDA_LOG_STREAM_NAME"),
    STR_INIT("AWS_ACCESS_KEY"),
    STR_INIT("AWS_ACCESS_KEY_ID"),
    STR_INIT("AWS_SECRET_ACCESS_KEY"),
    STR_INIT("AWS_SESSION_TOKEN"),
    STR_INIT("AWS_LAMBDA_RUNTIME_API"),
    STR_INIT("LAMBDA_TASK_ROOT"),
    STR_INIT("LAMBDA_RUNTIME_DIR"),
};

static bool is_reserved(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved_keys); i++) {
        if (str_eq(key, reserved_keys[i]))
            return true;
    }
    return false;
}

int lambda_map_format(struct arena *arena, const struct str_pair *pairs, size_t count,
                      struct str *out_json)
{
    struct json_writer w;
    AUTO_BUF struct buf json;
    buf_init(&json, 1 << 20);
    json_writer_init(&w, &json);
    json_object_begin(&w);
    for (size_t i = 0; i < count; i++) {
        json_key(&w, pairs[i].key);
        json_str(&w, pairs[i].value);
    }
    json_object_end(&w);
    struct str copy = arena_str(arena, buf_str(&json));
    if (buf_is_over(&json) || copy.ptr == NULL)
        return -E2BIG;
    *out_json = copy;
    return 0;
}

/* The generated entries of both maps are a key and a value. */
static_assert(sizeof(struct lambda_EnvironmentVariables_entry) == sizeof(struct str_pair),
              "entries of maps are pairs");
static_assert(sizeof(struct lambda_Tags_entry) == sizeof(struct str_pair),
              "entries of maps are pairs");

static const struct str_pair *env_pairs(const struct lambda_Environment *env, size_t *out_count)
{
    *out_count = env->Variables.count;
    return (const struct str_pair *) (const void *) env->Variables.items;
}

int lambda_check_environment(struct op *op, const struct lambda_Environment *env)
{
    size_t count;
    const struct str_pair *pairs = env_pairs(env, &count);
    AUTO_BUF struct buf reserved;
    buf_init(&reserved, 4096);
    for (size_t i = 0; i < count; i++) {
        if (pairs[i].value.len > 0 && memchr(pairs[i].value.ptr, '\0', pairs[i].value.len) != NULL)
            return svc_fail(op, MSG_ENV_NUL);
        if (is_reserved(pairs[i].key))
            buf_printf(&reserved, "%s" STR_FMT, reserved.len == 0 ? "" : ", ",
                       STR_ARG(pairs[i].key));
    }
    if (reserved.len > 0)
        return svc_fail(op, MSG_ENV_RESERVED, STR_ARG(buf_str(&reserved)));
    struct str json;
    if (lambda_map_format(op->arena, pairs, count, &json) < 0)
        return svc_fail(op, &aws_error_request_too_large, "Request is too large.");
    if (json.len > LAMBDA_ENV_MAX)
        return svc_fail(op, MSG_ENV_SIZE, STR_ARG(json));
    return 0;
}

/* The members that are never acted upon. An empty value asks for nothing and is taken, since
 * CloudFormation and Terraform send them so. */
static const char *unsupported_member(const struct lambda_settings *s)
{
    if (s->vpc != NULL && (s->vpc->SubnetIds.count > 0 || s->vpc->SecurityGroupIds.count > 0 ||
                           s->vpc->Ipv6AllowedForDualStack))
        return "VpcConfig";
    if (s->dead_letter != NULL && s->dead_letter->TargetArn.len > 0)
        return "DeadLetterConfig";
    if (s->kms_key.len > 0)
        return "KMSKeyArn";
    if (s->file_system_count > 0)
        return "FileSystemConfigs";
    if (s->image != NULL)
        return "ImageConfig";
    if (s->capacity != NULL)
        return "CapacityProviderConfig";
    if (s->durable != NULL)
        return "DurableConfig";
    return NULL;
}

int lambda_check_settings(struct op *op, const struct lambda_settings *settings)
{
    int rc = settings->runtime.ptr == NULL ? 0 : lambda_check_runtime(op, settings->runtime);
    if (rc < 0)
        return rc;
    if (settings->has_timeout && settings->timeout_s > LAMBDA_TIMEOUT_MAX_S)
        return svc_fail(op, MSG_TIMEOUT, settings->timeout_s);
    if (settings->has_memory && settings->memory_mb > LAMBDA_MEMORY_MAX_MB)
        return svc_fail(op, MSG_MEMORY);
    const char *unsupported = unsupported_member(settings);
    if (unsupported != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, unsupported);
    return settings->environment == NULL ? 0 : lambda_check_environment(op, settings->environment);
}

/* AWS's own: Java, Python and .NET. Node.js starts from snapshots here, too. */
static int apply_snap_start(struct op *op, const struct lambda_SnapStart *snap,
                            struct lambda_row *row)
{
    if (snap != NULL && snap->ApplyOn.ptr != NULL)
        row->is_snap_start = str_eq(snap->ApplyOn, STR("PublishedVersions"));
    static const char *const families[] = {"python", "nodejs", "java", "dotnet"};
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (str_starts(row->runtime, str_from(families[i])))
            return 0;
    return row->is_snap_start ? svc_fail(op, MSG_SNAP_START, STR_ARG(row->runtime)) : 0;
}

static void apply_str(struct str given, struct str *value)
{
    if (given.ptr != NULL)
        *value = given;
}

/* Levels belong to JSON, where both always have a value; a change to Text forgets them. */
static int apply_logging(struct op *op, const struct lambda_LoggingConfig *log,
                         struct lambda_row *row)
{
    apply_str(log->LogGroup, &row->log_group);
    apply_str(log->LogFormat, &row->log_format);
    if (!str_eq(row->log_format, STR("JSON"))) {
        if (log->ApplicationLogLevel.ptr != NULL || log->SystemLogLevel.ptr != NULL)
            return svc_fail(op, MSG_LOG_LEVEL);
        row->app_log_level = row->system_log_level = STR_NONE;
        return 0;
    }
    if (row->app_log_level.ptr == NULL)
        row->app_log_level = row->system_log_level = STR("INFO");
    apply_str(log->ApplicationLogLevel, &row->app_log_level);
    apply_str(log->SystemLogLevel, &row->system_log_level);
    return 0;
}

int lambda_apply_settings(struct op *op, const struct lambda_settings *s, struct lambda_row *row)
{
    apply_str(s->runtime, &row->runtime);
    apply_str(s->role, &row->role);
    apply_str(s->handler, &row->handler);
    apply_str(s->description, &row->description);
    if (s->has_timeout)
        row->timeout_s = s->timeout_s;
    if (s->has_memory)
        row->memory_mb = s->memory_mb;
    if (s->storage != NULL && s->storage->has_Size)
        row->tmp_mb = s->storage->Size;
    if (s->tracing != NULL)
        apply_str(s->tracing->Mode, &row->tracing_mode);
    int rc = s->logging == NULL ? 0 : apply_logging(op, s->logging, row);
    if (rc == 0)
        rc = apply_snap_start(op, s->snap_start, row);
    if (rc < 0 || s->environment == NULL)
        return rc;
    size_t count;
    const struct str_pair *pairs = env_pairs(s->environment, &count);
    if (lambda_map_format(op->arena, pairs, count, &row->environment) < 0)
        return svc_fail(op, &aws_error_request_too_large, "Request is too large.");
    return 0;
}

int lambda_check_code(struct op *op, const struct lambda_FunctionCode *code)
{
    if (code == NULL)
        return svc_fail(op, MSG_NO_CODE);
    if (code->S3Bucket.ptr != NULL || code->S3Key.ptr != NULL || code->S3ObjectVersion.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "code in S3 (S3Bucket, S3Key, S3ObjectVersion)");
    if (code->ImageUri.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "container images (ImageUri)");
    if (code->SourceKMSKeyArn.len > 0)
        return svc_fail(op, MSG_UNSUPPORTED, "SourceKMSKeyArn");
    if (code->ZipFile.ptr == NULL)
        return svc_fail(op, MSG_NO_CODE);
    if (code->ZipFile.len == 0)
        return svc_fail(op, MSG_ZIP_EMPTY);
    if (code->ZipFile.len > LAMBDA_ZIP_MAX)
        return svc_fail(op, MSG_ZIPPED_SIZE);
    return 0;
}

/* The words of AWS's parser (Jackson) for the common cases. */
static struct str payload_reason(struct arena *arena, struct str payload, size_t at)
{
    if (at >= payload.len)
        return arena_printf(arena,
                            "Unexpected end-of-input\n at [Source: (byte[])\"" STR_FMT
                            "\"; line: 1, column: %zu]",
                            STR_ARG(str_head(payload, 500)), payload.len + 1);
    unsigned char c = (unsigned char) payload.ptr[at];
    return arena_printf(arena,
                        "Unexpected character ('%c' (code %u)): expected a valid value (JSON "
                        "String, Number, Array, Object or token 'null', 'true' or 'false')\n at "
                        "[Source: (byte[])\"" STR_FMT "\"; line: 1, column: %zu]",
                        c >= 0x20 && c < 0x7f ? c : '?', c, STR_ARG(str_head(payload, 500)),
                        at + 1);
}

int lambda_check_payload(struct op *op, struct str payload)
{
    size_t error_at = 0;
    if (payload.len > LAMBDA_PAYLOAD_MAX)
        return svc_fail(op, MSG_PAYLOAD_SIZE, LAMBDA_PAYLOAD_MAX);
    if (payload.len == 0 || json_is_valid(payload, &error_at))
        return 0;
    struct str reason = payload_reason(op->arena, payload, error_at);
    return svc_fail(op, MSG_PAYLOAD, STR_ARG(reason));
}

int lambda_check_client_context(struct op *op, struct str encoded, struct str *out_json)
{
    struct str json = STR_NONE;
    if (encoded.ptr != NULL &&
        (encoded.len > LAMBDA_CLIENT_CONTEXT_MAX || base64_decode(op->arena, encoded, &json) < 0 ||
         json.len == 0 || str_trim(json).ptr[0] != '{' || !json_is_valid(json, NULL)))
        return svc_fail(op, MSG_CLIENT_CONTEXT);
    *out_json = json;
    return 0;
}

int lambda_check_unzipped(struct op *op, const struct lambda_row *row)
{
    struct lambda_layer layers[LAYERS_MAX];
    size_t count = layers_parse(row->layers, layers);
    int64_t total = row->unzipped_size;
    for (size_t i = 0; i < count; i++)
        total += layers[i].unzipped_size;
    return total > (int64_t) LAMBDA_UNZIPPED_MAX ? svc_fail(op, MSG_LAYERS_SIZE, total) : 0;
}
