/* The tables of the logs service, and the statements about groups, tags and streams (events are in
 * db_events.c), in the SQL that SQLite and PostgreSQL share.
 *
 *     log_groups  (account, region, name) -> id, settings, bytes
 *     log_tags    (group, key) -> value
 *     log_streams (group, name) -> id, times           index (group, last event, name)
 *     log_events  (group, time, seq) -> message        index (stream, time, seq)
 *     garbage     groups and streams that were deleted, whose events are still there
 *     counters    the last id and the last seq that were given away
 *
 * Both ways to read are index scans: FilterLogEvents walks a group by time, GetLogEvents a stream.
 * A deleted group or stream loses its row and thereby its name at once; a row of garbage says that
 * its events wait for removal, which is done in steps beside later writes (a group may hold
 * millions of events, and one operation has some milliseconds).
 * Messages are bytes, so that LENGTH counts bytes on every engine. */
#include "services/logs/db_int.h"

#include <errno.h>

static const struct db_migration migrations[] = {
    {1, "CREATE TABLE log_groups ("
        "  account BLOB NOT NULL,"
        "  region BLOB NOT NULL,"
        "  name BLOB NOT NULL,"
        "  id BIGINT NOT NULL,"
        "  class TEXT NOT NULL,"
        "  created_at_ms BIGINT NOT NULL,"
        "  stored_bytes BIGINT NOT NULL,"
        "  retention_days INTEGER NOT NULL,"
        "  PRIMARY KEY (account, region, name));"
        "CREATE UNIQUE INDEX log_groups_id ON log_groups (id);"
        "CREATE INDEX log_groups_retained ON log_groups (id) WHERE retention_days > 0;"
        "CREATE TABLE log_tags ("
        "  group_id BIGINT NOT NULL,"
        "  tag_key BLOB NOT NULL,"
        "  tag_value TEXT NOT NULL,"
        "  PRIMARY KEY (group_id, tag_key));"
        "CREATE TABLE log_streams ("
        "  group_id BIGINT NOT NULL,"
        "  name BLOB NOT NULL,"
        "  id BIGINT NOT NULL,"
        "  created_at_ms BIGINT NOT NULL,"
        "  first_event_ms BIGINT NOT NULL,"
        "  last_event_ms BIGINT NOT NULL,"
        "  last_ingested_ms BIGINT NOT NULL,"
        "  last_seq BIGINT NOT NULL,"
        "  PRIMARY KEY (group_id, name));"
        "CREATE UNIQUE INDEX log_streams_id ON log_streams (id);"
        "CREATE INDEX log_streams_time ON log_streams (group_id, last_event_ms, name);"
        "CREATE TABLE log_events ("
        "  group_id BIGINT NOT NULL,"
        "  at_ms BIGINT NOT NULL,"
        "  seq BIGINT NOT NULL,"
        "  stream_id BIGINT NOT NULL,"
        "  ingested_at_ms BIGINT NOT NULL,"
        "  message BLOB NOT NULL,"
        "  PRIMARY KEY (group_id, at_ms, seq));"
        "CREATE INDEX log_events_stream ON log_events (stream_id, at_ms, seq);"
        "CREATE TABLE garbage ("
        "  is_group INTEGER NOT NULL,"
        "  id BIGINT NOT NULL,"
        "  group_id BIGINT NOT NULL,"
        "  PRIMARY KEY (is_group, id));"
        "CREATE TABLE counters ("
        "  name TEXT NOT NULL,"
        "  value BIGINT NOT NULL,"
        "  PRIMARY KEY (name));"
        "INSERT INTO counters VALUES ('id', 0), ('seq', 0);"},
};

int logs_db_open(const char *path, bool is_in_memory, struct db **out_db, struct err *err)
{
    return db_open(is_in_memory ? NULL : path, is_in_memory ? DB_IN_MEMORY : 0, migrations,
                   ARRAY_LEN(migrations), out_db, err);
}

int logs_db_run_found(struct db_stmt *s, const char *what, struct err *err)
{
    int rc = db_run(s, err);
    return rc == 0 ? err_say(err, -ENOENT, "no such %s", what) : rc < 0 ? rc : 0;
}

int logs_db_run(struct db_stmt *s, struct err *err)
{
    int rc = db_run(s, err);
    return rc < 0 ? rc : 0;
}

int logs_db_draw(struct db *db, const char *counter, int64_t count, int64_t *out_last,
                 struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "UPDATE counters SET value = value + ?2 WHERE name = ?1 RETURNING value");
    db_bind_text(s, 1, str_from(counter));
    db_bind_i64(s, 2, count);
    int rc = db_step(s, err);
    if (rc == DB_DONE)
        return err_say(err, -ENOENT, "no counter '%s'", counter);
    if (rc == DB_ROW)
        *out_last = db_column_i64(s, 0);
    return rc < 0 ? rc : 0;
}

static int take_str(struct db_stmt *s, int at, struct arena *arena, struct str *out,
                    struct err *err)
{
    *out = arena_str(arena, db_column_str(s, at));
    return out->ptr == NULL ? err_say(err, -E2BIG, "a row of logs does not fit in memory") : 0;
}

/* --- groups --------------------------------------------------------------------------------- */

#define GROUP_COLUMNS                                                                              \
    "account, region, name, id, class, created_at_ms, stored_bytes, retention_days"

static void bind_key(struct db_stmt *s, struct str account, struct str region, struct str name)
{
    db_bind_blob(s, 1, account);
    db_bind_blob(s, 2, region);
    db_bind_blob(s, 3, name);
}

static int take_group(struct db_stmt *s, struct arena *arena, struct logs_group *out,
                      struct err *err)
{
    struct logs_group group = {
        .id = db_column_i64(s, 3),
        .created_at_ms = db_column_i64(s, 5),
        .stored_bytes = db_column_i64(s, 6),
        .retention_days = (int32_t) db_column_i64(s, 7),
    };
    int rc = take_str(s, 0, arena, &group.account, err);
    if (rc == 0)
        rc = take_str(s, 1, arena, &group.region, err);
    if (rc == 0)
        rc = take_str(s, 2, arena, &group.name, err);
    if (rc == 0)
        rc = take_str(s, 4, arena, &group.group_class, err);
    if (rc == 0)
        *out = group;
    return rc;
}

int logs_db_group_find(struct db *db, struct arena *arena, struct str account, struct str region,
                       struct str name, struct logs_group *out_group, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " GROUP_COLUMNS
                     " FROM log_groups WHERE account = ?1 AND region = ?2 AND name = ?3");
    bind_key(s, account, region, name);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        return take_group(s, arena, out_group, err);
    return rc < 0 ? rc : err_say(err, -ENOENT, "no such log group");
}

int logs_db_group_insert(struct db *db, struct logs_group *group, struct err *err)
{
    int64_t id = 0;
    int rc = logs_db_draw(db, "id", 1, &id, err);
    if (rc < 0)
        return rc;
    AUTO_STMT struct db_stmt *s = db_query(db, "INSERT INTO log_groups (" GROUP_COLUMNS
                                               ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    bind_key(s, group->account, group->region, group->name);
    db_bind_i64(s, 4, id);
    db_bind_text(s, 5, group->group_class);
    db_bind_i64(s, 6, group->created_at_ms);
    db_bind_i64(s, 7, group->stored_bytes);
    db_bind_i64(s, 8, group->retention_days);
    rc = logs_db_run(s, err);
    if (rc == 0)
        group->id = id;
    return rc;
}

int logs_db_group_list(struct db *db, struct arena *arena, struct str account, struct str region,
                       struct str from, struct str to, size_t rows_max, struct logs_group *groups,
                       struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " GROUP_COLUMNS " FROM log_groups WHERE account = ?1 AND region = ?2 "
                     "AND name >= ?3 AND name < ?4 ORDER BY name LIMIT ?5");
    bind_key(s, account, region, from);
    db_bind_blob(s, 4, to);
    db_bind_i64(s, 5, (int64_t) rows_max);
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        rc = take_group(s, arena, &groups[count++], err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : (int) count;
}

int logs_db_group_retain(struct db *db, int64_t group_id, int32_t days, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "UPDATE log_groups SET retention_days = ?2 WHERE id = ?1");
    db_bind_i64(s, 1, group_id);
    db_bind_i64(s, 2, days);
    return logs_db_run_found(s, "log group", err);
}

static int add_garbage(struct db *db, bool is_group, int64_t id, int64_t group_id, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO garbage (is_group, id, group_id) VALUES (?1, ?2, ?3)");
    db_bind_i64(s, 1, is_group);
    db_bind_i64(s, 2, id);
    db_bind_i64(s, 3, group_id);
    return logs_db_run(s, err);
}

int logs_db_group_delete(struct db *db, int64_t group_id, struct err *err)
{
    AUTO_STMT struct db_stmt *group = db_query(db, "DELETE FROM log_groups WHERE id = ?1");
    db_bind_i64(group, 1, group_id);
    int rc = logs_db_run_found(group, "log group", err);
    if (rc < 0)
        return rc;
    AUTO_STMT struct db_stmt *tags = db_query(db, "DELETE FROM log_tags WHERE group_id = ?1");
    db_bind_i64(tags, 1, group_id);
    rc = logs_db_run(tags, err);
    return rc < 0 ? rc : add_garbage(db, true, group_id, group_id, err);
}

int logs_db_group_retained(struct db *db, int64_t after_id, int64_t *out_id, int32_t *out_days,
                           struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "SELECT id, retention_days FROM log_groups WHERE retention_days > 0 AND id > ?1 "
            "ORDER BY id LIMIT 1");
    db_bind_i64(s, 1, after_id);
    int rc = db_step(s, err);
    if (rc < 0)
        return rc;
    if (rc == DB_DONE)
        return after_id > 0 ? logs_db_group_retained(db, 0, out_id, out_days, err)
                            : err_say(err, -ENOENT, "no group has a retention");
    *out_id = db_column_i64(s, 0);
    *out_days = (int32_t) db_column_i64(s, 1);
    return 0;
}

/* --- tags ----------------------------------------------------------------------------------- */

int logs_db_tag_put(struct db *db, int64_t group_id, const struct logs_tag *tag, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO log_tags (group_id, tag_key, tag_value) VALUES (?1, ?2, ?3) "
                     "ON CONFLICT (group_id, tag_key) DO UPDATE SET tag_value = ?3");
    db_bind_i64(s, 1, group_id);
    db_bind_blob(s, 2, tag->key);
    db_bind_text(s, 3, tag->value);
    return logs_db_run(s, err);
}

int logs_db_tag_delete(struct db *db, int64_t group_id, struct str key, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "DELETE FROM log_tags WHERE group_id = ?1 AND tag_key = ?2");
    db_bind_i64(s, 1, group_id);
    db_bind_blob(s, 2, key);
    return logs_db_run(s, err);
}

int logs_db_tag_list(struct db *db, struct arena *arena, int64_t group_id, size_t rows_max,
                     struct logs_tag *tags, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT tag_key, tag_value FROM log_tags WHERE group_id = ?1 ORDER BY tag_key "
                     "LIMIT ?2");
    db_bind_i64(s, 1, group_id);
    db_bind_i64(s, 2, (int64_t) rows_max);
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        rc = take_str(s, 0, arena, &tags[count].key, err);
        if (rc == 0)
            rc = take_str(s, 1, arena, &tags[count].value, err);
        if (rc < 0)
            return rc;
        count++;
    }
    return rc < 0 ? rc : (int) count;
}

/* --- streams -------------------------------------------------------------------------------- */

#define STREAM_COLUMNS                                                                             \
    "group_id, name, id, created_at_ms, first_event_ms, last_event_ms, last_ingested_ms, last_seq"

static int take_stream(struct db_stmt *s, struct arena *arena, struct logs_stream *out,
                       struct err *err)
{
    struct logs_stream stream = {
        .group_id = db_column_i64(s, 0),
        .id = db_column_i64(s, 2),
        .created_at_ms = db_column_i64(s, 3),
        .first_event_ms = db_column_i64(s, 4),
        .last_event_ms = db_column_i64(s, 5),
        .last_ingested_ms = db_column_i64(s, 6),
        .last_seq = db_column_i64(s, 7),
    };
    int rc = take_str(s, 1, arena, &stream.name, err);
    if (rc == 0)
        *out = stream;
    return rc;
}

int logs_db_stream_find(struct db *db, struct arena *arena, int64_t group_id, struct str name,
                        struct logs_stream *out_stream, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "SELECT " STREAM_COLUMNS " FROM log_streams WHERE group_id = ?1 AND name = ?2");
    db_bind_i64(s, 1, group_id);
    db_bind_blob(s, 2, name);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        return take_stream(s, arena, out_stream, err);
    return rc < 0 ? rc : err_say(err, -ENOENT, "no such log stream");
}

int logs_db_stream_name(struct db *db, struct arena *arena, int64_t stream_id, struct str *out_name,
                        struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT name FROM log_streams WHERE id = ?1");
    db_bind_i64(s, 1, stream_id);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        return take_str(s, 0, arena, out_name, err);
    return rc < 0 ? rc : err_say(err, -ENOENT, "no such log stream");
}

int logs_db_stream_insert(struct db *db, struct logs_stream *stream, struct err *err)
{
    int64_t id = 0;
    int rc = logs_db_draw(db, "id", 1, &id, err);
    if (rc < 0)
        return rc;
    AUTO_STMT struct db_stmt *s = db_query(db, "INSERT INTO log_streams (" STREAM_COLUMNS
                                               ") VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0)");
    db_bind_i64(s, 1, stream->group_id);
    db_bind_blob(s, 2, stream->name);
    db_bind_i64(s, 3, id);
    db_bind_i64(s, 4, stream->created_at_ms);
    rc = logs_db_run(s, err);
    if (rc == 0)
        stream->id = id;
    return rc;
}

int logs_db_stream_delete(struct db *db, const struct logs_stream *stream, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "DELETE FROM log_streams WHERE group_id = ?1 AND name = ?2");
    db_bind_i64(s, 1, stream->group_id);
    db_bind_blob(s, 2, stream->name);
    int rc = logs_db_run_found(s, "log stream", err);
    return rc < 0 ? rc : add_garbage(db, false, stream->id, stream->group_id, err);
}

#define STREAMS_BY_NAME                                                                            \
    "SELECT " STREAM_COLUMNS " FROM log_streams WHERE group_id = ?1 AND name >= ?2 AND name < ?3 "
#define STREAMS_BY_TIME "SELECT " STREAM_COLUMNS " FROM log_streams WHERE group_id = ?1 AND "

static struct db_stmt *stream_query(struct db *db, const struct logs_stream_list *list)
{
    struct db_stmt *s;
    if (!list->is_by_time) {
        s = list->is_descending ? db_query(db, STREAMS_BY_NAME "ORDER BY name DESC LIMIT ?4")
                                : db_query(db, STREAMS_BY_NAME "ORDER BY name LIMIT ?4");
        db_bind_blob(s, 2, list->from);
        db_bind_blob(s, 3, list->to);
        return s;
    }
    bool is_first = list->after_name.ptr == NULL;
    if (list->is_descending) {
        s = db_query(db, STREAMS_BY_TIME "(last_event_ms, name) < (?2, ?3) "
                                         "ORDER BY last_event_ms DESC, name DESC LIMIT ?4");
        db_bind_i64(s, 2, is_first ? INT64_MAX : list->after_ms);
    } else {
        s = db_query(db, STREAMS_BY_TIME "(last_event_ms, name) > (?2, ?3) "
                                         "ORDER BY last_event_ms, name LIMIT ?4");
        db_bind_i64(s, 2, is_first ? -1 : list->after_ms);
    }
    db_bind_blob(s, 3, is_first ? STR("") : list->after_name);
    return s;
}

int logs_db_stream_list(struct db *db, struct arena *arena, const struct logs_stream_list *list,
                        size_t rows_max, struct logs_stream *streams, struct err *err)
{
    AUTO_STMT struct db_stmt *s = stream_query(db, list);
    db_bind_i64(s, 1, list->group_id);
    db_bind_i64(s, 4, (int64_t) rows_max);
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        rc = take_stream(s, arena, &streams[count++], err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : (int) count;
}
