/* Whether copies of processes come to life on this host at all, tried and not guessed.
 *
 *     (start, a second later) ──> DUE ──template──> MAKING ──image──> MADE ──trial──> TRYING ──>
 * RESTING └──failed, the second time──> no copies any more
 *
 * A language boots in a sandbox that is nobody's, is written down, and a copy of it has to come to
 * life, once. What takes part is what takes part in every snapshot: kernel, restorer, snapshotter,
 * bootstrap. If that fails twice in a row, this server makes and uses no copies from then on, says
 * so wherever it tells about snapshots, and functions start from scratch.
 *
 * Nothing that a tenant does can switch copies off: what fails of his own (images.c) only has the
 * test run again, at most every ten seconds, and its result decides.
 *
 * It begins when the first calls have been answered, one second after the start; until it has a
 * result, copies are made and used: one that does not live is replaced from scratch anyway. A
 * sandbox that cannot be built says nothing about copies: the test is tried again later.
 *
 * thread: home 0's loop, where its templates run between all others (template.c). */
#include "base/log.h"
#include "base/mem.h"
#include "os/file.h"
#include "restorer/files.h"
#include "runtime/runtime_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

enum {
    FAILURES_MAX = 2,
    SUSPECTS_MAX = 3, /* images of tenants that failed since the last test */
    FIRST_US = 1000 * 1000,
    AGAIN_US = 10 * 1000 * 1000,
};

struct selftest {
    struct runtime *runtime;
    struct function_spec *spec; /* counted */
    enum { SELFTEST_RESTING, SELFTEST_DUE, SELFTEST_MAKING, SELFTEST_MADE, SELFTEST_TRYING } state;
    int image_fd; /* MADE: owned */
    unsigned failures;
    struct timer timer;
    int64_t begun_us;
    struct task first, suspected;
    unsigned suspects;      /* atomic */
    bool is_suspect_posted; /* atomic */
};

static struct home *home_of(const struct selftest *st)
{
    return &st->runtime->homes[0];
}

static void tell(struct selftest *st, enum snapshot_state state, const char *reason)
{
    struct snapshot_status status = {.state = state, .failures = st->failures};
    (void) snprintf(status.reason, sizeof status.reason, "%s", reason);
    board_put(st->runtime->board, STR(SELFTEST_KEY), &status);
}

static void begin_at(struct selftest *st, int64_t at_us)
{
    if (!home_of(st)->sched.is_draining)
        timer_set(home_of(st)->exec, &st->timer, at_us);
}

static void timer_fired(struct timer *timer)
{
    struct selftest *st = CONTAINER_OF(timer, struct selftest, timer);
    if (st->state == SELFTEST_RESTING && !home_of(st)->is_copying_off)
        st->state = SELFTEST_DUE;
    images_next(home_of(st));
}

static void run_first(struct task *task)
{
    struct selftest *st = CONTAINER_OF(task, struct selftest, first);
    begin_at(st, exec_now_us(home_of(st)->exec) + FIRST_US);
}

static void run_suspected(struct task *task)
{
    struct selftest *st = CONTAINER_OF(task, struct selftest, suspected);
    __atomic_store_n(&st->is_suspect_posted, false, __ATOMIC_RELAXED);
    int64_t now_us = exec_now_us(home_of(st)->exec);
    bool is_early = st->begun_us > 0 && now_us < st->begun_us + AGAIN_US;
    if (st->state == SELFTEST_RESTING && !home_of(st)->is_copying_off)
        begin_at(st, is_early ? st->begun_us + AGAIN_US : now_us);
}

void selftest_suspect(struct runtime *runtime)
{
    struct selftest *st = runtime->selftest;
    if (st == NULL || __atomic_add_fetch(&st->suspects, 1, __ATOMIC_RELAXED) < SUSPECTS_MAX ||
        __atomic_exchange_n(&st->is_suspect_posted, true, __ATOMIC_RELAXED))
        return;
    exec_post(home_of(st)->exec, &st->suspected);
}

bool selftest_start(struct home *home)
{
    struct selftest *st = home->runtime->selftest;
    if (st == NULL || home != home_of(st))
        return false;
    if (st->state == SELFTEST_DUE) {
        st->state = SELFTEST_MAKING;
        st->begun_us = exec_now_us(home->exec);
        template_start(home, st->spec, -1);
        return true;
    }
    if (st->state != SELFTEST_MADE)
        return false;
    st->state = SELFTEST_TRYING;
    template_start(home, st->spec, take_fd(&st->image_fd));
    return true;
}

bool selftest_is_of(const struct home *home, const struct function_spec *spec)
{
    return home->runtime->selftest != NULL && spec == home->runtime->selftest->spec;
}

/* ---- the result ---- */

/* What `virga doctor` reads; it asks no server. */
struct note {
    struct task task;
    char path[PATH_MAX];
    char reason[256]; /* "": none */
};

static void run_note(struct task *task)
{
    struct note *note = CONTAINER_OF(task, struct note, task);
    struct err err;
    int rc = note->reason[0] != '\0'
                 ? file_write_durable(AT_FDCWD, note->path, str_from(note->reason), 0600, &err)
             : (unlink(note->path) < 0 && errno != ENOENT)
                 ? err_set(&err, -errno, "remove '%s'", note->path)
                 : 0;
    if (rc < 0)
        log_warn("runtime", "cannot note the self-test's result", "err=\"%s\"", err.text);
    free(note);
}

static void write_note(struct selftest *st, const char *reason)
{
    const struct runtime_config *config = &st->runtime->config;
    struct note *note = NEW(struct note);
    note->task.run = run_note;
    (void) snprintf(note->path, sizeof note->path, "%s/" SNAPSHOTS_OFF_FILE, config->snapshot_dir);
    (void) snprintf(note->reason, sizeof note->reason, "%s", reason);
    exec_post(config->workers, &note->task);
}

struct switching {
    struct task task;
    struct home *home;
};

static void run_switching(struct task *task)
{
    struct switching *switching = CONTAINER_OF(task, struct switching, task);
    images_switch_off(switching->home);
    free(switching);
}

static void switch_off(struct selftest *st, const char *reason)
{
    struct runtime *runtime = st->runtime;
    struct log_text quoted;
    log_warn("runtime", "snapshots are off: copies do not come to life on this host", "why=%s",
             log_quote(&quoted, str_from(reason)));
    tell(st, SNAPSHOT_REFUSED, reason);
    write_note(st, reason);
    for (size_t i = 0; i < runtime->config.loop_count; i++) {
        struct switching *switching = NEW(struct switching);
        *switching = (struct switching){.task = {.run = run_switching}, .home = &runtime->homes[i]};
        exec_post(runtime->homes[i].exec, &switching->task);
    }
}

static void rest(struct selftest *st)
{
    st->state = SELFTEST_RESTING;
    __atomic_store_n(&st->suspects, 0, __ATOMIC_RELAXED);
}

void selftest_next(struct home *home, int image_fd)
{
    struct selftest *st = home->runtime->selftest;
    if (st->state == SELFTEST_MAKING) {
        st->image_fd = image_fd;
        st->state = SELFTEST_MADE;
        return;
    }
    assert(st->state == SELFTEST_TRYING && image_fd < 0);
    rest(st);
    st->failures = 0;
    tell(st, SNAPSHOT_READY, "");
    write_note(st, "");
    log_info("runtime", "self-test of snapshots passed", "us=%lld",
             (long long) (exec_now_us(home->exec) - st->begun_us));
}

void selftest_failed(struct home *home, const char *reason, bool is_unbuilt)
{
    struct selftest *st = home->runtime->selftest;
    rest(st);
    if (home->sched.is_draining)
        return; /* it was ended */
    int64_t now_us = exec_now_us(home->exec);
    if (is_unbuilt) {
        begin_at(st, now_us + AGAIN_US);
        return;
    }
    st->failures++;
    if (st->failures >= FAILURES_MAX)
        switch_off(st, reason);
    else
        begin_at(st, now_us);
}

bool runtime_snapshots_state(const struct runtime *runtime, struct snapshot_status *out)
{
    return board_get(runtime->board, STR(SELFTEST_KEY), out);
}

/* ---- making and freeing ---- */

void selftest_new(struct runtime *runtime)
{
    static const enum runtime_kind kinds[] = {RUNTIME_PYTHON, RUNTIME_NODE};
    if (runtime->config.snapshot_dir == NULL || restorer_file_count == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct function_spec *spec = images_boot_spec(kinds[i], STR("-"));
        if (access(start_program(spec), X_OK) < 0) {
            snapshot_unref(&spec->snapshot);
            continue;
        }
        struct selftest *st = NEW(struct selftest);
        *st = (struct selftest){.runtime = runtime,
                                .spec = spec,
                                .image_fd = -1,
                                .timer = {.fire = timer_fired},
                                .first = {.run = run_first},
                                .suspected = {.run = run_suspected}};
        runtime->selftest = st;
        exec_post(home_of(st)->exec, &st->first);
        return;
    }
}

void selftest_stop(struct runtime *runtime)
{
    if (runtime->selftest != NULL)
        timer_clear(home_of(runtime->selftest)->exec, &runtime->selftest->timer);
}

void selftest_free(struct runtime *runtime)
{
    struct selftest *st = runtime->selftest;
    if (st == NULL)
        return;
    cleanup_close(&st->image_fd);
    snapshot_unref(&st->spec->snapshot);
    free(st);
}
