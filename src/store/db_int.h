#pragma once
/* Shared by db_open.c, db.c and db_stmt.c only. */
#include "store/db.h"

#include "base/map.h"

#include <sqlite3.h>

enum {
    DB_WAL_PAGES_MAX = 1000, /* checkpoint behind the commit that passes this: 4 MB of WAL */
};

enum db_tx {
    DB_TX_NONE,
    DB_TX_OPEN,
    DB_TX_LOST, /* SQLite rolled back by itself; nothing may run until db_rollback */
};

struct db {
    sqlite3 *raw;        /* owned */
    char *name;          /* owned; for messages */
    struct map stmts;    /* literal's address -> struct db_stmt, owned */
    enum db_tx tx;       /* written by db.c and db_stmt.c through db_settle only */
    unsigned savepoints; /* open ones; 0 unless tx is OPEN */
    unsigned stmts_out;  /* handed out by db_query, not given back */
    int wal_pages_max;   /* DB_WAL_PAGES_MAX; tests make it small */
    int wal_pages;       /* length of the WAL after the last commit */
    int lost_code;       /* why tx is LOST */
    bool is_read_only;   /* poisoned: a write or a sync has failed */
    struct err poison;   /* by what; valid while is_read_only */
};

struct db_stmt {
    const char *sql;   /* borrowed literal; its address is the key in db->stmts */
    struct db *db;     /* borrowed */
    sqlite3_stmt *raw; /* owned; NULL when prepare failed */
    int failed;        /* SQLite's code of a failed prepare or bind, told by the next step */
    bool is_out;       /* between db_query and db_stmt_done */
    bool is_kept;      /* in the cache; else freed by db_stmt_done */
    bool is_write;
};

/* Turns a failure of SQLite into err and -errno, "name: what: SQLite's words". Poisons db when the
 * code says that a write or a sync went wrong. */
int db_fail(struct db *db, int sqlite_code, const char *what, struct err *err);
/* Follows what SQLite did to the transaction while it ran a statement that failed with rc. */
void db_settle(struct db *db, int rc);
/* Moves the WAL into the database once it is long. Called after a commit; its failure is not the
 * commit's, which is durable already: it poisons db, or is tried again at the next commit. */
void db_checkpoint_if_long(struct db *db);
void db_stmts_done(struct db *db); /* finalises the cache */
