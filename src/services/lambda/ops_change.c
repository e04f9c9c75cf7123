/* The operations that change a function: create, new code, new configuration, delete.
 *
 * Those that bring a package have a prepare step (worker), which decides everything that needs no
 * database and unpacks; run (actor) writes the row. Package and blob are durable before the row can
 * be: after any crash, a row that is there has its code. What run leaves in op->prepared goes to
 * lambda_publish after the commit. */
#include "base/log.h"
#include "data/hash.h"
#include "services/lambda/db_events.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/rules.h"
#include "services/lambda/versions.h"

enum { DEFAULT_TIMEOUT_S = 3, DEFAULT_MEMORY_MB = 128, DEFAULT_TMP_MB = 512, TAGS_MAX = 50 };

int lambda_prepare_package(struct op *op, struct str zip)
{
    struct lambda_state *state = op->state;
    struct lambda_work *work = ARENA_NEW(op->arena, struct lambda_work);
    struct err err;
    int rc = code_package_make(state->code, zip, &work->package, &err);
    if (rc == 0) {
        op->prepared = work;
        return 0;
    }
    struct log_text quoted;
    log_info("lambda", "package refused", "req=" STR_FMT " reason=%s", STR_ARG(op->request_id),
             log_quote(&quoted, str_from(err.text)));
    switch (rc) {
    case -EINVAL: return svc_fail(op, MSG_UNZIP);
    case -ENODATA: return svc_fail(op, MSG_ZIP_EMPTY);
    case -EFBIG: return svc_fail(op, MSG_UNZIPPED_SIZE);
    case -E2BIG: return svc_fail(op, MSG_TOO_MANY_FILES, CODE_ENTRIES_MAX);
    default: return svc_fail_internal(op, &err);
    }
}

/* The members that CreateFunction and UpdateFunctionConfiguration share, from either request: two
 * generated types with the same names in them. */
#define SETTINGS_OF(in)                                                                            \
    ((struct lambda_settings){                                                                     \
        .runtime = (in)->Runtime,                                                                  \
        .role = (in)->Role,                                                                        \
        .handler = (in)->Handler,                                                                  \
        .description = (in)->Description,                                                          \
        .kms_key = (in)->KMSKeyArn,                                                                \
        .has_timeout = (in)->has_Timeout,                                                          \
        .has_memory = (in)->has_MemorySize,                                                        \
        .timeout_s = (in)->Timeout,                                                                \
        .memory_mb = (in)->MemorySize,                                                             \
        .vpc = (in)->VpcConfig,                                                                    \
        .dead_letter = (in)->DeadLetterConfig,                                                     \
        .environment = (in)->Environment,                                                          \
        .tracing = (in)->TracingConfig,                                                            \
        .storage = (in)->EphemeralStorage,                                                         \
        .snap_start = (in)->SnapStart,                                                             \
        .logging = (in)->LoggingConfig,                                                            \
        .capacity = (in)->CapacityProviderConfig,                                                  \
        .durable = (in)->DurableConfig,                                                            \
        .image = (in)->ImageConfig,                                                                \
        .layers = (in)->Layers.items,                                                              \
        .layer_count = (in)->Layers.count,                                                         \
        .file_system_count = (in)->FileSystemConfigs.count,                                        \
    })

/* The members that only CreateFunction has. */
static int check_create_only(struct op *op, const struct lambda_CreateFunctionRequest *in)
{
    const char *unsupported = NULL;
    if (str_eq(in->PackageType, STR("Image")))
        unsupported = "PackageType Image (container images)";
    else if (in->CodeSigningConfigArn.len > 0)
        unsupported = "CodeSigningConfigArn";
    else if (in->PublishTo.ptr != NULL)
        unsupported = "PublishTo";
    else if (in->TenancyConfig != NULL)
        unsupported = "TenancyConfig";
    if (unsupported != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, unsupported);
    if (in->Runtime.ptr == NULL || in->Handler.len == 0)
        return svc_fail(op, MSG_MANDATORY);
    if (in->Tags.count > TAGS_MAX)
        return svc_fail(op, MSG_TAGS);
    return lambda_check_architectures(op, in->Architectures.items, in->Architectures.count);
}

/* A name for a new function: no qualifier, and AWS's own limit. */
static int resolve_new(struct op *op, struct str function_name, struct lambda_target *out)
{
    int rc = lambda_resolve(op, function_name, STR_NONE, out);
    if (rc < 0)
        return rc;
    if (out->qualifier.ptr != NULL)
        return svc_fail(op, MSG_NAME_PATTERN, STR_ARG(function_name));
    if (out->name.len > LAMBDA_NAME_MAX)
        return svc_fail(op, MSG_NAME_TOO_LONG, STR_ARG(out->name));
    return 0;
}

int lambda_prepare_CreateFunction(struct op *op, const void *in_any)
{
    const struct lambda_CreateFunctionRequest *in = in_any;
    const struct lambda_settings settings = SETTINGS_OF(in);
    struct lambda_target target;
    int rc = resolve_new(op, in->FunctionName, &target);
    if (rc == 0)
        rc = check_create_only(op, in);
    if (rc == 0)
        rc = lambda_check_settings(op, &settings);
    if (rc == 0)
        rc = lambda_check_code(op, in->Code);
    return rc < 0 ? rc : lambda_prepare_package(op, in->Code->ZipFile);
}

struct str lambda_new_revision(struct op *op)
{
    unsigned char random[16];
    char text[UUID_TEXT_SIZE];
    rng_fill(op->rng, random, sizeof random);
    uuid_format(random, text);
    return arena_str(op->arena, str_from(text));
}

static int new_row(struct op *op, const struct lambda_CreateFunctionRequest *in,
                   const struct lambda_target *target, struct lambda_row *row)
{
    const struct lambda_settings settings = SETTINGS_OF(in);
    *row = (struct lambda_row){
        .account = op->caller.account,
        .region = op->caller.region,
        .name = target->name,
        .description = STR(""),
        .architecture = str_from(lambda_architecture()),
        .tracing_mode = STR("PassThrough"),
        .timeout_s = DEFAULT_TIMEOUT_S,
        .memory_mb = DEFAULT_MEMORY_MB,
        .tmp_mb = DEFAULT_TMP_MB,
        .reserved = -1,
    };
    if (in->Tags.count > 0 &&
        lambda_map_format(op->arena, (const struct str_pair *) (const void *) in->Tags.items,
                          in->Tags.count, &row->tags) < 0)
        return svc_fail(op, &aws_error_request_too_large, "Request is too large.");
    return lambda_apply_settings(op, &settings, row);
}

/* Puts package and revision of this operation into the row. */
static void take_package(struct op *op, struct str zip, struct str revision_id,
                         struct lambda_row *row)
{
    const struct lambda_work *work = op->prepared;
    row->code_sha256 = str_from(work->package.sha256);
    row->code_size = (int64_t) zip.len;
    row->unzipped_size = (int64_t) work->package.unzipped;
    row->modified_at_ms = op->now_ms;
    row->revision_id = revision_id;
}

/* The layers of the request, if it names any, and the limit of code and layers together. What the
 * row had is released. */
static int take_layers(struct op *op, const struct lambda_settings *settings,
                       struct lambda_work *work)
{
    if (settings->layers != NULL) {
        lambda_work_release_layers(op, work, work->row.layers);
        int rc = lambda_find_layers(op, settings->layers, settings->layer_count, &work->row);
        if (rc < 0)
            return rc;
    }
    return lambda_check_unzipped(op, &work->row);
}

static int finish(struct op *op, const struct lambda_row *row, struct str qualifier, void *out)
{
    if (lambda_show(op, row, qualifier, LAMBDA_SHOW_ALL, out) < 0)
        return svc_fail(op, &aws_error_request_too_large, "Request is too large.");
    return 0;
}

/* Publish: makes a version of what has just been written. */
static int publish(struct op *op, struct lambda_work *work, struct str revision_id)
{
    work->also = ARENA_NEW(op->arena, struct lambda_row);
    return version_publish(op, &work->row, revision_id, STR_NONE, work->also);
}

int lambda_run_CreateFunction(struct op *op, const void *in_any, void *out)
{
    const struct lambda_CreateFunctionRequest *in = in_any;
    const struct lambda_settings settings = SETTINGS_OF(in);
    struct lambda_state *state = op->state;
    struct lambda_work *work = op->prepared;
    struct str revisions[] = {lambda_new_revision(op), lambda_new_revision(op)};
    struct lambda_target target;
    struct err err;
    int rc = resolve_new(op, in->FunctionName, &target);
    if (rc == 0)
        rc = new_row(op, in, &target, &work->row);
    if (rc < 0)
        return rc;
    take_package(op, in->Code->ZipFile, revisions[0], &work->row);
    rc = take_layers(op, &settings, work);
    if (rc < 0)
        return rc;
    rc = lambda_db_kept_number(op->db, work->row.account, work->row.region, work->row.name,
                               &work->row.last_version, &err);
    if (rc == 0)
        rc = lambda_db_insert(op->db, &work->row, &err);
    if (rc == -EEXIST)
        return svc_fail(op, MSG_FUNCTION_EXISTS, STR_ARG(target.name));
    if (rc == 0)
        rc = code_package_ensure(state->code, &work->package, in->Code->ZipFile, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    if (in->has_Publish && in->Publish && (rc = publish(op, work, revisions[1])) < 0)
        return rc;
    work->is_package_kept = true;
    work->arn = target.arn;
    return finish(op, work->also != NULL ? work->also : &work->row, STR_NONE, out);
}

int lambda_prepare_UpdateFunctionCode(struct op *op, const void *in_any)
{
    const struct lambda_UpdateFunctionCodeRequest *in = in_any;
    const struct lambda_FunctionCode code = {
        .ZipFile = in->ZipFile,
        .S3Bucket = in->S3Bucket,
        .S3Key = in->S3Key,
        .S3ObjectVersion = in->S3ObjectVersion,
        .SourceKMSKeyArn = in->SourceKMSKeyArn,
    };
    struct lambda_target target;
    int rc = lambda_resolve(op, in->FunctionName, STR_NONE, &target);
    if (rc == 0)
        rc = lambda_check_latest(op, &target);
    if (rc < 0)
        return rc;
    if (in->ImageUri.ptr != NULL)
        return svc_fail(op, MSG_IMAGE_FOR_ZIP);
    if (in->PublishTo.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "PublishTo");
    rc = lambda_check_architectures(op, in->Architectures.items, in->Architectures.count);
    if (rc == 0)
        rc = lambda_check_code(op, &code);
    return rc < 0 ? rc : lambda_prepare_package(op, in->ZipFile);
}

int lambda_find_for_update(struct op *op, struct str function_name, struct str revision_id,
                           struct lambda_row *out_row, struct str *out_arn)
{
    struct lambda_target target;
    struct err err;
    int rc = lambda_resolve(op, function_name, STR_NONE, &target);
    if (rc == 0)
        rc = lambda_check_latest(op, &target);
    if (rc < 0)
        return rc;
    rc = lambda_db_find(op->db, op->arena, op->caller.account, op->caller.region, target.name, 0,
                        out_row, &err);
    if (rc == -ENOENT)
        return lambda_not_found(op, &(struct lambda_target){.arn = target.arn});
    if (rc < 0)
        return svc_fail_internal(op, &err);
    if (revision_id.ptr != NULL && !str_eq(revision_id, out_row->revision_id))
        return svc_fail(op, MSG_REVISION);
    *out_arn = target.arn;
    return 0;
}

int lambda_run_UpdateFunctionCode(struct op *op, const void *in_any, void *out)
{
    const struct lambda_UpdateFunctionCodeRequest *in = in_any;
    struct lambda_state *state = op->state;
    struct lambda_work *work = op->prepared;
    struct lambda_row *row = &work->row;
    struct str revisions[] = {lambda_new_revision(op), lambda_new_revision(op)};
    int rc = lambda_find_for_update(op, in->FunctionName, in->RevisionId, row, &work->arn);
    if (rc < 0)
        return rc;
    struct str old_sha256 = row->code_sha256, old_revision = row->revision_id;
    int64_t old_modified_at_ms = row->modified_at_ms;
    take_package(op, in->ZipFile, revisions[0], row);
    if (in->has_DryRun && in->DryRun) {
        row->revision_id = old_revision;
        row->modified_at_ms = old_modified_at_ms;
        work->arn = STR_NONE;
        return finish(op, row, STR_NONE, out);
    }
    struct err err;
    rc = lambda_check_unzipped(op, row);
    if (rc < 0)
        return rc;
    rc = lambda_db_update(op->db, row, &err);
    if (rc == 0)
        rc = code_package_ensure(state->code, &work->package, in->ZipFile, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    if (in->has_Publish && in->Publish && (rc = publish(op, work, revisions[1])) < 0)
        return rc;
    work->is_package_kept = true;
    if (!str_eq(old_sha256, row->code_sha256))
        lambda_work_release(op, work, old_sha256);
    if (work->also == NULL)
        return finish(op, row, STR_NONE, out);
    return finish(op, work->also, version_format(op->arena, work->also->version), out);
}

int lambda_run_UpdateFunctionConfiguration(struct op *op, const void *in_any, void *out)
{
    const struct lambda_UpdateFunctionConfigurationRequest *in = in_any;
    const struct lambda_settings settings = SETTINGS_OF(in);
    struct lambda_work *work = ARENA_NEW(op->arena, struct lambda_work);
    struct str revision_id = lambda_new_revision(op);
    int rc = lambda_find_for_update(op, in->FunctionName, in->RevisionId, &work->row, &work->arn);
    if (rc == 0)
        rc = lambda_check_settings(op, &settings);
    if (rc == 0)
        rc = lambda_apply_settings(op, &settings, &work->row);
    if (rc == 0)
        rc = take_layers(op, &settings, work);
    if (rc < 0)
        return rc;
    struct err err;
    work->row.modified_at_ms = op->now_ms;
    work->row.revision_id = revision_id;
    rc = lambda_db_update(op->db, &work->row, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    op->prepared = work;
    return finish(op, &work->row, STR_NONE, out);
}

void lambda_gone_add(struct op *op, struct lambda_work *work, const struct lambda_row *row)
{
    struct lambda_gone *gone = ARENA_NEW(op->arena, struct lambda_gone);
    gone->next = work->gone;
    gone->version = row->version;
    work->gone = gone;
    lambda_work_release(op, work, row->code_sha256);
    lambda_work_release_layers(op, work, row->layers);
}

struct deletion {
    struct op *op;
    struct lambda_work *work;
};

static int add_gone(void *arg, const struct lambda_row *row, struct err *err)
{
    const struct deletion *deletion = arg;
    (void) err;
    lambda_gone_add(deletion->op, deletion->work, row);
    return 0;
}

static void add_name(struct op *op, struct lambda_gone_name **names, struct str name)
{
    struct lambda_gone_name *gone = ARENA_NEW(op->arena, struct lambda_gone_name);
    *gone = (struct lambda_gone_name){*names, name};
    *names = gone;
}

enum { PAGE = 50 };

static int delete_aliases(struct op *op, struct lambda_work *work, struct err *err)
{
    struct alias_row rows[PAGE];
    struct str after = STR("");
    int count;
    do {
        count = alias_db_list(op->db, op->arena, &work->row, after, -1, PAGE, rows, err);
        for (int i = 0; i < count; i++) {
            add_name(op, &work->gone_aliases, rows[i].alias);
            after = rows[i].alias;
        }
    } while (count == PAGE);
    return count < 0 ? count : alias_db_forget(op->db, &work->row, err);
}

static int delete_urls(struct op *op, struct lambda_work *work, struct err *err)
{
    const struct url_row first = {.account = work->row.account,
                                  .region = work->row.region,
                                  .name = work->row.name,
                                  .qualifier = STR("")};
    struct url_row rows[PAGE];
    int count, rc = 0;
    do {
        count = url_db_list(op->db, op->arena, &first, PAGE, rows, err);
        for (int i = 0; i < count && rc == 0; i++) {
            add_name(op, &work->gone_urls, rows[i].id);
            rc = url_db_delete(op->db, &rows[i], err);
        }
    } while (count == PAGE && rc == 0);
    return count < 0 ? count : rc;
}

/* The function and all that is its own; the number of its last version stays. */
static int delete_rows(struct op *op, struct lambda_work *work, struct err *err)
{
    const struct lambda_row *row = &work->row;
    int rc = lambda_db_each_version(op->db, row, add_gone, &(struct deletion){op, work}, err);
    if (rc == 0)
        rc = lambda_db_delete(op->db, row->account, row->region, row->name, err);
    if (rc == 0 && row->last_version > 0)
        rc = lambda_db_keep_number(op->db, row, err);
    if (rc == 0)
        rc = delete_aliases(op, work, err);
    if (rc == 0)
        rc = event_db_forget(op->db, row->account, row->region, row->name, &work->forgotten_bytes,
                             err);
    return rc < 0 ? rc : delete_urls(op, work, err);
}

int lambda_run_DeleteFunction(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_DeleteFunctionRequest *in = in_any;
    struct lambda_DeleteFunctionResponse *out = out_any;
    struct lambda_target target;
    int rc = lambda_resolve(op, in->FunctionName, in->Qualifier, &target);
    if (rc < 0)
        return rc;
    if (str_eq(target.qualifier, STR("$LATEST")))
        return svc_fail(op, MSG_DELETE_LATEST);
    out->has_StatusCode = true;
    out->StatusCode = 204;
    if (target.qualifier.ptr != NULL)
        return version_delete(op, &target);
    struct lambda_work *work = ARENA_NEW(op->arena, struct lambda_work);
    struct err err;
    rc = lambda_db_find(op->db, op->arena, op->caller.account, op->caller.region, target.name, 0,
                        &work->row, &err);
    if (rc == -ENOENT)
        return lambda_not_found(op, &target);
    if (rc == 0)
        rc = delete_rows(op, work, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    work->is_deleted = true;
    work->arn = target.arn;
    op->prepared = work;
    return 0;
}
