/* Setting the place up.
 *
 * The spawner keeps root and trusts what it finds below DIR/sandbox, so no directory above that may
 * belong to the unprivileged main process, which could swap it for a link: DIR stays root's, and
 * main owns DIR/data alone. Main reaches that through a bind mount at a fixed path: with a data
 * directory in somebody's home it would have no search permission on the way there. The mount is
 * made before the spawner is forked: it has to find code directories under the paths that main's
 * descriptors of them show (sandbox/root.c).
 *
 * The lock says that a main process is alive. A spawner that outlives a killed one for a moment has
 * a lock of its own, and the new one waits for it. */
#include "app/place.h"

#include "base/str.h"
#include "os/file.h"
#include "os/privilege.h"
#include "os/userns.h"

#include <errno.h>
#include <sys/stat.h>

static int path_join(const char *dir, const char *name, char out_path[PATH_MAX], struct err *err)
{
    int len = snprintf(out_path, PATH_MAX, "%s/%s", dir, name);
    if (len < 0 || len >= PATH_MAX)
        return err_set(err, -ENAMETOOLONG, "'%s/%s'", dir, name);
    return 0;
}

/* A directory of this owner, with nobody else's access. */
static int own_dir(const char *path, uid_t uid, struct err *err)
{
    int rc = dir_make(path, 0700, err);
    if (rc < 0)
        return rc;
    struct stat st;
    if (lstat(path, &st) < 0)
        return err_set(err, -errno, "look at '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, -ENOTDIR, "'%s'", path);
    if ((st.st_uid != uid || st.st_gid != uid) && lchown(path, uid, uid) < 0)
        return err_set(err, -errno, "give '%s' to uid %u", path, uid);
    return 0;
}

const char *place_default(char out_path[PATH_MAX])
{
    const char *home = getenv("HOME"), *data = getenv("XDG_DATA_HOME"); /* XDG base directories */
    int len = -1;
    if (geteuid() != 0 && data != NULL && data[0] == '/')
        len = snprintf(out_path, PATH_MAX, "%s/virga", data);
    else if (geteuid() != 0 && home != NULL && home[0] == '/')
        len = snprintf(out_path, PATH_MAX, "%s/.local/share/virga", home);
    return len < 0 || len >= PATH_MAX ? "/var/lib/virga" : out_path;
}

int place_ids_find(unsigned count, struct place_ids *out_ids, struct err *err)
{
    uint64_t ids = userns_id_count();
    *out_ids = (struct place_ids){
        .main = PLACE_UID, .egress = PLACE_EGRESS_UID, .instances = PLACE_INSTANCE_UID_BASE_LOW};
    if (ids >= (uint64_t) PLACE_INSTANCE_UID_BASE + count)
        out_ids->instances = PLACE_INSTANCE_UID_BASE;
    else if (ids == 1)
        *out_ids = (struct place_ids){.instances = PLACE_INSTANCE_UID_BASE_LOW, .is_one = true};
    else if (ids <= PLACE_EGRESS_UID || PLACE_INSTANCE_UID_BASE_LOW + count > PLACE_UID)
        return err_say(err, -EPERM, "this user namespace has %llu ids, %d are needed",
                       (unsigned long long) ids, USERNS_IDS);
    return 0;
}

static int place_paths(const char *dir, struct place *place, struct err *err)
{
    int rc = dir_make(dir, 0755, err);
    if (rc < 0)
        return rc;
    if (realpath(dir, place->root) == NULL)
        return err_set(err, -errno, "resolve '%s'", dir);
    rc = path_join(place->root, "data", place->data, err);
    return rc < 0 ? rc : path_join(place->root, "sandbox", place->sandbox, err);
}

int place_open(const char *dir, uid_t main_uid, struct place *out_place, struct err *err)
{
    struct place place = {.lock_fd = -1};
    char lock[PATH_MAX];
    int rc = place_paths(dir, &place, err);
    if (rc >= 0)
        rc = path_join(place.root, "lock", lock, err);
    if (rc >= 0)
        rc = file_lock(lock, &place.lock_fd, err);
    if (rc == -EWOULDBLOCK)
        return err_say(err, rc, "another virga serves the data directory '%s'", place.root);
    if (rc >= 0)
        rc = own_dir(place.data, main_uid, err);
    if (rc >= 0)
        rc = own_dir(place.sandbox, 0, err);
    if (rc < 0) {
        cleanup_close(&place.lock_fd);
        return rc;
    }
    *out_place = place;
    return 0;
}

int place_mount(const struct place *place, struct err *err)
{
    return mount_private(place->data, PLACE_DATA, err);
}

int place_drop(uid_t main_uid, struct err *err)
{
    int rc = privilege_drop(main_uid, main_uid, err);
    if (rc < 0)
        return rc;
    if (chdir(PLACE_DATA) < 0) /* Where a core file would go, and no foot on the host's tree. */
        return err_set(err, -errno, "enter %s", PLACE_DATA);
    return 0;
}
