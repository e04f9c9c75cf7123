/* May this process be copied? What lives outside its memory cannot be: children, connections,
 * timers, files in /tmp. The first of them that is found is the reason that the function's owner
 * reads, so it says what to look for.
 *
 * Threads are judged by snap_threads.c, descriptors by snap_files.c, shared mappings and the like
 * while the mappings are read (snap_maps.c). */
#include "restorer/snap_int.h"
#include "restorer/sys.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

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

int snap_list(const char *path, int (*each)(long dir, const char *name, void *arg), void *arg)
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

int snap_check(char reason[SNAP_REASON_MAX])
{
    char info[128];
    if (sys6(__NR_waitid, P_ALL_IDS, 0, (long) info, WAIT_FLAGS, 0, 0) != NO_CHILD)
        return refuse(reason, "a child process exists");
    reason[0] = '\0';
    int rc = snap_list("/tmp", found, reason);
    if (rc < 0 && reason[0] == '\0')
        return refuse(reason, "/tmp cannot be listed");
    return rc < 0 ? rc : check_timers(reason);
}
