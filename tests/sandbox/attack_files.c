/* Attacks on files: what /proc lets be written, device nodes, ways out of the tree, what fills a
 * disk, and the log pipe. */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* Tries to open for writing whatever lies below; returns how many files there were. */
static int write_below(const char *dir, int depth)
{
    int count = 0;
    DIR *list = opendir(dir);
    for (struct dirent *e; list != NULL && (e = readdir(list)) != NULL;) {
        char path[512];
        if (e->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < 0)
            continue;
        if (e->d_type == DT_DIR && depth > 0)
            count += write_below(path, depth - 1);
        if (e->d_type != DT_REG)
            continue;
        count++;
        int fd = open(path, O_WRONLY);
        struct stat st;
        if (fd < 0)
            must_be(path, errno == EROFS || errno == EACCES || errno == EPERM || errno == ENOENT);
        else /* what is masked shows /dev/null */
            must_be(path, fstat(fd, &st) == 0 && S_ISCHR(st.st_mode));
        if (fd >= 0)
            (void) close(fd);
    }
    if (list != NULL)
        (void) closedir(list);
    return count;
}

static void proc_sys_is_closed(char **argv)
{
    (void) argv;
    must_be("/proc/sys has files", write_below("/proc/sys", 8) > 100);
}

static void proc_is_closed(char **argv)
{
    (void) argv;
    must_be("/proc has files", write_below("/proc", 0) > 20);
    must_be("/proc/self has files", write_below("/proc/self", 1) > 20);
    must_be("/proc/1 is listed", write_below("/proc/1", 1) >= 0);
    static const char *const absent[] = {"/proc/keys", "/proc/key-users"};
    char byte;
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        int fd = open(absent[i], O_RDONLY);
        must_be(absent[i], fd < 0 || read(fd, &byte, 1) <= 0);
    }
    static const char *const closed[] = {"/proc/kcore", "/proc/timer_list", "/proc/vmallocinfo",
                                         "/proc/slabinfo", "/proc/pagetypeinfo"};
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        must_fail(closed[i], open(closed[i], O_RDONLY), 0);
}

static void kernel_addresses(char **argv)
{
    (void) argv;
    unsigned long long address = 0, any = 0;
    char rest[256];
    FILE *file = fopen("/proc/kallsyms", "r");
    for (int i = 0; file != NULL && i < 100 && fscanf(file, "%llx %255[^\n]", &address, rest) == 2;
         i++)
        any |= address;
    must_be("kernel addresses are hidden", any == 0);
}

static void no_sysfs(char **argv)
{
    (void) argv;
    static const char *const absent[] = {"/sys",     "/sys/fs/cgroup", "/sys/kernel/debug", "/run",
                                         "/dev/shm", "/dev/mqueue",    "/dev/pts",          "/home",
                                         "/root",    "/boot",          "/lost+found"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        must_fail(absent[i], access(absent[i], F_OK), ENOENT);
}

static void device_nodes(char **argv)
{
    (void) argv;
    static const struct {
        mode_t type;
        unsigned major, minor;
    } devices[] = {{S_IFCHR, 1, 1}, {S_IFCHR, 1, 3}, {S_IFCHR, 10, 237},
                   {S_IFBLK, 7, 0}, {S_IFBLK, 8, 0}, {S_IFBLK, 254, 0}};
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
        dev_t dev = makedev(devices[i].major, devices[i].minor);
        must_fail("mknod", mknod("/tmp/x", devices[i].type | 0666, dev), EPERM);
        must_fail("mknodat", mknodat(AT_FDCWD, "/tmp/x", devices[i].type | 0666, dev), EPERM);
    }
    int count = 0;
    DIR *dir = opendir("/dev");
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        char path[300];
        struct stat st;
        (void) snprintf(path, sizeof path, "/dev/%s", e->d_name);
        if (lstat(path, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
            continue;
        count++;
        must_be(path, S_ISCHR(st.st_mode) && (major(st.st_rdev) == 1 || major(st.st_rdev) == 5));
    }
    must_be("five nodes", count == 5);
}

static void ways_up(char **argv)
{
    (void) argv;
    int root = open("/", O_RDONLY | O_DIRECTORY);
    must_fail("..", openat(root, "../../../../etc/shadow", O_RDONLY), 0);
    struct stat a, b;
    must_be("/.. is /", fstatat(root, "..", &a, 0) == 0 && fstat(root, &b) == 0 &&
                            a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    must_fail("fchdir up", chdir("/proc/self/root/../../root"), ENOENT);
    must_fail("chroot", chroot("/tmp"), EPERM);
    char handle[128] = {8};
    int mount_id;
    must_fail("name a handle", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", handle, &mount_id, 0),
              0);
    must_fail("open a handle", syscall(SYS_open_by_handle_at, root, handle, O_RDONLY), EPERM);
    must_fail("init's root", access("/proc/1/root/etc", F_OK), EACCES);
    must_fail("init's descriptors", access("/proc/1/fd/4", F_OK), EACCES);
    char host[512] = "";
    FILE *file = fopen("/proc/self/mountinfo", "r"); /* It names host paths, which lead nowhere. */
    while (file != NULL && fscanf(file, "%*d %*d %*s %511s %*[^\n]", host) == 1)
        if (strstr(host, "virga") != NULL)
            must_fail(host, access(host, F_OK), ENOENT);
}

static void links(char **argv)
{
    (void) argv;
    must_fail("hard link of the code", link("/var/task/tenant", "/tmp/x"), EXDEV);
    must_fail("hard link of a program", link("/usr/bin/env", "/tmp/x"), EXDEV);
    must_fail("rename over the code", rename("/tmp", "/var/task/x"), 0);
    must_be("a link to nowhere", symlink("/../../../etc/shadow", "/tmp/l") == 0);
    must_fail("is followed inside", open("/tmp/l", O_RDONLY), 0);
    must_fail("loops end",
              (symlink("/tmp/b", "/tmp/a") == 0 && symlink("/tmp/a", "/tmp/b") == 0
                   ? open("/tmp/a", O_RDONLY)
                   : 0),
              ELOOP);
}

static void disk_controls(char **argv)
{
    (void) argv;
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
    int file = open("/tmp/x", O_RDWR | O_CREAT, 0600);
    static const unsigned long commands[] = {FIFREEZE,
                                             FITHAW,
                                             FITRIM,
                                             FS_IOC_SETFLAGS,
                                             FS_IOC_FSSETXATTR,
                                             FIBMAP,
                                             BLKROSET,
                                             BLKDISCARD,
                                             0x40086610 /* EXT4_IOC_RESIZE_FS */,
                                             0x4c01 /* LOOP_CLR_FD */,
                                             0x6611 /* MOVE_EXT */};
    char argument[64] = {0};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        must_fail("on /tmp", ioctl(fd, commands[i], argument), EPERM);
        must_fail("on a file", ioctl(file, commands[i], argument), EPERM);
    }
    struct statvfs st;
    must_be("/tmp is nosuid and nodev", statvfs("/tmp", &st) == 0 && (st.f_flag & ST_NOSUID) != 0 &&
                                            (st.f_flag & ST_NODEV) != 0);
    must_be("a set-uid bit can be set", fchmod(file, 04777) == 0); /* and means nothing there */
    must_fail("trusted attributes", syscall(SYS_fsetxattr, file, "trusted.x", "1", 1, 0), EPERM);
    must_fail("capabilities on files",
              syscall(SYS_fsetxattr, file, "security.capability", "x", 1, 0), 0);
}

static void sparse_files(char **argv)
{
    (void) argv;
    int fd = open("/tmp/sparse", O_RDWR | O_CREAT, 0600);
    must_be("a terabyte of nothing", ftruncate(fd, 1LL << 40) == 0 || errno == EFBIG);
    must_fail("a gigabyte of something", fallocate(fd, 0, 0, 1LL << 30), ENOSPC);
    int n = 0;
    char block[4096] = {1};
    while (n < 100000 && pwrite(fd, block, sizeof block, (off_t) n << 20) == (ssize_t) sizeof block)
        n++;
    must_be("holes fill up as well", n < 10000 && (errno == ENOSPC || errno == EFBIG));
}

static void deleted_files(char **argv)
{
    (void) argv;
    static char block[1 << 20];
    int fd = open("/tmp/gone", O_RDWR | O_CREAT, 0600), count = 0;
    must_be("deleted", unlink("/tmp/gone") == 0);
    for (ssize_t n; (n = write(fd, block, sizeof block)) > 0;)
        must_be("a deleted file counts", ++count < 64);
    must_be("it says ENOSPC", errno == ENOSPC);
}

static void deep_directories(char **argv)
{
    (void) argv;
    int depth = 0;
    (void) !chdir("/tmp");
    while (depth < 100000 && mkdir("d", 0700) == 0 && chdir("d") == 0)
        depth++;
    must_be("depth is bounded by inodes", depth < 5000 && errno == ENOSPC);
}

static void long_names_and_attributes(char **argv)
{
    (void) argv;
    char name[5000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    must_fail("a long path", open(name, O_RDONLY), ENAMETOOLONG);
    memcpy(name, "/tmp/", 5);
    name[261] = '\0';
    must_fail("a long name", open(name, O_WRONLY | O_CREAT, 0600), ENAMETOOLONG);
    int fd = open("/tmp/x", O_RDWR | O_CREAT, 0600), count = 0;
    static char value[3000];
    for (;; count++) {
        (void) snprintf(name, sizeof name, "user.%d", count);
        if (syscall(SYS_fsetxattr, fd, name, value, sizeof value, 0) < 0)
            break;
    }
    must_be("attributes are bounded", count < 10000); /* on a tmpfs by its inodes */
}

static void locks_and_watches(char **argv)
{
    (void) argv;
    int watches = inotify_init(), count = 0;
    char path[64];
    for (; count < 200000; count++) {
        (void) snprintf(path, sizeof path, "/tmp/w%d", count % 500);
        (void) close(open(path, O_WRONLY | O_CREAT, 0600));
        if (inotify_add_watch(watches, path, 2) < 0)
            break;
        if (count >= 500)
            break;
    }
    must_be("watches work within bounds", count <= 500);
    int instances = 0;
    while (instances < 2000 && inotify_init() >= 0)
        instances++;
    must_be("instances are bounded", instances < 1024 && errno == EMFILE);
}

static void open_files(char **argv)
{
    (void) argv;
    int count = 0;
    while (open("/dev/null", O_RDONLY) >= 0)
        count++;
    must_be("1024 files say EMFILE", errno == EMFILE && count == 1020);
    int pair[2];
    must_fail("pipes", pipe(pair), EMFILE);
    must_be("the log still works", write(1, "", 0) == 0);
}

static void log_pipe(char **argv)
{
    (void) argv;
    char byte;
    must_fail("read the log", read(1, &byte, 1), EBADF);
    if (!is_alone())
        must_fail("open it for reading", open("/proc/self/fd/1", O_RDONLY), EACCES);
    must_fail("an enormous pipe", fcntl(1, F_SETPIPE_SZ, 1 << 30), EPERM);
    must_fail("standard input", write(0, &byte, 1), EBADF);
    must_be("no terminal", !isatty(0) && !isatty(1) && !isatty(2));
}

/* Fills the log that nobody reads; the platform must still be able to end it. */
static void log_flood(char **argv)
{
    (void) argv;
    static char block[65536];
    memset(block, 'x', sizeof block);
    (void) !write(1, "ready\n", 6);
    for (;;)
        (void) !write(1, block, sizeof block);
}

/* argv[2]: how many bytes, all of which somebody reads. */
static void log_much(char **argv)
{
    static char block[65536];
    memset(block, 'x', sizeof block);
    for (long left = strtol(argv[2], NULL, 10); left > 0;) {
        ssize_t n = write(1, block, sizeof block);
        must_be("written", n > 0);
        left -= n;
    }
}

const struct attack attacks_files[] = {
    {"proc_sys_is_closed", proc_sys_is_closed},
    {"proc_is_closed", proc_is_closed},
    {"kernel_addresses", kernel_addresses},
    {"no_sysfs", no_sysfs},
    {"device_nodes", device_nodes},
    {"ways_up", ways_up},
    {"links", links},
    {"disk_controls", disk_controls},
    {"sparse_files", sparse_files},
    {"deleted_files", deleted_files},
    {"deep_directories", deep_directories},
    {"long_names_and_attributes", long_names_and_attributes},
    {"locks_and_watches", locks_and_watches},
    {"open_files", open_files},
    {"log_pipe", log_pipe},
    {"log_flood", log_flood},
    {"log_much", log_much},
    {NULL, NULL},
};
