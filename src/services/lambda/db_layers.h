#pragma once
/* The tables of layers and their versions, and the list of layers in a function's row. Rows are
 * values: their strings lie in the arena given. thread: the actor's. errors: -ENOENT no such
 * version, others of store/db.h. */
#include "base/arena.h"
#include "base/err.h"

struct db;

enum { LAYERS_MAX = 5 }; /* of a function */

/* One layer of a function, as its row keeps it: the version may be deleted meanwhile, and the
 * function goes on with it. */
struct lambda_layer {
    struct str arn; /* of the version */
    struct str code_sha256;
    int64_t code_size, unzipped_size;
};

/* Text of the row: a line "arn sha256 size unzipped" for each, the lowest first. */
size_t layers_parse(struct str text, struct lambda_layer out[LAYERS_MAX]);
struct str layers_format(struct arena *arena, const struct lambda_layer *layers, size_t count);

struct layer_row {
    struct str account, region, name; /* the key, with version */
    int64_t version;
    struct str description, license;    /* ptr NULL: not given */
    struct str runtimes, architectures; /* with commas between; ptr NULL: not given */
    struct str code_sha256;
    int64_t code_size, unzipped_size, created_at_ms;
};

/* The number of the layer's next version; numbers of deleted versions are not given again. */
CHECK_RESULT int layer_db_next_version(struct db *db, struct str account, struct str region,
                                       struct str name, int64_t *out_version, struct err *err);
CHECK_RESULT int layer_db_insert(struct db *db, const struct layer_row *row, struct err *err);
CHECK_RESULT int layer_db_find(struct db *db, struct arena *arena, struct str account,
                               struct str region, struct str name, int64_t version,
                               struct layer_row *out_row, struct err *err);
CHECK_RESULT int layer_db_delete(struct db *db, const struct layer_row *row, struct err *err);

/* Which versions a listing is of; ptr NULL: any. */
struct layer_filter {
    struct str runtime, architecture;
};
/* The newest matching version of each layer with name > after, by name; at most rows_max into rows.
 * Returns their number. */
CHECK_RESULT int layer_db_list(struct db *db, struct arena *arena, struct str account,
                               struct str region, struct str after,
                               const struct layer_filter *filter, size_t rows_max,
                               struct layer_row *rows, struct err *err);
/* The matching versions of one layer below `before`, newest first. */
CHECK_RESULT int layer_db_list_versions(struct db *db, struct arena *arena, struct str account,
                                        struct str region, struct str name, int64_t before,
                                        const struct layer_filter *filter, size_t rows_max,
                                        struct layer_row *rows, struct err *err);
/* Calls fn for the code of every version of all accounts. */
CHECK_RESULT int layer_db_each_code(struct db *db, void (*fn)(void *arg, struct str code_sha256),
                                    void *arg, struct err *err);
