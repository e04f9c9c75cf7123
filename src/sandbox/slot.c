/* One sandbox in the spawner: its parts, its clone, what it says, its end.
 *
 * A sandbox is begun for a request, or as a shell for whoever comes: finished up to virga-init,
 * which waits for its START block, but without code, layers and limits. No tenant's byte has ever
 * been in a shell. Giving it away attaches the directories in its mount namespace (root_attach),
 * sets the limits of its cgroup and closes what its network is not to have; only then does main get
 * its control socket, so nothing of the tenant's can run before all of it holds. A slot is given
 * away once: after LIVE it ends. */
#include "sandbox/spawner_int.h"

#include "base/assert.h"
#include "base/sm.h"
#include "sandbox/bare.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { LOG_PIPE_BYTES = 256 * 1024 };
enum { STATUS_RECORDS_MAX = 16 }; /* An honest virga-init sends three, and one per companion. */

static const struct sm_rule slot_rules[] = {
    [SLOT_FREE] = {"free", SM_TO(SLOT_BUILDING)},
    [SLOT_BUILDING] = {"building", SM_TO(SLOT_SHELL) | SM_TO(SLOT_LIVE) | SM_TO(SLOT_ENDING)},
    [SLOT_SHELL] = {"shell", SM_TO(SLOT_LIVE) | SM_TO(SLOT_ENDING)},
    [SLOT_LIVE] = {"live", SM_TO(SLOT_ENDING)},
    [SLOT_ENDING] = {"ending", SM_TO(SLOT_FREE)},
};

/* What any sandbox needs, whatever for. */
struct kit {
    struct cgroup cgroup;
    struct netns netns;
};

int64_t spawner_now_us(void)
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
    sp->shell_count += (to == SLOT_BUILDING && slot->is_shell);
    sp->shell_count -= (to == SLOT_FREE && slot->is_shell);
    slot->state = to;
}

void slot_close_fd(int *fd)
{
    if (*fd >= 0)
        (void) close(*fd);
    *fd = -1;
}

int spawner_watch(struct spawner_process *sp, int fd, enum watch what, unsigned slot,
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

/* Shut down first: a child that is just being cloned holds a copy until it closes everything. */
static void listener_end(int *fd)
{
    if (*fd >= 0)
        (void) shutdown(*fd, SHUT_RDWR); /* Cannot fail on a listening socket. */
    slot_close_fd(fd);
}

static void listeners_limit(struct netns *netns, enum sandbox_network network)
{
    if (network < SANDBOX_NETWORK_PLATFORM)
        listener_end(&netns->listeners[NETNS_SERVICES]);
    if (network < SANDBOX_NETWORK_RUNTIME_API)
        listener_end(&netns->listeners[NETNS_RUNTIME_API]);
}

/* Where nobody listens the child makes its network namespace itself, on another CPU than this one.
 */
static int kit_for(struct spawner_process *sp, enum sandbox_network network, struct kit *out,
                   struct err *err)
{
    if (network == SANDBOX_NETWORK_NONE) {
        out->netns = netns_none;
        return cgroup_make(&sp->parts.cgroups, &out->cgroup, err);
    }
    int rc = kit_make(sp, out, err);
    if (rc == 0)
        listeners_limit(&out->netns, network);
    return rc;
}

/* ---- the end of a sandbox ---- */

/* Tries to finish what is ENDING; false while the kernel still holds something. */
static bool slot_finish(struct spawner_process *sp, struct slot *slot)
{
    assert(slot->state == SLOT_ENDING);
    if (cgroup_remove(&sp->parts.cgroups, &slot->cgroup, NULL) < 0)
        return false; /* Busy for a moment; asked again by the loop. */
    tmp_release(&sp->parts.tmp, &slot->tmp);
    if (!slot->is_shell)
        outbox_put(&sp->outbox, &slot->last, NULL);
    slot_move(sp, slot, SLOT_FREE);
    return true;
}

static void slot_end(struct spawner_process *sp, struct slot *slot)
{
    slot_move(sp, slot, SLOT_ENDING);
    slot_close_fd(&slot->pidfd);
    slot_close_fd(&slot->status_fd);
    slot_close_fd(&slot->control_fd);
    slot_close_fd(&slot->log_fd);
    slot_close_fd(&slot->mounts_fd);
    netns_close(&slot->netns);
    (void) slot_finish(sp, slot); /* Else later. */
}

void slot_fail_say(struct wire_event *event, int code, const char *reason)
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
        sp->is_shell_broken |= slot->is_shell && slot->state == SLOT_BUILDING;
        if (slot->last.kind != WIRE_FAILED)
            slot_fail_say(&slot->last, -ECANCELED,
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

/* Gives it an interface and main the other end. False: it ends as FAILED. */
static bool egress_open(struct spawner_process *sp, struct slot *slot)
{
    struct err err;
    int fds[WIRE_MADE_FDS] = {netns_tap(sp->parts.netns_home, slot->netns.fd, &err), -1};
    if (fds[0] < 0) {
        slot_fail_say(&slot->last, err.code, err.text);
        (void) cgroup_kill(&slot->cgroup, NULL); /* Its end is then reported as FAILED. */
        return false;
    }
    struct wire_event event = {.magic = WIRE_MAGIC, .kind = WIRE_EGRESS, .id = slot->id};
    outbox_put(&sp->outbox, &event, fds);
    return true;
}

/* Opens main's way to freeze it, which leads through here where there is no control group. */
static int watched_begin(struct spawner_process *sp, struct slot *slot, int *out_freeze,
                         struct err *err)
{
    int freeze = cgroup_open_freeze(&slot->cgroup, err);
    if (freeze < 0)
        return freeze;
    *out_freeze = freeze;
    if (slot->cgroup.bare == NULL)
        return 0;
    sp->sample_us = 0;
    return spawner_watch(sp, bare_asked_fd(slot->cgroup.bare), WATCH_ASKED,
                         (unsigned) (slot - sp->slots), err);
}

static void slot_made(struct spawner_process *sp, struct slot *slot)
{
    if (slot->has_egress && !egress_open(sp, slot))
        return;
    struct err err;
    int freeze = -1, peak = -1;
    if (cgroup_begin(&slot->cgroup, &err) == 0 && watched_begin(sp, slot, &freeze, &err) == 0)
        peak = cgroup_open_peak(&sp->parts.cgroups, &slot->cgroup, &err);
    int fds[WIRE_MADE_FDS] = {slot->control_fd,
                              slot->log_fd,
                              freeze,
                              peak,
                              slot->netns.listeners[NETNS_SERVICES],
                              slot->netns.listeners[NETNS_RUNTIME_API]};
    if (freeze < 0 || peak < 0) {
        slot_fail_say(&slot->last, err.code, err.text);
        slot_close_fd(&freeze);
        slot_close_fd(&peak);
        (void) cgroup_kill(&slot->cgroup, NULL); /* Its end is then reported as FAILED. */
        return;
    }
    slot->control_fd = slot->log_fd = -1; /* The outbox owns all now. */
    memcpy(slot->netns.listeners, netns_none.listeners, sizeof slot->netns.listeners);
    struct wire_event event = {.magic = WIRE_MAGIC,
                               .kind = WIRE_MADE,
                               .id = slot->id,
                               .pid = slot->pid,
                               .build_us = (uint32_t) (spawner_now_us() - slot->asked_us),
                               .was_shell = slot->state == SLOT_SHELL};
    slot->was_live = true;
    slot_move(sp, slot, SLOT_LIVE);
    outbox_put(&sp->outbox, &event, fds);
}

/* Takes the mount namespace that the child has sent. */
static void shell_made(struct spawner_process *sp, struct slot *slot)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(slot->control_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n == 1 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (c == NULL || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int))) {
        slot_fail_say(&slot->last, -EPROTO, "no mount namespace came");
        (void) cgroup_kill(&slot->cgroup, NULL); /* Its end follows. */
        return;
    }
    memcpy(&slot->mounts_fd, CMSG_DATA(c), sizeof slot->mounts_fd);
    slot_move(sp, slot, SLOT_SHELL);
}

static void build_failed(struct slot *slot, const struct wire_status *status)
{
    struct err err;
    int code = status->value < 0 && status->value > -4096 ? status->value : -EPROTO;
    (void) err_set(&err, code, "build sandbox: %.*s", (int) sizeof status->step - 1, status->step);
    slot_fail_say(&slot->last, code, err.text);
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
        if (slot->state != SLOT_BUILDING || slot->last.kind != 0)
            break;
        if (slot->is_shell)
            shell_made(sp, slot);
        else
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
void slot_status_readable(struct spawner_process *sp, struct slot *slot)
{
    while (slot->status_fd >= 0) {
        struct wire_status status;
        ssize_t n = read(slot->status_fd, &status, sizeof status);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n != sizeof status || ++slot->status_records > STATUS_RECORDS_MAX) {
            slot_close_fd(&slot->status_fd);
            return;
        }
        status.step[sizeof status.step - 1] = '\0';
        status_take(sp, slot, &status);
    }
}

void slot_process_ended(struct spawner_process *sp, struct slot *slot)
{
    siginfo_t info = {0};
    struct rusage usage = {0};
    /* The call itself: the library's leaves the last argument out. */
    if (syscall(SYS_waitid, P_PIDFD, slot->pidfd, &info, WEXITED | WNOHANG, &usage) < 0 ||
        info.si_pid == 0)
        return;
    cgroup_ended(&slot->cgroup, &usage);
    slot_status_readable(sp, slot); /* What it said before it died. */
    verdict(sp, slot, &info);
    slot_end(sp, slot);
}
/* ---- the beginning ---- */

struct slot *slot_find_free(struct spawner_process *sp)
{
    for (unsigned i = 0; i < sp->slot_total; i++) {
        struct slot *slot = &sp->slots[(sp->next_slot + i) % sp->slot_total];
        if (slot->state == SLOT_FREE)
            return slot;
    }
    return NULL;
}

/* The three channels of a sandbox. */
struct channels {
    int control[2], log[2], status[2]; /* [0] stays outside, [1] goes inside */
};

static void channels_close(struct channels *ch)
{
    for (int i = 0; i < 2; i++) {
        slot_close_fd(&ch->control[i]);
        slot_close_fd(&ch->log[i]);
        slot_close_fd(&ch->status[i]);
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

static int slot_clone(struct spawner_process *sp, struct slot *slot, struct kit *kit,
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
        .has_one_id = sp->config->has_one_id,
        .sends_mounts = slot->is_shell,
    };
    int rc = build_start(&build, &slot->pid, &slot->pidfd, err);
    if (rc < 0)
        return rc;
    cgroup_adopt(&kit->cgroup, slot->pid, slot->pidfd);
    if (spawner_watch(sp, slot->pidfd, WATCH_PROCESS, index, err) < 0 ||
        spawner_watch(sp, ch->status[0], WATCH_STATUS, index, err) < 0 ||
        (kit->cgroup.oom_fd >= 0 &&
         spawner_watch(sp, kit->cgroup.oom_fd, WATCH_MEMORY, index, err) < 0)) {
        (void) kill(slot->pid, SIGKILL); /* Not reaped yet, so the number is still its own. */
        (void) waitid(P_PIDFD, (id_t) slot->pidfd, &(siginfo_t){0}, WEXITED);
        slot_close_fd(&slot->pidfd);
        return err->code;
    }
    return 0;
}

static int limits_set(struct spawner_process *sp, const struct cgroup *group,
                      const struct wire_request *request, struct err *err)
{
    struct cgroup_limits limits = {(uint64_t) request->memory_mb << 20, request->cpu_milli,
                                   request->pids_max + 1 /* virga-init */};
    return cgroup_limit(&sp->parts.cgroups, group, &limits, err);
}

/* Gives a slot its parts and clones. On failure nothing is left. */
static int slot_equip(struct spawner_process *sp, struct slot *slot,
                      const struct wire_request *request, const struct root_dirs *dirs,
                      struct err *err)
{
    struct channels ch;
    struct kit kit;
    int rc = channels_open(&ch, err);
    if (rc < 0)
        return rc;
    rc = kit_for(sp, (enum sandbox_network) request->network, &kit, err);
    if (rc < 0)
        goto close_channels;
    rc = tmp_take(&sp->parts.tmp, request->tmp_bytes, &slot->tmp, err);
    if (rc < 0)
        goto drop_kit;
    if (!slot->is_shell)
        rc = limits_set(sp, &kit.cgroup, request, err);
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

static void slot_name(struct slot *slot, uint64_t id, bool has_egress)
{
    slot->id = id;
    slot->is_shell = id == 0;
    slot->has_egress = has_egress;
    slot->asked_us = spawner_now_us();
    slot->last = (struct wire_event){.magic = WIRE_MAGIC, .id = id};
}

int slot_begin(struct spawner_process *sp, struct slot *slot, const struct wire_request *request,
               const struct root_dirs *dirs, struct err *err)
{
    assert(slot->state == SLOT_FREE);
    *slot = (struct slot){.state = SLOT_FREE,
                          .pidfd = -1,
                          .status_fd = -1,
                          .control_fd = -1,
                          .log_fd = -1,
                          .mounts_fd = -1,
                          .netns = netns_none};
    slot_name(slot, request->id, request->has_egress);
    int rc = slot_equip(sp, slot, request, dirs, err);
    if (rc < 0)
        return rc;
    slot_move(sp, slot, SLOT_BUILDING);
    sp->next_slot = (unsigned) (slot - sp->slots) + 1;
    return 0;
}

void slot_assign(struct spawner_process *sp, struct slot *slot, const struct wire_request *request,
                 const struct root_dirs *dirs)
{
    assert(slot->state == SLOT_SHELL && slot->is_shell && request->id != 0);
    struct err err;
    slot_name(slot, request->id, request->has_egress);
    sp->shell_count--;
    listeners_limit(&slot->netns, (enum sandbox_network) request->network);
    int rc = limits_set(sp, &slot->cgroup, request, &err);
    const char *step = "";
    if (rc == 0 && (rc = root_attach(&sp->parts.root, slot->mounts_fd, dirs, &step)) < 0)
        (void) err_set(&err, rc, "build sandbox: %s", step);
    slot_close_fd(&slot->mounts_fd);
    if (rc == 0) {
        slot_made(sp, slot);
        return;
    }
    slot_fail_say(&slot->last, err.code, err.text);
    (void) cgroup_kill(&slot->cgroup, NULL); /* Its end is then reported as FAILED. */
}

void slots_finish_ending(struct spawner_process *sp)
{
    for (unsigned i = 0; sp->ending_count > 0 && i < sp->slot_total; i++)
        if (sp->slots[i].state == SLOT_ENDING)
            (void) slot_finish(sp, &sp->slots[i]); /* Else at the next turn. */
}
