#pragma once
/* A database behind an interface: SQLite here, PostgreSQL later. SQL text lives in a service's
 * db.c and schema.sql only. One struct db has one thread at a time (its actor), one process has
 * the file: it is locked for as long as it is open.
 *
 *     AUTO_STMT struct db_stmt *s = db_query(db, "SELECT a, b FROM t WHERE k = ?1");
 *     db_bind_blob(s, 1, key);
 *     while ((rc = db_step(s, err)) == DB_ROW) { db_column_str(s, 0); ... }
 *
 * Statements are prepared once per text and kept; db_query hands out the kept one, db_stmt_done
 * gives it back. Column views live until the next db_step or db_stmt_done. Keys are bytes in
 * memcmp order. A statement that has ended or failed may be bound and stepped again.
 *
 * errors of all calls that take err: -ENOSPC full disk, -EIO, -EEXIST constraint violated,
 * -EUCLEAN damaged file, -ENOMEM, -EFBIG a value over SQLite's limit, -EINVAL the statement failed
 * at run time. Full disk and I/O errors roll the whole transaction back: from then on each call
 * inside it answers the same code, until db_rollback.
 * After a failed write or sync the database is read-only until it is opened again: writes answer
 * -EROFS with the first failure in the text, reads go on. Whether the transaction whose commit
 * failed that way is there after reopening is open (wholly or not at all); all acknowledged ones
 * are. */
#include "base/err.h"
#include "base/str.h"

struct db;
struct db_stmt;

struct db_migration {
    int version; /* 1, 2, 3 … without gaps */
    const char *sql;
};

enum db_open_flags { DB_IN_MEMORY = 1 };

/* Opens or creates the database, WAL, synchronous=FULL, and brings it to the last migration in one
 * transaction. path NULL with DB_IN_MEMORY. Foreign keys are enforced afterwards.
 * errors: -EPROTO the database is newer than this program, -EBUSY somebody has it open, -EEXIST a
 * migration breaks a constraint, -EINVAL its SQL fails; the file then is as it was before. */
CHECK_RESULT int db_open(const char *path, int flags, const struct db_migration *migrations,
                         size_t migration_count, struct db **out_db, struct err *err);
/* NULL is fine. Rolls back what is open. All statements must have been given back. */
void db_close(struct db *db);

/* Transactions do not nest; savepoints inside them do. A write outside of one commits alone. */
CHECK_RESULT int db_begin(struct db *db, struct err *err);
/* Success: the transaction is on disk. Failure: it is rolled back and over. */
CHECK_RESULT int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db); /* never fails: a failed rollback poisons db */
bool db_is_read_only(const struct db *db);

/* A savepoint ends by release (its changes join the transaction) or by rollback. When the whole
 * transaction is lost, so are its savepoints: roll the transaction back. */
CHECK_RESULT int db_savepoint(struct db *db, struct err *err);
CHECK_RESULT int db_savepoint_release(struct db *db, struct err *err);
CHECK_RESULT int db_savepoint_rollback(struct db *db, struct err *err);

/* sql is a literal: the cache is keyed by its address. A malformed statement is our bug: asserted.
 * Never NULL. */
struct db_stmt *db_query(struct db *db, const char *sql);
void db_stmt_done(struct db_stmt *stmt); /* resets, unbinds; NULL is fine */
static inline void cleanup_stmt(struct db_stmt **slot)
{
    db_stmt_done(*slot);
}
#define AUTO_STMT __attribute__((cleanup(cleanup_stmt)))

/* Parameters count from 1; not between two rows. Bound views are borrowed until db_stmt_done or the
 * next bind of the same parameter. STR_NONE binds NULL. */
void db_bind_i64(struct db_stmt *stmt, int at, int64_t value);
void db_bind_blob(struct db_stmt *stmt, int at, struct str bytes);
void db_bind_text(struct db_stmt *stmt, int at, struct str text);
void db_bind_null(struct db_stmt *stmt, int at);

enum { DB_DONE = 0, DB_ROW = 1 };
CHECK_RESULT int db_step(struct db_stmt *stmt, struct err *err);
/* For statements without rows: step to the end. Returns the number of inserted, updated or deleted
 * rows, without those of triggers and cascades. */
CHECK_RESULT int db_run(struct db_stmt *stmt, struct err *err);

/* Columns count from 0; after DB_ROW only. */
bool db_column_is_null(struct db_stmt *stmt, int at);
int64_t db_column_i64(struct db_stmt *stmt, int at);
struct str db_column_str(struct db_stmt *stmt, int at); /* text or blob; NULL gives STR_NONE */
