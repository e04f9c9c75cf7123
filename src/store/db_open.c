/* Opening, migrating and closing a database.
 *
 * Open: take the file for this process alone, recover what a crash left in the WAL, move all of it
 * into the database, migrate.
 *
 * Why the WAL is emptied first: recovery accepts every frame that it can *read*, and after a
 * failed fsync the page cache shows bytes that the disk does not have and that no later fsync will
 * write (they are marked clean). A commit appended behind such a frame would be acknowledged,
 * and lost by a power cut, because recovery stops at the first frame that is missing. Copying the
 * WAL into the database makes new writes and a new sync of everything that recovery believed.
 *
 * Migrations are numbered from 1 without gaps; PRAGMA user_version holds the last one applied and
 * is part of the transaction that applies them all: a crash or a failure in the middle leaves the
 * old schema and the old number. Foreign keys are off meanwhile, for tables that are rebuilt, and
 * checked before the commit (sqlite.org/lang_altertable.html, section 7).
 *
 * Memory: a page cache of at most 2 MB that fills on use, no memory map, no statistics (they take
 * a process-wide lock at each allocation). An idle database costs some 100 kB. */
#include "store/db_int.h"

#include "base/assert.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>

/* Only before SQLite's first use in the process; a program that was there earlier keeps its own
 * settings, which cost speed but not safety. */
static void configure_library(void)
{
    (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void) sqlite3_config(SQLITE_CONFIG_MULTITHREAD); /* one thread at a time per connection */
    (void) sqlite3_config(SQLITE_CONFIG_URI, 0);      /* a path is a path */
}

static int exec(struct db *db, const char *sql, const char *what, struct err *err)
{
    int code = sqlite3_exec(db->raw, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : db_fail(db, code, what, err);
}

/* The one number that a PRAGMA answers. */
static int pragma_i64(struct db *db, const char *sql, int64_t *out_value, struct err *err)
{
    AUTO_STMT struct db_stmt *stmt = db_query(db, sql);
    int rc = db_step(stmt, err);
    if (rc < 0)
        return rc;
    assert(rc == DB_ROW);
    *out_value = db_column_i64(stmt, 0);
    return 0;
}

/* The WAL is the promise of durability: a file system that refuses it must not go unnoticed. */
static int enter_wal(struct db *db, struct err *err)
{
    AUTO_STMT struct db_stmt *stmt = db_query(db, "PRAGMA journal_mode=WAL");
    int rc = db_step(stmt, err);
    if (rc < 0)
        return rc;
    if (rc != DB_ROW || !str_eq(db_column_str(stmt, 0), STR("wal")))
        return err_say(err, -ENOTSUP, "database '%s': no write-ahead log here", db->name);
    /* The row comes first; the change of the file's format commits behind it, and may fail. */
    return db_run(stmt, err);
}

/* Records the length of the WAL. The checkpoint itself runs after the commit has returned. */
static int on_wal(void *arg, sqlite3 *raw UNUSED, const char *schema UNUSED, int pages)
{
    ((struct db *) arg)->wal_pages = pages;
    return SQLITE_OK;
}

static int take_file(struct db *db, struct err *err)
{
    int rc = exec(db,
                  "PRAGMA locking_mode=EXCLUSIVE;" /* before the first access: no -shm file */
                  "PRAGMA synchronous=FULL;"
                  "PRAGMA journal_size_limit=8388608",
                  "set up", err);
    if (rc == 0)
        rc = enter_wal(db, err);
    if (rc < 0)
        return rc;
    (void) sqlite3_wal_hook(db->raw, on_wal, db); /* replaces SQLite's own; there was no other */
    int code = sqlite3_wal_checkpoint_v2(db->raw, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return code == SQLITE_OK ? 0 : db_fail(db, code, "recover", err);
}

static int set_up(struct db *db, int flags, struct err *err)
{
    static const int on[] = {SQLITE_DBCONFIG_DEFENSIVE};
    static const int off[] = {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_DQS_DML,
                              SQLITE_DBCONFIG_DQS_DDL};
    for (size_t i = 0; i < ARRAY_LEN(on); i++)
        if (sqlite3_db_config(db->raw, on[i], 1, NULL) != SQLITE_OK)
            return err_say(err, -ENOTSUP, "database '%s': option %d", db->name, on[i]);
    for (size_t i = 0; i < ARRAY_LEN(off); i++)
        if (sqlite3_db_config(db->raw, off[i], 0, NULL) != SQLITE_OK)
            return err_say(err, -ENOTSUP, "database '%s': option %d", db->name, off[i]);
    (void) sqlite3_extended_result_codes(db->raw, 1); /* fails for a NULL handle only */
    (void) sqlite3_busy_timeout(db->raw, 100);
    if ((flags & DB_IN_MEMORY) == 0) {
        int rc = take_file(db, err);
        if (rc == -EBUSY)
            return err_say(err, rc, "database '%s' is in use by another process", db->name);
        if (rc < 0)
            return rc;
    }
    /* secure_delete=FAST: freed bytes are cleared where that costs no further page. */
    return exec(db,
                "PRAGMA cache_size=-2000;"
                "PRAGMA mmap_size=0;"
                "PRAGMA temp_store=MEMORY;"
                "PRAGMA secure_delete=FAST",
                "set up", err);
}

/* After foreign keys were off: does each reference still lead somewhere? */
static int check_references(struct db *db, struct err *err)
{
    AUTO_STMT struct db_stmt *stmt = db_query(db, "PRAGMA foreign_key_check");
    int rc = db_step(stmt, err);
    if (rc != DB_ROW)
        return rc;
    struct str table = db_column_str(stmt, 0);
    return err_say(err, -EEXIST,
                   "database '%s': migration leaves table " STR_FMT
                   " with references to missing rows",
                   db->name, STR_ARG(table));
}

static int run_migrations(struct db *db, const struct db_migration *migrations, size_t count,
                          int64_t version, struct err *err)
{
    for (size_t i = (size_t) version; i < count; i++) {
        char what[40];
        (void) snprintf(what, sizeof what, "migration %d", migrations[i].version);
        int rc = exec(db, migrations[i].sql, what, err);
        if (rc < 0)
            return rc;
        assert(sqlite3_get_autocommit(db->raw) == 0); /* a migration does not commit */
    }
    char sql[60];
    (void) snprintf(sql, sizeof sql, "PRAGMA user_version=%zu", count);
    int rc = exec(db, sql, "record version", err);
    return rc < 0 ? rc : check_references(db, err);
}

static int migrate(struct db *db, const struct db_migration *migrations, size_t count,
                   struct err *err)
{
    for (size_t i = 0; i < count; i++)
        assert(migrations[i].version == (int) i + 1);
    int64_t version = 0;
    int rc = pragma_i64(db, "PRAGMA user_version", &version, err);
    if (rc < 0)
        return rc;
    if (version < 0 || version > (int64_t) count)
        return err_say(err, -EPROTO,
                       "database '%s' has schema version %lld, this program knows %zu: it was "
                       "written by a newer Virga",
                       db->name, (long long) version, count);
    if (version < (int64_t) count) {
        rc = exec(db, "PRAGMA foreign_keys=OFF", "set up", err);
        if (rc == 0)
            rc = db_begin(db, err);
        if (rc < 0)
            return rc;
        rc = run_migrations(db, migrations, count, version, err);
        if (rc < 0) {
            db_rollback(db);
            return rc;
        }
        rc = db_commit(db, err);
        if (rc < 0)
            return rc;
    }
    return exec(db, "PRAGMA foreign_keys=ON", "set up", err);
}

int db_open(const char *path, int flags, const struct db_migration *migrations,
            size_t migration_count, struct db **out_db, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void) pthread_once(&once, configure_library);
    bool in_memory = (flags & DB_IN_MEMORY) != 0;
    assert((path == NULL) == in_memory);

    struct db *db = NEW(struct db);
    const char *name = in_memory ? ":memory:" : path;
    db->name = mem_copy(name, strlen(name));
    db->wal_pages_max = DB_WAL_PAGES_MAX;
    map_init(&db->stmts);
    int code = sqlite3_open_v2(
        name, &db->raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int rc = code == SQLITE_OK ? 0 : db_fail(db, code, "open", err);
    if (rc == 0)
        rc = set_up(db, flags, err);
    if (rc == 0)
        rc = migrate(db, migrations, migration_count, err);
    if (rc < 0) {
        db_close(db);
        return rc;
    }
    *out_db = db;
    return 0;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    db_stmts_done(db);
    /* A poisoned database keeps its WAL as the last good state; the next open reads it. */
    if (db->is_read_only)
        (void) sqlite3_db_config(db->raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int code = sqlite3_close(db->raw); /* rolls back, checkpoints, removes the WAL */
    assert(code == SQLITE_OK);
    free(db->name);
    free(db);
}
