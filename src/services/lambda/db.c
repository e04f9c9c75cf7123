/* All SQL of the lambda service, in the subset that SQLite and PostgreSQL share. Keys are bytes;
 * the environment and the tags are JSON texts, because nothing ever searches in them.
 *
 * The row is the truth about a function. The package it names (code_sha256) is on disk before the
 * row commits; what no row names is garbage. */
#include "services/lambda/db.h"

#include "store/db.h"

#include <errno.h>

static const struct db_migration migrations[] = {
    {1, "CREATE TABLE functions ("
        "  account BLOB NOT NULL,"
        "  region BLOB NOT NULL,"
        "  name BLOB NOT NULL,"
        "  revision_id TEXT NOT NULL,"
        "  runtime TEXT NOT NULL,"
        "  role TEXT NOT NULL,"
        "  handler TEXT NOT NULL,"
        "  description TEXT NOT NULL,"
        "  architecture TEXT NOT NULL,"
        "  tracing_mode TEXT NOT NULL,"
        "  log_group TEXT,"
        "  environment TEXT,"
        "  tags TEXT,"
        "  code_sha256 TEXT NOT NULL,"
        "  code_size BIGINT NOT NULL,"
        "  timeout_s INTEGER NOT NULL,"
        "  memory_mb INTEGER NOT NULL,"
        "  tmp_mb INTEGER NOT NULL,"
        "  modified_at_ms BIGINT NOT NULL,"
        "  PRIMARY KEY (account, region, name));"
        "CREATE INDEX functions_code ON functions (code_sha256);"},
    {2, "ALTER TABLE functions ADD COLUMN reserved BIGINT NOT NULL DEFAULT -1;"
        "CREATE TABLE event_configs ("
        "  account BLOB NOT NULL,"
        "  region BLOB NOT NULL,"
        "  name BLOB NOT NULL,"
        "  retries_max INTEGER,"
        "  age_max_s INTEGER,"
        "  modified_at_ms BIGINT NOT NULL,"
        "  PRIMARY KEY (account, region, name));"
        "CREATE TABLE events ("
        "  seq BIGINT NOT NULL PRIMARY KEY,"
        "  account BLOB NOT NULL,"
        "  region BLOB NOT NULL,"
        "  name BLOB NOT NULL,"
        "  request_id TEXT NOT NULL,"
        "  invoked_arn TEXT NOT NULL,"
        "  client_context TEXT,"
        "  payload BLOB NOT NULL,"
        "  accepted_at_ms BIGINT NOT NULL,"
        "  due_at_ms BIGINT NOT NULL,"
        "  attempts INTEGER NOT NULL,"
        "  throttles INTEGER NOT NULL);"
        "CREATE INDEX events_due ON events (account, region, name, due_at_ms, seq);"},
    {3, "CREATE TABLE function_urls ("
        "  account BLOB NOT NULL,"
        "  region BLOB NOT NULL,"
        "  name BLOB NOT NULL,"
        "  id TEXT NOT NULL UNIQUE,"
        "  allow_headers TEXT,"
        "  allow_methods TEXT,"
        "  allow_origins TEXT,"
        "  expose_headers TEXT,"
        "  is_iam INTEGER NOT NULL,"
        "  has_cors INTEGER NOT NULL,"
        "  credentials INTEGER,"
        "  max_age_s INTEGER,"
        "  created_at_ms BIGINT NOT NULL,"
        "  modified_at_ms BIGINT NOT NULL,"
        "  PRIMARY KEY (account, region, name));"},
    {4, "ALTER TABLE functions ADD COLUMN log_format TEXT;"
        "ALTER TABLE functions ADD COLUMN app_log_level TEXT;"
        "ALTER TABLE functions ADD COLUMN system_log_level TEXT;"},
    {5, "ALTER TABLE functions ADD COLUMN layers TEXT;"
        "ALTER TABLE functions ADD COLUMN unzipped_size BIGINT NOT NULL DEFAULT 0;"
        "CREATE TABLE layers ("
        "  account BLOB NOT NULL,"
        "  region BLOB NOT NULL,"
        "  name BLOB NOT NULL,"
        "  last_version BIGINT NOT NULL,"
        "  PRIMARY KEY (account, region, name));"
        "CREATE TABLE layer_versions ("
        "  account BLOB NOT NULL,"
        "  region BLOB NOT NULL,"
        "  name BLOB NOT NULL,"
        "  version BIGINT NOT NULL,"
        "  description TEXT,"
        "  license TEXT,"
        "  runtimes TEXT,"
        "  architectures TEXT,"
        "  code_sha256 TEXT NOT NULL,"
        "  code_size BIGINT NOT NULL,"
        "  unzipped_size BIGINT NOT NULL,"
        "  created_at_ms BIGINT NOT NULL,"
        "  PRIMARY KEY (account, region, name, version));"
        "CREATE INDEX layer_versions_code ON layer_versions (code_sha256);"},
};

#define COLUMNS                                                                                    \
    "account, region, name, revision_id, runtime, role, handler, description, architecture, "      \
    "tracing_mode, log_group, environment, tags, code_sha256, code_size, timeout_s, memory_mb, "   \
    "tmp_mb, modified_at_ms, reserved, log_format, app_log_level, system_log_level, layers, "      \
    "unzipped_size"

int lambda_db_open(const char *path, bool is_in_memory, struct db **out_db, struct err *err)
{
    return db_open(is_in_memory ? NULL : path, is_in_memory ? DB_IN_MEMORY : 0, migrations,
                   ARRAY_LEN(migrations), out_db, err);
}

static void bind_key(struct db_stmt *s, struct str account, struct str region, struct str name)
{
    db_bind_blob(s, 1, account);
    db_bind_blob(s, 2, region);
    db_bind_blob(s, 3, name);
}

static void bind_row(struct db_stmt *s, const struct lambda_row *row)
{
    bind_key(s, row->account, row->region, row->name);
    const struct str texts[] = {row->revision_id,  row->runtime,     row->role,
                                row->handler,      row->description, row->architecture,
                                row->tracing_mode, row->log_group,   row->environment,
                                row->tags,         row->code_sha256};
    int at = 4;
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
}

/* Copies column `at`; NULL stays NULL. */
static bool take_text(struct db_stmt *s, int at, struct arena *arena, struct str *out)
{
    struct str text = db_column_str(s, at);
    *out = text.ptr == NULL ? STR_NONE : arena_str(arena, text);
    return text.ptr == NULL || out->ptr != NULL;
}

static int take_row(struct db_stmt *s, struct arena *arena, struct lambda_row *out, struct err *err)
{
    struct lambda_row row = {0};
    struct str *texts[] = {&row.account,      &row.region,       &row.name,      &row.revision_id,
                           &row.runtime,      &row.role,         &row.handler,   &row.description,
                           &row.architecture, &row.tracing_mode, &row.log_group, &row.environment,
                           &row.tags,         &row.code_sha256};
    int at = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!take_text(s, at++, arena, texts[i]))
            return err_say(err, -E2BIG, "a row of functions does not fit in memory");
    }
    row.code_size = db_column_i64(s, at++);
    row.timeout_s = (int32_t) db_column_i64(s, at++);
    row.memory_mb = (int32_t) db_column_i64(s, at++);
    row.tmp_mb = (int32_t) db_column_i64(s, at++);
    row.modified_at_ms = db_column_i64(s, at++);
    row.reserved = db_column_i64(s, at++);
    if (!take_text(s, at++, arena, &row.log_format) ||
        !take_text(s, at++, arena, &row.app_log_level) ||
        !take_text(s, at++, arena, &row.system_log_level) ||
        !take_text(s, at++, arena, &row.layers))
        return err_say(err, -E2BIG, "a row of functions does not fit in memory");
    row.unzipped_size = db_column_i64(s, at++);
    *out = row;
    return 0;
}

int lambda_db_find(struct db *db, struct arena *arena, struct str account, struct str region,
                   struct str name, struct lambda_row *out_row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "SELECT " COLUMNS " FROM functions WHERE account = ?1 AND region = ?2 AND name = ?3");
    bind_key(s, account, region, name);
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
                     "?21, ?22, ?23, ?24, ?25)");
    bind_row(s, row);
    int rc = db_run(s, err);
    return rc < 0 ? rc : 0;
}

int lambda_db_update(struct db *db, const struct lambda_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "UPDATE functions SET revision_id = ?4, runtime = ?5, role = ?6, handler = ?7, "
            "description = ?8, architecture = ?9, tracing_mode = ?10, log_group = ?11, "
            "environment = ?12, tags = ?13, code_sha256 = ?14, code_size = ?15, timeout_s = ?16, "
            "memory_mb = ?17, tmp_mb = ?18, modified_at_ms = ?19, reserved = ?20, "
            "log_format = ?21, app_log_level = ?22, system_log_level = ?23, layers = ?24, "
            "unzipped_size = ?25 "
            "WHERE account = ?1 AND region = ?2 AND name = ?3");
    bind_row(s, row);
    int rc = db_run(s, err);
    return rc == 0 ? err_say(err, -ENOENT, "no such function") : rc < 0 ? rc : 0;
}

int lambda_db_delete(struct db *db, struct str account, struct str region, struct str name,
                     struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "DELETE FROM functions WHERE account = ?1 AND region = ?2 AND name = ?3");
    bind_key(s, account, region, name);
    int rc = db_run(s, err);
    return rc == 0 ? err_say(err, -ENOENT, "no such function") : rc < 0 ? rc : 0;
}

int lambda_db_list(struct db *db, struct arena *arena, struct str account, struct str region,
                   struct str after, size_t rows_max, struct lambda_row *rows, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(
        db, "SELECT " COLUMNS " FROM functions WHERE account = ?1 AND region = ?2 AND name > ?3 "
            "ORDER BY name LIMIT ?4");
    bind_key(s, account, region, after);
    db_bind_i64(s, 4, (int64_t) rows_max);
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        rc = take_row(s, arena, &rows[count++], err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : (int) count;
}

int lambda_db_each(struct db *db, int (*fn)(void *arg, const struct lambda_row *row, struct err *),
                   void *arg, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " COLUMNS " FROM functions");
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

int lambda_db_usage(struct db *db, struct str account, struct str region, struct str except,
                    struct lambda_usage *out, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT COUNT(*), SUM(code_size), SUM(CASE WHEN reserved > 0 THEN reserved "
                     "ELSE 0 END) FROM functions "
                     "WHERE account = ?1 AND region = ?2 AND name <> ?3");
    bind_key(s, account, region, except);
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
