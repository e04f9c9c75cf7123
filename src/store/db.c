/* Transactions, and what happens when the disk fails.
 *
 * One connection owns the file (locking_mode=EXCLUSIVE): no other process can open it, and the
 * WAL's index lies on the heap, so a commit costs one write and one sync and no lock calls.
 *
 *            db_begin            db_commit, db_rollback
 *     NONE ------------> OPEN -------------------------> NONE
 *                         |  SQLite rolls back by itself (full disk, I/O error)
 *                         '-----------> LOST --- db_rollback, db_commit (fails) ---> NONE
 *
 * LOST exists because SQLite is back in autocommit mode then: the next statement of the same group
 * would commit alone. In LOST every statement answers the error that lost the transaction.
 *
 * A failed write or sync makes the database read-only until it is opened again. Linux reports a
 * failed write-back once, then marks the pages clean: a second fsync that succeeds proves nothing
 * (https://lwn.net/Articles/752063/). So nothing is ever retried on the same descriptors, the
 * close skips its checkpoint, and the next open moves the whole WAL into the database, by new
 * writes and a new sync, before anything is appended (db_open.c says why that is needed).
 * A full disk is different: nothing was half-believed, the transaction is rolled back and the
 * next one may succeed.
 *
 * Checkpoints are run here, not by SQLite's own hook, which ignores their errors.
 *
 * Sources: sqlite.org/wal.html, /rescode.html, /pragma.html; SQLite 3.40 wal.c and pager.c. */
#include "store/db_int.h"

#include "base/assert.h"

#include <errno.h>

/* -errno for a code of SQLite. */
static int db_errno(struct db *db, int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_CONSTRAINT: return -EEXIST;
    case SQLITE_IOERR: return code == SQLITE_IOERR_NOMEM ? -ENOMEM : -EIO;
    case SQLITE_READONLY: return -EROFS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return -EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return -EBUSY;
    case SQLITE_NOMEM: return -ENOMEM;
    case SQLITE_TOOBIG: return -EFBIG;
    case SQLITE_PERM:
    case SQLITE_AUTH: return -EACCES;
    case SQLITE_ABORT: return -ECANCELED;
    case SQLITE_ERROR:
    case SQLITE_MISMATCH: return -EINVAL;
    case SQLITE_CANTOPEN: {
        int cause = db->raw == NULL ? 0 : sqlite3_system_errno(db->raw);
        return cause > 0 ? -cause : -EIO;
    }
    default: return -EIO;
    }
}

/* A failed read leaves the file as it was; every other I/O error puts it in doubt. */
static bool is_write_error(int code)
{
    if ((code & 0xff) != SQLITE_IOERR)
        return false;
    return code != SQLITE_IOERR_READ && code != SQLITE_IOERR_SHORT_READ &&
           code != SQLITE_IOERR_NOMEM;
}

int db_fail(struct db *db, int sqlite_code, const char *what, struct err *err)
{
    struct err said = {0};
    const char *reason = sqlite3_errcode(db->raw) == (sqlite_code & 0xff) ||
                                 sqlite3_extended_errcode(db->raw) == sqlite_code
                             ? sqlite3_errmsg(db->raw)
                             : sqlite3_errstr(sqlite_code);
    int rc = err_say(&said, db_errno(db, sqlite_code), "database '%s': %s: %s (%d)", db->name, what,
                     reason, sqlite_code);
    if (is_write_error(sqlite_code) && !db->is_read_only) {
        db->is_read_only = true;
        db->poison = said;
    }
    if (err != NULL)
        *err = said;
    return rc;
}

/* The answer to everything that runs inside a transaction that is gone. */
static int fail_lost(struct db *db, struct err *err)
{
    return err_say(err, db->lost_code, "database '%s': the transaction was rolled back", db->name);
}

void db_settle(struct db *db, int rc)
{
    assert(rc < 0);
    if (db->tx != DB_TX_OPEN || sqlite3_get_autocommit(db->raw) == 0)
        return;
    db->tx = DB_TX_LOST;
    db->lost_code = rc;
    db->savepoints = 0;
}

static int run_control(struct db *db, const char *sql, struct err *err)
{
    AUTO_STMT struct db_stmt *stmt = db_query(db, sql);
    return db_run(stmt, err);
}

int db_begin(struct db *db, struct err *err)
{
    assert(db->tx == DB_TX_NONE);
    int rc = run_control(db, "BEGIN", err);
    if (rc < 0)
        return rc;
    db->tx = DB_TX_OPEN;
    return 0;
}

/* Leaves the transaction in whatever way is left, so that the next one may begin. */
static void leave(struct db *db)
{
    if (sqlite3_get_autocommit(db->raw) == 0) {
        int rc = sqlite3_exec(db->raw, "ROLLBACK", NULL, NULL, NULL);
        if (sqlite3_get_autocommit(db->raw) == 0 && !db->is_read_only) {
            db->is_read_only = true;
            (void) err_say(&db->poison, -EIO, "database '%s': rollback: %s", db->name,
                           sqlite3_errstr(rc));
        }
    }
    db->tx = DB_TX_NONE;
    db->savepoints = 0;
}

int db_commit(struct db *db, struct err *err)
{
    assert(db->tx != DB_TX_NONE);
    assert(db->savepoints == 0);
    if (db->tx == DB_TX_LOST) {
        int rc = fail_lost(db, err);
        leave(db);
        return rc;
    }
    int rc = run_control(db, "COMMIT", err);
    if (rc < 0) {
        leave(db);
        return rc;
    }
    db->tx = DB_TX_NONE;
    db_checkpoint_if_long(db);
    return 0;
}

void db_rollback(struct db *db)
{
    assert(db->tx != DB_TX_NONE);
    leave(db);
}

/* Nested savepoints share one name: SQLite takes the innermost. */
int db_savepoint(struct db *db, struct err *err)
{
    assert(db->tx != DB_TX_NONE);
    int rc = run_control(db, "SAVEPOINT op", err);
    if (rc < 0)
        return rc;
    db->savepoints++;
    return 0;
}

int db_savepoint_release(struct db *db, struct err *err)
{
    assert(db->tx != DB_TX_NONE);
    if (db->tx == DB_TX_LOST)
        return fail_lost(db, err);
    assert(db->savepoints > 0);
    int rc = run_control(db, "RELEASE op", err);
    if (rc < 0)
        return rc;
    db->savepoints--;
    return 0;
}

int db_savepoint_rollback(struct db *db, struct err *err)
{
    assert(db->tx != DB_TX_NONE);
    if (db->tx == DB_TX_LOST)
        return fail_lost(db, err);
    assert(db->savepoints > 0);
    int rc = run_control(db, "ROLLBACK TO op", err);
    if (rc < 0)
        return rc;
    return db_savepoint_release(db, err);
}

bool db_is_read_only(const struct db *db)
{
    return db->is_read_only;
}

void db_checkpoint_if_long(struct db *db)
{
    if (db->wal_pages < db->wal_pages_max || db->is_read_only)
        return;
    int rc = sqlite3_wal_checkpoint_v2(db->raw, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK)
        db->wal_pages = 0; /* The next commit starts the WAL from its beginning. */
    else if ((rc & 0xff) != SQLITE_FULL && (rc & 0xff) != SQLITE_LOCKED)
        (void) db_fail(db, rc, "checkpoint", NULL); /* Told by every later write. */
}
