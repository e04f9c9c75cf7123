/* Removing a directory tree that somebody else filled.
 *
 * Functions write into directories that we remove afterwards, so the tree is hostile: symbolic
 * links that lead out of it, nesting of any depth, entries that change while we look. Therefore
 *
 *  - every step is relative to an open directory and opens with O_NOFOLLOW: a link is unlinked,
 *    never followed, also when it takes a directory's place between two of our calls;
 *  - depth costs neither stack nor descriptors without bound: a directory more than DEPTH_MAX
 *    below the top is renamed into the top directory and met again there;
 *  - a directory is read again as long as a pass over it made progress (readdir may miss entries
 *    while others are removed), and what cannot be removed is left, the first error reported. */
#include "os/file.h"

#include "base/assert.h"
#include "os/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 32 };

struct removal {
    int top_fd;
    struct err *err;
    int rc; /* first failure, or 0 */
};

static void removal_failed(struct removal *r, int code, const char *what, const char *name)
{
    if (r->rc == 0)
        r->rc = err_set(r->err, code, "%s '%s'", what, name);
}

/* Moves a directory that lies too deep up into the top directory. */
static bool move_up(struct removal *r, int dir_fd, const char *name)
{
    char fresh[40];
    (void) snprintf(fresh, sizeof fresh, "removed-%016llx",
                    (unsigned long long) rng_u64(&rng_real));
    if (renameat(dir_fd, name, r->top_fd, fresh) == 0)
        return true;
    removal_failed(r, -errno, "move up", name);
    return false;
}

static void remove_children(struct removal *r, int fd, unsigned depth);

/* Removes one entry; true when it is gone from dir_fd. */
static bool remove_entry(struct removal *r, int dir_fd, const char *name, unsigned depth)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR) { /* Linux's answer for a directory; POSIX says EPERM */
        removal_failed(r, -errno, "remove", name);
        return false;
    }
    if (depth >= DEPTH_MAX)
        return move_up(r, dir_fd, name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        removal_failed(r, -errno, "open directory", name);
        return false;
    }
    remove_children(r, fd, depth + 1);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    removal_failed(r, -errno, "remove directory", name);
    return false;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Takes fd. */
static void remove_children(struct removal *r, int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        removal_failed(r, -errno, "read directory", "");
        (void) close(fd);
        return;
    }
    for (bool is_progress = true; is_progress;) {
        is_progress = false;
        rewinddir(dir);
        for (struct dirent *entry; (errno = 0, entry = readdir(dir)) != NULL;)
            if (!is_dot(entry->d_name) && remove_entry(r, fd, entry->d_name, depth))
                is_progress = true;
        if (errno != 0)
            removal_failed(r, -errno, "read directory", "");
    }
    (void) closedir(dir); /* Only reading was done. */
}

int dir_remove(int dir_fd, const char *path, struct err *err)
{
    AUTO_CLOSE int top_fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top_fd < 0) {
        if (errno == ENOENT || ((errno == ENOTDIR || errno == ELOOP) &&
                                (unlinkat(dir_fd, path, 0) == 0 || errno == ENOENT)))
            return 0;
        return err_set(err, -errno, "remove '%s'", path);
    }
    struct removal r = {.top_fd = top_fd, .err = err};
    int walk_fd = fcntl(top_fd, F_DUPFD_CLOEXEC, 0);
    if (walk_fd < 0)
        return err_set(err, -errno, "remove '%s'", path);
    remove_children(&r, walk_fd, 0);
    if (unlinkat(dir_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
        removal_failed(&r, -errno, "remove directory", path);
    return r.rc;
}
