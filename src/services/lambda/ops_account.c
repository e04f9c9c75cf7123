/* Reserved concurrency, the account's limits and use, and tags.
 *
 * A reservation takes concurrency away from all other functions of the account, of which AWS keeps
 * UNRESERVED_MIN for them (all of it, where an account has less). It is part of the specification
 * that the loops have: the scheduler enforces it (runtime/sched_books.c), from the answer on. */
#include "services/lambda/lambda.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"

enum { UNRESERVED_MIN = 100, ACCOUNT_TAGS_MAX = 50 };
#define ACCOUNT_CODE_BYTES_MAX 80530636800

static int account_concurrency(const struct op *op)
{
    const struct lambda_state *state = op->state;
    return (int) runtime_account_concurrency(state->runtime);
}

/* Writes the reservation and leaves the row for lambda_publish. */
static int reserve(struct op *op, struct str function_name, int64_t reserved)
{
    struct lambda_work *work = ARENA_NEW(op->arena, struct lambda_work);
    struct lambda_target target;
    struct lambda_usage usage;
    struct err err;
    int rc = lambda_find_function(op, function_name, &target, &work->row);
    if (rc < 0)
        return rc;
    rc = lambda_db_usage(op->db, op->caller.account, op->caller.region, target.name, &usage, &err);
    int limit = account_concurrency(op);
    int unreserved_min = limit < UNRESERVED_MIN ? limit : UNRESERVED_MIN;
    if (rc == 0 && reserved > 0 && limit - usage.reserved - reserved < unreserved_min)
        return svc_fail(op, MSG_UNRESERVED, unreserved_min);
    work->row.reserved = reserved;
    work->arn = target.arn;
    work->are_all = true;
    if (rc == 0)
        rc = lambda_db_reserve(op->db, &work->row, reserved, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    op->prepared = work;
    return 0;
}

int lambda_run_PutFunctionConcurrency(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_PutFunctionConcurrencyRequest *in = in_any;
    struct lambda_Concurrency *out = out_any;
    out->has_ReservedConcurrentExecutions = true;
    out->ReservedConcurrentExecutions = in->ReservedConcurrentExecutions;
    return reserve(op, in->FunctionName, in->ReservedConcurrentExecutions);
}

int lambda_run_DeleteFunctionConcurrency(struct op *op, const void *in_any, void *out)
{
    const struct lambda_DeleteFunctionConcurrencyRequest *in = in_any;
    (void) out; /* it has none */
    return reserve(op, in->FunctionName, -1);
}

int lambda_run_GetFunctionConcurrency(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_GetFunctionConcurrencyRequest *in = in_any;
    struct lambda_GetFunctionConcurrencyResponse *out = out_any;
    struct lambda_target target;
    struct lambda_row row;
    int rc = lambda_find_function(op, in->FunctionName, &target, &row);
    if (rc < 0)
        return rc;
    out->has_ReservedConcurrentExecutions = row.reserved >= 0;
    out->ReservedConcurrentExecutions = (int32_t) row.reserved;
    return 0;
}

int lambda_run_GetAccountSettings(struct op *op, const void *in, void *out_any)
{
    struct lambda_GetAccountSettingsResponse *out = out_any;
    struct lambda_usage usage;
    struct err err;
    (void) in; /* it has no members */
    int rc = lambda_db_usage(op->db, op->caller.account, op->caller.region, STR(""), &usage, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    out->AccountLimit = ARENA_NEW(op->arena, struct lambda_AccountLimit);
    *out->AccountLimit = (struct lambda_AccountLimit){
        .has_TotalCodeSize = true,
        .TotalCodeSize = ACCOUNT_CODE_BYTES_MAX,
        .has_CodeSizeUnzipped = true,
        .CodeSizeUnzipped = LAMBDA_UNZIPPED_MAX,
        .has_CodeSizeZipped = true,
        .CodeSizeZipped = LAMBDA_ZIP_MAX,
        .has_ConcurrentExecutions = true,
        .ConcurrentExecutions = account_concurrency(op),
        .has_UnreservedConcurrentExecutions = true,
        .UnreservedConcurrentExecutions = account_concurrency(op) - (int32_t) usage.reserved,
    };
    out->AccountUsage = ARENA_NEW(op->arena, struct lambda_AccountUsage);
    *out->AccountUsage = (struct lambda_AccountUsage){
        .has_TotalCodeSize = true,
        .TotalCodeSize = usage.code_bytes,
        .has_FunctionCount = true,
        .FunctionCount = usage.functions,
    };
    return 0;
}

/* --- tags --- */

/* The function that the ARN of a taggable resource names, with its tags as a map. */
static int find_tagged(struct op *op, struct str resource, struct lambda_row *out_row,
                       struct lambda_EnvironmentVariables *out_tags)
{
    struct lambda_target target;
    if (str_find_str(resource, STR(":function:")) == resource.len)
        return svc_fail(op, MSG_UNSUPPORTED, "tags of anything but functions");
    int rc = lambda_resolve(op, resource, STR_NONE, &target);
    if (rc < 0)
        return rc;
    if (target.qualifier.ptr != NULL)
        return svc_fail(op, MSG_TAGS_OF_VERSION);
    rc = lambda_find(op, resource, STR_NONE, &target, out_row);
    *out_tags = (struct lambda_EnvironmentVariables){0};
    if (rc == 0 && out_row->tags.ptr != NULL &&
        lambda_map_parse(op->arena, out_row->tags, out_tags) < 0)
        return lambda_fail_too_large(op);
    return rc;
}

static int write_tags(struct op *op, struct lambda_row *row, const struct str_pair *pairs,
                      size_t count)
{
    struct err err;
    if (count > ACCOUNT_TAGS_MAX)
        return svc_fail(op, MSG_TAGS);
    if (lambda_map_format(op->arena, pairs, count, &row->tags) < 0)
        return lambda_fail_too_large(op);
    int rc = lambda_db_update(op->db, row, &err);
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}

/* The tags as they are, and room for as many and `more`. */
static int begin_tags(struct op *op, struct str resource, size_t more, struct lambda_row *out_row,
                      struct lambda_EnvironmentVariables *out_old, struct str_pair **out_room)
{
    int rc = find_tagged(op, resource, out_row, out_old);
    if (rc < 0)
        return rc;
    *out_room = ARENA_ARRAY(op->arena, struct str_pair, out_old->count + more + 1);
    return *out_room == NULL ? lambda_fail_too_large(op) : 0;
}

int lambda_run_ListTags(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListTagsRequest *in = in_any;
    struct lambda_ListTagsResponse *out = out_any;
    struct lambda_EnvironmentVariables tags;
    struct lambda_row row;
    int rc = find_tagged(op, in->Resource, &row, &tags);
    if (rc == 0) /* both are lists of pairs, see show.c */
        out->Tags = (struct lambda_Tags){tags.items != NULL
                                             ? (void *) tags.items
                                             : ARENA_NEW(op->arena, struct lambda_Tags_entry),
                                         tags.count};
    return rc;
}

int lambda_run_TagResource(struct op *op, const void *in_any, void *out)
{
    const struct lambda_TagResourceRequest *in = in_any;
    struct lambda_EnvironmentVariables old;
    struct lambda_row row;
    (void) out; /* it has none */
    size_t count = 0;
    struct str_pair *pairs;
    int rc = begin_tags(op, in->Resource, in->Tags.count, &row, &old, &pairs);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < old.count; i++) {
        bool is_replaced = false;
        for (size_t k = 0; k < in->Tags.count; k++)
            is_replaced = is_replaced || str_eq(old.items[i].key, in->Tags.items[k].key);
        if (!is_replaced)
            pairs[count++] = (struct str_pair){old.items[i].key, old.items[i].value};
    }
    for (size_t k = 0; k < in->Tags.count; k++)
        pairs[count++] = (struct str_pair){in->Tags.items[k].key, in->Tags.items[k].value};
    return write_tags(op, &row, pairs, count);
}

int lambda_run_UntagResource(struct op *op, const void *in_any, void *out)
{
    const struct lambda_UntagResourceRequest *in = in_any;
    struct lambda_EnvironmentVariables old;
    struct lambda_row row;
    (void) out; /* it has none */
    size_t count = 0;
    struct str_pair *pairs;
    int rc = begin_tags(op, in->Resource, 0, &row, &old, &pairs);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < old.count; i++) {
        bool is_removed = false;
        for (size_t k = 0; k < in->TagKeys.count; k++)
            is_removed = is_removed || str_eq(old.items[i].key, in->TagKeys.items[k]);
        if (!is_removed)
            pairs[count++] = (struct str_pair){old.items[i].key, old.items[i].value};
    }
    return write_tags(op, &row, pairs, count);
}
