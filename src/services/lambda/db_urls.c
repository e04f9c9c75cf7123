/* SQL of function URLs. */
#include "services/lambda/db_urls.h"

#include "store/db.h"

#include <errno.h>

#define URL_COLUMNS                                                                                \
    "account, region, name, id, allow_headers, allow_methods, allow_origins, expose_headers, "     \
    "is_iam, has_cors, credentials, max_age_s, created_at_ms, modified_at_ms, is_streamed"
#define WHERE_FUNCTION " WHERE account = ?1 AND region = ?2 AND name = ?3"

static void bind_function(struct db_stmt *s, struct str account, struct str region, struct str name)
{
    db_bind_blob(s, 1, account);
    db_bind_blob(s, 2, region);
    db_bind_blob(s, 3, name);
}

static void bind_optional(struct db_stmt *s, int at, bool has, int64_t value)
{
    if (has)
        db_bind_i64(s, at, value);
    else
        db_bind_null(s, at);
}

static void bind_row(struct db_stmt *s, const struct url_row *row)
{
    const struct url_cors *cors = &row->cors;
    bind_function(s, row->account, row->region, row->name);
    const struct str texts[] = {row->id, cors->allow_headers, cors->allow_methods,
                                cors->allow_origins, cors->expose_headers};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        db_bind_text(s, 4 + (int) i, texts[i]);
    db_bind_i64(s, 9, row->is_iam);
    db_bind_i64(s, 10, cors->is_given);
    bind_optional(s, 11, cors->has_credentials, cors->credentials);
    bind_optional(s, 12, cors->has_max_age, cors->max_age_s);
    db_bind_i64(s, 13, row->created_at_ms);
    db_bind_i64(s, 14, row->modified_at_ms);
    db_bind_i64(s, 15, row->is_streamed);
}

static int take_row(struct db_stmt *s, struct arena *arena, struct url_row *out, struct err *err)
{
    struct url_row row = {0};
    struct url_cors *cors = &row.cors;
    struct str *texts[] = {&row.account,
                           &row.region,
                           &row.name,
                           &row.id,
                           &cors->allow_headers,
                           &cors->allow_methods,
                           &cors->allow_origins,
                           &cors->expose_headers};
    int at = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++, at++) {
        struct str text = db_column_str(s, at);
        *texts[i] = text.ptr == NULL ? STR_NONE : arena_str(arena, text);
        if (text.ptr != NULL && texts[i]->ptr == NULL)
            return err_say(err, -E2BIG, "a row of function URLs does not fit in memory");
    }
    row.is_iam = db_column_i64(s, at++) != 0;
    cors->is_given = db_column_i64(s, at++) != 0;
    cors->has_credentials = !db_column_is_null(s, at);
    cors->credentials = db_column_i64(s, at++) != 0;
    cors->has_max_age = !db_column_is_null(s, at);
    cors->max_age_s = (int32_t) db_column_i64(s, at++);
    row.created_at_ms = db_column_i64(s, at++);
    row.modified_at_ms = db_column_i64(s, at++);
    row.is_streamed = db_column_i64(s, at++) != 0;
    *out = row;
    return 0;
}

int url_db_find(struct db *db, struct arena *arena, struct str account, struct str region,
                struct str name, struct url_row *out_row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " URL_COLUMNS " FROM function_urls" WHERE_FUNCTION);
    bind_function(s, account, region, name);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        return take_row(s, arena, out_row, err);
    return rc < 0 ? rc : err_say(err, -ENOENT, "no such function URL");
}

int url_db_insert(struct db *db, const struct url_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO function_urls (" URL_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
                     "?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)");
    bind_row(s, row);
    int rc = db_run(s, err);
    return rc < 0 ? rc : 0;
}

int url_db_update(struct db *db, const struct url_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "UPDATE function_urls SET id = ?4, allow_headers = ?5, allow_methods = ?6, "
                     "allow_origins = ?7, expose_headers = ?8, is_iam = ?9, has_cors = ?10, "
                     "credentials = ?11, max_age_s = ?12, created_at_ms = ?13, "
                     "modified_at_ms = ?14, is_streamed = ?15" WHERE_FUNCTION);
    bind_row(s, row);
    int rc = db_run(s, err);
    return rc == 0 ? err_say(err, -ENOENT, "no such function URL") : rc < 0 ? rc : 0;
}

int url_db_delete(struct db *db, struct str account, struct str region, struct str name,
                  struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "DELETE FROM function_urls" WHERE_FUNCTION);
    bind_function(s, account, region, name);
    int rc = db_run(s, err);
    return rc == 0 ? err_say(err, -ENOENT, "no such function URL") : rc < 0 ? rc : 0;
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
