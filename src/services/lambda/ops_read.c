/* GetFunction, GetFunctionConfiguration, ListFunctions: reads of the actor's database, outside of
 * its write transaction.
 *
 * GetFunction answers Code without Location: AWS gives a presigned S3 URL of the package, and we
 * have nothing yet that could serve one. */
#include "data/base64.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/rules.h"
#include "services/lambda/versions.h"

enum { PAGE_MAX = 50 }; /* AWS returns at most 50, whatever MaxItems says */

/* The number of the version that the target means. */
static int find_number(struct op *op, const struct lambda_target *target, int64_t *out_version)
{
    struct alias_row alias;
    struct err err;
    *out_version = 0;
    if (target->qualifier.ptr == NULL || version_parse(target->qualifier, out_version) == 0)
        return 0;
    int rc = alias_db_find(op->db, op->arena, op->caller.account, op->caller.region, target->name,
                           target->qualifier, &alias, &err);
    if (rc == -ENOENT)
        return lambda_not_found(op, target);
    *out_version = rc < 0 ? 0 : alias.version;
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}

int lambda_find(struct op *op, struct str function_name, struct str qualifier,
                struct lambda_target *out_target, struct lambda_row *out_row)
{
    struct err err;
    int rc = lambda_resolve(op, function_name, qualifier, out_target);
    if (rc < 0)
        return rc;
    int64_t version;
    rc = find_number(op, out_target, &version);
    if (rc < 0)
        return rc;
    rc = lambda_db_find(op->db, op->arena, op->caller.account, op->caller.region, out_target->name,
                        version, out_row, &err);
    if (rc == -ENOENT)
        return lambda_not_found(op, out_target);
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}

int lambda_find_function(struct op *op, struct str function_name, struct lambda_target *out_target,
                         struct lambda_row *out_row)
{
    struct lambda_target target;
    int rc = lambda_resolve(op, function_name, STR_NONE, &target);
    if (rc == 0 && target.qualifier.ptr != NULL && !str_eq(target.qualifier, STR("$LATEST")))
        return svc_fail(op, MSG_FUNCTION_ONLY);
    return rc < 0 ? rc : lambda_find(op, function_name, STR_NONE, out_target, out_row);
}

int lambda_fail_too_large(struct op *op)
{
    return svc_fail(op, &aws_error_request_too_large, "The answer is too large.");
}

int lambda_run_GetFunctionConfiguration(struct op *op, const void *in_any, void *out)
{
    const struct lambda_GetFunctionConfigurationRequest *in = in_any;
    struct lambda_target target;
    struct lambda_row row;
    int rc = lambda_find(op, in->FunctionName, in->Qualifier, &target, &row);
    if (rc < 0)
        return rc;
    rc = lambda_show(op, &row, target.qualifier, LAMBDA_SHOW_ALL, out);
    return rc < 0 ? lambda_fail_too_large(op) : 0;
}

int lambda_run_GetFunction(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_GetFunctionRequest *in = in_any;
    struct lambda_GetFunctionResponse *out = out_any;
    struct lambda_target target;
    struct lambda_row row;
    int rc = lambda_find(op, in->FunctionName, in->Qualifier, &target, &row);
    if (rc < 0)
        return rc;
    out->Configuration = ARENA_NEW(op->arena, struct lambda_FunctionConfiguration);
    rc = lambda_show(op, &row, target.qualifier, LAMBDA_SHOW_ALL, out->Configuration);
    if (row.reserved >= 0) {
        out->Concurrency = ARENA_NEW(op->arena, struct lambda_Concurrency);
        out->Concurrency->has_ReservedConcurrentExecutions = true;
        out->Concurrency->ReservedConcurrentExecutions = (int32_t) row.reserved;
    }
    out->Code = ARENA_NEW(op->arena, struct lambda_FunctionCodeLocation);
    out->Code->RepositoryType = STR("S3");
    if (rc == 0 && row.tags.ptr != NULL) {
        struct lambda_EnvironmentVariables tags;
        rc = lambda_map_parse(op->arena, row.tags, &tags);
        if (rc == 0) /* both are lists of pairs, see show.c */
            out->Tags = (struct lambda_Tags){(void *) tags.items, tags.count};
    }
    return rc < 0 ? lambda_fail_too_large(op) : 0;
}

int lambda_marker_parse(struct op *op, struct str marker, struct str *out_name)
{
    struct str name = STR("");
    if (marker.ptr != NULL && base64_decode(op->arena, marker, &name) < 0)
        return svc_fail(op, MSG_MARKER);
    *out_name = name;
    return 0;
}

struct str lambda_marker_format(struct arena *arena, struct str name)
{
    struct buf text;
    buf_init(&text, 1024);
    base64_encode(&text, name);
    struct str marker = arena_str(arena, buf_str(&text));
    buf_done(&text);
    return marker;
}

/* ALL: every version of every function; a marker then is "name:version", or a name: behind it. */
static int list(struct op *op, bool is_all, struct str after, size_t rows_max,
                struct lambda_row *rows)
{
    struct str account = op->caller.account, region = op->caller.region;
    struct str name = str_head(after, str_find(after, ':'));
    int64_t version = INT64_MAX;
    struct err err;
    if (is_all && after.len > name.len &&
        version_parse(str_skip(after, name.len + 1), &version) < 0)
        return svc_fail(op, MSG_MARKER);
    int rc = is_all
                 ? lambda_db_list_all(op->db, op->arena, account, region, name, version, rows_max,
                                      rows, &err)
                 : lambda_db_list(op->db, op->arena, account, region, name, rows_max, rows, &err);
    return rc < 0 ? svc_fail_internal(op, &err) : rc;
}

static struct str next_marker(struct op *op, const struct lambda_row *last, bool is_all)
{
    struct str name = last->name, version = version_format(op->arena, last->version);
    if (is_all)
        name = arena_printf(op->arena, STR_FMT ":" STR_FMT, STR_ARG(name), STR_ARG(version));
    return lambda_marker_format(op->arena, name);
}

int lambda_run_ListFunctions(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListFunctionsRequest *in = in_any;
    struct lambda_ListFunctionsResponse *out = out_any;
    struct lambda_row rows[PAGE_MAX + 1];
    struct str after = STR("");
    bool is_all = in->FunctionVersion.ptr != NULL;
    if (in->MasterRegion.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "MasterRegion (Lambda@Edge)");
    int rc = lambda_marker_parse(op, in->Marker, &after);
    if (rc < 0)
        return rc;
    size_t page = in->has_MaxItems && in->MaxItems < PAGE_MAX ? (size_t) in->MaxItems : PAGE_MAX;
    rc = list(op, is_all, after, page + 1, rows);
    if (rc < 0)
        return rc;
    size_t count = (size_t) rc > page ? page : (size_t) rc;
    out->Functions.items = ARENA_ARRAY(op->arena, struct lambda_FunctionConfiguration, count + 1);
    if (out->Functions.items == NULL)
        return lambda_fail_too_large(op);
    out->Functions.count = count;
    for (size_t i = 0; i < count; i++) {
        struct str version = is_all ? version_format(op->arena, rows[i].version) : STR_NONE;
        if (lambda_show(op, &rows[i], version, LAMBDA_SHOW_LISTED, &out->Functions.items[i]) < 0)
            return lambda_fail_too_large(op);
    }
    if ((size_t) rc > page)
        out->NextMarker = next_marker(op, &rows[page - 1], is_all);
    return 0;
}
