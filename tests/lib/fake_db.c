/* Rows are appended behind the committed ones; a rollback cuts the array. */
#include "fake_db.h"

#include "base/assert.h"
#include "base/mem.h"

enum state { OUTSIDE, IN_TRANSACTION, IN_SAVEPOINT };

struct db {
    uint64_t *rows; /* owned */
    size_t len, cap;
    size_t committed, savepoint; /* lengths to fall back to */
    enum state state;
    unsigned commits;
    bool is_closed;
    int (*on_call)(void *arg, const char *call);
    void *on_call_arg;
};

struct db *fake_db_new(void)
{
    return NEW(struct db);
}

void fake_db_free(struct db *db)
{
    free(db->rows);
    free(db);
}

void fake_db_on_call(struct db *db, int (*fn)(void *arg, const char *call), void *arg)
{
    db->on_call = fn;
    db->on_call_arg = arg;
}

const uint64_t *fake_db_rows(const struct db *db, size_t *out_count)
{
    *out_count = db->committed;
    return db->rows;
}

unsigned fake_db_commits(const struct db *db)
{
    return db->commits;
}

void fake_db_append(struct db *db, uint64_t row)
{
    assert(db->state == IN_SAVEPOINT);
    if (db->len == db->cap) {
        db->cap = db->cap == 0 ? 64 : db->cap * 2;
        db->rows = mem_resize(db->rows, db->cap * sizeof db->rows[0]);
    }
    db->rows[db->len++] = row;
}

static int ask(struct db *db, const char *call, struct err *err)
{
    assert(!db->is_closed);
    int rc = db->on_call == NULL ? 0 : db->on_call(db->on_call_arg, call);
    return rc < 0 ? err_set(err, rc, "injected failure of %s", call) : 0;
}

int db_begin(struct db *db, struct err *err)
{
    assert(db->state == OUTSIDE);
    int rc = ask(db, "begin", err);
    if (rc == 0)
        db->state = IN_TRANSACTION;
    return rc;
}

int db_savepoint(struct db *db, struct err *err)
{
    assert(db->state == IN_TRANSACTION);
    int rc = ask(db, "savepoint", err);
    if (rc < 0)
        return rc;
    db->state = IN_SAVEPOINT;
    db->savepoint = db->len;
    return 0;
}

int db_savepoint_release(struct db *db, struct err *err)
{
    assert(db->state == IN_SAVEPOINT);
    int rc = ask(db, "release", err);
    if (rc == 0)
        db->state = IN_TRANSACTION;
    return rc;
}

int db_savepoint_rollback(struct db *db, struct err *err)
{
    assert(db->state == IN_SAVEPOINT);
    int rc = ask(db, "rollback_to", err);
    if (rc < 0)
        return rc;
    db->len = db->savepoint;
    db->state = IN_TRANSACTION;
    return 0;
}

int db_commit(struct db *db, struct err *err)
{
    assert(db->state == IN_TRANSACTION);
    int rc = ask(db, "commit", err);
    if (rc < 0)
        return rc;
    db->committed = db->len;
    db->commits++;
    db->state = OUTSIDE;
    return 0;
}

void db_rollback(struct db *db)
{
    db->len = db->committed;
    db->state = OUTSIDE;
}

void db_close(struct db *db)
{
    assert(db->state == OUTSIDE && !db->is_closed);
    db->is_closed = true;
}
