#pragma once
/* The /tmp of sandboxes: limited in bytes and in files, private, empty for every new one.
 * thread: the spawner's only one. */
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One file system of its own, ready to be mounted. */
struct tmp {
    uint64_t bytes;
    int root_fd; /* keeps the file system alive; -1: tmpfs */
    int device;  /* number of its loop device */
};

enum { TMP_PRISTINE_MAX = 4, TMP_HELPERS_MAX = 16 };

struct tmp_store {
    bool is_on_disk;
    const char *mkfs;
    char weakness[160]; /* why it is not, in words; "" when it is */
    int state_fd;       /* the directory that holds the images, which have no names there */
    struct tmp *ready;  /* owned stack of images that are empty */
    unsigned ready_count, ready_max;
    uint64_t usual_bytes; /* size asked for last: what is made in advance */
    struct {
        uint64_t bytes;
        int fd;
    } pristine[TMP_PRISTINE_MAX]; /* a freshly made file system of each size, to copy */
    unsigned pristine_next;
    pid_t helpers[TMP_HELPERS_MAX]; /* processes that let go of used images; 0: none */
};

/* Tries out whether /tmp can be on disk here; if not, store->weakness says why and tmpfs is used.
 * ready_max: greatest number of empty images kept. */
CHECK_RESULT int tmp_store_init(struct tmp_store *store, const char *state_dir, unsigned ready_max,
                                struct err *err);
/* Takes a half-made or zeroed store too. */
void tmp_store_done(struct tmp_store *store);

/* An empty /tmp of at least `bytes`. */
CHECK_RESULT int tmp_take(struct tmp_store *store, uint64_t bytes, struct tmp *out_tmp,
                          struct err *err);
/* Between clone and exec: mounts it. Returns -errno; no heap. */
CHECK_RESULT int tmp_mount(const struct tmp *tmp, const char *target);
/* After the last process that could reach it has ended: empties it for the next or destroys it. */
void tmp_release(struct tmp_store *store, struct tmp *tmp);
