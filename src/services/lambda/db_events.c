/* SQL of asynchronous invocation. An event's row is there from the answer 202 until its last
 * attempt has ended: it is the whole truth about the event, and what runs is known in memory alone.
 * So a crash forgets who was running, and all that was running runs again: at least once. */
#include "services/lambda/db_events.h"

#include "services/lambda/db_common.h"

#define EVENT_COLUMNS                                                                              \
    "seq, account, region, name, request_id, invoked_arn, client_context, payload, "               \
    "accepted_at_ms, due_at_ms, attempts, throttles, trace_id"
#define WHERE_CONFIG WHERE_FUNCTION " AND qualifier = ?4"

int event_db_insert(struct db *db, const struct event_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO events (account, region, name, seq, request_id, invoked_arn, "
                     "client_context, payload, accepted_at_ms, due_at_ms, attempts, throttles, "
                     "trace_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
    bind_function(s, row->account, row->region, row->name);
    db_bind_i64(s, 4, row->seq);
    db_bind_text(s, 5, row->request_id);
    db_bind_text(s, 6, row->invoked_arn);
    db_bind_text(s, 7, row->client_context);
    db_bind_blob(s, 8, row->payload);
    db_bind_i64(s, 9, row->accepted_at_ms);
    db_bind_i64(s, 10, row->due_at_ms);
    db_bind_i64(s, 11, row->attempts);
    db_bind_i64(s, 12, row->throttles);
    db_bind_text(s, 13, row->trace_id);
    return run(s, err);
}

int event_db_find(struct db *db, struct arena *arena, int64_t seq, struct event_row *out_row,
                  struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " EVENT_COLUMNS " FROM events WHERE seq = ?1");
    db_bind_i64(s, 1, seq);
    int rc = db_step(s, err);
    if (rc != DB_ROW)
        return rc < 0 ? rc : err_say(err, -ENOENT, "no such event");
    struct event_row row = {.seq = db_column_i64(s, 0)};
    struct str *texts[] = {&row.account,     &row.region,         &row.name,   &row.request_id,
                           &row.invoked_arn, &row.client_context, &row.payload};
    int at = 1;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!take_text(s, at++, arena, texts[i]))
            return err_say(err, -E2BIG, "a row of events does not fit in memory");
    }
    row.accepted_at_ms = db_column_i64(s, at++);
    row.due_at_ms = db_column_i64(s, at++);
    row.attempts = (int32_t) db_column_i64(s, at++);
    row.throttles = (int32_t) db_column_i64(s, at++);
    if (!take_text(s, at++, arena, &row.trace_id))
        return err_say(err, -E2BIG, "a row of events does not fit in memory");
    *out_row = row;
    return 0;
}

int event_db_delete(struct db *db, int64_t seq, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "DELETE FROM events WHERE seq = ?1");
    db_bind_i64(s, 1, seq);
    return db_run(s, err);
}

int event_db_postpone(struct db *db, const struct event_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "UPDATE events SET due_at_ms = ?2, attempts = ?3, throttles = ?4 WHERE seq = ?1");
    db_bind_i64(s, 1, row->seq);
    db_bind_i64(s, 2, row->due_at_ms);
    db_bind_i64(s, 3, row->attempts);
    db_bind_i64(s, 4, row->throttles);
    return db_run(s, err);
}

int event_db_next(struct db *db, struct str account, struct str region, struct str name,
                  size_t due_max, struct event_due *due, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT seq, due_at_ms FROM events" WHERE_FUNCTION
                                               " ORDER BY due_at_ms, seq LIMIT ?4");
    bind_function(s, account, region, name);
    db_bind_i64(s, 4, (int64_t) due_max);
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW)
        due[count++] = (struct event_due){db_column_i64(s, 0), db_column_i64(s, 1)};
    return rc < 0 ? rc : (int) count;
}

int event_db_each_function(struct db *db,
                           void (*fn)(void *arg, struct str account, struct str region,
                                      struct str name),
                           void *arg, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT DISTINCT account, region, name FROM events");
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW)
        fn(arg, db_column_str(s, 0), db_column_str(s, 1), db_column_str(s, 2));
    return rc;
}

int event_db_totals(struct db *db, int64_t *out_seq, int64_t *out_bytes, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT MAX(seq), SUM(LENGTH(payload)) FROM events");
    int rc = db_step(s, err);
    if (rc < 0)
        return rc;
    *out_seq = db_column_i64(s, 0);
    *out_bytes = db_column_i64(s, 1);
    return 0;
}

static struct event_config take_config(struct db_stmt *s)
{
    struct event_config config = {.modified_at_ms = db_column_i64(s, 2)};
    config.retries_max = take_optional(s, 0, &config.has_retries_max);
    config.age_max_s = take_optional(s, 1, &config.has_age_max);
    return config;
}

static void bind_config(struct db_stmt *s, const struct event_config_key *key)
{
    bind_function(s, key->account, key->region, key->name);
    db_bind_blob(s, 4, key->qualifier);
}

int event_config_find(struct db *db, const struct event_config_key *key, struct event_config *out,
                      struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "SELECT retries_max, age_max_s, modified_at_ms FROM event_configs" WHERE_CONFIG);
    bind_config(s, key);
    int rc = db_step(s, err);
    if (rc != DB_ROW)
        return rc < 0 ? rc : err_say(err, -ENOENT, "no such configuration");
    *out = take_config(s);
    return 0;
}

int event_config_list(struct db *db, struct arena *arena, const struct event_config_key *after,
                      size_t rows_max, struct event_config_row *rows, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "SELECT retries_max, age_max_s, modified_at_ms, qualifier FROM event_configs" //
        WHERE_FUNCTION " AND qualifier > ?4 ORDER BY qualifier LIMIT ?5");
    bind_config(s, after);
    db_bind_i64(s, 5, (int64_t) rows_max);
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        rows[count].config = take_config(s);
        if (!take_text(s, 3, arena, &rows[count++].qualifier))
            return err_say(err, -E2BIG, "a qualifier does not fit in memory");
    }
    return rc < 0 ? rc : (int) count;
}

int event_config_put(struct db *db, const struct event_config_key *key,
                     const struct event_config *config, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO event_configs (account, region, name, qualifier, retries_max, "
                     "age_max_s, modified_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                     "ON CONFLICT (account, region, name, qualifier) DO UPDATE SET "
                     "retries_max = ?5, age_max_s = ?6, modified_at_ms = ?7");
    bind_config(s, key);
    bind_optional(s, 5, config->has_retries_max, config->retries_max);
    bind_optional(s, 6, config->has_age_max, config->age_max_s);
    db_bind_i64(s, 7, config->modified_at_ms);
    return run(s, err);
}

int event_config_delete(struct db *db, const struct event_config_key *key, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "DELETE FROM event_configs" WHERE_CONFIG);
    bind_config(s, key);
    return run_found(s, "no such configuration", err);
}

int event_db_forget(struct db *db, struct str account, struct str region, struct str name,
                    int64_t *out_bytes, struct err *err)
{
    AUTO_STMT struct db_stmt *sum =
        db_query(db, "SELECT SUM(LENGTH(payload)) FROM events" WHERE_FUNCTION);
    bind_function(sum, account, region, name);
    int rc = db_step(sum, err);
    if (rc < 0)
        return rc;
    *out_bytes = db_column_i64(sum, 0);
    AUTO_STMT struct db_stmt *events = db_query(db, "DELETE FROM events" WHERE_FUNCTION);
    bind_function(events, account, region, name);
    rc = db_run(events, err);
    if (rc < 0)
        return rc;
    AUTO_STMT struct db_stmt *config = db_query(db, "DELETE FROM event_configs" WHERE_FUNCTION);
    bind_function(config, account, region, name);
    return run(config, err);
}
