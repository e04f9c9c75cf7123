/* CPU time of the whole machine, from /proc/uptime: "seconds-up seconds-idle", two decimals each,
 * the second summed over all CPUs. It is the smallest of the files that say so. */
#include "os/cpu.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

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

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 32;
}

/* Of CPUID leaf 1, EBX names the very processor that runs this: left out, as is the size of the
 * state that happens to be enabled (leaf 13, EBX). */
uint64_t cpu_features(void)
{
    uint64_t hash = mix(mix(1, getauxval(AT_HWCAP)), getauxval(AT_HWCAP2));
#ifdef __x86_64__
    static const struct {
        unsigned leaf, sub;
        bool has_ebx;
    } leaves[] = {{0, 0, true},  {1, 0, false},          {7, 0, true},
                  {7, 1, true},  {13, 0, false},         {13, 1, false},
                  {25, 0, true}, {0x80000001, 0, false}, {0x80000008, 0, false}};
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        unsigned a = 0, b = 0, c = 0, d = 0;
        (void) __get_cpuid_count(leaves[i].leaf, leaves[i].sub, &a, &b, &c, &d);
        hash = mix(mix(mix(hash, a), leaves[i].has_ebx ? b : 0), (uint64_t) c << 32 | d);
    }
#endif
    return hash;
}
