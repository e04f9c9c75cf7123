/* Log streams: create, delete, list by name or by their latest event.
 * thread: actor. */
#include "services/logs/logs_int.h"

int logs_run_CreateLogStream(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_CreateLogStreamRequest *in = in_any;
    struct logs_group group;
    struct err err = {0};
    int rc = logs_open_group(op, in->logGroupName, &group);
    if (rc < 0)
        return rc;
    struct logs_stream stream = {
        .group_id = group.id, .name = in->logStreamName, .created_at_ms = op->now_ms};
    rc = logs_db_stream_insert(op->db, &stream, &err);
    if (rc == -EEXIST)
        return svc_fail(op, MSG_STREAM_EXISTS);
    return rc < 0 ? logs_fail_db(op, &err) : logs_end_write(op);
}

int logs_run_DeleteLogStream(struct op *op, const void *in_any, void *out)
{
    (void) out;
    const struct logs_DeleteLogStreamRequest *in = in_any;
    struct logs_group group;
    struct logs_stream stream;
    struct err err = {0};
    int rc = logs_open_group(op, in->logGroupName, &group);
    if (rc == 0)
        rc = logs_open_stream(op, &group, in->logStreamName, &stream);
    if (rc < 0)
        return rc;
    rc = logs_db_stream_delete(op->db, &stream, &err);
    return rc < 0 ? logs_fail_db(op, &err) : logs_end_write(op);
}

static struct logs_LogStream show(struct op *op, const struct logs_group *group,
                                  const struct logs_stream *stream)
{
    bool has_events = stream->last_seq > 0;
    struct str group_arn = logs_group_arn(op->arena, group);
    return (struct logs_LogStream){
        .logStreamName = stream->name,
        .has_creationTime = true,
        .creationTime = stream->created_at_ms,
        .has_firstEventTimestamp = has_events,
        .firstEventTimestamp = stream->first_event_ms,
        .has_lastEventTimestamp = has_events,
        .lastEventTimestamp = stream->last_event_ms,
        .has_lastIngestionTime = has_events,
        .lastIngestionTime = stream->last_ingested_ms,
        .uploadSequenceToken =
            has_events ? logs_sequence_token(op->arena, stream->last_seq) : STR_NONE,
        .arn = arena_printf(op->arena, STR_FMT ":log-stream:" STR_FMT, STR_ARG(group_arn),
                            STR_ARG(stream->name)),
        .has_storedBytes = true, /* documented: always 0 since 2019 */
        .storedBytes = 0,
    };
}

/* What to list, from the request's parameters and its token. */
static int prepare_list(struct op *op, const struct logs_DescribeLogStreamsRequest *in,
                        struct logs_stream_list *list)
{
    struct str prefix = in->logStreamNamePrefix, after = STR_NONE;
    list->is_by_time = str_eq(in->orderBy, STR("LastEventTime"));
    list->is_descending = in->has_descending && in->descending;
    if (list->is_by_time && prefix.ptr != NULL)
        return svc_fail(op, MSG_ORDER_AND_PREFIX);
    if (in->nextToken.ptr != NULL &&
        logs_name_token_parse(op->arena, in->nextToken, &list->after_ms, &after) < 0)
        return svc_fail(op, MSG_TOKEN);
    list->after_name = after;
    list->from = prefix.ptr == NULL ? STR("") : prefix;
    list->to = logs_prefix_end(op->arena, list->from);
    if (after.ptr == NULL || list->is_by_time)
        return 0;
    if (list->is_descending && str_cmp(after, list->to) < 0)
        list->to = after;
    if (!list->is_descending && str_cmp(after, list->from) >= 0)
        list->from = logs_name_behind(op->arena, after);
    return 0;
}

int logs_run_DescribeLogStreams(struct op *op, const void *in_any, void *out_any)
{
    const struct logs_DescribeLogStreamsRequest *in = in_any;
    struct logs_DescribeLogStreamsResponse *out = out_any;
    struct logs_stream rows[LOGS_DESCRIBE_MAX + 1];
    struct logs_stream_list list = {0};
    struct logs_group group = {0};
    struct str name;
    struct err err = {0};
    int rc = logs_group_name(op, in->logGroupName, in->logGroupIdentifier, &name);
    if (rc == 0)
        rc = prepare_list(op, in, &list);
    if (rc == 0)
        rc = logs_open_group(op, name, &group);
    if (rc < 0)
        return rc;
    list.group_id = group.id;
    size_t limit = in->has_limit ? (size_t) in->limit : LOGS_DESCRIBE_MAX;
    int got = logs_db_stream_list(op->db, op->arena, &list, limit + 1, rows, &err);
    if (got < 0)
        return logs_fail_db(op, &err);
    size_t count = (size_t) got > limit ? limit : (size_t) got;
    out->logStreams.items = ARENA_ARRAY(op->arena, struct logs_LogStream, count);
    if (out->logStreams.items == NULL)
        return logs_fail_db(op, &(struct err){-E2BIG, "a listing does not fit in memory"});
    for (size_t i = 0; i < count; i++)
        out->logStreams.items[i] = show(op, &group, &rows[i]);
    out->logStreams.count = count;
    if ((size_t) got > limit)
        out->nextToken =
            logs_name_token(op->arena, rows[count - 1].last_event_ms, rows[count - 1].name);
    return 0;
}
