#pragma once
/* What main and the spawner say to each other, and what a new sandbox says to the spawner.
 *
 * Main -> spawner: one struct wire_request per seqpacket message, with the directory descriptors of
 * a SPAWN (code first when has_code, then the layers) in SCM_RIGHTS. Spawner -> main: one struct
 * wire_event, with up to WIRE_MADE_FDS descriptors when something was MADE. Both ends run on one
 * machine out of one binary, so records are plain structs in the machine's byte order; sizes and
 * the magic are checked all the same, and the spawner checks every field: main is the less
 * privileged side.
 *
 * Sandbox -> spawner: struct wire_status over a pipe of its own, written by the builder before its
 * exec (why it failed) and by virga-init after it. Each record is smaller than PIPE_BUF, hence
 * whole. (virga-init has no C library, so this header needs none.) It runs as the tenant's uid: the
 * spawner treats what comes as hostile. */
#include <stddef.h>
#include <stdint.h>

struct err;

enum { WIRE_MAGIC = 0x56524741, WIRE_LAYERS_MAX = 5, WIRE_FDS_MAX = 1 + WIRE_LAYERS_MAX };

/* What the spawner sends virga-init to end orderly: of the real-time signals, which queue. Of the
 * others one that somebody inside sent a moment earlier would swallow it, sender and all. */
enum { WIRE_SIGNAL_END = 40 };

enum wire_request_kind {
    WIRE_SPAWN = 1,
    WIRE_KILL = 2,
    WIRE_LIMIT = 3,
    WIRE_TERMINATE = 4,
    WIRE_SOCKET = 5,
    WIRE_SHRINK = 6, /* of nobody's: id is 0 */
};

struct wire_request {
    uint32_t magic;
    uint32_t kind;
    uint64_t id;
    /* SPAWN only, but cpu_milli, which is the LIMIT too; zero where it does not belong. */
    uint64_t tmp_bytes;
    uint32_t memory_mb;
    uint32_t cpu_milli;
    uint32_t pids_max;
    uint32_t network;
    uint32_t has_egress;
    uint32_t has_code;
    uint32_t layer_count;
    uint32_t shells; /* SHRINK only: so many of them go */
};

enum wire_event_kind {
    WIRE_READY = 1,
    WIRE_MADE,
    WIRE_FAILED,
    WIRE_GONE,
    WIRE_ENDED,   /* a program has ended, others of the sandbox live */
    WIRE_OUTWARD, /* the answer to SOCKET: error, or one descriptor */
    WIRE_EGRESS,  /* before MADE, where it was asked for: one descriptor */
    WIRE_SHELLS   /* how many there are now; of nobody's */
};
/* Descriptors of a MADE event, in this order; the listeners as far as the network has them. */
enum {
    WIRE_FD_CONTROL,
    WIRE_FD_LOG,
    WIRE_FD_FREEZE,
    WIRE_FD_MEMORY,
    WIRE_FD_SERVICES,
    WIRE_FD_RUNTIME_API,
    WIRE_MADE_FDS
};
enum { WIRE_REASON_MAX = 200 };

struct wire_event {
    uint32_t magic;
    uint32_t kind;
    uint64_t id;
    uint64_t oom_kills;
    uint64_t memory_peak_bytes;
    uint64_t cpu_us;
    int32_t pid;
    uint32_t build_us;
    int32_t error;  /* FAILED, OUTWARD: -Exxx; GONE: why a program could not be executed, or 0 */
    int32_t status; /* GONE, ENDED; so the next two */
    uint32_t signalled;
    uint32_t companion; /* 0: the program; else the n-th companion */
    uint32_t was_shell; /* MADE */
    uint32_t shells;    /* SHELLS */
    uint32_t is_bare;   /* READY: there are no control groups */
    uint32_t zero;
    char reason[WIRE_REASON_MAX]; /* FAILED; READY: what is weaker than it should be, or "" */
};

enum wire_status_kind {
    STATUS_BUILD_FAILED = 1, /* value: errno; step: which part */
    STATUS_READY,            /* virga-init runs and waits for its START block */
    STATUS_STARTED,          /* a START block came; the program's process follows */
    STATUS_EXEC_FAILED,      /* value: errno of a program's execve */
    STATUS_EXITED,           /* value: exit code of a program */
    STATUS_SIGNALLED,        /* value: signal that ended it */
};

struct wire_status {
    uint32_t kind;
    int32_t value;
    uint32_t companion; /* of the last three: 0 the program, else the n-th companion */
    uint32_t others;    /* EXITED, SIGNALLED: programs that live on */
    char step[48];
};

_Static_assert(sizeof(struct wire_request) == 56, "no padding in a request");
_Static_assert(sizeof(struct wire_event) == 80 + WIRE_REASON_MAX, "no padding in an event");
_Static_assert(sizeof(struct wire_status) == 64, "no padding in a status");

/* Limits that both sides know. */
enum {
    WIRE_MEMORY_MB_MIN = 32,
    WIRE_MEMORY_MB_MAX = 10240,
    WIRE_CPU_MILLI_MAX = 64000,
    WIRE_PIDS_MAX = 32768,
};
#define WIRE_TMP_BYTES_MIN (UINT64_C(1) << 20)
#define WIRE_TMP_BYTES_MAX (UINT64_C(10240) << 20)

/* Checks a request as it came: `size` bytes with fd_count descriptors. -EPROTO names the field. */
__attribute__((warn_unused_result)) int wire_request_check(const struct wire_request *request,
                                                           size_t size, unsigned fd_count,
                                                           struct err *err);
