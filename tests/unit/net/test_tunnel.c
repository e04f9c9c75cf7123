/* Upgraded connections: a trivial echo. */
#include "rig.h"

#include "net/tunnel.h"

#include <errno.h>
#include <sys/socket.h>

static const struct server_limits usual = {.conns_max = 100,
                                           .body_max = 1 << 20,
                                           .head_timeout_ms = 10000,
                                           .idle_timeout_ms = 60000,
                                           .body_timeout_ms = 20000};

static struct rig *the_rig;
static struct tunnel *the_tunnel;
static int wait_count; /* rig.lock: writes that were told to wait */

static void on_bytes(void *user, struct str bytes)
{
    (void) user;
    if (str_eq(bytes, STR("bye"))) {
        (void) tunnel_write(the_tunnel, STR("BYE"));
        tunnel_close(the_tunnel);
    } else if (!tunnel_write(the_tunnel, bytes)) {
        tunnel_pause(the_tunnel);
        (void) pthread_mutex_lock(&the_rig->lock);
        wait_count++;
        (void) pthread_mutex_unlock(&the_rig->lock);
    }
}

static void on_drained(void *user)
{
    (void) user;
    tunnel_resume(the_tunnel);
}

static const struct tunnel_handler echo = {on_bytes, on_drained, rig_count_gone};

static void on_request(void *arg, struct exchange *x)
{
    (void) arg;
    (void) x;
}

static void on_body(void *arg, struct exchange *x)
{
    const struct http_header upgrade = {STR("Upgrade"), STR("echo")};
    struct err err;
    the_rig = arg;
    int rc = exchange_upgrade(x, &upgrade, 1, &echo, arg, &the_tunnel, &err);
    if (rc < 0)
        exchange_answer(x, rc == -ENOTSUP ? 426 : 500, NULL, 0, str_from(err.text));
}

static int start(void **state)
{
    static struct rig rig;
    wait_count = 0;
    rig_start(&rig, &usual, &(struct server_handler){on_request, on_body, NULL});
    *state = &rig;
    return 0;
}

static int stop(void **state)
{
    rig_stop(*state);
    return 0;
}

#define UPGRADE REQUEST("GET", "/", "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n")

static void client_expect_bytes(struct client *c, const char *bytes)
{
    buf_consume(&c->in, c->used);
    c->used = strlen(bytes);
    while (c->in.len < c->used)
        assert_true(client_receive(c) > 0);
    assert_str(str_head(buf_str(&c->in), c->used), bytes);
}

static void bytes_go_both_ways(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(UPGRADE "early"));
    assert_int_equal(client_answer(&c, false), 101);
    assert_str(http_header_find(&c.head, STR("upgrade")), "echo");
    assert_str(http_header_find(&c.head, STR("connection")), "Upgrade");
    client_expect_bytes(&c, "early");
    for (int i = 0; i < 3; i++) {
        client_send(&c, STR("hello"));
        client_expect_bytes(&c, "hello");
        rig_do(rig, rig_advance, 100, NULL); /* no idle time-out */
    }
    client_send(&c, STR("bye"));
    client_expect_bytes(&c, "BYE");
    client_expect_end(&c);
    client_close(&c);
    assert_int_equal(rig->gone, 0); /* the handler closed */
}

static void the_peer_may_close(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(UPGRADE));
    assert_int_equal(client_answer(&c, false), 101);
    client_close(&c);
    rig_wait(rig, &rig->gone, 1);
}

static void nobody_upgrades_who_did_not_ask(void **state)
{
    struct client c;
    client_open(&c, *state);
    client_send(&c, STR(REQUEST("GET", "/", "\r\n")));
    client_expect(&c, 426, "the request asks for no upgrade");
    client_close(&c);
}

/* Sends while it can, never reads: the echo waits, and the client is cut in the end. */
static void a_peer_that_does_not_read_is_cut(void **state)
{
    struct rig *rig = *state;
    struct client c;
    static char block[65536];
    client_open(&c, rig);
    client_send(&c, STR(UPGRADE));
    assert_int_equal(client_answer(&c, false), 101);
    struct timeval soon = {.tv_usec = 200000};
    assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon), 0);
    size_t sent = 0;
    for (ssize_t n; (n = send(c.fd, block, sizeof block, MSG_NOSIGNAL)) > 0; sent += (size_t) n)
        assert_true(sent < 64 << 20);
    rig_wait(rig, &wait_count, 1);
    for (int i = 0; i < 3; i++)
        rig_do(rig, rig_advance, 21, NULL);
    rig_wait(rig, &rig->gone, 1);
    client_close(&c);
}

int main(void)
{
#define SERVED(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        SERVED(bytes_go_both_ways),
        SERVED(the_peer_may_close),
        SERVED(nobody_upgrades_who_did_not_ask),
        SERVED(a_peer_that_does_not_read_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
