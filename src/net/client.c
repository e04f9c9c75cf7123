/* The command line's HTTP client: one request, one connection, one thread that waits.
 *
 *   endpoint → connect (→ TLS) → send → read head → read body by length, by chunks, or to the end
 *
 * Every wait is a poll(2) up to one deadline, so the whole call is bounded. A server may answer and
 * close before it has read all of the request (413): a failing send is therefore not the end, the
 * answer is still looked for.
 *
 * Every name below "localhost" is this machine (RFC 6761 section 6.3), whatever its resolver
 * thinks; others are asked of the resolver, whose waiting is its own. */
#include "net/client.h"

#include "base/assert.h"
#include "net/tls_int.h"
#include "os/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

enum {
    RESPONSE_MAX = 1 << 30,
    REQUEST_HEAD_MAX = 1 << 20,
    READ_STEP = 64 * 1024,
    HOST_NAME_SIZE = 256
};

struct endpoint {
    struct str authority;      /* "h:80" */
    char host[HOST_NAME_SIZE]; /* "h"; an IPv6 host without its brackets */
    uint16_t port;
    bool is_tls;
};

struct call {
    int fd;
    struct tls *tls; /* NULL: plain */
    int64_t deadline_us;
    bool has_no_body; /* answers a HEAD request */
    struct http_response response;
    size_t body_at; /* where the body begins in raw */
    size_t decoded; /* chunked: bytes of raw behind body_at that are decoded */
    struct http1_chunked chunked;
    bool is_eof;
    http_body_fn on_body; /* NULL: nobody listens */
    void *user;
    size_t told; /* bytes of the body that were told */
};

static int parse_endpoint(const char *text, struct endpoint *out, struct err *err)
{
    struct str rest = str_from(text);
    out->is_tls = str_starts_nocase(rest, STR("https://"));
    uint64_t port = out->is_tls ? 443 : 80;
    if (!out->is_tls && !str_starts_nocase(rest, STR("http://")))
        return err_say(err, -EINVAL, "endpoint '%s' begins neither with http:// nor https://",
                       text);
    rest = str_skip(rest, out->is_tls ? 8 : 7);
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
    struct str host =
        is_v6 ? str_skip(str_head(authority, host_len), 1) : str_head(authority, host_len);
    if (host.len == 0 || host.len >= HOST_NAME_SIZE)
        return err_say(err, -EINVAL, "endpoint '%s' has no host, or too long a one", text);
    memcpy(out->host, host.ptr, host.len);
    out->host[host.len] = '\0';
    out->authority = authority;
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

/* 1: connected; 0: host is no numeric address. */
static int connect_numeric(struct call *call, const char *host, uint16_t port, struct err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int rc = 0;
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        rc = connect_to(call, (const struct sockaddr *) &v4, sizeof v4, err);
    else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        rc = connect_to(call, (const struct sockaddr *) &v6, sizeof v6, err);
    else
        return 0;
    return rc < 0 ? rc : 1;
}

static int connect_localhost(struct call *call, uint16_t port, struct err *err)
{
    struct err first = {0};
    int rc = connect_numeric(call, "127.0.0.1", port, &first);
    if (rc == -ECONNREFUSED && connect_numeric(call, "::1", port, NULL) > 0)
        return 0;
    return rc < 0 ? err_say(err, rc, "%s", first.text) : 0;
}

/* The first of its addresses that answers. */
static int connect_named(struct call *call, const char *host, uint16_t port, struct err *err)
{
    char service[8];
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    (void) snprintf(service, sizeof service, "%u", port);
    int rc = getaddrinfo(host, service, &hints, &found);
    if (rc != 0)
        return err_say(err, -EHOSTUNREACH, "'%s': %s", host, gai_strerror(rc));
    rc = -EHOSTUNREACH;
    for (const struct addrinfo *at = found; rc < 0 && at != NULL; at = at->ai_next)
        rc = connect_to(call, at->ai_addr, at->ai_addrlen, err);
    freeaddrinfo(found);
    return rc;
}

static int connect_endpoint(struct call *call, const struct endpoint *endpoint, struct err *err)
{
    struct str host = str_from(endpoint->host);
    struct str last = str_skip(host, host.len < 10 ? 0 : host.len - 10);
    if (str_eq_nocase(host, STR("localhost")) || str_eq_nocase(last, STR(".localhost")))
        return connect_localhost(call, endpoint->port, err);
    int rc = connect_numeric(call, endpoint->host, endpoint->port, err);
    if (rc == 0)
        return connect_named(call, endpoint->host, endpoint->port, err);
    return rc < 0 ? rc : 0;
}

/* --- TLS --- */

static int handshake(struct call *call, struct err *err)
{
    for (;;) {
        enum tls_progress progress = tls_handshake(call->tls);
        if (progress == TLS_DONE)
            return 0;
        if (progress == TLS_FAILED)
            return tls_client_error(call->tls, err);
        int rc = wait_for(call, progress == TLS_WANTS_READ ? POLLIN : POLLOUT, err);
        if (rc < 0)
            return rc;
    }
}

static ssize_t call_send(const struct call *call, struct str bytes)
{
    return call->tls != NULL ? tls_send(call->tls, bytes)
                             : send(call->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
}

static ssize_t call_receive(const struct call *call, void *to, size_t size)
{
    return call->tls != NULL ? tls_receive(call->tls, to, size) : recv(call->fd, to, size, 0);
}

/* --- sending --- */

/* 1: all sent. 0: the server takes no more, but may have answered. */
static int send_all(const struct call *call, struct str bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = call_send(call, bytes);
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
        ssize_t n = call_receive(call, to, READ_STEP);
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

static void tell_body(struct call *call)
{
    const struct http_response *response = &call->response;
    if (call->on_body == NULL || response->head.status != 200)
        return;
    struct str body = response->head.is_chunked ? buf_str(&response->body_buf)
                                                : str_skip(buf_str(&response->raw), call->body_at);
    struct str more = str_skip(body, call->told);
    call->told = body.len;
    if (more.len > 0)
        call->on_body(call->user, more);
}

static int receive_body(struct call *call, struct err *err)
{
    for (;;) {
        int rc = call->response.head.is_chunked ? decode_body(call, err) : 0;
        if (rc < 0)
            return rc;
        tell_body(call);
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

static int converse(struct call *call, struct str head, struct str body, struct err *err)
{
    int rc = call->tls == NULL ? 0 : handshake(call, err);
    if (rc >= 0)
        rc = send_request(call, head, body, err);
    if (rc >= 0)
        rc = receive_head(call, err);
    return rc >= 0 ? receive_body(call, err) : rc;
}

static int call_run(struct call *call, const struct endpoint *endpoint, struct tls_context *context,
                    struct str head, struct str body, struct err *err)
{
    int rc = connect_endpoint(call, endpoint, err);
    if (rc < 0)
        return rc;
    if (context != NULL) {
        call->tls = tls_client_new(context, call->fd, endpoint->host);
        rc = call->tls == NULL ? err_say(err, -EIO, "cannot set up TLS") : 0;
    }
    if (rc >= 0)
        rc = converse(call, head, body, err);
    if (call->tls != NULL) {
        tls_say_goodbye(call->tls);
        (void) tls_free(call->tls); /* clients have no first bytes to give back */
    }
    (void) close(call->fd);
    return rc;
}

int http_call(const struct http_endpoint *to, const char *method, const char *target,
              const struct http_header *headers, size_t header_count, struct str body,
              int64_t timeout_ms, struct http_response *out_response, struct err *err)
{
    return http_call_streamed(to, method, target, headers, header_count, body, timeout_ms, NULL,
                              NULL, out_response, err);
}

int http_call_streamed(const struct http_endpoint *to, const char *method, const char *target,
                       const struct http_header *headers, size_t header_count, struct str body,
                       int64_t timeout_ms, http_body_fn on_body, void *user,
                       struct http_response *out_response, struct err *err)
{
    assert(timeout_ms > 0);
    struct endpoint endpoint = {0};
    int rc = parse_endpoint(to->url, &endpoint, err);
    if (rc < 0)
        return rc;
    AUTO_BUF struct buf head;
    buf_init(&head, REQUEST_HEAD_MAX);
    put_request(&head, &endpoint, method, target, headers, header_count, body.len);
    if (buf_is_over(&head))
        return err_say(err, -EINVAL, "the request's headers are too long");
    struct tls_context *context = NULL;
    if (endpoint.is_tls &&
        tls_client_context_new(to->ca_path, to->is_unverified, &context, err) < 0)
        return err_wrap(err, "'%s'", to->ca_path == NULL ? to->url : to->ca_path);

    struct call call = {.fd = -1,
                        .deadline_us = clock_mono_us(&clock_real) + timeout_ms * 1000,
                        .has_no_body = strcmp(method, "HEAD") == 0,
                        .on_body = on_body,
                        .user = user};
    buf_init(&call.response.raw, RESPONSE_MAX);
    buf_init(&call.response.body_buf, RESPONSE_MAX);
    rc = call_run(&call, &endpoint, context, buf_str(&head), body, err);
    tls_context_free(context);
    if (rc < 0) {
        http_response_done(&call.response);
        (void) err_wrap(err, "%s %s", method, to->url);
        return rc;
    }
    make_views(&call);
    *out_response = call.response;
    return 0;
}

/* The head alone, byte by byte: what follows belongs to the other protocol. */
static int receive_switch(struct call *call, struct err *err)
{
    char head[2048];
    size_t len = 0;
    /* cppcheck-suppress legacyUninitvar ; len says how many are set */
    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
        int rc = wait_for(call, POLLIN, err);
        if (rc < 0)
            return rc;
        ssize_t n = len == sizeof head ? 0 : recv(call->fd, head + len, 1, 0);
        if (n <= 0)
            return err_say(err, -EPROTO, "the connection ended before the answer");
        len++;
    }
    bool is_switched = str_starts(str_of(head, len), STR("HTTP/1.1 101 "));
    return is_switched ? 0 : err_say(err, -ECONNREFUSED, "the server does not upgrade to that");
}

int http_upgrade(const struct http_endpoint *to, const char *target, const char *protocol,
                 int64_t timeout_ms, int *out_fd, struct err *err)
{
    struct endpoint endpoint = {0};
    int rc = parse_endpoint(to->url, &endpoint, err);
    if (rc >= 0 && endpoint.is_tls)
        rc = err_say(err, -ENOTSUP, "'%s': only over http", to->url);
    if (rc < 0)
        return rc;
    AUTO_BUF struct buf head;
    buf_init(&head, REQUEST_HEAD_MAX);
    buf_printf(&head, "GET %s HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: %s\r\n", target,
               protocol);
    http1_put_header(&head, STR("Host"), endpoint.authority);
    http1_end_head(&head);
    struct call call = {.fd = -1, .deadline_us = clock_mono_us(&clock_real) + timeout_ms * 1000};
    rc = connect_endpoint(&call, &endpoint, err);
    if (rc < 0)
        return rc;
    rc = send_all(&call, buf_str(&head), err);
    if (rc >= 0)
        rc = receive_switch(&call, err);
    if (rc >= 0 && fcntl(call.fd, F_SETFL, 0) < 0)
        rc = err_set(err, -errno, "set the connection to block");
    if (rc < 0)
        (void) close(call.fd);
    else
        *out_fd = call.fd;
    return rc < 0 ? rc : 0;
}

void http_response_done(struct http_response *response)
{
    if (response == NULL)
        return;
    buf_done(&response->raw);
    buf_done(&response->body_buf);
}
