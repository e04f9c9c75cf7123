/* Log groups: create, delete, list, retention.
 *
 * Listings are in the order of names, as bytes. DescribeLogGroups with a pattern and ListLogGroups
 * look at every name, so a page of theirs ends after a number of rows, full or not (design decision
 * 6); the token says where to go on.
 * thread: actor. */
#include "services/logs/logs_int.h"

enum {
    LIST_ROWS = 100,     /* read at a time */
    LIST_ROWS_MAX = 5000 /* looked at by one request: some 5 ms */
};

int logs_run_CreateLogGroup(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_CreateLogGroupRequest *in = in_any;
    struct err err = {0};
    int rc = logs_check_create(op, in);
    if (rc < 0)
        return rc;
    struct logs_group group = {
        .account = op->caller.account,
        .region = op->caller.region,
        .name = in->logGroupName,
        .group_class = in->logGroupClass.ptr == NULL ? STR("STANDARD") : in->logGroupClass,
        .created_at_ms = op->now_ms,
    };
    rc = logs_db_group_insert(op->db, &group, &err);
    if (rc == -EEXIST)
        return svc_fail(op, MSG_GROUP_EXISTS);
    for (size_t i = 0; rc == 0 && i < in->tags.count; i++) {
        const struct logs_tag tag = {in->tags.items[i].key, in->tags.items[i].value};
        rc = logs_db_tag_put(op->db, group.id, &tag, &err);
    }
    return rc < 0 ? logs_fail_db(op, &err) : logs_end_write(op);
}

int logs_run_DeleteLogGroup(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_DeleteLogGroupRequest *in = in_any;
    struct logs_group group;
    struct err err = {0};
    int rc = logs_open_group(op, in->logGroupName, &group);
    if (rc < 0)
        return rc;
    rc = logs_db_group_delete(op->db, group.id, &err);
    return rc < 0 ? logs_fail_db(op, &err) : logs_end_write(op);
}

static int retain(struct op *op, struct str name, int32_t days)
{
    struct logs_group group;
    struct err err = {0};
    int rc = logs_open_group(op, name, &group);
    if (rc < 0)
        return rc;
    rc = logs_db_group_retain(op->db, group.id, days, &err);
    return rc < 0 ? logs_fail_db(op, &err) : logs_end_write(op);
}

int logs_run_PutRetentionPolicy(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_PutRetentionPolicyRequest *in = in_any;
    int rc = logs_check_retention(op, in->retentionInDays);
    return rc < 0 ? rc : retain(op, in->logGroupName, in->retentionInDays);
}

int logs_run_DeleteRetentionPolicy(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_DeleteRetentionPolicyRequest *in = in_any;
    return retain(op, in->logGroupName, 0);
}

/* --- listings ------------------------------------------------------------------------------- */

/* What a listing wants, and what it has found. */
struct listing {
    struct str prefix, substring, alternatives, group_class; /* ptr NULL: any */
    struct str token;
    size_t limit;
    struct logs_group *groups; /* limit of them, in the arena */
    size_t count;
    struct str next_token;
};

static bool is_wanted(const struct listing *listing, const struct logs_group *group)
{
    if (listing->substring.ptr != NULL && listing->substring.len > 0 &&
        str_find_str(group->name, listing->substring) == group->name.len)
        return false;
    if (listing->alternatives.ptr != NULL && !logs_name_matches(listing->alternatives, group->name))
        return false;
    return listing->group_class.ptr == NULL || str_eq(listing->group_class, group->group_class);
}

static int list_page(struct op *op, struct listing *listing, struct str from, struct str to)
{
    struct err err = {0};
    struct logs_group *rows = ARENA_ARRAY(op->arena, struct logs_group, LIST_ROWS);
    struct str last = STR_NONE;
    if (rows == NULL)
        return logs_fail_db(op, &(struct err){-E2BIG, "a listing does not fit in memory"});
    for (size_t looked = 0; looked < LIST_ROWS_MAX; looked += LIST_ROWS) {
        int got = logs_db_group_list(op->db, op->arena, op->caller.account, op->caller.region, from,
                                     to, LIST_ROWS, rows, &err);
        if (got < 0)
            return logs_fail_db(op, &err);
        for (int i = 0; i < got; i++) {
            if (!is_wanted(listing, &rows[i]))
                continue;
            if (listing->count == listing->limit) { /* and this one is on the next page */
                last = listing->groups[listing->count - 1].name;
                listing->next_token = logs_name_token(op->arena, 0, last);
                return 0;
            }
            listing->groups[listing->count++] = rows[i];
        }
        if (got < LIST_ROWS)
            return 0;
        last = rows[got - 1].name;
        from = logs_name_behind(op->arena, last);
    }
    listing->next_token = logs_name_token(op->arena, 0, last);
    return 0;
}

static int list_groups(struct op *op, struct listing *listing)
{
    struct str from = listing->prefix.ptr == NULL ? STR("") : listing->prefix;
    struct str to = logs_prefix_end(op->arena, from), after;
    int64_t ignored_ms;
    if (listing->token.ptr != NULL) {
        if (logs_name_token_parse(op->arena, listing->token, &ignored_ms, &after) < 0)
            return svc_fail(op, MSG_TOKEN);
        after = logs_name_behind(op->arena, after);
        if (str_cmp(after, from) > 0)
            from = after;
    }
    listing->groups = ARENA_ARRAY(op->arena, struct logs_group, listing->limit);
    if (listing->groups == NULL || to.ptr == NULL || from.ptr == NULL)
        return logs_fail_db(op, &(struct err){-E2BIG, "a listing does not fit in memory"});
    return list_page(op, listing, from, to);
}

/* Linked accounts are a matter of cross-account observability, which we do not have: the caller's
 * own account is all that there is. */
static int check_accounts(struct op *op, bool includes_linked, const struct logs_AccountIds *ids)
{
    if (includes_linked)
        return svc_fail(op, MSG_UNSUPPORTED, "includeLinkedAccounts");
    for (size_t i = 0; i < ids->count; i++) {
        if (!str_eq(ids->items[i], op->caller.account))
            return svc_fail(op, MSG_UNSUPPORTED, "accountIdentifiers of other accounts");
    }
    return 0;
}

static struct logs_LogGroup show(struct op *op, const struct logs_group *group)
{
    struct str arn = logs_group_arn(op->arena, group);
    return (struct logs_LogGroup){
        .logGroupName = group->name,
        .has_creationTime = true,
        .creationTime = group->created_at_ms,
        .has_retentionInDays = group->retention_days > 0,
        .retentionInDays = group->retention_days,
        .has_metricFilterCount = true,
        .metricFilterCount = 0,
        .arn = arena_printf(op->arena, STR_FMT ":*", STR_ARG(arn)),
        .has_storedBytes = true,
        .storedBytes = group->stored_bytes,
        .logGroupClass = group->group_class,
        .logGroupArn = arn,
    };
}

static int show_all(struct op *op, const struct logs_group *groups, size_t count, bool is_short,
                    struct logs_LogGroups *out)
{
    out->items = ARENA_ARRAY(op->arena, struct logs_LogGroup, count);
    if (out->items == NULL)
        return logs_fail_db(op, &(struct err){-E2BIG, "a listing does not fit in memory"});
    for (size_t i = 0; i < count; i++) {
        struct logs_LogGroup full = show(op, &groups[i]);
        /* documented: with a pattern, arn, creationTime and logGroupName only */
        out->items[i] = !is_short ? full
                                  : (struct logs_LogGroup){.logGroupName = full.logGroupName,
                                                           .has_creationTime = true,
                                                           .creationTime = full.creationTime,
                                                           .arn = full.arn};
    }
    out->count = count;
    return 0;
}

/* Those groups among the identifiers that exist. */
static int describe_some(struct op *op, const struct logs_DescribeLogGroupsRequest *in,
                         struct logs_DescribeLogGroupsResponse *out)
{
    if (in->logGroupNamePrefix.ptr != NULL || in->logGroupNamePattern.ptr != NULL ||
        in->logGroupClass.ptr != NULL || in->nextToken.ptr != NULL || in->has_limit)
        return svc_fail(op, MSG_IDENTIFIERS_ALONE);
    struct logs_group groups[LOGS_DESCRIBE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < in->logGroupIdentifiers.count && count < LOGS_DESCRIBE_MAX; i++) {
        struct str name;
        struct err err = {0};
        int rc = logs_group_name(op, STR_NONE, in->logGroupIdentifiers.items[i], &name);
        if (rc < 0)
            return rc;
        rc = logs_db_group_find(op->db, op->arena, op->caller.account, op->caller.region, name,
                                &groups[count], &err);
        if (rc < 0 && rc != -ENOENT)
            return logs_fail_db(op, &err);
        count += rc == 0;
    }
    return show_all(op, groups, count, false, &out->logGroups);
}

int logs_run_DescribeLogGroups(struct op *op, const void *in_any, void *out_any)
{
    const struct logs_DescribeLogGroupsRequest *in = in_any;
    struct logs_DescribeLogGroupsResponse *out = out_any;
    int rc = check_accounts(op, in->includeLinkedAccounts, &in->accountIdentifiers);
    if (rc < 0)
        return rc;
    if (in->logGroupIdentifiers.items != NULL)
        return describe_some(op, in, out);
    if (in->logGroupNamePrefix.ptr != NULL && in->logGroupNamePattern.ptr != NULL)
        return svc_fail(op, MSG_PREFIX_AND_PATTERN);
    struct listing listing = {
        .prefix = in->logGroupNamePrefix,
        .substring = in->logGroupNamePattern,
        .group_class = in->logGroupClass,
        .token = in->nextToken,
        .limit = in->has_limit ? (size_t) in->limit : LOGS_DESCRIBE_MAX,
    };
    rc = list_groups(op, &listing);
    if (rc < 0)
        return rc;
    out->nextToken = listing.next_token;
    bool is_short = in->logGroupNamePattern.ptr != NULL;
    return show_all(op, listing.groups, listing.count, is_short, &out->logGroups);
}

int logs_run_ListLogGroups(struct op *op, const void *in_any, void *out_any)
{
    const struct logs_ListLogGroupsRequest *in = in_any;
    struct logs_ListLogGroupsResponse *out = out_any;
    int rc = check_accounts(op, in->includeLinkedAccounts, &in->accountIdentifiers);
    if (rc < 0)
        return rc;
    if (in->dataSources.items != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "dataSources");
    if (in->fieldIndexNames.items != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "fieldIndexNames");
    if (in->logGroupTags.items != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "logGroupTags");
    struct listing listing = {
        .alternatives = in->logGroupNamePattern,
        .group_class = in->logGroupClass,
        .token = in->nextToken,
        .limit = in->has_limit ? (size_t) in->limit : LOGS_DESCRIBE_MAX,
    };
    rc = list_groups(op, &listing);
    if (rc < 0)
        return rc;
    out->nextToken = listing.next_token;
    out->logGroups.items = ARENA_ARRAY(op->arena, struct logs_LogGroupSummary, listing.count);
    if (out->logGroups.items == NULL)
        return logs_fail_db(op, &(struct err){-E2BIG, "a listing does not fit in memory"});
    out->logGroups.count = listing.count;
    for (size_t i = 0; i < listing.count; i++) {
        const struct logs_group *group = &listing.groups[i];
        out->logGroups.items[i] = (struct logs_LogGroupSummary){
            .logGroupName = group->name,
            .logGroupArn = logs_group_arn(op->arena, group),
            .logGroupClass = group->group_class,
        };
    }
    return 0;
}
