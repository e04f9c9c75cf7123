#pragma once
/* Log groups, streams and events. Names are keys of bytes under account and region; groups and
 * streams have numbers besides, so that a name may be used anew while what it meant before is still
 * being removed. Strings of rows lie in the arena given.
 * thread: the actor's. errors: -ENOENT no such row, -EEXIST it is there, -E2BIG the arena is full,
 * others of store/db.h. */
#include "base/arena.h"
#include "base/err.h"

struct db;
struct db_stmt;

struct logs_group {
    int64_t id;
    struct str account, region, name; /* the key */
    struct str group_class;
    int64_t created_at_ms, stored_bytes;
    int32_t retention_days; /* 0: for ever */
};

struct logs_stream {
    int64_t id, group_id;
    struct str name;
    int64_t created_at_ms;
    /* 0: no events yet. */
    int64_t first_event_ms, last_event_ms, last_ingested_ms, last_seq;
};

/* Where an event stands among those of its stream and of its group. seq grows by arrival. */
struct logs_position {
    int64_t at_ms, seq;
};

struct logs_range {
    struct logs_position after, before; /* both exclusive */
};

struct logs_event {
    struct logs_position position;
    int64_t stream_id, ingested_at_ms;
    struct str message; /* view, until the scan goes on */
};

struct logs_line {
    int64_t at_ms;
    struct str message;
};

struct logs_tag {
    struct str key, value;
};

enum { LOGS_EVENT_OVERHEAD = 26 }; /* bytes that AWS counts for each event besides its message */

CHECK_RESULT int logs_db_open(const char *path, bool is_in_memory, struct db **out_db,
                              struct err *err);

/* --- groups --------------------------------------------------------------------------------- */

CHECK_RESULT int logs_db_group_find(struct db *db, struct arena *arena, struct str account,
                                    struct str region, struct str name,
                                    struct logs_group *out_group, struct err *err);
/* group->id is drawn here. */
CHECK_RESULT int logs_db_group_insert(struct db *db, struct logs_group *group, struct err *err);
/* Groups with from <= name < to, in the order of names, at most rows_max; returns their number. */
CHECK_RESULT int logs_db_group_list(struct db *db, struct arena *arena, struct str account,
                                    struct str region, struct str from, struct str to,
                                    size_t rows_max, struct logs_group *groups, struct err *err);
CHECK_RESULT int logs_db_group_retain(struct db *db, int64_t group_id, int32_t days,
                                      struct err *err);
/* The name is free at once; streams and events are removed by logs_db_collect. */
CHECK_RESULT int logs_db_group_delete(struct db *db, int64_t group_id, struct err *err);
/* The group with a retention that follows after_id, or the first one; -ENOENT: there is none. */
CHECK_RESULT int logs_db_group_retained(struct db *db, int64_t after_id, int64_t *out_id,
                                        int32_t *out_days, struct err *err);

/* --- tags of a group ------------------------------------------------------------------------ */

CHECK_RESULT int logs_db_tag_put(struct db *db, int64_t group_id, const struct logs_tag *tag,
                                 struct err *err);
CHECK_RESULT int logs_db_tag_delete(struct db *db, int64_t group_id, struct str key,
                                    struct err *err);
/* In the order of keys; returns their number. rows_max is enough for all. */
CHECK_RESULT int logs_db_tag_list(struct db *db, struct arena *arena, int64_t group_id,
                                  size_t rows_max, struct logs_tag *tags, struct err *err);

/* --- streams -------------------------------------------------------------------------------- */

CHECK_RESULT int logs_db_stream_find(struct db *db, struct arena *arena, int64_t group_id,
                                     struct str name, struct logs_stream *out_stream,
                                     struct err *err);
CHECK_RESULT int logs_db_stream_name(struct db *db, struct arena *arena, int64_t stream_id,
                                     struct str *out_name, struct err *err);
/* stream->id is drawn here. */
CHECK_RESULT int logs_db_stream_insert(struct db *db, struct logs_stream *stream, struct err *err);
CHECK_RESULT int logs_db_stream_delete(struct db *db, const struct logs_stream *stream,
                                       struct err *err);

struct logs_stream_list {
    int64_t group_id;
    struct str from, to; /* from <= name < to; by name only */
    bool is_by_time, is_descending;
    /* By time: those behind this one; after_name.ptr NULL: from the beginning. */
    int64_t after_ms;
    struct str after_name;
};
CHECK_RESULT int logs_db_stream_list(struct db *db, struct arena *arena,
                                     const struct logs_stream_list *list, size_t rows_max,
                                     struct logs_stream *streams, struct err *err);

/* --- events --------------------------------------------------------------------------------- */

/* Stores lines at the end of the stream and brings stream and group up to date. */
CHECK_RESULT int logs_db_append(struct db *db, struct logs_stream *stream,
                                const struct logs_line *lines, size_t count, int64_t now_ms,
                                struct err *err);
/* A scan is given back by db_stmt_done (AUTO_STMT). */
struct db_stmt *logs_db_scan_stream(struct db *db, int64_t stream_id,
                                    const struct logs_range *range, bool is_backward);
struct db_stmt *logs_db_scan_group(struct db *db, int64_t group_id, const struct logs_range *range);
CHECK_RESULT int logs_db_scan_next(struct db_stmt *scan, struct logs_event *out_event,
                                   struct err *err); /* DB_ROW or DB_DONE */

/* --- removal in steps: each touches at most rows_max events and returns how many it removed --- */

CHECK_RESULT int logs_db_expire(struct db *db, int64_t group_id, int64_t before_ms, size_t rows_max,
                                struct err *err);
/* What deleted groups and streams have left; 0: nothing is left. */
CHECK_RESULT int logs_db_collect(struct db *db, size_t rows_max, struct err *err);
