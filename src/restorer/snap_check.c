/* May this process be copied? What lives outside its memory cannot be: other threads, children,
 * connections and most open descriptors, timers, files in /tmp. (A file that is the same in every
 * sandbox of the function is opened anew by each copy.) The first of them that is found is
 * the reason that the function's owner reads, so it says what to look for.
 *
 * Shared mappings and the like are found while the mappings are read (snap_maps.c). */
#include "restorer/snap_int.h"
#include "restorer/sys.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { P_ALL_IDS = 0, WAIT_FLAGS = 1 | 4 | 0x01000000 /* WNOHANG | WEXITED | WNOWAIT */ };
enum { NO_CHILD = -10, DIRENT_BYTES = 4096 };

struct kernel_dirent {
    uint64_t ino, offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

static int refuse(char reason[SNAP_REASON_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(char reason[SNAP_REASON_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void) vsnprintf(reason, SNAP_REASON_MAX, format, args);
    va_end(args);
    return SNAP_REFUSED;
}

/* Calls `each` for the entries of a directory until it answers other than 0. */
static int list(const char *path, int (*each)(long dir, const char *name, void *arg), void *arg)
{
    static _Alignas(8) char bytes[DIRENT_BYTES];
    long dir = sys3(__NR_open, (long) path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0)
        return SNAP_REFUSED;
    int rc = 0;
    for (long n; rc == 0 && (n = sys3(__NR_getdents64, dir, (long) bytes, sizeof bytes)) != 0;) {
        if (n < 0)
            rc = SNAP_REFUSED;
        for (long at = 0; rc == 0 && at < n;) {
            const struct kernel_dirent *entry = (const void *) (bytes + at);
            at += entry->size;
            if (strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0)
                rc = each(dir, entry->name, arg);
        }
    }
    (void) sys3(__NR_close, dir, 0, 0);
    return rc;
}

static int count_one(long dir, const char *name, void *arg)
{
    (void) dir;
    (void) name;
    return ++*(int *) arg > 1 ? 1 : 0;
}

struct allowed {
    int fd, kept_fd;
    char *reason;
    struct snap_state *state;
};

/* Files that are the same in every sandbox of the function: devices, and what cannot be written. */
static int can_open_anew(long number, const char *path, int flags)
{
    static const char *const read_only[] = {"/usr/", "/etc/", "/opt/", "/var/task/",
                                            "/var/runtime/"};
    struct stat st;
    if (fstat((int) number, &st) < 0 || strstr(path, " (deleted)") != NULL)
        return 0;
    if (S_ISCHR(st.st_mode))
        return strncmp(path, "/dev/", 5) == 0;
    if (!S_ISREG(st.st_mode) || (flags & O_ACCMODE) != O_RDONLY)
        return 0;
    for (size_t i = 0; i < sizeof read_only / sizeof read_only[0]; i++)
        if (strncmp(path, read_only[i], strlen(read_only[i])) == 0)
            return 1;
    return 0;
}

static int check_fd(long dir, const char *name, void *arg)
{
    struct allowed *allowed = arg;
    long number = strtol(name, NULL, 10);
    if (number <= 2 || number == dir || number == allowed->fd || number == allowed->kept_fd)
        return 0;
    char path[64], target[SNAP_PATH_MAX] = "?";
    (void) snprintf(path, sizeof path, "/proc/self/fd/%ld", number);
    long n = sys3(__NR_readlink, (long) path, (long) target, sizeof target - 1);
    int flags = fcntl((int) number, F_GETFL);
    struct snap_state *state = allowed->state;
    if (n < 0 || n == sizeof target - 1 || state->file_count == SNAP_FILES_MAX ||
        !can_open_anew(number, target, flags))
        return refuse(allowed->reason, "descriptor %ld is open: %.200s", number, target);
    struct snap_file *file = &state->files[state->file_count++];
    file->fd = (int) number;
    file->flags = flags | ((fcntl((int) number, F_GETFD) & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
    file->offset = lseek((int) number, 0, SEEK_CUR);
    (void) snprintf(file->path, sizeof file->path, "%s", target);
    return 0;
}

static int found(long dir, const char *name, void *arg)
{
    (void) dir;
    return refuse(arg, "/tmp is not empty: %s", name);
}

static int check_timers(char reason[SNAP_REASON_MAX])
{
    for (long which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
        struct itimerval timer;
        if (sys3(__NR_getitimer, which, (long) &timer, 0) < 0 || timer.it_value.tv_sec != 0 ||
            timer.it_value.tv_usec != 0)
            return refuse(reason, "a timer is set");
    }
    long fd = sys3(__NR_open, (long) "/proc/self/timers", O_RDONLY | O_CLOEXEC, 0);
    char byte;
    long n = fd < 0 ? 0 : sys3(__NR_read, fd, (long) &byte, 1); /* a kernel may lack the file */
    if (fd >= 0)
        (void) sys3(__NR_close, fd, 0, 0);
    return n > 0 ? refuse(reason, "a POSIX timer exists") : 0;
}

int snap_check(int fd, int kept_fd, struct snap_state *state, char reason[SNAP_REASON_MAX])
{
    int threads = 0;
    if (list("/proc/self/task", count_one, &threads) < 0)
        return refuse(reason, "threads cannot be counted");
    if (threads != 1)
        return refuse(reason, "more than one thread runs");
    char info[128];
    if (sys6(__NR_waitid, P_ALL_IDS, 0, (long) info, WAIT_FLAGS, 0, 0) != NO_CHILD)
        return refuse(reason, "a child process exists");
    struct allowed allowed = {fd, kept_fd, reason, state};
    reason[0] = '\0';
    int rc = list("/proc/self/fd", check_fd, &allowed);
    if (rc == 0)
        rc = list("/tmp", found, reason);
    if (rc < 0 && reason[0] == '\0')
        return refuse(reason, "descriptors or /tmp cannot be listed");
    return rc < 0 ? rc : check_timers(reason);
}
