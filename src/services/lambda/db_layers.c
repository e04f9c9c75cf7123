/* The SQL of layers. A version is never changed, only made and deleted; its package is on disk
 * before its row commits. Filters are applied here and not in SQL: runtimes and architectures are
 * short lists that nothing else searches. */
#include "services/lambda/db_layers.h"

#include "base/assert.h"
#include "base/buf.h"
#include "services/lambda/db_common.h"

#include <inttypes.h>

#define COLUMNS                                                                                    \
    "account, region, name, version, description, license, runtimes, architectures, "              \
    "code_sha256, code_size, unzipped_size, created_at_ms"

/* ---- the list in a function's row ---- */

static int64_t number_of(struct str text)
{
    uint64_t value = 0;
    return parse_u64(text, INT64_MAX, &value) < 0 ? 0 : (int64_t) value;
}

size_t layers_parse(struct str text, struct lambda_layer out[LAYERS_MAX])
{
    size_t count = 0;
    struct str line, part[4];
    while (text.len > 0 && count < LAYERS_MAX && str_split(&text, '\n', &line)) {
        for (size_t i = 0; i < ARRAY_LEN(part); i++)
            if (!str_split(&line, ' ', &part[i]))
                return count;
        out[count++] = (struct lambda_layer){.arn = part[0],
                                             .code_sha256 = part[1],
                                             .code_size = number_of(part[2]),
                                             .unzipped_size = number_of(part[3])};
    }
    return count;
}

struct str layers_format(struct arena *arena, const struct lambda_layer *layers, size_t count)
{
    AUTO_BUF struct buf text;
    buf_init(&text, 4096); /* ARNs are limited */
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, STR_FMT " " STR_FMT " %" PRId64 " %" PRId64 "\n", STR_ARG(layers[i].arn),
                   STR_ARG(layers[i].code_sha256), layers[i].code_size, layers[i].unzipped_size);
    assert(!buf_is_over(&text));
    return arena_str(arena, buf_str(&text));
}

/* ---- rows ---- */

static int take_row(struct db_stmt *s, struct arena *arena, struct layer_row *out, struct err *err)
{
    struct layer_row row = {.version = db_column_i64(s, 3),
                            .code_size = db_column_i64(s, 9),
                            .unzipped_size = db_column_i64(s, 10),
                            .created_at_ms = db_column_i64(s, 11)};
    const struct {
        int column;
        struct str *out;
    } texts[] = {{0, &row.account},       {1, &row.region},     {2, &row.name},
                 {4, &row.description},   {5, &row.license},    {6, &row.runtimes},
                 {7, &row.architectures}, {8, &row.code_sha256}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!take_text(s, texts[i].column, arena, texts[i].out))
            return err_say(err, -E2BIG, "a version of a layer does not fit in memory");
    }
    *out = row;
    return 0;
}

int layer_db_next_version(struct db *db, struct str account, struct str region, struct str name,
                          int64_t *out_version, struct err *err)
{
    AUTO_STMT struct db_stmt *bump =
        db_query(db, "INSERT INTO layers (account, region, name, last_version) "
                     "VALUES (?1, ?2, ?3, 1) ON CONFLICT (account, region, name) "
                     "DO UPDATE SET last_version = layers.last_version + 1");
    bind_function(bump, account, region, name);
    int rc = db_run(bump, err);
    if (rc < 0)
        return rc;
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT last_version FROM layers" WHERE_FUNCTION);
    bind_function(s, account, region, name);
    rc = db_step(s, err);
    if (rc == DB_ROW)
        *out_version = db_column_i64(s, 0);
    return rc == DB_ROW ? 0 : rc < 0 ? rc : err_say(err, -ENOENT, "no such layer");
}

int layer_db_insert(struct db *db, const struct layer_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "INSERT INTO layer_versions (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                     "?8, ?9, ?10, ?11, ?12)");
    bind_function(s, row->account, row->region, row->name);
    db_bind_i64(s, 4, row->version);
    const struct str texts[] = {row->description, row->license, row->runtimes, row->architectures,
                                row->code_sha256};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        db_bind_text(s, 5 + (int) i, texts[i]);
    db_bind_i64(s, 10, row->code_size);
    db_bind_i64(s, 11, row->unzipped_size);
    db_bind_i64(s, 12, row->created_at_ms);
    return run(s, err);
}

int layer_db_find(struct db *db, struct arena *arena, struct str account, struct str region,
                  struct str name, int64_t version, struct layer_row *out_row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " COLUMNS " FROM layer_versions "
                     "WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4");
    bind_function(s, account, region, name);
    db_bind_i64(s, 4, version);
    int rc = db_step(s, err);
    if (rc == DB_ROW)
        return take_row(s, arena, out_row, err);
    return rc < 0 ? rc : err_say(err, -ENOENT, "no such version of a layer");
}

int layer_db_delete(struct db *db, const struct layer_row *row, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "DELETE FROM layer_versions "
                     "WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4");
    bind_function(s, row->account, row->region, row->name);
    db_bind_i64(s, 4, row->version);
    return run(s, err);
}

/* ---- listings ---- */

static bool lists(struct str list, struct str wanted)
{
    struct str item;
    if (wanted.ptr == NULL)
        return true;
    while (list.len > 0 && str_split(&list, ',', &item))
        if (str_eq(item, wanted))
            return true;
    return false;
}

/* Takes what matches; is_one_each: the first of each name only. */
static int take_rows(struct db_stmt *s, struct arena *arena, const struct layer_filter *filter,
                     bool is_one_each, size_t rows_max, struct layer_row *rows, struct err *err)
{
    size_t count = 0;
    int rc = 0;
    while (count < rows_max && (rc = db_step(s, err)) == DB_ROW) {
        if (!lists(db_column_str(s, 6), filter->runtime) ||
            !lists(db_column_str(s, 7), filter->architecture) ||
            (is_one_each && count > 0 && str_eq(db_column_str(s, 2), rows[count - 1].name)))
            continue;
        rc = take_row(s, arena, &rows[count++], err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : (int) count;
}

int layer_db_list(struct db *db, struct arena *arena, struct str account, struct str region,
                  struct str after, const struct layer_filter *filter, size_t rows_max,
                  struct layer_row *rows, struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT " COLUMNS " FROM layer_versions "
                                               "WHERE account = ?1 AND region = ?2 AND name > ?3 "
                                               "ORDER BY name, version DESC");
    bind_function(s, account, region, after);
    return take_rows(s, arena, filter, true, rows_max, rows, err);
}

int layer_db_list_versions(struct db *db, struct arena *arena, struct str account,
                           struct str region, struct str name, int64_t before,
                           const struct layer_filter *filter, size_t rows_max,
                           struct layer_row *rows, struct err *err)
{
    AUTO_STMT struct db_stmt *s =
        db_query(db, "SELECT " COLUMNS " FROM layer_versions "
                     "WHERE account = ?1 AND region = ?2 AND name = ?3 AND version < ?4 "
                     "ORDER BY version DESC");
    bind_function(s, account, region, name);
    db_bind_i64(s, 4, before);
    return take_rows(s, arena, filter, false, rows_max, rows, err);
}

int layer_db_each_code(struct db *db, void (*fn)(void *arg, struct str code_sha256), void *arg,
                       struct err *err)
{
    AUTO_STMT struct db_stmt *s = db_query(db, "SELECT DISTINCT code_sha256 FROM layer_versions");
    int rc;
    while ((rc = db_step(s, err)) == DB_ROW)
        fn(arg, db_column_str(s, 0));
    return rc;
}
