#pragma once
/* The table of functions. Rows are values: their strings lie in the arena given. thread: the
 * actor's. errors: -ENOENT no such function, -EEXIST it is there, others of store/db.h. */
#include "base/arena.h"
#include "base/err.h"

struct db;

struct lambda_row {
    struct str account, region, name; /* the key */
    struct str revision_id;           /* UUID; new with every change */
    struct str runtime, role, handler, description, architecture, tracing_mode;
    struct str log_group;                       /* as given; ptr NULL: the default */
    struct str log_format;                      /* "Text", "JSON"; ptr NULL: Text */
    struct str app_log_level, system_log_level; /* of JSON only, where they are never NULL */
    struct str environment;                     /* JSON object of strings; ptr NULL: never given */
    struct str tags;                            /* JSON object of strings; ptr NULL: none */
    struct str code_sha256;                     /* hex: the blob's name */
    struct str layers;                          /* see db_layers.h; ptr NULL: none */
    int64_t code_size, unzipped_size;
    int32_t timeout_s, memory_mb, tmp_mb;
    int64_t modified_at_ms;
    int64_t reserved; /* concurrency; -1: none */
};

struct lambda_usage {
    int64_t functions, code_bytes, reserved; /* code_bytes: with the layers of the account */
};

CHECK_RESULT int lambda_db_open(const char *path, bool is_in_memory, struct db **out_db,
                                struct err *err);

CHECK_RESULT int lambda_db_find(struct db *db, struct arena *arena, struct str account,
                                struct str region, struct str name, struct lambda_row *out_row,
                                struct err *err);
CHECK_RESULT int lambda_db_insert(struct db *db, const struct lambda_row *row, struct err *err);
CHECK_RESULT int lambda_db_update(struct db *db, const struct lambda_row *row, struct err *err);
CHECK_RESULT int lambda_db_delete(struct db *db, struct str account, struct str region,
                                  struct str name, struct err *err);

/* Rows with name > after (empty: from the first) in the order of names, at most rows_max of them
 * into rows; returns their number. */
CHECK_RESULT int lambda_db_list(struct db *db, struct arena *arena, struct str account,
                                struct str region, struct str after, size_t rows_max,
                                struct lambda_row *rows, struct err *err);
/* Calls fn for every function of all accounts; fn's negative result ends it. The row is valid
 * during the call. */
CHECK_RESULT int lambda_db_each(struct db *db,
                                int (*fn)(void *arg, const struct lambda_row *row, struct err *err),
                                void *arg, struct err *err);
/* Sums over the functions of an account and region, without the function `except`. */
CHECK_RESULT int lambda_db_usage(struct db *db, struct str account, struct str region,
                                 struct str except, struct lambda_usage *out, struct err *err);
/* 1: some function or version of a layer uses this code; 0: none. */
CHECK_RESULT int lambda_db_uses_code(struct db *db, struct str code_sha256, struct err *err);
