#pragma once
/* The table of aliases: names for versions. Rows are values: their strings lie in the arena given.
 * thread: the actor's. errors: -ENOENT no such alias, -EEXIST it is there, others of store/db.h. */
#include "base/arena.h"
#include "base/err.h"

struct db;
struct lambda_row;

enum { ALIAS_PPB = 1000000000 };

struct alias_row {
    struct str account, region, name, alias; /* the key; name: of the function */
    struct str revision_id, description;
    int64_t version;       /* 0: $LATEST */
    int64_t other_version; /* gets a part of the calls; 0: there is no other */
    int64_t other_ppb;     /* that part, of ALIAS_PPB */
};

CHECK_RESULT int alias_db_find(struct db *db, struct arena *arena, struct str account,
                               struct str region, struct str name, struct str alias,
                               struct alias_row *out_row, struct err *err);
CHECK_RESULT int alias_db_insert(struct db *db, const struct alias_row *row, struct err *err);
CHECK_RESULT int alias_db_update(struct db *db, const struct alias_row *row, struct err *err);
CHECK_RESULT int alias_db_delete(struct db *db, const struct alias_row *row, struct err *err);
/* All of a function. */
CHECK_RESULT int alias_db_forget(struct db *db, const struct lambda_row *function, struct err *err);

/* Aliases of a function > after, in the order of names; of this version alone (-1: of all). At most
 * rows_max into rows; returns their number. */
CHECK_RESULT int alias_db_list(struct db *db, struct arena *arena,
                               const struct lambda_row *function, struct str after, int64_t version,
                               size_t rows_max, struct alias_row *rows, struct err *err);
/* Calls fn for every alias of all accounts; the row is valid during the call. */
CHECK_RESULT int alias_db_each(struct db *db, void (*fn)(void *arg, const struct alias_row *row),
                               void *arg, struct err *err);
