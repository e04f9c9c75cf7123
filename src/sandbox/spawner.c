/* The spawner: the only process that keeps privilege, single-threaded, auditable alone.
 *
 * It sees fixed records from main and fixed records from sandboxes, never the network and never a
 * byte that a tenant chose. One epoll loop; nothing in it waits for main, for a sandbox or for a
 * disk longer than a system call takes. What it has at a time is bounded by the slots; while it
 * owes main more events than its queue is sure to hold, it does not read requests.
 *
 * A slot, with the uid that belongs to it:
 *
 *     FREE → BUILDING ──────→ LIVE → ENDING → FREE
 *              │ └─→ SHELL ─────↗      ↑
 *              └──────────└────────────┘
 *
 * BUILDING: cloned, virga-init has not reported. SHELL: it has, and the sandbox is nobody's yet
 * (shells.c). LIVE: MADE was sent. ENDING: process 1 is dead, hence its pid namespace is empty;
 * cgroups and /tmp are being removed, then GONE (or FAILED, if it was never LIVE; nothing for a
 * shell) is sent and the slot with its uid is free for another.
 *
 * Leaving: when main's end of the socket closes, by intention or by death, everything is killed,
 * removed, and the process ends. If the spawner itself dies, its sandboxes die by their
 * parent-death signal, its mounts with its mount namespace, and the next start removes the cgroups
 * that remain; a lock file keeps two spawners off one state directory.
 *
 * Privilege: the bounding set is emptied, no_new_privs set, and of root's capabilities those stay
 * that the work needs (see keep_capabilities). */
#include "sandbox/spawner.h"

#include "base/assert.h"
#include "base/mem.h"
#include "sandbox/bare.h"
#include "sandbox/spawner_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { REMOVE_RETRY_MS = 2, LEAVE_MS = 10000, EVENTS_AT_ONCE = 64 };
enum { START_US = 50 * 1000 }; /* main is busy with its own start */

/* ---- what main asks ---- */

static void refuse(struct spawner_process *sp, uint64_t id, const struct err *err)
{
    struct wire_event event = {.magic = WIRE_MAGIC, .id = id};
    slot_fail_say(&event, err->code, err->text);
    outbox_put(&sp->outbox, &event, NULL);
}

static struct slot *slot_find(struct spawner_process *sp, uint64_t id)
{
    for (unsigned i = 0; i < sp->slot_total; i++)
        if (sp->slots[i].state != SLOT_FREE && sp->slots[i].id == id && !sp->slots[i].is_shell)
            return &sp->slots[i];
    return NULL;
}

static int check_dirs(struct spawner_process *sp, const int *fds, unsigned count, struct err *err)
{
    for (unsigned i = 0; i < count; i++) {
        struct stat st;
        if (fstat(fds[i], &st) < 0)
            return err_set(err, -errno, "look at a directory");
        if (!S_ISDIR(st.st_mode))
            return err_say(err, -ENOTDIR, "a descriptor is not a directory");
        if (st.st_uid != sp->config->main_uid)
            return err_say(err, -EPERM, "a directory does not belong to the main process");
    }
    return 0;
}

static void spawn(struct spawner_process *sp, const struct wire_request *request, const int *fds,
                  unsigned fd_count)
{
    struct err err;
    if (check_dirs(sp, fds, fd_count, &err) < 0) {
        refuse(sp, request->id, &err);
        return;
    }
    int rc = 0;
    struct slot *shell = NULL, *slot = NULL;
    if (slot_find(sp, request->id) != NULL)
        rc = err_say(&err, -EEXIST, "a sandbox with this id lives");
    else if (sp->used_count - sp->shell_count >= sp->config->slot_count ||
             ((shell = shells_take(sp, request)) == NULL && (slot = slot_find_free(sp)) == NULL))
        rc = err_say(&err, -EAGAIN, "all %u slots are in use", sp->config->slot_count);
    struct root_dirs dirs = {.code_fd = request->has_code ? fds[0] : -1,
                             .layer_count = request->layer_count};
    for (unsigned i = 0; i < request->layer_count; i++)
        dirs.layer_fds[i] = fds[request->has_code + i];
    if (shell != NULL)
        slot_assign(sp, shell, request, &dirs);
    else if (rc == 0)
        rc = slot_begin(sp, slot, request, &dirs, &err);
    if (rc < 0)
        refuse(sp, request->id, &err);
}

static void kill_request(struct spawner_process *sp, uint64_t id)
{
    struct slot *slot = slot_find(sp, id);
    /* One that is gone already, or never was, needs no killing; main may ask late. */
    if (slot == NULL || slot->state == SLOT_ENDING)
        return;
    /* Fails only if the group is gone, and then so is what was in it. */
    (void) cgroup_kill(&slot->cgroup, NULL);
}

/* virga-init tells the spawner's signal from those inside by its sender, see init.c. */
static void terminate_request(struct spawner_process *sp, uint64_t id)
{
    struct slot *slot = slot_find(sp, id);
    if (slot != NULL && slot->state == SLOT_LIVE)
        (void) syscall(SYS_pidfd_send_signal, slot->pidfd, WIRE_SIGNAL_END, NULL,
                       0); /* As above. */
}

static void socket_request(struct spawner_process *sp, uint64_t id)
{
    struct wire_event event = {.magic = WIRE_MAGIC, .kind = WIRE_OUTWARD, .id = id};
    const struct slot *slot = slot_find(sp, id);
    int fds[WIRE_MADE_FDS];
    for (int i = 0; i < WIRE_MADE_FDS; i++)
        fds[i] = -1;
    struct err err;
    int rc = slot == NULL || slot->state != SLOT_LIVE
                 ? -ESRCH
                 : netns_socket(sp->parts.netns_home, slot->netns.fd, &err);
    event.error = rc < 0 ? rc : 0;
    fds[0] = rc < 0 ? -1 : rc;
    outbox_put(&sp->outbox, &event, fds);
}

static void limit_request(struct spawner_process *sp, const struct wire_request *request)
{
    struct slot *slot = slot_find(sp, request->id);
    if (slot == NULL || slot->state == SLOT_ENDING)
        return; /* As above. */
    struct err err;
    if (cgroup_limit_cpu(&sp->parts.cgroups, &slot->cgroup, request->cpu_milli, &err) < 0)
        (void) cgroup_kill(&slot->cgroup, NULL); /* Rather none than one without its limit. */
}

/* Takes one message; false when none waits. Its descriptors are closed here in any case: the child
 * has its copies. */
static bool request_take(struct spawner_process *sp)
{
    struct wire_request request = {0};
    union {
        char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {&request, sizeof request};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(sp->socket_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        slot_close_fd(&sp->socket_fd); /* Main is gone. */
        return false;
    }
    int fds[WIRE_FDS_MAX] = {0}; /* fd_count of them */
    unsigned fd_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && fd_count == 0) {
            fd_count = (unsigned) ((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(c), fd_count * sizeof(int));
        }
    struct err err;
    if ((msg.msg_flags & MSG_CTRUNC) != 0) {
        (void) err_say(&err, -EPROTO, "request refused: descriptors were lost");
        refuse(sp, request.id, &err);
    } else if (wire_request_check(&request, (size_t) n, fd_count, &err) < 0) {
        refuse(sp, request.id, &err);
    } else if (request.kind == WIRE_KILL) {
        kill_request(sp, request.id);
    } else if (request.kind == WIRE_LIMIT) {
        limit_request(sp, &request);
    } else if (request.kind == WIRE_TERMINATE) {
        terminate_request(sp, request.id);
    } else if (request.kind == WIRE_SOCKET) {
        socket_request(sp, request.id);
    } else if (request.kind == WIRE_SHRINK) {
        shells_shrink(sp, request.shells);
    } else {
        spawn(sp, &request, fds, fd_count);
        sp->asked_us = spawner_now_us();
        sp->is_shell_broken = false;
    }
    for (unsigned i = 0; i < fd_count; i++)
        (void) close(fds[i]);
    return true;
}

/* ---- the loop ---- */

/* Room for what is owed already, four events per slot in use, and one answer. */
static bool can_read_requests(const struct spawner_process *sp)
{
    return outbox_room(&sp->outbox) > 4 * sp->used_count + 4;
}

/* Sends what waits and asks epoll for exactly what there is to do on the socket. */
static void socket_update(struct spawner_process *sp)
{
    if (sp->socket_fd < 0) {
        outbox_clear(&sp->outbox);
        return;
    }
    if (outbox_flush(&sp->outbox, sp->socket_fd) < 0) {
        slot_close_fd(&sp->socket_fd);
        outbox_clear(&sp->outbox);
        return;
    }
    bool is_blocked = !outbox_is_empty(&sp->outbox);
    if (is_blocked == sp->is_writable_awaited)
        return;
    struct epoll_event event = {.events = is_blocked ? EPOLLOUT : EPOLLIN,
                                .data.u64 = (uint64_t) WATCH_SOCKET << 32};
    if (epoll_ctl(sp->epoll_fd, EPOLL_CTL_MOD, sp->socket_fd, &event) < 0)
        slot_close_fd(&sp->socket_fd); /* Deaf to main is as good as without it. */
    sp->is_writable_awaited = is_blocked;
}

static bool is_alive(const struct slot *slot)
{
    return slot->state != SLOT_FREE && slot->state != SLOT_ENDING;
}

static void dispatch(struct spawner_process *sp, const struct epoll_event *event)
{
    enum watch what = (enum watch)(event->data.u64 >> 32);
    struct slot *slot = &sp->slots[(uint32_t) event->data.u64];
    switch (what) {
    case WATCH_SOCKET:
        while (sp->socket_fd >= 0 && can_read_requests(sp) && request_take(sp))
            socket_update(sp); /* The first of a burst does not wait for the last. */
        break;
    case WATCH_STATUS:
        if (is_alive(slot))
            slot_status_readable(sp, slot);
        break;
    case WATCH_PROCESS:
        if (is_alive(slot))
            slot_process_ended(sp, slot);
        break;
    case WATCH_MEMORY:
        if (is_alive(slot))
            cgroup_oom(&slot->cgroup);
        break;
    case WATCH_ASKED:
        if (is_alive(slot))
            bare_asked(slot->cgroup.bare);
        break;
    }
}

/* Main counts their memory. It is told when it has heard everything else. */
static void tell_shells(struct spawner_process *sp)
{
    if (sp->shell_count == sp->shells_told || !outbox_is_empty(&sp->outbox))
        return;
    sp->shells_told = sp->shell_count;
    const struct wire_event event = {
        .magic = WIRE_MAGIC, .kind = WIRE_SHELLS, .shells = sp->shell_count};
    outbox_put(&sp->outbox, &event, NULL);
}

/* Without control groups: looks at the memory of those whose turn it is. */
static void samples_take(struct spawner_process *sp)
{
    int64_t now_us = spawner_now_us();
    if (!sp->parts.cgroups.is_bare || now_us < sp->sample_us)
        return;
    sp->sample_us = INT64_MAX;
    for (unsigned i = 0; i < sp->slot_total; i++) {
        if (sp->slots[i].state != SLOT_LIVE)
            continue;
        int64_t due_us = bare_sample(sp->slots[i].cgroup.bare, now_us);
        if (due_us < sp->sample_us)
            sp->sample_us = due_us;
    }
}

/* How long the loop may sleep; -1: until something happens. */
static int sleep_ms(const struct spawner_process *sp, int idle_ms)
{
    int ms = idle_ms;
    if (sp->ending_count > 0 && (ms < 0 || ms > REMOVE_RETRY_MS))
        ms = REMOVE_RETRY_MS;
    if (!sp->parts.cgroups.is_bare || sp->sample_us == INT64_MAX)
        return ms;
    int64_t left_us = sp->sample_us - spawner_now_us();
    int sample_ms = left_us <= 0 ? 0 : (int) (left_us / 1000) + 1;
    return ms < 0 || ms > sample_ms ? sample_ms : ms;
}

static void loop(struct spawner_process *sp)
{
    while (sp->socket_fd >= 0) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int n = epoll_wait(sp->epoll_fd, events, EVENTS_AT_ONCE, sleep_ms(sp, shells_wait_ms(sp)));
        for (int i = 0; i < n; i++)
            dispatch(sp, &events[i]);
        samples_take(sp);
        if (sp->ending_count > 0)
            slots_finish_ending(sp);
        if (n == 0 && shells_wait_ms(sp) == 0)
            shells_tend(sp);
        tell_shells(sp);
        socket_update(sp);
    }
}

/* Kills and removes everything; bounded, the rest is the next start's. */
static void leave(struct spawner_process *sp)
{
    for (unsigned i = 0; i < sp->slot_total; i++)
        if (is_alive(&sp->slots[i]))
            (void) cgroup_kill(&sp->slots[i].cgroup, NULL); /* An empty group needs none. */
    int64_t until_us = spawner_now_us() + LEAVE_MS * 1000;
    while (sp->used_count > 0 && spawner_now_us() < until_us) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int n = epoll_wait(sp->epoll_fd, events, EVENTS_AT_ONCE, REMOVE_RETRY_MS);
        for (int i = 0; i < n; i++)
            dispatch(sp, &events[i]);
        slots_finish_ending(sp);
        socket_update(sp);
    }
}

static int say_first(struct spawner_process *sp, int code, const char *text)
{
    struct wire_event event = {
        .magic = WIRE_MAGIC, .kind = code < 0 ? WIRE_FAILED : WIRE_READY, .error = code};
    event.is_bare = sp->parts.cgroups.is_bare;
    (void) snprintf(event.reason, sizeof event.reason, "%s", text == NULL ? "" : text);
    outbox_put(&sp->outbox, &event, NULL);
    return outbox_flush(&sp->outbox, sp->socket_fd);
}

int spawner_run(const struct spawner_config *config, int socket_fd)
{
    struct err err;
    struct spawner_process sp = {.config = config,
                                 .socket_fd = socket_fd,
                                 .epoll_fd = -1,
                                 .slot_total = config->slot_count + config->pool_max,
                                 .asked_us = spawner_now_us() + START_US};
    outbox_init(&sp.outbox, 5 * sp.slot_total + 16);
    stock_init(&sp.stock, config->pool_size, config->pool_max, spawner_now_us());
    int rc = spawner_parts_init(&sp.parts, config, &sp.socket_fd, &err);
    if (rc == 0) {
        sp.slots = NEW_ARRAY(struct slot, sp.slot_total);
        sp.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (sp.epoll_fd < 0)
            rc = err_set(&err, -errno, "epoll");
        else
            rc = spawner_watch(&sp, sp.socket_fd, WATCH_SOCKET, 0, &err);
    }
    rc = say_first(&sp, rc, rc < 0 ? err.text : sp.parts.tmp.weakness) < 0 ? -EPIPE : rc;
    if (rc == 0) {
        loop(&sp);
        leave(&sp);
    }
    slot_close_fd(&sp.epoll_fd);
    slot_close_fd(&sp.socket_fd);
    free(sp.slots);
    outbox_done(&sp.outbox);
    spawner_parts_done(&sp.parts);
    return rc == 0 ? 0 : 1;
}
