#pragma once
/* The function runtime: instances, pools, scheduling, limits, metering.
 *
 * One runtime per loop thread (a "home"): functions are spread over the homes by a hash of their
 * ARN; each home owns its functions' queues, instances and counters, without locks. The
 * spawner's socket belongs to home 0, which hands events over.
 *
 * thread: the loop's, unless said otherwise. */
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "core/snapshot.h"
#include "data/trace_id.h"

struct runtime;
struct loop;
struct spawner;
struct egress;

enum runtime_kind {
    RUNTIME_PYTHON,
    RUNTIME_NODE,
    RUNTIME_RUBY,
    RUNTIME_JAVA,
    RUNTIME_PROVIDED, /* the code's own program, called bootstrap */
};

enum { FUNCTION_LAYERS_MAX = 5 };

/* How much a function's log gets; of the platform's own events. */
enum function_log_level { FUNCTION_LOG_DEBUG, FUNCTION_LOG_INFO, FUNCTION_LOG_WARN };

/* What the platform must know to run a function version: immutable, published by the lambda
 * service, counted. All strings are owned by the object. */
struct function_spec {
    struct snapshot snapshot;                        /* first */
    struct str account, region, name, version;       /* "$LATEST" */
    struct str role;                                 /* ARN: what the function acts as */
    struct str arn;                                  /* unqualified */
    struct str runtime_id;                           /* "python3.12" */
    struct str runtime_version, runtime_version_arn; /* "python:3.12.v1"; of INIT_START */
    enum runtime_kind kind;
    const char *interpreter; /* path, borrowed for ever; NULL: the kind's usual one */
    struct str runtime_note; /* what the log says at each init; ptr NULL: nothing */
    struct str handler;
    uint32_t memory_mb;
    uint32_t timeout_ms;
    uint64_t tmp_bytes;
    struct {
        struct str name, value;
    } * env;
    size_t env_count;
    int code_fd;                        /* O_PATH directory of the unpacked code, owned */
    int layer_fds[FUNCTION_LAYERS_MAX]; /* the same of its layers, the lowest first */
    unsigned layer_count;
    const char *const *extensions; /* names of the programs in /opt/extensions */
    size_t extension_count;
    bool has_bootstrap;           /* the code has a file of this name: see RUNTIME_PROVIDED */
    struct str code_sha256;       /* hex */
    uint64_t revision;            /* differs whenever instances of another must not be used */
    int64_t reserved_concurrency; /* -1: none */
    struct str log_group;
    bool is_snap_start;    /* a version that was published to start from a snapshot, always */
    bool is_runtime_alone; /* nobody's function: a language that boots to be copied, see images.c */
    bool is_log_json;
    struct str app_log_level; /* "INFO"; is_log_json only, as the next */
    enum function_log_level system_log_level;
};

enum invocation_result {
    INVOCATION_OK,
    INVOCATION_FUNCTION_ERROR, /* payload is AWS's error object */
    INVOCATION_THROTTLED,      /* never started */
    INVOCATION_REFUSED,        /* platform could not run it: see error */
};

enum throttle_reason {
    THROTTLE_RESERVED_FUNCTION, /* its reservation is in use */
    THROTTLE_CONCURRENT,        /* the account's concurrency is */
    THROTTLE_GROWTH,            /* the function grows too fast, see growth.h */
    THROTTLE_HOST,              /* too much is waiting on this host */
};

struct invocation;

/* Where an answer goes that the function streams, bit by bit; one that it gives in one piece comes
 * with done. Called on the loop that the invocation was started from, never after done. */
struct invocation_sink {
    void (*begin)(struct invocation *inv, struct str content_type);
    /* False: enough, until runtime_resume. The bytes are taken in any case. */
    bool (*write)(struct invocation *inv, struct str bytes);
};

/* The runtime's own, see stream.c. */
struct invocation_stream {
    struct home *home;           /* constant from runtime_invoke on */
    struct instance *inst;       /* the home's, as what follows; NULL: it has nothing more to say */
    uint64_t bytes;              /* so far */
    bool is_whole;               /* the function has ended it */
    bool is_over;                /* too long: the rest is thrown away */
    struct buf type;             /* the media type */
    struct buf gathered, parcel; /* the latter is the caller's loop's while it is away */
    struct task task;            /* the parcel's, to and fro */
    bool is_away, is_ended;      /* the parcel; the invocation, which waits for it */
    bool is_told, is_waiting;    /* the caller's loop: begin was called; write said enough */
};

/* One call. The caller fills the first part, owns the memory and gets it back in done. */
struct invocation {
    struct list_node node;      /* the function's queue */
    struct list_node patient;   /* the scheduler's */
    struct function_spec *spec; /* reference held by the invocation until done */
    struct str request_id, invoked_arn, client_context, cognito_identity;
    struct str trace_id; /* ptr NULL: the runtime makes a new one (data/trace_id.h) */
    struct str payload;
    bool wants_log_tail;
    const struct invocation_sink *sink;   /* NULL: the answer comes in one piece */
    void (*done)(struct invocation *inv); /* on the loop it was started from */

    /* Results, valid from done on; views until done returns. */
    enum invocation_result result;
    enum throttle_reason throttle;
    struct str answer; /* JSON payload or error object */
    bool is_streamed;  /* the sink has the answer; INVOCATION_FUNCTION_ERROR: up to where it broke
                        * off, and `answer` says why */
    struct str content_type; /* of a payload in one piece; with a sink only */
    struct str log_tail;     /* last 4 KB of START..REPORT, when wanted */
    struct err error;        /* INVOCATION_REFUSED */
    bool is_cold;
    /* Phases; 0 when not gone through: a cold start has boot and init, or restore. */
    int64_t queue_us, sandbox_us, boot_us, init_us, restore_us, run_us;
    int64_t billed_ms;
    uint64_t memory_peak_bytes;

    /* The runtime's own. */
    struct runtime *runtime;
    struct sched_function *function; /* while it is in flight */
    int64_t created_us, sent_us;
    int64_t answer_us; /* when the answer began; 0: it has not */
    char trace_text[TRACE_ID_SIZE];
    bool is_reserved;   /* counts against its function's reservation, not the account */
    bool is_init_retry; /* an instance started for it ran out of init time once */
    size_t origin;      /* loop that started it */
    struct task task;   /* on its way to the home, and back */
    struct buf output;  /* holds answer */
    struct buf tail;    /* holds log_tail */
    struct invocation_stream stream;
};

/* Where an event belongs. Views during the call. */
struct log_place {
    size_t loop; /* the number of the thread's loop */
    const struct function_spec *spec;
    struct str stream;
};

/* The platform's services on a function's own loopback, where AWS_ENDPOINT_URL points. Every
 * instance has a socket of its own there, so whoever serves it knows the caller. thread: the loop
 * of that number. */
struct runtime_doors {
    /* Takes listen_fd, non-blocking; spec is borrowed until close. */
    int (*open)(void *arg, size_t loop, int listen_fd, const struct function_spec *spec,
                void **out_door, struct err *err);
    void (*close)(void *arg, void *door); /* the instance has ended */
    void *arg;
};

struct runtime_config {
    struct loop *const *loops;
    size_t loop_count;
    struct spawner *spawner;
    struct egress *egress;        /* the functions' way to the internet; NULL: they have none */
    unsigned account_concurrency; /* of each account in each region */
    unsigned instances_max;       /* hard bound of this host */
    unsigned queue_max;           /* waiting invocations per home */
    uint64_t memory_max;          /* of all instances, measured; 0: no bound */
    int64_t keep_alive_ms;        /* idle time before an instance is removed */
    bool is_keep_adaptive;        /* that of functions with a pattern follows it, see keepalive.h */
    int64_t init_limit_ms;        /* 0: AWS's 10 s */
    uint64_t stream_bytes_max;    /* of a streamed answer. 0: AWS's 200 MB */
    struct runtime_doors doors;   /* open NULL: functions see no services */

    /* Images of processes that have booted, and, with has_snapshots, of functions that have
     * initialised. snapshot_dir: an existing directory of nobody else's on a file system with room;
     * NULL: functions always start from scratch. */
    const char *snapshot_dir;
    bool has_snapshots;
    uint64_t snapshot_build;     /* differs when images of another build cannot be used */
    uint64_t snapshot_bytes_max; /* of all images; the least used go first. 0: 4 GB */
    struct exec *workers;        /* where images are written; needed with snapshot_dir */

    /* The log: gets the lines of functions, and what the platform says about them, each as one
     * event with its "\n", in order. Runs on place->loop. False: enough for now; that instance's
     * output is not read until log_has_room. NULL: output goes to log tails only. */
    bool (*log_sink)(void *arg, const struct log_place *place, int64_t at_ms, struct str message);
    bool (*log_has_room)(void *arg, const struct log_place *place);
    void *log_arg;
};

CHECK_RESULT int runtime_new(const struct runtime_config *config, struct runtime **out_runtime,
                             struct err *err); /* main thread, before the loops run */
/* Stops taking invocations, waits for running ones up to timeout_ms, removes all instances, then
 * runs done on loop 0. */
void runtime_drain(struct runtime *runtime, int64_t timeout_ms, struct task *done);
void runtime_free(struct runtime *runtime); /* after the loops stopped */

/* Starts a call from loop number `loop` (its thread). Ends in inv->done, always, also when the
 * instance dies, the time is over or the runtime drains. */
void runtime_invoke(struct runtime *runtime, size_t loop, struct invocation *inv);

/* After the sink has said enough: it takes more. Else nothing happens. thread: the sink's. */
void runtime_resume(struct invocation *inv);

/* A function changed or went away: idle instances of older revisions are removed, busy ones finish.
 * Called on every loop after the new specification is visible there. */
void runtime_function_changed(struct runtime *runtime, size_t loop, struct str arn,
                              const struct function_spec *spec_or_null);

/* One of the functions that the server starts with, and afterwards: that was all. Their snapshots
 * of the last run are found again, others removed. thread: main, before the loops run. */
void runtime_function_loaded(struct runtime *runtime, struct function_spec *spec);
void runtime_functions_loaded(struct runtime *runtime);

/* Numbers for health and tests: instances alive, busy, queued. thread: any. */
struct runtime_counts {
    unsigned instances, busy, queued;
    unsigned snapshots;                /* images of functions in use */
    unsigned snapshots_refused;        /* functions that have none, for a reason of their own */
    unsigned restored, restore_failed; /* instances since the start */
    unsigned booted_early;             /* copies of a booted language */
};
struct runtime_counts runtime_counts(const struct runtime *runtime);
/* As configured. thread: any. */
unsigned runtime_account_concurrency(const struct runtime *runtime);

/* What one function version does, and did since the server started or it was created. */
struct function_figures {
    const struct function_spec *spec; /* borrowed during the call */
    unsigned instances, starting, idle, busy, queued;
    uint64_t calls, errors, throttles, cold_starts;
    uint64_t memory_peak_bytes; /* of the instance that ended a call last */
    /* Of the last 10 to 20 seconds. */
    double calls_per_s;
    int64_t p50_us, p99_us; /* of the time that calls ran; 0: there were none */
};

/* A question for the figures of all functions: each is called for every one, on the loops that the
 * functions belong to, one after the other; then done, on the loop that asked. */
struct figures_ask {
    void (*each)(void *arg, const struct function_figures *figures);
    void (*done)(void *arg);
    void *arg;
    /* The runtime's own. */
    struct runtime *runtime;
    size_t origin, next;
    struct task task;
};
/* thread: loop number `loop`. ask: the caller's, borrowed until done. */
void runtime_ask_figures(struct runtime *runtime, size_t loop, struct figures_ask *ask);

/* What became of the snapshot of a function's version. thread of all of these: any. */
enum snapshot_state { SNAPSHOT_NONE, SNAPSHOT_MAKING, SNAPSHOT_READY, SNAPSHOT_REFUSED };
struct snapshot_status {
    uint64_t revision; /* of the specification that it belongs to */
    enum snapshot_state state;
    unsigned failures;   /* in a row: to be made, or to be copied */
    uint64_t bytes;      /* of the image */
    uint64_t copies;     /* instances that started from it */
    bool is_init_failed; /* REFUSED, with SnapStart: the function's init has failed */
    char reason[256];    /* why there is none; "": none was tried */
};
/* How long the init and the hooks of a function with SnapStart may take. source: Lambda developer
 * guide, "Runtime hook registration and execution". */
static inline int64_t runtime_snap_start_limit_ms(uint32_t timeout_ms)
{
    return timeout_ms > 130 * 1000 ? (int64_t) timeout_ms : 130 * 1000;
}
/* False: nobody has asked for one yet, or it belonged to another revision. */
bool runtime_snapshot_find(const struct runtime *runtime, struct str arn, struct str version,
                           struct snapshot_status *out);
/* Of the self-test: READY it passed, REFUSED copies are off and why. False: it has no result yet.
 */
bool runtime_snapshots_state(const struct runtime *runtime, struct snapshot_status *out);
/* In snapshot_dir, while copies are off: why. */
#define SNAPSHOTS_OFF_FILE "switched-off"
/* fn sees "arn:version" and must not call the runtime. */
void runtime_snapshot_each(const struct runtime *runtime,
                           void (*fn)(void *arg, struct str key, const void *status), void *arg);
/* The image goes, soon; the next first answer of an instance has another one made. */
void runtime_snapshot_drop(struct runtime *runtime, struct str arn, struct str version);
