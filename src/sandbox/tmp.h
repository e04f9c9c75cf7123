#pragma once
/* The /tmp of sandboxes: limited in bytes and inodes, private, empty for every new one. */
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct tmp_store {
    const char *weakness; /* what is less than it should be on this host, or NULL; static */
};

struct tmp {
    uint64_t bytes;
};

CHECK_RESULT int tmp_store_init(struct tmp_store *store, const char *state_dir, struct err *err);
void tmp_store_done(struct tmp_store *store);

CHECK_RESULT int tmp_take(struct tmp_store *store, uint64_t bytes, struct tmp *out_tmp,
                          struct err *err);
/* Between clone and exec: mounts it. Returns -errno; no heap. */
CHECK_RESULT int tmp_mount(const struct tmp *tmp, const char *target);
/* After the sandbox has ended. False: still being emptied, ask again. */
bool tmp_release(struct tmp_store *store, struct tmp *tmp);
