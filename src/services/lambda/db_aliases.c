/* SQL of aliases. */
#include "services/lambda/db_aliases.h"

#include "services/lambda/db.h"
#include "services/lambda/db_common.h"

#define ALIAS_COLUMNS                                                                              \
    "account, region, name, alias, revision_id, description, version, other_version, other_ppb"
#define WHERE_ALIAS WHERE_FUNCTION " AND alias = ?4"

static void bind_row(struct db_stmt *s, const struct alias_row *row)
{
    bind_function(s, row->account, row->region, row->name);
    db_bind_blob(s, 4, row->alias);
    db_bind_text(s, 5, row->revision_id);
    db_bind_text(s, 6, row->description);
    db_bind_i64(s, 7, row->version);
    db_bind_i64(s, 8, row->other_version);
    db_bind_i64(s, 9, row->other_ppb);
}

static int take_row(struct db_stmt *s, struct arena *arena, struct alias_row *out, struct err *err)
{
    struct alias_row row = {0};
    struct str *texts[] = {&row.account, &row.region,      &row.name,
                           &row.alias,   &row.revision_id, &row.description};
    int at = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!take_text(s, at++, arena, texts[i]))
            return err_say(err, -E2BIG, "a row of aliases does not fit in memory");
    }
    row.version = db_column_i64(s, at++);
    row.other_version = db_column_i64(s, at++);
    row.other_ppb = db_column_i64(s, at++);
    *out = row;
    return 0;
}

int alias_db_find(struct db *db, struct arena *arena, struct str account, struct str region,
                  struct str name, struct str alias, struct alias_row *out_row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " ALIAS_COLUMNS " FROM aliases" WHERE_ALIAS);
    bind_function(s, account, region, name);
    db_bind_blob(s, 4, alias);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        return take_row(s, arena, out_row, err);
    return rc < 0 ? rc : err_say(err, -ENOENT, "no such alias");
}

int alias_db_insert(struct db *db, const struct alias_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "INSERT INTO aliases (" ALIAS_COLUMNS
                                               ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    bind_row(s, row);
    return run(s, err);
}

int alias_db_update(struct db *db, const struct alias_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "UPDATE aliases SET revision_id = ?5, description = ?6, version = ?7, "
                     "other_version = ?8, other_ppb = ?9" WHERE_ALIAS);
    bind_row(s, row);
    return run_found(s, "no such alias", err);
}

int alias_db_delete(struct db *db, const struct alias_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "DELETE FROM aliases" WHERE_ALIAS);
    bind_function(s, row->account, row->region, row->name);
    db_bind_blob(s, 4, row->alias);
    return run_found(s, "no such alias", err);
}

int alias_db_forget(struct db *db, const struct lambda_row *function, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "DELETE FROM aliases" WHERE_FUNCTION);
    bind_function(s, function->account, function->region, function->name);
    return run(s, err);
}

int alias_db_list(struct db *db, struct arena *arena, const struct lambda_row *function,
                  struct str after, int64_t version, size_t rows_max, struct alias_row *rows,
                  struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " ALIAS_COLUMNS " FROM aliases" WHERE_FUNCTION
                     " AND alias > ?4 AND (?5 < 0 OR version = ?5 OR (?5 > 0 AND "
                     "other_version = ?5)) ORDER BY alias LIMIT ?6");
    bind_function(s, function->account, function->region, function->name);
    db_bind_blob(s, 4, after);
    db_bind_i64(s, 5, version);
    db_bind_i64(s, 6, (int64_t) rows_max);
    size_t count = 0;
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        rc = take_row(s, arena, &rows[count++], err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : (int) count;
}

int alias_db_each(struct db *db, void (*fn)(void *arg, const struct alias_row *row), void *arg,
                  struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " ALIAS_COLUMNS " FROM aliases");
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW) {
        struct alias_row row;
        rc = take_row(s, &arena, &row, err);
        if (rc < 0)
            return rc;
        fn(arg, &row);
        arena_reset(&arena);
    }
    return rc;
}
