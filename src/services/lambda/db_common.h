#pragma once
/* What the SQL files of the lambda service share. */
#include "base/arena.h"
#include "store/db.h"

#include <errno.h>

extern const struct db_migration lambda_migrations[];
extern const size_t lambda_migration_count;

/* Rows of one function: its key is bound by bind_function. */
#define WHERE_FUNCTION " WHERE account = ?1 AND region = ?2 AND name = ?3"

static inline void bind_function(struct db_stmt *s, struct str account, struct str region,
                                 struct str name)
{
    db_bind_blob(s, 1, account);
    db_bind_blob(s, 2, region);
    db_bind_blob(s, 3, name);
}

/* NULL where nothing was said. */
static inline void bind_optional(struct db_stmt *s, int at, bool has, int64_t value)
{
    if (has)
        db_bind_i64(s, at, value);
    else
        db_bind_null(s, at);
}

static inline int32_t take_optional(struct db_stmt *s, int at, bool *out_has)
{
    *out_has = !db_column_is_null(s, at);
    return *out_has ? (int32_t) db_column_i64(s, at) : 0;
}

/* Copies column `at`; NULL stays NULL. False: the arena is full. */
static inline bool take_text(struct db_stmt *s, int at, struct arena *arena, struct str *out)
{
    struct str text = db_column_str(s, at);
    *out = text.ptr == NULL ? STR_NONE : arena_str(arena, text);
    return text.ptr == NULL || out->ptr != NULL;
}

/* For statements that change one row or none. */
static inline int run(struct db_stmt *s, struct err *err)
{
    int rc = db_run(s, err);
    return rc < 0 ? rc : 0;
}

/* For statements that must find their row. */
static inline int run_found(struct db_stmt *s, const char *missing, struct err *err)
{
    int rc = db_run(s, err);
    return rc == 0 ? err_say(err, -ENOENT, "%s", missing) : rc < 0 ? rc : 0;
}
