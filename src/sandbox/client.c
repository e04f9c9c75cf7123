/* Main's side of the spawner: one socket, records out, records and descriptors in. Nothing waits
 * except start and stop. The socket is a seqpacket, so a record is one message, whole or not at
 * all, and a full socket says EAGAIN. */
#include "sandbox/sandbox.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"
#include "os/socket.h"
#include "sandbox/root.h"
#include "sandbox/spawner.h"
#include "sandbox/start.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { START_WAIT_MS = 20000, STOP_WAIT_MS = 20000 };

struct spawner {
    int socket_fd;
    int pidfd;
    pid_t pid;
    char weakness[WIRE_REASON_MAX];
    bool is_bare;
};

static_assert((int) SANDBOX_LAYERS_MAX == (int) WIRE_LAYERS_MAX, "one limit of layers");
static_assert((int) SANDBOX_LAYERS_MAX == (int) ROOT_LAYERS_MAX, "one limit of layers");
static_assert((int) SANDBOX_START_MAX == (int) START_SIZE_MAX, "one limit of the START block");
static_assert((int) SANDBOX_START_HEADER == (int) START_HEADER_SIZE, "one START header");
static_assert((int) SANDBOX_COMPANIONS_MAX == (int) START_COMPANIONS_MAX, "one limit");
static_assert((int) SANDBOX_FD_EXTRA == (int) START_FD_EXTRA, "one number");

void spawner_add_runtime_file(const char *name, const void *bytes, size_t size, bool is_executable)
{
    struct runtime_file file = {name, bytes, size, is_executable ? 0555 : 0444};
    struct err err;
    int rc = root_add_runtime_file(&file, &err);
    assert(rc == 0); /* Names and number are constants of this program. */
}

/* One record with its descriptors; 0 none waits, 1 received, -errno. fds are filled with -1. */
static int receive(int socket_fd, struct wire_event *out, int fds[WIRE_MADE_FDS])
{
    union {
        char bytes[CMSG_SPACE(WIRE_MADE_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {out, sizeof *out};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    for (int i = 0; i < WIRE_MADE_FDS; i++)
        fds[i] = -1;
    ssize_t n = recvmsg(socket_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
    if (n == 0)
        return -EPIPE;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    bool is_whole = n == sizeof *out && out->magic == WIRE_MAGIC &&
                    (out->kind != WIRE_MADE || fds[WIRE_FD_MEMORY] >= 0);
    if (is_whole)
        return 1;
    for (int i = 0; i < WIRE_MADE_FDS; i++)
        if (fds[i] >= 0)
            (void) close(fds[i]);
    return -EPROTO;
}

static void spawner_free(struct spawner *spawner)
{
    if (spawner->socket_fd >= 0)
        (void) close(spawner->socket_fd);
    if (spawner->pidfd >= 0)
        (void) close(spawner->pidfd);
    free(spawner);
}

int spawner_ready(struct spawner *spawner, struct err *err)
{
    struct pollfd wait = {.fd = spawner->socket_fd, .events = POLLIN};
    int n;
    do
        n = poll(&wait, 1, START_WAIT_MS);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(err, -errno, "wait for the spawner");
    if (n == 0)
        return err_say(err, -ETIMEDOUT, "the spawner does not become ready");
    struct wire_event event;
    int fds[WIRE_MADE_FDS];
    n = receive(spawner->socket_fd, &event, fds);
    if (n <= 0)
        return err_say(err, -EPIPE, "the spawner ended while starting");
    event.reason[sizeof event.reason - 1] = '\0';
    if (event.kind == WIRE_FAILED)
        return err_say(err, event.error < 0 ? event.error : -EPROTO, "%s", event.reason);
    if (event.kind != WIRE_READY)
        return err_say(err, -EPROTO, "the spawner's first word is %u", event.kind);
    memcpy(spawner->weakness, event.reason, sizeof spawner->weakness);
    spawner->is_bare = event.is_bare != 0;
    return 0;
}

static int config_check(const struct spawner_config *config, struct err *err)
{
    if (geteuid() != 0)
        return err_say(err, -EPERM,
                       "sandboxes need to be built by root: start as root (main then drops it)");
    if (config->state_dir == NULL || config->state_dir[0] != '/')
        return err_say(err, -EINVAL, "state_dir must be absolute");
    if (config->slot_count == 0 || config->slot_count > SPAWNER_SLOTS_MAX)
        return err_say(err, -EINVAL, "slot_count %u is not in 1..%d", config->slot_count,
                       SPAWNER_SLOTS_MAX);
    if (config->pool_size > config->pool_max || config->pool_max > SPAWNER_SLOTS_MAX)
        return err_say(err, -EINVAL, "pool_size %u and pool_max %u", config->pool_size,
                       config->pool_max);
    if (config->uid_base < 1000 || config->uid_base > UINT32_MAX / 2 - 2 * SPAWNER_SLOTS_MAX)
        return err_say(err, -EINVAL, "uid_base %u", config->uid_base);
    return 0;
}

int spawner_start(const struct spawner_config *config, struct spawner **out_spawner,
                  struct err *err)
{
    int rc = config_check(config, err);
    if (rc < 0)
        return rc;
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return err_set(err, -errno, "socket to the spawner");
    AUTO_CLOSE int own_end = sockets[0];
    AUTO_CLOSE int its_end = sockets[1];
    pid_t pid = fork();
    if (pid < 0)
        return err_set(err, -errno, "fork the spawner");
    if (pid == 0) {
        (void) close(take_fd(&own_end));
        _exit(spawner_run(config, take_fd(&its_end)));
    }
    struct spawner *spawner = NEW(struct spawner);
    *spawner = (struct spawner){
        .socket_fd = take_fd(&own_end), .pid = pid, .pidfd = (int) syscall(SYS_pidfd_open, pid, 0)};
    (void) close(take_fd(&its_end));
    *out_spawner = spawner;
    return 0;
}

void spawner_stop(struct spawner *spawner)
{
    if (spawner == NULL)
        return;
    (void) close(take_fd(&spawner->socket_fd)); /* This is what asks it to end. */
    struct pollfd wait = {.fd = spawner->pidfd, .events = POLLIN};
    int n;
    do
        n = poll(&wait, 1, STOP_WAIT_MS);
    while (n < 0 && errno == EINTR);
    if (n <= 0) /* It hangs: its sandboxes die with it, the next start removes the rest. */
        (void) kill(spawner->pid, SIGKILL);
    while (waitpid(spawner->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    spawner_free(spawner);
}

const char *spawner_weakness(const struct spawner *spawner)
{
    return spawner->weakness[0] == '\0' ? NULL : spawner->weakness;
}

bool spawner_is_bare(const struct spawner *spawner)
{
    return spawner->is_bare;
}

pid_t spawner_pid(const struct spawner *spawner)
{
    return spawner->pid;
}

int spawner_fd(const struct spawner *spawner)
{
    return spawner->socket_fd;
}

static int send_request(struct spawner *spawner, const struct wire_request *request, const int *fds,
                        unsigned fd_count, struct err *err)
{
    ssize_t n = socket_send_fds(spawner->socket_fd, str_of(request, sizeof *request), fds, fd_count,
                                MSG_DONTWAIT);
    if (n >= 0)
        return 0;
    int code = n == -EAGAIN || n == -ENOBUFS ? -EAGAIN : n == -ECONNRESET ? -EPIPE : (int) n;
    return err_set(err, code, "send to the spawner");
}

int spawner_spawn(struct spawner *spawner, const struct sandbox_spec *spec, struct err *err)
{
    if (spec->layer_count > SANDBOX_LAYERS_MAX)
        return err_say(err, -EINVAL, "%u layers", spec->layer_count);
    struct wire_request request = {
        .magic = WIRE_MAGIC,
        .kind = WIRE_SPAWN,
        .id = spec->id,
        .tmp_bytes = spec->tmp_bytes,
        .memory_mb = spec->memory_mb,
        .cpu_milli = spec->cpu_milli,
        .pids_max = spec->pids_max,
        .has_egress = spec->has_egress,
        .network = spec->network,
        .has_code = spec->code_fd >= 0,
        .layer_count = spec->layer_count,
    };
    int fds[WIRE_FDS_MAX];
    unsigned fd_count = 0;
    if (spec->code_fd >= 0)
        fds[fd_count++] = spec->code_fd;
    for (unsigned i = 0; i < spec->layer_count; i++)
        fds[fd_count++] = spec->layer_fds[i];
    /* The spawner's own check, run here first so that a wrong call fails where it is made. */
    int rc = wire_request_check(&request, sizeof request, fd_count, err);
    return rc < 0 ? rc : send_request(spawner, &request, fds, fd_count, err);
}

int spawner_kill(struct spawner *spawner, uint64_t id, struct err *err)
{
    struct wire_request request = {.magic = WIRE_MAGIC, .kind = WIRE_KILL, .id = id};
    return send_request(spawner, &request, NULL, 0, err);
}

int spawner_terminate(struct spawner *spawner, uint64_t id, struct err *err)
{
    struct wire_request request = {.magic = WIRE_MAGIC, .kind = WIRE_TERMINATE, .id = id};
    return send_request(spawner, &request, NULL, 0, err);
}

int spawner_socket(struct spawner *spawner, uint64_t id, struct err *err)
{
    struct wire_request request = {.magic = WIRE_MAGIC, .kind = WIRE_SOCKET, .id = id};
    return send_request(spawner, &request, NULL, 0, err);
}

int spawner_shrink(struct spawner *spawner, unsigned count, struct err *err)
{
    struct wire_request request = {.magic = WIRE_MAGIC, .kind = WIRE_SHRINK, .shells = count};
    int rc = wire_request_check(&request, sizeof request, 0, err);
    return rc < 0 ? rc : send_request(spawner, &request, NULL, 0, err);
}

int spawner_limit_cpu(struct spawner *spawner, uint64_t id, uint32_t cpu_milli, struct err *err)
{
    struct wire_request request = {
        .magic = WIRE_MAGIC, .kind = WIRE_LIMIT, .id = id, .cpu_milli = cpu_milli};
    int rc = wire_request_check(&request, sizeof request, 0, err);
    return rc < 0 ? rc : send_request(spawner, &request, NULL, 0, err);
}

static enum sandbox_event_type event_type(uint32_t kind)
{
    switch (kind) {
    case WIRE_MADE: return SANDBOX_MADE;
    case WIRE_FAILED: return SANDBOX_FAILED;
    case WIRE_GONE: return SANDBOX_GONE;
    case WIRE_ENDED: return SANDBOX_ENDED;
    case WIRE_OUTWARD: return SANDBOX_SOCKET;
    case WIRE_EGRESS: return SANDBOX_EGRESS;
    case WIRE_SHELLS: return SANDBOX_SHELLS;
    default: return SANDBOX_NONE;
    }
}

int spawner_next(struct spawner *spawner, struct sandbox_event *out_event, struct err *err)
{
    struct wire_event wire;
    int fds[WIRE_MADE_FDS];
    int rc = receive(spawner->socket_fd, &wire, fds);
    if (rc < 0)
        return err_say(err, -EPIPE, "the spawner is gone");
    struct sandbox_event event = {.type = SANDBOX_NONE,
                                  .control_fd = -1,
                                  .log_fd = -1,
                                  .freeze_fd = -1,
                                  .memory_fd = -1,
                                  .services_fd = -1,
                                  .runtime_api_fd = -1,
                                  .socket_fd = -1};
    if (rc > 0) {
        event.id = wire.id;
        event.type = event_type(wire.kind);
        event.companion = wire.companion;
        event.error = wire.error;
        event.is_signalled = wire.signalled != 0;
        event.status = wire.status;
        event.oom_kills = wire.oom_kills;
        event.memory_peak_bytes = wire.memory_peak_bytes;
        event.cpu_us = wire.cpu_us;
        event.pid = wire.pid;
        event.build_us = wire.build_us;
        event.was_shell = wire.was_shell != 0;
        event.shells = wire.shells;
        if (event.type == SANDBOX_SOCKET || event.type == SANDBOX_EGRESS)
            event.socket_fd = fds[0];
        else
            event.control_fd = fds[WIRE_FD_CONTROL];
        event.log_fd = fds[WIRE_FD_LOG];
        event.freeze_fd = fds[WIRE_FD_FREEZE];
        event.memory_fd = fds[WIRE_FD_MEMORY];
        event.services_fd = fds[WIRE_FD_SERVICES];
        event.runtime_api_fd = fds[WIRE_FD_RUNTIME_API];
        wire.reason[sizeof wire.reason - 1] = '\0';
        (void) snprintf(event.reason, sizeof event.reason, "%.119s", wire.reason);
    }
    *out_event = event;
    return 0;
}

int sandbox_start_block(struct buf *out, const char *const *argv, size_t argc,
                        const char *const *envp, size_t envc, struct err *err)
{
    if (argc == 0 || argv[0][0] != '/')
        return err_say(err, -EINVAL, "the program must be an absolute path");
    if (argc > START_STRINGS_MAX || envc > START_STRINGS_MAX - argc)
        return err_say(err, -E2BIG, "more than %d arguments and variables", START_STRINGS_MAX);
    size_t size = 0;
    for (size_t i = 0; i < argc + envc; i++)
        size += strlen(i < argc ? argv[i] : envp[i - argc]) + 1;
    if (size > START_SIZE_MAX - START_HEADER_SIZE)
        return err_say(err, -E2BIG, "arguments and variables of %zu bytes", size);
    static const char magic[8] = START_MAGIC;
    buf_put(out, str_of(magic, sizeof magic));
    for (int i = 0; i < 4; i++)
        buf_put_char(out, (char) (size >> (8 * i) & 0xff));
    for (int i = 0; i < 2; i++)
        buf_put_char(out, (char) (argc >> (8 * i) & 0xff));
    for (int i = 0; i < 2; i++)
        buf_put_char(out, (char) (envc >> (8 * i) & 0xff));
    for (size_t i = 0; i < argc + envc; i++) {
        const char *text = i < argc ? argv[i] : envp[i - argc];
        buf_put(out, str_of(text, strlen(text) + 1));
    }
    return buf_is_over(out) ? err_say(err, -E2BIG, "START block past the buffer's limit") : 0;
}

void sandbox_start_alone(struct buf *block)
{
    assert(block->len >= START_HEADER_SIZE);
    block->ptr[7] = START_MAGIC_ALONE;
}

void sandbox_start_companion(struct buf *block, size_t at)
{
    assert(block->len >= at + START_HEADER_SIZE);
    block->ptr[at + 7] = START_MAGIC_COMPANION;
}

int sandbox_send_fd(int control_fd, struct str bytes, int extra_fd, struct err *err)
{
    int rc = (int) socket_send_fds(control_fd, bytes, &extra_fd, 1, MSG_DONTWAIT);
    return rc >= 0 ? rc : err_set(err, rc == -ECONNRESET ? -EPIPE : rc, "send to a sandbox");
}
