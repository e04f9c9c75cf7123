#include "test.h"

#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct db_migration v1[] = {
    {1, "CREATE TABLE item (k BLOB PRIMARY KEY, n INTEGER NOT NULL, t TEXT) WITHOUT ROWID"},
};
static const struct db_migration v2[] = {
    {1, "CREATE TABLE item (k BLOB PRIMARY KEY, n INTEGER NOT NULL, t TEXT) WITHOUT ROWID"},
    {2, "ALTER TABLE item ADD COLUMN extra BLOB; CREATE TABLE owner (id INTEGER PRIMARY KEY);"
        "CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL"
        "  REFERENCES owner (id) DEFERRABLE INITIALLY DEFERRED)"},
};

static char dir[] = "/tmp/virga-db-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void) state;
    if (mkdtemp(dir) == NULL)
        return -1;
    (void) snprintf(path, sizeof path, "%s/a.db", dir);
    return 0;
}

static int clean_files(void **state)
{
    (void) state;
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        char name[80];
        (void) snprintf(name, sizeof name, "%s%s", path, tails[i]);
        (void) unlink(name); /* Not all of them exist. */
    }
    return 0;
}

static int remove_dir(void **state)
{
    (void) state;
    return rmdir(dir);
}

static struct db *open_with(const char *at, int flags, const struct db_migration *m, size_t n)
{
    struct db *db = NULL;
    struct err err;
    if (db_open(at, flags, m, n, &db, &err) < 0)
        fail_msg("db_open: %s", err.text);
    return db;
}

static struct db *open_memory(void)
{
    return open_with(NULL, DB_IN_MEMORY, v2, ARRAY_LEN(v2));
}

static int put(struct db *db, const char *key, int64_t n, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "INSERT INTO item (k, n) VALUES (?1, ?2)");
    db_bind_blob(s, 1, str_from(key));
    db_bind_i64(s, 2, n);
    return db_run(s, err);
}

static int64_t number(struct db *db, const char *sql)
{
    AUTO_STMT struct db_stmt *s = db_query(db, sql);
    assert_int_equal(db_step(s, NULL), DB_ROW);
    return db_column_i64(s, 0);
}

static int64_t count(struct db *db)
{
    return number(db, "SELECT count(*) FROM item");
}

static void commits_survive_and_rollbacks_do_not(void **state)
{
    (void) state;
    struct db *db = open_with(path, 0, v1, 1);
    assert_ok(db_begin(db, NULL));
    assert_int_equal(put(db, "a", 1, NULL), 1);
    assert_int_equal(put(db, "b", 2, NULL), 1);
    assert_ok(db_commit(db, NULL));
    assert_ok(db_begin(db, NULL));
    assert_int_equal(put(db, "c", 3, NULL), 1);
    db_rollback(db);
    assert_int_equal(put(db, "d", 4, NULL), 1); /* a transaction of its own */
    assert_ok(db_begin(db, NULL));
    assert_int_equal(put(db, "e", 5, NULL), 1);
    db_close(db); /* rolls back */

    db = open_with(path, 0, v1, 1);
    assert_int_equal(count(db), 3);
    assert_int_equal(number(db, "SELECT sum(n) FROM item"), 7);
    assert_false(db_is_read_only(db));
    db_close(db);
}

static void settings_are_the_promised_ones(void **state)
{
    (void) state;
    struct db *db = open_with(path, 0, v1, 1);
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(number(db, "PRAGMA user_version"), 1);
    {
        AUTO_STMT struct db_stmt *s = db_query(db, "PRAGMA journal_mode");
        assert_int_equal(db_step(s, NULL), DB_ROW);
        assert_str(db_column_str(s, 0), "wal");
    }
    db_close(db);
    char wal[80];
    (void) snprintf(wal, sizeof wal, "%s-wal", path);
    assert_int_equal(access(wal, F_OK), -1); /* checkpointed and removed by the close */
    db_close(NULL);
}

static void a_violated_constraint_leaves_the_transaction_open(void **state)
{
    (void) state;
    struct db *db = open_memory();
    struct err err;
    assert_ok(db_begin(db, NULL));
    assert_int_equal(put(db, "a", 1, NULL), 1);
    assert_int_equal(put(db, "a", 2, &err), -EEXIST);
    assert_int_equal(err.code, -EEXIST);
    assert_non_null(strstr(err.text, "UNIQUE"));
    assert_int_equal(put(db, "b", 2, NULL), 1);
    assert_ok(db_commit(db, NULL));
    assert_int_equal(count(db), 2);
    db_close(db);
}

static void a_failed_commit_has_rolled_back(void **state)
{
    (void) state;
    struct db *db = open_memory();
    assert_ok(db_begin(db, NULL));
    {
        AUTO_STMT struct db_stmt *s = db_query(db, "INSERT INTO pet (owner) VALUES (7)");
        assert_int_equal(db_run(s, NULL), 1); /* the reference is checked at the commit */
    }
    assert_int_equal(put(db, "a", 1, NULL), 1);
    assert_int_equal(db_commit(db, NULL), -EEXIST);
    assert_int_equal(count(db), 0);
    assert_ok(db_begin(db, NULL)); /* the next one works */
    assert_int_equal(put(db, "a", 1, NULL), 1);
    assert_ok(db_commit(db, NULL));
    assert_int_equal(count(db), 1);
    db_close(db);
}

static void savepoints_nest(void **state)
{
    (void) state;
    struct db *db = open_memory();
    assert_ok(db_begin(db, NULL));
    assert_ok(db_savepoint(db, NULL));
    assert_int_equal(put(db, "a", 1, NULL), 1);
    assert_ok(db_savepoint(db, NULL));
    assert_int_equal(put(db, "b", 1, NULL), 1);
    assert_ok(db_savepoint_rollback(db, NULL));
    assert_int_equal(count(db), 1);
    assert_ok(db_savepoint(db, NULL));
    assert_int_equal(put(db, "c", 1, NULL), 1);
    assert_ok(db_savepoint_release(db, NULL));
    assert_ok(db_savepoint_release(db, NULL));
    assert_ok(db_savepoint(db, NULL));
    assert_int_equal(put(db, "d", 1, NULL), 1);
    assert_ok(db_savepoint_rollback(db, NULL));
    assert_ok(db_commit(db, NULL));
    assert_int_equal(count(db), 2);
    db_close(db);
}

static void nulls_and_empty_values_differ(void **state)
{
    (void) state;
    struct db *db = open_memory();
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT ?1, ?2, ?3, ?4, ?5");
    db_bind_blob(s, 1, STR_NONE);
    db_bind_blob(s, 2, STR(""));
    db_bind_text(s, 3, STR(""));
    db_bind_text(s, 4, str_of("a\0b", 3));
    db_bind_null(s, 5);
    assert_int_equal(db_step(s, NULL), DB_ROW);
    assert_true(db_column_is_null(s, 0));
    assert_null(db_column_str(s, 0).ptr);
    for (int i = 1; i < 3; i++) {
        assert_false(db_column_is_null(s, i));
        assert_non_null(db_column_str(s, i).ptr);
        assert_int_equal(db_column_str(s, i).len, 0);
    }
    assert_true(str_eq(db_column_str(s, 3), str_of("a\0b", 3)));
    assert_true(db_column_is_null(s, 4));
    assert_int_equal(db_step(s, NULL), DB_DONE);
    db_stmt_done(take_ptr(&s));
    db_close(db);
}

static void numbers_keep_64_bits(void **state)
{
    (void) state;
    struct db *db = open_memory();
    assert_int_equal(put(db, "max", INT64_MAX, NULL), 1);
    assert_int_equal(put(db, "min", INT64_MIN, NULL), 1);
    assert_true(number(db, "SELECT max(n) FROM item") == INT64_MAX);
    assert_true(number(db, "SELECT min(n) FROM item") == INT64_MIN);
    db_close(db);
}

static void blobs_sort_like_memcmp(void **state)
{
    (void) state;
    static const struct str keys[] = {STR_INIT("\xff"),     STR_INIT("\x01\x02"), STR_INIT("b"),
                                      STR_INIT(""),         STR_INIT("a\0b"),     STR_INIT("a"),
                                      STR_INIT("\x7f\xff"), STR_INIT("\x80"),     STR_INIT("a\0")};
    struct db *db = open_memory();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        AUTO_STMT struct db_stmt *s = db_query(db, "INSERT INTO item (k, n) VALUES (?1, 0)");
        db_bind_blob(s, 1, keys[i]);
        assert_int_equal(db_run(s, NULL), 1);
    }
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT k FROM item ORDER BY k");
    char last[8];
    size_t last_len = 0, rows = 0;
    while (db_step(s, NULL) == DB_ROW) {
        struct str k = db_column_str(s, 0);
        if (rows++ > 0)
            assert_true(str_cmp(str_of(last, last_len), k) < 0);
        memcpy(last, k.ptr, k.len);
        last_len = k.len;
    }
    assert_int_equal(rows, ARRAY_LEN(keys));
    db_stmt_done(take_ptr(&s));
    db_close(db);
}

static const char select_literal[] = "SELECT n FROM item ORDER BY n";

static void statements_are_kept_and_clean_when_they_come_back(void **state)
{
    (void) state;
    struct db *db = open_memory();
    for (int i = 0; i < 3; i++)
        assert_int_equal(put(db, (const char *[]){"a", "b", "c"}[i], i, NULL), 1);
    struct db_stmt *first = db_query(db, select_literal);
    assert_int_equal(db_step(first, NULL), DB_ROW);
    db_stmt_done(first);
    struct db_stmt *again = db_query(db, select_literal);
    assert_ptr_equal(first, again);
    assert_int_equal(db_step(again, NULL), DB_ROW);
    assert_int_equal(db_column_i64(again, 0), 0); /* from the start */

    /* Handed out while it is out: a second one, with a position of its own. */
    struct db_stmt *inner = db_query(db, select_literal);
    assert_ptr_not_equal(inner, again);
    assert_int_equal(db_step(inner, NULL), DB_ROW);
    assert_int_equal(db_step(inner, NULL), DB_ROW);
    assert_int_equal(db_column_i64(inner, 0), 1);
    assert_int_equal(db_step(again, NULL), DB_ROW);
    assert_int_equal(db_column_i64(again, 0), 1);
    db_stmt_done(inner);
    db_stmt_done(again);

    static const char echo[] = "SELECT ?1";
    struct db_stmt *s = db_query(db, echo);
    db_bind_i64(s, 1, 7);
    assert_int_equal(db_step(s, NULL), DB_ROW);
    db_stmt_done(s);
    s = db_query(db, echo);
    assert_int_equal(db_step(s, NULL), DB_ROW);
    assert_true(db_column_is_null(s, 0)); /* nothing of the last user is left */
    db_stmt_done(s);
    db_stmt_done(NULL);
    db_close(db);
}

static void one_statement_runs_many_times(void **state)
{
    (void) state;
    struct db *db = open_memory();
    {
        AUTO_STMT struct db_stmt *s = db_query(db, "INSERT INTO item (k, n) VALUES (?1, ?2)");
        for (int i = 0; i < 500; i++) {
            char key[8];
            (void) snprintf(key, sizeof key, "%d", i);
            db_bind_blob(s, 1, str_from(key));
            db_bind_i64(s, 2, i);
            assert_int_equal(db_run(s, NULL), 1);
        }
        db_bind_blob(s, 1, STR("7"));
        assert_int_equal(db_run(s, NULL), -EEXIST);
        db_bind_blob(s, 1, STR("x")); /* a failed one is ready again, too */
        assert_int_equal(db_run(s, NULL), 1);
    }
    AUTO_STMT struct db_stmt *none = db_query(db, "UPDATE item SET n = 1 WHERE k = x'00'");
    assert_int_equal(db_run(none, NULL), 0);
    AUTO_STMT struct db_stmt *all = db_query(db, "DELETE FROM item WHERE n >= 100 RETURNING n");
    assert_int_equal(db_run(all, NULL), 401);
    AUTO_STMT struct db_stmt *ddl = db_query(db, "CREATE TABLE later (x)");
    assert_int_equal(db_run(ddl, NULL), 0);
    db_stmt_done(take_ptr(&none));
    db_stmt_done(take_ptr(&all));
    db_stmt_done(take_ptr(&ddl));
    db_close(db);
}

static void run_time_failures_are_errors(void **state)
{
    (void) state;
    struct db *db = open_memory();
    struct err err;
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT json_extract(?1, '$.a')");
    db_bind_text(s, 1, STR("{not json"));
    assert_int_equal(db_step(s, &err), -EINVAL);
    db_stmt_done(take_ptr(&s));
    AUTO_STMT struct db_stmt *big = db_query(db, "SELECT zeroblob(2000000000)");
    assert_int_equal(db_step(big, &err), -EFBIG);
    db_stmt_done(take_ptr(&big));
    db_close(db);
}

/* --- migrations --- */

static void migrations_upgrade_and_run_once(void **state)
{
    (void) state;
    struct db *db = open_with(path, 0, v1, 1);
    assert_int_equal(put(db, "a", 1, NULL), 1);
    db_close(db);
    for (int i = 0; i < 2; i++) {
        db = open_with(path, 0, v2, 2);
        assert_int_equal(count(db), 1);
        assert_int_equal(number(db, "SELECT count(*) FROM owner"), 0);
        assert_int_equal(number(db, "PRAGMA user_version"), 2);
        assert_int_equal(number(db, "PRAGMA foreign_keys"), 1);
        db_close(db);
    }
}

static void a_newer_database_is_refused_and_untouched(void **state)
{
    (void) state;
    db_close(open_with(path, 0, v2, 2));
    struct db *db = (struct db *) 1;
    struct err err;
    assert_int_equal(db_open(path, 0, v1, 1, &db, &err), -EPROTO);
    assert_ptr_equal(db, (struct db *) 1);
    assert_non_null(strstr(err.text, "newer Virga"));
    db = open_with(path, 0, v2, 2);
    assert_int_equal(number(db, "PRAGMA user_version"), 2);
    db_close(db);
}

static void refuse_migration(const char *sql, int expected)
{
    struct db_migration bad[] = {v1[0], {2, "CREATE TABLE half (x); DELETE FROM item"}, {3, sql}};
    struct db *db = NULL;
    struct err err;
    assert_int_equal(db_open(path, 0, bad, 3, &db, &err), expected);
    assert_int_equal(err.code, expected);
    db = open_with(path, 0, v1, 1);
    assert_int_equal(count(db), 1);
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    db_close(db);
}

static void a_failed_migration_leaves_the_old_schema(void **state)
{
    (void) state;
    struct db *db = open_with(path, 0, v1, 1);
    assert_int_equal(put(db, "a", 1, NULL), 1);
    db_close(db);
    refuse_migration("CREATE TABLE t (x); SELECT no_such_column FROM item", -EINVAL);
    refuse_migration("INSERT INTO item (k, n) VALUES (x'00', NULL)", -EEXIST);
    refuse_migration("CREATE TABLE p (id INTEGER PRIMARY KEY);"
                     "CREATE TABLE c (p INTEGER REFERENCES p (id)); INSERT INTO c VALUES (9)",
                     -EEXIST);
}

/* --- files --- */

/* The child is made before the parent opens, so that it knows of the lock only what the kernel
 * tells it. */
static void a_second_opener_is_told_so(void **state)
{
    (void) state;
    struct db *second = NULL;
    int go[2];
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]); /* so that the parent's death is seen */
        char c;
        bool is_told = read(go[0], &c, 1) == 1;
        _exit(is_told && db_open(path, 0, v1, 1, &second, NULL) == -EBUSY ? 0 : 1);
    }
    struct db *db = open_with(path, 0, v1, 1);
    struct err err;
    assert_int_equal(db_open(path, 0, v1, 1, &second, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use"));
    assert_int_equal(write(go[1], "x", 1), 1);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(go[0]);
    close(go[1]);
    assert_int_equal(put(db, "a", 1, NULL), 1);
    db_close(db);
}

static void files_that_are_no_database_are_refused(void **state)
{
    (void) state;
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    char junk[5000];
    memset(junk, 'x', sizeof junk);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
    struct db *db = NULL;
    assert_int_equal(db_open(path, 0, v1, 1, &db, NULL), -EUCLEAN);
    assert_int_equal(db_open("/nonexistent/a.db", 0, v1, 1, &db, NULL), -ENOENT);
}

static void the_wal_is_bounded(void **state)
{
    (void) state;
    struct db *db = open_with(path, 0, v1, 1);
    char wal[80];
    (void) snprintf(wal, sizeof wal, "%s-wal", path);
    char big[100 * 1000];
    memset(big, 'x', sizeof big);
    int64_t largest = 0;
    for (int i = 0; i < 150; i++) { /* 15 MB through the WAL, in commits of 100 kB */
        AUTO_STMT struct db_stmt *s =
            db_query(db, "INSERT OR REPLACE INTO item (k, n, t) VALUES (?1, 0, ?2)");
        char key[4] = {(char) ('a' + i % 20), 0};
        db_bind_blob(s, 1, str_from(key));
        db_bind_text(s, 2, str_of(big, sizeof big));
        assert_int_equal(db_run(s, NULL), 1);
        struct stat st;
        assert_int_equal(stat(wal, &st), 0);
        largest = st.st_size > largest ? st.st_size : largest;
    }
    assert_in_range(largest, 1, 5 << 20);
    db_close(db);
}

int main(void)
{
#define ON_FILE(f) cmocka_unit_test_teardown(f, clean_files)
    const struct CMUnitTest tests[] = {
        ON_FILE(commits_survive_and_rollbacks_do_not),
        ON_FILE(settings_are_the_promised_ones),
        cmocka_unit_test(a_violated_constraint_leaves_the_transaction_open),
        cmocka_unit_test(a_failed_commit_has_rolled_back),
        cmocka_unit_test(savepoints_nest),
        cmocka_unit_test(nulls_and_empty_values_differ),
        cmocka_unit_test(numbers_keep_64_bits),
        cmocka_unit_test(blobs_sort_like_memcmp),
        cmocka_unit_test(statements_are_kept_and_clean_when_they_come_back),
        cmocka_unit_test(one_statement_runs_many_times),
        cmocka_unit_test(run_time_failures_are_errors),
        ON_FILE(migrations_upgrade_and_run_once),
        ON_FILE(a_newer_database_is_refused_and_untouched),
        ON_FILE(a_failed_migration_leaves_the_old_schema),
        ON_FILE(a_second_opener_is_told_so),
        ON_FILE(files_that_are_no_database_are_refused),
        ON_FILE(the_wal_is_bounded),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
