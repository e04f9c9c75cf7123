#pragma once
/* What one thread knows and others want to read: small values under keys, copied in and out under a
 * lock that is held for no longer than that. thread: any. */
#include "base/str.h"

#include <stddef.h>

struct board;

struct board *board_new(size_t value_size);
void board_free(struct board *board); /* NULL is fine */

/* Copies key and value. */
void board_put(struct board *board, struct str key, const void *value);
void board_remove(struct board *board, struct str key);
bool board_get(struct board *board, struct str key, void *out_value);
/* fn sees each entry while the board is locked: it copies, and calls nothing of the board. */
void board_each(struct board *board, void (*fn)(void *arg, struct str key, const void *value),
                void *arg);
