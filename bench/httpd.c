/* Our HTTP server with a handler that does nothing: what parsing, limits, time-outs and exchanges
 * cost over the yardstick of echo.c, with the same answer.
 *
 *   bench_httpd [PORT]     prints "port N" and serves 127.0.0.1:N until SIGTERM or SIGINT */
#include "net/server.h"

#include <inttypes.h>
#include <signal.h>

static void on_request(void *arg, struct exchange *x)
{
    (void) arg;
    (void) x;
}

static void on_body(void *arg, struct exchange *x)
{
    (void) arg;
    struct http_header type = {STR("Content-Type"), STR("application/json")};
    exchange_answer(x, 200, &type, 1, STR("{\"hello\":\"you\"}"));
}

struct httpd {
    struct loop *loop;
    struct server *server;
};

static void stop(void *arg)
{
    loop_stop(((struct httpd *) arg)->loop);
}

static void drain(void *arg)
{
    struct httpd *httpd = arg;
    server_drain(httpd->server, 0, stop, httpd);
}

static int run(uint16_t port, struct err *err)
{
    const struct server_limits limits = {.conns_max = 10000,
                                         .body_max = 64 << 20,
                                         .head_timeout_ms = 10000,
                                         .idle_timeout_ms = 60000,
                                         .body_timeout_ms = 20000};
    struct httpd httpd = {0};
    const struct server_handler handler = {on_request, on_body, NULL};
    int fd, rc = loop_new(&clock_real, &httpd.loop, err);
    if (rc >= 0)
        rc = server_new(httpd.loop, &limits, &handler, &httpd.server, err);
    if (rc >= 0)
        rc = listen_tcp("127.0.0.1", port, &fd, &port, err);
    if (rc >= 0)
        rc = server_listen(httpd.server, fd, err);
    if (rc >= 0)
        rc = loop_on_signal(httpd.loop, SIGTERM, drain, &httpd, err);
    if (rc >= 0)
        rc = loop_on_signal(httpd.loop, SIGINT, drain, &httpd, err);
    if (rc < 0)
        return rc;
    printf("port %" PRIu16 "\n", port);
    (void) fflush(stdout);
    loop_run(httpd.loop);
    server_free(httpd.server);
    loop_free(httpd.loop);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t port = 0;
    struct err err;
    if (argc > 2 || (argc == 2 && parse_u64(str_from(argv[1]), UINT16_MAX, &port) < 0)) {
        fprintf(stderr, "usage: %s [PORT]\n", argv[0]);
        return 2;
    }
    if (run((uint16_t) port, &err) < 0) {
        fprintf(stderr, "%s: %s\n", argv[0], err.text);
        return 1;
    }
    return 0;
}
