/* The way of one subscription's batches to its listener inside the sandbox: one connection, one
 * batch at a time, as a request (HTTP) or as lines (TCP). The states stand in telemetry_int.h.
 *
 * The listener is a tenant's program: it may be absent, slow, or hostile. A delivery that makes no
 * progress for PATIENCE_US, that breaks, or that is not answered with 2xx has failed and is tried
 * again after a while, which doubles; after ATTEMPTS_MAX the batch is given up and counted as lost.
 * Of an answer no more than its head and BODY_MAX bytes are read, and none of them is kept. Over
 * TCP nothing is read; what a broken connection took whole is not sent again.
 *
 * Source: Lambda developer guide, "Telemetry API": "Lambda retries the attempt to send telemetry
 * (with backoff) if there is no listener, or if the POST request results in an error". */
#include "runtime/telemetry_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    PATIENCE_US = 5 * 1000 * 1000,
    BACKOFF_FIRST_US = 50 * 1000,
    BACKOFF_MAX_US = 2 * 1000 * 1000,
    ATTEMPTS_MAX = 10,
    ANSWER_HEAD_MAX = 16 * 1024,
    BODY_MAX = 64 * 1024,
    READ_SIZE = 16 * 1024,
    SOCKETS_MAX = 512 /* of a home: a server has few descriptors, and functions are many */
};

static void failed(struct subscription *sub);
static void finish(struct subscription *sub);

static struct home *home_of(const struct subscription *sub)
{
    return sub->telemetry->inst->home;
}

static void arm_at(struct subscription *sub, int64_t at_us)
{
    if (!sub->telemetry->is_frozen)
        timer_set(home_of(sub)->exec, &sub->timer, at_us);
}

static void arm(struct subscription *sub, int64_t after_us)
{
    arm_at(sub, exec_now_us(home_of(sub)->exec) + after_us);
}

static void disarm(struct subscription *sub)
{
    timer_clear(home_of(sub)->exec, &sub->timer);
}

/* What the state waits for on the connection. */
static void watch(struct subscription *sub)
{
    static const int events[] = {[DELIVERY_IDLE] = WATCH_HANGUP,
                                 [DELIVERY_WAITING] = 0,
                                 [DELIVERY_ASKED] = 0,
                                 [DELIVERY_CONNECTING] = WATCH_WRITE,
                                 [DELIVERY_SENDING] = WATCH_WRITE,
                                 [DELIVERY_ANSWERING] = WATCH_READ};
    if (sub->watch != NULL)
        watch_set(sub->watch, sub->telemetry->is_frozen ? 0 : events[sub->state]);
}

static void move(struct subscription *sub, enum delivery_state to, int64_t patience_us)
{
    sub->state = to;
    watch(sub);
    arm(sub, patience_us);
}

static void hang_up(struct subscription *sub)
{
    watch_free(take_ptr(&sub->watch));
    home_of(sub)->telemetry_sockets -= sub->fd >= 0;
    cleanup_close(&sub->fd);
    sub->fd = -1;
}

void delivery_count(struct subscription *sub)
{
    uint64_t held = sub->queue.batch.text.cap + sub->batch.text.cap;
    home_of(sub)->telemetry_bytes += held - sub->held_bytes;
    sub->held_bytes = held;
}

/* ---- sending ---- */

static void put_head(struct subscription *sub)
{
    const struct telemetry_request *wants = &sub->wants;
    buf_reset(&sub->head);
    if (wants->is_tcp)
        return;
    buf_printf(&sub->head,
               "%s %s HTTP/1.1\r\nHost: %s:%u\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n",
               wants->is_put ? "PUT" : "POST", wants->path, wants->host, (unsigned) wants->port,
               sub->batch.text.len);
}

static void await_answer(struct subscription *sub)
{
    buf_reset(&sub->answer);
    sub->status = 0;
    sub->body_seen = 0;
    move(sub, DELIVERY_ANSWERING, PATIENCE_US);
}

static void pump(struct subscription *sub)
{
    size_t whole = sub->head.len + sub->batch.text.len;
    while (sub->sent < whole) {
        struct str head = str_skip(buf_str(&sub->head), sub->sent);
        struct str text = str_skip(buf_str(&sub->batch.text),
                                   sub->sent > sub->head.len ? sub->sent - sub->head.len : 0);
        struct iovec iov[2] = {{(void *) (uintptr_t) head.ptr, head.len},
                               {(void *) (uintptr_t) text.ptr, text.len}};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t n = sendmsg(sub->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            failed(sub);
            return;
        }
        if (n < 0)
            break;
        sub->sent += (size_t) n;
        arm(sub, PATIENCE_US);
    }
    if (sub->sent < whole)
        watch(sub);
    else if (sub->wants.is_tcp)
        finish(sub);
    else
        await_answer(sub);
}

static void send_batch(struct subscription *sub)
{
    put_head(sub);
    sub->sent = 0;
    move(sub, DELIVERY_SENDING, PATIENCE_US);
    if (!sub->telemetry->is_frozen)
        pump(sub);
}

/* ---- connecting ---- */

static void on_event(void *arg, int events);

static void try_to_deliver(struct subscription *sub)
{
    if (sub->fd >= 0) {
        send_batch(sub);
        return;
    }
    const struct instance *inst = sub->telemetry->inst;
    move(sub, DELIVERY_ASKED, PATIENCE_US);
    broker_socket(inst->home, inst->id);
}

void delivery_socket(struct subscription *sub, const struct sandbox_event *event)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(sub->wants.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct err err;
    assert(sub->state == DELIVERY_ASKED && sub->fd < 0);
    sub->fd = event->socket_fd;
    home_of(sub)->telemetry_sockets += sub->fd >= 0;
    bool is_on_its_way =
        sub->fd >= 0 && home_of(sub)->telemetry_sockets <= SOCKETS_MAX &&
        (connect(sub->fd, (const struct sockaddr *) &to, sizeof to) == 0 || errno == EINPROGRESS);
    if (!is_on_its_way ||
        watch_new(home_of(sub)->loop, sub->fd, on_event, sub, &sub->watch, &err) < 0)
        failed(sub);
    else
        move(sub, DELIVERY_CONNECTING, PATIENCE_US);
}

static void connected(struct subscription *sub)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(sub->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0)
        failed(sub);
    else
        send_batch(sub);
}

/* ---- the answer ---- */

static void answered(struct subscription *sub, bool can_stay)
{
    if (!can_stay)
        hang_up(sub);
    if (sub->status >= 200 && sub->status < 300)
        finish(sub);
    else
        failed(sub);
}

/* True: that was the last of the body. */
static bool is_body_over(struct subscription *sub, struct str bytes, bool *out_is_clean)
{
    *out_is_clean = false;
    sub->body_seen += bytes.len;
    if (sub->is_chunked) {
        struct err err;
        size_t used = 1;
        struct str data;
        int rc = 0;
        while (rc == 0 && used > 0 && !sub->chunked.is_done) {
            rc = http1_chunked_next(&sub->chunked, bytes, &used, &data, &err);
            bytes = rc == 0 ? str_skip(bytes, used) : bytes;
        }
        *out_is_clean = sub->chunked.is_done && bytes.len == 0;
        return rc < 0 || sub->chunked.is_done || sub->body_seen > BODY_MAX;
    }
    if (sub->body_left >= 0) {
        sub->body_left -= (int64_t) bytes.len;
        *out_is_clean = sub->body_left == 0;
        return sub->body_left <= 0 || sub->body_seen > BODY_MAX;
    }
    return sub->body_seen > BODY_MAX;
}

static void take_body(struct subscription *sub, struct str bytes)
{
    bool is_clean;
    if (is_body_over(sub, bytes, &is_clean))
        answered(sub, is_clean && sub->can_stay);
}

/* Returns what is behind the head of the final answer; false: it is not there yet, or never. */
static bool take_head(struct subscription *sub, struct str *out_rest)
{
    struct http_head head;
    struct err err;
    int used;
    do {
        used = http1_parse_response(buf_str(&sub->answer), &head, &err);
        if (used > 0 && head.status < 200)
            buf_consume(&sub->answer, (size_t) used);
    } while (used > 0 && head.status < 200);
    if (used < 0 || buf_is_over(&sub->answer))
        failed(sub);
    if (used <= 0)
        return false;
    bool has_body = head.status != 204 && head.status != 304;
    sub->status = head.status;
    sub->can_stay = head.is_keep_alive;
    sub->is_chunked = head.is_chunked;
    sub->chunked = (struct http1_chunked){.state = 0};
    sub->body_left = has_body ? head.content_length : 0;
    *out_rest = str_skip(buf_str(&sub->answer), (size_t) used);
    return true;
}

static void read_answer(struct subscription *sub)
{
    char *scratch = home_of(sub)->scratch;
    static_assert((int) READ_SIZE <= (int) SCRATCH_SIZE, "it is the home's");
    ssize_t n = recv(sub->fd, scratch, READ_SIZE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 && sub->status != 0 && !sub->is_chunked && sub->body_left < 0) {
        answered(sub, false); /* the end of the stream is the end of the answer */
        return;
    }
    if (n <= 0) {
        failed(sub);
        return;
    }
    struct str bytes = str_of(scratch, (size_t) n);
    if (sub->status == 0) {
        buf_put(&sub->answer, bytes);
        if (!take_head(sub, &bytes))
            return;
    }
    take_body(sub, bytes);
}

/* ---- steps ---- */

static void on_event(void *arg, int events)
{
    struct subscription *sub = arg;
    switch (sub->state) {
    case DELIVERY_IDLE: hang_up(sub); break;
    case DELIVERY_CONNECTING: connected(sub); break;
    case DELIVERY_SENDING: pump(sub); break;
    case DELIVERY_ANSWERING: read_answer(sub); break;
    case DELIVERY_WAITING:
    case DELIVERY_ASKED: assert(events == 0); break; /* there is no connection */
    }
}

static void take_batch(struct subscription *sub)
{
    sub->state = DELIVERY_ASKED; /* it is not idle: what is said here only queues */
    sub->batch = telemetry_queue_take(&sub->queue);
    sub->attempts = 0;
    uint64_t items = sub->queue.lost_items, bytes = sub->queue.lost_bytes;
    sub->queue.lost_items = sub->queue.lost_bytes = 0;
    delivery_count(sub);
    if (items > 0)
        report_json_logs_dropped(sub->telemetry->inst, items, bytes, sub->lost_why);
}

void delivery_wake(struct subscription *sub)
{
    if (sub->state != DELIVERY_IDLE || sub->telemetry->is_frozen)
        return;
    int64_t due = telemetry_queue_due_us(&sub->queue);
    if (due == INT64_MAX) {
        disarm(sub);
    } else if (sub->telemetry->is_urgent || due <= exec_now_us(home_of(sub)->exec)) {
        take_batch(sub);
        try_to_deliver(sub);
    } else {
        arm_at(sub, due);
    }
}

/* The batch is done with. */
static void finish(struct subscription *sub)
{
    telemetry_batch_done(&sub->batch);
    delivery_count(sub);
    sub->state = DELIVERY_IDLE;
    disarm(sub);
    if (home_of(sub)->telemetry_sockets >= SOCKETS_MAX)
        hang_up(sub); /* others wait */
    watch(sub);
    delivery_wake(sub);
    if (sub->telemetry->is_urgent && !telemetry_is_busy(sub->telemetry->inst))
        shutdown_flushed(sub->telemetry->inst);
}

static void failed(struct subscription *sub)
{
    hang_up(sub);
    if (sub->wants.is_tcp && sub->state == DELIVERY_SENDING)
        telemetry_batch_cut(&sub->batch, sub->sent);
    if (++sub->attempts == ATTEMPTS_MAX) {
        telemetry_queue_lose(&sub->queue, sub->batch.items, sub->batch.text.len);
        sub->lost_why = "Consumer seems to have fallen behind as it has not acknowledged receipt "
                        "of logs.";
        finish(sub);
        return;
    }
    int64_t backoff = (int64_t) BACKOFF_FIRST_US << (sub->attempts - 1);
    if (backoff > BACKOFF_MAX_US)
        backoff = BACKOFF_MAX_US;
    if (sub->telemetry->is_urgent)
        backoff = BACKOFF_FIRST_US;
    sub->retry_us = exec_now_us(home_of(sub)->exec) + backoff;
    move(sub, DELIVERY_WAITING, backoff);
}

static void on_timer(struct timer *timer)
{
    struct subscription *sub = CONTAINER_OF(timer, struct subscription, timer);
    if (sub->state == DELIVERY_IDLE)
        delivery_wake(sub);
    else if (sub->state == DELIVERY_WAITING)
        try_to_deliver(sub);
    else
        failed(sub);
}

void delivery_stand_still(struct subscription *sub)
{
    disarm(sub);
    watch(sub);
}

void delivery_go_on(struct subscription *sub)
{
    watch(sub);
    if (sub->state == DELIVERY_IDLE)
        delivery_wake(sub);
    else if (sub->state == DELIVERY_WAITING)
        arm_at(sub, sub->retry_us); /* the pause has counted */
    else
        arm(sub, PATIENCE_US);
}

/* ---- life ---- */

void delivery_init(struct subscription *sub)
{
    sub->fd = -1;
    sub->timer.fire = on_timer;
    buf_init(&sub->head, 1024);
    buf_init(&sub->answer, ANSWER_HEAD_MAX);
}

void delivery_done(struct subscription *sub)
{
    disarm(sub);
    hang_up(sub);
    telemetry_queue_done(&sub->queue);
    telemetry_batch_done(&sub->batch);
    delivery_count(sub);
    buf_done(&sub->head);
    buf_done(&sub->answer);
    free(sub);
}
