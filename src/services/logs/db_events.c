/* The statements about log events: appending, scanning, removing in steps (see db.c).
 *
 * A removal finds the event that bounds its step, counts what is older, deletes it and takes its
 * bytes off the group: four index operations, whatever the group holds. */
#include "services/logs/db_int.h"

#include <errno.h>

static int insert_event(struct db *db, const struct logs_stream *stream,
                        const struct logs_line *line, int64_t seq, int64_t now_ms, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "INSERT INTO log_events (group_id, at_ms, seq, stream_id, ingested_at_ms, message)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    db_bind_i64(s, 1, stream->group_id);
    db_bind_i64(s, 2, line->at_ms);
    db_bind_i64(s, 3, seq);
    db_bind_i64(s, 4, stream->id);
    db_bind_i64(s, 5, now_ms);
    db_bind_blob(s, 6, line->message);
    return logs_db_run(s, err);
}

static int update_stream(struct db *db, const struct logs_stream *stream, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "UPDATE log_streams SET first_event_ms = ?3, last_event_ms = ?4, "
                     "last_ingested_ms = ?5, last_seq = ?6 WHERE group_id = ?1 AND name = ?2");
    db_bind_i64(s, 1, stream->group_id);
    db_bind_blob(s, 2, stream->name);
    db_bind_i64(s, 3, stream->first_event_ms);
    db_bind_i64(s, 4, stream->last_event_ms);
    db_bind_i64(s, 5, stream->last_ingested_ms);
    db_bind_i64(s, 6, stream->last_seq);
    return logs_db_run_found(s, "log stream", err);
}

/* A group that is gone has no bytes to count. */
static int add_bytes(struct db *db, int64_t group_id, int64_t bytes, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "UPDATE log_groups SET stored_bytes = stored_bytes + ?2 WHERE id = ?1");
    db_bind_i64(s, 1, group_id);
    db_bind_i64(s, 2, bytes);
    return logs_db_run(s, err);
}

int logs_db_append(struct db *db, struct logs_stream *stream, const struct logs_line *lines,
                   size_t count, int64_t now_ms, struct err *err)
{
    int64_t last, bytes = 0;
    int rc = logs_db_draw(db, "seq", (int64_t) count, &last, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct logs_line *line = &lines[i];
        rc = insert_event(db, stream, line, last - (int64_t) (count - 1 - i), now_ms, err);
        bytes += (int64_t) line->message.len + LOGS_EVENT_OVERHEAD;
        if (stream->last_seq == 0 || line->at_ms < stream->first_event_ms)
            stream->first_event_ms = line->at_ms;
        if (line->at_ms > stream->last_event_ms)
            stream->last_event_ms = line->at_ms;
        stream->last_seq = last;
    }
    stream->last_ingested_ms = now_ms;
    if (rc == 0)
        rc = update_stream(db, stream, err);
    return rc == 0 ? add_bytes(db, stream->group_id, bytes, err) : rc;
}

#define SCAN(owner)                                                                                \
    "SELECT at_ms, seq, stream_id, ingested_at_ms, message FROM log_events WHERE " owner           \
    " = ?1 AND (at_ms, seq) > (?2, ?3) AND (at_ms, seq) < (?4, ?5) "

static void bind_scan(struct db_stmt *s, int64_t owner, const struct logs_range *range)
{
    db_bind_i64(s, 1, owner);
    db_bind_i64(s, 2, range->after.at_ms);
    db_bind_i64(s, 3, range->after.seq);
    db_bind_i64(s, 4, range->before.at_ms);
    db_bind_i64(s, 5, range->before.seq);
}

struct db_stmt *logs_db_scan_stream(struct db *db, int64_t stream_id,
                                    const struct logs_range *range, bool is_backward)
{
    struct db_stmt *s = is_backward
                            ? db_query(db, SCAN("stream_id") "ORDER BY at_ms DESC, seq DESC")
                            : db_query(db, SCAN("stream_id") "ORDER BY at_ms, seq");
    bind_scan(s, stream_id, range);
    return s;
}

struct db_stmt *logs_db_scan_group(struct db *db, int64_t group_id, const struct logs_range *range)
{
    struct db_stmt *s = db_query(db, SCAN("group_id") "ORDER BY at_ms, seq");
    bind_scan(s, group_id, range);
    return s;
}

int logs_db_scan_next(struct db_stmt *scan, struct logs_event *out_event, struct err *err)
{
    int rc = db_step(scan, err);
    if (rc == DB_ROW)
        *out_event = (struct logs_event){
            .position = {db_column_i64(scan, 0), db_column_i64(scan, 1)},
            .stream_id = db_column_i64(scan, 2),
            .ingested_at_ms = db_column_i64(scan, 3),
            .message = db_column_str(scan, 4),
        };
    return rc;
}

/* --- removal -------------------------------------------------------------------------------- */

/* What one step removes: the first rows_max events of an owner that are older than a time. */
struct removal {
    bool is_group;
    int64_t owner;
    struct logs_position before;
    int64_t count, bytes;
};

#define OLDER "AND (at_ms, seq) < (?2, ?3) "
#define FIRST "ORDER BY at_ms, seq LIMIT 1 OFFSET ?4"
#define TOTAL "SELECT COUNT(*), COALESCE(SUM(LENGTH(message)), 0) FROM log_events WHERE "

static void bind_removal(struct db_stmt *s, const struct removal *r)
{
    db_bind_i64(s, 1, r->owner);
    db_bind_i64(s, 2, r->before.at_ms);
    db_bind_i64(s, 3, r->before.seq);
}

/* Moves r->before down so that at most rows_max events are older. */
static int removal_limit(struct db *db, struct removal *r, size_t rows_max, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        r->is_group
            ? db_query(db, "SELECT at_ms, seq FROM log_events WHERE group_id = ?1 " OLDER FIRST)
            : db_query(db, "SELECT at_ms, seq FROM log_events WHERE stream_id = ?1 " OLDER FIRST);
    bind_removal(s, r);
    db_bind_i64(s, 4, (int64_t) rows_max);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        r->before = (struct logs_position){db_column_i64(s, 0), db_column_i64(s, 1)};
    return rc < 0 ? rc : 0;
}

static int removal_count(struct db *db, struct removal *r, struct err *err)
{
    AUTO_STMT struct db_stmt *s = r->is_group ? db_query(db, TOTAL "group_id = ?1 " OLDER)
                                              : db_query(db, TOTAL "stream_id = ?1 " OLDER);
    bind_removal(s, r);
    int rc = db_step(s, err);
    if (rc < 0)
        return rc;
    r->count = db_column_i64(s, 0);
    r->bytes = db_column_i64(s, 1) + r->count * LOGS_EVENT_OVERHEAD;
    return 0;
}

/* Returns the number of events removed; group_id: whose bytes they were. */
static int remove_events(struct db *db, struct removal *r, int64_t group_id, size_t rows_max,
                         struct err *err)
{
    int rc = removal_limit(db, r, rows_max, err);
    if (rc == 0)
        rc = removal_count(db, r, err);
    if (rc < 0 || r->count == 0)
        return rc;
    AUTO_STMT struct db_stmt *s =
        r->is_group ? db_query(db, "DELETE FROM log_events WHERE group_id = ?1 " OLDER)
                    : db_query(db, "DELETE FROM log_events WHERE stream_id = ?1 " OLDER);
    bind_removal(s, r);
    rc = logs_db_run(s, err);
    if (rc == 0)
        rc = add_bytes(db, group_id, -r->bytes, err);
    return rc < 0 ? rc : (int) r->count;
}

int logs_db_expire(struct db *db, int64_t group_id, int64_t before_ms, size_t rows_max,
                   struct err *err)
{
    struct removal removal = {true, group_id, {before_ms, 0}, 0, 0};
    return remove_events(db, &removal, group_id, rows_max, err);
}

/* Returns the number of streams removed. */
static int remove_streams(struct db *db, int64_t group_id, size_t rows_max, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "DELETE FROM log_streams WHERE group_id = ?1 AND name IN "
                     "(SELECT name FROM log_streams WHERE group_id = ?1 ORDER BY name LIMIT ?2)");
    db_bind_i64(s, 1, group_id);
    db_bind_i64(s, 2, (int64_t) rows_max);
    return db_run(s, err);
}

static int remove_garbage(struct db *db, bool is_group, int64_t id, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "DELETE FROM garbage WHERE is_group = ?1 AND id = ?2");
    db_bind_i64(s, 1, is_group);
    db_bind_i64(s, 2, id);
    return logs_db_run_found(s, "row of garbage", err);
}

int logs_db_collect(struct db *db, size_t rows_max, struct err *err)
{
    struct removal removal = {.before = {INT64_MAX, INT64_MAX}};
    int64_t group_id;
    {
        AUTO_STMT struct db_stmt *s = db_query(
            db, "SELECT is_group, id, group_id FROM garbage ORDER BY is_group, id LIMIT 1");
        int rc = db_step(s, err);
        if (rc != DB_ROW)
            return rc;
        removal.is_group = db_column_i64(s, 0) != 0;
        removal.owner = db_column_i64(s, 1);
        group_id = db_column_i64(s, 2);
    }
    int removed = remove_events(db, &removal, group_id, rows_max, err);
    if (removed == 0 && removal.is_group)
        removed = remove_streams(db, removal.owner, rows_max, err);
    if (removed != 0)
        return removed;
    int rc = remove_garbage(db, removal.is_group, removal.owner, err);
    return rc < 0 ? rc : 1; /* Something was done: there may be more. */
}
