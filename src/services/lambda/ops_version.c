/* PublishVersion, ListVersionsByFunction, and the end of a version. */
#include "services/lambda/db_events.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/versions.h"

enum { PAGE_MAX = 50, ALIASES_NAMED = 16 };

int lambda_run_PublishVersion(struct op *op, const void *in_any, void *out)
{
    const struct lambda_PublishVersionRequest *in = in_any;
    struct lambda_work *work = ARENA_NEW(op->arena, struct lambda_work);
    struct str revision_id = lambda_new_revision(op);
    struct lambda_row latest;
    if (in->PublishTo.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "PublishTo");
    int rc = lambda_find_for_update(op, in->FunctionName, in->RevisionId, &latest, &work->arn);
    if (rc < 0)
        return rc;
    struct str sha256 = lambda_sha256_base64(op->arena, latest.code_sha256);
    if (in->CodeSha256.len > 0 && !str_eq(in->CodeSha256, sha256))
        return svc_fail(op, MSG_CODE_SHA256, STR_ARG(in->CodeSha256), STR_ARG(sha256));
    rc = version_publish(op, &latest, revision_id, in->Description, &work->row);
    if (rc < 0)
        return rc;
    op->prepared = work;
    rc = lambda_show(op, &work->row, version_format(op->arena, work->row.version), LAMBDA_SHOW_ALL,
                     out);
    return rc < 0 ? lambda_fail_too_large(op) : 0;
}

int lambda_run_ListVersionsByFunction(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListVersionsByFunctionRequest *in = in_any;
    struct lambda_ListVersionsByFunctionResponse *out = out_any;
    struct lambda_target target;
    struct lambda_row function, rows[PAGE_MAX + 1];
    struct str after = STR("");
    int64_t after_version = -1;
    struct err err;
    int rc = lambda_find_function(op, in->FunctionName, &target, &function);
    if (rc == 0)
        rc = lambda_marker_parse(op, in->Marker, &after);
    if (rc < 0)
        return rc;
    if (after.len > 0 && version_parse(after, &after_version) < 0)
        return svc_fail(op, MSG_MARKER);
    size_t page = in->has_MaxItems && in->MaxItems < PAGE_MAX ? (size_t) in->MaxItems : PAGE_MAX;
    rc = lambda_db_versions(op->db, op->arena, &function, after_version, page + 1, rows, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    size_t count = (size_t) rc > page ? page : (size_t) rc;
    out->Versions.items = ARENA_ARRAY(op->arena, struct lambda_FunctionConfiguration, count + 1);
    if (out->Versions.items == NULL)
        return lambda_fail_too_large(op);
    out->Versions.count = count;
    for (size_t i = 0; i < count; i++) {
        struct str version = version_format(op->arena, rows[i].version);
        if (lambda_show(op, &rows[i], version, LAMBDA_SHOW_LISTED, &out->Versions.items[i]) < 0)
            return lambda_fail_too_large(op);
    }
    if ((size_t) rc > page)
        out->NextMarker =
            lambda_marker_format(op->arena, version_format(op->arena, rows[page - 1].version));
    return 0;
}

/* Aliases keep the versions that they name. */
static int check_unnamed(struct op *op, const struct lambda_row *row)
{
    struct alias_row aliases[ALIASES_NAMED];
    struct err err;
    int rc =
        alias_db_list(op->db, op->arena, row, STR(""), row->version, ALIASES_NAMED, aliases, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    if (rc == 0)
        return 0;
    AUTO_BUF struct buf names;
    buf_init(&names, 4096);
    for (int i = 0; i < rc; i++)
        buf_printf(&names, "%s" STR_FMT, i == 0 ? "" : ", ", STR_ARG(aliases[i].alias));
    return svc_fail(op, MSG_VERSION_NAMED, STR_ARG(buf_str(&names)));
}

int version_delete(struct op *op, const struct lambda_target *target)
{
    struct lambda_work *work = ARENA_NEW(op->arena, struct lambda_work);
    int64_t version;
    struct err err;
    if (version_parse(target->qualifier, &version) < 0)
        return svc_fail(op, MSG_DELETE_ALIAS);
    int rc = lambda_db_find(op->db, op->arena, op->caller.account, op->caller.region, target->name,
                            version, &work->row, &err);
    if (rc == -ENOENT) /* AWS answers success, as long as there is the function */
        return lambda_db_find(op->db, op->arena, op->caller.account, op->caller.region,
                              target->name, 0, &work->row, &err) < 0
                   ? lambda_not_found(op, target)
                   : 0;
    if (rc < 0)
        return svc_fail_internal(op, &err);
    rc = check_unnamed(op, &work->row);
    if (rc < 0)
        return rc;
    const struct event_config_key config = {work->row.account, work->row.region, work->row.name,
                                            target->qualifier};
    rc = lambda_db_delete_version(op->db, &work->row, &err);
    if (rc == 0)
        rc = event_config_delete(op->db, &config, &err);
    if (rc < 0 && rc != -ENOENT) /* most have no configuration */
        return svc_fail_internal(op, &err);
    lambda_gone_add(op, work, &work->row);
    work->arn = target->arn;
    work->is_deleted = true;
    op->prepared = work;
    return 0;
}
