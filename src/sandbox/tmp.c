/* /tmp on disk.
 *
 * A tmpfs would be charged to the function's memory: a function of 128 MB could not fill the 512 MB
 * that it is promised. Quotas would need a file system of the host that has them switched on. So
 * each /tmp is an ext4 of its own, without a journal, in a sparse file on a loop device, which
 * limits bytes and files at once and works on every host that has loop devices.
 *
 * Making one is cheap because mkfs runs once per size: its result, a few hundred kB in a sparse
 * file, is kept, over restarts too, and copied. The loop devices go through the page cache: direct
 * I/O would not cache twice, but has to sync each image before its first use (a burst of 100 took 3
 * s instead of 0.45). Images have no names (O_TMPFILE), loop devices clear themselves and the file
 * system is held by a detached mount, not attached anywhere: whatever way the spawner ends, the
 * kernel takes all of it apart, and a hundred of them do not slow down CLONE_NEWNS, which copies
 * attached mounts only. A child mounts the device again: the same file system, seen in its own
 * mount namespace.
 *
 * After use: a few files are removed and the image goes to the next sandbox; its root directory
 * belongs to root and is sticky, so no tenant could leave an attribute on it. More than a few
 * (deep trees, thousands of names: deletion takes as long as the tenant wants) and the image is
 * destroyed: the file system is shut down so that nothing is written back, and a short-lived helper
 * process drops the last reference, so that the spawner never waits for the kernel's cleaning.
 *
 * Where this is impossible (no loop device, no mkfs), /tmp is a tmpfs with the same limits and the
 * store says so. Sources: loop(4), linux/loop.h, fsopen and fsmount in linux/mount.h, mke2fs(8),
 * ext4's EXT4_IOC_SHUTDOWN. */
#include "sandbox/tmp.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { BYTES_PER_INODE = 16384, CLEAN_NAMES_MAX = 64, CLEAN_DEPTH_MAX = 4, MKFS_WAIT_MS = 30000 };
enum { ROOT_DIR_BYTES_MAX = 64 * 1024, LOOP_TRIES = 16 };
#define USUAL_BYTES     (UINT64_C(512) << 20)
#define PRISTINE_FORMAT "1"                      /* changes with the arguments of mkfs */
#define SHUTDOWN_CALL   _IOR('X', 125, uint32_t) /* EXT4_IOC_SHUTDOWN, not in public headers */

/* ---- a fresh file system ---- */

/* The image is larger than what it promises by what ext4 needs for itself. */
static off_t image_size(uint64_t bytes)
{
    return (off_t) (bytes + bytes / 32 + (UINT64_C(2) << 20));
}

static int image_file(const struct tmp_store *store, uint64_t bytes, struct err *err)
{
    AUTO_CLOSE int fd = openat(store->state_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, -errno, "make an image file");
    if (ftruncate(fd, image_size(bytes)) < 0)
        return err_set(err, -errno, "size an image file");
    return take_fd(&fd);
}

_Noreturn static void mkfs_exec(const char *program, int fd, uint64_t bytes)
{
    char inodes[24];
    (void) snprintf(inodes, sizeof inodes, "%llu",
                    (unsigned long long) (bytes / BYTES_PER_INODE + 16));
    const char *const argv[] = {"mkfs.ext4",
                                "-q",
                                "-F",
                                "-b",
                                "4096",
                                "-m",
                                "0",
                                "-N",
                                inodes,
                                "-O",
                                "^has_journal,^resize_inode",
                                "-E",
                                "nodiscard,lazy_itable_init=1",
                                "/proc/self/fd/3",
                                NULL};
    static char *const envp[] = {NULL};
    if (dup2(fd, 3) == 3 && (fd != 3 || fcntl(3, F_SETFD, 0) == 0))
        (void) execve(program, (char *const *) (uintptr_t) argv, envp);
    _exit(127);
}

static int mkfs_run(const char *program, int fd, uint64_t bytes, struct err *err)
{
    pid_t pid = fork();
    if (pid < 0)
        return err_set(err, -errno, "fork mkfs");
    if (pid == 0)
        mkfs_exec(program, fd, bytes);
    AUTO_CLOSE int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || poll(&wait, 1, MKFS_WAIT_MS) != 1)
        (void) kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_say(err, -EIO, "%s ended with status %#x", program, status);
    return 0;
}

/* A formatted file of this size. That of the usual size is kept under a name for the next start; it
 * gets the name when it is complete and on disk, and only root can reach the directory. */
static int pristine_open(const struct tmp_store *store, uint64_t bytes, struct err *err)
{
    static const char name[] = "pristine-" PRISTINE_FORMAT ".ext4";
    bool is_usual = bytes == USUAL_BYTES;
    int kept = is_usual ? openat(store->state_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (kept >= 0)
        return kept;
    AUTO_CLOSE int fd = image_file(store, bytes, err);
    if (fd < 0)
        return fd;
    int rc = mkfs_run(store->mkfs, fd, bytes, err); /* Ends with an fsync of its own. */
    if (rc < 0)
        return rc;
    char link[32];
    (void) snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (is_usual && linkat(AT_FDCWD, link, store->state_fd, name, AT_SYMLINK_FOLLOW) < 0)
        return take_fd(&fd); /* Not kept: the next start formats again, nothing else is lost. */
    return take_fd(&fd);
}

/* The formatted file of this size, opened or made at first use; borrowed. */
static int pristine_fd(struct tmp_store *store, uint64_t bytes, struct err *err)
{
    for (unsigned i = 0; i < TMP_PRISTINE_MAX; i++)
        if (store->pristine[i].fd >= 0 && store->pristine[i].bytes == bytes)
            return store->pristine[i].fd;
    AUTO_CLOSE int fd = pristine_open(store, bytes, err);
    if (fd < 0)
        return fd;
    unsigned at = store->pristine_next++ % TMP_PRISTINE_MAX;
    if (store->pristine[at].fd >= 0)
        (void) close(store->pristine[at].fd);
    store->pristine[at].bytes = bytes;
    store->pristine[at].fd = take_fd(&fd);
    return store->pristine[at].fd;
}

/* Copies what is not hole. */
static int sparse_copy(int from, int to, struct err *err)
{
    for (off_t at = 0; (at = lseek(from, at, SEEK_DATA)) >= 0;) {
        off_t end = lseek(from, at, SEEK_HOLE);
        if (end < 0)
            return err_set(err, -errno, "look for a hole");
        off_t out = at;
        while (at < end) {
            ssize_t n = copy_file_range(from, &at, to, &out, (size_t) (end - at), 0);
            if (n <= 0)
                return err_set(err, n < 0 ? -errno : -EIO, "copy an image");
        }
    }
    return errno == ENXIO ? 0 : err_set(err, -errno, "look for data");
}

/* ---- loop device and mount ---- */

/* Binds file_fd to a free loop device and opens that; its number in *out_number. */
static int loop_bind(int file_fd, int *out_number, struct err *err)
{
    AUTO_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return err_set(err, -errno, "open /dev/loop-control");
    struct loop_config config = {.fd = (uint32_t) file_fd, .block_size = 4096};
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    for (int tries = 0; tries < LOOP_TRIES; tries++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return err_set(err, -errno, "find a free loop device");
        char path[32];
        (void) snprintf(path, sizeof path, "/dev/loop%d", number);
        AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            return err_set(err, -errno, "open %s", path);
        if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
            *out_number = number;
            return take_fd(&fd);
        }
        if (errno != EBUSY) /* Busy: another process was faster. */
            return err_set(err, -errno, "configure %s", path);
    }
    return err_say(err, -EBUSY, "no free loop device");
}

/* The file system of a device, as a detached mount; nosuid, nodev. */
static int detached_mount(int number, struct err *err)
{
    char path[32];
    (void) snprintf(path, sizeof path, "/dev/loop%d", number);
    AUTO_CLOSE int fs = fsopen("ext4", FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_set(err, -errno, "fsopen ext4");
    if (fsconfig(fs, FSCONFIG_SET_STRING, "source", path, 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_FLAG, "noinit_itable", NULL, 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_FLAG, "discard", NULL, 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_set(err, -errno, "open the file system on %s", path);
    AUTO_CLOSE int mnt =
        fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
    if (mnt < 0)
        return err_set(err, -errno, "mount %s", path);
    /* What fsmount gives only names the mount; this one can be read and outlives it. */
    int fd = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "open the root of %s", path) : fd;
}

static int image_make(struct tmp_store *store, uint64_t bytes, struct tmp *out, struct err *err)
{
    int pristine = pristine_fd(store, bytes, err);
    if (pristine < 0)
        return pristine;
    AUTO_CLOSE int file = image_file(store, bytes, err);
    if (file < 0)
        return file;
    int rc = sparse_copy(pristine, file, err);
    if (rc < 0)
        return rc;
    int number = -1;
    AUTO_CLOSE int loop = loop_bind(file, &number, err);
    if (loop < 0)
        return loop;
    AUTO_CLOSE int root = detached_mount(number, err);
    if (root < 0)
        return root;
    if (unlinkat(root, "lost+found", AT_REMOVEDIR) < 0 || fchmod(root, 01777) < 0)
        return err_set(err, -errno, "prepare a /tmp");
    *out = (struct tmp){.bytes = bytes, .root_fd = take_fd(&root), .device = number};
    return 0;
}

/* ---- after use ---- */

static bool dir_clean(int dir_fd, int depth, int *budget);

static bool name_clean(int dir_fd, const char *name, int depth, int *budget)
{
    if (--*budget < 0)
        return false;
    if (unlinkat(dir_fd, name, 0) == 0)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return false;
    AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && depth < CLEAN_DEPTH_MAX && dir_clean(fd, depth + 1, budget) &&
           unlinkat(dir_fd, name, AT_REMOVEDIR) == 0;
}

/* Removes what is in a directory if that is little; the depth is bounded, so is the recursion. */
static bool dir_clean(int dir_fd, int depth, int *budget)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            (void) close(fd);
        return false;
    }
    bool is_clean = true;
    for (struct dirent *entry; is_clean && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            is_clean = name_clean(dir_fd, entry->d_name, depth, budget);
    (void) closedir(dir);
    return is_clean;
}

static void helpers_reap(struct tmp_store *store, int flags)
{
    for (unsigned i = 0; i < TMP_HELPERS_MAX; i++)
        if (store->helpers[i] > 0 && waitpid(store->helpers[i], NULL, flags) != 0)
            store->helpers[i] = 0;
}

/* Drops an image without writing it back. */
static void image_destroy(struct tmp_store *store, struct tmp *tmp)
{
    uint32_t flag = 2;                                /* EXT4_GOING_FLAGS_NOLOGFLUSH */
    (void) ioctl(tmp->root_fd, SHUTDOWN_CALL, &flag); /* Else it is only slower. */
    helpers_reap(store, WNOHANG);
    for (unsigned i = 0; i < TMP_HELPERS_MAX; i++) {
        if (store->helpers[i] != 0)
            continue;
        /* The helper holds the last reference by mere existence, until the spawner has closed. */
        int gate[2];
        if (pipe2(gate, O_CLOEXEC) < 0)
            break;
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            (void) close(gate[1]);
            _exit(read(gate[0], &byte, 1) != 0);
        }
        (void) close(gate[0]);
        (void) close(take_fd(&tmp->root_fd));
        (void) close(gate[1]);
        store->helpers[i] = pid < 0 ? 0 : pid;
        return;
    }
    (void) close(take_fd(&tmp->root_fd));
}

void tmp_release(struct tmp_store *store, struct tmp *tmp)
{
    if (tmp->root_fd < 0)
        return; /* A tmpfs went with its mount namespace. */
    int budget = CLEAN_NAMES_MAX;
    struct stat st;
    bool is_clean = dir_clean(tmp->root_fd, 0, &budget) && fstat(tmp->root_fd, &st) == 0 &&
                    st.st_size <= ROOT_DIR_BYTES_MAX;
    if (is_clean && store->ready_count < store->ready_max)
        store->ready[store->ready_count++] = *tmp;
    else
        image_destroy(store, tmp);
    tmp->root_fd = -1;
}

/* ---- the store ---- */

static void use_tmpfs(struct tmp_store *store, const char *reason)
{
    store->is_on_disk = false;
    (void) snprintf(store->weakness, sizeof store->weakness,
                    "/tmp is kept in memory, not on disk: %.100s", reason);
}

int tmp_store_init(struct tmp_store *store, const char *state_dir, unsigned ready_max,
                   struct err *err)
{
    *store = (struct tmp_store){.is_on_disk = true,
                                .state_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                .ready = NEW_ARRAY(struct tmp, ready_max + 1),
                                .ready_max = ready_max + 1,
                                .usual_bytes = USUAL_BYTES};
    for (unsigned i = 0; i < TMP_PRISTINE_MAX; i++)
        store->pristine[i].fd = -1;
    if (store->state_fd < 0)
        return err_set(err, -errno, "open '%s'", state_dir);
    static const char *const places[] = {"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"};
    for (size_t i = 0; i < ARRAY_LEN(places) && store->mkfs == NULL; i++)
        if (access(places[i], X_OK) == 0)
            store->mkfs = places[i];
    struct err why;
    if (store->mkfs == NULL)
        use_tmpfs(store, "mkfs.ext4 is not installed");
    else if (image_make(store, store->usual_bytes, &store->ready[0], &why) < 0)
        use_tmpfs(store, why.text);
    else
        store->ready_count = 1;
    return 0;
}

void tmp_store_done(struct tmp_store *store)
{
    if (store->ready == NULL)
        return;
    while (store->ready_count > 0)
        (void) close(store->ready[--store->ready_count].root_fd);
    for (unsigned i = 0; i < TMP_PRISTINE_MAX; i++)
        if (store->pristine[i].fd >= 0)
            (void) close(store->pristine[i].fd);
    helpers_reap(store, 0);
    if (store->state_fd >= 0)
        (void) close(store->state_fd);
    free(store->ready);
    *store = (struct tmp_store){0};
}

int tmp_take(struct tmp_store *store, uint64_t bytes, struct tmp *out_tmp, struct err *err)
{
    assert(bytes > 0);
    if (!store->is_on_disk) {
        *out_tmp = (struct tmp){.bytes = bytes, .root_fd = -1, .device = -1};
        return 0;
    }
    store->usual_bytes = bytes;
    for (unsigned i = store->ready_count; i-- > 0;)
        if (store->ready[i].bytes == bytes) {
            *out_tmp = store->ready[i];
            store->ready[i] = store->ready[--store->ready_count];
            return 0;
        }
    /* Another size is wanted now: one of the old goes, so that the pool follows. */
    if (store->ready_count > 0)
        image_destroy(store, &store->ready[--store->ready_count]);
    int rc = image_make(store, bytes, out_tmp, err);
    return rc < 0 ? err_wrap(err, "make a /tmp of %llu bytes", (unsigned long long) bytes) : 0;
}

int tmp_mount(const struct tmp *tmp, const char *target)
{
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOATIME;
    char text[96];
    if (tmp->root_fd < 0) {
        (void) snprintf(text, sizeof text, "size=%llu,nr_inodes=%llu,mode=1777",
                        (unsigned long long) tmp->bytes,
                        (unsigned long long) (tmp->bytes / BYTES_PER_INODE + 16));
        return mount("tmp", target, "tmpfs", flags, text) < 0 ? -errno : 0;
    }
    (void) snprintf(text, sizeof text, "/dev/loop%d", tmp->device);
    return mount(text, target, "ext4", flags, NULL) < 0 ? -errno : 0;
}
