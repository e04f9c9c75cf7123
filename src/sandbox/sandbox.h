#pragma once
/* Sandboxes: the view of the unprivileged main process.
 *
 * spawner_start forks the spawner, the only process that keeps privilege. Main asks it for
 * sandboxes over a seqpacket socket with fixed-size records (sandbox/wire.h) and receives
 * descriptors; it never learns paths, never opens a cgroup file itself, and nothing a tenant
 * wrote ever reaches the spawner: code and layers arrive there as directory descriptors,
 * environment and arguments go from main straight into the sandbox.
 *
 * A new sandbox holds one process, virga-init (pid 1, already unprivileged, seccomped, in its
 * cgroups), which waits on its control socket for a START block naming the program to run, so a
 * sandbox can be built before anyone knows what for. virga-init starts that program as its child
 * with the control socket as descriptor 3 and the log pipe as 1 and 2, reaps, and ends with it.
 * Companions may be started before it (sandbox_start_companion).
 *
 * thread: one (the loop that owns the spawner socket). */
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spawner;

enum { SPAWNER_SLOTS_MAX = 4096 };

struct spawner_config {
    const char *state_dir; /* absolute, root's alone; the spawner keeps its files below it */
    uid_t main_uid;        /* who main becomes; directories offered must belong to it */
    uid_t uid_base;        /* first host uid of instances: slot_count + pool_max of them */
    unsigned slot_count;   /* greatest number of sandboxes at a time: 1..SPAWNER_SLOTS_MAX */
    unsigned pool_size;    /* finished ones kept in advance, at least */
    unsigned pool_max;     /* and at most, after bursts; below SPAWNER_SLOTS_MAX */
    bool accepts_reduced;  /* where control groups cannot be had, go on without (sandbox/bare.h) */
    bool is_nested;        /* in a user namespace that was made for this server */
    bool has_one_id;       /* this user namespace has no user but 0 */
};

/* Forks the spawner; must be called by root, before any thread exists. It makes itself ready beside
 * the caller, who has other things to do meanwhile. -EPERM without privilege. */
CHECK_RESULT int spawner_start(const struct spawner_config *config, struct spawner **out_spawner,
                               struct err *err);
/* Waits, once, until the spawner is ready (template tree, cgroup roots, seccomp program built;
 * leftovers of an earlier run removed) or reports why it cannot isolate: -ENOTSUP names what the
 * kernel lacks. Before it returns 0, nothing else may be asked of the spawner but to stop. */
CHECK_RESULT int spawner_ready(struct spawner *spawner, struct err *err);
/* What is weaker on this host than the design wants, in words for the log; NULL: nothing. Borrowed
 * until spawner_stop. */
const char *spawner_weakness(const struct spawner *spawner);
/* There are no control groups, and limits are what sandbox/bare.h says. */
bool spawner_is_bare(const struct spawner *spawner);
/* Asks the spawner to end, which kills and removes every sandbox; waits for it, bounded. */
void spawner_stop(struct spawner *spawner);

/* Loopback, with more or less of the platform listening on it; and nothing else, unless has_egress.
 */
enum sandbox_network {
    SANDBOX_NETWORK_NONE,
    SANDBOX_NETWORK_PLATFORM,    /* the services at 127.0.0.1:SANDBOX_PORT_SERVICES */
    SANDBOX_NETWORK_RUNTIME_API, /* and the Runtime API at 127.0.0.1:SANDBOX_PORT_RUNTIME_API */
};

enum { SANDBOX_PORT_SERVICES = 4566, SANDBOX_PORT_RUNTIME_API = 9001 };

enum { SANDBOX_LAYERS_MAX = 5 };

struct sandbox_spec {
    uint64_t id;        /* chosen by the caller, unique among living sandboxes */
    uint32_t memory_mb; /* 32..10240: hard limit, no swap */
    uint32_t cpu_milli; /* thousandths of one CPU: MemorySize * 1000 / 1769 */
    uint32_t pids_max;
    uint64_t tmp_bytes; /* size of /tmp */
    enum sandbox_network network;
    bool has_egress; /* an interface to the internet besides; not with SANDBOX_NETWORK_NONE */
    int code_fd;     /* directory for /var/task, borrowed; -1: none */
    int layer_fds[SANDBOX_LAYERS_MAX]; /* directories for /opt, first is lowest; borrowed */
    unsigned layer_count;
};

/* Sends the request; the answer is MADE or FAILED, later GONE if it was MADE. Directories must
 * belong to main_uid, be readable by others, and keep their path until the answer. More sandboxes
 * than slot_count: FAILED with -EAGAIN; a slot is free again once its GONE was sent.
 * -EAGAIN: the socket is full, try after the next event. -EPIPE: the spawner is gone, which is
 * fatal to serving functions. */
CHECK_RESULT int spawner_spawn(struct spawner *spawner, const struct sandbox_spec *spec,
                               struct err *err);

/* Kills all processes of a sandbox; SANDBOX_GONE follows. Asking twice is fine. */
CHECK_RESULT int spawner_kill(struct spawner *spawner, uint64_t id, struct err *err);

/* Gives a sandbox that was MADE another share of CPU from now on (thousandths of one; a sandbox may
 * start with more than it keeps). One that is gone by then is no error; one whose limit cannot be
 * set is killed. errors: of spawner_spawn. */
CHECK_RESULT int spawner_limit_cpu(struct spawner *spawner, uint64_t id, uint32_t cpu_milli,
                                   struct err *err);

/* Asks a sandbox to end: SIGTERM goes to the program, and from now on the sandbox ends with the
 * last of its programs instead of the first. errors: of spawner_spawn. */
CHECK_RESULT int spawner_terminate(struct spawner *spawner, uint64_t id, struct err *err);

/* Asks for a TCP socket in the network namespace of a sandbox that was MADE, to connect to what
 * listens inside; SANDBOX_SOCKET follows, with an error if it is gone by then. errors: of
 * spawner_spawn. */
CHECK_RESULT int spawner_socket(struct spawner *spawner, uint64_t id, struct err *err);

/* Memory is short: so many of the sandboxes made in advance go, or all; SANDBOX_SHELLS follows. For
 * some minutes no more are made than stayed. count > 0. errors: of spawner_spawn. */
enum { SANDBOX_SHELL_BYTES = 512 * 1024 };
CHECK_RESULT int spawner_shrink(struct spawner *spawner, unsigned count, struct err *err);

/* Its process, for the operator's eyes (status pages, tests). */
pid_t spawner_pid(const struct spawner *spawner);

/* Descriptor that is readable when events wait; non-blocking. */
int spawner_fd(const struct spawner *spawner);

enum sandbox_event_type {
    SANDBOX_NONE,   /* nothing waits */
    SANDBOX_MADE,   /* pid and the descriptors, which the receiver owns from now on */
    SANDBOX_FAILED, /* reason; nothing is left of it */
    SANDBOX_GONE,   /* every process has ended and everything has been removed */
    SANDBOX_ENDED,  /* one of its programs has ended, others live; fields of GONE as far as known */
    SANDBOX_SOCKET, /* the answer of spawner_socket */
    SANDBOX_EGRESS, /* before MADE, where it has one: the other end of its interface, socket_fd */
    SANDBOX_SHELLS, /* of no sandbox: how many are there in advance, each of SANDBOX_SHELL_BYTES */
};

struct sandbox_event {
    enum sandbox_event_type type;
    uint64_t id;

    /* SANDBOX_MADE */
    pid_t pid;      /* of virga-init, in the host's view */
    int control_fd; /* stream socket to descriptor 3 inside, non-blocking */
    int log_fd;     /* read end of the log pipe, non-blocking */
    int freeze_fd;  /* cgroup.freeze: write "1" or "0" */
    int memory_fd;  /* peak memory in bytes as decimal text; pread at 0 */
    /* Listening sockets in the sandbox's network namespace, non-blocking; nobody else has them.
     * -1: the network has none. */
    int services_fd, runtime_api_fd;
    uint32_t build_us; /* time it took */
    bool was_shell;    /* it was there in advance and has been given away */

    int socket_fd;   /* SOCKET, EGRESS: non-blocking, the receiver's; -1: see error */
    unsigned shells; /* SHELLS */

    /* SANDBOX_FAILED, SANDBOX_SOCKET */
    int error; /* -Exxx; with GONE, ENDED: why the program could not be executed (-ENOENT…), else 0
                */
    char reason[120];

    /* SANDBOX_GONE */
    bool is_signalled;  /* the program ended by a signal (else by exit) */
    unsigned companion; /* which program ended first: 0 the program, else the n-th companion */
    int status;         /* signal number or exit code of the program; -1: it never started */
    uint64_t oom_kills; /* the kernel's counter: > 0 means out of memory */
    uint64_t memory_peak_bytes; /* 0 when unknown */
    uint64_t cpu_us;            /* CPU time of all its processes */
};

/* The next event. Returns 0 and a type (SANDBOX_NONE: none waits); -EPIPE: the spawner is gone. */
CHECK_RESULT int spawner_next(struct spawner *spawner, struct sandbox_event *out_event,
                              struct err *err);

/* Formats the START block that main writes to control_fd: 16 bytes header (magic "VRGASTRT",
 * u32 size of the rest, u16 argc, u16 envc, little-endian) and argc + envc NUL-terminated strings.
 * argv[0] is the absolute path of the program inside the sandbox; cwd is /var/task. Limits:
 * START_MAX bytes in all. -E2BIG. */
enum { SANDBOX_START_MAX = 256 * 1024, SANDBOX_START_HEADER = 16 };
struct buf;
CHECK_RESULT int sandbox_start_block(struct buf *out, const char *const *argv, size_t argc,
                                     const char *const *envp, size_t envc, struct err *err);

/* Turns a whole START block into one whose program takes virga-init's place as process 1 instead of
 * becoming its child: for templates of snapshots, since libraries tell a copy of themselves by its
 * pid, and no process of an ordinary sandbox ever is number 1. Nobody reaps there. */
void sandbox_start_alone(struct buf *block);

/* Turns a whole START block into one of a companion: a program that is started beside the program,
 * whose own block is still to come on the same socket. It gets no control socket; a descriptor sent
 * with the first companion's block becomes the output of all companions. When the first of all
 * programs ends, SANDBOX_ENDED tells, the program is sent SIGTERM if it was another, and the
 * sandbox ends with the last. At most SANDBOX_COMPANIONS_MAX. */
enum { SANDBOX_COMPANIONS_MAX = 10 };
void sandbox_start_companion(struct buf *block, size_t at); /* at: where the block begins */

/* Sends what the control socket takes of `bytes`, which begin with a START block, and one
 * descriptor along with its first byte; the program gets it as SANDBOX_FD_EXTRA. Non-blocking.
 * Returns the number of bytes that went; -EAGAIN: none did, nor the descriptor; -EPIPE. */
enum { SANDBOX_FD_EXTRA = 5 };
CHECK_RESULT int sandbox_send_fd(int control_fd, struct str bytes, int extra_fd, struct err *err);

/* Files that appear read-only in /var/runtime of every sandbox (the language bootstraps), given
 * before spawner_start by app/. bytes: borrowed for the life of the process. */
void spawner_add_runtime_file(const char *name, const void *bytes, size_t size, bool is_executable);
