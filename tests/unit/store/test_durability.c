/* The proof of durability. One workload (groups of rows, savepoints that are rolled back, updates,
 * checkpoints every few commits) runs with the 1st, 2nd, … n-th disk operation failing, until a run
 * passes clean. Whatever happens, after reopening:
 *   - every acknowledged group is there,
 *   - at most the one group whose commit failed is there beyond them, wholly,
 *   - what is acknowledged after that survives a power cut, too. */
#include "test.h"

#include "fault_vfs.h"
#include "store/db_int.h"

#include <errno.h>

enum { GROUPS = 10, ROWS = 3, RUNS_MAX = 2000 };

static const struct db_migration schema[] = {
    {1, "CREATE TABLE row (g INTEGER, r INTEGER, bytes BLOB, PRIMARY KEY (g, r)) WITHOUT ROWID"},
    {2, "CREATE TABLE total (groups INTEGER NOT NULL); INSERT INTO total VALUES (0)"},
};

static int open_db(struct db **out_db, struct err *err)
{
    int rc = db_open("d.db", 0, schema, ARRAY_LEN(schema), out_db, err);
    if (rc == 0)
        (*out_db)->wal_pages_max = 12;
    return rc;
}

static int insert(struct db *db, int group, int row, struct err *err)
{
    char bytes[3000];
    memset(bytes, 'a' + group, sizeof bytes);
    AUTO_STMT struct db_stmt *s = db_query(db, "INSERT INTO row VALUES (?1, ?2, ?3)");
    db_bind_i64(s, 1, group);
    db_bind_i64(s, 2, row);
    db_bind_blob(s, 3, str_of(bytes, sizeof bytes));
    return db_run(s, err);
}

static int group_body(struct db *db, int group, struct err *err)
{
    int rc = 0;
    for (int row = 0; row < ROWS && rc >= 0; row++)
        rc = insert(db, group, row, err);
    if (rc < 0 || (rc = db_savepoint(db, err)) < 0)
        return rc;
    if ((rc = insert(db, group, 99, err)) < 0 || (rc = db_savepoint_rollback(db, err)) < 0)
        return rc;
    AUTO_STMT struct db_stmt *s = db_query(db, "UPDATE total SET groups = groups + 1");
    return db_run(s, err);
}

static int write_group(struct db *db, int group, struct err *err)
{
    int rc = db_begin(db, err);
    if (rc < 0)
        return rc;
    rc = group_body(db, group, err);
    if (rc < 0) {
        db_rollback(db);
        return rc;
    }
    return db_commit(db, err);
}

static int64_t number(struct db *db, const char *sql)
{
    AUTO_STMT struct db_stmt *s = db_query(db, sql);
    assert_int_equal(db_step(s, NULL), DB_ROW);
    return db_column_i64(s, 0);
}

/* Returns the number of groups, which is the same by every way of counting. */
static int check_content(struct db *db)
{
    int64_t groups = number(db, "SELECT groups FROM total");
    assert_int_equal(number(db, "SELECT count(*) FROM row"), groups * ROWS);
    assert_int_equal(number(db, "SELECT count(DISTINCT g) FROM row"), groups);
    assert_int_equal(number(db, "SELECT coalesce(max(g), -1) FROM row"), groups - 1);
    AUTO_STMT struct db_stmt *s = db_query(db, "PRAGMA integrity_check");
    assert_int_equal(db_step(s, NULL), DB_ROW);
    assert_str(db_column_str(s, 0), "ok");
    return (int) groups;
}

static struct db *reopen(void)
{
    struct db *db = NULL;
    struct err err;
    if (open_db(&db, &err) < 0)
        fail_msg("reopen: %s", err.text);
    return db;
}

/* Runs until something fails; db may be NULL afterwards. Returns the acknowledged groups. */
static int run_workload(struct db **out_db, int *out_rc, struct err *err)
{
    *out_db = NULL;
    *out_rc = open_db(out_db, err);
    int acked = 0;
    while (*out_rc == 0 && acked < GROUPS) {
        *out_rc = write_group(*out_db, acked, err);
        if (*out_rc == 0)
            acked++;
    }
    return acked;
}

/* What a reopened database owes, then more acknowledged work and one more cut. */
static void check_after(int acked, uint64_t seed)
{
    struct db *db = reopen();
    int found = check_content(db);
    assert_in_range(found, acked, acked + 1);
    for (int i = 0; i < 2; i++)
        assert_ok(write_group(db, found + i, NULL));
    fault_vfs_power_off();
    db_close(db);
    fault_vfs_power_on((enum fault_cut)(seed % 3), seed);
    db = reopen();
    assert_int_equal(check_content(db), found + 2);
    db_close(db);
}

/* After a failure, in the same process: reads go on, writes are refused where the disk is in doubt
 * and possible where it was only full. Returns what is acknowledged by then. */
static int check_survivor(struct db *db, enum fault_kind kind, int acked)
{
    int seen = check_content(db);
    assert_int_equal(seen, acked);
    struct err err;
    int rc = write_group(db, acked, &err);
    if (db_is_read_only(db)) {
        assert_int_equal(kind, FAULT_EIO);
        assert_int_equal(rc, -EROFS);
        assert_non_null(strstr(err.text, "read-only after a failed write"));
        return acked;
    }
    assert_int_equal(rc, 0);
    return acked + 1;
}

static void fail_each(enum fault_kind kind, bool cuts_power)
{
    bool is_clean = false;
    unsigned at = 1;
    for (; !is_clean && at < RUNS_MAX; at++) {
        fault_vfs_start();
        fault_vfs_arm(kind, at);
        struct db *db;
        struct err err = {0};
        int rc;
        int acked = run_workload(&db, &rc, &err);
        is_clean = !fault_vfs_has_fired();
        fault_vfs_arm(kind, 0); /* what follows is not the workload */
        if (rc < 0) {
            assert_false(is_clean);
            assert_int_equal(err.code, rc);
            assert_true(kind == FAULT_FULL ? rc == -ENOSPC : rc == -EIO || rc == -EROFS);
        }
        if (db != NULL)
            acked = check_survivor(db, kind, acked);
        if (cuts_power)
            fault_vfs_power_off();
        db_close(db);
        if (cuts_power)
            fault_vfs_power_on((enum fault_cut)(at % 3), at);
        check_after(acked, at);
        fault_vfs_stop();
    }
    assert_true(is_clean);
    assert_true(at > 20);
}

static void io_errors_lose_nothing(void **state)
{
    (void) state;
    fail_each(FAULT_EIO, false);
}

static void io_errors_and_then_a_power_cut_lose_nothing(void **state)
{
    (void) state;
    fail_each(FAULT_EIO, true);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void) state;
    fail_each(FAULT_FULL, false);
    fail_each(FAULT_FULL, true);
}

/* The power goes at every single operation, and each time three kinds of disk are left. */
static void power_cuts_lose_nothing(void **state)
{
    (void) state;
    for (int cut = FAULT_CUT_SYNCED_ONLY; cut <= FAULT_CUT_SOME; cut++) {
        bool is_clean = false;
        for (unsigned at = 1; !is_clean && at < RUNS_MAX; at++) {
            fault_vfs_start();
            fault_vfs_arm(FAULT_POWER, at);
            struct db *db;
            int rc;
            int acked = run_workload(&db, &rc, NULL);
            is_clean = !fault_vfs_has_fired();
            fault_vfs_power_off();
            db_close(db);
            fault_vfs_power_on((enum fault_cut) cut, at);
            check_after(acked, at);
            fault_vfs_stop();
        }
        assert_true(is_clean);
    }
}

/* After a failed test, so that the next one has a disk of its own. */
static int stop(void **state)
{
    (void) state;
    fault_vfs_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(io_errors_lose_nothing, stop),
        cmocka_unit_test_teardown(io_errors_and_then_a_power_cut_lose_nothing, stop),
        cmocka_unit_test_teardown(a_full_disk_loses_nothing, stop),
        cmocka_unit_test_teardown(power_cuts_lose_nothing, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
