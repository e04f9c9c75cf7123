#pragma once
/* Images of snapshots that outlive the server: a directory of files, each under a name that says
 * what the image depends on. A file is an image and its seal (restorer/image.h), which the restorer
 * checks before the first copy after a start of the server.
 *
 * An image is a tenant's data: nothing here looks into one. */
#include "base/err.h"
#include "base/str.h"
#include "os/random.h"

#include <stdbool.h>

struct kept;
struct exec;

/* 64 digits of what it depends on, ".", 16 of its own. */
enum { KEPT_NAME_SIZE = 64 + 1 + 16 + 1 };

struct kept_image {
    int fd; /* for reading only; the receiver's */
    uint64_t size_bytes;
    int64_t used_utc_ms; /* the last time that it was used, or made */
    char name[KEPT_NAME_SIZE];
};

/* Looks what an existing directory holds. build: differs where images of another build of Virga
 * cannot be used. thread: main, before the loops run, as for find and sweep. */
CHECK_RESULT int kept_new(const char *dir, uint64_t build, struct kept **out_kept, struct err *err);
void kept_free(struct kept *kept); /* NULL is fine */

/* A name nobody had for an image that depends on what `what` says, byte by byte, on the build, on
 * this kernel and processor and on what is installed. thread: any. */
void kept_name(const struct kept *kept, struct str what, struct rng *rng, char out[KEPT_NAME_SIZE]);

/* The image of a former run that depends on the same; false: none. Found once, it stays until
 * kept_remove. */
bool kept_find(struct kept *kept, struct str what, struct kept_image *out);
/* Whatever was not found has no use any more; removed by a worker. */
void kept_sweep(struct kept *kept, struct exec *workers);

/* Behind the whole image, size_bytes long, whose image_hash is `hash`. thread: a worker, as for
 * link and remove. */
CHECK_RESULT int kept_seal(int fd, uint64_t size_bytes, uint64_t hash, struct err *err);
/* Gives the sealed file, which has no name so far, its name. A crash leaves all of it or nothing.
 */
CHECK_RESULT int kept_link(const struct kept *kept, int fd, const char *name, struct err *err);
void kept_remove(const struct kept *kept, const char *name);
/* For the next start: when it was used. thread: main, after the loops. */
void kept_note_use(int fd, int64_t utc_ms);
