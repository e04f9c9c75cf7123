/* /tmp on tmpfs: the form that works everywhere. Its pages are charged to the sandbox's memory. */
#include "sandbox/tmp.h"

#include "base/str.h"

#include <errno.h>
#include <sys/mount.h>

enum { BYTES_PER_INODE = 16384 };

int tmp_store_init(struct tmp_store *store, const char *state_dir, struct err *err)
{
    (void) state_dir;
    (void) err;
    *store = (struct tmp_store){.weakness = "/tmp is kept in memory"};
    return 0;
}

void tmp_store_done(struct tmp_store *store)
{
    (void) store;
}

int tmp_take(struct tmp_store *store, uint64_t bytes, struct tmp *out_tmp, struct err *err)
{
    (void) store;
    (void) err;
    *out_tmp = (struct tmp){.bytes = bytes};
    return 0;
}

int tmp_mount(const struct tmp *tmp, const char *target)
{
    char options[96];
    (void) snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu,mode=1777",
                    (unsigned long long) tmp->bytes,
                    (unsigned long long) (tmp->bytes / BYTES_PER_INODE));
    return mount("tmp", target, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ? -errno : 0;
}

bool tmp_release(struct tmp_store *store, struct tmp *tmp)
{
    (void) store;
    (void) tmp;
    return true; /* It went with the mount namespace. */
}
