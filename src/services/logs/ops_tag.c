/* Tags of log groups, by name (the older calls) and by ARN.
 *
 * The older calls and the newer ones share the tags; they differ in what they call a missing group.
 * thread: actor. */
#include "services/logs/logs_int.h"

/* The caller's group of an ARN; "resource" is what these calls call it. */
static int open_resource(struct op *op, struct str arn, struct logs_group *out_group)
{
    struct str name;
    struct err err = {0};
    int rc = logs_resource_name(op, arn, &name);
    if (rc < 0)
        return rc;
    rc = logs_db_group_find(op->db, op->arena, op->caller.account, op->caller.region, name,
                            out_group, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_RESOURCE_NOT_FOUND);
    return rc < 0 ? logs_fail_db(op, &err) : 0;
}

static int put_tags(struct op *op, const struct logs_group *group, const struct logs_Tags *tags)
{
    struct logs_tag kept[2 * LOGS_TAGS_MAX + 1];
    struct err err = {0};
    int rc = logs_check_tags(op, tags);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < tags->count; i++) {
        const struct logs_tag tag = {tags->items[i].key, tags->items[i].value};
        rc = logs_db_tag_put(op->db, group->id, &tag, &err);
    }
    if (rc == 0)
        rc = logs_db_tag_list(op->db, op->arena, group->id, ARRAY_LEN(kept), kept, &err);
    if (rc < 0)
        return logs_fail_db(op, &err);
    if (rc > LOGS_TAGS_MAX) /* The failure takes the changes back. */
        return svc_fail(op, MSG_TAGS_MAX, LOGS_TAGS_MAX, (size_t) rc);
    return logs_end_write(op);
}

static int remove_tags(struct op *op, const struct logs_group *group, const struct str *keys,
                       size_t count)
{
    struct err err = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = logs_db_tag_delete(op->db, group->id, keys[i], &err);
    return rc < 0 ? logs_fail_db(op, &err) : logs_end_write(op);
}

static int list_tags(struct op *op, const struct logs_group *group, struct logs_Tags *out)
{
    struct logs_tag tags[LOGS_TAGS_MAX];
    struct err err = {0};
    int count = logs_db_tag_list(op->db, op->arena, group->id, ARRAY_LEN(tags), tags, &err);
    if (count < 0)
        return logs_fail_db(op, &err);
    out->items = ARENA_ARRAY(op->arena, struct logs_Tags_entry, (size_t) count);
    if (out->items == NULL)
        return logs_fail_db(op, &(struct err){-E2BIG, "a listing does not fit in memory"});
    out->count = (size_t) count;
    for (int i = 0; i < count; i++)
        out->items[i] = (struct logs_Tags_entry){tags[i].key, tags[i].value};
    return 0;
}

int logs_run_TagLogGroup(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_TagLogGroupRequest *in = in_any;
    struct logs_group group;
    int rc = logs_open_group(op, in->logGroupName, &group);
    return rc < 0 ? rc : put_tags(op, &group, &in->tags);
}

int logs_run_TagResource(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_TagResourceRequest *in = in_any;
    struct logs_group group;
    int rc = open_resource(op, in->resourceArn, &group);
    return rc < 0 ? rc : put_tags(op, &group, &in->tags);
}

int logs_run_UntagLogGroup(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_UntagLogGroupRequest *in = in_any;
    struct logs_group group;
    int rc = logs_open_group(op, in->logGroupName, &group);
    return rc < 0 ? rc : remove_tags(op, &group, in->tags.items, in->tags.count);
}

int logs_run_UntagResource(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_UntagResourceRequest *in = in_any;
    struct logs_group group;
    int rc = open_resource(op, in->resourceArn, &group);
    return rc < 0 ? rc : remove_tags(op, &group, in->tagKeys.items, in->tagKeys.count);
}

int logs_run_ListTagsLogGroup(struct op *op, const void *in_any, void *out_any)
{
    const struct logs_ListTagsLogGroupRequest *in = in_any;
    struct logs_ListTagsLogGroupResponse *out = out_any;
    struct logs_group group;
    int rc = logs_open_group(op, in->logGroupName, &group);
    return rc < 0 ? rc : list_tags(op, &group, &out->tags);
}

int logs_run_ListTagsForResource(struct op *op, const void *in_any, void *out_any)
{
    const struct logs_ListTagsForResourceRequest *in = in_any;
    struct logs_ListTagsForResourceResponse *out = out_any;
    struct logs_group group;
    int rc = open_resource(op, in->resourceArn, &group);
    return rc < 0 ? rc : list_tags(op, &group, &out->tags);
}
