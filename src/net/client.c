/* The command line's HTTP client: one request, one connection, one thread that waits.
 *
 *   endpoint → connect → send → read head → read body by length, by chunks, or to the end
 *
 * Every wait is a poll(2) up to one deadline, so the whole call is bounded. A server may answer and
 * close before it has read all of the request (413): a failing send is therefore not the end, the
 * answer is still looked for.
 *
 * There is no resolver: what we talk to is this machine or a numeric address, and every name below
 * "localhost" is this machine (RFC 6761 section 6.3), whatever its resolver thinks. */
#include "net/client.h"

#include "base/assert.h"
#include "os/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

enum { RESPONSE_MAX = 1 << 30, REQUEST_HEAD_MAX = 1 << 20, READ_STEP = 64 * 1024 };

struct endpoint {
    struct str authority, host; /* "h:80" and "h"; an IPv6 host without its brackets */
    uint16_t port;
};

struct call {
    int fd;
    int64_t deadline_us;
    bool has_no_body; /* answers a HEAD request */
    struct http_response response;
    size_t body_at; /* where the body begins in raw */
    size_t decoded; /* chunked: bytes of raw behind body_at that are decoded */
    struct http1_chunked chunked;
    bool is_eof;
};

static int parse_endpoint(const char *text, struct endpoint *out, struct err *err)
{
    struct str rest = str_from(text);
    uint64_t port = 80;
    if (!str_starts_nocase(rest, STR("http://")))
        return err_say(err, -EINVAL, "endpoint '%s' does not begin with http://", text);
    rest = str_skip(rest, 7);
    struct str authority = str_head(rest, str_find(rest, '/'));
    if (str_skip(rest, authority.len).len > 1)
        return err_say(err, -EINVAL, "endpoint '%s' has a path", text);
    bool is_v6 = authority.len > 0 && authority.ptr[0] == '[';
    size_t host_len = is_v6 ? str_find(authority, ']') : str_find(authority, ':');
    if (is_v6 && host_len == authority.len)
        return err_say(err, -EINVAL, "endpoint '%s' lacks a bracket", text);
    struct str port_text = str_skip(authority, host_len + (is_v6 ? 1 : 0));
    if (port_text.len > 0 &&
        (port_text.ptr[0] != ':' || parse_u64(str_skip(port_text, 1), UINT16_MAX, &port) < 0))
        return err_say(err, -EINVAL, "endpoint '%s' has a malformed port", text);
    out->authority = authority;
    out->host = is_v6 ? str_skip(str_head(authority, host_len), 1) : str_head(authority, host_len);
    out->port = (uint16_t) port;
    return 0;
}

/* --- waiting --- */

static int wait_for(const struct call *call, short events, struct err *err)
{
    for (;;) {
        int64_t left_us = call->deadline_us - clock_mono_us(&clock_real);
        if (left_us <= 0)
            return err_say(err, -ETIMEDOUT, "no answer in time");
        struct pollfd fd = {.fd = call->fd, .events = events};
        int64_t left_ms = left_us / 1000 + 1;
        int rc = poll(&fd, 1, left_ms > INT32_MAX ? INT32_MAX : (int) left_ms);
        if (rc > 0)
            return 0;
        if (rc < 0 && errno != EINTR)
            return err_set(err, -errno, "poll");
    }
}

/* --- connecting --- */

static int connect_to(struct call *call, const struct sockaddr *address, socklen_t size,
                      struct err *err)
{
    AUTO_CLOSE int fd =
        socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return err_set(err, -errno, "make socket");
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* Only slower. */
    if (connect(fd, address, size) < 0 && errno != EINPROGRESS)
        return err_set(err, -errno, "connect");
    call->fd = fd;
    int rc = wait_for(call, POLLOUT, err);
    call->fd = -1;
    if (rc < 0)
        return rc;
    int code = 0;
    socklen_t code_size = sizeof code;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &code_size) < 0)
        return err_set(err, -errno, "connect");
    if (code != 0)
        return err_set(err, -code, "connect");
    call->fd = take_fd(&fd);
    return 0;
}

static int connect_numeric(struct call *call, const char *host, uint16_t port, struct err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        return connect_to(call, (const struct sockaddr *) &v4, sizeof v4, err);
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        return connect_to(call, (const struct sockaddr *) &v6, sizeof v6, err);
    return err_say(err, -EINVAL, "'%s' is neither a numeric address nor localhost", host);
}

static int connect_endpoint(struct call *call, const struct endpoint *endpoint, struct err *err)
{
    char host[INET6_ADDRSTRLEN];
    if (str_eq_nocase(endpoint->host, STR("localhost")) ||
        (endpoint->host.len > 10 &&
         str_eq_nocase(str_skip(endpoint->host, endpoint->host.len - 10), STR(".localhost")))) {
        struct err first = {0};
        int rc = connect_numeric(call, "127.0.0.1", endpoint->port, &first);
        if (rc == -ECONNREFUSED && connect_numeric(call, "::1", endpoint->port, NULL) == 0)
            return 0;
        return rc < 0 ? err_say(err, rc, "%s", first.text) : 0;
    }
    if (endpoint->host.len >= sizeof host)
        return err_say(err, -EINVAL, "'" STR_FMT "' is neither a numeric address nor localhost",
                       STR_ARG(endpoint->host));
    memcpy(host, endpoint->host.ptr, endpoint->host.len);
    host[endpoint->host.len] = '\0';
    return connect_numeric(call, host, endpoint->port, err);
}

/* --- sending --- */

/* 1: all sent. 0: the server takes no more, but may have answered. */
static int send_all(const struct call *call, struct str bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = send(call->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return err_set(err, -errno, "send request");
        if (n < 0) {
            int rc = wait_for(call, POLLOUT, err);
            if (rc < 0)
                return rc;
            continue;
        }
        bytes = str_skip(bytes, (size_t) n);
    }
    return 1;
}

static int send_request(const struct call *call, struct str head, struct str body, struct err *err)
{
    int rc = send_all(call, head, err);
    return rc <= 0 ? rc : send_all(call, body, err);
}

static void put_request(struct buf *out, const struct endpoint *endpoint, const char *method,
                        const char *target, const struct http_header *headers, size_t header_count,
                        size_t body_len)
{
    bool has_host = false;
    buf_printf(out, "%s %s HTTP/1.1\r\n", method, target);
    for (size_t i = 0; i < header_count; i++) {
        has_host |= str_eq_nocase(headers[i].name, STR("host"));
        http1_put_header(out, headers[i].name, headers[i].value);
    }
    if (!has_host)
        http1_put_header(out, STR("Host"), endpoint->authority);
    if (body_len > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
        http1_put_length(out, body_len);
    buf_put(out, STR("Connection: close\r\n"));
    http1_end_head(out);
}

/* --- receiving --- */

/* One read of whatever is there; the end is noted. */
static int receive_some(struct call *call, struct err *err)
{
    struct buf *raw = &call->response.raw;
    for (;;) {
        char *to = buf_room(raw, READ_STEP);
        if (to == NULL)
            return err_say(err, -EFBIG, "the answer is too long");
        ssize_t n = recv(call->fd, to, READ_STEP, 0);
        if (n > 0)
            buf_added(raw, (size_t) n);
        if (n >= 0) {
            call->is_eof = n == 0;
            return 0;
        }
        if (errno != EAGAIN && errno != EINTR)
            return err_set(err, -errno, "receive answer");
        int rc = wait_for(call, POLLIN, err);
        if (rc < 0)
            return rc;
    }
}

/* Reads the head of the final answer; interim answers (1xx) are dropped. */
static int receive_head(struct call *call, struct err *err)
{
    struct http_response *response = &call->response;
    for (;;) {
        int rc = http1_parse_response(buf_str(&response->raw), &response->head, err);
        if (rc < 0)
            return err == NULL ? -EPROTO : (err->code = -EPROTO);
        if (rc > 0 && response->head.status >= 200) {
            call->body_at = (size_t) rc;
            return 0;
        }
        if (rc > 0) {
            buf_consume(&response->raw, (size_t) rc);
            continue;
        }
        if (call->is_eof)
            return err_say(err, -EPROTO, "the connection ended before the answer");
        rc = receive_some(call, err);
        if (rc < 0)
            return rc;
    }
}

static int decode_body(struct call *call, struct err *err)
{
    struct http_response *response = &call->response;
    struct str rest = str_skip(buf_str(&response->raw), call->body_at + call->decoded);
    for (size_t used = 1; used > 0 && !call->chunked.is_done; rest = str_skip(rest, used)) {
        struct str data;
        if (http1_chunked_next(&call->chunked, rest, &used, &data, err) < 0)
            return err == NULL ? -EPROTO : (err->code = -EPROTO);
        buf_put(&response->body_buf, data); /* never longer than raw, which has the same limit */
        call->decoded += used;
    }
    return 0;
}

static bool is_body_whole(const struct call *call)
{
    const struct http_head *head = &call->response.head;
    if (call->has_no_body || head->status == 204 || head->status == 304)
        return true;
    if (head->is_chunked)
        return call->chunked.is_done;
    if (head->content_length >= 0)
        return call->response.raw.len - call->body_at >= (size_t) head->content_length;
    return call->is_eof; /* RFC 9112 section 6.3, the last rule */
}

static int receive_body(struct call *call, struct err *err)
{
    for (;;) {
        int rc = call->response.head.is_chunked ? decode_body(call, err) : 0;
        if (rc < 0)
            return rc;
        if (is_body_whole(call))
            return 0;
        if (call->is_eof)
            return err_say(err, -EPROTO, "the connection ended inside the answer");
        rc = receive_some(call, err);
        if (rc < 0)
            return rc;
    }
}

/* raw has stopped moving: now the views can be made. */
static void make_views(struct call *call)
{
    struct http_response *response = &call->response;
    int rc = http1_parse_response(buf_str(&response->raw), &response->head, NULL);
    assert(rc > 0);
    response->status = response->head.status;
    response->body = str_skip(buf_str(&response->raw), call->body_at);
    if (call->has_no_body || response->status == 204 || response->status == 304)
        response->body.len = 0;
    else if (response->head.is_chunked)
        response->body = buf_str(&response->body_buf);
    else if (response->head.content_length >= 0)
        response->body.len = (size_t) response->head.content_length;
}

static int call_run(struct call *call, const struct endpoint *endpoint, struct str head,
                    struct str body, struct err *err)
{
    int rc = connect_endpoint(call, endpoint, err);
    if (rc < 0)
        return rc;
    rc = send_request(call, head, body, err);
    if (rc >= 0)
        rc = receive_head(call, err);
    if (rc >= 0)
        rc = receive_body(call, err);
    (void) close(call->fd);
    return rc;
}

int http_call(const char *endpoint_text, const char *method, const char *target,
              const struct http_header *headers, size_t header_count, struct str body,
              int64_t timeout_ms, struct http_response *out_response, struct err *err)
{
    assert(timeout_ms > 0);
    struct endpoint endpoint = {0};
    int rc = parse_endpoint(endpoint_text, &endpoint, err);
    if (rc < 0)
        return rc;
    AUTO_BUF struct buf head;
    buf_init(&head, REQUEST_HEAD_MAX);
    put_request(&head, &endpoint, method, target, headers, header_count, body.len);
    if (buf_is_over(&head))
        return err_say(err, -EINVAL, "the request's headers are too long");

    struct call call = {.fd = -1,
                        .deadline_us = clock_mono_us(&clock_real) + timeout_ms * 1000,
                        .has_no_body = strcmp(method, "HEAD") == 0};
    buf_init(&call.response.raw, RESPONSE_MAX);
    buf_init(&call.response.body_buf, RESPONSE_MAX);
    rc = call_run(&call, &endpoint, buf_str(&head), body, err);
    if (rc < 0) {
        http_response_done(&call.response);
        (void) err_wrap(err, "%s %s", method, endpoint_text);
        return rc;
    }
    make_views(&call);
    *out_response = call.response;
    return 0;
}

void http_response_done(struct http_response *response)
{
    if (response == NULL)
        return;
    buf_done(&response->raw);
    buf_done(&response->body_buf);
}
