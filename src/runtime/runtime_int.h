#pragma once
/* What the files of src/runtime share: a home, an instance, and who tells whom what.
 *
 *   runtime.c   homes, the public interface, from and to other loops
 *   sched_*.c   who runs what (pure), see sched_int.h
 *   instance_*.c  one instance: its life, timers and verdicts, see instance_int.h
 *   stream.c    streamed answers, on their way to who called
 *   ending.c    how an invocation ends
 *   api.c       the Runtime API of one instance, over HTTP
 *   channel.c   its frames, out and in
 *   output.c    its output: the log pipe, the log, the tail
 *   report.c    what callers read: error objects, START/END/REPORT lines
 *   report_json.c  the lines of functions that log JSON
 *   start.c     what it is started with: arguments and environment
 *   extensions*.c  programs beside the runtime, and their API
 *   telemetry*.c  what happens, told to extensions: the Telemetry and Logs APIs
 *   shutdown.c  the end of an instance that has them
 *   images.c    which functions have a snapshot, and whether to use it
 *   images_kept.c  those that outlive the server
 *   kept.c      the directory where they do
 *   template.c  the instance that a snapshot is taken of
 *   selftest.c  whether copies come to life on this host at all
 *   figures.c   what each function does and did
 *   broker.c    the spawner's socket, on loop 0 */
#include "base/assert.h"
#include "core/board.h"
#include "net/loop.h"
#include "runtime/frame.h"
#include "runtime/kept.h"
#include "runtime/lines.h"
#include "runtime/report_facts.h"
#include "runtime/sched.h"
#include "runtime/telemetry_request.h"
#include "sandbox/sandbox.h"

enum {
    /* AWS: 6 MB and a bit for the wrapping, the number that its error message names. */
    ANSWER_SIZE_MAX = 6291556,
    LOG_TAIL_SIZE = 4096,
    SCRATCH_SIZE = 64 * 1024,
};

struct home {
    struct runtime *runtime;
    size_t index;
    struct loop *loop; /* borrowed */
    struct exec *exec; /* the loop's */
    struct sched sched;
    struct map instances; /* by id */
    uint64_t next_id;
    /* Owned, SCRATCH_SIZE each: what is read goes through here when it is small. Two, because a
     * frame's end may have the log read while bytes behind the frame are still to be looked at. */
    char *scratch, *log_scratch;
    struct task drain_task, done_task;
    struct timer drain_timer;
    struct runtime_counts counts; /* atomic: a copy for other threads */
    struct map figures;           /* "arn:version" -> struct figure, owned */
    struct map images;            /* "arn:version" -> struct image, owned */
    uint64_t image_bytes;         /* of all images */
    uint64_t telemetry_bytes;     /* that subscribers have not taken yet */
    unsigned telemetry_sockets;   /* into sandboxes, for that */
    struct template *template;    /* owned until it is gone; NULL: none is being made */
    bool is_image_delayed;        /* there was no memory for a template */
    bool is_drained;              /* the scheduler is; the template may not be */
    bool is_copying_off;          /* the self-test failed */
};

struct runtime {
    struct runtime_config config;
    struct broker *broker;
    struct home *homes;      /* owned, config.loop_count */
    struct quotas *accounts; /* owned: the concurrency of each account and region */
    struct board *board;     /* owned: "arn:version" -> struct snapshot_status */
    size_t homes_left;       /* draining; loop 0's */
    struct task *drained;    /* the caller's, run on loop 0 */
    int64_t drain_ms;
    int idle_fd;               /* cpu_idle_us; -1: unknown */
    struct selftest *selftest; /* owned; home 0's */
    struct kept *kept;         /* owned; NULL: no snapshots here */
};

/*  An instance; its state is slot.state, see sched.h. Owned by its home from the effect `start`
 *  until the spawner says that nothing of it is left. */
struct instance {
    struct slot slot; /* first */
    struct home *home;
    uint64_t id;

    int control_fd, log_fd, freeze_fd, memory_fd; /* owned; -1 before it is made */
    struct watch *control_watch, *log_watch;

    /* RUNTIME_PROVIDED: what its program speaks, the first word tells. */
    struct api *api; /* owned; NULL: it can only be frames */
    bool is_framed;
    struct extensions *extensions; /* owned; NULL: none was started or registered */
    struct telemetry *telemetry;   /* owned; NULL: nobody can be told what happens */
    bool is_waiting;               /* its runtime asked for work and has none */
    void *door;                    /* runtime_doors */

    /* In: see frame.h. answer is the reader's buffer. */
    struct frame_reader reader;
    struct buf answer;
    uint32_t seq;        /* of the last INVOKE */
    struct buf streamed; /* the body so far of a streamed answer that is wanted in one piece */
    enum stream_state { STREAM_NONE, STREAM_OPEN, STREAM_WHOLE } stream;
    bool is_paused; /* not read: who called has enough for now */

    /* Out: the START block or the head of an INVOKE, then the event. */
    struct buf out;
    struct str event; /* borrowed from the invocation */
    size_t sent;      /* of out and event together */

    struct buf log; /* the last LOG_TAIL_SIZE bytes at least, of init or of the invocation */
    char log_stream[64];
    struct lines lines;        /* of the output; with a log only */
    struct timer output_timer; /* a line without an end, or no room in the log */
    bool is_output_paused;     /* the log has no room: its pipe is not read */

    struct timer timer;        /* building, init, invocation, then the end */
    struct invocation *victim; /* taken from the queue: fails with this instance's start */
    int64_t asked_us, made_us, booted_us, ready_us;
    uint32_t build_us;
    int64_t deadline_ms, ends_us; /* of the invocation: UTC, and monotonic */
    int image_fd; /* owned: the image to send with the START block; -1: none, or sent */
    enum copied_from { COPIED_FROM_NOTHING, COPIED_FROM_BOOT, COPIED_FROM_SNAPSHOT } copied_from;
    bool is_booted;    /* said so; not said by copies of a snapshot */
    bool is_used;      /* had its first invocation */
    bool has_init_run; /* the end of its runtime's init has been reported */
    bool is_replied;   /* BUSY: the answer is in the invocation, which ends soon, see reply() */
    bool is_last;      /* announced to end after this answer */
    bool is_retry;     /* init runs inside an invocation's time, see instance_start.c */
    bool is_ending;    /* ends on its own: the verdict needs its exit status, do not kill yet */
    bool is_killed;    /* the spawner was asked */

    /* shutdown.c */
    enum shutdown { SHUTDOWN_NONE, SHUTDOWN_RUNTIME, SHUTDOWN_EXTENSIONS } shutdown;
    const char *shutdown_reason;                 /* AWS's words */
    int64_t shutdown_ends_us, shutdown_share_us; /* the latter: of the runtime */
    bool has_program_ended;                      /* extensions live on */
};

/* instance.c, _effects.c, _start.c, _answer.c */
extern const struct sched_effects instance_effects;
void instance_made(struct instance *inst, const struct sandbox_event *event);
void instance_failed(struct instance *inst, const struct sandbox_event *event);
void instance_gone(struct instance *inst, const struct sandbox_event *event);
void instance_frame(struct instance *inst, const struct frame *frame, bool is_oversize);
void instance_lost(struct instance *inst);     /* end of stream */
void instance_violated(struct instance *inst); /* bytes that are no frame */
/* One of its programs has ended, others live. */
void instance_ended(struct instance *inst, const struct sandbox_event *event);
void instance_thaw(struct instance *inst);

/* From extensions: all have registered; the runtime or one of them is waiting for work. */
void instance_start_runtime(struct instance *inst);
void instance_settled(struct instance *inst);

bool instance_speaks_http(const struct instance *inst);
/* Its invocation runs and has no answer yet, but perhaps a part of one. */
bool instance_is_running(const struct instance *inst);
/* From the Runtime API: a program that asks for work has finished what it had. */
void instance_asked(struct instance *inst);
/* The answer of the running invocation; takes body's memory. */
void instance_answered(struct instance *inst, enum invocation_result result, struct buf *body,
                       bool is_oversize);
void instance_init_failed(struct instance *inst, struct buf *body);

/* shutdown.c */
bool shutdown_begin(struct instance *inst); /* false: there is nobody to say good-bye to */
void shutdown_program_ended(struct instance *inst);
bool shutdown_goes_on(struct instance *inst); /* its timer fired; false: all time is over */
void shutdown_flushed(struct instance *inst); /* telemetry has been delivered */

/* api.c */
CHECK_RESULT int api_new(struct instance *inst, int listen_fd, struct api **out_api,
                         struct err *err); /* takes listen_fd */
void api_free(struct api *api);            /* cuts its connections */
/* There is an invocation on the instance: given out now or as soon as the program asks. */
void api_send(struct api *api);
/* The body of an answer is not read any more, or again. */
void api_pause(struct api *api);
void api_resume(struct api *api);

/* channel.c */
CHECK_RESULT int channel_open(struct instance *inst, struct err *err);
void channel_deafen(struct instance *inst); /* the control socket is not read any more */
void channel_close_control(struct instance *inst);
void channel_close(struct instance *inst);
void channel_send(struct instance *inst); /* out, then event; goes on by itself */
bool channel_is_sent(const struct instance *inst);
void channel_read(struct instance *inst);
void channel_read_rest(struct instance *inst); /* all that an ended instance has left */
/* Frames are not read any more, or again. */
void channel_pause(struct instance *inst);
void channel_resume(struct instance *inst);
uint64_t channel_memory_peak(const struct instance *inst);

/* output.c */
void output_init(struct instance *inst);
void output_done(struct instance *inst);
void output_readable(void *arg, int events); /* watch_fn of the log pipe */
void output_drain(struct instance *inst);
/* What the platform says, with its "\n": an event of the log, and of the tail. */
void output_say(struct instance *inst, struct str text);
void output_log(struct instance *inst, struct str text);                 /* the log only */
void output_line(struct instance *inst, int64_t at_ms, struct str line); /* of an extension */
void output_keep(struct instance *inst, struct str text);                /* the tail only */
/* A line that has no end yet is one now: something else is to be said. */
void output_end_line(struct instance *inst);

/* report.c */
struct verdict {
    const char *type;   /* "Runtime.ExitError"; NULL: none */
    const char *status; /* "error", "timeout" for the REPORT line; NULL: none */
};
extern const struct verdict verdict_none, verdict_timeout, verdict_exit, verdict_out_of_memory,
    verdict_entrypoint, verdict_truncated, verdict_extension_crash, verdict_extension_launch,
    verdict_extension_init, verdict_extension_exit;
void report_error(struct buf *out, const struct verdict *verdict, struct str request_id,
                  const char *message);
void report_oversize(struct buf *out, uint64_t size_max);
void report_exit_text(char *out, size_t size, const struct sandbox_event *event);
/* "exit status 1", "signal: killed" */
void report_end_text(char *out, size_t size, const struct sandbox_event *event);
bool report_is_wanted(const struct instance *inst, const struct invocation *inv);
void report_init_start(struct instance *inst);
void report_init_failed(struct instance *inst, struct str error_or_empty);
void report_start(struct instance *inst, const struct invocation *inv);
void report_end(struct instance *inst, const struct invocation *inv, const struct verdict *verdict);
void report_timeout(struct instance *inst, const struct invocation *inv);
void report_exit(struct instance *inst, const struct invocation *inv, const struct verdict *verdict,
                 const char *message);
/* Why the program of a function could not be executed; false: that was not the reason. */
bool report_entrypoint_text(char *out, size_t size, const struct function_spec *spec, int error);
void report_tail(struct instance *inst, struct invocation *inv);
/* events: "INVOKE, SHUTDOWN" */
void report_extension(struct instance *inst, const char *name, const char *state,
                      const char *events);

unsigned report_memory_used_mb(const struct invocation *inv);
void report_init_done(struct instance *inst);

/* An extension has subscribed; state in AWS's words, types: bits of telemetry_type. */
void report_subscription(struct instance *inst, enum telemetry_api api, const char *name,
                         const char *state, unsigned types);
/* The runtime has initialised, or has not. */
void report_init_runtime_done(struct instance *inst, const char *status, const char *type);

/* report_json.c: the same as objects, for functions whose LogFormat is JSON and for telemetry */
enum { REPORT_TO_LOG = 256 }; /* beside the bits of telemetry_schema */
void report_json_init_start(struct instance *inst);
void report_json_note(struct instance *inst);
void report_json_init_runtime_done(struct instance *inst, const char *status, const char *type);
void report_json_init(struct instance *inst, const char *status, const char *type);
void report_json_extension(struct instance *inst, const char *name, const char *state,
                           const char *events);
void report_json_subscription(struct instance *inst, enum telemetry_api api, const char *name,
                              const char *state, unsigned types);
void report_json_logs_dropped(struct instance *inst, uint64_t items, uint64_t bytes,
                              const char *reason);
void report_json_start(struct instance *inst, const struct invocation *inv);
/* runtimeDone, (end,) and report. to: REPORT_TO_LOG, bits of telemetry_schema. */
void report_json_done(struct instance *inst, const struct report_facts *facts, unsigned to);
/* In the Logs API's words: the invocation was ended by the platform. */
void report_json_fault(struct instance *inst, struct str text);

/* ending.c: from the fact that an invocation has ended to its results. Its answer comes first: an
 * ending_by_ writes it, ending_record takes inst->answer, or the caller fills inv->output between
 * ending_fail (or _begin_unsent) and ending_conclude. The invocation stays where it is. */
void ending_fail(struct invocation *inv);
/* The same for an invocation of an instance that did not get to run it: init's time is its run. */
void ending_begin_unsent(struct instance *inst, struct invocation *inv);
void ending_by_timeout(struct instance *inst, struct invocation *inv);
void ending_by_exit(struct instance *inst, struct invocation *inv,
                    const struct sandbox_event *event);
/* What the end of its programs means, and AWS's words for it. */
const struct verdict *ending_verdict(const struct instance *inst, const struct sandbox_event *event,
                                     char *message, size_t size);
/* Durations, memory, the last lines. */
void ending_conclude(struct instance *inst, struct invocation *inv, const struct verdict *verdict);
/* The running invocation was answered: all of the above. */
void ending_record(struct instance *inst, enum invocation_result result, bool is_oversize);

/* stream.c: for an invocation with a sink */
void stream_begin(struct instance *inst, struct str type);
/* The media type of an answer in one piece, if it is not JSON's. */
void stream_note_type(struct invocation *inv, struct str type);
void stream_write(struct instance *inst, struct str bytes);       /* may pause the instance */
void stream_leave(struct instance *inst, struct invocation *inv); /* the answer is complete */
/* True: the end of the invocation has to wait, and home_done will be called again. */
bool stream_holds(struct invocation *inv);
void stream_done(struct invocation_stream *stream);
uint64_t stream_size_max(const struct runtime *runtime);

/* start.c */
void start_log_stream(char *out, size_t size, const struct function_spec *spec, int64_t utc_ms);
const char *start_program(const struct function_spec *spec);
/* Is its language one whose processes can become snapshots? */
bool start_can_be_copied(const struct function_spec *spec);
CHECK_RESULT int start_block(struct buf *out, const struct function_spec *spec,
                             const char *log_stream, bool has_services, struct err *err);
/* Of an extension: the program at path, with the environment that AWS gives extensions. */
CHECK_RESULT int start_extension(struct buf *out, const struct function_spec *spec,
                                 const char *log_stream, bool has_services, const char *path,
                                 struct err *err);
/* Of a template, which initialises and is written down instead of serving. */
CHECK_RESULT int start_template(struct buf *out, const struct function_spec *spec,
                                bool has_services, struct err *err);
/* Of a copy: the restorer's block, and behind it the RESTORE frame that tells the copy who it is.
 */
CHECK_RESULT int start_restore(struct buf *out, const char *log_stream, bool is_proven,
                               struct err *err); /* see images_is_proven */

/* Of a copy of the booted language: like start_restore, with the whole environment. */
CHECK_RESULT int start_booted(struct buf *out, const struct function_spec *spec,
                              const char *log_stream, bool has_services, struct err *err);
/* Does the language boot in the same way for this function as for any other? */
bool start_can_boot_early(const struct function_spec *spec);

/* images.c: which functions have a snapshot, and what became of it */
/* A descriptor of the best image there is, the caller's; -1: start from scratch. */
int images_open(struct home *home, const struct function_spec *spec, enum copied_from *out_kind);
/* The function initialised without a snapshot and answered: one may be taken now. */
void images_wish(struct home *home, struct function_spec *spec);
/* Somebody has a function of this kind: the language may be booted in advance. */
void images_wish_boot(struct home *home, const struct function_spec *spec);
/* It is gone from the host, by somebody's wish. */
void images_drop(struct home *home, struct str key);
/* Makes the next one that was wished for, when nothing is being made and the host has room. */
void images_next(struct home *home);
/* A copy did not become ready: the image goes, the third time for good. */
void images_broken(struct home *home, const struct function_spec *spec, enum copied_from kind,
                   const char *why);
void images_restored(struct home *home, const struct function_spec *spec, enum copied_from kind);
/* Why a template has no image. */
enum images_refusal {
    REFUSED_FOR_NOW, /* a passing reason: tried again */
    REFUSED_BY_INIT, /* which failed; it worked before, and may again, but not with SnapStart */
    REFUSED_FOR_GOOD,
};
/* The template's result; takes fd. Without one, reason says why. */
void images_made(struct home *home, const struct function_spec *spec, int fd, uint64_t size,
                 const char *name); /* name: on the disk, "" none */
void images_refused(struct home *home, const struct function_spec *spec, const char *reason,
                    enum images_refusal refusal);
void images_changed(struct home *home, struct str arn, struct function_spec *spec_or_null);
/* NULL: a snapshot of it may be taken. */
const char *images_why_not(const struct home *home, const struct function_spec *spec);
/* Of a former run; takes found->fd. */
void images_found(struct home *home, struct function_spec *spec, const struct kept_image *found);
/* Has a copy of its image come to life in this run? Else the next one checks all of it. */
bool images_is_proven(const struct home *home, const struct function_spec *spec);
/* No copies any more, of anything; for the life of this process. */
void images_switch_off(struct home *home);
/* What a sandbox needs in which a language boots for nobody; a reference of the caller's. */
struct function_spec *images_boot_spec(enum runtime_kind kind, struct str account);
void images_done(struct home *home);

/* images_kept.c: the same over restarts of the server */
/* What the image of this function is to be called on the disk; "": it is not kept. */
void images_name(const struct home *home, const struct function_spec *spec,
                 char out[KEPT_NAME_SIZE]);
/* By a worker, since the last to close a file waits until it is removed. Takes fd. */
void images_remove_later(struct home *home, int fd, const char *name);

/* What a template counts with, which is measured by nobody: one small function that initialises. */
#define TEMPLATE_BYTES (UINT64_C(32) << 20)
/* template.c: one throw-away instance at a time that becomes an image */
struct template;
/* image_fd: -1, or the image that a trial is to be a copy of; taken. */
void template_start(struct home *home, struct function_spec *spec, int image_fd);
bool template_event(struct home *home, const struct sandbox_event *event); /* false: another's */
void template_stop(struct home *home); /* home_drained is called again when it is gone */

/* selftest.c; its entry of the board, which is no function's */
#define SELFTEST_KEY "self-test"
/* thread: home 0's, but for suspect, find and free */
void selftest_new(struct runtime *runtime);
void selftest_free(struct runtime *runtime);
bool selftest_start(struct home *home); /* its template now, if one is due */
bool selftest_is_of(const struct home *home, const struct function_spec *spec);
void selftest_next(struct home *home, int image_fd); /* it went well; takes the image */
/* is_unbuilt: the sandbox failed, which says nothing about copies. */
void selftest_failed(struct home *home, const char *reason, bool is_unbuilt);
void selftest_stop(struct runtime *runtime);
/* A tenant's image failed. thread: any home's. */
void selftest_suspect(struct runtime *runtime);

/* broker.c; requests and answers may cross loops */
CHECK_RESULT int broker_new(struct runtime *runtime, struct broker **out_broker, struct err *err);
void broker_free(struct broker *broker);
void broker_spawn(struct home *home, uint64_t id, struct function_spec *spec);
void broker_kill(struct home *home, uint64_t id);
/* So many bytes of the home's part of what the spawner has made in advance are to go. */
void broker_shrink(struct home *home, uint64_t bytes);
void broker_terminate(struct home *home, uint64_t id); /* SIGTERM, see spawner_terminate */
/* A socket into its network; SANDBOX_SOCKET follows. */
void broker_socket(struct home *home, uint64_t id);
/* Init is over: the CPU that the function's memory size stands for, if it had more. */
void broker_limit(struct home *home, uint64_t id, const struct function_spec *spec);

/* figures.c */
void figures_begin(struct home *home, struct function_spec *spec);   /* a call begins */
void figures_count(struct home *home, const struct invocation *inv); /* results are set */
void figures_forget(struct home *home, struct str arn);
void figures_done(struct home *home);

/* runtime.c */
struct home *home_of_function(const struct runtime *runtime, const struct function_spec *spec);
void home_event(struct home *home, const struct sandbox_event *event); /* from the broker */
void home_done(struct home *home, struct invocation *inv);
/* After each change of what is busy or waiting: what runtime_counts tells. */
void home_publish_counts(struct home *home);
void home_drained(struct home *home);
