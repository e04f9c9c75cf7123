#pragma once
/* A database for tests of what lies above store/: it defines struct db and the transaction calls of
 * store/db.h over a growing array of numbers, and fails where the test says so. A test links either
 * this or the store. It asserts that calls come in a legal order: a savepoint outside a transaction
 * is a failed test. thread: the actor's. */
#include "store/db.h"

#include <stddef.h>
#include <stdint.h>

struct db *fake_db_new(void);

/* Asked before each call ("begin", "savepoint", "release", "rollback_to", "commit"): 0, or the
 * error to fail with. */
void fake_db_on_call(struct db *db, int (*fn)(void *arg, const char *call), void *arg);

void fake_db_append(struct db *db, uint64_t row); /* inside a savepoint */

/* What is committed, in order; valid until the next call. */
const uint64_t *fake_db_rows(const struct db *db, size_t *out_count);
unsigned fake_db_commits(const struct db *db);
/* db_close was called with this db; it frees nothing, so that a test can look at the rows. */
void fake_db_free(struct db *db);
