/* Servers on loops: making them, opening and closing the door.
 *
 * Every loop has a server of its own and watches a duplicate of the one listening socket; whichever
 * loop is free first accepts. What a request goes through is in arrival.c and request.c.
 *
 *     gateway_new     main thread: servers exist, nobody listens
 *     gateway_listen  a task on each loop, behind whatever services have posted there before
 *     gateway_drain   a task on each loop: no more connections, running requests finish
 *     gateway_free    after the loops stopped
 *
 * Counting the loops that are ready or drained happens on loop 0, to which the others post: that
 * needs no lock. A loop's task structs are used for one such trip and for the way back. */
#include "gateway/gateway_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>

/* Of a loop: a package for Lambda has 70 MB in base64, for which a body that grows takes 128 MB;
 * two at a time. */
enum { BODIES_MAX = 256 * 1024 * 1024 };

const struct server_limits gateway_limits = {
    .body_max = BODY_DEFAULT_MAX,
    .bodies_max = BODIES_MAX,
    .head_timeout_ms = 10 * 1000,
    .idle_timeout_ms = 75 * 1000, /* SDKs keep connections for a minute */
    .body_timeout_ms = 30 * 1000,
    .body_rate_min = 1000,
};

int gateway_new(const struct gateway_config *config, struct gateway **out_gateway, struct err *err)
{
    assert(config->loop_count > 0);
    struct gateway *gateway =
        mem_new(sizeof *gateway + config->loop_count * sizeof gateway->loops[0]);
    gateway->config = *config;
    struct server_limits limits = gateway_limits;
    limits.conns_max = config->conns_max;
    for (size_t i = 0; i < config->loop_count; i++) {
        struct gateway_loop *home = &gateway->loops[i];
        home->gateway = gateway;
        home->number = i;
        home->loop = config->loops[i];
        home->listen_fd = -1;
        list_init(&home->spare);
        list_init(&home->debug_waiting);
        const struct server_handler handler = {request_on_head, request_on_body, &home->front};
        home->front.home = home;
        int rc = server_new(home->loop, &limits, &handler, &home->front.server, err);
        if (rc < 0) {
            free(gateway); /* Servers made so far have no listener, and the start has failed. */
            return rc;
        }
        if (config->tls != NULL)
            server_set_tls(home->front.server, config->tls);
    }
    *out_gateway = gateway;
    return 0;
}

static struct exec *first_exec(struct gateway *gateway)
{
    return loop_exec(gateway->loops[0].loop);
}

/* On loop 0, once for each loop that listens. */
static void listen_counted(struct task *task)
{
    struct gateway *gateway = CONTAINER_OF(task, struct gateway_loop, listen)->gateway;
    if (++gateway->listening == gateway->config.loop_count)
        gateway->ready(gateway->ready_arg, 0, NULL);
}

static void listen_run(struct task *task)
{
    struct gateway_loop *home = CONTAINER_OF(task, struct gateway_loop, listen);
    struct gateway *gateway = home->gateway;
    struct err err;
    int rc = server_listen(home->front.server, take_fd(&home->listen_fd), &err);
    if (rc < 0) {
        gateway->ready(gateway->ready_arg, rc, &err);
        return;
    }
    task->run = listen_counted;
    exec_post(first_exec(gateway), task);
}

void gateway_listen(struct gateway *gateway, int listen_fd,
                    void (*ready)(void *arg, int rc, const struct err *err), void *arg)
{
    gateway->ready = ready;
    gateway->ready_arg = arg;
    gateway->loops[0].listen_fd = listen_fd;
    for (size_t i = 1; i < gateway->config.loop_count; i++) {
        int copy = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
            struct err err;
            int rc = err_set(&err, -errno, "copy the listening socket");
            ready(arg, rc, &err);
            return;
        }
        gateway->loops[i].listen_fd = copy;
    }
    for (size_t i = 0; i < gateway->config.loop_count; i++) {
        gateway->loops[i].listen.run = listen_run;
        exec_post(loop_exec(gateway->loops[i].loop), &gateway->loops[i].listen);
    }
}

/* On loop 0, once for each loop that is drained. */
static void drain_counted(struct task *task)
{
    struct gateway *gateway = CONTAINER_OF(task, struct gateway_loop, drain)->gateway;
    if (++gateway->drained_count == gateway->config.loop_count)
        gateway->drained->run(gateway->drained);
}

static void drain_finished(void *arg)
{
    struct gateway_loop *home = arg;
    home->drain.run = drain_counted;
    exec_post(first_exec(home->gateway), &home->drain);
}

static void drain_run(struct task *task)
{
    struct gateway_loop *home = CONTAINER_OF(task, struct gateway_loop, drain);
    server_drain(home->front.server, home->gateway->drain_timeout_ms, drain_finished, home);
}

void gateway_drain(struct gateway *gateway, int64_t timeout_ms, struct task *done)
{
    gateway->drain_timeout_ms = timeout_ms;
    gateway->drained = done;
    for (size_t i = 0; i < gateway->config.loop_count; i++) {
        gateway->loops[i].drain.run = drain_run;
        exec_post(loop_exec(gateway->loops[i].loop), &gateway->loops[i].drain);
    }
}

void gateway_free(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    for (size_t i = 0; i < gateway->config.loop_count; i++) {
        struct gateway_loop *home = &gateway->loops[i];
        assert(home->in_flight == 0);
        if (home->front.server != NULL)
            server_free(home->front.server);
        requests_free(home);
        auth_cache_done(&home->signing_keys);
        cleanup_close(&home->listen_fd);
    }
    free(gateway);
}
