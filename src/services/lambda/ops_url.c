/* The configuration of function URLs. A URL's id is drawn once and stays through updates. Its host
 * name ends in the name under which the client of the API reached us, so that what works for him
 * works for the URL. Update replaces Cors as a whole, as AWS does. A function has a URL for itself
 * and one for each of its aliases; versions have none. */
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/url.h"
#include "services/lambda/versions.h"

#include "data/time.h"

enum { ID_LEN = 32, LIST_MAX = 128 * 1024, PAGE_MAX = 50 };

/* What Create, Update, Get and List answer; List's element has all members. */
static int show(struct op *op, const struct url_row *row, struct lambda_FunctionUrlConfig *out);

/* The key of the URL that name and qualifier mean. A version's is one that is never there. */
static int resolve(struct op *op, struct str function_name, struct str qualifier,
                   struct lambda_target *out_target, struct url_row *out_key)
{
    int rc = lambda_resolve(op, function_name, qualifier, out_target);
    if (rc < 0)
        return rc;
    out_key->account = op->caller.account;
    out_key->region = op->caller.region;
    out_key->name = out_target->name;
    out_key->qualifier = out_target->qualifier.ptr != NULL ? out_target->qualifier : STR("$LATEST");
    return 0;
}

static int find(struct op *op, struct str function_name, struct str qualifier,
                struct url_row *out_row)
{
    struct lambda_target target;
    struct url_row key = {0};
    struct err err;
    int rc = resolve(op, function_name, qualifier, &target, &key);
    if (rc < 0)
        return rc;
    rc = url_db_find(op->db, op->arena, &key, out_row, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_URL_NOT_FOUND);
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}

/* -ENOENT: there is no such function or alias. */
static int find_target(struct op *op, const struct url_row *key, struct err *err)
{
    struct lambda_row function;
    struct alias_row alias;
    if (str_eq(key->qualifier, STR("$LATEST")))
        return lambda_db_find(op->db, op->arena, key->account, key->region, key->name, 0, &function,
                              err);
    return alias_db_find(op->db, op->arena, key->account, key->region, key->name, key->qualifier,
                         &alias, err);
}

static int join(struct op *op, const struct str *items, size_t count, bool is_given,
                struct str *out)
{
    AUTO_BUF struct buf text;
    buf_init(&text, LIST_MAX);
    for (size_t i = 0; is_given && i < count; i++) {
        for (size_t k = 0; k < items[i].len; k++) {
            if ((unsigned char) items[i].ptr[k] < ' ')
                return svc_fail(op, MSG_URL_CORS);
        }
        buf_printf(&text, "%s" STR_FMT, i == 0 ? "" : "\n", STR_ARG(items[i]));
    }
    *out = is_given ? arena_str(op->arena, buf_str(&text)) : STR_NONE;
    return buf_is_over(&text) || (is_given && out->ptr == NULL) ? lambda_fail_too_large(op) : 0;
}

static int take_cors(struct op *op, const struct lambda_Cors *in, struct url_cors *out)
{
    struct url_cors cors = {
        .is_given = true,
        .has_credentials = in->has_AllowCredentials,
        .credentials = in->AllowCredentials,
        .has_max_age = in->has_MaxAge,
        .max_age_s = in->MaxAge,
    };
    int rc = join(op, in->AllowHeaders.items, in->AllowHeaders.count,
                  in->AllowHeaders.items != NULL, &cors.allow_headers);
    if (rc == 0)
        rc = join(op, in->AllowMethods.items, in->AllowMethods.count,
                  in->AllowMethods.items != NULL, &cors.allow_methods);
    if (rc == 0)
        rc = join(op, in->AllowOrigins.items, in->AllowOrigins.count,
                  in->AllowOrigins.items != NULL, &cors.allow_origins);
    if (rc == 0)
        rc = join(op, in->ExposeHeaders.items, in->ExposeHeaders.count,
                  in->ExposeHeaders.items != NULL, &cors.expose_headers);
    *out = cors;
    return rc;
}

static struct str draw_id(struct op *op)
{
    unsigned char random[ID_LEN];
    char id[ID_LEN];
    rng_fill(op->rng, random, sizeof random);
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = "abcdefghijklmnopqrstuvwxyz234567"[random[i] & 31];
    return arena_str(op->arena, str_of(id, sizeof id));
}

/* Leaves what url_publish needs. */
static void leave(struct op *op, const struct url_row *row, bool is_deleted)
{
    struct url_work *work = ARENA_NEW(op->arena, struct url_work);
    *work = (struct url_work){*row, is_deleted};
    op->prepared = work;
}

void url_publish(struct op *op, struct task *then)
{
    struct lambda_state *state = op->state;
    const struct url_work *work = op->prepared;
    struct snapshot *snapshot = work->is_deleted ? NULL : &url_spec_new(&work->row)->snapshot;
    directory_publish(state->urls, work->row.id, snapshot, then);
}

/* The answers are structures of their own with the same members. */
#define GIVE(out, shown)                                                                           \
    do {                                                                                           \
        (out)->FunctionUrl = (shown).FunctionUrl;                                                  \
        (out)->FunctionArn = (shown).FunctionArn;                                                  \
        (out)->AuthType = (shown).AuthType;                                                        \
        (out)->Cors = (shown).Cors;                                                                \
        (out)->CreationTime = (shown).CreationTime;                                                \
        (out)->InvokeMode = (shown).InvokeMode;                                                    \
    } while (0)

int lambda_run_CreateFunctionUrlConfig(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_CreateFunctionUrlConfigRequest *in = in_any;
    struct lambda_CreateFunctionUrlConfigResponse *out = out_any;
    struct lambda_FunctionUrlConfig shown = {0};
    struct lambda_target target;
    struct url_row row = {.id = draw_id(op),
                          .is_iam = str_eq(in->AuthType, STR("AWS_IAM")),
                          .is_streamed = str_eq(in->InvokeMode, STR("RESPONSE_STREAM")),
                          .created_at_ms = op->now_ms,
                          .modified_at_ms = op->now_ms};
    struct err err;
    int rc = resolve(op, in->FunctionName, in->Qualifier, &target, &row);
    if (rc == 0 && in->Cors != NULL)
        rc = take_cors(op, in->Cors, &row.cors);
    if (rc < 0)
        return rc;
    rc = find_target(op, &row, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_URL_NO_FUNCTION);
    if (rc == 0)
        rc = url_db_insert(op->db, &row, &err);
    if (rc == -EEXIST)
        return svc_fail(op, MSG_URL_EXISTS, STR_ARG(target.arn));
    if (rc < 0)
        return svc_fail_internal(op, &err);
    leave(op, &row, false);
    rc = show(op, &row, &shown);
    GIVE(out, shown);
    return rc;
}

int lambda_run_UpdateFunctionUrlConfig(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_UpdateFunctionUrlConfigRequest *in = in_any;
    struct lambda_UpdateFunctionUrlConfigResponse *out = out_any;
    struct lambda_FunctionUrlConfig shown = {0};
    struct url_row row;
    struct err err;
    int rc = find(op, in->FunctionName, in->Qualifier, &row);
    if (rc == 0 && in->Cors != NULL)
        rc = take_cors(op, in->Cors, &row.cors);
    if (rc < 0)
        return rc;
    if (in->AuthType.ptr != NULL)
        row.is_iam = str_eq(in->AuthType, STR("AWS_IAM"));
    if (in->InvokeMode.ptr != NULL)
        row.is_streamed = str_eq(in->InvokeMode, STR("RESPONSE_STREAM"));
    row.modified_at_ms = op->now_ms;
    rc = url_db_update(op->db, &row, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    leave(op, &row, false);
    rc = show(op, &row, &shown);
    GIVE(out, shown);
    out->LastModifiedTime = shown.LastModifiedTime;
    return rc;
}

int lambda_run_GetFunctionUrlConfig(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_GetFunctionUrlConfigRequest *in = in_any;
    struct lambda_GetFunctionUrlConfigResponse *out = out_any;
    struct lambda_FunctionUrlConfig shown = {0};
    struct url_row row;
    int rc = find(op, in->FunctionName, in->Qualifier, &row);
    if (rc == 0)
        rc = show(op, &row, &shown);
    GIVE(out, shown);
    out->LastModifiedTime = shown.LastModifiedTime;
    return rc;
}

int lambda_run_DeleteFunctionUrlConfig(struct op *op, const void *in_any, void *out)
{
    const struct lambda_DeleteFunctionUrlConfigRequest *in = in_any;
    struct url_row row;
    struct err err;
    (void) out; /* it has none */
    int rc = find(op, in->FunctionName, in->Qualifier, &row);
    if (rc < 0)
        return rc;
    rc = url_db_delete(op->db, &row, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    leave(op, &row, true);
    return 0;
}

int lambda_run_ListFunctionUrlConfigs(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListFunctionUrlConfigsRequest *in = in_any;
    struct lambda_ListFunctionUrlConfigsResponse *out = out_any;
    struct url_row rows[PAGE_MAX + 1], after = {0};
    struct lambda_target target;
    struct lambda_row function;
    struct err err;
    int rc = lambda_find_function(op, in->FunctionName, &target, &function);
    if (rc == 0)
        rc = resolve(op, target.name, STR_NONE, &target, &after);
    if (rc == 0)
        rc = lambda_marker_parse(op, in->Marker, &after.qualifier);
    if (rc < 0)
        return rc;
    size_t page = in->has_MaxItems && in->MaxItems < PAGE_MAX ? (size_t) in->MaxItems : PAGE_MAX;
    rc = url_db_list(op->db, op->arena, &after, page + 1, rows, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    size_t count = (size_t) rc > page ? page : (size_t) rc;
    out->FunctionUrlConfigs.items =
        ARENA_ARRAY(op->arena, struct lambda_FunctionUrlConfig, count + 1);
    if (out->FunctionUrlConfigs.items == NULL)
        return lambda_fail_too_large(op);
    out->FunctionUrlConfigs.count = count;
    for (size_t i = 0; i < count; i++) {
        int failed = show(op, &rows[i], &out->FunctionUrlConfigs.items[i]);
        if (failed < 0)
            return failed;
    }
    if ((size_t) rc > page)
        out->NextMarker = lambda_marker_format(op->arena, rows[page - 1].qualifier);
    return 0;
}

/* --- showing --- */

static int split(struct op *op, struct str list, struct str **out_items, size_t *out_count)
{
    struct str rest = list, item;
    size_t count = 1, at = 0;
    if (list.ptr == NULL)
        return 0;
    for (size_t i = 0; i < list.len; i++)
        count += list.ptr[i] == '\n';
    struct str *items = ARENA_ARRAY(op->arena, struct str, count);
    if (items == NULL)
        return -E2BIG;
    while (list.len > 0 && at < count && str_split(&rest, '\n', &item))
        items[at++] = item;
    *out_items = items;
    *out_count = at;
    return 0;
}

static int show_cors(struct op *op, const struct url_cors *cors, struct lambda_Cors *out)
{
    out->has_AllowCredentials = cors->has_credentials;
    out->AllowCredentials = cors->credentials;
    out->has_MaxAge = cors->has_max_age;
    out->MaxAge = cors->max_age_s;
    if (split(op, cors->allow_headers, &out->AllowHeaders.items, &out->AllowHeaders.count) < 0 ||
        split(op, cors->allow_methods, &out->AllowMethods.items, &out->AllowMethods.count) < 0 ||
        split(op, cors->allow_origins, &out->AllowOrigins.items, &out->AllowOrigins.count) < 0 ||
        split(op, cors->expose_headers, &out->ExposeHeaders.items, &out->ExposeHeaders.count) < 0)
        return -E2BIG;
    return 0;
}

static struct str iso_time(struct op *op, int64_t utc_ms)
{
    AUTO_BUF struct buf text;
    buf_init(&text, 64);
    time_put_iso8601(&text, utc_ms, true);
    return arena_str(op->arena, buf_str(&text));
}

/* "http://ID.lambda-url.REGION.localhost:4566/" */
static struct str public_url(struct op *op, const struct url_row *row)
{
    size_t colon = op->host.len;
    while (colon > 0 && op->host.ptr[colon - 1] != ':' && op->host.ptr[colon - 1] != ']')
        colon--;
    bool has_port = colon > 0 && op->host.ptr[colon - 1] == ':';
    struct str port = has_port ? str_skip(op->host, colon - 1) : STR("");
    struct str cloud = STR("localhost.localstack.cloud");
    struct str name = str_head(op->host, op->host.len - port.len);
    return arena_printf(op->arena, "http://" STR_FMT ".lambda-url." STR_FMT "." STR_FMT STR_FMT "/",
                        STR_ARG(row->id), STR_ARG(row->region),
                        STR_ARG(str_ends(name, cloud) ? cloud : STR("localhost")), STR_ARG(port));
}

static int show(struct op *op, const struct url_row *row, struct lambda_FunctionUrlConfig *out)
{
    out->FunctionUrl = public_url(op, row);
    out->FunctionArn = url_row_arn(op->arena, row);
    out->AuthType = row->is_iam ? STR("AWS_IAM") : STR("NONE");
    out->InvokeMode = row->is_streamed ? STR("RESPONSE_STREAM") : STR("BUFFERED");
    out->CreationTime = iso_time(op, row->created_at_ms);
    out->LastModifiedTime = iso_time(op, row->modified_at_ms);
    if (row->cors.is_given) {
        out->Cors = ARENA_NEW(op->arena, struct lambda_Cors);
        if (show_cors(op, &row->cors, out->Cors) < 0)
            return lambda_fail_too_large(op);
    }
    return arena_is_over(op->arena) ? lambda_fail_too_large(op) : 0;
}
