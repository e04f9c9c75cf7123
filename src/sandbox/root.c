/* The root file system of a sandbox.
 *
 *     /usr                  the host's, read-only; /bin /lib … as the host has them
 *     /etc                  our own few files, and the host's certificates and alternatives
 *     /dev                  null zero full random urandom, fd, stdin, stdout, stderr
 *     /proc                 of the own pid namespace, read-only, key lists masked
 *     /var/task             the code, read-only        /opt   the layers, read-only
 *     /var/runtime          bootstraps and virga-init  /tmp   the only place to write
 *     /node_modules         a link into /opt, for Node.js
 *
 * Nothing else of the host exists: no /sys, /run, /home, /root, /dev/shm (as on AWS: sem_open
 * answers ENOSYS there), no host's /opt. Everything but /tmp is read-only, everything is nosuid,
 * everything but the five device nodes is nodev.
 *
 * The part that is the same for all is a tree of mounts in the spawner's private mount namespace
 * ("template"); a child gets a copy with CLONE_NEWNS, adds what is its own, turns into it with
 * pivot_root(".", ".") and detaches the old root. The mount namespace belongs to the
 * spawner's user namespace, in which the tenant has no capability.
 *
 * Directories of code and layers come from main as descriptors. A mount can be cloned only inside
 * the mount namespace it belongs to, and those descriptors belong to main's; so the path that
 * /proc/self/fd shows is opened anew here and accepted only if it is the same inode on the same
 * device. A renamed or deleted directory therefore fails, and cannot be swapped for another.
 * Sources: pivot_root(2), mount_setattr(2), open_tree and move_mount in linux/mount.h,
 * Documentation/filesystems/overlayfs.rst. */
#include "sandbox/root.h"

#include "base/assert.h"
#include "base/buf.h"
#include "sandbox/tmp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static struct runtime_file runtime_files[RUNTIME_FILES_MAX];
static size_t runtime_file_count;

int root_add_runtime_file(const struct runtime_file *file, struct err *err)
{
    if (runtime_file_count == RUNTIME_FILES_MAX)
        return err_say(err, -ENOSPC, "too many runtime files");
    if (file->name[0] == '\0' || file->name[0] == '.' || strchr(file->name, '/') != NULL)
        return err_say(err, -EINVAL, "runtime file name '%s'", file->name);
    runtime_files[runtime_file_count++] = *file;
    return 0;
}

/* ---- the template ---- */

static int tree_mkdir(int tree, const char *path, struct err *err)
{
    if (mkdirat(tree, path, 0755) < 0 && errno != EEXIST)
        return err_set(err, -errno, "make template directory %s", path);
    return 0;
}

static int tree_link(int tree, const char *target, const char *path, struct err *err)
{
    return symlinkat(target, tree, path) < 0 ? err_set(err, -errno, "make template link %s", path)
                                             : 0;
}

static int tree_file(int tree, const char *path, struct str bytes, unsigned mode, struct err *err)
{
    AUTO_CLOSE int fd = openat(tree, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, -errno, "make template file %s", path);
    while (!str_is_empty(bytes)) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0)
            return err_set(err, -errno, "write template file %s", path);
        bytes = str_skip(bytes, (size_t) n);
    }
    return fchmod(fd, mode) < 0 ? err_set(err, -errno, "chmod template file %s", path) : 0;
}

/* Shows host_path, which must be a directory, at tree/path: read-only, nosuid, nodev. */
static int tree_bind(int tree, const char *host_path, const char *path, struct err *err)
{
    AUTO_CLOSE int source = open_tree(AT_FDCWD, host_path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (source < 0)
        return err_set(err, errno == ENOSYS ? -ENOTSUP : -errno, "open_tree %s", host_path);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                              .propagation = MS_PRIVATE};
    if (mount_setattr(source, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return err_set(err, errno == ENOSYS ? -ENOTSUP : -errno, "mount_setattr %s", host_path);
    int rc = tree_mkdir(tree, path, err);
    if (rc < 0)
        return rc;
    if (move_mount(source, "", tree, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_set(err, -errno, "move_mount %s", host_path);
    return 0;
}

/* /usr, and /bin /lib … as links into it (merged) or as directories of their own. */
static int template_system(int tree, struct err *err)
{
    int rc = tree_bind(tree, "/usr", "usr", err);
    static const char *const names[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
    for (size_t i = 0; i < ARRAY_LEN(names) && rc == 0; i++) {
        char host[16], target[64];
        (void) snprintf(host, sizeof host, "/%s", names[i]);
        ssize_t n = readlink(host, target, sizeof target - 1);
        if (n >= 0) {
            target[n] = '\0';
            rc = tree_link(tree, target, names[i], err);
        } else if (errno == EINVAL) { /* It exists and is not a link. */
            rc = tree_bind(tree, host, names[i], err);
        }
    }
    return rc;
}

/* In a user namespace nobody may make device nodes: the host's is shown instead. */
static int device_bind(int tree, const char *path, struct err *err)
{
    char host[24];
    (void) snprintf(host, sizeof host, "/%s", path);
    AUTO_CLOSE int source = open_tree(AT_FDCWD, host, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                              .propagation = MS_PRIVATE};
    if (source < 0 || mount_setattr(source, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return err_set(err, -errno, "take %s", host);
    int rc = tree_file(tree, path, STR(""), 0666, err);
    if (rc == 0 && move_mount(source, "", tree, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        rc = err_set(err, -errno, "show %s", host);
    return rc;
}

static int device_make(int tree, const char *path, unsigned minor, struct err *err)
{
    if (mknodat(tree, path, S_IFCHR | 0666, makedev(1, minor)) < 0)
        return errno == EPERM ? device_bind(tree, path, err)
                              : err_set(err, -errno, "make %s", path);
    return fchmodat(tree, path, 0666, 0) < 0 ? err_set(err, -errno, "chmod %s", path) : 0;
}

static int template_devices(int tree, struct err *err)
{
    static const struct {
        const char *path;
        unsigned minor;
    } nodes[] = {
        {"dev/null", 3}, {"dev/zero", 5}, {"dev/full", 7}, {"dev/random", 8}, {"dev/urandom", 9}};
    int rc = tree_mkdir(tree, "dev", err);
    for (size_t i = 0; i < ARRAY_LEN(nodes) && rc == 0; i++)
        rc = device_make(tree, nodes[i].path, nodes[i].minor, err);
    static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},
                                           {"/proc/self/fd/0", "dev/stdin"},
                                           {"/proc/self/fd/1", "dev/stdout"},
                                           {"/proc/self/fd/2", "dev/stderr"}};
    for (size_t i = 0; i < ARRAY_LEN(links) && rc == 0; i++)
        rc = tree_link(tree, links[i][0], links[i][1], err);
    return rc;
}

/* Every slot's uid has AWS's user name, so that getpwuid works whichever uid it is. */
static int template_users(int tree, const struct root_config *config, struct err *err)
{
    AUTO_BUF struct buf passwd, group;
    buf_init(&passwd, 8 << 20);
    buf_init(&group, 8 << 20);
    buf_put(&passwd, STR("root:x:0:0:root:/root:/usr/sbin/nologin\n"));
    buf_put(&group, STR("root:x:0:\n"));
    for (unsigned i = 0; i < config->slot_count; i++) {
        unsigned uid = config->uid_base + i;
        buf_printf(&passwd, "sbx_user1051:x:%u:%u::/tmp:/usr/sbin/nologin\n", uid, uid);
        buf_printf(&group, "sbx_user1051:x:%u:\n", uid);
    }
    if (buf_is_over(&passwd) || buf_is_over(&group))
        return err_say(err, -E2BIG, "slot_count %u", config->slot_count);
    int rc = tree_file(tree, "etc/passwd", buf_str(&passwd), 0644, err);
    return rc < 0 ? rc : tree_file(tree, "etc/group", buf_str(&group), 0644, err);
}

/* Copies a small file of the host; one that does not exist is left out. */
static int template_copy(int tree, const char *name, struct err *err)
{
    char host[64];
    (void) snprintf(host, sizeof host, "/%s", name);
    AUTO_CLOSE int fd = open(host, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "open %s", host);
    AUTO_BUF struct buf bytes;
    buf_init(&bytes, 4 << 20);
    for (;;) {
        char *room = buf_room(&bytes, 65536);
        if (room == NULL)
            return err_say(err, -EFBIG, "%s is larger than 4 MB", host);
        ssize_t n = read(fd, room, 65536);
        if (n < 0)
            return err_set(err, -errno, "read %s", host);
        if (n == 0)
            break;
        buf_added(&bytes, (size_t) n);
    }
    return tree_file(tree, name, buf_str(&bytes), 0644, err);
}

/* Debian's Java keeps its configuration in /etc/java-17-openjdk and the like. */
static int template_java(int tree, struct err *err)
{
    DIR *etc = opendir("/etc");
    if (etc == NULL)
        return err_set(err, -errno, "open /etc");
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(etc)) != NULL;) {
        char host[16 + NAME_MAX];
        if (entry->d_type != DT_DIR || !str_starts(str_from(entry->d_name), STR("java-")))
            continue;
        (void) snprintf(host, sizeof host, "/etc/%s", entry->d_name);
        rc = tree_bind(tree, host, host + 1, err);
    }
    (void) closedir(etc);
    return rc;
}

static int template_etc(int tree, const struct root_config *config, struct err *err)
{
    static const struct {
        const char *path, *text;
    } own[] = {
        {"etc/hosts", "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n"},
        {"etc/hostname", "localhost\n"},
        /* virga-init. EDNS, since answers come in one packet or not at all (init_names.c). */
        {"etc/resolv.conf", "nameserver 127.0.0.1\noptions edns0\n"},
        {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"
                              "services: files\nprotocols: files\n"},
    };
    static const char *const copies[] = {"etc/ld.so.cache", "etc/mime.types", "etc/services",
                                         "etc/protocols", "etc/ssl/openssl.cnf"};
    static const char *const binds[] = {"etc/ssl/certs", "etc/alternatives", "etc/python3",
                                        "etc/fonts", "etc/ImageMagick-6"};
    int rc = tree_mkdir(tree, "etc", err);
    rc = rc < 0 ? rc : tree_mkdir(tree, "etc/ssl", err);
    for (size_t i = 0; i < ARRAY_LEN(own) && rc == 0; i++)
        rc = tree_file(tree, own[i].path, str_from(own[i].text), 0644, err);
    for (size_t i = 0; i < ARRAY_LEN(copies) && rc == 0; i++)
        rc = template_copy(tree, copies[i], err);
    for (size_t i = 0; i < ARRAY_LEN(binds) && rc == 0; i++) {
        char host[64];
        (void) snprintf(host, sizeof host, "/%s", binds[i]);
        if (faccessat(AT_FDCWD, host, F_OK, 0) == 0)
            rc = tree_bind(tree, host, binds[i], err);
    }
    rc = rc < 0 ? rc : template_java(tree, err);
    rc = rc < 0 ? rc : tree_link(tree, "/usr/share/zoneinfo/UTC", "etc/localtime", err);
    return rc < 0 ? rc : template_users(tree, config, err);
}

static int template_runtime(int tree, struct err *err)
{
    int rc = tree_mkdir(tree, "var/runtime", err);
    for (size_t i = 0; i < runtime_file_count && rc == 0; i++) {
        char path[128];
        const struct runtime_file *file = &runtime_files[i];
        int n = snprintf(path, sizeof path, "var/runtime/%s", file->name);
        if (n < 0 || (size_t) n >= sizeof path)
            return err_say(err, -ENAMETOOLONG, "runtime file %s", file->name);
        rc = tree_file(tree, path, str_of(file->bytes, file->size), file->mode, err);
    }
    return rc;
}

static int template_fill(int tree, const struct root_config *config, struct err *err)
{
    static const char *const dirs[] = {"proc", "tmp", "opt", "var", "var/task", "mnt"};
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(dirs) && rc == 0; i++)
        rc = tree_mkdir(tree, dirs[i], err);
    rc = rc < 0 ? rc : tree_link(tree, "/tmp", "var/tmp", err);
    /* NODE_PATH is nothing to an import: that climbs from /var/task. AWS's Node.js finds layers. */
    rc = rc < 0 ? rc : tree_link(tree, "/opt/nodejs/node_modules", "node_modules", err);
    rc = rc < 0 ? rc : template_system(tree, err);
    rc = rc < 0 ? rc : template_devices(tree, err);
    rc = rc < 0 ? rc : template_etc(tree, config, err);
    return rc < 0 ? rc : template_runtime(tree, err);
}

static int homes_open(struct root *root, struct err *err)
{
    root->home_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    root->host_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root->home_fd < 0 || root->host_fd < 0 ? err_set(err, -errno, "open the own root") : 0;
}

void root_done(struct root *root)
{
    cleanup_close(&root->home_fd);
    cleanup_close(&root->host_fd);
    root->home_fd = root->host_fd = -1;
}

int root_init(struct root *root, const struct root_config *config, struct err *err)
{
    int n = snprintf(root->path, sizeof root->path, "%s/root", config->state_dir);
    if (n < 0 || (size_t) n >= sizeof root->path - 32)
        return err_say(err, -ENAMETOOLONG, "state directory '%s'", config->state_dir);
    if (mkdir(root->path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "make '%s'", root->path);
    if (mount("virga", root->path, "tmpfs", MS_NOSUID, "mode=0755,size=32m,nr_inodes=2048") < 0)
        return err_set(err, -errno, "mount the template on '%s'", root->path);
    AUTO_CLOSE int tree = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree < 0)
        return err_set(err, -errno, "open '%s'", root->path);
    int rc = template_fill(tree, config, err);
    rc = rc < 0 ? rc : homes_open(root, err);
    if (rc < 0)
        return rc;
    /* The file system itself turns read-only, not just this view of it. */
    if (mount(NULL, root->path, NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID, NULL) < 0)
        return err_set(err, -errno, "make the template read-only");
    return 0;
}

/* ---- one sandbox, between clone and exec ---- */

/* The same directory as fd, opened in this mount namespace (see above); -errno. */
static int dir_reopen(int fd)
{
    char link[32], path[PATH_MAX];
    (void) snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return -errno;
    path[n] = '\0';
    int own = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (own < 0)
        return -errno;
    struct stat theirs, ours;
    if (fstat(fd, &theirs) < 0 || fstat(own, &ours) < 0 || theirs.st_dev != ours.st_dev ||
        theirs.st_ino != ours.st_ino) {
        (void) close(own);
        return -ESTALE;
    }
    return own;
}

/* A mount of the directory, read-only and attached nowhere; -errno. */
static int dir_mount(int fd)
{
    AUTO_CLOSE int own = dir_reopen(fd);
    if (own < 0)
        return own;
    AUTO_CLOSE int source = open_tree(own, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    if (source < 0 || mount_setattr(source, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return -errno;
    return take_fd(&source);
}

/* The layers on top of each other, the last one highest, attached nowhere; -errno. */
static int layers_mount(const struct root_dirs *dirs)
{
    if (dirs->layer_count == 1)
        return dir_mount(dirs->layer_fds[0]);
    int own[ROOT_LAYERS_MAX];
    char lower[24 * ROOT_LAYERS_MAX] = "";
    size_t at = 0;
    unsigned count = 0;
    int rc = 0;
    for (; count < dirs->layer_count; count++) {
        unsigned i = dirs->layer_count - 1 - count;
        own[count] = dir_reopen(dirs->layer_fds[i]);
        if (own[count] < 0) {
            rc = own[count];
            break;
        }
        at += (size_t) snprintf(lower + at, sizeof lower - at, "/proc/self/fd/%d%s", own[count],
                                i > 0 ? ":" : "");
    }
    AUTO_CLOSE int fs = rc < 0 ? -1 : fsopen("overlay", FSOPEN_CLOEXEC);
    AUTO_CLOSE int mnt = -1;
    if (rc == 0 && (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "opt", 0) < 0 ||
                    fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0) < 0 ||
                    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
                    (mnt = fsmount(fs, FSMOUNT_CLOEXEC,
                                   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)) < 0))
        rc = -errno;
    while (count-- > 0)
        (void) close(own[count]);
    return rc < 0 ? rc : take_fd(&mnt);
}

/* What a sandbox shows of its own, attached nowhere yet; -1: none. */
struct dir_mounts {
    int code_fd, opt_fd;
};

static void dir_mounts_close(struct dir_mounts *mounts)
{
    cleanup_close(&mounts->code_fd);
    cleanup_close(&mounts->opt_fd);
}

static int dir_mounts_make(const struct root_dirs *dirs, struct dir_mounts *out,
                           const char **out_step)
{
    *out = (struct dir_mounts){-1, -1};
    if (dirs->code_fd >= 0) {
        *out_step = "mount /var/task";
        out->code_fd = dir_mount(dirs->code_fd);
        if (out->code_fd < 0)
            return out->code_fd;
    }
    if (dirs->layer_count > 0) {
        *out_step = "mount /opt";
        out->opt_fd = layers_mount(dirs);
        if (out->opt_fd < 0) {
            int rc = out->opt_fd;
            dir_mounts_close(out);
            return rc;
        }
    }
    return 0;
}

/* prefix: of the paths, where the sandbox's root lies. */
static int dir_mounts_show(const struct dir_mounts *mounts, const char *prefix,
                           const char **out_step)
{
    const struct {
        int fd;
        const char *path, *step;
    } places[] = {{mounts->code_fd, "/var/task", "show /var/task"},
                  {mounts->opt_fd, "/opt", "show /opt"}};
    char target[ROOT_PATH_MAX + 32];
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        *out_step = places[i].step;
        (void) snprintf(target, sizeof target, "%s%s", prefix, places[i].path);
        if (places[i].fd >= 0 &&
            move_mount(places[i].fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
            return -errno;
    }
    return 0;
}

/* setns gives a process the root of its new namespace; one that was started below a root of its own
 * gets that back. */
static void come_home(const struct root *root)
{
    if (setns(root->home_fd, CLONE_NEWNS) < 0 || fchdir(root->host_fd) < 0 || chroot(".") < 0)
        _exit(1); /* Going on in a stranger's file system would be worse than ending. */
}

int root_attach(const struct root *root, int mounts_fd, const struct root_dirs *dirs,
                const char **out_step)
{
    struct dir_mounts mounts;
    int rc = dir_mounts_make(dirs, &mounts, out_step);
    if (rc < 0 || (mounts.code_fd < 0 && mounts.opt_fd < 0))
        return rc;
    if (setns(mounts_fd, CLONE_NEWNS) < 0) {
        *out_step = "enter the sandbox's mounts";
        rc = -errno;
    } else {
        rc = dir_mounts_show(&mounts, "", out_step);
        come_home(root);
    }
    dir_mounts_close(&mounts);
    return rc;
}

static int proc_mount(const char *root)
{
    char path[ROOT_PATH_MAX + 32];
    (void) snprintf(path, sizeof path, "%s/proc", root);
    unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("proc", path, "proc", flags, NULL) < 0)
        return -errno;
    /* Read-only and not being root closes /proc/sys, sysrq-trigger, kcore, timer_list; what any
     * user of the host may read and must not is hidden. */
    static const char *const masked[] = {"keys", "key-users"};
    char null[ROOT_PATH_MAX + 32];
    (void) snprintf(null, sizeof null, "%s/dev/null", root);
    for (size_t i = 0; i < ARRAY_LEN(masked); i++) {
        (void) snprintf(path, sizeof path, "%s/proc/%s", root, masked[i]);
        if (mount(null, path, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* In a pid namespace of its own; the status is an errno. */
_Noreturn static void proc_try(void)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0)
        _exit(errno);
    pid_t pid = fork();
    if (pid == 0) {
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(errno);
        unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        _exit(mount("proc", "/proc", "proc", flags, NULL) < 0 ? errno : 0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        _exit(errno);
    _exit(WEXITSTATUS(status));
}

int root_can_proc(void)
{
    pid_t pid = fork();
    if (pid == 0)
        proc_try();
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -errno;
    return -WEXITSTATUS(status);
}

static int root_pivot(const char *path)
{
    if (chdir(path) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
        chdir("/") < 0)
        return -errno;
    return 0;
}

int root_enter(const struct root *root, const struct root_dirs *dirs, const struct tmp *tmp,
               const char **out_step)
{
    char target[ROOT_PATH_MAX + 32];
    (void) snprintf(target, sizeof target, "%s/tmp", root->path);
    *out_step = "mount /tmp";
    int rc = tmp_mount(tmp, target);
    struct dir_mounts mounts = {-1, -1}; /* Closed with everything else before exec. */
    if (rc == 0)
        rc = dir_mounts_make(dirs, &mounts, out_step);
    if (rc == 0)
        rc = dir_mounts_show(&mounts, root->path, out_step);
    if (rc == 0) {
        *out_step = "mount /proc";
        rc = proc_mount(root->path);
    }
    if (rc == 0) {
        *out_step = "change the root";
        rc = root_pivot(root->path);
    }
    return rc;
}
