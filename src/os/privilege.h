#pragma once
/* What a server does with the privilege it was started with: use it for a few things, then give it
 * up for good. Main thread, before any other thread exists. errors: -errno, err says which step. */
#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Raises the soft limit of open files to the hard one; *out_limit is what now holds. */
CHECK_RESULT int files_limit_raise(unsigned long *out_limit, struct err *err);

/* uid 0 with the right to mount. Root of a container often lacks that. */
bool privilege_is_root(void);

/* In a mount namespace of this process alone: makes the directory `from` appear at `to` (made when
 * missing), so that it can be reached without search permission on the directories above `from`.
 * Needs root. */
CHECK_RESULT int mount_private(const char *from, const char *to, struct err *err);

/* Becomes uid and gid without supplementary groups, capabilities (bounding set included) or any way
 * to gain them (no_new_privs), and cannot be traced or dumped. Needs root; there is no way back.
 * uid 0, in a user namespace that has nobody else: stays it, with the groups it has, and loses the
 * rest. */
CHECK_RESULT int privilege_drop(uid_t uid, gid_t gid, struct err *err);
