#pragma once
/* Blobs: immutable files named by their SHA-256 below a directory. Written to a temporary name,
 * synced, renamed; the row that names one commits after; orphans are collected at start.
 * thread: workers and actors, never loops. */
#include "base/err.h"
#include "base/str.h"

struct blobs;

enum { BLOB_NAME_SIZE = 65 }; /* 64 hex digits and a NUL */

/* Makes dir if need be; removes what a crash left unfinished. One process has dir open. */
CHECK_RESULT int blobs_open(const char *dir, struct blobs **out_blobs, struct err *err);
void blobs_close(struct blobs *blobs);
/* Stores bytes durably; the name (hex SHA-256) goes to out_name. Storing twice is fine. */
CHECK_RESULT int blobs_put(struct blobs *blobs, struct str bytes, char out_name[BLOB_NAME_SIZE],
                           struct err *err);
/* The same for what fd reads until its end; over limit_bytes: -EFBIG and nothing is stored. */
CHECK_RESULT int blobs_put_file(struct blobs *blobs, int fd, uint64_t limit_bytes,
                                char out_name[BLOB_NAME_SIZE], uint64_t *out_size_bytes,
                                struct err *err);
/* Opens for reading; -ENOENT, -EINVAL not a name of a blob. */
CHECK_RESULT int blobs_get(struct blobs *blobs, const char *name, int *out_fd, struct err *err);
/* -ENOENT, -EINVAL. Not synced: a blob that a power cut brings back is an orphan. */
CHECK_RESULT int blobs_remove(struct blobs *blobs, const char *name, struct err *err);
/* Calls fn for each stored name; fn returns false to have the blob removed. A blob that is being
 * put has no row yet: sweep while nobody puts, at start. */
CHECK_RESULT int blobs_sweep(struct blobs *blobs, bool (*fn)(void *arg, const char *name),
                             void *arg, struct err *err);
