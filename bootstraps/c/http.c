/* The Lambda Runtime API over HTTP/1.1, on one connection that is kept; one that broke while
 * nothing was under way is made again.
 *
 *     GET  /2018-06-01/runtime/invocation/next
 *     POST /2018-06-01/runtime/invocation/<id>/response   whole, or streamed in chunks
 *     POST /2018-06-01/runtime/invocation/<id>/error
 *     POST /2018-06-01/runtime/init/error
 *
 * A stream that fails says so in the trailers Lambda-Runtime-Function-Error-Type and -Body. An
 * answer that the platform refuses (too large, too late) is a line in the log and no reason to end:
 * the caller has been told by the platform. */
#include "lambda_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOT "/2018-06-01/runtime/"

enum { BODY_MAX = 128 * 1024 * 1024, ADDRESS_MAX = 64 };

/* A process has one platform. */
static struct {
    char host[ADDRESS_MAX]; /* as given: the Host header */
    struct sockaddr_in address;
    int fd; /* -1: not connected */
    struct bytes output;
    struct bytes input; /* the last answer: its head, then its body */
    size_t head_size;
} http = {.fd = -1};

/* An answer: valid until the next request. */
struct answer {
    int status;
    char *body; /* a NUL follows */
    size_t size;
    bool is_last; /* of this connection */
};

/* ---- the connection ---- */

static void disconnect(void)
{
    if (http.fd >= 0)
        (void) close(http.fd); /* nothing in it is of interest any more */
    http.fd = -1;
}

static void connect_now(void)
{
    disconnect();
    const struct sockaddr *address = (const struct sockaddr *) (const void *) &http.address;
    int one = 1;
    http.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (http.fd < 0 || connect(http.fd, address, sizeof http.address) < 0)
        lambda_die("connect to the Runtime API at %s: %s", http.host, strerror(errno));
    (void) setsockopt(http.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* slower without */
}

static bool send_parts(const char *head, size_t head_size, const char *body, size_t body_size)
{
    struct iovec parts[2] = {{(void *) (uintptr_t) head, head_size},
                             {(void *) (uintptr_t) body, body_size}};
    return socket_send(http.fd, parts, body_size > 0 ? 2 : 1);
}

/* ---- requests ---- */

/* A header's value holds no control characters, whatever the function put into it. */
static void put_header(const char *name, const char *value)
{
    struct bytes *out = &http.output;
    bytes_printf(out, "%s: ", name);
    size_t begin = out->len;
    bytes_put(out, value, strlen(value));
    for (size_t i = begin; i < out->len; i++)
        if ((unsigned char) out->ptr[i] < 0x20 || out->ptr[i] == 0x7f)
            out->ptr[i] = '?';
    bytes_put(out, "\r\n", 2);
}

static void begin_request(const char *method, const char *before_id, const char *id,
                          const char *behind_id)
{
    bytes_reset(&http.output);
    bytes_printf(&http.output,
                 "%s " ROOT "%s%s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: virga_lambda\r\n", method,
                 before_id, id, behind_id, http.host);
}

static void end_head(size_t body_size)
{
    bytes_printf(&http.output, "Content-Length: %zu\r\n\r\n", body_size);
}

/* ---- answers ---- */

/* Finds the end of the line that begins at `at`: *out_next is where the next one does. */
static bool read_line(size_t at, size_t *out_next)
{
    struct bytes *input = &http.input;
    for (size_t seen = at;;) {
        char *end = seen < input->len ? memchr(input->ptr + seen, '\n', input->len - seen) : NULL;
        if (end != NULL) {
            *out_next = (size_t) (end - input->ptr) + 1;
            return true;
        }
        seen = input->len > at ? input->len : at;
        if (!socket_fill(http.fd, input, seen + 1))
            return false;
    }
}

static bool is_empty_line(size_t at)
{
    return http.input.ptr[at] == '\n' ||
           (http.input.ptr[at] == '\r' && http.input.ptr[at + 1] == '\n');
}

/* Lines end with NUL from here on. */
static void split_head(void)
{
    for (char *at = http.input.ptr, *end = at + http.head_size; at < end; at++)
        if (*at == '\r' || *at == '\n')
            *at = '\0';
}

/* The value of a header of the last answer; "": there is none. */
static const char *header(const char *name)
{
    size_t name_size = strlen(name);
    const char *line = http.input.ptr, *end = line + http.head_size;
    for (; line < end; line += strlen(line) + 1)
        if (strncasecmp(line, name, name_size) == 0 && line[name_size] == ':')
            return line + name_size + 1 + strspn(line + name_size + 1, " \t");
    return "";
}

/* Chunks move together; *out_size is what they are then. */
static bool read_chunks(size_t at, size_t *out_size)
{
    struct bytes *input = &http.input;
    size_t begin = at, end = at, next;
    bool is_end;
    for (;;) {
        if (!read_line(at, &next))
            return false;
        unsigned long size = strtoul(input->ptr + at, NULL, 16);
        at = next;
        if (size == 0)
            break;
        if (size > BODY_MAX - (end - begin) || !socket_fill(http.fd, input, at + size + 2))
            return false;
        memmove(input->ptr + end, input->ptr + at, size);
        end += size;
        at += size + 2;
    }
    do { /* trailers, which nobody has a use for */
        if (!read_line(at, &next))
            return false;
        is_end = is_empty_line(at);
        at = next;
    } while (!is_end);
    *out_size = end - begin;
    return true;
}

static bool read_body(struct answer *out)
{
    size_t at = http.head_size;
    if (strcasecmp(header("Transfer-Encoding"), "chunked") == 0) {
        if (!read_chunks(at, &out->size))
            return false;
    } else {
        out->size = strtoul(header("Content-Length"), NULL, 10);
        if (out->size > BODY_MAX || !socket_fill(http.fd, &http.input, at + out->size))
            return false;
    }
    (void) bytes_room(&http.input, 1);
    out->body = http.input.ptr + at;
    out->body[out->size] = '\0';
    return true;
}

static bool read_answer(struct answer *out)
{
    struct bytes *input = &http.input;
    bytes_reset(input);
    size_t at, next;
    if (!read_line(0, &at) || at < strlen("HTTP/1.1 200"))
        return false;
    out->status = (int) strtol(input->ptr + strlen("HTTP/1.1 "), NULL, 10);
    for (; read_line(at, &next); at = next)
        if (is_empty_line(at))
            break;
    if (!read_line(at, &http.head_size))
        return false;
    split_head();
    out->is_last = strcasecmp(header("Connection"), "close") == 0;
    return read_body(out);
}

/* Sends the request in http.output with a body. A kept connection may have been closed meanwhile,
 * and an answer may come while the request is still being sent. */
static bool exchange(const char *body, size_t size, struct answer *out)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (http.fd < 0)
            connect_now();
        (void) send_parts(http.output.ptr, http.output.len, body, size); /* the answer says it */
        if (read_answer(out)) {
            if (out->is_last)
                disconnect();
            return true;
        }
        disconnect();
    }
    return false;
}

/* What the platform said to an answer of the function. */
static void check_accepted(bool is_answered, const struct answer *answer)
{
    if (is_answered && answer->status == 202)
        return;
    if (is_answered)
        (void) fprintf(stderr, "virga_lambda: the answer was refused: %d %s\n", answer->status,
                       answer->body);
    else
        (void) fprintf(stderr, "virga_lambda: the answer was not taken\n");
}

static void post(const char *body, size_t size)
{
    struct answer taken;
    bool is_answered = exchange(body, size, &taken);
    check_accepted(is_answered, &taken);
}

/* ---- the link ---- */

static void ready(void)
{
    /* The first request for work says it. */
}

static bool next(struct lambda_state *state)
{
    struct answer work;
    begin_request("GET", "invocation/next", "", "");
    bytes_put(&http.output, "\r\n", 2);
    if (!exchange(NULL, 0, &work))
        lambda_die("the Runtime API at %s has ended", http.host);
    if (work.status != 200)
        lambda_die("the Runtime API answers %d: %s", work.status, work.body);
    struct lambda_call *call = &state->call;
    call->event = work.body;
    call->event_size = work.size;
    call->request_id = header("Lambda-Runtime-Aws-Request-Id");
    call->invoked_function_arn = header("Lambda-Runtime-Invoked-Function-Arn");
    call->trace_id = header("Lambda-Runtime-Trace-Id");
    call->client_context = header("Lambda-Runtime-Client-Context");
    call->cognito_identity = header("Lambda-Runtime-Cognito-Identity");
    call->deadline_ms = strtoll(header("Lambda-Runtime-Deadline-Ms"), NULL, 10);
    return true;
}

static void answer(struct lambda_state *state, const char *body, size_t size)
{
    begin_request("POST", "invocation/", state->call.request_id, "/response");
    put_header("Content-Type", "application/json");
    end_head(size);
    post(body, size);
}

static void post_error(struct lambda_state *state)
{
    put_header("Content-Type", "application/json");
    put_header("Lambda-Runtime-Function-Error-Type", state->error_type);
    end_head(state->error.len);
    post(state->error.ptr, state->error.len);
}

static void fail(struct lambda_state *state)
{
    begin_request("POST", "invocation/", state->call.request_id, "/error");
    post_error(state);
}

static void init_fail(struct lambda_state *state)
{
    begin_request("POST", "init/error", "", "");
    post_error(state);
}

static void stream_begin(struct lambda_state *state, const char *content_type)
{
    begin_request("POST", "invocation/", state->call.request_id, "/response");
    put_header("Content-Type", content_type);
    put_header("Lambda-Runtime-Function-Response-Mode", "streaming");
    put_header("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body");
    put_header("Transfer-Encoding", "chunked");
    bytes_put(&http.output, "\r\n", 2);
    if (http.fd < 0)
        connect_now();
    (void) send_parts(http.output.ptr, http.output.len, NULL, 0); /* the end finds out */
}

static void stream_write(struct lambda_state *state, const char *body, size_t size)
{
    (void) state;
    char head[24], tail[2] = {'\r', '\n'};
    int n = snprintf(head, sizeof head, "%zx\r\n", size);
    struct iovec parts[3] = {
        {head, (size_t) n}, {(void *) (uintptr_t) body, size}, {tail, sizeof tail}};
    (void) socket_send(http.fd, parts, 3); /* the end finds out */
}

/* Sends what ends the stream and reads what the platform says. The input, and with it the texts of
 * the call, is overwritten: the handler has returned. */
static void finish_stream(void)
{
    struct answer taken;
    (void) send_parts(http.output.ptr, http.output.len, NULL, 0); /* the answer says it */
    bool is_answered = read_answer(&taken);
    if (!is_answered || taken.is_last)
        disconnect();
    check_accepted(is_answered, &taken);
}

static void stream_end(struct lambda_state *state)
{
    (void) state;
    bytes_reset(&http.output);
    bytes_put(&http.output, "0\r\n\r\n", 5);
    finish_stream();
}

static void put_base64(struct bytes *out, const char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        unsigned char three[3] = {0};
        size_t count = size - i < 3 ? size - i : 3;
        memcpy(three, bytes + i, count);
        unsigned value = (unsigned) three[0] << 16 | (unsigned) three[1] << 8 | three[2];
        char four[4];
        for (size_t k = 0; k < 4; k++)
            four[k] = k <= count ? digits[value >> (18 - 6 * k) & 63] : '=';
        bytes_put(out, four, sizeof four);
    }
}

static void stream_fail(struct lambda_state *state)
{
    bytes_reset(&http.output);
    bytes_put(&http.output, "0\r\n", 3);
    put_header("Lambda-Runtime-Function-Error-Type", state->error_type);
    bytes_printf(&http.output, "Lambda-Runtime-Function-Error-Body: ");
    put_base64(&http.output, state->error.ptr, state->error.len);
    bytes_put(&http.output, "\r\n\r\n", 4);
    finish_stream();
}

static void parse_address(const char *address)
{
    char host[ADDRESS_MAX];
    (void) snprintf(host, sizeof host, "%s", address);
    char *colon = strchr(host, ':'), *end = host;
    unsigned long port = 80;
    if (colon != NULL) {
        *colon = '\0';
        port = strtoul(colon + 1, &end, 10);
    }
    http.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
    const char *numbers = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (strlen(address) >= sizeof host || (colon != NULL && *end != '\0') || port == 0 ||
        port > 65535 || inet_pton(AF_INET, numbers, &http.address.sin_addr) != 1)
        lambda_die("AWS_LAMBDA_RUNTIME_API is '%s', not an IPv4 address and a port", address);
    (void) snprintf(http.host, sizeof http.host, "%s", address);
}

const struct lambda_link *http_open(const char *address)
{
    static const struct lambda_link link = {
        .ready = ready,
        .next = next,
        .answer = answer,
        .fail = fail,
        .stream_begin = stream_begin,
        .stream_write = stream_write,
        .stream_end = stream_end,
        .stream_fail = stream_fail,
        .init_fail = init_fail,
    };
    parse_address(address);
    return &link;
}
