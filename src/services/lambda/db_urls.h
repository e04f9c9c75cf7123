#pragma once
/* The table of function URLs. thread: the actor's. errors: -ENOENT no such URL, -EEXIST the
 * function has one, others of store/db.h. */
#include "base/arena.h"
#include "base/err.h"

struct db;

/* Lists are joined by newlines; ptr NULL: not given. */
struct url_cors {
    bool is_given, has_credentials, credentials, has_max_age;
    int32_t max_age_s;
    struct str allow_headers, allow_methods, allow_origins, expose_headers;
};

struct url_row {
    struct str account, region, name; /* of the function */
    struct str qualifier;             /* "$LATEST" or an alias; ends the key */
    struct str id;                    /* first label of the host name */
    bool is_iam;
    bool is_streamed; /* InvokeMode RESPONSE_STREAM */
    struct url_cors cors;
    int64_t created_at_ms, modified_at_ms;
};

/* By the key of the row. Strings lie in the arena. */
CHECK_RESULT int url_db_find(struct db *db, struct arena *arena, const struct url_row *key,
                             struct url_row *out_row, struct err *err);
/* The URLs of a function with qualifiers > after's (empty: from the first); returns their number.
 */
CHECK_RESULT int url_db_list(struct db *db, struct arena *arena, const struct url_row *after,
                             size_t rows_max, struct url_row *rows, struct err *err);
CHECK_RESULT int url_db_insert(struct db *db, const struct url_row *row, struct err *err);
CHECK_RESULT int url_db_update(struct db *db, const struct url_row *row, struct err *err);
CHECK_RESULT int url_db_delete(struct db *db, const struct url_row *key, struct err *err);
/* Calls fn for the URLs of all accounts. The row is valid during the call. */
CHECK_RESULT int url_db_each(struct db *db, void (*fn)(void *arg, const struct url_row *row),
                             void *arg, struct err *err);
