/* The logs service: its operations, how it starts, and what its operations share.
 *
 * All operations run on the actor: reads see what is committed, writes share a commit. There is no
 * state outside the database but the place at which the removal of expired events goes on. */
#include "services/logs/logs.h"

#include "base/log.h"
#include "base/mem.h"
#include "services/logs/logs_int.h"

#include <limits.h>

enum { TIDY_ROWS = 200 }; /* some 2 ms */

#define READ(name)                                                                                 \
    {                                                                                              \
        .model = &logs_op_##name, .run = logs_run_##name, .is_read_only = true                     \
    }
#define WRITE(name)                                                                                \
    {                                                                                              \
        .model = &logs_op_##name, .run = logs_run_##name                                           \
    }

static const struct service_op ops[] = {
    WRITE(CreateLogGroup),
    WRITE(DeleteLogGroup),
    READ(DescribeLogGroups),
    READ(ListLogGroups),
    WRITE(CreateLogStream),
    WRITE(DeleteLogStream),
    READ(DescribeLogStreams),
    {.model = &logs_op_PutLogEvents, .run = logs_run_PutLogEvents, .body_max = LOGS_REQUEST_MAX},
    READ(GetLogEvents),
    READ(FilterLogEvents),
    WRITE(PutRetentionPolicy),
    WRITE(DeleteRetentionPolicy),
    WRITE(TagLogGroup),
    WRITE(UntagLogGroup),
    READ(ListTagsLogGroup),
    WRITE(TagResource),
    WRITE(UntagResource),
    READ(ListTagsForResource),
};

int logs_fail_db(struct op *op, struct err *err)
{
    return svc_fail_internal(op, err);
}

int logs_open_group(struct op *op, struct str name, struct logs_group *out_group)
{
    struct err err = {0};
    int rc = logs_db_group_find(op->db, op->arena, op->caller.account, op->caller.region, name,
                                out_group, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_GROUP_NOT_FOUND);
    return rc < 0 ? logs_fail_db(op, &err) : 0;
}

int logs_open_stream(struct op *op, const struct logs_group *group, struct str name,
                     struct logs_stream *out_stream)
{
    struct err err = {0};
    int rc = logs_db_stream_find(op->db, op->arena, group->id, name, out_stream, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_STREAM_NOT_FOUND);
    return rc < 0 ? logs_fail_db(op, &err) : 0;
}

int logs_tidy(struct logs_state *state, struct db *db, int64_t now_ms, struct err *err)
{
    int64_t group_id;
    int32_t days;
    int rc = logs_db_collect(db, TIDY_ROWS, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = logs_db_group_retained(db, state->expired_id, &group_id, &days, err);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    rc = logs_db_expire(db, group_id, logs_expired_before(now_ms, days), TIDY_ROWS, err);
    if (rc < 0)
        return rc;
    if (rc < TIDY_ROWS)
        state->expired_id = group_id; /* nothing is left of this one: the next in turn */
    return 0;
}

int logs_end_write(struct op *op)
{
    struct err err = {0};
    int rc = logs_tidy(op->state, op->db, op->now_ms, &err);
    return rc < 0 ? logs_fail_db(op, &err) : 0;
}

static int logs_open(const struct service_env *env, void **out_state, struct db **out_db,
                     struct err *err)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/logs.db", env->data_dir);
    if (len < 0 || (size_t) len >= sizeof path)
        return err_set(err, -ENAMETOOLONG, "'%s'", env->data_dir);
    int rc = logs_db_open(path, env->is_in_memory, out_db, err);
    if (rc < 0)
        return rc;
    struct logs_state *state = NEW(struct logs_state);
    state->clock = env->clock;
    *out_state = state;
    return 0;
}

static void logs_close(void *state)
{
    free(state);
}

const struct service logs_room = {
    .model = &logs_service,
    .ops = ops,
    .op_count = ARRAY_LEN(ops),
    .open = logs_open,
    .close = logs_close,
};
