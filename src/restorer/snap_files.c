/* Open descriptors: which of them a copy can have, what is noted of them, how a copy gets them.
 *
 *     devices, files on read-only mounts   opened anew, at the same offset
 *     pipes with both ends in the process  made anew, with the few bytes that they hold
 *     eventfds                             made anew, with their count
 *     epolls                               made anew, watching the same numbers
 *     0 to 2 and the control socket        the copy's own; flags as they were
 *
 * Pipes, eventfds and epolls are what event loops consist of (libuv, asyncio); the other end of
 * everything else lies outside the process. What an epoll watches and what an eventfd counts is in
 * /proc/self/fdinfo. Two descriptors of one eventfd cannot be told from two of two, so one id twice
 * is refused. Source: proc_pid_fdinfo(5). */
#include "restorer/snap_int.h"
#include "restorer/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INFO_BYTES = 16 * 1024 };

struct check {
    int fd, kept_fd;
    char *reason;
    struct snap_state *state;
};

static int refuse(struct check *check, long number, const char *target)
{
    (void) snprintf(check->reason, SNAP_REASON_MAX, "descriptor %ld is open: %.200s", number,
                    target);
    return SNAP_REFUSED;
}

/* ---- in the template ---- */

/* The text of /proc/self/fdinfo/N; NULL when it cannot be read whole. */
static const char *info_read(long number)
{
    static char text[INFO_BYTES];
    char path[48];
    (void) snprintf(path, sizeof path, "/proc/self/fdinfo/%ld", number);
    long fd = sys3(__NR_open, (long) path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    size_t len = 0;
    for (long n; (n = sys3(__NR_read, fd, (long) (text + len), (long) (INFO_BYTES - len))) > 0;)
        len += (size_t) n;
    (void) sys3(__NR_close, fd, 0, 0);
    if (len == INFO_BYTES)
        return NULL;
    text[len] = '\0';
    return text;
}

/* The number behind a word of such a text; 0 and *out unchanged when the word is not there. */
static int info_number(const char *text, const char *word, int base, uint64_t *out)
{
    const char *at = text == NULL ? NULL : strstr(text, word);
    if (at == NULL)
        return 0;
    *out = strtoull(at + strlen(word), NULL, base);
    return 1;
}

/* Files that are the same in every sandbox of the function: devices, and what cannot be written. */
static int can_open_anew(long number, const char *path, int flags)
{
    static const char *const read_only[] = {"/usr/", "/etc/", "/opt/", "/var/task/",
                                            "/var/runtime/"};
    struct stat st;
    if (fstat((int) number, &st) < 0 || strstr(path, " (deleted)") != NULL)
        return 0;
    if (S_ISCHR(st.st_mode))
        return strncmp(path, "/dev/", 5) == 0;
    if (!S_ISREG(st.st_mode) || (flags & O_ACCMODE) != O_RDONLY)
        return 0;
    for (size_t i = 0; i < sizeof read_only / sizeof read_only[0]; i++)
        if (strncmp(path, read_only[i], strlen(read_only[i])) == 0)
            return 1;
    return 0;
}

static int note_event(struct check *check, struct snap_file *file)
{
    const char *info = info_read(file->fd);
    uint64_t semaphore = 0;
    if (!info_number(info, "eventfd-count:", 16, &file->count) ||
        !info_number(info, "eventfd-id:", 10, &file->id))
        return refuse(check, file->fd, file->path);
    (void) info_number(info, "eventfd-semaphore:", 10, &semaphore); /* since Linux 6.9 */
    const struct snap_state *state = check->state;
    for (const struct snap_file *other = state->files; other < file; other++)
        if (other->kind == SNAP_FILE_EVENT && other->id == file->id)
            return refuse(check, file->fd, file->path);
    return semaphore == 0 ? 0 : refuse(check, file->fd, file->path);
}

/* "tfd:       17 events:       19 data:               11  pos:0 …", one line per watched
 * descriptor. */
static int note_epoll(struct check *check, struct snap_file *file)
{
    struct snap_state *state = check->state;
    const char *at = info_read(file->fd);
    if (at == NULL)
        return refuse(check, file->fd, file->path);
    for (; (at = strstr(at, "tfd:")) != NULL; at++) {
        struct snap_watch watch = {.epoll_fd = file->fd};
        uint64_t fd = 0, events = 0;
        if (state->watch_count == SNAP_WATCHES_MAX || !info_number(at, "tfd:", 10, &fd) ||
            !info_number(at, "events:", 16, &events) || !info_number(at, "data:", 16, &watch.data))
            return refuse(check, file->fd, file->path);
        watch.fd = (int32_t) fd;
        watch.events = (uint32_t) events;
        state->watches[state->watch_count++] = watch;
    }
    return 0;
}

/* What the reading end of a pipe would give: taken and written back. */
static int note_held(struct check *check, struct snap_file *reader, const struct snap_file *writer)
{
    int size = 0;
    if (sys3(__NR_ioctl, reader->fd, FIONREAD, (long) &size) < 0 || size < 0 ||
        (size_t) size > sizeof reader->held)
        return refuse(check, reader->fd, "a pipe that holds data");
    if (size > 0 && (sys3(__NR_read, reader->fd, (long) reader->held, size) != size ||
                     sys3(__NR_write, writer->fd, (long) reader->held, size) != size))
        return refuse(check, reader->fd, reader->path);
    reader->held_size = (uint32_t) size;
    return 0;
}

/* Both ends of each pipe, once each. */
static int match_pipes(struct check *check)
{
    struct snap_state *state = check->state;
    struct snap_file *end = state->files + state->file_count;
    for (struct snap_file *file = state->files; file < end; file++) {
        if (file->kind != SNAP_FILE_PIPE)
            continue;
        struct snap_file *other = NULL;
        int count = 0;
        for (struct snap_file *candidate = state->files; candidate < end; candidate++)
            if (candidate != file && candidate->kind == SNAP_FILE_PIPE &&
                strcmp(candidate->path, file->path) == 0) {
                other = candidate;
                count++;
            }
        int mode = file->flags & O_ACCMODE;
        if (count != 1 || mode == O_RDWR || (other->flags & O_ACCMODE) == mode ||
            (other->flags & O_ACCMODE) == O_RDWR)
            return refuse(check, file->fd, file->path);
        file->other_fd = other->fd;
        if (mode == O_RDONLY && note_held(check, file, other) < 0)
            return SNAP_REFUSED;
    }
    return 0;
}

/* An epoll forgets a descriptor that is closed only when its file is; then another file may have
 * the number. */
static int check_watches(struct check *check)
{
    const struct snap_state *state = check->state;
    for (uint32_t i = 0; i < state->watch_count; i++) {
        int is_open = 0;
        for (uint32_t k = 0; k < state->file_count; k++)
            is_open |= state->files[k].fd == state->watches[i].fd;
        if (!is_open)
            return refuse(check, state->watches[i].epoll_fd,
                          "an epoll that watches what is closed");
    }
    return 0;
}

static int note_fd(long dir, const char *name, void *arg)
{
    struct check *check = arg;
    struct snap_state *state = check->state;
    long number = strtol(name, NULL, 10);
    if (number == dir || number == check->fd)
        return 0;
    char path[64], target[SNAP_PATH_MAX] = "?";
    (void) snprintf(path, sizeof path, "/proc/self/fd/%ld", number);
    long n = sys3(__NR_readlink, (long) path, (long) target, sizeof target - 1);
    if (n < 0 || n == sizeof target - 1 || state->file_count == SNAP_FILES_MAX)
        return refuse(check, number, target);
    int flags = fcntl((int) number, F_GETFL);
    struct snap_file *file = &state->files[state->file_count++];
    *file = (struct snap_file){.fd = (int) number};
    file->flags = flags | ((fcntl((int) number, F_GETFD) & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
    (void) snprintf(file->path, sizeof file->path, "%s", target);
    if (number <= 2 || number == check->kept_fd) {
        file->kind = SNAP_FILE_KEPT;
    } else if (strcmp(target, "anon_inode:[eventfd]") == 0) {
        file->kind = SNAP_FILE_EVENT;
        return note_event(check, file);
    } else if (strcmp(target, "anon_inode:[eventpoll]") == 0) {
        file->kind = SNAP_FILE_EPOLL;
        return note_epoll(check, file);
    } else if (strncmp(target, "pipe:[", 6) == 0) {
        file->kind = SNAP_FILE_PIPE;
    } else if (can_open_anew(number, target, flags)) {
        file->kind = SNAP_FILE_OPENED;
        file->offset = lseek((int) number, 0, SEEK_CUR);
    } else {
        return refuse(check, number, target);
    }
    return 0;
}

int snap_files_note(int fd, int kept_fd, struct snap_state *state, char reason[SNAP_REASON_MAX])
{
    struct check check = {fd, kept_fd, reason, state};
    int rc = snap_list("/proc/self/fd", note_fd, &check);
    if (rc == 0)
        rc = match_pipes(&check);
    return rc == 0 ? check_watches(&check) : rc;
}

/* ---- in a copy: system calls only ---- */

static void must(long rc)
{
    if (rc < 0)
        sys_exit(SNAP_EXIT_STATE);
}

/* Gives `fd` the number and the flags that `file` had. */
static void place(long fd, const struct snap_file *file)
{
    must(fd);
    if (fd != file->fd) {
        must(sys3(__NR_dup3, fd, file->fd, 0));
        (void) sys3(__NR_close, fd, 0, 0);
    }
    must(sys3(__NR_fcntl, file->fd, F_SETFD, (file->flags & O_CLOEXEC) != 0 ? FD_CLOEXEC : 0));
    must(sys3(__NR_fcntl, file->fd, F_SETFL, file->flags));
}

/* The second end waits above all numbers that are wanted while the first one gets its own. */
static void pipe_load(const struct snap_state *s, const struct snap_file *reader)
{
    const struct snap_file *writer = s->files;
    while (writer->fd != reader->other_fd)
        writer++;
    int ends[2];
    must(sys3(__NR_pipe2, (long) ends, 0, 0));
    long parked = sys3(__NR_fcntl, ends[1], F_DUPFD, s->files[s->file_count - 1].fd + 1);
    must(parked);
    (void) sys3(__NR_close, ends[1], 0, 0);
    place(ends[0], reader);
    place(parked, writer);
    if (reader->held_size > 0)
        must(sys3(__NR_write, writer->fd, (long) reader->held, reader->held_size));
}

static void file_load(const struct snap_state *s, const struct snap_file *file)
{
    switch ((enum snap_file_kind) file->kind) {
    case SNAP_FILE_KEPT: place(file->fd, file); break;
    case SNAP_FILE_OPENED:
        place(sys3(__NR_open, (long) file->path, file->flags, 0), file);
        if (file->offset > 0)
            must(sys3(__NR_lseek, file->fd, (long) file->offset, SEEK_SET));
        break;
    case SNAP_FILE_EVENT:
        place(sys3(__NR_eventfd2, 0, 0, 0), file);
        if (file->count > 0)
            must(sys3(__NR_write, file->fd, (long) &file->count, sizeof file->count));
        break;
    case SNAP_FILE_PIPE:
        if ((file->flags & O_ACCMODE) == O_RDONLY)
            pipe_load(s, file);
        break;
    case SNAP_FILE_EPOLL: place(sys3(__NR_epoll_create1, 0, 0, 0), file); break;
    }
}

/* A number that is free until it is wanted: a copy has its first four descriptors only, and what is
 * made here leaves its first number before the next one comes. */
void snap_files_load(const struct snap_state *s)
{
    for (uint32_t i = 0; i < s->file_count; i++)
        file_load(s, &s->files[i]);
    for (uint32_t i = 0; i < s->watch_count; i++) {
        const struct snap_watch *watch = &s->watches[i];
        struct epoll_event event = {.events = watch->events, .data.u64 = watch->data};
        must(sys4(__NR_epoll_ctl, watch->epoll_fd, EPOLL_CTL_ADD, watch->fd, (long) &event));
    }
}
