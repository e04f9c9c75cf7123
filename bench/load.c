/* A load generator for HTTP/1.1 over keep-alive connections: one thread, epoll, one request in
 * flight on each connection (a closed loop), the same request each time.
 *
 *   bench_load [options] http://ADDRESS:PORT/target
 *     -c N            connections (1)
 *     -n COUNT        stop after COUNT measured requests, or
 *     -d SECONDS      stop after SECONDS, decimals allowed (2)
 *     -w SECONDS      warm-up, not measured (0.2)
 *     -m METHOD       (GET, or POST when there is a body)
 *     -H "Name: v"    a header, repeatable; Host and Content-Length are written unless given
 *     -b BODY | -B FILE   the body
 *     -r FILE         the whole request, raw, instead of the four above (a signed one, say); the
 * URL then gives the address only -s STATUS       what counts as success (200); any other status, a
 * closed connection or a malformed answer is an error, and the connection is made again
 *
 * ADDRESS is a numeric IPv4 address or localhost. Answers need a Content-Length or no body.
 * Prints one line of JSON, latencies from send to last byte of the answer:
 *   {"requests":N,"errors":N,"seconds":S,"rps":R,"p50_us":…,"p90_us":…,"p99_us":…,"max_us":…}
 * Latencies are counted in buckets of about 1 % width. Exit status 1 when nothing succeeded. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    HEAD_MAX = 16 * 1024,
    REQUEST_MAX = 128 * 1024 * 1024,
    /* Histogram in nanoseconds: 64 buckets for each power of two. */
    SUB_BITS = 6,
    BUCKETS = (64 - SUB_BITS) << SUB_BITS,
};

struct conn {
    int fd;
    size_t sent;          /* of the request */
    char head[HEAD_MAX];  /* of the answer, and what came with it */
    size_t len;           /* in head, while the head is incomplete */
    uint64_t body_left;   /* once it is complete */
    bool has_head, is_ok; /* is_ok: the expected status */
    bool is_blocked;      /* waits to send the rest of the request */
    bool will_close;      /* the server has said so */
    int64_t start_ns;
};

struct load {
    int epoll;
    struct sockaddr_in to;
    char *request;
    size_t request_len;
    int expected_status;
    size_t conns;
    int64_t warm_ns, duration_ns; /* duration 0: by count */
    uint64_t count_max;
    uint64_t requests, errors, max_ns;
    uint64_t histogram[BUCKETS];
    bool is_measuring;
};

struct text { /* the parts that make a request */
    const char *method, *target, *authority, *body_file, *raw_file;
    char headers[HEAD_MAX];
    char *body;
    size_t body_len;
    bool has_host, has_length;
};

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static _Noreturn void usage(const char *why)
{
    fprintf(stderr, "bench_load: %s (see the head of bench/load.c)\n", why);
    exit(2);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- latencies --- */

static size_t bucket_of(uint64_t ns)
{
    if (ns < 1 << SUB_BITS)
        return (size_t) ns;
    unsigned shift = 63 - (unsigned) __builtin_clzll(ns) - SUB_BITS;
    return ((size_t) (shift + 1) << SUB_BITS) + (size_t) ((ns >> shift) & ((1 << SUB_BITS) - 1));
}

/* The middle of a bucket. */
static double bucket_us(size_t bucket)
{
    size_t shift = bucket >> SUB_BITS;
    uint64_t sub = bucket & ((1 << SUB_BITS) - 1);
    if (shift == 0)
        return (double) sub / 1000;
    uint64_t low = (sub | 1 << SUB_BITS) << (shift - 1);
    return ((double) low + (double) (UINT64_C(1) << (shift - 1)) / 2) / 1000;
}

static double quantile_us(const struct load *load, double quantile)
{
    uint64_t rank = (uint64_t) ((double) load->requests * quantile), seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += load->histogram[i];
        if (seen > rank)
            return bucket_us(i);
    }
    return (double) load->max_ns / 1000;
}

static void count_request(struct load *load, const struct conn *conn)
{
    if (!load->is_measuring)
        return;
    if (!conn->is_ok) {
        load->errors++;
        return;
    }
    uint64_t taken_ns = (uint64_t) (now_ns() - conn->start_ns);
    load->requests++;
    load->histogram[bucket_of(taken_ns)]++;
    if (taken_ns > load->max_ns)
        load->max_ns = taken_ns;
}

/* --- connections --- */

static void conn_watch(struct load *load, struct conn *conn, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    if (epoll_ctl(load->epoll, operation, conn->fd, &event) < 0)
        fail("epoll_ctl");
}

static void conn_send(struct load *load, struct conn *conn)
{
    ssize_t n = send(conn->fd, load->request + conn->sent, load->request_len - conn->sent,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        conn->sent += (size_t) n;
    /* A broken connection shows at the next read. */
    bool is_blocked = conn->sent < load->request_len && (n >= 0 || errno == EAGAIN);
    if (is_blocked != conn->is_blocked)
        conn_watch(load, conn, EPOLL_CTL_MOD, is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    conn->is_blocked = is_blocked;
}

static void conn_start(struct load *load, struct conn *conn)
{
    conn->sent = conn->len = 0;
    conn->body_left = 0;
    conn->has_head = conn->is_ok = false;
    conn->start_ns = now_ns();
    conn_send(load, conn);
}

static void conn_open(struct load *load, struct conn *conn)
{
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0)
        fail("socket");
    if (connect(conn->fd, (const struct sockaddr *) &load->to, sizeof load->to) < 0)
        fail("connect");
    conn->is_blocked = false;
    conn_watch(load, conn, EPOLL_CTL_ADD, EPOLLIN);
    conn_start(load, conn);
}

static void conn_again(struct load *load, struct conn *conn)
{
    close(conn->fd);
    conn_open(load, conn);
}

static void conn_failed(struct load *load, struct conn *conn)
{
    conn->is_ok = false;
    count_request(load, conn);
    conn_again(load, conn);
}

/* The value of a header in a complete head that ends in NUL, or NULL. */
static const char *find_header(const char *head, const char *name)
{
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            return line + strlen(name) + 1;
    }
    return NULL;
}

/* Takes the head apart once it is complete. -1 malformed, 0 more is needed, 1 done. */
static int conn_take_head(const struct load *load, struct conn *conn)
{
    conn->head[conn->len] = '\0';
    char *end = strstr(conn->head, "\r\n\r\n");
    if (end == NULL)
        return conn->len == HEAD_MAX - 1 ? -1 : 0;
    if (strncmp(conn->head, "HTTP/1.", 7) != 0)
        return -1;
    end[2] = '\0';
    const char *length = find_header(conn->head, "Content-Length");
    const char *connection = find_header(conn->head, "Connection");
    size_t head_len = (size_t) (end - conn->head) + 4;
    uint64_t body_len = length == NULL ? 0 : strtoull(length, NULL, 10);
    size_t body_there = conn->len - head_len;
    if (body_there > body_len)
        return -1;
    conn->has_head = true;
    conn->body_left = body_len - body_there;
    conn->is_ok = strtol(conn->head + 9, NULL, 10) == load->expected_status;
    conn->will_close = connection != NULL && strncasecmp(connection, " close", 6) == 0;
    return 1;
}

static void conn_read(struct load *load, struct conn *conn)
{
    static char body[256 * 1024]; /* thrown away */
    ssize_t n = conn->has_head ? recv(conn->fd, body, sizeof body, MSG_DONTWAIT)
                               : recv(conn->fd, conn->head + conn->len, HEAD_MAX - 1 - conn->len,
                                      MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || (conn->has_head && (uint64_t) n > conn->body_left)) {
        conn_failed(load, conn);
        return;
    }
    if (conn->has_head)
        conn->body_left -= (uint64_t) n;
    else
        conn->len += (size_t) n;
    int rc = conn->has_head ? 1 : conn_take_head(load, conn);
    if (rc < 0) {
        conn_failed(load, conn);
    } else if (rc > 0 && conn->body_left == 0) {
        count_request(load, conn);
        if (conn->will_close || conn->sent < load->request_len)
            conn_again(load, conn);
        else
            conn_start(load, conn);
    }
}

/* --- the run --- */

static bool is_over(const struct load *load, int64_t end_ns)
{
    if (load->is_measuring && load->duration_ns == 0)
        return load->requests + load->errors >= load->count_max;
    return now_ns() >= end_ns;
}

/* Runs one phase: the warm-up or the measurement. Returns its length in nanoseconds. */
static int64_t run_phase(struct load *load, int64_t duration_ns)
{
    int64_t start_ns = now_ns();
    while (!is_over(load, start_ns + duration_ns)) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(load->epoll, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            struct conn *conn = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) != 0)
                conn_send(load, conn);
            if ((events[i].events & ~(uint32_t) EPOLLOUT) != 0)
                conn_read(load, conn);
        }
    }
    return now_ns() - start_ns;
}

static int run(struct load *load)
{
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct conn *conns = calloc(load->conns, sizeof *conns);
    if (load->epoll < 0 || conns == NULL)
        fail("set up");
    for (size_t i = 0; i < load->conns; i++)
        conn_open(load, &conns[i]);
    (void) run_phase(load, load->warm_ns);
    load->is_measuring = true;
    double seconds = (double) run_phase(load, load->duration_ns) / 1e9;
    printf("{\"requests\":%llu,\"errors\":%llu,\"seconds\":%.3f,\"rps\":%.0f,\"p50_us\":%.1f,"
           "\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           (unsigned long long) load->requests, (unsigned long long) load->errors, seconds,
           (double) load->requests / seconds, quantile_us(load, 0.5), quantile_us(load, 0.9),
           quantile_us(load, 0.99), (double) load->max_ns / 1000);
    for (size_t i = 0; i < load->conns; i++)
        close(conns[i].fd);
    free(conns);
    close(load->epoll);
    return load->requests > 0 ? 0 : 1;
}

/* --- the request --- */

static char *read_file(const char *path, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail(path);
    size_t cap = 1 << 16, len = 0;
    char *bytes = malloc(cap);
    for (size_t n = 1; n > 0; len += n) {
        if (len == cap && cap < REQUEST_MAX)
            bytes = realloc(bytes, cap *= 2);
        if (bytes == NULL || len == cap)
            usage("the file is too large");
        n = fread(bytes + len, 1, cap - len, file);
    }
    if (ferror(file))
        fail(path);
    fclose(file);
    *out_len = len;
    return bytes;
}

static void add_header(struct text *text, const char *line)
{
    size_t len = strlen(text->headers);
    int n = snprintf(text->headers + len, sizeof text->headers - len, "%s\r\n", line);
    if (n < 0 || (size_t) n >= sizeof text->headers - len)
        usage("too many headers");
    text->has_host |= strncasecmp(line, "host:", 5) == 0;
    text->has_length |= strncasecmp(line, "content-length:", 15) == 0;
}

static void make_request(struct load *load, struct text *text)
{
    if (text->raw_file != NULL) {
        load->request = read_file(text->raw_file, &load->request_len);
        return;
    }
    if (text->body_file != NULL)
        text->body = read_file(text->body_file, &text->body_len);
    if (text->method == NULL)
        text->method = text->body == NULL ? "GET" : "POST";
    char line[HEAD_MAX];
    (void) snprintf(line, sizeof line, "Host: %s", text->authority);
    if (!text->has_host)
        add_header(text, line);
    (void) snprintf(line, sizeof line, "Content-Length: %zu", text->body_len);
    if (!text->has_length && text->body != NULL)
        add_header(text, line);
    size_t cap = sizeof text->headers + strlen(text->method) + strlen(text->target) + 32;
    load->request = malloc(cap + text->body_len);
    if (load->request == NULL)
        fail("malloc");
    int len = snprintf(load->request, cap, "%s %s HTTP/1.1\r\n%s\r\n", text->method, text->target,
                       text->headers);
    if (text->body != NULL)
        memcpy(load->request + len, text->body, text->body_len);
    load->request_len = (size_t) len + text->body_len;
}

/* "http://127.0.0.1:4566/target" into address, authority and target. */
static void parse_url(struct load *load, struct text *text, const char *url)
{
    static char authority[256], host[256];
    if (strncmp(url, "http://", 7) != 0)
        usage("the URL must begin with http://");
    url += 7;
    size_t len = strcspn(url, "/"), host_len = strcspn(url, ":/");
    if (len >= sizeof authority)
        usage("the URL is too long");
    memcpy(authority, url, len);
    memcpy(host, url, host_len);
    load->to.sin_family = AF_INET;
    load->to.sin_port =
        htons(host_len < len ? (uint16_t) strtoul(url + host_len + 1, NULL, 10) : 80);
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                  &load->to.sin_addr) != 1)
        usage("the address must be numeric IPv4 or localhost");
    text->authority = authority;
    text->target = url[len] == '\0' ? "/" : url + len;
}

static void take_option(struct load *load, struct text *text, int option, char *value)
{
    switch (option) {
    case 'c': load->conns = strtoul(value, NULL, 10); break;
    case 'n':
        load->count_max = strtoull(value, NULL, 10);
        load->duration_ns = 0;
        break;
    case 'd': load->duration_ns = (int64_t) (strtod(value, NULL) * 1e9); break;
    case 'w': load->warm_ns = (int64_t) (strtod(value, NULL) * 1e9); break;
    case 'm': text->method = value; break;
    case 'H': add_header(text, value); break;
    case 'b':
        text->body = value;
        text->body_len = strlen(value);
        break;
    case 'B': text->body_file = value; break;
    case 'r': text->raw_file = value; break;
    case 's': load->expected_status = (int) strtol(value, NULL, 10); break;
    default: usage("unknown option");
    }
}

int main(int argc, char **argv)
{
    static struct load load = {
        .expected_status = 200, .conns = 1, .warm_ns = 200000000, .duration_ns = 2000000000};
    static struct text text;
    for (int option; (option = getopt(argc, argv, "c:n:d:w:m:H:b:B:r:s:")) != -1;)
        take_option(&load, &text, option, optarg);
    if (optind != argc - 1)
        usage("one URL is needed");
    if (load.conns == 0 || (load.duration_ns == 0 && load.count_max == 0))
        usage("nothing to do");
    parse_url(&load, &text, argv[optind]);
    make_request(&load, &text);
    return run(&load);
}
