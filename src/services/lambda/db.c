/* All SQL of the lambda service, in the subset that SQLite and PostgreSQL share. Keys are bytes;
 * the environment and the tags are JSON texts, because nothing ever searches in them.
 *
 * Each version of a function has a row, which is the truth about it; number 0 is $LATEST. The
 * package it names (code_sha256) is on disk before the row commits; what no row names is garbage.
 */
#include "services/lambda/db.h"

#include "services/lambda/db_common.h"

#define COLUMNS                                                                                    \
    "account, region, name, version, revision_id, runtime, role, handler, description, "           \
    "architecture, tracing_mode, log_group, environment, tags, code_sha256, code_size, "           \
    "timeout_s, memory_mb, tmp_mb, modified_at_ms, reserved, log_format, app_log_level, "          \
    "system_log_level, layers, unzipped_size, source_revision, last_version, is_snap_start"
#define WHERE_VERSION WHERE_FUNCTION " AND version = ?4"

int lambda_db_open(const char *path, bool is_in_memory, struct db **out_db, struct err *err)
{
    return db_open(is_in_memory ? NULL : path, is_in_memory ? DB_IN_MEMORY : 0, lambda_migrations,
                   lambda_migration_count, out_db, err);
}

static void bind_row(struct db_stmt *s, const struct lambda_row *row)
{
    bind_function(s, row->account, row->region, row->name);
    db_bind_i64(s, 4, row->version);
    const struct str texts[] = {row->revision_id,  row->runtime,     row->role,
                                row->handler,      row->description, row->architecture,
                                row->tracing_mode, row->log_group,   row->environment,
                                row->tags,         row->code_sha256};
    int at = 5;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        db_bind_text(s, at++, texts[i]);
    const int64_t numbers[] = {row->code_size, row->timeout_s,      row->memory_mb,
                               row->tmp_mb,    row->modified_at_ms, row->reserved};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        db_bind_i64(s, at++, numbers[i]);
    db_bind_text(s, at++, row->log_format);
    db_bind_text(s, at++, row->app_log_level);
    db_bind_text(s, at++, row->system_log_level);
    db_bind_text(s, at++, row->layers);
    db_bind_i64(s, at++, row->unzipped_size);
    db_bind_text(s, at++, row->source_revision);
    db_bind_i64(s, at++, row->last_version);
    db_bind_i64(s, at++, row->is_snap_start);
}

static int take_row(struct db_stmt *s, struct arena *arena, struct lambda_row *out, struct err *err)
{
    struct lambda_row row = {.version = db_column_i64(s, 3)};
    struct str *texts[] = {&row.account,     &row.region,       &row.name,         NULL,
                           &row.revision_id, &row.runtime,      &row.role,         &row.handler,
                           &row.description, &row.architecture, &row.tracing_mode, &row.log_group,
                           &row.environment, &row.tags,         &row.code_sha256};
    struct str *late[] = {&row.log_format, &row.app_log_level, &row.system_log_level, &row.layers};
    bool fits = true;
    int at = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++, at++)
        fits = (texts[i] == NULL || take_text(s, at, arena, texts[i])) && fits;
    row.code_size = db_column_i64(s, at++);
    row.timeout_s = (int32_t) db_column_i64(s, at++);
    row.memory_mb = (int32_t) db_column_i64(s, at++);
    row.tmp_mb = (int32_t) db_column_i64(s, at++);
    row.modified_at_ms = db_column_i64(s, at++);
    row.reserved = db_column_i64(s, at++);
    for (size_t i = 0; i < ARRAY_LEN(late); i++)
        fits = take_text(s, at++, arena, late[i]) && fits;
    row.unzipped_size = db_column_i64(s, at++);
    fits = take_text(s, at++, arena, &row.source_revision) && fits;
    row.last_version = db_column_i64(s, at++);
    row.is_snap_start = db_column_i64(s, at++) != 0;
    if (!fits)
        return err_say(err, -E2BIG, "a row of functions does not fit in memory");
    *out = row;
    return 0;
}

int lambda_db_find(struct db *db, struct arena *arena, struct str account, struct str region,
                   struct str name, int64_t version, struct lambda_row *out_row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " COLUMNS " FROM functions" WHERE_VERSION);
    bind_function(s, account, region, name);
    db_bind_i64(s, 4, version);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        return take_row(s, arena, out_row, err);
    return rc < 0 ? rc : err_say(err, -ENOENT, "no such function");
}

int lambda_db_insert(struct db *db, const struct lambda_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO functions (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                     "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, "
                     "?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)");
    bind_row(s, row);
    return run(s, err);
}

int lambda_db_update(struct db *db, const struct lambda_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "UPDATE functions SET revision_id = ?5, runtime = ?6, role = ?7, handler = ?8, "
            "description = ?9, architecture = ?10, tracing_mode = ?11, log_group = ?12, "
            "environment = ?13, tags = ?14, code_sha256 = ?15, code_size = ?16, timeout_s = ?17, "
            "memory_mb = ?18, tmp_mb = ?19, modified_at_ms = ?20, reserved = ?21, "
            "log_format = ?22, app_log_level = ?23, system_log_level = ?24, layers = ?25, "
            "unzipped_size = ?26, source_revision = ?27, last_version = ?28, "
            "is_snap_start = ?29" WHERE_VERSION);
    bind_row(s, row);
    return run_found(s, "no such function", err);
}

int lambda_db_reserve(struct db *db, const struct lambda_row *row, int64_t reserved,
                      struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "UPDATE functions SET reserved = ?4" WHERE_FUNCTION);
    bind_function(s, row->account, row->region, row->name);
    db_bind_i64(s, 4, reserved);
    return run(s, err);
}

int lambda_db_delete(struct db *db, struct str account, struct str region, struct str name,
                     struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "DELETE FROM functions" WHERE_FUNCTION);
    bind_function(s, account, region, name);
    return run_found(s, "no such function", err);
}

int lambda_db_keep_number(struct db *db, const struct lambda_row *latest, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO function_numbers (account, region, name, last_version) "
                     "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, region, name) "
                     "DO UPDATE SET last_version = ?4");
    bind_function(s, latest->account, latest->region, latest->name);
    db_bind_i64(s, 4, latest->last_version);
    return run(s, err);
}

int lambda_db_kept_number(struct db *db, struct str account, struct str region, struct str name,
                          int64_t *out_version, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT last_version FROM function_numbers" WHERE_FUNCTION);
    bind_function(s, account, region, name);
    int rc = db_step(s, err);
    if (rc < 0)
        return rc;
    *out_version = rc == DB_ROW ? db_column_i64(s, 0) : 0;
    return 0;
}

int lambda_db_delete_version(struct db *db, const struct lambda_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "DELETE FROM functions" WHERE_VERSION);
    bind_function(s, row->account, row->region, row->name);
    db_bind_i64(s, 4, row->version);
    return run(s, err);
}

static int take_rows(struct db_stmt *s, struct arena *arena, struct lambda_row *rows,
                     struct err *err)
{
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        rc = take_row(s, arena, &rows[count++], err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : (int) count;
}

int lambda_db_list(struct db *db, struct arena *arena, struct str account, struct str region,
                   struct str after, size_t rows_max, struct lambda_row *rows, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " COLUMNS " FROM functions WHERE account = ?1 AND region = ?2 AND "
                     "name > ?3 AND version = 0 ORDER BY name LIMIT ?4");
    bind_function(s, account, region, after);
    db_bind_i64(s, 4, (int64_t) rows_max);
    return take_rows(s, arena, rows, err);
}

int lambda_db_list_all(struct db *db, struct arena *arena, struct str account, struct str region,
                       struct str after, int64_t after_version, size_t rows_max,
                       struct lambda_row *rows, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " COLUMNS " FROM functions WHERE account = ?1 AND region = ?2 AND "
                     "(name > ?3 OR (name = ?3 AND version > ?4)) ORDER BY name, version LIMIT ?5");
    bind_function(s, account, region, after);
    db_bind_i64(s, 4, after_version);
    db_bind_i64(s, 5, (int64_t) rows_max);
    return take_rows(s, arena, rows, err);
}

int lambda_db_versions(struct db *db, struct arena *arena, const struct lambda_row *function,
                       int64_t after, size_t rows_max, struct lambda_row *rows, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " COLUMNS " FROM functions" WHERE_FUNCTION
                                               " AND version > ?4 ORDER BY version LIMIT ?5");
    bind_function(s, function->account, function->region, function->name);
    db_bind_i64(s, 4, after);
    db_bind_i64(s, 5, (int64_t) rows_max);
    return take_rows(s, arena, rows, err);
}

static int each(struct db_stmt *s, lambda_row_fn fn, void *arg, struct err *err)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        struct lambda_row row;
        rc = take_row(s, &arena, &row, err);
        if (rc == 0)
            rc = fn(arg, &row, err);
        if (rc < 0)
            return rc;
        arena_reset(&arena);
    }
    return rc;
}

int lambda_db_each(struct db *db, lambda_row_fn fn, void *arg, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " COLUMNS " FROM functions");
    return each(s, fn, arg, err);
}

int lambda_db_each_version(struct db *db, const struct lambda_row *function, lambda_row_fn fn,
                           void *arg, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " COLUMNS " FROM functions" WHERE_FUNCTION);
    bind_function(s, function->account, function->region, function->name);
    return each(s, fn, arg, err);
}

int lambda_db_usage(struct db *db, struct str account, struct str region, struct str except,
                    struct lambda_usage *out, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT SUM(CASE WHEN version = 0 THEN 1 ELSE 0 END), SUM(code_size), "
                     "SUM(CASE WHEN version = 0 AND reserved > 0 THEN reserved ELSE 0 END) "
                     "FROM functions WHERE account = ?1 AND region = ?2 AND name <> ?3");
    bind_function(s, account, region, except);
    int rc = db_step(s, err);
    if (rc < 0)
        return rc;
    struct lambda_usage usage = {db_column_i64(s, 0), db_column_i64(s, 1), db_column_i64(s, 2)};
    AUTO_STMT struct db_stmt *layers = db_query(
        db, "SELECT SUM(code_size) FROM layer_versions WHERE account = ?1 AND region = ?2");
    db_bind_blob(layers, 1, account);
    db_bind_blob(layers, 2, region);
    rc = db_step(layers, err);
    if (rc < 0)
        return rc;
    usage.code_bytes += db_column_i64(layers, 0);
    *out = usage;
    return 0;
}

int lambda_db_uses_code(struct db *db, struct str code_sha256, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT 1 FROM functions WHERE code_sha256 = ?1 "
                     "UNION ALL SELECT 1 FROM layer_versions WHERE code_sha256 = ?1 "
                     "UNION ALL SELECT 1 FROM functions WHERE layers LIKE '%' || ?1 || '%' "
                     "LIMIT 1");
    db_bind_text(s, 1, code_sha256);
    int rc = db_step(s, err);
    return rc == DB_ROW ? 1 : rc;
}
