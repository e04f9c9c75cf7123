/* The spawner's socket, which loop 0 owns: requests of all homes go in, events come out and are
 * taken to the home that asked.
 *
 * A request is one allocation that holds a reference of the specification, whose directory
 * descriptors it names, until it is sent. A full socket keeps requests in order until the spawner
 * has answered something. The end of the spawner is final: all that it had built has ended with it,
 * and every further request fails; the homes are told in the spawner's own words (FAILED, GONE). */
#include "runtime/runtime_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "egress/egress.h"

#include <errno.h>
#include <unistd.h>

/* AWS: 1769 MB stand for one CPU, and init runs at full speed whatever the size. */
enum {
    EVENTS_PER_TURN = 64,
    CPU_MILLI_PER_VCPU_MB = 1769,
    CPU_MILLI_INIT = 1000,
    PIDS_MAX = 1024,
};

struct broker {
    struct runtime *runtime;
    struct loop *loop; /* borrowed; loop 0 */
    struct spawner *spawner;
    struct watch *watch;
    struct list waiting; /* requests that the socket did not take */
    bool is_dead;
};

struct request {
    struct task task;      /* on its way to loop 0 */
    struct list_node node; /* broker.waiting */
    struct home *home;
    uint64_t id;
    struct function_spec *spec; /* spawn: counted */
    uint32_t cpu_milli;         /* limit */
    bool is_terminate, is_socket;
    unsigned shells; /* shrink */
    /* None of them: kill. */
};

struct delivery {
    struct task task;
    struct home *home;
    struct sandbox_event event;
};

/* ---- events out ---- */

static void run_delivery(struct task *task)
{
    struct delivery *delivery = CONTAINER_OF(task, struct delivery, task);
    home_event(delivery->home, &delivery->event);
    free(delivery);
}

/* To the home's loop, always as a task of its own: callers are in the middle of something. */
static void deliver_later(struct home *home, const struct sandbox_event *event)
{
    struct delivery *delivery = NEW(struct delivery);
    *delivery = (struct delivery){.task = {.run = run_delivery}, .home = home, .event = *event};
    exec_post(home->exec, &delivery->task);
}

/* The home is part of the id, see runtime_new. */
static struct home *home_of(const struct broker *broker, uint64_t id)
{
    return &broker->runtime->homes[id % broker->runtime->config.loop_count];
}

static void deliver(struct broker *broker, const struct sandbox_event *event)
{
    struct home *home = home_of(broker, event->id);
    if (home->loop == broker->loop)
        home_event(home, event);
    else
        deliver_later(home, event);
}

static void tell_all(struct broker *broker, const struct sandbox_event *event)
{
    for (size_t i = 0; i < broker->runtime->config.loop_count; i++)
        deliver_later(&broker->runtime->homes[i], event);
}

static void fail_request(const struct request *request, const struct err *err)
{
    struct sandbox_event event = {.type = SANDBOX_FAILED, .id = request->id, .error = err->code};
    (void) snprintf(event.reason, sizeof event.reason, "%.*s", (int) sizeof event.reason - 1,
                    err->text);
    deliver_later(request->home, &event);
}

/* ---- requests in ---- */

static uint32_t cpu_milli(const struct function_spec *spec)
{
    return (uint32_t) ((uint64_t) spec->memory_mb * 1000 / CPU_MILLI_PER_VCPU_MB);
}

static int send_request(struct broker *broker, const struct request *request, struct err *err)
{
    if (broker->is_dead)
        return err_say(err, -EPIPE, "the spawner is gone");
    if (request->cpu_milli > 0)
        return spawner_limit_cpu(broker->spawner, request->id, request->cpu_milli, err);
    if (request->shells > 0)
        return spawner_shrink(broker->spawner, request->shells, err);
    if (request->is_terminate)
        return spawner_terminate(broker->spawner, request->id, err);
    if (request->is_socket)
        return spawner_socket(broker->spawner, request->id, err);
    if (request->spec == NULL)
        return spawner_kill(broker->spawner, request->id, err);
    const struct function_spec *spec = request->spec;
    struct sandbox_spec sandbox = {.id = request->id,
                                   .memory_mb = spec->memory_mb,
                                   .cpu_milli = cpu_milli(spec) > CPU_MILLI_INIT ? cpu_milli(spec)
                                                                                 : CPU_MILLI_INIT,
                                   .pids_max = PIDS_MAX,
                                   .tmp_bytes = spec->tmp_bytes,
                                   .network = SANDBOX_NETWORK_RUNTIME_API,
                                   .has_egress = broker->runtime->config.egress != NULL,
                                   .code_fd = spec->code_fd,
                                   .layer_count = spec->layer_count};
    static_assert((int) FUNCTION_LAYERS_MAX == (int) SANDBOX_LAYERS_MAX, "one limit of layers");
    memcpy(sandbox.layer_fds, spec->layer_fds, sizeof sandbox.layer_fds);
    return spawner_spawn(broker->spawner, &sandbox, err);
}

static void request_free(struct request *request)
{
    if (request->spec != NULL)
        snapshot_unref(&request->spec->snapshot);
    free(request);
}

/* False: the socket is full, the request is still to be sent. */
static bool handle(struct broker *broker, struct request *request)
{
    struct err err;
    int rc = send_request(broker, request, &err);
    if (rc == -EAGAIN)
        return false;
    if (rc < 0 && request->spec != NULL)
        fail_request(request, &err);
    else if (rc < 0) /* its sandbox has ended with the spawner, which is told by itself */
        log_debug("runtime", "request not sent", "err=\"%s\"", err.text);
    request_free(request);
    return true;
}

static void handle_waiting(struct broker *broker)
{
    for (struct list_node *node; (node = list_first(&broker->waiting)) != NULL;) {
        list_remove(&broker->waiting, node);
        struct request *request = CONTAINER_OF(node, struct request, node);
        if (handle(broker, request))
            continue;
        list_push_front(&broker->waiting, node);
        return;
    }
}

static void submit(struct broker *broker, struct request *request)
{
    if (!list_is_empty(&broker->waiting) || !handle(broker, request))
        list_push_back(&broker->waiting, &request->node);
}

static void run_request(struct task *task)
{
    struct request *request = CONTAINER_OF(task, struct request, task);
    submit(request->home->runtime->broker, request);
}

/* Takes the request. */
static void post(struct home *home, struct request *request)
{
    struct broker *broker = home->runtime->broker;
    request->task.run = run_request;
    request->home = home;
    if (home->loop == broker->loop)
        submit(broker, request);
    else
        exec_post(loop_exec(broker->loop), &request->task);
}

void broker_spawn(struct home *home, uint64_t id, struct function_spec *spec)
{
    struct request *request = NEW(struct request);
    (void) snapshot_ref(&spec->snapshot);
    *request = (struct request){.id = id, .spec = spec};
    post(home, request);
}

void broker_kill(struct home *home, uint64_t id)
{
    struct request *request = NEW(struct request);
    *request = (struct request){.id = id};
    post(home, request);
}

void broker_terminate(struct home *home, uint64_t id)
{
    struct request *request = NEW(struct request);
    *request = (struct request){.id = id, .is_terminate = true};
    post(home, request);
}

void broker_socket(struct home *home, uint64_t id)
{
    struct request *request = NEW(struct request);
    *request = (struct request){.id = id, .is_socket = true};
    post(home, request);
}

/* Shells belong to all homes alike: for a home to have less, all of them have. */
void broker_shrink(struct home *home, uint64_t bytes)
{
    uint64_t all = bytes * home->runtime->config.loop_count;
    struct request *request = NEW(struct request);
    *request = (struct request){
        .shells = (unsigned) ((all + SANDBOX_SHELL_BYTES - 1) / SANDBOX_SHELL_BYTES)};
    post(home, request);
}

void broker_limit(struct home *home, uint64_t id, const struct function_spec *spec)
{
    if (cpu_milli(spec) >= CPU_MILLI_INIT)
        return;
    struct request *request = NEW(struct request);
    *request = (struct request){.id = id, .cpu_milli = cpu_milli(spec)};
    post(home, request);
}

/* ---- the socket ---- */

static void spawner_died(struct broker *broker, const struct err *err)
{
    log_error("runtime", "the spawner is gone, functions cannot run", "err=\"%s\"", err->text);
    broker->is_dead = true;
    watch_free(take_ptr(&broker->watch));
    handle_waiting(broker);
    const struct sandbox_event all = {.type = SANDBOX_NONE};
    tell_all(broker, &all);
}

/* The network of a sandbox that is about to be MADE. Without it the sandbox is not what was asked
 * for: it ends. */
static void network_attach(struct broker *broker, const struct sandbox_event *event)
{
    struct err err;
    if (egress_attach(broker->runtime->config.egress, event->id, event->socket_fd, &err) < 0) {
        log_error("runtime", "a function gets no network", "err=\"%s\"", err.text);
        broker_kill(home_of(broker, event->id), event->id);
    }
    (void) close(event->socket_fd);
}

/* What is drained needs no memory, and its loop may take no more tasks. */
static void shells_counted(struct broker *broker, const struct sandbox_event *event)
{
    if (!broker->runtime->homes[0].is_drained)
        tell_all(broker, event);
}

static void on_readable(void *arg, int events)
{
    struct broker *broker = arg;
    (void) events;
    for (int i = 0; i < EVENTS_PER_TURN; i++) {
        struct sandbox_event event;
        struct err err;
        int rc = spawner_next(broker->spawner, &event, &err);
        if (rc < 0) {
            spawner_died(broker, &err);
            return;
        }
        if (event.type == SANDBOX_NONE)
            break;
        if (event.type == SANDBOX_EGRESS) {
            network_attach(broker, &event);
            continue;
        }
        if (event.type == SANDBOX_SHELLS) {
            shells_counted(broker, &event);
            continue;
        }
        bool is_over = event.type == SANDBOX_GONE || event.type == SANDBOX_FAILED;
        if (is_over && broker->runtime->config.egress != NULL)
            egress_detach(broker->runtime->config.egress, event.id);
        deliver(broker, &event);
    }
    handle_waiting(broker);
}

int broker_new(struct runtime *runtime, struct broker **out_broker, struct err *err)
{
    struct broker *broker = NEW(struct broker);
    *broker = (struct broker){
        .runtime = runtime, .loop = runtime->config.loops[0], .spawner = runtime->config.spawner};
    list_init(&broker->waiting);
    int rc = watch_new(broker->loop, spawner_fd(broker->spawner), on_readable, broker,
                       &broker->watch, err);
    if (rc < 0) {
        free(broker);
        return err_wrap(err, "watch the spawner");
    }
    watch_set(broker->watch, WATCH_READ);
    *out_broker = broker;
    return 0;
}

void broker_free(struct broker *broker)
{
    if (broker == NULL)
        return;
    watch_free(broker->watch);
    for (struct list_node *node; (node = list_pop_front(&broker->waiting)) != NULL;)
        request_free(CONTAINER_OF(node, struct request, node));
    free(broker);
}
