/* The spawner: the only process that keeps privilege, single-threaded, auditable alone.
 *
 * It sees fixed records from main and fixed records from sandboxes, never the network and never a
 * byte that a tenant chose. One epoll loop; nothing in it waits for main, for a sandbox or for a
 * disk longer than a system call takes. What it has at a time is bounded by the slots; while it
 * owes main more events than its queue is sure to hold, it does not read requests.
 *
 * A slot, with the uid that belongs to it:
 *
 *     FREE → BUILDING → LIVE → ENDING → FREE
 *                 └────────────↗
 *
 * BUILDING: cloned, virga-init has not reported. LIVE: MADE was sent. ENDING: process 1 is dead,
 * hence its pid namespace is empty; cgroups and /tmp are being removed, then GONE (or FAILED, if it
 * was never LIVE) is sent and the slot with its uid is free for another.
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
#include "base/sm.h"
#include "sandbox/build.h"
#include "sandbox/netns.h"
#include "sandbox/outbox.h"
#include "sandbox/spawner_init.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { LOG_PIPE_BYTES = 256 * 1024, REMOVE_RETRY_MS = 2, LEAVE_MS = 10000, EVENTS_AT_ONCE = 64 };
enum { STATUS_RECORDS_MAX = 16 }; /* An honest virga-init sends three, and one per companion. */

enum slot_state { SLOT_FREE, SLOT_BUILDING, SLOT_LIVE, SLOT_ENDING };

static const struct sm_rule slot_rules[] = {
    [SLOT_FREE] = {"free", SM_TO(SLOT_BUILDING)},
    [SLOT_BUILDING] = {"building", SM_TO(SLOT_LIVE) | SM_TO(SLOT_ENDING)},
    [SLOT_LIVE] = {"live", SM_TO(SLOT_ENDING)},
    [SLOT_ENDING] = {"ending", SM_TO(SLOT_FREE)},
};

/* Something made in advance that any sandbox can use. */
struct kit {
    struct cgroup cgroup;
    struct netns netns;
};

struct slot {
    enum slot_state state;
    uint64_t id;
    pid_t pid;
    int pidfd;      /* of virga-init; open from BUILDING to ENDING */
    int status_fd;  /* read end of its status pipe */
    int control_fd; /* main's ends, until MADE is sent */
    int log_fd;
    struct netns netns; /* its listeners until MADE is sent, the namespace until the end */
    struct cgroup cgroup;
    struct tmp tmp;
    int64_t asked_us;
    unsigned status_records;
    bool was_live, was_started, has_result, was_ended_said;
    struct wire_event last; /* FAILED or GONE, being filled */
};

struct spawner_process {
    const struct spawner_config *config;
    struct spawner_parts parts;
    int epoll_fd;
    int socket_fd; /* -1: main is gone */
    struct outbox outbox;
    bool is_writable_awaited;
    struct slot *slots; /* config->slot_count */
    unsigned used_count, building_count, ending_count;
    unsigned next_slot; /* where the search for a free one begins: oldest uid first */
    struct kit *kits;   /* a stack of kit_count */
    unsigned kit_count;
};

/* What an epoll event belongs to: the socket, or a slot's pidfd, status pipe or cgroup. */
enum watch { WATCH_SOCKET, WATCH_PROCESS, WATCH_STATUS, WATCH_MEMORY };

static int64_t now_us(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void slot_move(struct spawner_process *sp, struct slot *slot, enum slot_state to)
{
    sm_check(slot_rules, slot->state, to);
    sp->used_count += (to != SLOT_FREE) - (slot->state != SLOT_FREE);
    sp->building_count += (to == SLOT_BUILDING) - (slot->state == SLOT_BUILDING);
    sp->ending_count += (to == SLOT_ENDING) - (slot->state == SLOT_ENDING);
    slot->state = to;
}

static void close_slot_fd(int *fd)
{
    if (*fd >= 0)
        (void) close(*fd);
    *fd = -1;
}

static int watch(struct spawner_process *sp, int fd, enum watch what, unsigned slot,
                 struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t) what << 32 | slot};
    return epoll_ctl(sp->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? err_set(err, -errno, "watch")
                                                                  : 0;
}

/* ---- kits ---- */

static int kit_make(struct spawner_process *sp, struct kit *out, struct err *err)
{
    struct kit kit;
    int rc = cgroup_make(&sp->parts.cgroups, &kit.cgroup, err);
    if (rc < 0)
        return rc;
    rc = netns_make(sp->parts.netns_home, &kit.netns, err);
    if (rc < 0) {
        (void) cgroup_remove(&sp->parts.cgroups, &kit.cgroup, NULL); /* The first error counts. */
        return rc;
    }
    *out = kit;
    return 0;
}

/* From the pool, less the listeners that the network is not to have, or made now. Where nobody
 * listens the child makes its network namespace itself, on another CPU than this one. */
static int kit_take(struct spawner_process *sp, enum sandbox_network network, struct kit *out,
                    struct err *err)
{
    if (sp->kit_count == 0 && network == SANDBOX_NETWORK_NONE) {
        out->netns = netns_none;
        return cgroup_make(&sp->parts.cgroups, &out->cgroup, err);
    }
    int rc = 0;
    if (sp->kit_count > 0)
        *out = sp->kits[--sp->kit_count];
    else
        rc = kit_make(sp, out, err);
    if (rc < 0)
        return rc;
    if (network < SANDBOX_NETWORK_PLATFORM)
        close_slot_fd(&out->netns.listeners[NETNS_SERVICES]);
    if (network < SANDBOX_NETWORK_RUNTIME_API)
        close_slot_fd(&out->netns.listeners[NETNS_RUNTIME_API]);
    return 0;
}

/* ---- the end of a sandbox ---- */

/* Tries to finish what is ENDING; false while the kernel still holds something. */
static bool slot_finish(struct spawner_process *sp, struct slot *slot)
{
    assert(slot->state == SLOT_ENDING);
    if (cgroup_remove(&sp->parts.cgroups, &slot->cgroup, NULL) < 0)
        return false; /* Busy for a moment; asked again by the loop. */
    tmp_release(&sp->parts.tmp, &slot->tmp);
    outbox_put(&sp->outbox, &slot->last, NULL);
    slot_move(sp, slot, SLOT_FREE);
    return true;
}

static void slot_end(struct spawner_process *sp, struct slot *slot)
{
    slot_move(sp, slot, SLOT_ENDING);
    close_slot_fd(&slot->pidfd);
    close_slot_fd(&slot->status_fd);
    close_slot_fd(&slot->control_fd);
    close_slot_fd(&slot->log_fd);
    netns_close(&slot->netns);
    (void) slot_finish(sp, slot); /* Else later. */
}

static void fail_say(struct wire_event *event, int code, const char *reason)
{
    event->kind = WIRE_FAILED;
    event->error = code;
    (void) snprintf(event->reason, sizeof event->reason, "%s", reason);
}

/* Fills the last event of a slot whose process 1 ended as info says. */
static void verdict(struct spawner_process *sp, struct slot *slot, const siginfo_t *info)
{
    struct cgroup_usage usage;
    cgroup_usage(&sp->parts.cgroups, &slot->cgroup, &usage);
    slot->last.oom_kills = usage.oom_kills;
    slot->last.memory_peak_bytes = usage.memory_peak_bytes;
    slot->last.cpu_us = usage.cpu_us;
    if (!slot->was_live) {
        if (slot->last.kind != WIRE_FAILED)
            fail_say(&slot->last, -ECANCELED,
                     usage.oom_kills > 0 ? "out of memory while being built"
                                         : "ended while being built");
        return;
    }
    slot->last.kind = WIRE_GONE;
    if (slot->has_result)
        return;
    /* virga-init did not tell: it was killed together with the program or before there was one, or
     * the program had taken its place. */
    bool is_killed = info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED;
    slot->last.signalled = slot->was_started && is_killed;
    slot->last.status = slot->was_started ? info->si_status : -1;
}

/* ---- what sandboxes say ---- */

static void slot_made(struct spawner_process *sp, struct slot *slot)
{
    struct err err;
    int freeze = cgroup_open_freeze(&slot->cgroup, &err);
    int kill = cgroup_open_kill(&slot->cgroup, &err);
    int peak = cgroup_open_peak(&sp->parts.cgroups, &slot->cgroup, &err);
    int fds[WIRE_MADE_FDS] = {slot->control_fd,
                              slot->log_fd,
                              freeze,
                              kill,
                              peak,
                              slot->netns.listeners[NETNS_SERVICES],
                              slot->netns.listeners[NETNS_RUNTIME_API]};
    if (freeze < 0 || kill < 0 || peak < 0) {
        fail_say(&slot->last, err.code, err.text);
        close_slot_fd(&freeze);
        close_slot_fd(&kill);
        close_slot_fd(&peak);
        (void) cgroup_kill(&slot->cgroup, NULL); /* Its end is then reported as FAILED. */
        return;
    }
    slot->control_fd = slot->log_fd = -1; /* The outbox owns all now. */
    memcpy(slot->netns.listeners, netns_none.listeners, sizeof slot->netns.listeners);
    struct wire_event event = {.magic = WIRE_MAGIC,
                               .kind = WIRE_MADE,
                               .id = slot->id,
                               .pid = slot->pid,
                               .build_us = (uint32_t) (now_us() - slot->asked_us)};
    slot->was_live = true;
    slot_move(sp, slot, SLOT_LIVE);
    outbox_put(&sp->outbox, &event, fds);
}

static void build_failed(struct slot *slot, const struct wire_status *status)
{
    struct err err;
    int code = status->value < 0 && status->value > -4096 ? status->value : -EPROTO;
    (void) err_set(&err, code, "build sandbox: %.*s", (int) sizeof status->step - 1, status->step);
    fail_say(&slot->last, code, err.text);
}

/* The first of the programs that ends is what the sandbox ended of. While others live main is told
 * at once, of the exit that follows a failed execve, too. */
static void program_ended(struct spawner_process *sp, struct slot *slot,
                          const struct wire_status *status)
{
    bool is_exec = status->kind == STATUS_EXEC_FAILED;
    if (!slot->has_result) {
        slot->has_result = true;
        slot->last.companion = status->companion;
        slot->last.signalled = status->kind == STATUS_SIGNALLED;
        slot->last.error = is_exec ? -(status->value & 0xfff) : 0;
        slot->last.status = is_exec ? -1 : status->value & 0xff;
    }
    if (is_exec || status->others == 0 || slot->was_ended_said)
        return;
    slot->was_ended_said = true;
    struct wire_event event = slot->last;
    event.kind = WIRE_ENDED;
    outbox_put(&sp->outbox, &event, NULL);
}

static void status_take(struct spawner_process *sp, struct slot *slot,
                        const struct wire_status *status)
{
    bool is_live = slot->state == SLOT_LIVE;
    switch (status->kind) {
    case STATUS_BUILD_FAILED:
        if (!is_live)
            build_failed(slot, status);
        break;
    case STATUS_READY:
        if (!is_live && slot->last.kind == 0)
            slot_made(sp, slot);
        break;
    case STATUS_STARTED: slot->was_started = is_live; break;
    case STATUS_EXEC_FAILED:
    case STATUS_EXITED:
    case STATUS_SIGNALLED:
        if (is_live)
            program_ended(sp, slot, status);
        break;
    default: break; /* Not from virga-init: worth nothing. */
    }
}

/* Reads what the status pipe holds, a bounded number of records over its life. */
static void status_read(struct spawner_process *sp, struct slot *slot)
{
    while (slot->status_fd >= 0) {
        struct wire_status status;
        ssize_t n = read(slot->status_fd, &status, sizeof status);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n != sizeof status || ++slot->status_records > STATUS_RECORDS_MAX) {
            close_slot_fd(&slot->status_fd);
            return;
        }
        status.step[sizeof status.step - 1] = '\0';
        status_take(sp, slot, &status);
    }
}

static void process_ended(struct spawner_process *sp, struct slot *slot)
{
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t) slot->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    status_read(sp, slot); /* What it said before it died. */
    verdict(sp, slot, &info);
    slot_end(sp, slot);
}

/* ---- what main asks ---- */

static void refuse(struct spawner_process *sp, uint64_t id, const struct err *err)
{
    struct wire_event event = {.magic = WIRE_MAGIC, .id = id};
    fail_say(&event, err->code, err->text);
    outbox_put(&sp->outbox, &event, NULL);
}

static struct slot *slot_find(struct spawner_process *sp, uint64_t id)
{
    for (unsigned i = 0; i < sp->config->slot_count; i++)
        if (sp->slots[i].state != SLOT_FREE && sp->slots[i].id == id)
            return &sp->slots[i];
    return NULL;
}

static struct slot *slot_find_free(struct spawner_process *sp)
{
    for (unsigned i = 0; i < sp->config->slot_count; i++) {
        struct slot *slot = &sp->slots[(sp->next_slot + i) % sp->config->slot_count];
        if (slot->state == SLOT_FREE)
            return slot;
    }
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

/* The three channels of a sandbox. */
struct channels {
    int control[2], log[2], status[2]; /* [0] stays outside, [1] goes inside */
};

static void channels_close(struct channels *ch)
{
    for (int i = 0; i < 2; i++) {
        close_slot_fd(&ch->control[i]);
        close_slot_fd(&ch->log[i]);
        close_slot_fd(&ch->status[i]);
    }
}

static int channels_open(struct channels *ch, struct err *err)
{
    *ch = (struct channels){{-1, -1}, {-1, -1}, {-1, -1}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ch->control) < 0 ||
        pipe2(ch->log, O_CLOEXEC) < 0 || pipe2(ch->status, O_CLOEXEC) < 0 ||
        fcntl(ch->control[0], F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(ch->log[0], F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(ch->status[0], F_SETFL, O_NONBLOCK) < 0) {
        int rc = err_set(err, -errno, "channels of a sandbox");
        channels_close(ch);
        return rc;
    }
    (void) fcntl(ch->log[0], F_SETPIPE_SZ, LOG_PIPE_BYTES); /* Only fewer wake-ups. */
    return 0;
}

static int slot_clone(struct spawner_process *sp, struct slot *slot, const struct kit *kit,
                      const struct channels *ch, const struct root_dirs *dirs, struct err *err)
{
    unsigned index = (unsigned) (slot - sp->slots);
    struct build build = {
        .filter = &sp->parts.filter,
        .root = &sp->parts.root,
        .cgroups = &sp->parts.cgroups,
        .cgroup = &kit->cgroup,
        .tmp = &slot->tmp,
        .dirs = *dirs,
        .netns_fd = kit->netns.fd,
        .control_fd = ch->control[1],
        .log_fd = ch->log[1],
        .status_fd = ch->status[1],
        .uid = sp->config->uid_base + index,
    };
    int rc = build_start(&build, &slot->pid, &slot->pidfd, err);
    if (rc < 0)
        return rc;
    if (watch(sp, slot->pidfd, WATCH_PROCESS, index, err) < 0 ||
        watch(sp, ch->status[0], WATCH_STATUS, index, err) < 0 ||
        (kit->cgroup.oom_fd >= 0 && watch(sp, kit->cgroup.oom_fd, WATCH_MEMORY, index, err) < 0)) {
        (void) kill(slot->pid, SIGKILL); /* Not reaped yet, so the number is still its own. */
        (void) waitid(P_PIDFD, (id_t) slot->pidfd, &(siginfo_t){0}, WEXITED);
        close_slot_fd(&slot->pidfd);
        return err->code;
    }
    return 0;
}

/* Gives a slot its parts and clones. On failure nothing is left. */
static int slot_begin(struct spawner_process *sp, struct slot *slot,
                      const struct wire_request *request, const struct root_dirs *dirs,
                      struct err *err)
{
    struct channels ch;
    struct kit kit;
    int rc = channels_open(&ch, err);
    if (rc < 0)
        return rc;
    rc = kit_take(sp, (enum sandbox_network) request->network, &kit, err);
    if (rc < 0)
        goto close_channels;
    rc = tmp_take(&sp->parts.tmp, request->tmp_bytes, &slot->tmp, err);
    if (rc < 0)
        goto drop_kit;
    struct cgroup_limits limits = {(uint64_t) request->memory_mb << 20, request->cpu_milli,
                                   request->pids_max + 1 /* virga-init */};
    rc = cgroup_limit(&sp->parts.cgroups, &kit.cgroup, &limits, err);
    if (rc == 0)
        rc = slot_clone(sp, slot, &kit, &ch, dirs, err);
    if (rc == 0) {
        slot->cgroup = kit.cgroup;
        slot->control_fd = take_fd(&ch.control[0]);
        slot->log_fd = take_fd(&ch.log[0]);
        slot->status_fd = take_fd(&ch.status[0]);
        slot->netns = kit.netns;
        kit.netns = netns_none;
    } else {
        tmp_release(&sp->parts.tmp, &slot->tmp);
    }
drop_kit:
    netns_close(&kit.netns);
    if (rc < 0)
        (void) cgroup_remove(&sp->parts.cgroups, &kit.cgroup, NULL); /* The first error counts. */
close_channels:
    channels_close(&ch);
    return rc;
}

static void spawn(struct spawner_process *sp, const struct wire_request *request, const int *fds,
                  unsigned fd_count)
{
    struct err err;
    if (check_dirs(sp, fds, fd_count, &err) < 0) {
        refuse(sp, request->id, &err);
        return;
    }
    struct slot *slot = slot_find_free(sp);
    int rc = 0;
    if (slot_find(sp, request->id) != NULL)
        rc = err_say(&err, -EEXIST, "a sandbox with this id lives");
    else if (slot == NULL)
        rc = err_say(&err, -EAGAIN, "all %u slots are in use", sp->config->slot_count);
    if (rc == 0) {
        *slot = (struct slot){.state = SLOT_FREE,
                              .id = request->id,
                              .pidfd = -1,
                              .status_fd = -1,
                              .control_fd = -1,
                              .log_fd = -1,
                              .netns = netns_none,
                              .asked_us = now_us(),
                              .last = {.magic = WIRE_MAGIC, .id = request->id}};
        struct root_dirs dirs = {.code_fd = request->has_code ? fds[0] : -1,
                                 .layer_count = request->layer_count};
        for (unsigned i = 0; i < request->layer_count; i++)
            dirs.layer_fds[i] = fds[request->has_code + i];
        rc = slot_begin(sp, slot, request, &dirs, &err);
    }
    if (rc < 0) {
        refuse(sp, request->id, &err);
        return;
    }
    slot_move(sp, slot, SLOT_BUILDING);
    sp->next_slot = (unsigned) (slot - sp->slots) + 1;
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
        close_slot_fd(&sp->socket_fd); /* Main is gone. */
        return false;
    }
    int fds[WIRE_FDS_MAX];
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
    } else {
        spawn(sp, &request, fds, fd_count);
    }
    for (unsigned i = 0; i < fd_count; i++)
        (void) close(fds[i]);
    return true;
}

/* ---- the loop ---- */

/* Room for what is owed already, three events per slot in use, and one answer. */
static bool can_read_requests(const struct spawner_process *sp)
{
    return outbox_room(&sp->outbox) > 3 * sp->used_count + 3;
}

/* Sends what waits and asks epoll for exactly what there is to do on the socket. */
static void socket_update(struct spawner_process *sp)
{
    if (sp->socket_fd < 0) {
        outbox_clear(&sp->outbox);
        return;
    }
    if (outbox_flush(&sp->outbox, sp->socket_fd) < 0) {
        close_slot_fd(&sp->socket_fd);
        outbox_clear(&sp->outbox);
        return;
    }
    bool is_blocked = !outbox_is_empty(&sp->outbox);
    if (is_blocked == sp->is_writable_awaited)
        return;
    struct epoll_event event = {.events = is_blocked ? EPOLLOUT : EPOLLIN,
                                .data.u64 = (uint64_t) WATCH_SOCKET << 32};
    if (epoll_ctl(sp->epoll_fd, EPOLL_CTL_MOD, sp->socket_fd, &event) < 0)
        close_slot_fd(&sp->socket_fd); /* Deaf to main is as good as without it. */
    sp->is_writable_awaited = is_blocked;
}

static void finish_ending(struct spawner_process *sp)
{
    for (unsigned i = 0; sp->ending_count > 0 && i < sp->config->slot_count; i++)
        if (sp->slots[i].state == SLOT_ENDING)
            (void) slot_finish(sp, &sp->slots[i]); /* Else at the next turn. */
}

static void dispatch(struct spawner_process *sp, const struct epoll_event *event)
{
    enum watch what = (enum watch)(event->data.u64 >> 32);
    struct slot *slot = &sp->slots[(uint32_t) event->data.u64];
    switch (what) {
    case WATCH_SOCKET:
        while (sp->socket_fd >= 0 && can_read_requests(sp) && request_take(sp))
            continue;
        break;
    case WATCH_STATUS:
        if (slot->state == SLOT_BUILDING || slot->state == SLOT_LIVE)
            status_read(sp, slot);
        break;
    case WATCH_PROCESS:
        if (slot->state == SLOT_BUILDING || slot->state == SLOT_LIVE)
            process_ended(sp, slot);
        break;
    case WATCH_MEMORY:
        if (slot->state == SLOT_BUILDING || slot->state == SLOT_LIVE)
            cgroup_oom(&slot->cgroup);
        break;
    }
}

/* Makes one thing in advance; false when there is nothing to make or it does not work. A failure is
 * not fatal: sandboxes then make what they need and report what is wrong; the next try follows
 * the next event. */
static bool refill(struct spawner_process *sp)
{
    if (sp->kit_count < sp->config->pool_size) {
        if (kit_make(sp, &sp->kits[sp->kit_count], NULL) < 0)
            return false;
        sp->kit_count++;
        return true;
    }
    return tmp_prepare(&sp->parts.tmp, NULL) > 0;
}

static void loop(struct spawner_process *sp)
{
    bool can_refill = true;
    while (sp->socket_fd >= 0) {
        struct epoll_event events[EVENTS_AT_ONCE];
        /* Idle moments fill the pools, except while a child is building: both need the kernel's
         * locks of cgroups, mounts and namespaces, and the child is in a hurry. */
        bool is_idle = can_refill && sp->building_count == 0;
        int timeout_ms = is_idle ? 0 : sp->ending_count > 0 ? REMOVE_RETRY_MS : -1;
        int n = epoll_wait(sp->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
        for (int i = 0; i < n; i++)
            dispatch(sp, &events[i]);
        if (sp->ending_count > 0)
            finish_ending(sp);
        socket_update(sp);
        if (n > 0)
            can_refill = true;
        else if (is_idle)
            can_refill = refill(sp);
    }
}

/* Kills and removes everything; bounded, the rest is the next start's. */
static void leave(struct spawner_process *sp)
{
    for (unsigned i = 0; i < sp->config->slot_count; i++)
        if (sp->slots[i].state == SLOT_BUILDING || sp->slots[i].state == SLOT_LIVE)
            (void) cgroup_kill(&sp->slots[i].cgroup, NULL); /* An empty group needs none. */
    int64_t until_us = now_us() + LEAVE_MS * 1000;
    while (sp->used_count > 0 && now_us() < until_us) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int n = epoll_wait(sp->epoll_fd, events, EVENTS_AT_ONCE, REMOVE_RETRY_MS);
        for (int i = 0; i < n; i++)
            dispatch(sp, &events[i]);
        finish_ending(sp);
        socket_update(sp);
    }
    while (sp->kit_count > 0) {
        struct kit *kit = &sp->kits[--sp->kit_count];
        netns_close(&kit->netns);
        (void) cgroup_remove(&sp->parts.cgroups, &kit->cgroup, NULL); /* Else the next start. */
    }
}

static int say_first(struct spawner_process *sp, int code, const char *text)
{
    struct wire_event event = {
        .magic = WIRE_MAGIC, .kind = code < 0 ? WIRE_FAILED : WIRE_READY, .error = code};
    (void) snprintf(event.reason, sizeof event.reason, "%s", text == NULL ? "" : text);
    outbox_put(&sp->outbox, &event, NULL);
    return outbox_flush(&sp->outbox, sp->socket_fd);
}

int spawner_run(const struct spawner_config *config, int socket_fd)
{
    struct err err;
    struct spawner_process sp = {.config = config, .socket_fd = socket_fd, .epoll_fd = -1};
    outbox_init(&sp.outbox, 4 * config->slot_count + 16);
    int rc = spawner_parts_init(&sp.parts, config, &sp.socket_fd, &err);
    if (rc == 0) {
        sp.slots = NEW_ARRAY(struct slot, config->slot_count);
        sp.kits = NEW_ARRAY(struct kit, config->pool_size + 1);
        sp.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (sp.epoll_fd < 0)
            rc = err_set(&err, -errno, "epoll");
        else
            rc = watch(&sp, sp.socket_fd, WATCH_SOCKET, 0, &err);
    }
    rc = say_first(&sp, rc, rc < 0 ? err.text : sp.parts.tmp.weakness) < 0 ? -EPIPE : rc;
    if (rc == 0) {
        loop(&sp);
        leave(&sp);
    }
    close_slot_fd(&sp.epoll_fd);
    close_slot_fd(&sp.socket_fd);
    free(sp.slots);
    free(sp.kits);
    outbox_done(&sp.outbox);
    spawner_parts_done(&sp.parts);
    return rc == 0 ? 0 : 1;
}
