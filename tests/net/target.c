/* A server over src/net for foreign clients to test: it tells what it understood.
 *
 *   net_target [TLS_DIR]    prints "port N", serves 127.0.0.1:N until SIGTERM or SIGINT
 *
 *     /sum          the body, streamed: "LENGTH SUM"
 *     /down/N       N bytes, streamed, with the trailer x-count
 *     /abort        some bytes, and then the answer fails
 *     /slow         the body, streamed and paused after each chunk until the next turn of the loop
 *     anything else one line for each part, hexadecimal: M method, T target, O host, H name value
 * …, B body */
#include "net/tls.h"

#include <inttypes.h>
#include <signal.h>

struct work {
    struct exchange *x;
    uint64_t received, to_write, written;
    uint32_t sum;
    struct task resume;
    bool is_slow, is_gone, is_posted;
};

static struct loop *the_loop;
static struct server *the_server;

static void put_hex(struct buf *out, const char *tag, struct str bytes)
{
    buf_put(out, str_from(tag));
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(out, "%02x", (unsigned char) bytes.ptr[i]);
}

static void tell(struct exchange *x)
{
    const struct http_head *head = exchange_head(x);
    AUTO_BUF struct buf out;
    buf_init(&out, 64 << 20);
    put_hex(&out, "M ", head->method);
    put_hex(&out, "\nT ", head->target);
    put_hex(&out, "\nO ", head->host);
    for (size_t i = 0; i < head->header_count; i++) {
        put_hex(&out, "\nH ", head->headers[i].name);
        put_hex(&out, " ", head->headers[i].value);
    }
    put_hex(&out, "\nB ", exchange_body(x));
    buf_put(&out, STR("\n"));
    const struct http_header type = {STR("Content-Type"), STR("text/plain")};
    exchange_answer(x, 200, &type, 1, buf_str(&out));
}

static void work_free(struct work *work)
{
    if (!work->is_posted)
        free(work);
}

static void on_gone(void *user)
{
    struct work *work = user;
    work->is_gone = true;
    work_free(work);
}

static void on_resume(struct task *task)
{
    struct work *work = (struct work *) (void *) ((char *) task - offsetof(struct work, resume));
    work->is_posted = false;
    if (work->is_gone)
        free(work);
    else
        exchange_resume(work->x);
}

static void on_chunk(void *user, struct str bytes)
{
    struct work *work = user;
    work->received += bytes.len;
    for (size_t i = 0; i < bytes.len; i++)
        work->sum = work->sum * 31 + (unsigned char) bytes.ptr[i];
    if (!work->is_slow)
        return;
    exchange_pause(work->x);
    work->is_posted = true;
    exec_post(loop_exec(the_loop), &work->resume);
}

static void produce(void *user)
{
    static char block[10000];
    struct work *work = user;
    memset(block, 'x', sizeof block);
    while (!work->is_gone && work->written < work->to_write) {
        uint64_t left = work->to_write - work->written;
        size_t n = left < sizeof block ? (size_t) left : sizeof block;
        work->written += n;
        if (!exchange_write(work->x, str_of(block, n)))
            return;
    }
    char text[24];
    (void) snprintf(text, sizeof text, "%" PRIu64, work->written);
    const struct http_header trailer = {STR("X-Count"), str_from(text)};
    exchange_end(work->x, &trailer, 1);
    work_free(work);
}

static void gone_while_producing(void *user)
{
    struct work *work = user;
    work->is_gone = true;
    exchange_abort(work->x); /* It may be waiting for ever. */
    work_free(work);
}

static void on_request(void *arg, struct exchange *x)
{
    (void) arg;
    struct str path = exchange_head(x)->path;
    exchange_set_body_limit(x, (size_t) 1 << 32);
    bool is_slow = str_eq(path, STR("/slow"));
    if (!is_slow && !str_eq(path, STR("/sum")))
        return;
    struct work *work = calloc(1, sizeof *work);
    work->x = x;
    work->is_slow = is_slow;
    work->resume.run = on_resume;
    exchange_set_user(x, work, on_gone);
    exchange_stream_body(x, on_chunk);
}

static void begin(struct exchange *x, uint64_t size)
{
    struct work *work = calloc(1, sizeof *work);
    work->x = x;
    work->to_write = size;
    exchange_set_user(x, work, gone_while_producing);
    exchange_begin(x, &(struct answer_stream){200, NULL, 0, -1, produce});
    produce(work);
}

static void on_body(void *arg, struct exchange *x)
{
    (void) arg;
    struct work *work = exchange_user(x);
    struct str path = exchange_head(x)->path;
    uint64_t size;
    char text[64];
    if (work != NULL) {
        (void) snprintf(text, sizeof text, "%" PRIu64 " %" PRIu32, work->received, work->sum);
        exchange_answer(x, 200, NULL, 0, str_from(text));
        work_free(work);
    } else if (str_starts(path, STR("/down/")) &&
               parse_u64(str_skip(path, 6), UINT32_MAX, &size) == 0) {
        begin(x, size);
    } else if (str_eq(path, STR("/abort"))) {
        exchange_begin(x, &(struct answer_stream){200, NULL, 0, -1, NULL});
        (void) exchange_write(x, STR("some"));
        exchange_abort(x);
    } else {
        tell(x);
    }
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void drain(void *arg)
{
    server_drain(the_server, 2000, stop, arg);
}

static int run(const char *tls_dir, struct err *err)
{
    const struct server_limits limits = {.conns_max = 20000,
                                         .body_max = 64 << 20,
                                         .bodies_max = (size_t) 1 << 30,
                                         .head_timeout_ms = 2000,
                                         .idle_timeout_ms = 60000,
                                         .body_timeout_ms = 5000};
    const struct server_handler handler = {on_request, on_body, NULL};
    int fd, rc = loop_new(&clock_real, &the_loop, err);
    uint16_t port;
    if (rc >= 0)
        rc = server_new(the_loop, &limits, &handler, &the_server, err);
    struct tls_identity *identity = NULL;
    if (rc >= 0 && tls_dir != NULL)
        rc = tls_identity_self_made(tls_dir, clock_utc_ms(&clock_real), &identity, err);
    if (rc >= 0 && tls_dir != NULL)
        server_set_tls(the_server, identity);
    if (rc >= 0)
        rc = listen_tcp("127.0.0.1", 0, &fd, &port, err);
    if (rc >= 0)
        rc = server_listen(the_server, fd, err);
    if (rc >= 0)
        rc = loop_on_signal(the_loop, SIGTERM, drain, the_loop, err);
    if (rc >= 0)
        rc = loop_on_signal(the_loop, SIGINT, drain, the_loop, err);
    if (rc < 0)
        return rc;
    printf("port %" PRIu16 "\n", port);
    (void) fflush(stdout);
    loop_run(the_loop);
    server_free(the_server);
    loop_free(the_loop);
    tls_identity_free(identity);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err;
    if (run(argc > 1 ? argv[1] : NULL, &err) < 0) {
        fprintf(stderr, "net_target: %s\n", err.text);
        return 1;
    }
    return 0;
}
