/* The throw-away instance that a snapshot is taken of.
 *
 *     start ──spawn──> made: START, pipe as descriptor 5 ──> init ──> image through the pipe
 *           ──> SNAPSHOT frame (or another end) ──> killed ──> gone ──> result to images.c
 *
 * The self-test goes the same way twice: a template of nobody's, whose result selftest.c gets, and
 * then a trial, which is started as a copy of that image (descriptor 5) and only has to come to
 * life.
 *
 * It runs beside the scheduler, which does not know it, in a sandbox like any other. Its answer
 * comes in two pieces: a frame that says "" or why not, and the bytes of the image. Those are read
 * by a worker (files are not for loops), from the moment that the pipe has something: a template
 * that still initialises keeps no worker waiting. The worker copies and leaves out blocks of
 * zeroes; it does not look at what it copies. How much it takes is bounded by the function's
 * memory.
 *
 * The image of a function is then given a name, under which the next server finds it (kept.h).
 *
 * What the template prints is dropped: it is what the first instance's init has printed.
 *
 * The end: the sandbox is gone and no worker is at it. The runtime's drain waits for that too. */
#include "runtime/runtime_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "restorer/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TEMPLATE_LIMIT_US = 60 * 1000 * 1000, /* init, hooks, image */
    PIPE_BYTES = 1 << 20,
    COPY_BYTES = 256 * 1024,
    BLOCK = 4096,
    LAST_READS = 16,
};

struct template
{
    struct home *home;
    uint64_t id;
    struct function_spec *spec; /* counted */
    int control_fd, log_fd, image_fd;
    bool is_trial; /* image_fd is what it is a copy of */
    struct watch *control_watch, *log_watch, *image_watch;
    struct timer timer;
    struct frame_reader reader;
    struct buf payload;
    struct buf out; /* the START block, as far as it has not been sent */
    bool is_copying, is_gone, is_killed;
    bool is_unbuilt; /* there was no sandbox to run it in */

    /* The result. */
    bool has_said;
    enum images_refusal refusal;
    char reason[FRAME_REASON_MAX + 1];

    /* The worker's, between the two tasks. */
    struct task copy, copied;
    uint64_t size_max, size, hash;
    int file_fd;
    char name[KEPT_NAME_SIZE]; /* what the image is kept by; "": not at all, or not yet */
    bool is_named;
    struct err err;
};

/* ---- on a worker: from the pipe to a file without a name ---- */

static bool is_zero(const char *block)
{
    return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
}

/* Writes `size` bytes, a multiple of BLOCK, to `at`; blocks of zeroes become holes. */
static int write_sparse(int fd, const char *bytes, size_t size, uint64_t at, struct err *err)
{
    for (size_t from = 0; from < size;) {
        size_t to = from;
        while (to < size && !is_zero(bytes + to))
            to += BLOCK;
        for (size_t done = from; done < to;) {
            ssize_t n = pwrite(fd, bytes + done, to - done, (off_t) (at + done));
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                return err_set(err, -errno, "write a snapshot");
            done += (size_t) n;
        }
        from = to == from ? from + BLOCK : to;
    }
    return 0;
}

/* Fills the buffer as far as the pipe goes; the number of bytes. */
static int fill(int pipe, char *bytes, struct err *err)
{
    size_t have = 0;
    while (have < COPY_BYTES) {
        ssize_t n = read(pipe, bytes + have, COPY_BYTES - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, -errno, "read a snapshot");
        if (n == 0)
            break;
        have += (size_t) n;
    }
    return (int) have;
}

static int copy_all(struct template *t, int file, struct err *err)
{
    AUTO_FREE char *bytes = mem_new(COPY_BYTES);
    for (;;) {
        int n = fill(t->image_fd, bytes, err);
        if (n <= 0)
            return n;
        if (n % BLOCK != 0)
            return err_say(err, -EPROTO, "a snapshot of %llu bytes",
                           (unsigned long long) t->size + (unsigned) n);
        if (t->size + (unsigned) n > t->size_max)
            return err_say(err, -EFBIG, "a snapshot of more than %llu bytes",
                           (unsigned long long) t->size_max);
        t->hash = image_hash(t->hash, bytes, (size_t) n);
        int rc = write_sparse(file, bytes, (size_t) n, t->size, err);
        if (rc < 0)
            return rc;
        t->size += (unsigned) n;
    }
}

static int copy_to_file(struct template *t, int *out_fd, struct err *err)
{
    AUTO_CLOSE int file =
        open(t->home->runtime->config.snapshot_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0)
        return err_set(err, -errno, "make a file for a snapshot");
    int rc = copy_all(t, file, err);
    if (rc < 0)
        return rc;
    if (t->size == 0)
        return err_say(err, -ENODATA, "no image came");
    rc = kept_seal(file, t->size, t->hash, err);
    if (rc < 0)
        return rc;
    char path[32];
    (void) snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open a snapshot");
    *out_fd = fd;
    return 0;
}

static void run_copy(struct task *task)
{
    struct template *t = CONTAINER_OF(task, struct template, copy);
    int flags = fcntl(t->image_fd, F_GETFL);
    (void) fcntl(t->image_fd, F_SETFL, flags & ~O_NONBLOCK); /* else the copy fails, and says so */
    (void) copy_to_file(t, &t->file_fd, &t->err);            /* err and file_fd tell */
    (void) close(take_fd(&t->image_fd));                     /* a template that writes on: EPIPE */
    exec_post(t->home->exec, &t->copied);
}

static void run_name(struct task *task)
{
    struct template *t = CONTAINER_OF(task, struct template, copy);
    struct err err;
    if (kept_link(t->home->runtime->kept, t->file_fd, t->name, &err) < 0) {
        log_warn("runtime", "a snapshot will not outlive the server", "err=\"%s\"", err.text);
        t->name[0] = '\0';
    }
    exec_post(t->home->exec, &t->copied);
}

/* ---- the end ---- */

static void template_close(struct template *t)
{
    watch_free(take_ptr(&t->control_watch));
    watch_free(take_ptr(&t->log_watch));
    watch_free(take_ptr(&t->image_watch));
    int *fds[] = {&t->control_fd, &t->log_fd, &t->image_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            (void) close(take_fd(fds[i]));
}

static void template_result(struct template *t)
{
    bool is_written = t->has_said && t->reason[0] == '\0';
    if (is_written && (t->file_fd >= 0 || t->is_trial)) {
        if (selftest_is_of(t->home, t->spec))
            selftest_next(t->home, take_fd(&t->file_fd));
        else
            images_made(t->home, t->spec, take_fd(&t->file_fd), t->size, t->name);
        return;
    }
    if (is_written)
        (void) snprintf(t->reason, sizeof t->reason, "%s", t->err.text);
    else if (!t->has_said && t->reason[0] == '\0')
        (void) snprintf(t->reason, sizeof t->reason, "the template ended early");
    if (selftest_is_of(t->home, t->spec))
        selftest_failed(t->home, t->reason, t->is_unbuilt);
    else
        images_refused(t->home, t->spec, t->reason, t->refusal);
}

/* An image that is good gets a name on the disk before anybody uses it, so that whoever drops it
 * finds the name there. */
static bool template_keep(struct template *t)
{
    bool is_good = t->has_said && t->reason[0] == '\0' && t->file_fd >= 0;
    if (!is_good || t->is_named || t->name[0] == '\0')
        return false;
    t->is_named = t->is_copying = true;
    t->copy.run = run_name;
    exec_post(t->home->runtime->config.workers, &t->copy);
    return true;
}

/* Ends it when nothing is under way any more. */
static void template_finish(struct template *t)
{
    struct home *home = t->home;
    if (!t->is_gone || t->is_copying || template_keep(t))
        return;
    timer_clear(home->exec, &t->timer);
    template_close(t);
    home->template = NULL;
    sched_set_aside(&home->sched, 0);
    template_result(t);
    if (t->file_fd >= 0)
        (void) close(t->file_fd);
    buf_done(&t->payload);
    buf_done(&t->out);
    snapshot_unref(&t->spec->snapshot);
    free(t);
    if (home->is_drained)
        home_drained(home);
    else
        images_next(home);
}

static void template_kill(struct template *t)
{
    if (t->is_killed)
        return;
    t->is_killed = true;
    broker_kill(t->home, t->id);
}

static void run_copied(struct task *task)
{
    struct template *t = CONTAINER_OF(task, struct template, copied);
    t->is_copying = false;
    template_finish(t);
}

static void timer_fired(struct timer *timer)
{
    struct template *t = CONTAINER_OF(timer, struct template, timer);
    (void) snprintf(t->reason, sizeof t->reason, "it took too long");
    t->refusal = REFUSED_BY_INIT;
    template_kill(t);
}

void template_stop(struct home *home)
{
    if (home->template != NULL)
        template_kill(home->template);
}

/* ---- its bytes ---- */

static void template_frame(struct template *t, const struct frame *frame)
{
    struct str payload = buf_str(&t->payload);
    if ((frame->type == FRAME_BOOTED) != t->is_trial || t->has_said)
        return;
    t->has_said = true;
    if (t->is_trial) {
        template_kill(t); /* it lives */
        return;
    }
    bool is_result = frame->type == FRAME_SNAPSHOT;
    t->refusal = is_result ? REFUSED_FOR_GOOD : REFUSED_BY_INIT;
    (void) snprintf(t->reason, sizeof t->reason, "%s" STR_FMT,
                    is_result ? "" : "the init failed: ", STR_ARG(payload));
    template_kill(t); /* what it wrote is in the pipe */
}

/* False: nothing more comes. */
static bool template_read(struct template *t)
{
    ssize_t n = read(t->control_fd, t->home->scratch, SCRATCH_SIZE);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    struct str bytes = str_of(t->home->scratch, (size_t) n);
    while (bytes.len > 0) {
        struct err err;
        int rc = frame_feed(&t->reader, &bytes, &err);
        if (rc < 0)
            return false;
        if (rc == FRAME_IS_WHOLE) {
            template_frame(t, &t->reader.frame);
            buf_reset(&t->payload);
        }
    }
    return n > 0;
}

static void template_send(struct template *t)
{
    while (t->out.len > 0) {
        ssize_t n = write(t->control_fd, t->out.ptr, t->out.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* full: later; broken: the reader finds the end */
        buf_consume(&t->out, (size_t) n);
    }
    watch_set(t->control_watch, t->out.len > 0 ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

static void on_control(void *arg, int events)
{
    struct template *t = arg;
    if ((events & WATCH_WRITE) != 0)
        template_send(t);
    if ((events & WATCH_READ) == 0 || template_read(t))
        return;
    watch_set(t->control_watch, 0);
    template_kill(t); /* ended or about to */
}

static void on_log(void *arg, int events)
{
    struct template *t = arg;
    (void) events;
    if (read(t->log_fd, t->home->log_scratch, SCRATCH_SIZE) == 0)
        watch_set(t->log_watch, 0);
}

static void on_image(void *arg, int events)
{
    struct template *t = arg;
    (void) events;
    watch_free(take_ptr(&t->image_watch));
    t->is_copying = true;
    exec_post(t->home->runtime->config.workers, &t->copy);
}

/* ---- the beginning ---- */

static int template_watch(struct template *t, struct err *err)
{
    struct loop *loop = t->home->loop;
    int rc = watch_new(loop, t->control_fd, on_control, t, &t->control_watch, err);
    if (rc == 0)
        rc = watch_new(loop, t->log_fd, on_log, t, &t->log_watch, err);
    if (rc == 0 && !t->is_trial)
        rc = watch_new(loop, t->image_fd, on_image, t, &t->image_watch, err);
    if (rc < 0)
        return rc;
    watch_set(t->control_watch, WATCH_READ);
    watch_set(t->log_watch, WATCH_READ);
    if (t->image_watch != NULL)
        watch_set(t->image_watch, WATCH_READ);
    return 0;
}

/* Its descriptor 5: where the image goes, or what it is a copy of. */
static int template_image(struct template *t, int *out_fd, struct err *err)
{
    int ends[2];
    if (t->is_trial) {
        *out_fd = take_fd(&t->image_fd);
        return 0;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, -errno, "pipe for a snapshot");
    t->image_fd = ends[0];
    *out_fd = ends[1];
    (void) fcntl(*out_fd, F_SETPIPE_SZ, PIPE_BYTES); /* only fewer wake-ups */
    return 0;
}

static int template_begin(struct template *t, struct err *err)
{
    AUTO_CLOSE int its_end = -1;
    bool has_services = t->home->runtime->config.doors.open != NULL;
    int rc = t->is_trial ? start_booted(&t->out, t->spec, "trial", has_services, err)
                         : start_template(&t->out, t->spec, has_services, err);
    if (rc == 0)
        rc = template_image(t, &its_end, err);
    if (rc < 0)
        return rc;
    int n = sandbox_send_fd(t->control_fd, buf_str(&t->out), its_end, err);
    if (n < 0)
        return n;
    buf_consume(&t->out, (size_t) n);
    rc = template_watch(t, err);
    if (rc == 0)
        template_send(t);
    return rc;
}

static void template_made(struct template *t, const struct sandbox_event *event)
{
    const int unused[] = {event->freeze_fd, event->memory_fd, event->services_fd,
                          event->runtime_api_fd};
    for (size_t i = 0; i < ARRAY_LEN(unused); i++)
        (void) close(unused[i]);
    t->control_fd = event->control_fd;
    t->log_fd = event->log_fd;
    struct err err;
    if (t->is_killed || template_begin(t, &err) == 0)
        return;
    (void) snprintf(t->reason, sizeof t->reason, "%s", err.text);
    template_kill(t);
}

/* Its own exit and its own greed are its init's; a signal may be our fault. */
static void ended_early(struct template *t, const struct sandbox_event *event)
{
    bool is_exit = !event->is_signalled && event->status >= 0;
    t->refusal = is_exit || event->oom_kills > 0 ? REFUSED_BY_INIT : REFUSED_FOR_NOW;
    (void) snprintf(t->reason, sizeof t->reason, "the %s ended early: %s %d%s",
                    t->is_trial ? "copy" : "template", event->is_signalled ? "signal" : "exit",
                    event->status, event->oom_kills > 0 ? ", out of memory" : "");
}

static void template_gone(struct template *t, const struct sandbox_event *event)
{
    for (int i = 0; i < LAST_READS && t->control_fd >= 0 && !t->has_said; i++)
        if (!template_read(t)) /* what it said just before the end */
            break;
    t->is_unbuilt = event->type != SANDBOX_GONE;
    if (event->type == SANDBOX_FAILED)
        (void) snprintf(t->reason, sizeof t->reason, "%s", event->reason);
    else if (!t->has_said && t->reason[0] == '\0')
        ended_early(t, event);
    t->is_gone = true;
    /* An image that is in the pipe and was not looked at yet is still to be taken. */
    if (t->image_watch != NULL && t->has_said && t->reason[0] == '\0')
        on_image(t, 0);
    template_finish(t);
}

bool template_event(struct home *home, const struct sandbox_event *event)
{
    struct template *t = home->template;
    if (t == NULL || (event->type != SANDBOX_NONE && event->id != t->id))
        return false;
    if (event->type == SANDBOX_MADE)
        template_made(t, event);
    else
        template_gone(t, event);
    return true;
}

static int64_t limit_us(const struct function_spec *spec)
{
    return spec->is_snap_start ? runtime_snap_start_limit_ms(spec->timeout_ms) * 1000
                               : TEMPLATE_LIMIT_US;
}

void template_start(struct home *home, struct function_spec *spec, int image_fd)
{
    assert(home->template == NULL);
    struct template *t = NEW(struct template);
    *t = (struct template){.home = home,
                           .id = home->next_id,
                           .spec = spec,
                           .control_fd = -1,
                           .log_fd = -1,
                           .image_fd = image_fd,
                           .is_trial = image_fd >= 0,
                           .file_fd = -1,
                           .timer = {.fire = timer_fired},
                           .reader = {.payload = &t->payload},
                           .hash = IMAGE_SEAL_SEED,
                           .copy = {.run = run_copy},
                           .copied = {.run = run_copied},
                           .size_max = ((uint64_t) spec->memory_mb + 64) << 20};
    (void) snapshot_ref(&spec->snapshot);
    home->next_id += home->runtime->config.loop_count;
    home->template = t;
    images_name(home, spec, t->name);
    sched_set_aside(&home->sched, TEMPLATE_BYTES);
    buf_init(&t->payload, FRAME_REASON_MAX);
    buf_init(&t->out, SANDBOX_START_MAX);
    timer_set(home->exec, &t->timer, exec_now_us(home->exec) + limit_us(spec));
    broker_spawn(home, t->id, spec);
}
