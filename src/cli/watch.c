/* inotify(7), one set of watches per turn:
 *
 *     open  →  the caller packs and sends what is there  →  wait  →  closed, and again
 *
 * Watches are set before the folder is read, so a change while it is read ends the next wait: none
 * is missed, and folders that come and go need no bookkeeping. Editors write in several steps; the
 * wait goes on until QUIET_MS without an event, but not for ever while something keeps writing. */
#include "cli/watch.h"

#include "base/str.h"
#include "cli/pack.h"
#include "os/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum { QUIET_MS = 50, PATIENCE_MS = 500, DEPTH_MAX = 32 };

static const uint32_t changes = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

static int watch_folder(int fd, const char *path, int depth, struct err *err);

static int watch_entry(int fd, const char *path, const struct dirent *entry, int depth,
                       struct err *err)
{
    char below[PATH_MAX];
    struct stat st;
    bool is_dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (is_dots || pack_is_left_out(str_from(entry->d_name)))
        return 0;
    int len = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
    if (len < 0 || (size_t) len >= sizeof below || lstat(below, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0; /* what is gone by now has been an event; a path too long, packing refuses */
    return depth < DEPTH_MAX ? watch_folder(fd, below, depth + 1, err) : 0;
}

static int watch_folder(int fd, const char *path, int depth, struct err *err)
{
    if (inotify_add_watch(fd, path, changes) < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "watch '%s'", path);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT ? 0 : err_set(err, -errno, "open '%s'", path);
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;)
        rc = watch_entry(fd, path, entry, depth, err);
    (void) closedir(dir);
    return rc;
}

/* A file is replaced as often as it is written: its folder is watched. */
static int watch_file(int fd, const char *path, struct err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? snprintf(folder, sizeof folder, ".")
                            : snprintf(folder, sizeof folder, "%.*s", (int) (slash - path), path);
    if (len < 0 || (size_t) len >= sizeof folder)
        return err_set(err, -ENAMETOOLONG, "'%s'", path);
    if (inotify_add_watch(fd, len == 0 ? "/" : folder, changes) < 0)
        return err_set(err, -errno, "watch '%s'", folder);
    return 0;
}

int watch_open(const char *path, int *out_fd, struct err *err)
{
    struct stat st;
    AUTO_CLOSE int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return err_set(err, -errno, "watch files");
    bool is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    int rc = is_folder ? watch_folder(fd, path, 0, err) : watch_file(fd, path, err);
    if (rc < 0)
        return rc;
    *out_fd = take_fd(&fd);
    return 0;
}

/* 1: something happened within timeout_ms (-1: for ever); 0: nothing did. */
static int take_events(int fd, int timeout_ms, struct err *err)
{
    char events[4096];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int rc = poll(&wait, 1, timeout_ms);
    if (rc < 0 && errno != EINTR)
        return err_set(err, -errno, "watch files");
    while (read(fd, events, sizeof events) > 0)
        ; /* what it was does not matter: all is packed again */
    return rc > 0;
}

int watch_wait(int watch_fd, struct err *err)
{
    AUTO_CLOSE int fd = watch_fd;
    int rc;
    while ((rc = take_events(fd, -1, err)) == 0)
        ;
    int64_t until_us = clock_mono_us(&clock_real) + PATIENCE_MS * 1000;
    while (rc > 0 && clock_mono_us(&clock_real) < until_us)
        rc = take_events(fd, QUIET_MS, err);
    return rc < 0 ? rc : 0;
}
