/* Aliases: names for versions, with a second version that gets a part of the calls if wanted. */
#include "services/lambda/db_events.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/versions.h"

enum { PAGE_MAX = 50 };

/* Committed, or as it was before the end. */
struct alias_work {
    struct alias_row row;
    struct str key;
    bool is_deleted;
    struct str gone_url; /* id of the URL that goes with it; ptr NULL: it has none */
};

static int show(struct op *op, const struct alias_row *row, struct str arn,
                struct lambda_AliasConfiguration *out)
{
    struct arena *arena = op->arena;
    out->AliasArn = arena_printf(arena, STR_FMT ":" STR_FMT, STR_ARG(arn), STR_ARG(row->alias));
    out->Name = row->alias;
    out->FunctionVersion = version_format(arena, row->version);
    out->Description = row->description;
    out->RevisionId = row->revision_id;
    if (row->other_version > 0) {
        struct lambda_AliasRoutingConfiguration *routing =
            ARENA_NEW(arena, struct lambda_AliasRoutingConfiguration);
        routing->AdditionalVersionWeights.items =
            ARENA_NEW(arena, typeof(*routing->AdditionalVersionWeights.items));
        routing->AdditionalVersionWeights.items[0].key = version_format(arena, row->other_version);
        routing->AdditionalVersionWeights.items[0].value = (double) row->other_ppb / ALIAS_PPB;
        routing->AdditionalVersionWeights.count = 1;
        out->RoutingConfig = routing;
    }
    return arena_is_over(arena) ? lambda_fail_too_large(op) : 0;
}

/* The number of a version that exists. */
static int find_version(struct op *op, const struct lambda_target *function, struct str text,
                        int64_t *out_version)
{
    const struct lambda_target target = {
        .name = function->name, .qualifier = text, .arn = function->arn};
    struct lambda_row row;
    struct err err;
    if (version_parse(text, out_version) < 0)
        return svc_fail(op, MSG_UNSUPPORTED, "$LATEST.PUBLISHED");
    int rc = lambda_db_find(op->db, op->arena, op->caller.account, op->caller.region,
                            function->name, *out_version, &row, &err);
    if (rc == -ENOENT)
        return lambda_not_found(op, &target);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    struct snapshot_status status;
    bool is_failed =
        row.is_snap_start && row.version > 0 &&
        version_snap_start(op->state, function->arn, text, row.modified_at_ms,
                           (uint32_t) row.timeout_s * 1000, op->now_ms, &status) == VERSION_FAILED;
    return is_failed ? svc_fail(op, MSG_RESOURCE_STATE,
                                STR_ARG(version_key(op->arena, function->arn, row.version)))
                     : 0;
}

/* Checked against row->version, which must be set. */
static int take_routing(struct op *op, const struct lambda_target *target,
                        const struct lambda_AliasRoutingConfiguration *routing,
                        struct alias_row *row)
{
    row->other_version = row->other_ppb = 0;
    if (routing == NULL || routing->AdditionalVersionWeights.count == 0)
        return 0;
    if (routing->AdditionalVersionWeights.count > 1)
        return svc_fail(op, MSG_ALIAS_WEIGHTS);
    int rc = find_version(op, target, routing->AdditionalVersionWeights.items[0].key,
                          &row->other_version);
    row->other_ppb = (int64_t) (routing->AdditionalVersionWeights.items[0].value * ALIAS_PPB + 0.5);
    return rc;
}

static int check_routing(struct op *op, const struct alias_row *row)
{
    if (row->other_version == 0)
        return 0;
    if (row->version == 0)
        return svc_fail(op, MSG_ALIAS_LATEST);
    if (row->version == row->other_version)
        return svc_fail(op, MSG_ALIAS_TWICE, (long long) row->version, (long long) row->version);
    return 0;
}

/* Leaves what alias_publish needs. */
static struct alias_work *leave(struct op *op, const struct alias_row *row, struct str arn,
                                bool is_deleted)
{
    struct alias_work *work = ARENA_NEW(op->arena, struct alias_work);
    work->row = *row;
    work->key = arena_printf(op->arena, STR_FMT ":" STR_FMT, STR_ARG(arn), STR_ARG(row->alias));
    work->is_deleted = is_deleted;
    op->prepared = work;
    return work;
}

void alias_publish(struct op *op, struct task *then)
{
    struct lambda_state *state = op->state;
    const struct alias_work *work = op->prepared;
    if (work == NULL) { /* there was nothing to delete */
        then->run(then);
        return;
    }
    if (work->gone_url.ptr != NULL)
        directory_publish(state->urls, work->gone_url, NULL, NULL);
    directory_publish(state->aliases, work->key,
                      work->is_deleted ? NULL : &alias_spec_new(&work->row)->snapshot, then);
}

int lambda_run_CreateAlias(struct op *op, const void *in_any, void *out)
{
    const struct lambda_CreateAliasRequest *in = in_any;
    struct lambda_target target;
    struct lambda_row function;
    struct alias_row row = {.alias = in->Name,
                            .revision_id = lambda_new_revision(op),
                            .description = in->Description.ptr != NULL ? in->Description : STR("")};
    struct err err;
    int rc = lambda_find_function(op, in->FunctionName, &target, &function);
    if (rc == 0)
        rc = find_version(op, &target, in->FunctionVersion, &row.version);
    if (rc == 0)
        rc = take_routing(op, &target, in->RoutingConfig, &row);
    if (rc == 0)
        rc = check_routing(op, &row);
    if (rc < 0)
        return rc;
    row.account = function.account;
    row.region = function.region;
    row.name = function.name;
    rc = alias_db_insert(op->db, &row, &err);
    if (rc == -EEXIST)
        return svc_fail(op, MSG_ALIAS_EXISTS, STR_ARG(target.arn), STR_ARG(row.alias));
    if (rc < 0)
        return svc_fail_internal(op, &err);
    (void) leave(op, &row, target.arn, false);
    return show(op, &row, target.arn, out);
}

static int find(struct op *op, struct str function_name, struct str alias,
                struct lambda_target *out_target, struct alias_row *out_row)
{
    struct lambda_row function;
    struct err err;
    int rc = lambda_find_function(op, function_name, out_target, &function);
    if (rc < 0)
        return rc;
    rc = alias_db_find(op->db, op->arena, function.account, function.region, function.name, alias,
                       out_row, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_ALIAS_NOT_FOUND, STR_ARG(out_target->arn), STR_ARG(alias));
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}

int lambda_run_GetAlias(struct op *op, const void *in_any, void *out)
{
    const struct lambda_GetAliasRequest *in = in_any;
    struct lambda_target target;
    struct alias_row row;
    int rc = find(op, in->FunctionName, in->Name, &target, &row);
    return rc < 0 ? rc : show(op, &row, target.arn, out);
}

int lambda_run_UpdateAlias(struct op *op, const void *in_any, void *out)
{
    const struct lambda_UpdateAliasRequest *in = in_any;
    struct str revision_id = lambda_new_revision(op);
    struct lambda_target target;
    struct alias_row row;
    struct err err;
    int rc = find(op, in->FunctionName, in->Name, &target, &row);
    if (rc < 0)
        return rc;
    if (in->RevisionId.ptr != NULL && !str_eq(in->RevisionId, row.revision_id))
        return svc_fail(op, MSG_REVISION);
    if (in->FunctionVersion.ptr != NULL)
        rc = find_version(op, &target, in->FunctionVersion, &row.version);
    if (rc == 0 && in->RoutingConfig != NULL)
        rc = take_routing(op, &target, in->RoutingConfig, &row);
    if (rc == 0)
        rc = check_routing(op, &row);
    if (rc < 0)
        return rc;
    if (in->Description.ptr != NULL)
        row.description = in->Description;
    row.revision_id = revision_id;
    rc = alias_db_update(op->db, &row, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    (void) leave(op, &row, target.arn, false);
    return show(op, &row, target.arn, out);
}

/* What is the alias's own goes with it. */
static int delete_belongings(struct op *op, const struct alias_row *row, struct str *out_url,
                             struct err *err)
{
    const struct event_config_key config = {row->account, row->region, row->name, row->alias};
    const struct url_row key = {
        .account = row->account, .region = row->region, .name = row->name, .qualifier = row->alias};
    struct url_row url;
    int rc = event_config_delete(op->db, &config, err);
    if (rc == 0 || rc == -ENOENT)
        rc = url_db_find(op->db, op->arena, &key, &url, err);
    if (rc == -ENOENT)
        return 0;
    if (rc == 0)
        rc = url_db_delete(op->db, &key, err);
    if (rc == 0)
        *out_url = url.id;
    return rc;
}

int lambda_run_DeleteAlias(struct op *op, const void *in_any, void *out)
{
    const struct lambda_DeleteAliasRequest *in = in_any;
    struct lambda_target target;
    struct lambda_row function;
    struct err err;
    (void) out; /* it has none */
    int rc = lambda_find_function(op, in->FunctionName, &target, &function);
    if (rc < 0)
        return rc;
    const struct alias_row row = {.account = function.account,
                                  .region = function.region,
                                  .name = function.name,
                                  .alias = in->Name};
    rc = alias_db_delete(op->db, &row, &err);
    if (rc == -ENOENT) /* as AWS: it is not there, which is what was wanted */
        return 0;
    struct str gone_url = STR_NONE;
    if (rc == 0)
        rc = delete_belongings(op, &row, &gone_url, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    leave(op, &row, target.arn, true)->gone_url = gone_url;
    return 0;
}

int lambda_run_ListAliases(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListAliasesRequest *in = in_any;
    struct lambda_ListAliasesResponse *out = out_any;
    struct lambda_target target;
    struct lambda_row function;
    struct alias_row rows[PAGE_MAX + 1];
    struct str after = STR("");
    int64_t version = -1;
    struct err err;
    int rc = lambda_find_function(op, in->FunctionName, &target, &function);
    if (rc == 0)
        rc = lambda_marker_parse(op, in->Marker, &after);
    if (rc == 0 && in->FunctionVersion.ptr != NULL)
        rc = find_version(op, &target, in->FunctionVersion, &version);
    if (rc < 0)
        return rc;
    size_t page = in->has_MaxItems && in->MaxItems < PAGE_MAX ? (size_t) in->MaxItems : PAGE_MAX;
    rc = alias_db_list(op->db, op->arena, &function, after, version, page + 1, rows, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    size_t count = (size_t) rc > page ? page : (size_t) rc;
    out->Aliases.items = ARENA_ARRAY(op->arena, struct lambda_AliasConfiguration, count + 1);
    if (out->Aliases.items == NULL)
        return lambda_fail_too_large(op);
    out->Aliases.count = count;
    for (size_t i = 0; i < count; i++) {
        int failed = show(op, &rows[i], target.arn, &out->Aliases.items[i]);
        if (failed < 0)
            return failed;
    }
    if ((size_t) rc > page)
        out->NextMarker = lambda_marker_format(op->arena, rows[page - 1].alias);
    return 0;
}
