/* The client against a scripted peer: a thread that accepts one connection, reads a request's head
 * and writes what the test gave it. */
#include "test.h"

#include "net/client.h"
#include "net/server.h" /* listen_tcp */
#include "os/thread.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

struct peer {
    int listen_fd;
    uint16_t port;
    pthread_t thread;
    const char *answer; /* written in pieces of `step`, then closed; NULL: never answers */
    size_t step;
    struct buf request;
};

static void *play(void *arg)
{
    struct peer *peer = arg;
    struct pollfd incoming = {.fd = peer->listen_fd, .events = POLLIN};
    assert_int_equal(poll(&incoming, 1, 10000), 1);
    AUTO_CLOSE int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    while (str_find_str(buf_str(&peer->request), STR("\r\n\r\n")) == peer->request.len ||
           (peer->answer == NULL)) {
        char bytes[4096];
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return NULL;
        buf_put(&peer->request, str_of(bytes, (size_t) n));
    }
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    for (struct str rest = str_from(peer->answer); rest.len > 0;) {
        ssize_t n = send(fd, rest.ptr, rest.len < peer->step ? rest.len : peer->step, MSG_NOSIGNAL);
        if (n <= 0)
            return NULL;
        rest = str_skip(rest, (size_t) n);
    }
    (void) shutdown(fd, SHUT_WR);
    char unread[4096];
    while (recv(fd, unread, sizeof unread, 0) > 0)
        ;
    return NULL;
}

static int call_peer(struct peer *peer, const char *method, struct str body, int64_t timeout_ms,
                     struct http_response *out, struct err *err)
{
    assert_ok(listen_tcp("127.0.0.1", 0, &peer->listen_fd, &peer->port, NULL));
    buf_init(&peer->request, 1 << 20);
    assert_ok(thread_start(&peer->thread, "peer", play, peer, NULL));
    char url[64];
    (void) snprintf(url, sizeof url, "http://fn.LOCALHOST:%u/", peer->port);
    const struct http_endpoint endpoint = {.url = url};
    struct http_header header = {STR("X-A"), STR("b")};
    int rc = http_call(&endpoint, method, "/p?q", &header, 1, body, timeout_ms, out, err);
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    (void) close(peer->listen_fd);
    return rc;
}

static void answers_of_every_framing_are_read(void **state)
{
    (void) state;
    static const struct {
        const char *method, *answer, *body;
        int status;
    } cases[] = {
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200},
        {"GET", "HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", 200},
        {"GET", "HTTP/1.0 404 No\r\n\r\n", "", 404},
        {"GET",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
         "abcde", 200},
        {"GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Oh\r\nContent-Length: 1\r\n\r\nx", "x",
         500},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "", 200},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "", 204},
        {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", 304},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step < 200; step += 66) {
            struct peer peer = {.answer = cases[i].answer, .step = step};
            struct http_response response;
            struct err err;
            if (call_peer(&peer, cases[i].method, STR(""), 10000, &response, &err) < 0)
                fail_msg("%s: %s", cases[i].answer, err.text);
            assert_int_equal(response.status, cases[i].status);
            assert_str(response.body, cases[i].body);
            http_response_done(&response);
            buf_done(&peer.request);
        }
    }
}

static void a_request_is_written_whole(void **state)
{
    (void) state;
    struct peer peer = {.answer = "HTTP/1.1 200 OK\r\nX-B: c\r\n\r\n", .step = 99};
    struct http_response response;
    assert_ok(call_peer(&peer, "POST", STR("body"), 10000, &response, NULL));
    assert_str(http_header_find(&response.head, STR("x-b")), "c");
    char expected[200];
    (void) snprintf(expected, sizeof expected,
                    "POST /p?q HTTP/1.1\r\nX-A: b\r\nHost: fn.LOCALHOST:%u\r\n"
                    "Content-Length: 4\r\nConnection: close\r\n\r\n",
                    peer.port);
    assert_true(str_starts(buf_str(&peer.request), str_from(expected)));
    http_response_done(&response);
    buf_done(&peer.request);
}

static void bad_answers_are_errors(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "",
        "HTTP/1.1 200 OK\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct peer peer = {.answer = bad[i], .step = 99};
        struct http_response response = {.status = -1};
        struct err err = {0};
        assert_int_equal(call_peer(&peer, "GET", STR(""), 10000, &response, &err), -EPROTO);
        assert_int_equal(err.code, -EPROTO);
        assert_int_equal(response.status, -1);
        buf_done(&peer.request);
    }
}

static void a_silent_server_is_given_up(void **state)
{
    (void) state;
    struct peer peer = {.answer = NULL};
    struct http_response response;
    struct err err;
    assert_int_equal(call_peer(&peer, "GET", STR(""), 20, &response, &err), -ETIMEDOUT);
    buf_done(&peer.request);
}

static void endpoints_are_checked(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "ftp://127.0.0.1",    "127.0.0.1:80",           "http://",           "https://:443",
        "http://127.0.0.1:x", "http://127.0.0.1:65536", "http://127.0.0.1:", "http://[::1]x",
        "http://[::1",        "http://127.0.0.1/path",
    };
    struct http_response response;
    struct err err;
    int fd;
    uint16_t port;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct http_endpoint to = {.url = bad[i]};
        assert_int_equal(http_call(&to, "GET", "/", NULL, 0, STR(""), 1000, &response, &err),
                         -EINVAL);
    }
    const struct http_endpoint nobody = {.url = "http://name.invalid"}; /* RFC 2606 */
    assert_int_equal(http_call(&nobody, "GET", "/", NULL, 0, STR(""), 1000, &response, &err),
                     -EHOSTUNREACH);
    const struct http_endpoint untrusting = {"https://127.0.0.1", "/missing", false};
    assert_int_equal(http_call(&untrusting, "GET", "/", NULL, 0, STR(""), 1000, &response, &err),
                     -EINVAL);
    assert_ok(listen_tcp("127.0.0.1", 0, &fd, &port, NULL));
    (void) close(fd); /* now nobody listens there */
    char url[64];
    (void) snprintf(url, sizeof url, "http://localhost:%u", port);
    const struct http_endpoint endpoint = {.url = url};
    assert_int_equal(http_call(&endpoint, "GET", "/", NULL, 0, STR(""), 1000, &response, &err),
                     -ECONNREFUSED);
    assert_non_null(strstr(err.text, "localhost"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_every_framing_are_read),
        cmocka_unit_test(a_request_is_written_whole),
        cmocka_unit_test(bad_answers_are_errors),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(endpoints_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
