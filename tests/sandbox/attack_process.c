/* Attacks by and on processes: other processes' memory and signals, bombs of processes and threads,
 * children that stay, priorities and limits. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void trace(char **argv)
{
    (void) argv;
    must_fail("trace init", ptrace(PTRACE_ATTACH, 1, NULL, NULL), EPERM);
    must_fail("seize init", ptrace(PTRACE_SEIZE, 1, NULL, NULL), EPERM);
    must_fail("be traced", ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    must_fail("trace a child", ptrace(PTRACE_ATTACH, child, NULL, NULL), EPERM);
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    must_fail("read a child", process_vm_readv(child, &here, 1, &there, 1, 0), EPERM);
    must_fail("write init", process_vm_writev(1, &here, 1, &there, 1, 0), EPERM);
    must_fail("compare", syscall(SYS_kcmp, getpid(), child, 0, 0, 0), EPERM);
    int pidfd = (int) syscall(SYS_pidfd_open, child, 0);
    must_fail("take a descriptor", syscall(SYS_pidfd_getfd, pidfd, 0, 0), EPERM);
    must_fail("advise", syscall(SYS_process_madvise, pidfd, &here, 1, MADV_PAGEOUT, 0), EPERM);
}

static void init_is_closed(char **argv)
{
    (void) argv;
    static const char *const names[] = {
        "mem",  "maps", "smaps", "environ", "auxv",      "syscall",  "stack",   "io",
        "fd/3", "exe",  "cwd",   "root",    "map_files", "fdinfo/3", "pagemap", "personality"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void) snprintf(path, sizeof path, "/proc/1/%s", names[i]);
        must_fail(path, open(path, O_RDONLY), 0);
    }
}

static void signal_init(char **argv)
{
    (void) argv;
    for (int number = 1; number < NSIG; number++)
        (void) kill(1, number); /* Allowed, and without effect on process 1. */
    must_be("init lives", kill(1, 0) == 0);
    int pidfd = (int) syscall(SYS_pidfd_open, 1, 0);
    (void) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    must_be("init still lives", kill(1, 0) == 0 && getppid() == 1);
    exit(7); /* and still tells how this ended */
}

/* argv[2]: a process of the host. */
static void signal_the_host(char **argv)
{
    pid_t host = (pid_t) strtol(argv[2], NULL, 10);
    must_fail("kill", kill(host, SIGKILL), ESRCH);
    must_fail("tkill", syscall(SYS_tkill, host, SIGKILL), ESRCH);
    must_fail("pidfd_open", syscall(SYS_pidfd_open, host, 0), 0);
    must_fail("kill its group", kill(-host, SIGKILL), ESRCH);
    must_fail("its priority", setpriority(PRIO_PROCESS, (id_t) host, 19), ESRCH);
    must_fail("its limits", prlimit(host, RLIMIT_NOFILE, NULL, NULL), ESRCH);
    must_fail("its affinity", sched_setaffinity(host, 0, NULL), 0);
}

static void kill_all(char **argv)
{
    (void) argv;
    for (int i = 0; i < 8; i++)
        if (fork() == 0)
            for (;;)
                pause();
    must_be("all own children", kill(-1, SIGKILL) == 0);
    for (int i = 0; i < 8; i++) {
        int status = 0;
        must_be("a child died", wait(&status) > 0 && WIFSIGNALED(status));
    }
    must_be("init lives", kill(1, 0) == 0);
}

static void kill_own_group(char **argv)
{
    (void) argv;
    (void) kill(0, SIGKILL);
}

static void *sit(void *arg)
{
    for (;;)
        pause();
    return arg;
}

/* argv[2]: the limit. */
static void thread_bomb(char **argv)
{
    int limit = (int) strtol(argv[2], NULL, 10), threads = 0, rc;
    pthread_attr_t attr;
    (void) pthread_attr_init(&attr);
    (void) pthread_attr_setstacksize(&attr, 65536);
    for (pthread_t thread; (rc = pthread_create(&thread, &attr, sit, NULL)) == 0; threads++)
        must_be("there is a limit", threads < limit);
    must_be("the limit says EAGAIN", rc == EAGAIN);
    must_be("as many as allowed", threads == limit - 1);
}

static void zombie_bomb(char **argv)
{
    int limit = (int) strtol(argv[2], NULL, 10), dead = 0;
    for (pid_t pid; (pid = fork()) >= 0; dead++) {
        if (pid == 0)
            _exit(0);
        must_be("there is a limit", dead < limit);
    }
    must_be("the limit says EAGAIN", errno == EAGAIN);
    int reaped = 0;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
    must_be("and they can be reaped", reaped > 0 && fork() >= 0);
}

/* Orphans are init's to reap: a thousand of them must not use up the limit. */
static void orphans(char **argv)
{
    (void) argv;
    for (int i = 0; i < 1000; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            (void) setsid();
            _exit(fork() < 0 ? 1 : 0);
        }
        int status = 1;
        while (pid < 0) /* Init is a moment behind. */
            pid = errno == EAGAIN ? (sched_yield(), 0) : -1;
        must_be("forked", pid == 0 || (waitpid(pid, &status, 0) == pid && status == 0) ||
                              WEXITSTATUS(status) == 1);
    }
}

/* The program ends well, its children ignore everything and hold the log open. */
static void leave_children(char **argv)
{
    (void) argv;
    for (int i = 0; i < 16; i++)
        if (fork() == 0) {
            (void) setsid();
            for (int number = 1; number < NSIG; number++)
                (void) sigaction(number, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
            for (;;)
                pause();
        }
}

static void priorities(char **argv)
{
    (void) argv;
    struct sched_param one = {.sched_priority = 1};
    must_fail("fifo", sched_setscheduler(0, SCHED_FIFO, &one), EPERM);
    must_fail("round robin", sched_setscheduler(0, SCHED_RR, &one), EPERM);
    struct {
        unsigned size, policy;
        unsigned long long flags;
        int nice;
        unsigned priority;
        unsigned long long runtime, deadline, period;
    } attr = {48, 6, 0, 0, 0, 1000000, 10000000, 10000000};
    must_fail("deadline", syscall(SYS_sched_setattr, 0, &attr, 0), EPERM);
    must_fail("nice -20", setpriority(PRIO_PROCESS, 0, -20), EACCES);
    must_fail("real-time i/o", syscall(SYS_ioprio_set, 1, 0, 1 << 13), EPERM);
    must_fail("init's priority", setpriority(PRIO_PROCESS, 1, -1), EACCES);
}

/* A process that is left to init and ends is gone, not a zombie for ever. */
static void init_still_reaps(void)
{
    int pair[2];
    pid_t orphan = 0;
    must_be("a pipe", pipe(pair) == 0);
    if (fork() == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            while (getppid() != 1)
                (void) sched_yield();
            _exit(0);
        }
        _exit(write(pair[1], &pid, sizeof pid) != (ssize_t) sizeof pid);
    }
    must_be("an orphan", read(pair[0], &orphan, sizeof orphan) == (ssize_t) sizeof orphan);
    (void) wait(NULL);
    for (int tries = 0; tries < 500 && kill(orphan, 0) == 0; tries++)
        (void) usleep(10000);
    must_fail("init reaps", kill(orphan, 0), ESRCH);
}

static void limits(char **argv)
{
    (void) argv;
    static const __rlimit_resource_t raised[] = {RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_CORE,
                                                 RLIMIT_MSGQUEUE, RLIMIT_RTPRIO};
    for (size_t i = 0; i < sizeof raised / sizeof raised[0]; i++) {
        struct rlimit limit;
        must_be("a limit", getrlimit(raised[i], &limit) == 0 && limit.rlim_max != RLIM_INFINITY);
        limit.rlim_max++;
        must_fail("raise it", setrlimit(raised[i], &limit), EPERM);
    }
    struct rlimit none = {0, 0};
    (void) prlimit(1, RLIMIT_NOFILE, &none, NULL); /* Whatever it answers, init must go on. */
    (void) prlimit(1, RLIMIT_NPROC, &none, NULL);
    init_still_reaps();
}

static void timers(char **argv)
{
    (void) argv;
    struct sigevent quiet = {.sigev_notify = SIGEV_NONE};
    timer_t timer;
    int count = 0;
    while (count < 1000000 && timer_create(CLOCK_MONOTONIC, &quiet, &timer) == 0)
        count++;
    must_be("timers are bounded", count < 1000000 && errno == EAGAIN);
}

static void crash(char **argv)
{
    (void) argv;
    struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    must_fail("core files", setrlimit(RLIMIT_CORE, &core), EPERM);
    (void) !chdir("/tmp");
    (void) raise(SIGSEGV);
}

/* A crash in a child leaves no core file in the only place that can be written to. */
static void crash_and_look(char **argv)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        crash(argv);
    must_be("it crashed", waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGSEGV);
    must_be("without a core", !WCOREDUMP(status) && access("/tmp/core", F_OK) < 0);
}

static int recurse(const char *before)
{
    char here[4096] = {before[0]};
    __asm__ volatile("" : : "r"(here) : "memory"); /* keeps it from becoming a loop */
    return before[0] == 'x' ? 0 : recurse(here) + here[17];
}

static void stack_overflow(char **argv)
{
    (void) recurse(argv[0]);
}

static void huge_arguments(char **argv)
{
    enum { SIZE = 4 << 20 };
    char *big = malloc(SIZE);
    memset(big, 'x', SIZE);
    big[SIZE - 1] = '\0';
    (void) execv(argv[0], (char *[]){argv[0], big, NULL});
    must_be("one too long says E2BIG", errno == E2BIG);
    static char *many[300000], word[] = "0123456789abcdef";
    for (size_t i = 0; i + 1 < sizeof many / sizeof many[0]; i++)
        many[i] = word;
    (void) execv(argv[0], many);
    must_be("too many say E2BIG", errno == E2BIG);
}

/* Code from memory runs, as confined as any other: the copy finds itself without privilege. */
static void exec_from_memory(char **argv)
{
    (void) argv;
    int from = open("/var/task/tenant", O_RDONLY), to = memfd_create("x", 0);
    static char bytes[65536];
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;)
        must_be("copied", write(to, bytes, (size_t) n) == n);
    char name[] = "/var/task/setuid", attack[] = "identity";
    (void) syscall(SYS_execveat, to, "", (char *[]){name, attack, NULL}, (char *[]){NULL},
                   AT_EMPTY_PATH);
    must_be("the copy runs", 0);
}

/* A second init finds no status pipe, and no START block on a closed socket. */
static void run_init_again(char **argv)
{
    (void) argv;
    pid_t pid = fork();
    if (pid == 0) {
        (void) close(3);
        (void) execl("/var/runtime/virga-init", "virga-init", NULL);
        _exit(126);
    }
    int status = 0;
    must_be("it gives up",
            waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

static void identity_calls(char **argv)
{
    (void) argv;
    gid_t group = 0;
    must_fail("setreuid", setreuid(0, 0), not_root_code());
    must_fail("setregid", setregid(0, 0), not_root_code());
    must_fail("setresgid", setresgid(0, 0, 0), not_root_code());
    must_fail("setgroups", setgroups(1, &group), EPERM);
    (void) syscall(SYS_setfsuid, 0);
    must_be("setfsuid", syscall(SYS_setfsuid, -1) == (long) getuid());
    struct {
        unsigned version;
        int pid;
    } header = {0x20080522, 0};
    unsigned data[6] = {~0U, ~0U, ~0U, ~0U, ~0U, ~0U};
    must_fail("capset", syscall(SYS_capset, &header, data), EPERM);
    must_fail("chown to root", chown("/tmp", 0, 0), not_root_code());
}

const struct attack attacks_process[] = {
    {"trace", trace},
    {"init_is_closed", init_is_closed},
    {"signal_init", signal_init},
    {"signal_the_host", signal_the_host},
    {"kill_all", kill_all},
    {"kill_own_group", kill_own_group},
    {"thread_bomb", thread_bomb},
    {"zombie_bomb", zombie_bomb},
    {"orphans", orphans},
    {"leave_children", leave_children},
    {"priorities", priorities},
    {"limits", limits},
    {"timers", timers},
    {"crash", crash},
    {"crash_and_look", crash_and_look},
    {"stack_overflow", stack_overflow},
    {"huge_arguments", huge_arguments},
    {"exec_from_memory", exec_from_memory},
    {"run_init_again", run_init_again},
    {"identity_calls", identity_calls},
    {NULL, NULL},
};
