#include "test.h"

#include "harness.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 10000, KEPT_MAX = 512 };

static struct sandbox_event kept[KEPT_MAX];
static unsigned kept_count;

void harness_copy(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(in >= 0 && out >= 0);
    char bytes[65536];
    for (ssize_t n; (n = read(in, bytes, sizeof bytes)) > 0;)
        assert_int_equal(write(out, bytes, (size_t) n), n);
    assert_int_equal(fchmod(out, 0755), 0);
    close(in);
    close(out);
}

void harness_init(struct harness *h)
{
    if (getenv("TENANT") == NULL)
        fail_msg("TENANT must name the hostile program (meson test sets it)");
    *h = (struct harness){
        .next_id = 1, .code_fd = -1, .uid_base = 1000000 + (uid_t) (getpid() % 1000) * 1000};
    (void) snprintf(h->dir, sizeof h->dir, "/tmp/virga-sandbox-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    (void) snprintf(h->code, sizeof h->code, "%s/code", h->dir);
    assert_int_equal(mkdir(h->code, 0755), 0);
    char program[128];
    (void) snprintf(program, sizeof program, "%s/tenant", h->code);
    harness_copy(getenv("TENANT"), program);
    h->code_fd = open(h->code, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(h->code_fd >= 0);
}

bool harness_is_bare(void)
{
    return getenv("REDUCED") != NULL;
}

bool harness_has_one_id(void)
{
    FILE *map = fopen("/proc/self/uid_map", "re");
    unsigned inside, outside, count = 0, sum = 0;
    assert_non_null(map);
    while (fscanf(map, "%u %u %u", &inside, &outside, &count) == 3)
        sum += count;
    fclose(map);
    return sum == 1;
}

void harness_spawner(struct harness *h, unsigned slots, unsigned pool)
{
    struct err err = {0};
    char state[80];
    (void) snprintf(state, sizeof state, "%s/state", h->dir);
    (void) mkdir(state, 0700);
    struct spawner_config config = {.state_dir = state,
                                    .main_uid = 0,
                                    .uid_base = h->uid_base,
                                    .slot_count = slots,
                                    .pool_size = pool,
                                    .pool_max = pool,
                                    .accepts_reduced = harness_is_bare(),
                                    .has_one_id = harness_has_one_id()};
    if (spawner_start(&config, &h->spawner, &err) < 0 || spawner_ready(h->spawner, &err) < 0)
        fail_msg("spawner: %s", err.text);
    assert_int_equal(spawner_is_bare(h->spawner), harness_is_bare());
}

void harness_done(struct harness *h)
{
    spawner_stop(h->spawner);
    close(h->code_fd);
    static const char *const left[] = {"state/pristine-1.ext4", "code/tenant", "code", "state/root",
                                       "state/spawner.lock",    "state"};
    int dir = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LEN(left); i++)
        if (unlinkat(dir, left[i], 0) < 0)
            (void) unlinkat(dir, left[i], AT_REMOVEDIR);
    close(dir);
    assert_int_equal(rmdir(h->dir), 0); /* Nothing else may be left there. */
}

struct sandbox_spec harness_spec(struct harness *h)
{
    return (struct sandbox_spec){.id = h->next_id++,
                                 .memory_mb = 128,
                                 .cpu_milli = 1000,
                                 .pids_max = 64,
                                 .tmp_bytes = UINT64_C(16) << 20,
                                 .code_fd = h->code_fd};
}

static struct sandbox_event keep_or_wait(struct harness *h)
{
    for (;;) {
        struct sandbox_event event;
        struct err err = {0};
        if (spawner_next(h->spawner, &event, &err) < 0)
            fail_msg("spawner_next: %s", err.text);
        if (event.type == SANDBOX_SHELLS)
            h->shells = event.shells;
        if (event.type != SANDBOX_NONE)
            return event;
        struct pollfd wait = {.fd = spawner_fd(h->spawner), .events = POLLIN};
        if (poll(&wait, 1, WAIT_MS) <= 0)
            fail_msg("no event of the spawner in %d ms", WAIT_MS);
    }
}

struct sandbox_event harness_event(struct harness *h, uint64_t id)
{
    for (unsigned i = 0; i < kept_count; i++)
        if (kept[i].id == id) {
            struct sandbox_event found = kept[i];
            memmove(&kept[i], &kept[i + 1], (--kept_count - i) * sizeof kept[0]);
            return found;
        }
    for (;;) {
        struct sandbox_event event = keep_or_wait(h);
        if (event.id == id)
            return event;
        if (event.type == SANDBOX_SHELLS)
            continue;
        assert_true(kept_count < KEPT_MAX);
        kept[kept_count++] = event;
    }
}

/* With SHELLS in the environment every sandbox is one that was there before it was asked for. */
static struct sandbox_event spawn_shell(struct harness *h, const struct sandbox_spec *spec)
{
    for (int tries = 0; tries < 500; tries++) {
        struct err err = {0};
        if (spawner_spawn(h->spawner, spec, &err) < 0)
            fail_msg("spawner_spawn: %s", err.text);
        struct sandbox_event event = harness_event(h, spec->id);
        if (event.type != SANDBOX_MADE)
            fail_msg("not made: %s", event.reason);
        if (event.was_shell)
            return event;
        assert_ok(spawner_kill(h->spawner, spec->id, &err));
        harness_close(&event);
        assert_int_equal(harness_event(h, spec->id).type, SANDBOX_GONE);
        (void) poll(NULL, 0, 10); /* It is made while nobody asks. */
    }
    fail_msg("no shell is made in advance");
    abort();
}

struct sandbox_event harness_spawn(struct harness *h, const struct sandbox_spec *spec)
{
    struct err err = {0};
    if (getenv("SHELLS") != NULL)
        return spawn_shell(h, spec);
    if (spawner_spawn(h->spawner, spec, &err) < 0)
        fail_msg("spawner_spawn: %s", err.text);
    struct sandbox_event event = harness_event(h, spec->id);
    if (event.type != SANDBOX_MADE)
        fail_msg("not made: %s", event.reason);
    return event;
}

void harness_start(const struct sandbox_event *made, const char *const *argv)
{
    AUTO_BUF struct buf block;
    buf_init(&block, SANDBOX_START_MAX);
    size_t argc = 0;
    while (argv[argc] != NULL)
        argc++;
    static const char *const env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
    assert_ok(sandbox_start_block(&block, argv, argc, env, ARRAY_LEN(env), NULL));
    assert_int_equal(write(made->control_fd, block.ptr, block.len), block.len);
}

void harness_close(struct sandbox_event *made)
{
    int *fds[] = {&made->control_fd, &made->log_fd,      &made->freeze_fd,
                  &made->memory_fd,  &made->services_fd, &made->runtime_api_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            close(take_fd(fds[i]));
}

/* One byte of the log; 0 at its end. */
static size_t log_byte(const struct sandbox_event *made, char *out)
{
    for (;;) {
        ssize_t n = read(made->log_fd, out, 1);
        if (n >= 0)
            return (size_t) n;
        assert_int_equal(errno, EAGAIN);
        struct pollfd wait = {.fd = made->log_fd, .events = POLLIN};
        if (poll(&wait, 1, WAIT_MS) <= 0)
            fail_msg("the program says nothing for %d ms", WAIT_MS);
    }
}

void harness_line(const struct sandbox_event *made, char *out, size_t size)
{
    size_t at = 0;
    while (at + 1 < size && log_byte(made, out + at) == 1 && out[at] != '\n')
        at++;
    out[at] = '\0';
}

void harness_finish(struct harness *h, struct sandbox_event *made, struct outcome *out)
{
    size_t at = 0;
    char byte;
    while (log_byte(made, &byte) == 1)
        if (at + 1 < sizeof out->log)
            out->log[at++] = byte;
    out->log[at] = '\0';
    out->gone = harness_event(h, made->id);
    assert_int_equal(out->gone.type, SANDBOX_GONE);
    harness_close(made);
}

void harness_run(struct harness *h, const struct sandbox_spec *spec, const char *const *argv,
                 struct outcome *out)
{
    struct sandbox_spec usual = harness_spec(h);
    struct sandbox_event made = harness_spawn(h, spec == NULL ? &usual : spec);
    harness_start(&made, argv);
    harness_finish(h, &made, out);
}
