/* Statements: prepared once per SQL text, kept, handed out.
 *
 * The key is the address of the literal: the lookup neither hashes nor compares a long text. (The
 * text is compared once found, so that a buffer passed by mistake is caught.) A statement that is
 * already handed out, as in a recursion, gets a second copy that is not kept.
 *
 * db_query and the binds cannot fail from the caller's view: what the environment refuses (memory,
 * a read error while the schema is read) is kept in the statement and told by the next step. SQL
 * that does not parse is our bug and aborts with SQLite's words.
 *
 * Every step passes the gate in stmt_gate: the one place that refuses writes to a poisoned
 * database and statements of a lost transaction. */
#include "store/db_int.h"

#include "base/assert.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>

static struct str stmt_key(const struct db_stmt *stmt)
{
    return str_of(&stmt->sql, sizeof stmt->sql);
}

_Noreturn static void abort_malformed(struct db *db, const char *sql)
{
    (void) fprintf(stderr, "virga: database '%s': %s: in \"%s\"\n", db->name,
                   sqlite3_errmsg(db->raw), sql);
    abort();
}

/* The code of a prepare that the environment, not the text, made fail. */
static int stmt_prepare(struct db *db, struct db_stmt *stmt)
{
    const char *rest = NULL;
    int code =
        sqlite3_prepare_v3(db->raw, stmt->sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->raw, &rest);
    if (code == SQLITE_ERROR)
        abort_malformed(db, stmt->sql);
    if (code != SQLITE_OK)
        return code;
    assert(stmt->raw != NULL);                      /* not an empty text */
    assert(str_is_empty(str_trim(str_from(rest)))); /* one statement per text */
    stmt->is_write = sqlite3_stmt_readonly(stmt->raw) == 0;
    return SQLITE_OK;
}

static struct db_stmt *stmt_new(struct db *db, const char *sql)
{
    struct db_stmt *stmt = NEW(struct db_stmt);
    stmt->db = db;
    stmt->sql = sql;
    stmt->failed = stmt_prepare(db, stmt);
    return stmt;
}

static void stmt_free(struct db_stmt *stmt)
{
    (void) sqlite3_finalize(stmt->raw); /* Repeats the error of the last step. */
    free(stmt);
}

struct db_stmt *db_query(struct db *db, const char *sql)
{
    struct db_stmt *stmt = map_find(&db->stmts, str_of(&sql, sizeof sql));
    if (stmt == NULL) {
        stmt = stmt_new(db, sql);
        if (stmt->failed == SQLITE_OK) { /* Failed ones are prepared anew next time. */
            stmt->is_kept = true;
            (void) map_put(&db->stmts, stmt_key(stmt), stmt);
        }
    } else {
        assert(strcmp(sqlite3_sql(stmt->raw), sql) == 0); /* sql was not a literal */
        if (stmt->is_out)
            stmt = stmt_new(db, sql);
    }
    stmt->is_out = true;
    db->stmts_out++;
    return stmt;
}

/* A statement that is left between two rows ends here. Outside a transaction that commits what it
 * wrote; nobody hears of a failure, so it poisons the database where the disk is in doubt. (After
 * DONE or a failure db_step has reset already, and this is a no-op.) */
static void stmt_abandon(struct db_stmt *stmt)
{
    int code = sqlite3_reset(stmt->raw);
    if (code != SQLITE_OK)
        db_settle(stmt->db, db_fail(stmt->db, code, stmt->sql, NULL));
}

void db_stmt_done(struct db_stmt *stmt)
{
    if (stmt == NULL)
        return;
    assert(stmt->is_out && stmt->db->stmts_out > 0);
    stmt->db->stmts_out--;
    stmt->is_out = false;
    stmt_abandon(stmt);
    if (!stmt->is_kept) {
        stmt_free(stmt);
        return;
    }
    (void) sqlite3_clear_bindings(stmt->raw); /* always SQLITE_OK */
    stmt->failed = SQLITE_OK;
}

void db_stmts_done(struct db *db)
{
    assert(db->stmts_out == 0);
    size_t at = 0;
    struct db_stmt *stmt;
    while ((stmt = map_next(&db->stmts, &at, NULL)) != NULL)
        stmt_free(stmt);
    map_done(&db->stmts);
}

/* A parameter that the text does not have, or a bind between two steps, is our bug. */
static void stmt_bound(struct db_stmt *stmt, int code)
{
    assert(code != SQLITE_RANGE && code != SQLITE_MISUSE);
    if (code != SQLITE_OK && stmt->failed == SQLITE_OK)
        stmt->failed = code;
}

void db_bind_i64(struct db_stmt *stmt, int at, int64_t value)
{
    if (stmt->raw != NULL)
        stmt_bound(stmt, sqlite3_bind_int64(stmt->raw, at, value));
}

void db_bind_blob(struct db_stmt *stmt, int at, struct str bytes)
{
    if (stmt->raw != NULL) /* A NULL pointer binds NULL. */
        stmt_bound(stmt, sqlite3_bind_blob64(stmt->raw, at, bytes.ptr, bytes.len, SQLITE_STATIC));
}

void db_bind_text(struct db_stmt *stmt, int at, struct str text)
{
    if (stmt->raw != NULL)
        stmt_bound(stmt, sqlite3_bind_text64(stmt->raw, at, text.ptr, text.len, SQLITE_STATIC,
                                             SQLITE_UTF8));
}

void db_bind_null(struct db_stmt *stmt, int at)
{
    if (stmt->raw != NULL)
        stmt_bound(stmt, sqlite3_bind_null(stmt->raw, at));
}

static int stmt_gate(struct db_stmt *stmt, struct err *err)
{
    struct db *db = stmt->db;
    assert(stmt->is_out);
    if (db->tx == DB_TX_LOST)
        return err_say(err, db->lost_code, "database '%s': the transaction was rolled back",
                       db->name);
    if (stmt->failed != SQLITE_OK) {
        int rc = db_fail(db, stmt->failed, stmt->sql, err);
        db_settle(db, rc);
        return rc;
    }
    if (stmt->is_write && db->is_read_only)
        return err_say(err, -EROFS, "read-only after a failed write: %s", db->poison.text);
    return 0;
}

int db_step(struct db_stmt *stmt, struct err *err)
{
    int rc = stmt_gate(stmt, err);
    if (rc < 0)
        return rc;
    struct db *db = stmt->db;
    int code = sqlite3_step(stmt->raw);
    if (code == SQLITE_ROW)
        return DB_ROW;
    if (code != SQLITE_DONE) {
        rc = db_fail(db, code, stmt->sql, err);
        (void) sqlite3_reset(stmt->raw); /* Repeats the error that was just taken. */
        db_settle(db, rc);
        return rc;
    }
    (void) sqlite3_reset(stmt->raw); /* Cannot fail after DONE; ends the read, allows new binds. */
    if (stmt->is_write && db->tx == DB_TX_NONE && sqlite3_get_autocommit(db->raw) != 0)
        db_checkpoint_if_long(db);
    return DB_DONE;
}

int db_run(struct db_stmt *stmt, struct err *err)
{
    sqlite3 *raw = stmt->db->raw;
    sqlite3_int64 before = sqlite3_total_changes64(raw);
    int rc;
    do
        rc = db_step(stmt, err);
    while (rc == DB_ROW);
    if (rc < 0)
        return rc;
    /* SQLite's own count is left over from an earlier statement when this one was no DML. */
    if (sqlite3_total_changes64(raw) == before)
        return 0;
    sqlite3_int64 changed = sqlite3_changes64(raw);
    return changed > INT_MAX ? INT_MAX : (int) changed;
}

bool db_column_is_null(struct db_stmt *stmt, int at)
{
    assert(at >= 0 && at < sqlite3_column_count(stmt->raw));
    return sqlite3_column_type(stmt->raw, at) == SQLITE_NULL;
}

int64_t db_column_i64(struct db_stmt *stmt, int at)
{
    assert(at >= 0 && at < sqlite3_column_count(stmt->raw));
    return sqlite3_column_int64(stmt->raw, at);
}

struct str db_column_str(struct db_stmt *stmt, int at)
{
    assert(at >= 0 && at < sqlite3_column_count(stmt->raw));
    if (sqlite3_column_type(stmt->raw, at) == SQLITE_NULL)
        return STR_NONE;
    const void *bytes = sqlite3_column_blob(stmt->raw, at);
    size_t len = (size_t) sqlite3_column_bytes(stmt->raw, at);
    return bytes == NULL ? STR("") : str_of(bytes, len); /* SQLite says NULL for an empty blob. */
}
