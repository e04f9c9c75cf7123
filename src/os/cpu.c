/* CPU time of the whole machine, from /proc/uptime: "seconds-up seconds-idle", two decimals each,
 * the second summed over all CPUs. It is the smallest of the files that say so. */
#include "os/cpu.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { US_PER_HUNDREDTH = 10000 };

int cpu_idle_open(struct err *err)
{
    int fd = open("/proc/uptime", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "open /proc/uptime") : fd;
}

int64_t cpu_idle_us(int fd)
{
    char text[64];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text, 0);
    if (n <= 0 || text[n - 1] != '\n')
        return -1;
    struct str line = str_of(text, (size_t) n - 1);
    struct str idle = str_skip(line, str_find(line, ' ') + 1);
    size_t dot = str_find(idle, '.');
    uint64_t seconds, hundredths;
    if (parse_u64(str_head(idle, dot), INT64_MAX / 1000000 - 1, &seconds) < 0 ||
        parse_u64(str_skip(idle, dot + 1), 99, &hundredths) < 0)
        return -1;
    return (int64_t) (seconds * 1000000 + hundredths * US_PER_HUNDREDTH);
}

int64_t cpu_thread_us(void)
{
    struct timespec used;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used); /* this clock exists */
    return (int64_t) used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

unsigned cpu_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (unsigned) count;
}
