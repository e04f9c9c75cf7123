#pragma once
/* Where the server lives on the host: the data directory, and the unprivileged user that it
 * becomes.
 *
 *     DIR/            root's
 *     DIR/lock        held while a server runs here
 *     DIR/data/       the main process's; appears to it at PLACE_DATA
 *     DIR/sandbox/    the spawner's (root): files of sandboxes
 */
#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define PLACE_DATA         "/run/virga/data"
#define PLACE_DEFAULT_TEXT "/var/lib/virga (root) or ~/.local/share/virga"

enum {
    /* Who the main process becomes. Out of the range of ordinary users (from 1000) and of what
     * Debian gives to packages (100 to 999), inside what fits a container's 65,536 ids. */
    PLACE_UID = 64566,
    PLACE_EGRESS_UID = 64567, /* the process of src/egress */
    /* Instances: one uid each, from here on. systemd's table of uid ranges calls 1879048192 to
     * 2147483646 unused (systemd.io/UIDS-GIDS). */
    PLACE_INSTANCE_UID_BASE = 1900000000,
    /* The same where only a container's 65,536 ids exist. */
    PLACE_INSTANCE_UID_BASE_LOW = 10000,
};

struct place {
    char root[PATH_MAX], data[PATH_MAX], sandbox[PATH_MAX]; /* absolute */
    int lock_fd;
};

/* Who is who in here. */
struct place_ids {
    uid_t main, egress;
    uid_t instances; /* the first of as many as were asked for */
    bool is_one;     /* nobody exists but 0: main and egress are it, the instances' are made up */
};

/* The data directory of who asks for no other: root's, or below the user's home. */
const char *place_default(char out_path[PATH_MAX]);

/* Chooses among the ids that exist here, for so many instances. -EPERM: too few exist. */
CHECK_RESULT int place_ids_find(unsigned count, struct place_ids *out_ids, struct err *err);

/* Makes and locks the directories. Root, before any thread. -EWOULDBLOCK: another server runs in
 * this directory. */
CHECK_RESULT int place_open(const char *dir, uid_t main_uid, struct place *out_place,
                            struct err *err);

/* Makes the data directory appear at PLACE_DATA, for this process and those forked later. */
CHECK_RESULT int place_mount(const struct place *place, struct err *err);

/* Becomes the main user for good, in PLACE_DATA. Before any thread. */
CHECK_RESULT int place_drop(uid_t main_uid, struct err *err);
