/* Layers: packages that functions share, merged below /opt, in numbered versions that never change.
 *
 * A version is a row and a package like a function's. A function keeps in its own row what it needs
 * of its layers, so a version may be deleted while functions go on with it: its package goes when
 * neither a version nor a function names it any more (lambda_db_uses_code). Layers of other
 * accounts need permissions that nobody can give yet: they are refused as AWS refuses them. */
#include "base/assert.h"
#include "data/arn.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/rules.h"

#include <inttypes.h>

enum { LAYERS_PAGE_MAX = 50 };

/* Both answers show a version in full. */
static_assert(sizeof(struct lambda_PublishLayerVersionResponse) ==
                  sizeof(struct lambda_GetLayerVersionResponse),
              "one layout");

/* ---- names ---- */

struct layer_name {
    struct str name;
    int64_t version; /* 0: the ARN has none */
};

static int denied(struct op *op, const char *action, struct str arn)
{
    return svc_fail(op, MSG_LAYER_ACCOUNT, STR_ARG(op->caller.principal), action, STR_ARG(arn),
                    action);
}

/* arn:aws:lambda:REGION:ACCOUNT:layer:NAME[:VERSION], whose pattern was checked; or a name alone.
 * Another region is told by the caller's own `region_message`. */
static int name_parse(struct op *op, struct str text, const char *action, struct layer_name *out)
{
    struct layer_name name = {.name = text};
    struct arn arn;
    if (str_starts(text, STR("arn:")) && arn_parse(text, &arn) == 0) {
        struct str rest = arn.resource, kind, version;
        (void) str_split(&rest, ':', &kind);
        (void) str_split(&rest, ':', &name.name);
        uint64_t number;
        if (rest.ptr != NULL && str_split(&rest, ':', &version) &&
            parse_u64(version, INT64_MAX, &number) == 0)
            name.version = (int64_t) number;
        if (!str_eq(arn.account, op->caller.account))
            return denied(op, action, text);
        if (!str_eq(arn.region, op->caller.region))
            return svc_fail(op, MSG_LAYER_REGION, STR_ARG(op->caller.region));
    }
    *out = name;
    return 0;
}

static struct str layer_arn(struct arena *arena, const struct layer_row *row)
{
    return arena_printf(arena, "arn:aws:lambda:" STR_FMT ":" STR_FMT ":layer:" STR_FMT,
                        STR_ARG(row->region), STR_ARG(row->account), STR_ARG(row->name));
}

static struct str version_arn(struct arena *arena, const struct layer_row *row)
{
    struct str arn = layer_arn(arena, row);
    return arena_printf(arena, STR_FMT ":%" PRId64, STR_ARG(arn), row->version);
}

/* ---- lists of names in a row: "a,b" ---- */

static struct str list_join(struct arena *arena, const struct str *items, size_t count)
{
    AUTO_BUF struct buf text;
    buf_init(&text, 4096); /* the model limits names and their number */
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s" STR_FMT, i == 0 ? "" : ",", STR_ARG(items[i]));
    return count == 0 ? STR_NONE : arena_str(arena, buf_str(&text));
}

static struct str *list_split(struct arena *arena, struct str text, size_t *out_count)
{
    size_t count = 0;
    struct str rest = text, item;
    if (text.len == 0)
        return NULL;
    while (str_split(&rest, ',', &item))
        count++;
    struct str *items = ARENA_ARRAY(arena, struct str, count);
    for (size_t i = 0; items != NULL && i < count; i++)
        (void) str_split(&text, ',', &items[i]);
    *out_count = items == NULL ? 0 : count;
    return items;
}

/* ---- answers ---- */

static int show(struct op *op, const struct layer_row *row,
                struct lambda_GetLayerVersionResponse *out)
{
    struct arena *arena = op->arena;
    out->Content = ARENA_NEW(arena, struct lambda_LayerVersionContentOutput);
    out->Content->CodeSha256 = lambda_sha256_base64(arena, row->code_sha256);
    out->Content->has_CodeSize = true;
    out->Content->CodeSize = row->code_size;
    out->LayerArn = layer_arn(arena, row);
    out->LayerVersionArn = version_arn(arena, row);
    out->Description = row->description.ptr != NULL ? row->description : STR("");
    out->CreatedDate = lambda_time(arena, row->created_at_ms);
    out->has_Version = true;
    out->Version = row->version;
    out->LicenseInfo = row->license;
    out->CompatibleRuntimes.items =
        list_split(arena, row->runtimes, &out->CompatibleRuntimes.count);
    out->CompatibleArchitectures.items =
        list_split(arena, row->architectures, &out->CompatibleArchitectures.count);
    return arena_is_over(arena) ? lambda_fail_too_large(op) : 0;
}

static void show_listed(struct arena *arena, const struct layer_row *row,
                        struct lambda_LayerVersionsListItem *out)
{
    *out = (struct lambda_LayerVersionsListItem){
        .LayerVersionArn = version_arn(arena, row),
        .has_Version = true,
        .Version = row->version,
        .Description = row->description.ptr != NULL ? row->description : STR(""),
        .CreatedDate = lambda_time(arena, row->created_at_ms),
        .LicenseInfo = row->license,
    };
    out->CompatibleRuntimes.items =
        list_split(arena, row->runtimes, &out->CompatibleRuntimes.count);
    out->CompatibleArchitectures.items =
        list_split(arena, row->architectures, &out->CompatibleArchitectures.count);
}

/* ---- publish, get, delete ---- */

static int check_content(struct op *op, const struct lambda_LayerVersionContentInput *content)
{
    if (content == NULL)
        return svc_fail(op, MSG_NO_LAYER_CODE);
    if (content->S3Bucket.ptr != NULL || content->S3Key.ptr != NULL ||
        content->S3ObjectVersion.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "code in S3 (S3Bucket, S3Key, S3ObjectVersion)");
    if (content->ZipFile.ptr == NULL)
        return svc_fail(op, MSG_NO_LAYER_CODE);
    if (content->ZipFile.len == 0)
        return svc_fail(op, MSG_ZIP_EMPTY);
    if (content->ZipFile.len > LAMBDA_ZIP_MAX)
        return svc_fail(op, MSG_ZIPPED_SIZE);
    return 0;
}

int lambda_prepare_PublishLayerVersion(struct op *op, const void *in_any)
{
    const struct lambda_PublishLayerVersionRequest *in = in_any;
    struct layer_name name;
    int rc = name_parse(op, in->LayerName, "PublishLayerVersion", &name);
    if (rc == 0)
        rc = check_content(op, in->Content);
    return rc < 0 ? rc : lambda_prepare_package(op, in->Content->ZipFile);
}

int lambda_run_PublishLayerVersion(struct op *op, const void *in_any, void *out)
{
    const struct lambda_PublishLayerVersionRequest *in = in_any;
    struct lambda_state *state = op->state;
    struct lambda_work *work = op->prepared;
    struct layer_name name;
    struct err err;
    int rc = name_parse(op, in->LayerName, "PublishLayerVersion", &name);
    if (rc < 0)
        return rc;
    struct layer_row row = {
        .account = op->caller.account,
        .region = op->caller.region,
        .name = name.name,
        .description = in->Description,
        .license = in->LicenseInfo,
        .runtimes =
            list_join(op->arena, in->CompatibleRuntimes.items, in->CompatibleRuntimes.count),
        .architectures = list_join(op->arena, in->CompatibleArchitectures.items,
                                   in->CompatibleArchitectures.count),
        .code_sha256 = str_from(work->package.sha256),
        .code_size = (int64_t) in->Content->ZipFile.len,
        .unzipped_size = (int64_t) work->package.unzipped,
        .created_at_ms = op->now_ms,
    };
    rc = layer_db_next_version(op->db, row.account, row.region, row.name, &row.version, &err);
    if (rc == 0)
        rc = layer_db_insert(op->db, &row, &err);
    if (rc == 0)
        rc = code_package_ensure(state->code, &work->package, in->Content->ZipFile, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    work->is_package_kept = true;
    return show(op, &row, out);
}

static int find_version(struct op *op, const struct layer_name *name, struct layer_row *out_row)
{
    struct err err;
    if (name->version < 1)
        return svc_fail(op, MSG_LAYER_VERSION);
    int rc = layer_db_find(op->db, op->arena, op->caller.account, op->caller.region, name->name,
                           name->version, out_row, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_LAYER_NOT_FOUND);
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}

int lambda_run_GetLayerVersion(struct op *op, const void *in_any, void *out)
{
    const struct lambda_GetLayerVersionRequest *in = in_any;
    struct layer_name name;
    struct layer_row row = {0};
    int rc = name_parse(op, in->LayerName, "GetLayerVersion", &name);
    if (rc < 0)
        return rc;
    name.version = in->VersionNumber;
    rc = find_version(op, &name, &row);
    return rc < 0 ? rc : show(op, &row, out);
}

int lambda_run_GetLayerVersionByArn(struct op *op, const void *in_any, void *out)
{
    const struct lambda_GetLayerVersionByArnRequest *in = in_any;
    struct layer_name name;
    struct layer_row row = {0};
    int rc = name_parse(op, in->Arn, "GetLayerVersion", &name);
    if (rc < 0)
        return rc;
    rc = find_version(op, &name, &row);
    return rc < 0 ? rc : show(op, &row, out);
}

/* Deleting what is not there is a success. */
int lambda_run_DeleteLayerVersion(struct op *op, const void *in_any, void *out)
{
    const struct lambda_DeleteLayerVersionRequest *in = in_any;
    struct lambda_work *work = ARENA_NEW(op->arena, struct lambda_work);
    struct layer_name name;
    struct layer_row row = {0};
    struct err err;
    (void) out; /* it has none */
    int rc = name_parse(op, in->LayerName, "DeleteLayerVersion", &name);
    if (rc < 0)
        return rc;
    if (in->VersionNumber < 1)
        return svc_fail(op, MSG_LAYER_VERSION);
    rc = layer_db_find(op->db, op->arena, op->caller.account, op->caller.region, name.name,
                       in->VersionNumber, &row, &err);
    if (rc == 0) {
        rc = layer_db_delete(op->db, &row, &err);
        lambda_work_release(op, work, row.code_sha256);
    }
    if (rc < 0 && rc != -ENOENT)
        return svc_fail_internal(op, &err);
    op->prepared = work;
    return 0;
}

/* ---- lists ---- */

static size_t page_size(bool has_max, int32_t max)
{
    return has_max && max < LAYERS_PAGE_MAX ? (size_t) max : LAYERS_PAGE_MAX;
}

int lambda_run_ListLayers(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListLayersRequest *in = in_any;
    struct lambda_ListLayersResponse *out = out_any;
    const struct layer_filter filter = {in->CompatibleRuntime, in->CompatibleArchitecture};
    struct layer_row rows[LAYERS_PAGE_MAX + 1];
    struct str after;
    struct err err;
    int rc = lambda_marker_parse(op, in->Marker, &after);
    if (rc < 0)
        return rc;
    size_t page = page_size(in->has_MaxItems, in->MaxItems);
    rc = layer_db_list(op->db, op->arena, op->caller.account, op->caller.region, after, &filter,
                       page + 1, rows, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    size_t count = (size_t) rc > page ? page : (size_t) rc;
    out->Layers.items = ARENA_ARRAY(op->arena, struct lambda_LayersListItem, count + 1);
    for (size_t i = 0; out->Layers.items != NULL && i < count; i++) {
        struct lambda_LayersListItem *item = &out->Layers.items[out->Layers.count++];
        item->LayerName = rows[i].name;
        item->LayerArn = layer_arn(op->arena, &rows[i]);
        item->LatestMatchingVersion = ARENA_NEW(op->arena, struct lambda_LayerVersionsListItem);
        show_listed(op->arena, &rows[i], item->LatestMatchingVersion);
    }
    if ((size_t) rc > page)
        out->NextMarker = lambda_marker_format(op->arena, rows[page - 1].name);
    return arena_is_over(op->arena) ? lambda_fail_too_large(op) : 0;
}

/* A marker is the number of the last version that was listed. */
static int before_parse(struct op *op, struct str marker, int64_t *out_before)
{
    struct str text;
    uint64_t number = INT64_MAX;
    int rc = lambda_marker_parse(op, marker, &text);
    if (rc == 0 && marker.ptr != NULL && parse_u64(text, INT64_MAX, &number) < 0)
        return svc_fail(op, MSG_MARKER);
    *out_before = (int64_t) number;
    return rc;
}

int lambda_run_ListLayerVersions(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListLayerVersionsRequest *in = in_any;
    struct lambda_ListLayerVersionsResponse *out = out_any;
    const struct layer_filter filter = {in->CompatibleRuntime, in->CompatibleArchitecture};
    struct layer_row rows[LAYERS_PAGE_MAX + 1];
    struct layer_name name;
    int64_t before = 0;
    struct err err;
    int rc = name_parse(op, in->LayerName, "ListLayerVersions", &name);
    if (rc == 0)
        rc = before_parse(op, in->Marker, &before);
    if (rc < 0)
        return rc;
    size_t page = page_size(in->has_MaxItems, in->MaxItems);
    rc = layer_db_list_versions(op->db, op->arena, op->caller.account, op->caller.region, name.name,
                                before, &filter, page + 1, rows, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    size_t count = (size_t) rc > page ? page : (size_t) rc;
    out->LayerVersions.items =
        ARENA_ARRAY(op->arena, struct lambda_LayerVersionsListItem, count + 1);
    for (size_t i = 0; out->LayerVersions.items != NULL && i < count; i++)
        show_listed(op->arena, &rows[i], &out->LayerVersions.items[out->LayerVersions.count++]);
    if ((size_t) rc > page) {
        struct str number = arena_printf(op->arena, "%" PRId64, rows[page - 1].version);
        out->NextMarker = lambda_marker_format(op->arena, number);
    }
    return arena_is_over(op->arena) ? lambda_fail_too_large(op) : 0;
}

/* ---- the layers of a function ---- */

static struct str without_version(struct str arn)
{
    size_t at = arn.len;
    while (at > 0 && arn.ptr[at - 1] != ':')
        at--;
    return str_head(arn, at > 0 ? at - 1 : 0);
}

static int find_layer(struct op *op, struct str arn, struct lambda_layer *out)
{
    struct layer_name name;
    struct layer_row row = {0};
    struct err err;
    int rc = name_parse(op, arn, "GetLayerVersion", &name);
    if (rc < 0)
        return rc;
    rc = layer_db_find(op->db, op->arena, op->caller.account, op->caller.region, name.name,
                       name.version, &row, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_LAYER_MISSING, STR_ARG(arn));
    if (rc < 0)
        return svc_fail_internal(op, &err);
    *out = (struct lambda_layer){arn, row.code_sha256, row.code_size, row.unzipped_size};
    return 0;
}

int lambda_find_layers(struct op *op, const struct str *arns, size_t count, struct lambda_row *row)
{
    struct lambda_layer layers[LAYERS_MAX];
    if (count > LAYERS_MAX)
        return svc_fail(op, MSG_LAYERS_MAX, LAYERS_MAX);
    for (size_t i = 0; i < count; i++) {
        int rc = find_layer(op, arns[i], &layers[i]);
        if (rc < 0)
            return rc;
        for (size_t k = 0; k < i; k++)
            if (str_eq(without_version(arns[k]), without_version(arns[i])))
                return svc_fail(op, MSG_LAYER_TWICE, STR_ARG(arns[k]), STR_ARG(arns[i]));
    }
    row->layers = count == 0 ? STR_NONE : layers_format(op->arena, layers, count);
    return count > 0 && row->layers.ptr == NULL ? lambda_fail_too_large(op) : 0;
}
