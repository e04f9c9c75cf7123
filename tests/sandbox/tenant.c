/* The tenant of the sandbox tests: one static program, one attack per first argument. An attack
 * prints each success of its own ("breach: ...") and exits with their number; 0 means contained.
 * It stands for somebody else's code, so it uses plain libc and knows nothing of Virga. The longer
 * list of attacks lies in attack_*.c. */
#include "attack.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int breaches;

void must_fail(const char *what, long result, int code)
{
    if (result >= 0) {
        printf("breach: %s succeeded\n", what);
        breaches++;
    } else if (code != 0 && errno != code) {
        printf("breach: %s failed with %s\n", what, strerror(errno));
        breaches++;
    }
}

void must_be(const char *what, int is_so)
{
    if (!is_so) {
        printf("breach: %s\n", what);
        breaches++;
    }
}

int is_alone(void)
{
    unsigned inside, outside, count = 0, sum = 0;
    FILE *map = fopen("/proc/self/uid_map", "re");
    while (map != NULL && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3)
        sum += count;
    must_be("a map of users", map != NULL && fclose(map) == 0);
    return sum == 1;
}

int not_root_code(void)
{
    int of_the_call = errno; /* Arguments are evaluated in any order. */
    int code = is_alone() ? EINVAL : EPERM;
    errno = of_the_call;
    return code;
}

void stay(void)
{
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}

static void attack_mounts(void)
{
    must_fail("mount tmpfs", mount("x", "/tmp", "tmpfs", 0, NULL), EPERM);
    must_fail("bind mount", mount("/usr", "/tmp", NULL, MS_BIND, NULL), EPERM);
    must_fail("remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM);
    must_fail("umount", umount2("/proc", MNT_DETACH), EPERM);
    must_fail("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"), EPERM);
    must_fail("chroot", chroot("/tmp"), EPERM);
    must_fail("fsopen", syscall(SYS_fsopen, "tmpfs", 0), EPERM);
    must_fail("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1), EPERM);
    must_fail("move_mount", syscall(SYS_move_mount, 3, "", AT_FDCWD, "/tmp", 4), EPERM);
    must_fail("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, NULL, 0), EPERM);
    must_fail("mknod", mknod("/tmp/sda", S_IFBLK | 0600, 8 << 8), EPERM);
    must_fail("open_by_handle_at", syscall(SYS_open_by_handle_at, 3, NULL, 0), EPERM);
}

static void attack_namespaces(void)
{
    static const int flags[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWNET,   CLONE_NEWPID,
                                CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        must_fail("unshare", unshare(flags[i]), EPERM);
        must_fail("clone", syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0), EPERM);
    }
    must_fail("clone3", syscall(SYS_clone3, NULL, 0), ENOSYS);
    int fd = open("/proc/self/ns/net", O_RDONLY);
    must_fail("setns", setns(fd, 0), EPERM);
    must_fail("sethostname", sethostname("x", 1), EPERM);
}

static void attack_kernel(void)
{
    static const struct {
        const char *name;
        long number;
    } calls[] = {
        {"ptrace", SYS_ptrace},
        {"process_vm_readv", SYS_process_vm_readv},
        {"process_vm_writev", SYS_process_vm_writev},
        {"bpf", SYS_bpf},
        {"keyctl", SYS_keyctl},
        {"add_key", SYS_add_key},
        {"request_key", SYS_request_key},
        {"io_uring_setup", SYS_io_uring_setup},
        {"io_uring_enter", SYS_io_uring_enter},
        {"userfaultfd", SYS_userfaultfd},
        {"perf_event_open", SYS_perf_event_open},
        {"kexec_load", SYS_kexec_load},
        {"init_module", SYS_init_module},
        {"finit_module", SYS_finit_module},
        {"delete_module", SYS_delete_module},
        {"reboot", SYS_reboot},
        {"swapon", SYS_swapon},
        {"acct", SYS_acct},
        {"quotactl", SYS_quotactl},
        {"syslog", SYS_syslog},
        {"settimeofday", SYS_settimeofday},
        {"clock_settime", SYS_clock_settime},
        {"adjtimex", SYS_adjtimex},
        {"personality", SYS_personality},
        {"kcmp", SYS_kcmp},
        {"pidfd_getfd", SYS_pidfd_getfd},
        {"process_madvise", SYS_process_madvise},
        {"fanotify_init", SYS_fanotify_init},
        {"io_setup", SYS_io_setup},
        {"mq_open", SYS_mq_open},
        {"seccomp", SYS_seccomp},
        {"vhangup", SYS_vhangup},
        {"move_pages", SYS_move_pages},
        {"migrate_pages", SYS_migrate_pages},
#ifdef SYS_iopl
        {"iopl", SYS_iopl},
        {"ioperm", SYS_ioperm},
        {"modify_ldt", SYS_modify_ldt},
#endif
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        must_fail(calls[i].name, syscall(calls[i].number, 0, 0, 0, 0, 0, 0), EPERM);
    must_fail("a call of the future", syscall(500, 0), ENOSYS);
    must_fail("TIOCSTI", ioctl(0, TIOCSTI, "x"), EPERM);
    must_fail("TIOCSTI with high bits", syscall(SYS_ioctl, 0, 0x100000000L | TIOCSTI, "x"), EPERM);
    must_fail("project id ioctl", ioctl(3, 0x401c5820, "x"), EPERM); /* FS_IOC_FSSETXATTR */
}

static void attack_sockets(char **argv)
{
    must_fail("raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
    must_fail("raw v6 socket", socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), EPERM);
    must_fail("packet socket", socket(AF_PACKET, SOCK_RAW, 0), EPERM);
    must_fail("packet socket", socket(AF_PACKET, SOCK_DGRAM, 0), EPERM);
    must_fail("vsock", socket(AF_VSOCK, SOCK_STREAM, 0), EPERM);
    must_fail("alg", socket(AF_ALG, SOCK_SEQPACKET, 0), EPERM);
    must_fail("sctp", socket(AF_INET, SOCK_STREAM, 132), EPERM);
    must_fail("audit netlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT), EPERM);
    must_fail("generic netlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), EPERM);
    must_fail("netfilter netlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), EPERM);
    /* A server of the host listens on this port of its loopback, and under this abstract name. */
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t) strtoul(argv[2], NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must_be("tcp sockets exist", fd >= 0);
    must_fail("host's loopback", connect(fd, (struct sockaddr *) &in, sizeof in), ECONNREFUSED);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void) snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "%s", argv[3]);
    socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[3]));
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    must_fail("host's abstract socket", connect(fd, (struct sockaddr *) &un, size), ECONNREFUSED);
    in.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, TEST-NET-1 */
    fd = socket(AF_INET, SOCK_STREAM, 0);
    must_fail("the world", connect(fd, (struct sockaddr *) &in, sizeof in), ENETUNREACH);
}

static void attack_files(char **argv)
{
    static const char *const unreadable[] = {"/etc/shadow",
                                             "/root",
                                             "/home",
                                             "/sys/kernel",
                                             "/run",
                                             "/boot",
                                             "/var/lib",
                                             "/mnt/x",
                                             "/proc/1/environ",
                                             "/proc/1/fd",
                                             "/proc/1/mem",
                                             "/proc/1/maps",
                                             "/proc/kcore",
                                             "/proc/kmsg",
                                             "/proc/timer_list",
                                             "/proc/1/root",
                                             "/dev/mem",
                                             "/dev/kmsg",
                                             "/dev/loop0",
                                             "/dev/loop-control",
                                             "/dev/vda",
                                             "/dev/sda",
                                             "/dev/shm",
                                             "/dev/ptmx",
                                             "/dev/tty",
                                             "/var/task/../../../etc/shadow",
                                             "/proc/self/root/etc/shadow",
                                             "/var/runtime/virga-init"};
    for (size_t i = 0; i < sizeof unreadable / sizeof unreadable[0]; i++)
        must_fail(unreadable[i], open(unreadable[i], O_RDONLY), 0);
    must_fail("host's file", open(argv[2], O_RDONLY), ENOENT);
    static const char *const unwritable[] = {"/proc/sysrq-trigger",
                                             "/proc/sys/kernel/core_pattern",
                                             "/proc/sys/kernel/hostname",
                                             "/proc/sys/vm/drop_caches",
                                             "/proc/self/oom_score_adj",
                                             "/proc/1/oom_score_adj",
                                             "/var/task/tenant",
                                             "/usr/bin/env",
                                             "/etc/passwd",
                                             "/var/runtime/virga-init"};
    for (size_t i = 0; i < sizeof unwritable / sizeof unwritable[0]; i++)
        must_fail(unwritable[i], open(unwritable[i], O_WRONLY), 0);
    static const char *const dirs[] = {"/x",          "/usr/x",         "/etc/x", "/var/x",
                                       "/var/task/x", "/var/runtime/x", "/opt/x", "/dev/x",
                                       "/proc/x",     "/mnt/x"};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        must_fail(dirs[i], open(dirs[i], O_WRONLY | O_CREAT, 0600), 0);
    if (!is_alone())
        must_fail("chmod /tmp", chmod("/tmp", 0777), EPERM);
    must_fail("chmod /var/task", chmod("/var/task", 0777), EROFS);
    char text[4096];
    int fd = open("/proc/keys", O_RDONLY);
    must_be("/proc/keys is masked", fd < 0 || read(fd, text, sizeof text) == 0);
    must_be("a symbolic link leads nowhere",
            symlink(argv[2], "/tmp/link") == 0 && open("/tmp/link", O_RDONLY) < 0);
}

static unsigned long long status_number(const char *key, int base)
{
    char line[256];
    unsigned long long value = 99;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtoull(line + strlen(key), NULL, base);
    if (file != NULL)
        (void) fclose(file);
    return value;
}

static void attack_identity(char **argv)
{
    static const char *const caps[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++)
        must_be(caps[i], status_number(caps[i], 16) == 0);
    must_be("no_new_privs", status_number("NoNewPrivs:", 10) == 1);
    must_be("seccomp", status_number("Seccomp:", 10) == 2);
    must_be("no groups", getgroups(0, NULL) == 0);
    must_fail("setuid 0", setuid(0), not_root_code());
    must_fail("setgid 0", setgid(0), not_root_code());
    must_fail("setresuid", setresuid(0, 0, 0), not_root_code());
    must_fail("kill init", kill(1, SIGKILL) == 0 && getppid() != 1 ? 0 : -1, 0);
    must_be("uid is not root's", getuid() != 0 && geteuid() != 0 && getgid() != 0);
    struct rlimit limit;
    must_be("open files", getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max == 1024);
    limit.rlim_cur = limit.rlim_max = 4096;
    must_fail("raise open files", setrlimit(RLIMIT_NOFILE, &limit), EPERM);
    if (strcmp(argv[0], "/var/task/setuid") != 0) { /* A copy of this file, root's, mode 4755. */
        fflush(stdout);
        (void) execl("/var/task/setuid", "/var/task/setuid", "identity", NULL);
        must_be("the setuid copy runs", 0);
    }
}

static void attack_descriptors(void)
{
    for (int fd = 0; fd < 1024; fd++)
        must_be("only 0 to 3 are open", (fcntl(fd, F_GETFD) >= 0) == (fd <= 3));
    must_be("umask", umask(0) == 022);
    sigset_t mask;
    must_be("no signal is blocked",
            sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, SIGTERM) == 0);
    struct sigaction action;
    must_be("no signal is ignored",
            sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL &&
                sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
}

static void attack_others(void)
{
    int count = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        count += e->d_name[0] >= '0' && e->d_name[0] <= '9';
    must_be("only init and this process exist", count == 2);
    char text[256] = "";
    int fd = open("/proc/self/cgroup", O_RDONLY);
    (void) !read(fd, text, sizeof text - 1);
    must_be("cgroup paths are hidden", strstr(text, "virga") == NULL);
    dir = opendir("/tmp");
    count = 0;
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    must_be("/tmp is empty", count == 2);
    fd = open("/tmp/secret", O_WRONLY | O_CREAT, 0600);
    must_be("/tmp is writable", fd >= 0 && write(fd, "secret", 6) == 6);
    must_fail("signal the world", kill(-1, 0), ESRCH);
}

static void attack_tmp(char **argv)
{
    unsigned long long promised = strtoull(argv[2], NULL, 10), written = 0;
    static char block[65536];
    int fd = open("/tmp/big", O_WRONLY | O_CREAT, 0600);
    for (ssize_t n; (n = write(fd, block, sizeof block)) > 0;)
        written += (unsigned long long) n;
    must_be("a full /tmp says ENOSPC", errno == ENOSPC);
    must_be("what was promised fits", written >= promised);
    must_be("not much more fits", written < promised + promised / 4);
    (void) close(fd); /* Or its blocks stay taken, and names need some. */
    (void) unlink("/tmp/big");
    int files = 0;
    char name[32];
    for (;; files++) {
        (void) snprintf(name, sizeof name, "/tmp/f%d", files);
        int file = open(name, O_WRONLY | O_CREAT, 0600);
        if (file < 0)
            break;
        close(file);
    }
    must_be("no more files says ENOSPC", errno == ENOSPC);
    must_be("the number of files is bounded", files >= 900 && files < 1200);
}

/* Writes and reads back more than the memory limit: the cache must give way, not the process. */
static void attack_fill(char **argv)
{
    unsigned long long size = strtoull(argv[2], NULL, 10), at = 0;
    static char block[65536];
    int fd = open("/tmp/fill", O_RDWR | O_CREAT, 0600);
    for (ssize_t n = 1; at < size && n > 0; at += n > 0 ? (unsigned long long) n : 0)
        n = write(fd, block, sizeof block);
    must_be("all was written", at >= size);
    must_be("rewound", lseek(fd, 0, SEEK_SET) == 0);
    unsigned long long back = 0;
    for (ssize_t n; (n = read(fd, block, sizeof block)) > 0;)
        back += (unsigned long long) n;
    must_be("all was read back", back == at);
}

static void attack_forks(char **argv)
{
    int limit = (int) strtoul(argv[2], NULL, 10), forks = 0;
    for (;; forks++) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0)
            for (;;)
                pause();
    }
    must_be("the limit says EAGAIN", errno == EAGAIN);
    must_be("as many as allowed", forks == limit - 1);
}

static void attack_memory(void)
{
    for (;;) {
        char *block =
            mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block != MAP_FAILED)
            memset(block, 1, 1 << 20);
    }
}

static void attack_memfd(void)
{
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    int fd = memfd_create("bomb", 0);
    for (;;)
        (void) !write(fd, block, sizeof block);
}

static void attack_daemons(void)
{
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            (void) setsid();
            if (fork() != 0)
                _exit(0);
            for (;;)
                pause();
        }
    stay();
}

static void attack_spin(void)
{
    puts("ready");
    fflush(stdout);
    for (;;)
        continue;
}

static int attack_listed(const char *name, char **argv)
{
    static const struct attack *const lists[] = {attacks_kernel, attacks_process, attacks_files,
                                                 attacks_memory, attacks_network};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const struct attack *attack = lists[i]; attack->name != NULL; attack++)
            if (strcmp(attack->name, name) == 0) {
                attack->run(argv);
                return 1;
            }
    return 0;
}

/* Visits the platform's port on loopback: prints what it is told there. Then tries to answer in
 * the platform's place. */
static void attack_port(char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t) strtoul(argv[2], NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[64] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0) {
        printf("%s\n", strerror(errno));
        return;
    }
    (void) !read(fd, text, sizeof text - 1);
    printf("%s\n", text);
    static const int options[] = {SO_REUSEADDR, SO_REUSEPORT};
    for (int i = 0; i < 2; i++) {
        int usurper = socket(AF_INET, SOCK_STREAM, 0), on = 1;
        (void) setsockopt(usurper, SOL_SOCKET, options[i], &on, sizeof on);
        must_fail("bind of the platform's port",
                  bind(usurper, (struct sockaddr *) &address, sizeof address), EADDRINUSE);
        close(usurper);
    }
}

int main(int argc, char **argv)
{
    const char *attack = argc > 1 ? argv[1] : "";
    if (strcmp(attack, "hello") == 0)
        puts("hello");
    else if (strcmp(attack, "exit") == 0)
        return (int) strtoul(argv[2], NULL, 10);
    else if (strcmp(attack, "raise") == 0)
        raise((int) strtoul(argv[2], NULL, 10));
    else if (strcmp(attack, "mounts") == 0)
        attack_mounts();
    else if (strcmp(attack, "namespaces") == 0)
        attack_namespaces();
    else if (strcmp(attack, "kernel") == 0)
        attack_kernel();
    else if (strcmp(attack, "sockets") == 0)
        attack_sockets(argv);
    else if (strcmp(attack, "port") == 0)
        attack_port(argv);
    else if (strcmp(attack, "files") == 0)
        attack_files(argv);
    else if (strcmp(attack, "identity") == 0)
        attack_identity(argv);
    else if (strcmp(attack, "descriptors") == 0)
        attack_descriptors();
    else if (strcmp(attack, "others") == 0)
        attack_others();
    else if (strcmp(attack, "tmp") == 0)
        attack_tmp(argv);
    else if (strcmp(attack, "fill") == 0)
        attack_fill(argv);
    else if (strcmp(attack, "forks") == 0)
        attack_forks(argv);
    else if (strcmp(attack, "memory") == 0)
        attack_memory();
    else if (strcmp(attack, "memfd") == 0)
        attack_memfd();
    else if (strcmp(attack, "daemons") == 0)
        attack_daemons();
    else if (strcmp(attack, "spin") == 0)
        attack_spin();
    else if (strcmp(attack, "layers") == 0) {
        char text[64] = "";
        int fd = open("/opt/name", O_RDONLY);
        (void) !read(fd, text, sizeof text - 1);
        printf("%s", text);
    } else if (!attack_listed(attack, argv))
        return 99;
    return breaches < 90 ? breaches : 90;
}
