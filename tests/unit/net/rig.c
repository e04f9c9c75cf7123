#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

void rig_hold(struct rig *rig, struct exchange *x)
{
    (void) pthread_mutex_lock(&rig->lock);
    assert_true(rig->held_count < HELD_MAX);
    rig->held[rig->held_count++] = x;
    (void) pthread_cond_broadcast(&rig->changed);
    (void) pthread_mutex_unlock(&rig->lock);
}

void rig_count_gone(void *user)
{
    struct rig *rig = user;
    (void) pthread_mutex_lock(&rig->lock);
    rig->gone++;
    (void) pthread_cond_broadcast(&rig->changed);
    (void) pthread_mutex_unlock(&rig->lock);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

void rig_start(struct rig *rig, const struct server_limits *limits,
               const struct server_handler *fns)
{
    *rig = (struct rig){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    clock_virtual_init(&rig->clock, 784111777000);
    assert_ok(loop_new(&rig->clock.clock, &rig->loop, NULL));
    const struct server_handler handler = {fns->on_request, fns->on_body, rig};
    assert_ok(server_new(rig->loop, limits, &handler, &rig->server, NULL));
    int fd;
    struct err err;
    assert_ok(listen_tcp("127.0.0.1", 0, &fd, &rig->port, &err));
    assert_ok(server_listen(rig->server, fd, &err));
    assert_ok(thread_start(&rig->thread, "loop", run_loop, rig->loop, &err));
}

void rig_wait(struct rig *rig, const int *value, int at_least)
{
    (void) pthread_mutex_lock(&rig->lock);
    while (*value < at_least)
        assert_int_equal(cond_wait_ms(&rig->changed, &rig->lock, 10000), 0);
    (void) pthread_mutex_unlock(&rig->lock);
}

struct exchange *rig_wait_held(struct rig *rig, size_t index)
{
    (void) pthread_mutex_lock(&rig->lock);
    while (rig->held_count <= index)
        assert_int_equal(cond_wait_ms(&rig->changed, &rig->lock, 10000), 0);
    struct exchange *x = rig->held[index];
    (void) pthread_mutex_unlock(&rig->lock);
    return x;
}

static void errand_run(struct task *task)
{
    struct errand *errand = CONTAINER_OF(task, struct errand, task);
    struct rig *rig = errand->rig;
    errand->fn(errand);
    (void) pthread_mutex_lock(&rig->lock);
    errand->is_done = 1;
    (void) pthread_cond_broadcast(&rig->changed);
    (void) pthread_mutex_unlock(&rig->lock);
}

void rig_do(struct rig *rig, void (*fn)(struct errand *errand), int64_t number, struct exchange *x)
{
    struct errand errand = {{.run = errand_run}, fn, rig, number, x, 0};
    exec_post(loop_exec(rig->loop), &errand.task);
    rig_wait(rig, &errand.is_done, 1);
}

void rig_advance(struct errand *errand)
{
    clock_virtual_advance(&errand->rig->clock, errand->number * 1000000);
}

static void count_drained(void *arg)
{
    struct rig *rig = arg;
    (void) pthread_mutex_lock(&rig->lock);
    rig->drained++;
    (void) pthread_cond_broadcast(&rig->changed);
    (void) pthread_mutex_unlock(&rig->lock);
}

void rig_drain(struct errand *errand)
{
    server_drain(errand->rig->server, errand->number, count_drained, errand->rig);
}

void rig_stop(struct rig *rig)
{
    if (rig->drained == 0)
        rig_do(rig, rig_drain, 0, NULL);
    rig_do(rig, rig_advance, 1, NULL);
    rig_wait(rig, &rig->drained, 1);
    loop_stop(rig->loop);
    assert_int_equal(pthread_join(rig->thread, NULL), 0);
    server_free(rig->server);
    loop_free(rig->loop);
}

/* --- the client --- */

void client_open(struct client *c, const struct rig *rig)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {.tv_sec = 10};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    (void) setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    assert_int_equal(connect(c->fd, (const struct sockaddr *) &to, sizeof to), 0);
    buf_init(&c->in, 64 << 20);
    c->used = 0;
}

void client_close(struct client *c)
{
    (void) close(c->fd);
    buf_done(&c->in);
}

void client_send(struct client *c, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes = str_skip(bytes, (size_t) n);
    }
}

ssize_t client_receive(struct client *c)
{
    char *to = buf_room(&c->in, 65536);
    assert_non_null(to);
    ssize_t n = recv(c->fd, to, 65536, 0);
    assert_true(n >= 0 || errno == ECONNRESET);
    if (n > 0)
        buf_added(&c->in, (size_t) n);
    return n;
}

/* Reads one whole answer; returns its status. */
int client_answer(struct client *c, bool has_body)
{
    buf_consume(&c->in, c->used);
    int head_len;
    while ((head_len = http1_parse_response(buf_str(&c->in), &c->head, NULL)) == 0)
        if (client_receive(c) <= 0)
            fail_msg("the connection ended in the middle of an answer");
    assert_true(head_len > 0);
    size_t length = has_body && c->head.content_length > 0 ? (size_t) c->head.content_length : 0;
    while (c->in.len < (size_t) head_len + length)
        if (client_receive(c) <= 0)
            fail_msg("the connection ended in the middle of an answer");
    assert_true(http1_parse_response(buf_str(&c->in), &c->head, NULL) == head_len);
    c->body = str_of(c->in.ptr + head_len, length);
    c->used = (size_t) head_len + length;
    return c->head.status;
}

void client_expect_end(struct client *c)
{
    assert_int_equal(c->in.len, c->used);
    assert_int_equal(client_receive(c), 0);
}

void client_expect(struct client *c, int status, const char *body)
{
    assert_int_equal(client_answer(c, true), status);
    assert_str(c->body, body);
}

/* Moves time until the client has something to read (an answer or the end). */
void advance_until_readable(struct rig *rig, struct client *c, int64_t seconds)
{
    struct pollfd readable = {.fd = c->fd, .events = POLLIN};
    for (int i = 0; i < 1000; i++) {
        rig_do(rig, rig_advance, seconds, NULL);
        if (poll(&readable, 1, 5) == 1)
            return;
    }
    fail_msg("no time-out came");
}
