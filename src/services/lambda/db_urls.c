/* SQL of function URLs: a function has one for itself, and one for each of its aliases. */
#include "services/lambda/db_urls.h"

#include "services/lambda/db_common.h"

#define URL_COLUMNS                                                                                \
    "account, region, name, qualifier, id, allow_headers, allow_methods, allow_origins, "          \
    "expose_headers, is_iam, has_cors, credentials, max_age_s, created_at_ms, modified_at_ms, "    \
    "is_streamed"
#define WHERE_URL WHERE_FUNCTION " AND qualifier = ?4"

static void bind_row(struct db_stmt *s, const struct url_row *row)
{
    const struct url_cors *cors = &row->cors;
    bind_function(s, row->account, row->region, row->name);
    db_bind_blob(s, 4, row->qualifier);
    const struct str texts[] = {row->id, cors->allow_headers, cors->allow_methods,
                                cors->allow_origins, cors->expose_headers};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        db_bind_text(s, 5 + (int) i, texts[i]);
    db_bind_i64(s, 10, row->is_iam);
    db_bind_i64(s, 11, cors->is_given);
    bind_optional(s, 12, cors->has_credentials, cors->credentials);
    bind_optional(s, 13, cors->has_max_age, cors->max_age_s);
    db_bind_i64(s, 14, row->created_at_ms);
    db_bind_i64(s, 15, row->modified_at_ms);
    db_bind_i64(s, 16, row->is_streamed);
}

static int take_row(struct db_stmt *s, struct arena *arena, struct url_row *out, struct err *err)
{
    struct url_row row = {0};
    struct url_cors *cors = &row.cors;
    struct str *texts[] = {&row.account,
                           &row.region,
                           &row.name,
                           &row.qualifier,
                           &row.id,
                           &cors->allow_headers,
                           &cors->allow_methods,
                           &cors->allow_origins,
                           &cors->expose_headers};
    int at = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!take_text(s, at++, arena, texts[i]))
            return err_say(err, -E2BIG, "a row of function URLs does not fit in memory");
    }
    row.is_iam = db_column_i64(s, at++) != 0;
    cors->is_given = db_column_i64(s, at++) != 0;
    cors->credentials = take_optional(s, at++, &cors->has_credentials) != 0;
    cors->max_age_s = take_optional(s, at++, &cors->has_max_age);
    row.created_at_ms = db_column_i64(s, at++);
    row.modified_at_ms = db_column_i64(s, at++);
    row.is_streamed = db_column_i64(s, at++) != 0;
    *out = row;
    return 0;
}

int url_db_find(struct db *db, struct arena *arena, const struct url_row *key,
                struct url_row *out_row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " URL_COLUMNS " FROM function_urls" WHERE_URL);
    bind_function(s, key->account, key->region, key->name);
    db_bind_blob(s, 4, key->qualifier);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        return take_row(s, arena, out_row, err);
    return rc < 0 ? rc : err_say(err, -ENOENT, "no such function URL");
}

int url_db_list(struct db *db, struct arena *arena, const struct url_row *after, size_t rows_max,
                struct url_row *rows, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " URL_COLUMNS " FROM function_urls" WHERE_FUNCTION
                     " AND qualifier > ?4 ORDER BY qualifier LIMIT ?5");
    bind_function(s, after->account, after->region, after->name);
    db_bind_blob(s, 4, after->qualifier);
    db_bind_i64(s, 5, (int64_t) rows_max);
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        rc = take_row(s, arena, &rows[count++], err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : (int) count;
}

int url_db_insert(struct db *db, const struct url_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO function_urls (" URL_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
                     "?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)");
    bind_row(s, row);
    return run(s, err);
}

int url_db_update(struct db *db, const struct url_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "UPDATE function_urls SET id = ?5, allow_headers = ?6, allow_methods = ?7, "
                     "allow_origins = ?8, expose_headers = ?9, is_iam = ?10, has_cors = ?11, "
                     "credentials = ?12, max_age_s = ?13, created_at_ms = ?14, "
                     "modified_at_ms = ?15, is_streamed = ?16" WHERE_URL);
    bind_row(s, row);
    return run_found(s, "no such function URL", err);
}

int url_db_delete(struct db *db, const struct url_row *key, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "DELETE FROM function_urls" WHERE_URL);
    bind_function(s, key->account, key->region, key->name);
    db_bind_blob(s, 4, key->qualifier);
    return run_found(s, "no such function URL", err);
}

int url_db_each(struct db *db, void (*fn)(void *arg, const struct url_row *row), void *arg,
                struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " URL_COLUMNS " FROM function_urls");
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        struct url_row row;
        rc = take_row(s, &arena, &row, err);
        if (rc < 0)
            return rc;
        fn(arg, &row);
        arena_reset(&arena);
    }
    return rc;
}
