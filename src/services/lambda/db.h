#pragma once
/* The table of functions: a row for each version. Rows are values: their strings lie in the arena
 * given. thread: the actor's. errors: -ENOENT no such function, -EEXIST it is there, others of
 * store/db.h. */
#include "base/arena.h"
#include "base/err.h"

struct db;

struct lambda_row {
    struct str account, region, name; /* the key, with: */
    int64_t version;                  /* 1, 2, 3 …; 0: $LATEST */
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
    int64_t reserved;           /* concurrency; -1: none; the same in all versions */
    struct str source_revision; /* of a version: $LATEST's revision_id when it was published */
    int64_t last_version;       /* of $LATEST: the number that was given last; 0: none yet */
    bool is_snap_start;
};

typedef int (*lambda_row_fn)(void *arg, const struct lambda_row *row, struct err *err);

struct lambda_usage {
    int64_t functions, code_bytes, reserved; /* code_bytes: with the layers of the account */
};

CHECK_RESULT int lambda_db_open(const char *path, bool is_in_memory, struct db **out_db,
                                struct err *err);

CHECK_RESULT int lambda_db_find(struct db *db, struct arena *arena, struct str account,
                                struct str region, struct str name, int64_t version,
                                struct lambda_row *out_row, struct err *err);
CHECK_RESULT int lambda_db_insert(struct db *db, const struct lambda_row *row, struct err *err);
CHECK_RESULT int lambda_db_update(struct db *db, const struct lambda_row *row, struct err *err);
/* Of all versions of the row's function. */
CHECK_RESULT int lambda_db_reserve(struct db *db, const struct lambda_row *row, int64_t reserved,
                                   struct err *err);
/* All versions. */
CHECK_RESULT int lambda_db_delete(struct db *db, struct str account, struct str region,
                                  struct str name, struct err *err);
/* The number of the last version of a function that goes, for who makes one of its name anew: AWS
 * never uses a number twice. 0: there was none. */
CHECK_RESULT int lambda_db_keep_number(struct db *db, const struct lambda_row *latest,
                                       struct err *err);
CHECK_RESULT int lambda_db_kept_number(struct db *db, struct str account, struct str region,
                                       struct str name, int64_t *out_version, struct err *err);
/* This one; it may be gone already. */
CHECK_RESULT int lambda_db_delete_version(struct db *db, const struct lambda_row *row,
                                          struct err *err);

/* $LATEST of the functions with name > after (empty: from the first) in the order of names, at most
 * rows_max of them into rows; returns their number. */
CHECK_RESULT int lambda_db_list(struct db *db, struct arena *arena, struct str account,
                                struct str region, struct str after, size_t rows_max,
                                struct lambda_row *rows, struct err *err);
/* The same with all versions, from behind (after, after_version). */
CHECK_RESULT int lambda_db_list_all(struct db *db, struct arena *arena, struct str account,
                                    struct str region, struct str after, int64_t after_version,
                                    size_t rows_max, struct lambda_row *rows, struct err *err);
/* The versions > after of the row's function (-1: with $LATEST), ascending. */
CHECK_RESULT int lambda_db_versions(struct db *db, struct arena *arena,
                                    const struct lambda_row *function, int64_t after,
                                    size_t rows_max, struct lambda_row *rows, struct err *err);
/* Calls fn for every version of every function of all accounts; fn's negative result ends it. The
 * row is valid during the call. */
CHECK_RESULT int lambda_db_each(struct db *db, lambda_row_fn fn, void *arg, struct err *err);
/* The same for the versions of the row's function. */
CHECK_RESULT int lambda_db_each_version(struct db *db, const struct lambda_row *function,
                                        lambda_row_fn fn, void *arg, struct err *err);
/* Sums over the functions of an account and region, without the function `except`. */
CHECK_RESULT int lambda_db_usage(struct db *db, struct str account, struct str region,
                                 struct str except, struct lambda_usage *out, struct err *err);
/* 1: some function or version of a layer uses this code; 0: none. */
CHECK_RESULT int lambda_db_uses_code(struct db *db, struct str code_sha256, struct err *err);
