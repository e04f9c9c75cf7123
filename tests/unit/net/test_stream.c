/* Bodies and answers that pass through in pieces, over HTTP/1.1. */
#include "rig.h"

#include <errno.h>
#include <sys/socket.h>

enum { MEGABYTE = 1 << 20 };

static const struct server_limits usual = {.conns_max = 100,
                                           .body_max = 64 * MEGABYTE,
                                           .head_timeout_ms = 10000,
                                           .idle_timeout_ms = 60000,
                                           .body_timeout_ms = 20000};

/* What the handler keeps for each exchange; the loop's thread only, but for `events`. */
struct stream {
    struct rig *rig;
    struct exchange *x;
    uint64_t received, sum;
    size_t largest;
    uint64_t to_write;
    bool pauses, answers_early;
};

static struct stream the_stream; /* one at a time */
static int event_count;          /* rig.lock: chunks that paused, drains */

static void event(struct rig *rig)
{
    (void) pthread_mutex_lock(&rig->lock);
    event_count++;
    (void) pthread_cond_broadcast(&rig->changed);
    (void) pthread_mutex_unlock(&rig->lock);
}

static void gone(void *user)
{
    struct stream *s = user;
    rig_count_gone(s->rig);
}

static void on_chunk(void *user, struct str bytes)
{
    struct stream *s = user;
    s->received += bytes.len;
    if (bytes.len > s->largest)
        s->largest = bytes.len;
    for (size_t i = 0; i < bytes.len; i++)
        s->sum = s->sum * 31 + (unsigned char) bytes.ptr[i];
    if (s->answers_early) {
        exchange_answer(s->x, 507, NULL, 0, STR("full"));
    } else if (s->pauses) {
        exchange_pause(s->x);
        event(s->rig);
    }
}

static char filler[8192];

/* Writes until told to wait. */
static void produce(void *user)
{
    struct stream *s = user;
    while (s->to_write > 0) {
        size_t n = s->to_write < sizeof filler ? (size_t) s->to_write : sizeof filler;
        s->to_write -= n;
        if (!exchange_write(s->x, str_of(filler, n)) && s->to_write > 0)
            return;
    }
    event(s->rig);
    exchange_end(s->x, NULL, 0);
}

static void on_request(void *arg, struct exchange *x)
{
    struct str path = exchange_head(x)->path;
    the_stream = (struct stream){.rig = arg, .x = x};
    exchange_set_user(x, &the_stream, gone);
    the_stream.pauses = str_starts(path, STR("/pause"));
    the_stream.answers_early = str_eq(path, STR("/early"));
    if (!str_starts(path, STR("/down")))
        exchange_stream_body(x, on_chunk);
    if (str_eq(path, STR("/pause-first"))) {
        exchange_pause(x);
        event(arg);
    }
    exchange_set_body_limit(x, str_eq(path, STR("/small")) ? 10 : 48 * MEGABYTE);
}

static void begin(struct exchange *x, int64_t length)
{
    const struct http_header headers[] = {{STR("X-A"), STR("1")},
                                          {STR("Content-Length"), STR("99")}};
    exchange_begin(x, &(struct answer_stream){200, headers, 2, length, produce});
}

static void on_body(void *arg, struct exchange *x)
{
    struct str path = exchange_head(x)->path;
    char text[64];
    const struct http_header trailer = {STR("X-Sum"), STR("abc")};
    if (str_eq(path, STR("/down"))) {
        begin(x, -1);
        (void) exchange_write(x, STR("hello, "));
        (void) exchange_write(x, STR(""));
        (void) exchange_write(x, STR("you"));
        exchange_end(x, &trailer, 1);
    } else if (str_eq(path, STR("/down-length"))) {
        begin(x, 5);
        (void) exchange_write(x, STR("hello"));
        exchange_end(x, &trailer, 1);
    } else if (str_eq(path, STR("/down-short")) || str_eq(path, STR("/down-long"))) {
        begin(x, str_eq(path, STR("/down-short")) ? 9 : 3);
        (void) exchange_write(x, STR("hello"));
        exchange_end(x, NULL, 0);
    } else if (str_eq(path, STR("/down-abort"))) {
        begin(x, -1);
        (void) exchange_write(x, STR("hello"));
        exchange_abort(x);
    } else if (str_eq(path, STR("/down-hold"))) {
        begin(x, -1);
        (void) exchange_write(x, STR("hello"));
        rig_hold(arg, x);
    } else if (str_eq(path, STR("/down-much"))) {
        begin(x, -1);
        the_stream.to_write = 40 * MEGABYTE;
        produce(&the_stream);
    } else {
        assert_int_equal(exchange_body(x).len, 0);
        (void) snprintf(text, sizeof text, "%llu %llx", (unsigned long long) the_stream.received,
                        (unsigned long long) the_stream.sum);
        exchange_answer(x, 200, NULL, 0, str_from(text));
    }
}

static const struct server_handler handler = {on_request, on_body, NULL};

static int start(void **state)
{
    static struct rig rig;
    event_count = 0;
    rig_start(&rig, &usual, &handler);
    *state = &rig;
    return 0;
}

static int stop(void **state)
{
    rig_stop(*state);
    return 0;
}

static void resume(struct errand *errand)
{
    exchange_resume(errand->x);
}

static void end_it(struct errand *errand)
{
    exchange_end(errand->x, NULL, 0);
}

static void write_more(struct errand *errand)
{
    for (int64_t i = 0; i < errand->number; i++)
        (void) exchange_write(errand->x, str_of(filler, sizeof filler));
}

static void expect_waiting(struct errand *errand)
{
    assert_true(the_stream.to_write > (uint64_t) errand->number);
}

/* Reads to the end of the connection. */
static struct str client_rest(struct client *c)
{
    while (client_receive(c) > 0)
        ;
    return buf_str(&c->in);
}

/* --- request bodies --- */

static uint64_t fill(struct buf *out, size_t size)
{
    uint64_t sum = 0;
    char *to = buf_room(out, size);
    for (size_t i = 0; i < size; i++) {
        to[i] = (char) (i * 7 + i / 251);
        sum = sum * 31 + (unsigned char) to[i];
    }
    buf_added(out, size);
    return sum;
}

static void expect_sum(struct client *c, size_t size, uint64_t sum)
{
    char text[64];
    (void) snprintf(text, sizeof text, "%zu %llx", size, (unsigned long long) sum);
    client_expect(c, 200, text);
}

static void a_body_passes_through_in_chunks(void **state)
{
    struct client c;
    client_open(&c, *state);
    AUTO_BUF struct buf big;
    buf_init(&big, 64 * MEGABYTE);
    uint64_t sum = fill(&big, 40 * MEGABYTE);
    client_send(&c, STR(REQUEST("PUT", "/up", "Content-Length: 41943040\r\n\r\n")));
    client_send(&c, buf_str(&big));
    expect_sum(&c, 40 * MEGABYTE, sum);
    assert_true(the_stream.largest <= 64 * 1024);
    client_send(&c, STR(REQUEST("PUT", "/up", "Transfer-Encoding: chunked\r\n\r\n2800000\r\n")));
    client_send(&c, buf_str(&big));
    client_send(&c, STR("\r\n0\r\n\r\n" REQUEST("GET", "/up", "\r\n")));
    expect_sum(&c, 40 * MEGABYTE, sum);
    expect_sum(&c, 0, 0);
    client_close(&c);
}

/* Two pipelined requests, cut in two at every place, with and without pauses. */
static void streamed_packets_may_end_anywhere(void **state)
{
    struct client c;
    client_open(&c, *state);
    struct str text = STR(REQUEST(
        "POST", "/up", "Transfer-Encoding: chunked\r\n\r\n") "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: "
                                                             "t\r\n\r\n" REQUEST("PUT", "/up",
                                                                                 "Content-Length: "
                                                                                 "3\r\n\r\nxyz"));
    uint64_t first = 0, second = 0;
    for (const char *p = "abcde"; *p != '\0'; p++)
        first = first * 31 + (unsigned char) *p;
    for (const char *p = "xyz"; *p != '\0'; p++)
        second = second * 31 + (unsigned char) *p;
    for (size_t cut = 1; cut < text.len; cut++) {
        client_send(&c, str_head(text, cut));
        client_send(&c, str_skip(text, cut));
        expect_sum(&c, 5, first);
        expect_sum(&c, 3, second);
    }
    client_close(&c);
}

static void a_paused_body_waits_in_the_kernel(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("POST", "/pause",
                                "Transfer-Encoding: chunked\r\n\r\n"
                                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
                            REQUEST("PUT", "/up", "Content-Length: 1\r\n\r\nx")));
    rig_wait(rig, &event_count, 1);
    rig_do(rig, rig_advance, 100, NULL); /* a pause is not the client's fault */
    assert_int_equal(the_stream.received, 3);
    rig_do(rig, resume, 0, the_stream.x);
    rig_wait(rig, &event_count, 2);
    assert_int_equal(the_stream.received, 5);
    rig_do(rig, resume, 0, the_stream.x);
    assert_int_equal(client_answer(&c, true), 200);
    expect_sum(&c, 1, 'x');
    client_close(&c);
}

static void a_pause_keeps_the_continue_back(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("PUT", "/pause-first",
                                "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")));
    rig_wait(rig, &event_count, 1);
    char byte;
    assert_int_equal(recv(c.fd, &byte, 1, MSG_DONTWAIT), -1);
    rig_do(rig, resume, 0, the_stream.x);
    assert_int_equal(client_answer(&c, false), 100);
    client_send(&c, STR("x"));
    rig_wait(rig, &event_count, 2);
    rig_do(rig, resume, 0, the_stream.x);
    expect_sum(&c, 1, 'x');
    client_close(&c);
}

static void a_streamed_body_has_its_limit(void **state)
{
    static const char *const cases[] = {
        REQUEST("PUT", "/small", "Content-Length: 11\r\n\r\n"),
        REQUEST("PUT", "/small", "Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n1234"),
        REQUEST("PUT", "/small", "Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n1"),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig *rig = *state;
        struct client c;
        client_open(&c, rig);
        client_send(&c, str_from(cases[i]));
        assert_int_equal(client_answer(&c, true), 413);
        client_expect_end(&c);
        client_close(&c);
        rig_wait(rig, &rig->gone, (int) i + 1);
    }
}

/* The rest of the body must not be taken for a request. */
static void an_answer_in_the_middle_of_a_body_keeps_the_framing(void **state)
{
    struct client c;
    client_open(&c, *state);
    struct str inner = STR(REQUEST("GET", "/down", "\r\n"));
    AUTO_BUF struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, REQUEST("PUT", "/early", "Content-Length: %zu\r\n\r\n"), inner.len);
    buf_put(&text, inner);
    client_send(&c, buf_str(&text));
    client_expect(&c, 507, "full");
    client_send(&c, STR(REQUEST("PUT", "/early", "Content-Length: 100\r\n\r\nabc")));
    client_expect(&c, 507, "full");
    assert_str(http_header_find(&c.head, STR("connection")), "close");
    client_expect_end(&c);
    client_close(&c);
}

static void a_client_may_leave_or_stall_in_the_middle(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("PUT", "/up", "Content-Length: 100\r\n\r\nabc")));
    client_close(&c);
    rig_wait(rig, &rig->gone, 1);
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("PUT", "/up", "Content-Length: 100\r\n\r\nabc")));
    advance_until_readable(rig, &c, 6);
    assert_int_equal(client_answer(&c, true), 408);
    rig_wait(rig, &rig->gone, 2);
    client_close(&c);
}

/* --- answers --- */

static void an_answer_is_chunked_and_has_trailers(void **state)
{
    struct client c;
    client_open(&c, *state);
    for (int i = 0; i < 2; i++) {
        client_send(&c, STR(REQUEST("GET", "/down", "\r\n")));
        assert_int_equal(client_answer(&c, false), 200);
        assert_true(c.head.is_chunked);
        assert_int_equal(c.head.content_length, -1);
        struct str body = STR("7\r\nhello, \r\n3\r\nyou\r\n0\r\nX-Sum: abc\r\n\r\n");
        while (c.in.len < c.used + body.len)
            assert_true(client_receive(&c) > 0);
        assert_true(str_eq(str_skip(buf_str(&c.in), c.used), body));
        c.used = c.in.len;
    }
    client_send(&c, STR(REQUEST("GET", "/down-length", "\r\n")));
    client_expect(&c, 200, "hello");
    client_send(&c, STR(REQUEST("HEAD", "/down-length", "\r\n") REQUEST("HEAD", "/down", "\r\n")
                            REQUEST("GET", "/up", "\r\n")));
    assert_int_equal(client_answer(&c, false), 200);
    assert_int_equal(client_answer(&c, false), 200);
    expect_sum(&c, 0, 0);
    client_close(&c);
}

static void old_clients_get_a_stream_that_closing_ends(void **state)
{
    struct client c;
    client_open(&c, *state);
    client_send(&c, STR("GET /down HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_true(str_ends(client_rest(&c), STR("\r\nConnection: close\r\n\r\nhello, you")));
    client_close(&c);
}

static void a_failed_answer_shows(void **state)
{
    struct client c;
    client_open(&c, *state);
    client_send(&c, STR(REQUEST("GET", "/down-abort", "\r\n")));
    assert_true(str_ends(client_rest(&c), STR("5\r\nhello\r\n")));
    client_close(&c);
    client_open(&c, *state);
    client_send(&c, STR(REQUEST("GET", "/down-short", "\r\n")));
    assert_true(str_ends(client_rest(&c), STR("Content-Length: 9\r\n\r\nhello")));
    client_close(&c);
    client_open(&c, *state);
    client_send(&c, STR(REQUEST("GET", "/down-long", "\r\n")));
    assert_true(str_ends(client_rest(&c), STR("Content-Length: 3\r\n\r\nhel")));
    client_close(&c);
    client_open(&c, *state);
    client_send(&c, STR("GET /down-abort HTTP/1.0\r\n\r\n"));
    while (client_receive(&c) > 0)
        ;
    assert_int_equal(errno, ECONNRESET); /* else it would look complete */
    client_close(&c);
}

static void a_fast_producer_is_slowed_down(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("GET", "/down-much", "Connection: close\r\n\r\n")));
    assert_int_equal(client_answer(&c, false), 200);
    rig_do(rig, expect_waiting, 20 * MEGABYTE, NULL);
    assert_true(client_rest(&c).len > 40 * MEGABYTE);
    rig_wait(rig, &event_count, 1);
    assert_int_equal(rig->gone, 0);
    client_close(&c);
}

static void a_reader_that_stops_is_cut(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("GET", "/down-much", "\r\n")));
    assert_int_equal(client_answer(&c, false), 200);
    rig_do(rig, rig_advance, 21, NULL);
    rig_wait(rig, &rig->gone, 1);
    rig_do(rig, end_it, 0, the_stream.x);
    client_close(&c);
}

/* Who does not wait has his client cut, and no more memory taken. */
static void a_producer_that_never_waits_is_stopped(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("GET", "/down-hold", "\r\n")));
    struct exchange *x = rig_wait_held(rig, 0);
    rig_do(rig, write_more, 5000, x);
    assert_true(exchange_is_gone(x));
    rig_do(rig, end_it, 0, x);
    client_close(&c);
}

static void a_stream_outlives_its_client(void **state)
{
    struct rig *rig = *state;
    struct client c;
    client_open(&c, rig);
    client_send(&c, STR(REQUEST("GET", "/down-hold", "\r\n")));
    struct exchange *x = rig_wait_held(rig, 0);
    assert_int_equal(client_answer(&c, false), 200);
    client_close(&c);
    rig_wait(rig, &rig->gone, 1);
    rig_do(rig, write_more, 3, x);
    rig_do(rig, write_more, 3, x);
    rig_do(rig, end_it, 0, x);
}

int main(void)
{
#define SERVED(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        SERVED(a_body_passes_through_in_chunks),
        SERVED(streamed_packets_may_end_anywhere),
        SERVED(a_paused_body_waits_in_the_kernel),
        SERVED(a_pause_keeps_the_continue_back),
        SERVED(a_streamed_body_has_its_limit),
        SERVED(an_answer_in_the_middle_of_a_body_keeps_the_framing),
        SERVED(a_client_may_leave_or_stall_in_the_middle),
        SERVED(an_answer_is_chunked_and_has_trailers),
        SERVED(old_clients_get_a_stream_that_closing_ends),
        SERVED(a_failed_answer_shows),
        SERVED(a_fast_producer_is_slowed_down),
        SERVED(a_reader_that_stops_is_cut),
        SERVED(a_producer_that_never_waits_is_stopped),
        SERVED(a_stream_outlives_its_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
