/* The server's order of start and stop.
 *
 *   start  configuration → data directory, locked, in its private mount → spawner (forks before
 *          any thread, keeps root, gets ready beside what follows) → socket → privilege dropped
 *          → loops, pools → services → gateway → spawner is ready → threads → listen → Ready
 *   stop   gateway drains → runtime drains → actors finish → what they sent to the loops arrives
 *          → loops stop → threads end → services close (databases checkpoint) → spawner stops
 *
 * Loop 0 runs on the main thread and gets the signals. Stopping is a chain of tasks on loop 0, but
 * for the actors, which are waited for by a worker: a loop never waits. The last actor answers by
 * posting to loops, which may post on to others (a change is taken by every loop, the last of which
 * posts to the loop of the request): two rounds of a task through all loops let those two steps
 * pass before the loops are stopped.
 *
 * Everything here has process life time. A failed start leaves its remains to the kernel: nothing
 * outside the process has been promised yet. */
#include "app/serve.h"

#include "app/config.h"
#include "app/doors.h"
#include "app/isolation.h"
#include "app/place.h"
#include "app/services.h"
#include "base/assert.h"
#include "base/mem.h"
#include "base/trace.h"
#include "bootstraps.h"
#include "cli/options.h"
#include "core/keys.h"
#include "core/pool.h"
#include "egress/egress.h"
#include "gateway/gateway.h"
#include "net/server.h"
#include "net/tls.h"
#include "os/interpreters.h"
#include "os/memory.h"
#include "os/privilege.h"
#include "os/random.h"
#include "os/thread.h"
#include "os/userns.h"
#include "restorer/files.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    DRAIN_MS = 10 * 1000,          /* for requests under way, calls of functions included */
    INSTANCES_DRAIN_MS = 2 * 1000, /* for calls whose clients are gone by then */
    CONNS_MAX = 4096,              /* of a loop, where there are descriptors enough */
    INSTANCE_FILES = 9,            /* of main for each instance, at most (src/runtime/README.md) */
    OTHER_FILES = 1024,            /* stores, uploads, what else is open for a moment */
    LOOP_FILES = 512,              /* telemetry to extensions */
    IN_FLIGHT_MAX = 2048,
    FLUSH_ROUNDS = 2,
    THREADS_MAX = 16, /* of actors, and of workers */
    ENDPOINT_SIZE = 96,
};

struct serve {
    struct serve_config config;
    struct place place;
    struct place_ids ids;
    bool is_rootless;
    struct isolation isolation; /* once the spawner is ready */
    const struct clock *clock;
    struct interpreters interpreters;
    struct spawner *spawner;
    struct egress *egress; /* NULL: functions reach the platform only */
    struct loop **loops;
    struct exec **execs; /* of the loops */
    pthread_t *threads;  /* of loops 1 and up */
    size_t loop_count;
    unsigned long files; /* main may have open */
    struct pool *actors, *workers;
    struct services *services;
    struct directory *keys; /* NULL in development mode */
    struct gateway *gateway;
    int listen_fd;
    struct tls_identity *tls; /* owned */
    char endpoint[ENDPOINT_SIZE];
    struct task step;   /* of stopping */
    size_t flush_steps; /* left */
    bool is_stopping;
    int status;
};

/* --- stopping: tasks in this order --- */

/* Goes round the loops, then stops them. */
static void stop_flush(struct task *task)
{
    struct serve *serve = CONTAINER_OF(task, struct serve, step);
    if (serve->flush_steps-- > 0) {
        exec_post(serve->execs[serve->flush_steps % serve->loop_count], task);
        return;
    }
    for (size_t i = 0; i < serve->loop_count; i++)
        loop_stop(serve->loops[i]);
}

/* On a worker. */
static void stop_actors(struct task *task)
{
    struct serve *serve = CONTAINER_OF(task, struct serve, step);
    services_stop(serve->services);
    serve->flush_steps = FLUSH_ROUNDS * serve->loop_count;
    task->run = stop_flush;
    exec_post(serve->execs[0], task);
}

static void stop_instances_gone(struct task *task)
{
    struct serve *serve = CONTAINER_OF(task, struct serve, step);
    task->run = stop_actors;
    exec_post(pool_exec(serve->workers), task);
}

static void stop_requests_done(struct task *task)
{
    struct serve *serve = CONTAINER_OF(task, struct serve, step);
    task->run = stop_instances_gone;
    services_drain(serve->services, INSTANCES_DRAIN_MS, task);
}

/* Loop 0. */
static void stop_begin(struct serve *serve, int status)
{
    if (serve->is_stopping)
        return; /* Once asked is enough: every step of stopping is bounded. */
    serve->is_stopping = true;
    serve->status = status;
    log_info("app", "stopping", "status=%d", status);
    serve->step.run = stop_requests_done;
    gateway_drain(serve->gateway, DRAIN_MS, &serve->step);
}

static void on_stop_signal(void *arg)
{
    stop_begin(arg, 0);
}

/* A child ended: there is one, the spawner, and without it no function runs. Whoever started us
 * starts us again; going on would be a server that answers nothing but errors. */
static void on_child_signal(void *arg)
{
    struct serve *serve = arg;
    siginfo_t info = {0};
    pid_t pid = spawner_pid(serve->spawner);
    int rc = waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if (serve->is_stopping || rc < 0 || info.si_pid != pid)
        return;
    log_error("app", "the spawner has ended, stopping", "how=%s status=%d",
              info.si_code == CLD_EXITED ? "exit" : "signal", info.si_status);
    stop_begin(serve, 1);
}

static void on_trace_signal(void *arg)
{
    (void) arg;
    trace_dump(STDERR_FILENO);
}

/* --- starting --- */

static bool is_loopback(const char *host)
{
    return str_starts(str_from(host), STR("127.")) || strcmp(host, "::1") == 0;
}

static void on_listening(void *arg, int rc, const struct err *err)
{
    struct serve *serve = arg;
    if (rc < 0) {
        log_error("app", "cannot listen", "err=\"%s\"", err->text);
        stop_begin(serve, 1);
        return;
    }
    isolation_log(&serve->isolation);
    printf("Ready. %s\n", serve->endpoint);
    (void) fflush(stdout); /* Nobody may be listening; the server serves all the same. */
    if (serve->config.is_dev && !is_loopback(serve->config.host))
        log_warn("app", "anyone who reaches this address may run code here",
                 "endpoint=%s option=--dev", serve->endpoint);
    log_info("app", "ready", "endpoint=%s loops=%zu", serve->endpoint, serve->loop_count);
}

/* One loop is enough for four CPUs: the others run functions, actors and workers. */
static size_t loop_count_default(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus <= 4 ? 1 : (size_t) (cpus + 3) / 4;
}

static int loops_make(struct serve *serve, struct err *err)
{
    serve->loop_count = serve->config.loops > 0 ? serve->config.loops : loop_count_default();
    serve->loops = NEW_ARRAY(struct loop *, serve->loop_count);
    serve->execs = NEW_ARRAY(struct exec *, serve->loop_count);
    serve->threads = NEW_ARRAY(pthread_t, serve->loop_count);
    for (size_t i = 0; i < serve->loop_count; i++) {
        int rc = loop_new(serve->clock, &serve->loops[i], err);
        if (rc < 0)
            return rc;
        serve->execs[i] = loop_exec(serve->loops[i]);
    }
    return 0;
}

static int signals_watch(struct serve *serve, struct err *err)
{
    int rc = loop_on_signal(serve->loops[0], SIGTERM, on_stop_signal, serve, err);
    if (rc >= 0)
        rc = loop_on_signal(serve->loops[0], SIGINT, on_stop_signal, serve, err);
    if (rc >= 0)
        rc = loop_on_signal(serve->loops[0], SIGCHLD, on_child_signal, serve, err);
    if (rc >= 0)
        rc = loop_on_signal(serve->loops[0], SIGUSR2, on_trace_signal, serve, err);
    return rc;
}

static int spawner_launch(struct serve *serve, struct err *err)
{
    for (size_t i = 0; i < bootstrap_file_count; i++) {
        const struct bootstrap_file *file = &bootstrap_files[i];
        spawner_add_runtime_file(file->name, file->bytes, *file->size, false);
    }
    for (size_t i = 0; i < restorer_file_count; i++) {
        const struct restorer_file *file = &restorer_files[i];
        spawner_add_runtime_file(file->name, file->bytes, *file->size, file->is_executable);
    }
    const struct spawner_config config = {
        .state_dir = serve->place.sandbox,
        .main_uid = serve->ids.main,
        .uid_base = serve->ids.instances,
        .slot_count = INSTANCES_MAX + TEMPLATES_MAX,
        .pool_size = serve->config.pool_min,
        .pool_max = serve->config.pool_max,
        .accepts_reduced = serve->config.accepts_reduced,
        .has_one_id = serve->ids.is_one,
        .is_nested = serve->is_rootless,
    };
    int rc = spawner_start(&config, &serve->spawner, err);
    return rc < 0 ? err_wrap(err, "start the spawner") : 0;
}

static int socket_open(struct serve *serve, struct err *err)
{
    const char *host = serve->config.host;
    uint16_t port;
    int rc = listen_tcp(host, serve->config.port, &serve->listen_fd, &port, err);
    if (rc < 0)
        return rc;
    bool is_v6 = strchr(host, ':') != NULL;
    (void) snprintf(serve->endpoint, sizeof serve->endpoint, "http://%s%s%s:%u", is_v6 ? "[" : "",
                    host, is_v6 ? "]" : "", port);
    return 0;
}

/* Given files may be root's; a self-made certificate is in the data directory. */
static int tls_given(struct serve *serve, struct err *err)
{
    const struct serve_config *options = &serve->config;
    if (options->tls_cert == NULL)
        return 0;
    return tls_identity_load(options->tls_cert, options->tls_key, &serve->tls, err);
}

static int tls_self_made(struct serve *serve, struct err *err)
{
    if (serve->tls != NULL)
        return 0;
    return tls_identity_self_made(PLACE_DATA "/tls", clock_utc_ms(serve->clock), &serve->tls, err);
}

static bool has_bootstrap(const char *name)
{
    for (size_t i = 0; i < bootstrap_file_count; i++)
        if (strcmp(bootstrap_files[i].name, name) == 0)
            return true;
    return false;
}

/* What needs root, the host's or that of a user namespace of our own, or a single thread. */
static int start_privileged(struct serve *serve, struct err *err)
{
    char home[PATH_MAX];
    const char *data = serve->config.data_dir;
    if (data == NULL)
        data = place_default(home); /* before we are root of anything */
    serve->is_rootless = !privilege_is_root();
    int rc = serve->is_rootless ? userns_enter(serve->config.accepts_reduced, err) : 0;
    if (rc >= 0)
        rc = place_ids_find(INSTANCES_MAX + TEMPLATES_MAX, &serve->ids, err);
    if (rc >= 0)
        rc = files_limit_raise(&serve->files, err);
    if (rc >= 0)
        rc = tls_given(serve, err);
    if (rc >= 0)
        rc = place_open(data, serve->ids.main, &serve->place, err);
    if (rc >= 0)
        rc = place_mount(&serve->place, err);
    interpreters_begin(&serve->interpreters, "");
    if (rc >= 0)
        rc = spawner_launch(serve, err);
    if (rc >= 0 && serve->config.has_egress)
        rc = egress_start(serve->ids.egress, &serve->egress, err);
    if (rc >= 0)
        rc = socket_open(serve, err); /* A port below 1024 needs root. */
    interpreters_end(&serve->interpreters);
    if (!has_bootstrap("virga.jar"))
        interpreters_forget(&serve->interpreters, INTERPRETER_JAVA);
    return rc < 0 ? rc : place_drop(serve->ids.main, err);
}

/* The root key may sign from the start; the operator sees it once. */
static int keys_open(struct serve *serve, struct err *err)
{
    struct access_key *root;
    bool is_new;
    int rc = root_key_open(PLACE_DATA, &rng_real, &root, &is_new, err);
    if (rc < 0)
        return rc;
    if (is_new)
        printf("The root access key, shown this once:\n"
               "  export AWS_ACCESS_KEY_ID=" STR_FMT "\n"
               "  export AWS_SECRET_ACCESS_KEY=" STR_FMT "\n",
               STR_ARG(root->id), STR_ARG(root->secret));
    serve->keys = directory_new(serve->execs, serve->loop_count);
    directory_publish(serve->keys, root->id, &root->snapshot, NULL);
    return 0;
}

static int threads_make(struct serve *serve, struct err *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = cpus < 2 ? 2 : cpus > THREADS_MAX ? THREADS_MAX : (unsigned) cpus;
    int rc = loops_make(serve, err);
    if (rc >= 0)
        rc = signals_watch(serve, err);
    if (rc >= 0)
        rc = pool_new("actors", threads, serve->clock, &serve->actors, err);
    return rc < 0 ? rc : pool_new("workers", threads, serve->clock, &serve->workers, err);
}

static int services_make(struct serve *serve, struct err *err)
{
    const struct services_config config = {
        .data_dir = PLACE_DATA,
        .endpoint = serve->endpoint,
        .interpreters = &serve->interpreters,
        .is_strict = serve->config.is_strict,
        .clock = serve->clock,
        .rng = &rng_real,
        .workers = pool_exec(serve->workers),
        .actors = pool_exec(serve->actors),
        .loops = serve->loops,
        .execs = serve->execs,
        .loop_count = serve->loop_count,
        .spawner = serve->spawner,
        .isolation = &serve->isolation,
        .egress = serve->egress,
        .account_concurrency = serve->config.concurrency,
        .instances_max = INSTANCES_MAX,
        .keep_alive_ms = serve->config.keep_alive_ms,
        .memory_max =
            serve->config.memory_max > 0 ? serve->config.memory_max : memory_available() / 4 * 3,
        .retry_unit_ms = serve->config.async_retry_ms,
        .stream_bytes_max = serve->config.stream_bytes_max,
        .has_snapshots = serve->config.has_snapshots,
        .snapshot_bytes_max = serve->config.snapshot_bytes_max,
        .doors = doors_to(&serve->gateway),
    };
    return services_open(&config, &serve->services, err);
}

/* Of each loop: what instances need is never taken by clients, or no sandbox could be handed over.
 */
static size_t conns_max(const struct serve *serve)
{
    unsigned long own = (INSTANCES_MAX + TEMPLATES_MAX) * INSTANCE_FILES + OTHER_FILES +
                        serve->loop_count * LOOP_FILES;
    unsigned long share = serve->files > own ? (serve->files - own) / serve->loop_count : 1;
    return share < CONNS_MAX ? share : CONNS_MAX;
}

static int gateway_make(struct serve *serve, struct err *err)
{
    const struct serve_config *options = &serve->config;
    const struct gateway_config config = {
        .registry = services_registry(serve->services),
        .loops = serve->loops,
        .loop_count = serve->loop_count,
        .workers = pool_exec(serve->workers),
        .clock = serve->clock,
        .rng = &rng_real,
        .keys = serve->keys,
        .tls = serve->tls,
        .is_strict = options->is_strict,
        .crosssite = {.listen_host = str_from(options->host),
                      .extra_hosts = options->allow_hosts,
                      .extra_host_count = options->allow_host_count,
                      .extra_origins = options->allow_origins,
                      .extra_origin_count = options->allow_origin_count},
        .conns_max = conns_max(serve),
        .in_flight_max = IN_FLIGHT_MAX,
        .health = services_health,
        .health_arg = serve->services,
        .status = services_status,
        .status_arg = serve->services,
    };
    return gateway_new(&config, &serve->gateway, err);
}

static int start_rest(struct serve *serve, struct err *err)
{
    int rc = threads_make(serve, err);
    if (rc >= 0)
        rc = services_make(serve, err);
    if (rc >= 0 && !serve->config.is_dev)
        rc = keys_open(serve, err);
    if (rc >= 0)
        rc = tls_self_made(serve, err);
    if (rc >= 0)
        rc = gateway_make(serve, err);
    if (rc < 0)
        return rc;
    rc = spawner_ready(serve->spawner, err);
    if (rc < 0)
        return err_wrap(err, "start the spawner");
    isolation_find(&serve->isolation, serve->spawner, serve->is_rootless, serve->ids.is_one);
    return 0;
}

/* --- running --- */

static void *loop_thread(void *loop)
{
    loop_run(loop);
    return NULL;
}

static int run(struct serve *serve, struct err *err)
{
    for (size_t i = 1; i < serve->loop_count; i++) {
        int rc = thread_start(&serve->threads[i], "loop", loop_thread, serve->loops[i], err);
        if (rc < 0)
            return rc;
    }
    gateway_listen(serve->gateway, take_fd(&serve->listen_fd), on_listening, serve);
    loop_run(serve->loops[0]);
    for (size_t i = 1; i < serve->loop_count; i++)
        (void) pthread_join(serve->threads[i], NULL); /* Ours, joinable: cannot fail. */
    pool_free(serve->workers);
    pool_free(serve->actors);
    gateway_free(serve->gateway);
    tls_identity_free(serve->tls);
    services_free(serve->services);
    directory_free(serve->keys);
    for (size_t i = 0; i < serve->loop_count; i++)
        loop_free(serve->loops[i]);
    free(serve->loops);
    free(serve->execs);
    free(serve->threads);
    spawner_stop(serve->spawner);
    egress_stop(serve->egress);
    log_info("app", "stopped", "status=%d", serve->status);
    return 0;
}

static int serve(const struct serve_config *config)
{
    log_set_level(config->log_level);
    /* Arenas of malloc cost memory each; ours allocate little outside request arenas. */
    (void) mallopt(M_ARENA_MAX, 2);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void) sigaction(SIGPIPE, &ignore, NULL); /* Writers look at EPIPE. */

    struct serve serve = {.config = *config, .clock = &clock_real, .listen_fd = -1};
    struct err err;
    int rc = start_privileged(&serve, &err);
    if (rc >= 0)
        rc = start_rest(&serve, &err);
    if (rc >= 0)
        rc = run(&serve, &err);
    if (rc < 0) {
        (void) fprintf(stderr, "virga serve: %s\n%s", err.text,
                       rc == -EACCES && !config->accepts_reduced ? isolation_advice : "");
        return 1;
    }
    return serve.status;
}

int serve_main(int argc, char **argv)
{
    struct serve_config config;
    int rc = serve_config_parse(argc, argv, &config);
    return rc == CLI_PARSED ? serve(&config) : rc;
}
