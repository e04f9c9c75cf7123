#pragma once
/* What db.c and db_events.c share. */
#include "services/logs/db.h"
#include "store/db.h"

/* Runs a statement without rows; 0 also when it met none. */
CHECK_RESULT int logs_db_run(struct db_stmt *s, struct err *err);
/* The same for one that must meet a row: -ENOENT "no such <what>". */
CHECK_RESULT int logs_db_run_found(struct db_stmt *s, const char *what, struct err *err);
/* Draws `count` numbers; the last of them is *out_last. */
CHECK_RESULT int logs_db_draw(struct db *db, const char *counter, int64_t count, int64_t *out_last,
                              struct err *err);
