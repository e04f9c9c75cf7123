/* Answers that grow (op_begin in core/op.h), as streamed exchanges: HTTP/1.1 chunked or with a
 * length, HTTP/2 data.
 *
 * The request stays the operation's until op_finish, so nothing here outlives a call: bytes go to
 * the exchange, which keeps what the client has not taken and says when that is enough; its word
 * goes through to the operation and comes back as on_drained. The bytes of one turn of the loop
 * leave together, the first ones without waiting for more.
 *
 * thread: the request's loop. Source of the frames: aws/eventstream.h. */
#include "gateway/request.h"

#include "aws/eventstream.h"
#include "base/assert.h"

enum { EVENT_ARENA = 256 * 1024 };

static struct request *streaming(struct op *op)
{
    return CONTAINER_OF(op, struct request, op);
}

static void drained(void *user)
{
    struct request *request = user;
    request->op.on_drained(&request->op);
}

static bool has_events(const struct request *request)
{
    return request->front.installed == NULL && (request->operation->flags & AWS_OP_EVENTS_OUT) != 0;
}

static void begin_answer(struct op *op, int64_t content_length)
{
    struct request *request = streaming(op);
    assert(!request->is_begun && request->rc == 0);
    struct aws_http_answer room;
    const struct aws_http_answer *answer = request_compose(request, &room);
    request->is_begun = true;
    request->is_refused = request->rc != 0; /* the head did not fit: the answer is that fault */
    const struct answer_stream head = {
        .status = answer->status,
        .headers = answer->headers,
        .header_count = answer->header_count,
        .content_length = request->is_refused ? (int64_t) answer->body.len : content_length,
        .on_drained = op->on_drained == NULL ? NULL : drained,
    };
    request_log(request, answer->status, 0);
    exchange_begin(request->x, &head);
    (void) exchange_write(request->x, answer->body); /* the first bytes: there is room */
}

static bool write_bytes(struct op *op, struct str bytes)
{
    struct request *request = streaming(op);
    assert(request->is_begun && !has_events(request));
    return request->is_refused || exchange_write(request->x, bytes);
}

static bool write_event(struct op *op, const void *event)
{
    struct request *request = streaming(op);
    assert(request->is_begun && has_events(request));
    if (request->is_refused || op->is_gone)
        return true;
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf message;
    arena_init(&arena, EVENT_ARENA);
    buf_init(&message, EVENT_BYTES_MAX);
    int rc = aws_event_encode(request->installed->model, request->protocol, request->operation,
                              event, &arena, &message);
    assert(rc == 0); /* the operation keeps to the size */
    return exchange_write(request->x, buf_str(&message));
}

const struct op_stream request_stream = {begin_answer, write_bytes, write_event};

/* The fault as the stream's last event; false: it cannot be told. */
static bool put_fault(struct request *request)
{
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf message;
    arena_init(&arena, EVENT_ARENA);
    buf_init(&message, EVENT_BYTES_MAX);
    if (!has_events(request) ||
        aws_event_encode_fault(request->installed->model, request->protocol, request->operation,
                               &request->op.fault, &arena, &message) < 0)
        return false;
    (void) exchange_write(request->x, buf_str(&message)); /* the last bytes: nobody waits */
    return true;
}

void stream_finish(struct request *request, int rc)
{
    assert(request->is_begun);
    if (rc == 0 || request->is_refused || put_fault(request))
        exchange_end(request->x, NULL, 0);
    else
        exchange_abort(request->x);
    request_release(request);
}
