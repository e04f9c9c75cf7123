/* Databases as earlier schemas of the lambda service left them (lambda_schemas/vN.sql) open, and
 * what was in them is there: each has one function "kept" with all that its schema could say.
 * A change of the schema adds the file that the last one left. */
#include "test.h"

#include "services/lambda/db.h"
#include "services/lambda/db_aliases.h"
#include "services/lambda/db_events.h"
#include "services/lambda/db_layers.h"
#include "services/lambda/db_urls.h"
#include "store/db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCOUNT STR("000000000000")
#define REGION  STR("us-east-1")
#define NAME    STR("kept")

static const char *folder; /* of the .sql files */

static void load(const char *path, int version)
{
    char name[512];
    (void) snprintf(name, sizeof name, "%s/v%d.sql", folder, version);
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    static char text[64 * 1024];
    size_t len = fread(text, 1, sizeof text - 1, file);
    assert_true(len > 0 && len < sizeof text - 1);
    text[len] = '\0';
    assert_int_equal(fclose(file), 0);
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    char *why = NULL;
    if (sqlite3_exec(raw, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", name, why);
    assert_int_equal(sqlite3_close(raw), SQLITE_OK);
}

static void check_function(struct db *db, struct arena *arena, int version)
{
    struct lambda_row row;
    assert_ok(lambda_db_find(db, arena, ACCOUNT, REGION, NAME, 0, &row, NULL));
    assert_str(row.revision_id, "11111111-1111-4111-8111-111111111111");
    assert_str(row.runtime, "python3.12");
    assert_str(row.handler, "f.handler");
    assert_str(row.description, "since the first schema");
    assert_str(row.environment, "{\"A\":\"1\"}");
    assert_str(row.tags, "{\"t\":\"v\"}");
    assert_int_equal(row.code_sha256.len, 64);
    assert_int_equal(row.code_size, 123);
    assert_int_equal(row.timeout_s, 7);
    assert_int_equal(row.memory_mb, 256);
    assert_int_equal(row.modified_at_ms, INT64_C(1700000000000));
    assert_null(row.log_group.ptr);
    assert_int_equal(row.reserved, version >= 2 ? 3 : -1);
    assert_int_equal(row.unzipped_size, version >= 5 ? 456 : 0);
    assert_int_equal(row.last_version, version >= 6 ? 1 : 0);
    if (version >= 4)
        assert_str(row.log_format, "JSON");
    else
        assert_null(row.log_format.ptr);
    assert_int_equal(lambda_db_find(db, arena, ACCOUNT, REGION, NAME, 1, &row, NULL),
                     version >= 6 ? 0 : -ENOENT);
}

static void check_belongings(struct db *db, struct arena *arena, int version)
{
    const struct event_config_key key = {ACCOUNT, REGION, NAME, STR("$LATEST")};
    const struct url_row of = {
        .account = ACCOUNT, .region = REGION, .name = NAME, .qualifier = STR("$LATEST")};
    struct event_config config;
    struct event_row event;
    struct url_row url;
    struct alias_row alias;
    int64_t number = -1;
    assert_int_equal(event_config_find(db, &key, &config, NULL), version >= 2 ? 0 : -ENOENT);
    assert_int_equal(event_db_find(db, arena, 5, &event, NULL), version >= 2 ? 0 : -ENOENT);
    if (version >= 2) {
        assert_true(config.has_retries_max && !config.has_age_max);
        assert_int_equal(config.retries_max, 1);
        assert_str(event.payload, "{\"n\":1}");
        assert_int_equal(event.attempts, 1);
        assert_null(event.trace_id.ptr);
    }
    assert_int_equal(url_db_find(db, arena, &of, &url, NULL), version >= 3 ? 0 : -ENOENT);
    if (version >= 3) {
        assert_int_equal(url.id.len, 32);
        assert_str(url.cors.allow_origins, "https://a.example");
        assert_true(url.is_iam && url.cors.has_max_age && !url.cors.has_credentials);
        assert_int_equal(url.is_streamed, version >= 7);
    }
    assert_int_equal(alias_db_find(db, arena, ACCOUNT, REGION, NAME, STR("prod"), &alias, NULL),
                     version >= 6 ? 0 : -ENOENT);
    assert_ok(layer_db_next_version(db, ACCOUNT, REGION, STR("lib"), &number, NULL));
    assert_int_equal(number, version >= 5 ? 5 : 1);
}

static void every_schema_opens_and_keeps_its_function(void **state)
{
    (void) state;
    for (int version = 1; version <= 8; version++) {
        char path[] = "/tmp/virga-test-XXXXXX", file[64];
        assert_non_null(mkdtemp(path));
        (void) snprintf(file, sizeof file, "%s/lambda.db", path);
        load(file, version);
        struct db *db;
        struct err err = {0};
        for (int again = 0; again < 2; again++) { /* the second time there is nothing to do */
            if (lambda_db_open(file, false, &db, &err) < 0)
                fail_msg("schema %d: %s", version, err.text);
            AUTO_ARENA struct arena arena;
            arena_init(&arena, 1 << 20);
            check_function(db, &arena, version);
            if (again == 0)
                check_belongings(db, &arena, version);
            db_close(db);
        }
        char one[80];
        static const char *const files[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
            (void) snprintf(one, sizeof one, "%s%s", file, files[i]);
            (void) unlink(one); /* not all are there */
        }
        assert_ok(rmdir(path));
    }
}

int main(int argc, char **argv)
{
    assert_int_equal(argc, 2);
    folder = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_schema_opens_and_keeps_its_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
