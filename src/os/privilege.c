/* Giving privilege up.
 *
 * Order of privilege_drop: the bounding set while we may still change it (it would be the ceiling
 * of what an exec could gain), groups before the user (a plain user may not change them), real,
 * effective and saved ids together, which empties the permitted, effective and ambient sets
 * (capabilities(7), "Effect of user ID changes"), then no_new_privs, and last the dumpable flag,
 * because changing ids resets it: nobody else of this uid may read our memory or descriptors.
 * The result is checked by looking, not by trusting: a setuid that half worked is a disaster.
 *
 * The private mount: /run/virga is a tmpfs of our own namespace, the data directory is bound below
 * it. Nothing but an empty directory is left on the host. Mount events still arrive from the host
 * (MS_SLAVE), so that it can unmount its volumes while we run; none goes back. Programs may be run
 * from there: functions' code lies there, and a sandbox's view of it inherits the flags. */
#include "os/privilege.h"

#include "base/str.h"
#include "os/file.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int files_limit_raise(unsigned long *out_limit, struct err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return err_set(err, -errno, "read the limit of open files");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return err_set(err, -errno, "raise the limit of open files");
    *out_limit = limit.rlim_cur;
    return 0;
}

bool privilege_is_root(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {0};
    return geteuid() == 0 && syscall(SYS_capget, &header, caps) == 0 &&
           (caps[0].effective & UINT32_C(1) << CAP_SYS_ADMIN) != 0;
}

/* The directory above path goes to out_parent. */
static int parent_of(const char *path, char out_parent[PATH_MAX], struct err *err)
{
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || slash == path || strlen(path) >= PATH_MAX)
        return err_say(err, -EINVAL, "'%s' is no absolute path with a parent", path);
    memcpy(out_parent, path, (size_t) (slash - path));
    out_parent[slash - path] = '\0';
    return 0;
}

/* The directory to mount on. Root of a user namespace may not make it where it belongs to the
 * host's root: then a tmpfs of our own hides the one above. */
static int point_make(const char *path, struct err *err)
{
    int rc = dir_make(path, 0755, err);
    if (rc != -EACCES && rc != -EPERM)
        return rc;
    char above[PATH_MAX];
    rc = parent_of(path, above, err);
    if (rc < 0)
        return rc;
    if (mount("virga", above, "tmpfs", MS_NODEV | MS_NOEXEC | MS_NOSUID, "mode=755,size=64k") < 0)
        return err_set(err, -errno, "mount a tmpfs at %s", above);
    return dir_make(path, 0755, err);
}

int mount_private(const char *from, const char *to, struct err *err)
{
    char parent[PATH_MAX];
    int rc = parent_of(to, parent, err);
    if (rc < 0)
        return rc;
    if (unshare(CLONE_NEWNS) < 0)
        return err_set(err, -errno, "make a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_set(err, -errno, "detach the mount namespace");
    rc = point_make(parent, err);
    if (rc < 0)
        return rc;
    if (mount("virga", parent, "tmpfs", MS_NODEV | MS_NOEXEC | MS_NOSUID, "mode=755,size=64k") < 0)
        return err_set(err, -errno, "mount a tmpfs at %s", parent);
    if (mkdir(to, 0755) < 0)
        return err_set(err, -errno, "make %s", to);
    if (mount(from, to, NULL, MS_BIND, NULL) < 0)
        return err_set(err, -errno, "bind %s to %s", from, to);
    if (mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_NODEV | MS_NOSUID, NULL) < 0)
        return err_set(err, -errno, "restrict the mount of %s", to);
    return 0;
}

static int bounding_set_clear(struct err *err)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0UL, 0UL, 0UL) >= 0; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0UL, 0UL, 0UL) < 0)
            return err_set(err, -errno, "drop capability %lu from the bounding set", cap);
    }
    return 0;
}

static int check_powerless(uid_t uid, struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, caps) < 0)
        return err_set(err, -errno, "read the capabilities");
    for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
        if ((caps[i].effective | caps[i].permitted | caps[i].inheritable) != 0)
            return err_say(err, -EPERM, "capabilities are left after becoming uid %u", uid);
    }
    uid_t real, effective, saved;
    if (getresuid(&real, &effective, &saved) < 0)
        return err_set(err, -errno, "read the user ids");
    if (real != uid || effective != uid || saved != uid || (uid != 0 && setuid(0) == 0))
        return err_say(err, -EPERM, "uid %u did not stick", uid);
    return 0;
}

/* An inheritable set given by whoever started us survives the change of ids. */
static int inheritable_clear(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capset, &header, none) < 0)
        return err_set(err, -errno, "clear the capabilities");
    return 0;
}

int privilege_drop(uid_t uid, gid_t gid, struct err *err)
{
    int rc = bounding_set_clear(err);
    if (rc < 0)
        return rc;
    if (uid != 0 && setgroups(0, NULL) < 0)
        return err_set(err, -errno, "leave the supplementary groups");
    if (setresgid(gid, gid, gid) < 0)
        return err_set(err, -errno, "become gid %u", gid);
    if (setresuid(uid, uid, uid) < 0)
        return err_set(err, -errno, "become uid %u", uid);
    rc = inheritable_clear(err);
    if (rc < 0)
        return rc;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
        return err_set(err, -errno, "set no_new_privs");
    if (prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) < 0)
        return err_set(err, -errno, "clear the dumpable flag");
    return check_powerless(uid, err);
}
