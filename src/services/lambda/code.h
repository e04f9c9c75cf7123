#pragma once
/* Unpacked code on disk, shared by the functions that have the same package.
 *
 * A struct code is one directory. It is counted: the table of codes holds one reference as long as
 * a row of the database names the package, every published specification holds another (and with
 * it each instance that runs it). The directory goes when the last one does, so no instance ever
 * sees its files vanish.
 *
 * thread: code_package_* workers; code_store_* the actor (or main at start); struct code any. */
#include "base/buf.h"
#include "core/op.h"
#include "core/snapshot.h"
#include "store/blob.h"

enum {
    CODE_SHA_SIZE = 65,  /* hex SHA-256 and a NUL */
    CODE_NAME_SIZE = 96, /* <sha256>-<random> */
    CODE_ENTRIES_MAX = 100000,
    EXTENSION_NAMES_MAX = 4096, /* bytes, of one package */
};

/* A package that has been unpacked, but belongs to no function yet. */
struct code_package {
    char sha256[CODE_SHA_SIZE];
    char name[CODE_NAME_SIZE]; /* of the directory; "": nothing */
    int fd;                    /* owned while name is set */
    uint64_t unzipped;         /* bytes of its files */
};

struct code {
    struct snapshot snapshot; /* first */
    struct str sha256;        /* views sha256_text */
    char sha256_text[CODE_SHA_SIZE];
    char name[CODE_NAME_SIZE];
    int fd;                /* owned, O_PATH */
    bool has_bootstrap;    /* a file of this name at the top: the program of a custom runtime */
    struct buf extensions; /* names of the files in its folder "extensions", each with its NUL */

    /* code.c's own. */
    struct code_home *home; /* counted */
    bool is_named;          /* at start: a row names it */
    bool is_garbage;        /* set by the actor before it drops its reference */
    struct task removal;
};

struct code_store;

/* dir: made if need be; what a crash left unfinished is removed, the rest awaits
 * code_store_restore. workers: where directories are removed. */
CHECK_RESULT int code_store_open(const char *dir, struct exec *workers, struct rng *rng,
                                 struct blobs *blobs, struct code_store **out_store,
                                 struct err *err);
/* After the actor and the loops stopped; the workers must still run what is posted. */
void code_store_close(struct code_store *store);

/* Unpacks zip and stores it as a blob, both durably.
 * errors: -EINVAL, -EFBIG, -E2BIG of tree_unpack, -ENODATA empty; others are ours. */
CHECK_RESULT int code_package_make(struct code_store *store, struct str zip,
                                   struct code_package *out_package, struct err *err);
/* The blob may have gone since (its last function was deleted): puts it back. */
CHECK_RESULT int code_package_ensure(struct code_store *store, const struct code_package *package,
                                     struct str zip, struct err *err);
/* Removes the directory. */
void code_package_drop(struct code_store *store, struct code_package *package);

/* The code of that package, borrowed, or NULL. */
struct code *code_store_find(struct code_store *store, struct str sha256);
/* The same, after giving it the package's directory if there is none yet, else removing that. */
struct code *code_store_adopt(struct code_store *store, struct code_package *package);
/* At start, for each row: finds the directory, or unpacks the blob again. -ENOENT: both are lost.
 */
CHECK_RESULT int code_store_restore(struct code_store *store, struct str sha256,
                                    struct code **out_code, struct err *err);
/* No function names the package any more: its blob goes now, the directory with the last user. */
void code_store_release(struct code_store *store, struct str sha256);
/* At start, after all were restored: removes directories and blobs that nobody named. */
CHECK_RESULT int code_store_sweep(struct code_store *store, struct err *err);
