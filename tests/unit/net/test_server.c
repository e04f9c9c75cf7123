/* The server as its clients meet it: framing, limits, time-outs, leaving, draining. */
#include "rig.h"

#include <errno.h>
#include <sys/socket.h>

static const struct server_limits usual = {.conns_max = 100,
                                           .body_max = 32 << 20,
                                           .head_timeout_ms = 10000,
                                           .idle_timeout_ms = 60000,
                                           .body_timeout_ms = 20000,
                                           .body_rate_min = 10};

/* --- the handler --- */

static void on_request(void *arg, struct exchange *x)
{
    struct rig *rig = arg;
    struct str path = exchange_head(x)->path;
    exchange_set_user(x, rig, rig_count_gone);
    if (str_eq(path, STR("/early")))
        exchange_answer(x, 403, NULL, 0, STR("no"));
    else if (str_eq(path, STR("/limit")))
        exchange_set_body_limit(x, 10);
}

static void on_body(void *arg, struct exchange *x)
{
    struct str path = exchange_head(x)->path;
    const struct http_header sly[] = {{STR("X-A"), STR("1\r\nX-B: 2")},
                                      {STR("content-length"), STR("77")},
                                      {STR("Transfer-Encoding"), STR("chunked")},
                                      {STR("Connection"), STR("close")}};
    if (str_eq(path, STR("/hold")))
        rig_hold(arg, x);
    else if (str_eq(path, STR("/peer")))
        exchange_answer(x, 200, NULL, 0, exchange_peer(x));
    else if (str_eq(path, STR("/sly")))
        exchange_answer(x, 200, sly, ARRAY_LEN(sly), STR("body"));
    else if (str_eq(path, STR("/none")))
        exchange_answer(x, 204, NULL, 0, STR("dropped"));
    else
        exchange_answer(x, 200, NULL, 0, exchange_body(x));
}

static const struct server_handler handler = {on_request, on_body, NULL};

static void answer(struct errand *errand)
{
    struct str bytes = exchange_body(errand->x);
    exchange_answer(errand->x, (int) errand->number, NULL, 0, bytes.len == 0 ? STR("held") : bytes);
}

/* --- tests --- */

static int start(void **state)
{
    static struct rig rig;
    rig_start(&rig, &usual, &handler);
    *state = &rig;
    return 0;
}

static int stop(void **state)
{
    rig_stop(*state);
    return 0;
}

static void one_connection_serves_many_requests(void **state)
{
    struct client c;
    client_open(&c, *state);
    for (int i = 0; i < 3; i++) {
        client_send(&c, STR(REQUEST("POST", "/echo", "Content-Length: 5\r\n\r\nhello")));
        client_expect(&c, 200, "hello");
        assert_str(http_header_find(&c.head, STR("date")), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_null(http_header_find(&c.head, STR("connection")).ptr);
    }
    client_send(&c, STR(REQUEST("GET", "/peer", "Connection: close\r\n\r\n")));
    assert_int_equal(client_answer(&c, true), 200);
    assert_true(str_starts(c.body, STR("127.0.0.1:")));
    assert_str(http_header_find(&c.head, STR("connection")), "close");
    client_expect_end(&c);
    client_close(&c);
}

static void old_clients_are_answered_in_their_way(void **state)
{
    struct client c;
    client_open(&c, *state);
    client_send(&c, STR("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    client_expect(&c, 200, "");
    assert_str(http_header_find(&c.head, STR("connection")), "keep-alive");
    client_send(&c, STR("GET /echo HTTP/1.0\r\n\r\n"));
    client_expect(&c, 200, "");
    client_expect_end(&c);
    client_close(&c);
}

/* Two pipelined requests, one chunked, cut in two at every place. */
static void packets_may_end_anywhere(void **state)
{
    struct client c;
    client_open(&c, *state);
    struct str text =
        STR(REQUEST("POST", "/echo",
                    "Transfer-Encoding: chunked\r\n\r\n") "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: "
                                                          "t\r\n\r\n" REQUEST("PUT", "/echo",
                                                                              "Content-Length: "
                                                                              "3\r\n\r\nxyz"));
    for (size_t cut = 1; cut < text.len; cut++) {
        client_send(&c, str_head(text, cut));
        client_send(&c, str_skip(text, cut));
        client_expect(&c, 200, "abcde");
        client_expect(&c, 200, "xyz");
    }
    for (size_t at = 0; at < text.len; at++)
        client_send(&c, str_of(text.ptr + at, 1));
    client_expect(&c, 200, "abcde");
    client_expect(&c, 200, "xyz");
    client_close(&c);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    AUTO_BUF struct buf many;
    buf_init(&many, 1 << 20);
    buf_put(&many, STR(REQUEST("GET", "/hold", "\r\n")));
    for (int i = 0; i < 2000; i++) /* far more than one buffer */
        buf_printf(&many, REQUEST("POST", "/echo", "Content-Length: 4\r\n\r\n%04d"), i);
    client_send(&c, buf_str(&many));
    rig_do(rig, answer, 201, rig_wait_held(rig, 0));
    client_expect(&c, 201, "held");
    for (int i = 0; i < 2000; i++) {
        char body[8];
        (void) snprintf(body, sizeof body, "%04d", i);
        client_expect(&c, 200, body);
    }
    client_close(&c);
}

static void a_large_body_goes_in_and_out(void **state)
{
    struct client c;
    client_open(&c, *state);
    AUTO_BUF struct buf big;
    buf_init(&big, 32 << 20);
    const size_t size = 20 << 20;
    char *to = buf_room(&big, size);
    for (size_t i = 0; i < size; i++)
        to[i] = (char) (i * 7 + i / 251);
    buf_added(&big, size);
    for (int round = 0; round < 2; round++) {
        client_send(&c, STR(REQUEST("POST", "/echo", "Content-Length: 20971520\r\n\r\n")));
        client_send(&c, buf_str(&big));
        assert_int_equal(client_answer(&c, true), 200);
        assert_true(str_eq(c.body, buf_str(&big)));
    }
    client_send(&c, STR(REQUEST("POST", "/echo", "Transfer-Encoding: chunked\r\n\r\n1000000\r\n")));
    client_send(&c, str_head(buf_str(&big), 16 << 20));
    client_send(&c, STR("\r\n0\r\n\r\n" REQUEST("GET", "/echo", "\r\n")));
    assert_int_equal(client_answer(&c, true), 200);
    assert_true(str_eq(c.body, str_head(buf_str(&big), 16 << 20)));
    client_expect(&c, 200, "");
    client_close(&c);
}

static void a_client_may_wait_for_continue(void **state)
{
    struct client c;
    client_open(&c, *state);
    client_send(&c,
                STR(REQUEST("POST", "/echo", "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")));
    assert_int_equal(client_answer(&c, false), 100);
    client_send(&c, STR("abc"));
    client_expect(&c, 200, "abc");
    client_send(
        &c, STR(REQUEST("POST", "/limit", "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n")));
    assert_int_equal(client_answer(&c, true), 413);
    assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
    client_expect_end(&c);
    client_close(&c);
}

static void early_answers_keep_the_framing(void **state)
{
    struct client c;
    client_open(&c, *state);
    client_send(&c, STR(REQUEST("POST", "/early", "Content-Length: 3\r\n\r\nabc")
                            REQUEST("POST", "/early", "Content-Length: 99999\r\n\r\nabc")));
    client_expect(&c, 403, "no");
    client_expect(&c, 403, "no"); /* its body is not all there: this is the last answer */
    assert_str(http_header_find(&c.head, STR("connection")), "close");
    client_expect_end(&c);
    client_close(&c);
}

static void what_is_too_much_is_refused(void **state)
{
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {413, REQUEST("POST", "/limit", "Content-Length: 11\r\n\r\nxxxxxxxxxxx")},
        {413,
         REQUEST("POST", "/limit", "Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n1234")},
        {413, REQUEST("POST", "/echo", "Content-Length: 99999999999\r\n\r\n")},
        {413, REQUEST("POST", "/echo", "Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nx")},
        {400, REQUEST("POST", "/echo", "Transfer-Encoding: chunked\r\n\r\nzz\r\n")},
        {400,
         REQUEST("GET", "/", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
        {400, "GET / HTTP/1.1\nHost: a\n\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {501, REQUEST("POST", "/", "Transfer-Encoding: gzip, chunked\r\n\r\n")},
        {505, "GET / HTTP/3.0\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client c;
        client_open(&c, *state);
        client_send(&c, str_from(cases[i].text));
        int status = client_answer(&c, true);
        if (status != cases[i].status)
            fail_msg("%d, not %d, for \"%s\"", status, cases[i].status, cases[i].text);
        assert_str(http_header_find(&c.head, STR("connection")), "close");
        assert_str(http_header_find(&c.head, STR("content-type")), "text/plain");
        assert_true(c.body.len > 4);
        client_expect_end(&c);
        client_close(&c);
    }
}

static void a_long_head_is_read_and_a_longer_one_refused(void **state)
{
    struct client c;
    client_open(&c, *state);
    AUTO_BUF struct buf text;
    buf_init(&text, 1 << 20);
    buf_put(&text, STR(REQUEST("POST", "/echo", "Content-Length: 30000\r\nX: ")));
    while (text.len < HTTP1_HEAD_MAX - 4)
        buf_put_char(&text, 'x');
    buf_put(&text, STR("\r\n\r\n"));
    for (int i = 0; i < 30000; i++)
        buf_put_char(&text, 'b');
    client_send(&c, buf_str(&text));
    assert_int_equal(client_answer(&c, true), 200);
    assert_int_equal(c.body.len, 30000);
    buf_reset(&text);
    buf_put(&text, STR(REQUEST("GET", "/echo", "X: ")));
    while (text.len < 2 * HTTP1_HEAD_MAX)
        buf_put_char(&text, 'x');
    client_send(&c, buf_str(&text)); /* The answer survives the unread rest. */
    assert_int_equal(client_answer(&c, true), 431);
    client_expect_end(&c);
    client_close(&c);
}

/* A head that just fills the read buffer leaves room for its chunks all the same. */
static void a_head_may_end_where_the_buffer_ends(void **state)
{
    struct client c;
    client_open(&c, *state);
    AUTO_BUF struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t len = 15 * 1024 - 8; len <= 16 * 1024 + 8; len += len % 512 < 4 ? 1 : 4) {
        buf_reset(&text);
        buf_put(&text, STR(REQUEST("POST", "/echo", "Transfer-Encoding: chunked\r\nX: ")));
        while (text.len < len - 4)
            buf_put_char(&text, 'x');
        buf_put(&text, STR("\r\n\r\n"));
        client_send(&c, buf_str(&text));
        client_send(&c, STR("3\r\nabc\r\n0\r\n\r\n"));
        client_expect(&c, 200, "abc");
    }
    client_close(&c);
}

static void answers_are_framed_by_the_server_alone(void **state)
{
    struct client c;
    client_open(&c, *state);
    client_send(&c, STR(REQUEST("GET", "/sly", "\r\n") REQUEST("HEAD", "/sly", "\r\n")
                            REQUEST("GET", "/none", "\r\n") REQUEST("HEAD", "/peer", "\r\n")));
    client_expect(&c, 200, "body");
    assert_str(http_header_find(&c.head, STR("x-a")), "1  X-B: 2");
    assert_int_equal(c.head.header_count, 3); /* Date, X-A, Content-Length */
    assert_int_equal(client_answer(&c, false), 200);
    assert_int_equal(c.head.content_length, 77);
    assert_int_equal(client_answer(&c, false), 204);
    assert_int_equal(c.head.content_length, -1);
    assert_int_equal(client_answer(&c, false), 200);
    assert_true(c.head.content_length > 10);
    assert_int_equal(c.in.len, c.used);
    client_close(&c);
}

static void slow_clients_run_out_of_time(void **state)
{
    struct rig *rig = *state;
    struct client idle, head, body;
    client_open(&idle, rig);
    client_open(&head, rig);
    client_open(&body, rig);
    client_send(&idle, STR(REQUEST("GET", "/echo", "\r\n")));
    client_expect(&idle, 200, "");
    client_send(&head, STR("GET / HT"));
    client_send(&body, STR(REQUEST("POST", "/echo", "Content-Length: 9\r\n\r\nabc")));
    advance_until_readable(rig, &head, 6);
    assert_int_equal(client_answer(&head, true), 408);
    client_expect_end(&head);
    advance_until_readable(rig, &body, 6);
    assert_int_equal(client_answer(&body, true), 408);
    client_expect_end(&body);
    rig_wait(rig, &rig->gone, 1);
    advance_until_readable(rig, &idle, 6);
    client_expect_end(&idle);
    client_close(&idle);
    client_close(&head);
    client_close(&body);
}

/* Each byte is progress, but at this rate the body would take hours. */
static void a_body_that_drips_is_refused(void **state)
{
    struct rig *rig = *state;
    struct client drip, slow;
    client_open(&drip, rig);
    client_open(&slow, rig);
    client_send(&drip, STR(REQUEST("POST", "/echo", "Content-Length: 10000\r\n\r\n")));
    client_send(&slow, STR(REQUEST("POST", "/echo", "Content-Length: 720\r\n\r\n")));
    char bytes[120];
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < 6; i++) {
        (void) send(drip.fd, "x", 1, MSG_NOSIGNAL); /* The last ones find it closed. */
        client_send(&slow, str_of(bytes, sizeof bytes));
        rig_do(rig, rig_advance, 8, NULL);
    }
    assert_int_equal(client_answer(&drip, true), 408);
    assert_int_equal(client_answer(&slow, true), 200);
    assert_int_equal(slow.body.len, 720);
    client_close(&drip);
    client_close(&slow);
}

static void a_client_that_does_not_read_is_cut(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("POST", "/hold", "Content-Length: 20971520\r\n\r\n")));
    AUTO_BUF struct buf big;
    buf_init(&big, 32 << 20);
    memset(buf_room(&big, 20 << 20), 'x', 20 << 20);
    buf_added(&big, 20 << 20);
    client_send(&c, buf_str(&big));
    rig_do(rig, answer, 200, rig_wait_held(rig, 0));
    rig_do(rig, rig_advance, 21, NULL);
    size_t got = 0;
    for (ssize_t n; (n = client_receive(&c)) > 0; got += (size_t) n)
        ;
    assert_true(got > 0 && got < 20 << 20);
    client_close(&c);
}

static void a_disconnect_is_told_and_the_late_answer_harmless(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 2; i++) {
        struct client c;
        client_open(&c, rig);
        client_send(&c, STR(REQUEST("POST", "/hold", "Content-Length: 2\r\n\r\nab")));
        struct exchange *x = rig_wait_held(rig, (size_t) i);
        struct linger reset = {.l_onoff = i, .l_linger = 0};
        assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        client_close(&c);
        rig_wait(rig, &rig->gone, i + 1);
        assert_true(exchange_is_gone(x));
        rig_do(rig, answer, 200, x);
    }
}

/* Pipelined bytes pause reading; the hang-up behind them is seen all the same. */
static void a_disconnect_behind_unread_requests_is_told(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("GET", "/hold", "\r\n")));
    struct exchange *x = rig_wait_held(rig, 0);
    client_send(&c, STR(REQUEST("GET", "/echo", "\r\n")));
    assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
    rig_wait(rig, &rig->gone, 1);
    rig_do(rig, answer, 200, x);
    client_expect(&c, 200, "held");
    client_expect(&c, 200, "");
    client_expect_end(&c);
    client_close(&c);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("GET", "/hold", "\r\n") REQUEST("GET", "/echo", "\r\n")));
    struct exchange *x = rig_wait_held(rig, 0);
    assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
    rig_wait(rig, &rig->gone, 1);
    rig_do(rig, answer, 200, x);
    client_expect(&c, 200, "held");
    client_expect(&c, 200, "");
    client_expect_end(&c);
    client_close(&c);
}

static void too_many_connections_are_turned_away(void **state)
{
    (void) state;
    struct rig rig;
    struct server_limits few = usual;
    few.conns_max = 2;
    rig_start(&rig, &few, &handler);
    struct client c[3];
    for (int i = 0; i < 2; i++) {
        client_open(&c[i], &rig);
        client_send(&c[i], STR(REQUEST("GET", "/echo", "\r\n")));
        client_expect(&c[i], 200, "");
    }
    client_open(&c[2], &rig);
    assert_int_equal(client_answer(&c[2], true), 503);
    client_expect_end(&c[2]);
    for (int i = 0; i < 3; i++)
        client_close(&c[i]);
    rig_stop(&rig);
}

static void bodies_together_have_a_limit(void **state)
{
    (void) state;
    struct rig rig;
    struct server_limits tight = usual;
    tight.bodies_max = 3 << 20;
    rig_start(&rig, &tight, &handler);
    AUTO_BUF struct buf body;
    buf_init(&body, 2 << 20);
    memset(buf_room(&body, 2 << 20), 'x', 2 << 20);
    buf_added(&body, (2 << 20) - 1000);
    struct client c[2];
    for (int round = 0; round < 3; round++) { /* what was taken is given back */
        for (int i = 0; i < 2; i++) {
            client_open(&c[i], &rig);
            client_send(&c[i], STR(REQUEST("POST", "/hold", "Content-Length: 2096152\r\n\r\n")));
        }
        client_send(&c[0], buf_str(&body));
        struct exchange *x = rig_wait_held(&rig, (size_t) round);
        client_send(&c[1], str_head(buf_str(&body), 1200000));
        assert_int_equal(client_answer(&c[1], true), 503);
        rig_do(&rig, answer, 200, x);
        assert_int_equal(client_answer(&c[0], true), 200);
        for (int i = 0; i < 2; i++)
            client_close(&c[i]);
    }
    rig_stop(&rig);
}

static void draining_lets_exchanges_finish(void **state)
{
    struct rig *rig = *state;
    struct client busy, idle;
    client_open(&busy, rig);
    client_open(&idle, rig);
    client_send(&idle, STR(REQUEST("GET", "/echo", "\r\n")));
    client_expect(&idle, 200, "");
    client_send(&busy, STR(REQUEST("GET", "/hold", "\r\n")));
    struct exchange *x = rig_wait_held(rig, 0);
    rig_do(rig, rig_drain, 10000, NULL);
    client_expect_end(&idle);
    rig_do(rig, answer, 200, x);
    client_expect(&busy, 200, "held");
    assert_str(http_header_find(&busy.head, STR("connection")), "close");
    client_expect_end(&busy);
    rig_wait(rig, &rig->drained, 1);
    client_close(&busy);
    client_close(&idle);
}

static void free_server(struct errand *errand)
{
    server_free(errand->rig->server);
    errand->rig->server = NULL;
}

static void an_exchange_outlives_its_server(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("POST", "/hold", "Content-Length: 2\r\n\r\nab")));
    struct exchange *x = rig_wait_held(rig, 0);
    rig_do(rig, rig_drain, 1000, NULL);
    rig_do(rig, rig_advance, 2, NULL);
    rig_wait(rig, &rig->drained, 1);
    client_expect_end(&c);
    rig_wait(rig, &rig->gone, 1);
    rig_do(rig, free_server, 0, NULL);
    rig_do(rig, answer, 200, x);
    client_close(&c);
}

static void bad_addresses_are_told(void **state)
{
    struct rig *rig = *state;
    int fd = -1;
    uint16_t port = 0;
    struct err err;
    assert_int_equal(listen_tcp("example.org", 0, &fd, &port, &err), -EINVAL);
    assert_int_equal(listen_tcp("127.0.0.1", rig->port, &fd, &port, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    assert_int_equal(fd, -1);
}

int main(void)
{
#define SERVED(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        SERVED(one_connection_serves_many_requests),
        SERVED(old_clients_are_answered_in_their_way),
        SERVED(packets_may_end_anywhere),
        SERVED(pipelined_requests_are_answered_in_order),
        SERVED(a_large_body_goes_in_and_out),
        SERVED(a_client_may_wait_for_continue),
        SERVED(early_answers_keep_the_framing),
        SERVED(what_is_too_much_is_refused),
        SERVED(a_long_head_is_read_and_a_longer_one_refused),
        SERVED(a_head_may_end_where_the_buffer_ends),
        SERVED(answers_are_framed_by_the_server_alone),
        SERVED(slow_clients_run_out_of_time),
        SERVED(a_body_that_drips_is_refused),
        SERVED(a_client_that_does_not_read_is_cut),
        SERVED(a_disconnect_is_told_and_the_late_answer_harmless),
        SERVED(a_disconnect_behind_unread_requests_is_told),
        SERVED(a_half_closed_client_gets_its_answer),
        cmocka_unit_test(too_many_connections_are_turned_away),
        cmocka_unit_test(bodies_together_have_a_limit),
        SERVED(draining_lets_exchanges_finish),
        SERVED(an_exchange_outlives_its_server),
        SERVED(bad_addresses_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
