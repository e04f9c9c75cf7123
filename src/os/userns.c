/* The map of a namespace is written from outside, once, by a process that may: a child forked
 * before we enter runs the two programs. Until it has, we are nobody here.
 *
 *     this process                    child
 *     fork ───────────────────────────→ waits
 *     unshare(CLONE_NEWUSER), tell ───→ newuidmap, newgidmap
 *     waits ←───────────────────────── ends with 0
 *     becomes 0:0
 */
#include "os/userns.h"

#include "base/buf.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_MAX = 1024 * 1024 };

static const char advice[] =
    "to run without root, install the package uidmap and give the user 65536 subordinate ids: "
    "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME";

bool userns_range_find(struct str file, struct str name, uid_t uid, uint64_t count,
                       uint64_t *out_first)
{
    struct str line;
    while (str_split(&file, '\n', &line)) {
        struct str who, first;
        uint64_t number, from, length;
        if (!str_split(&line, ':', &who) || !str_split(&line, ':', &first) ||
            parse_u64(first, UINT32_MAX, &from) < 0 || parse_u64(line, UINT32_MAX, &length) < 0)
            continue;
        bool is_theirs =
            str_eq(who, name) || (parse_u64(who, UINT32_MAX, &number) == 0 && number == uid);
        if (is_theirs && length >= count) {
            *out_first = from;
            return true;
        }
    }
    return false;
}

/* The next number of a line, after any blanks. */
static bool next_number(struct str *line, uint64_t *out)
{
    *line = str_trim(*line);
    struct str word = str_head(*line, str_find(*line, ' '));
    *line = str_skip(*line, word.len);
    return parse_u64(word, UINT32_MAX, out) == 0;
}

uint64_t userns_map_count(struct str map)
{
    uint64_t end = 0;
    struct str line;
    while (str_split(&map, '\n', &line)) {
        uint64_t inside, outside, length;
        if (!next_number(&line, &inside) || !next_number(&line, &outside) ||
            !next_number(&line, &length))
            continue;
        if (inside <= end && inside + length > end)
            end = inside + length;
    }
    return end;
}

static int file_text(const char *path, struct buf *out, struct err *err)
{
    buf_init(out, FILE_MAX);
    return file_read(path, out, err);
}

uint64_t userns_id_count(void)
{
    AUTO_BUF struct buf map;
    struct err err;
    return file_text("/proc/self/uid_map", &map, &err) < 0 ? 0 : userns_map_count(buf_str(&map));
}

static int range_of(const char *path, uint64_t *out_first, struct err *err)
{
    AUTO_BUF struct buf file;
    uid_t uid = getuid();
    const struct passwd *user = getpwuid(uid);
    struct str name = user == NULL ? STR("") : str_from(user->pw_name);
    if (file_text(path, &file, err) >= 0 &&
        userns_range_find(buf_str(&file), name, uid, USERNS_IDS - 1, out_first))
        return 0;
    return err_say(err, -EPERM, "%s gives uid %u no range of ids; %s", path, (unsigned) uid,
                   advice);
}

static int put(const char *path, const char *text, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? err_set(err, -errno, "write %s", path) : 0;
}

/* In the child: runs one of the two programs. */
static int map_write(const char *program, pid_t target, unsigned own, uint64_t first)
{
    char pid[16], id[16], from[24], count[16];
    (void) snprintf(pid, sizeof pid, "%d", target);
    (void) snprintf(id, sizeof id, "%u", own);
    (void) snprintf(from, sizeof from, "%llu", (unsigned long long) first);
    (void) snprintf(count, sizeof count, "%d", USERNS_IDS - 1);
    pid_t child = fork();
    if (child == 0) {
        (void) execlp(program, program, pid, "0", id, "1", "1", from, count, (char *) NULL);
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* In the child of a container's root, who may: all ids as they are. */
static bool maps_copy(pid_t target)
{
    char path[40], map[32];
    (void) snprintf(map, sizeof map, "0 0 %llu", (unsigned long long) userns_id_count());
    (void) snprintf(path, sizeof path, "/proc/%d/uid_map", target);
    if (put(path, map, NULL) < 0)
        return false;
    (void) snprintf(path, sizeof path, "/proc/%d/gid_map", target);
    return put(path, map, NULL) == 0;
}

_Noreturn static void helper_run(int told_fd, pid_t target, uint64_t first_uid, uint64_t first_gid)
{
    char byte;
    bool is_told = read(told_fd, &byte, 1) == 1;
    if (is_told && first_uid == 0)
        _exit(maps_copy(target) ? 0 : 1);
    bool is_mapped = is_told && map_write("newuidmap", target, getuid(), first_uid) == 0 &&
                     map_write("newgidmap", target, getgid(), first_gid) == 0;
    _exit(is_mapped ? 0 : 1);
}

static int namespace_make(struct err *err)
{
    if (unshare(CLONE_NEWUSER) == 0)
        return 0;
    int code = -errno;
    if (geteuid() == 0)
        return err_say(err, code,
                       "this container may neither mount nor make user namespaces (%s): docker run "
                       "--privileged, or --security-opt seccomp=unconfined --security-opt "
                       "systempaths=unconfined",
                       strerror(-code));
    return err_say(err, code,
                   "user namespaces are refused (%s): see kernel.unprivileged_userns_clone, "
                   "user.max_user_namespaces, or the container's seccomp profile",
                   strerror(-code));
}

static int root_become(struct err *err)
{
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return err_set(err, -errno, "become root of the user namespace");
    return 0;
}

/* The one map that needs nobody's help: oneself. The kernel wants groups forbidden first, with
 * which a process could lose one that denies it something. */
static int enter_alone(struct err *err)
{
    char uids[32], gids[32];
    (void) snprintf(uids, sizeof uids, "0 %u 1", (unsigned) geteuid());
    (void) snprintf(gids, sizeof gids, "0 %u 1", (unsigned) getegid());
    int rc = namespace_make(err);
    rc = rc < 0 ? rc : put("/proc/self/setgroups", "deny", err);
    rc = rc < 0 ? rc : put("/proc/self/uid_map", uids, err);
    rc = rc < 0 ? rc : put("/proc/self/gid_map", gids, err);
    return rc < 0 ? rc : root_become(err);
}

static bool is_program(const char *name)
{
    static const char *const dirs[] = {"/usr/bin", "/bin", "/usr/local/bin"};
    char path[64];
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        (void) snprintf(path, sizeof path, "%s/%s", dirs[i], name);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static int enter(int tell_fd, pid_t helper, struct err *err)
{
    int status = 0, rc = namespace_make(err);
    if (rc == 0 && write(tell_fd, "x", 1) != 1)
        rc = err_set(err, -errno, "tell the helper");
    (void) close(tell_fd); /* Untold it ends by this. */
    if (waitpid(helper, &status, 0) < 0 && rc == 0)
        rc = err_set(err, -errno, "wait for newuidmap");
    if (rc == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        rc = err_say(err, -EPERM, "newuidmap or newgidmap failed; %s", advice);
    return rc < 0 ? rc : root_become(err);
}

int userns_enter(bool accepts_one, struct err *err)
{
    uint64_t first_uid = 0, first_gid = 0;
    bool is_root = geteuid() == 0; /* without the right to mount */
    int rc = is_root ? 0 : range_of("/etc/subuid", &first_uid, err);
    if (rc == 0 && !is_root)
        rc = range_of("/etc/subgid", &first_gid, err);
    if (rc == 0 && !is_root && (!is_program("newuidmap") || !is_program("newgidmap")))
        rc = err_say(err, -EPERM, "newuidmap and newgidmap are not there; %s", advice);
    if (rc < 0 && accepts_one)
        return enter_alone(err);
    int pipe_fds[2];
    if (rc == 0 && pipe2(pipe_fds, O_CLOEXEC) < 0)
        rc = err_set(err, -errno, "pipe");
    if (rc < 0)
        return rc;
    pid_t self = getpid(), helper = fork();
    if (helper == 0) {
        (void) close(pipe_fds[1]);
        helper_run(pipe_fds[0], self, first_uid, first_gid);
    }
    (void) close(pipe_fds[0]);
    if (helper < 0) {
        (void) close(pipe_fds[1]);
        return err_set(err, -errno, "fork");
    }
    return enter(pipe_fds[1], helper, err);
}
