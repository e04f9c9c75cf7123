/* GetFunction, GetFunctionConfiguration, ListFunctions: reads of the actor's database, outside of
 * its write transaction.
 *
 * GetFunction answers Code without Location: AWS gives a presigned S3 URL of the package, and we
 * have nothing yet that could serve one. */
#include "data/base64.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/rules.h"

enum { PAGE_MAX = 50 }; /* AWS returns at most 50, whatever MaxItems says */

/* $LATEST is the only version there is. */
int lambda_find(struct op *op, struct str function_name, struct str qualifier,
                struct lambda_target *out_target, struct lambda_row *out_row)
{
    struct err err;
    int rc = lambda_resolve(op, function_name, qualifier, out_target);
    if (rc < 0)
        return rc;
    if (out_target->qualifier.ptr != NULL && !str_eq(out_target->qualifier, STR("$LATEST")))
        return lambda_not_found(op, out_target);
    rc = lambda_db_find(op->db, op->arena, op->caller.account, op->caller.region, out_target->name,
                        out_row, &err);
    if (rc == -ENOENT)
        return lambda_not_found(op, out_target);
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
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
    rc = lambda_show(op, &row, target.qualifier.ptr != NULL, LAMBDA_SHOW_ALL, out);
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
    rc = lambda_show(op, &row, target.qualifier.ptr != NULL, LAMBDA_SHOW_ALL, out->Configuration);
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

int lambda_run_ListVersionsByFunction(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListVersionsByFunctionRequest *in = in_any;
    struct lambda_ListVersionsByFunctionResponse *out = out_any;
    struct lambda_target target;
    struct lambda_row row;
    if (in->Marker.ptr != NULL) /* there never was a second page */
        return svc_fail(op, MSG_MARKER);
    int rc = lambda_find(op, in->FunctionName, STR_NONE, &target, &row);
    if (rc < 0)
        return rc;
    out->Versions.items = ARENA_NEW(op->arena, struct lambda_FunctionConfiguration);
    out->Versions.count = 1;
    rc = lambda_show(op, &row, true, LAMBDA_SHOW_LISTED, out->Versions.items);
    return rc < 0 ? lambda_fail_too_large(op) : 0;
}

int lambda_run_ListFunctions(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListFunctionsRequest *in = in_any;
    struct lambda_ListFunctionsResponse *out = out_any;
    struct str after;
    struct err err;
    if (in->MasterRegion.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "MasterRegion (Lambda@Edge)");
    int rc = lambda_marker_parse(op, in->Marker, &after);
    if (rc < 0)
        return rc;
    size_t page = in->has_MaxItems && in->MaxItems < PAGE_MAX ? (size_t) in->MaxItems : PAGE_MAX;
    struct lambda_row rows[PAGE_MAX + 1];
    rc = lambda_db_list(op->db, op->arena, op->caller.account, op->caller.region, after, page + 1,
                        rows, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    size_t count = (size_t) rc > page ? page : (size_t) rc;
    out->Functions.items = ARENA_ARRAY(op->arena, struct lambda_FunctionConfiguration, count + 1);
    if (out->Functions.items == NULL)
        return lambda_fail_too_large(op);
    out->Functions.count = count;
    for (size_t i = 0; i < count; i++) {
        if (lambda_show(op, &rows[i], in->FunctionVersion.ptr != NULL, LAMBDA_SHOW_LISTED,
                        &out->Functions.items[i]) < 0)
            return lambda_fail_too_large(op);
    }
    if ((size_t) rc > page)
        out->NextMarker = lambda_marker_format(op->arena, rows[page - 1].name);
    return 0;
}
