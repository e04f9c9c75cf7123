/* The yardstick for one hop between processes: a message of SIZE bytes goes over a socketpair to a
 * child and back, both sides blocking, COUNT times. This is the floor for any call into a sandbox.
 *
 *   bench_pair [-n COUNT] [-s SIZE] [-c]
 *     -n  round trips to measure (100000), after a tenth of that to warm up
 *     -s  bytes each way (64, at most 65536)
 *     -c  both processes on one CPU: without it the wake-up across CPUs is measured too
 *
 * Prints JSON: {"round_trips":…,"size":…,"one_cpu":…,"p50_us":…,"p90_us":…,"p99_us":…,"max_us":…}
 */
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE_MAX_BYTES = 65536 };

static char message[SIZE_MAX_BYTES];

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* False at the end of the stream. */
static bool read_all(int fd, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, message + at, size - at);
        if (n < 0)
            fail("read");
        if (n == 0)
            return false;
        at += (size_t) n;
    }
    return true;
}

static void write_all(int fd, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, message + at, size - at);
        if (n < 0)
            fail("write");
        at += (size_t) n;
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
    return x < y ? -1 : x > y;
}

static void stay_on_one_cpu(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    if (sched_setaffinity(0, sizeof one, &one) < 0)
        fail("sched_setaffinity");
}

static void measure(int fd, size_t count, size_t size, bool is_one_cpu)
{
    int64_t *taken_ns = calloc(count, sizeof *taken_ns);
    if (taken_ns == NULL)
        fail("calloc");
    for (size_t i = 0; i < count + count / 10; i++) {
        int64_t start_ns = now_ns();
        write_all(fd, size);
        if (!read_all(fd, size))
            fail("the child has left");
        if (i >= count / 10)
            taken_ns[i - count / 10] = now_ns() - start_ns;
    }
    qsort(taken_ns, count, sizeof *taken_ns, compare);
#define US(rank) ((double) taken_ns[rank] / 1000)
    printf("{\"round_trips\":%zu,\"size\":%zu,\"one_cpu\":%s,\"p50_us\":%.1f,\"p90_us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           count, size, is_one_cpu ? "true" : "false", US(count / 2), US(count * 9 / 10),
           US(count * 99 / 100), US(count - 1));
    free(taken_ns);
}

int main(int argc, char **argv)
{
    size_t count = 100000, size = 64;
    bool is_one_cpu = false;
    for (int option; (option = getopt(argc, argv, "n:s:c")) != -1;) {
        switch (option) {
        case 'n': count = strtoul(optarg, NULL, 10); break;
        case 's': size = strtoul(optarg, NULL, 10); break;
        case 'c': is_one_cpu = true; break;
        default: fprintf(stderr, "usage: %s [-n COUNT] [-s SIZE] [-c]\n", argv[0]); return 2;
        }
    }
    if (count == 0 || size == 0 || size > SIZE_MAX_BYTES) {
        fprintf(stderr, "%s: COUNT and SIZE must be positive, SIZE at most 65536\n", argv[0]);
        return 2;
    }
    if (is_one_cpu)
        stay_on_one_cpu();
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        fail("socketpair");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        close(fds[0]);
        while (read_all(fds[1], size))
            write_all(fds[1], size);
        return 0;
    }
    close(fds[1]);
    measure(fds[0], count, size, is_one_cpu);
    close(fds[0]);
    return waitpid(child, NULL, 0) == child ? 0 : 1;
}
