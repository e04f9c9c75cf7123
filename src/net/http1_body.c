/* The body of a request on an HTTP/1.1 connection: where it goes, and how much of it is there.
 *
 * One that fits behind its head stays there. A longer one is received straight into a buffer of its
 * own that doubles as bytes arrive, whatever length the client has announced. Chunks are decoded
 * into such a buffer. A streamed one is shown to the handler where it lies and then forgotten. */
#include "net/server_int.h"

size_t http1_body_length(const struct exchange *x)
{
    return x->head.content_length > 0 ? (size_t) x->head.content_length : 0;
}

/* Chooses where the body goes and moves there what came with the head. */
void http1_body_place(struct conn *conn, struct exchange *x)
{
    struct input *input = conn->input;
    size_t length = http1_body_length(x), extra = input->len - x->head_len;
    conn->used = x->head_len;
    if (x->on_chunk != NULL) {
        x->body_kind = BODY_STREAMED;
    } else if (x->head.is_chunked) {
        x->body_kind = BODY_CHUNKED;
        buf_init(&x->body, x->body_limit > 0 ? x->body_limit : 1);
    } else if (length <= input->cap - x->head_len) {
        x->body_kind = BODY_IN_PLACE;
        conn->used += length;
    } else {
        x->body_kind = BODY_OWN;
        buf_init(&x->body, length);
        buf_put(&x->body, str_of(input->bytes + x->head_len, extra));
        input->len = x->head_len;
    }
}

/* What follows the head in the buffer from now on. */
static void keep_rest(struct conn *conn, const struct exchange *x, struct str rest)
{
    memmove(conn->input->bytes + x->head_len, rest.ptr, rest.len);
    conn->input->len = x->head_len + rest.len;
}

/* Decodes what has arrived; what is left behind the last chunk belongs to the next request. */
void http1_body_decode(struct conn *conn, struct exchange *x)
{
    struct input *input = conn->input;
    struct str rest = str_of(input->bytes + x->head_len, input->len - x->head_len);
    struct err err;
    for (size_t used = 1; used > 0 && !x->chunked.is_done; rest = str_skip(rest, used)) {
        struct str data;
        if (http1_chunked_next(&x->chunked, rest, &used, &data, &err) < 0) {
            http1_refuse(conn, 400, err.text);
            return;
        }
        if (data.len + x->chunked.left > x->body_limit - x->body.len) { /* also what is announced */
            http1_refuse(conn, 413, "the request body is too long");
            return;
        }
        buf_put(&x->body, data);
    }
    keep_rest(conn, x, rest);
}

/* --- streamed --- */

uint64_t http1_body_left(const struct exchange *x)
{
    return http1_body_length(x) - x->streamed;
}

/* Gives the handler bytes of the body; it may answer, pause, or make the connection end. */
void http1_body_deliver(struct exchange *x, struct str bytes)
{
    x->streamed += bytes.len;
    if (bytes.len > 0)
        x->on_chunk(x->user, bytes);
}

/* The next piece of body in `rest`, 0 when there is none yet, or -1: refused. */
static int next_piece(struct conn *conn, struct exchange *x, struct str rest, size_t *out_used,
                      struct str *out_data)
{
    struct err err;
    if (!x->head.is_chunked) {
        *out_data = str_head(rest, http1_body_left(x));
        *out_used = out_data->len;
    } else if (x->chunked.is_done) {
        return 0;
    } else if (http1_chunked_next(&x->chunked, rest, out_used, out_data, &err) < 0) {
        http1_refuse(conn, 400, err.text);
        return -1;
    } else if (out_data->len + x->chunked.left > x->body_limit - x->streamed) {
        http1_refuse(conn, 413, "the request body is too long");
        return -1;
    }
    return *out_used > 0;
}

/* Streams what lies behind the head. `used` stands behind what has been delivered, so that an
 * answer given in the middle knows what is left to skip. */
void http1_body_stream(struct conn *conn, struct exchange *x)
{
    const struct input *input = conn->input;
    struct str data;
    size_t used;
    while (conn->state == CONN_BODY && !x->is_paused) {
        struct str rest = str_of(input->bytes + conn->used, input->len - conn->used);
        if (next_piece(conn, x, rest, &used, &data) <= 0)
            break;
        conn->used += used;
        http1_body_deliver(x, data);
    }
    if (conn->state != CONN_BODY)
        return;
    keep_rest(conn, x, str_of(input->bytes + conn->used, input->len - conn->used));
    conn->used = x->head_len;
}

bool http1_body_is_whole(const struct conn *conn, const struct exchange *x)
{
    switch (x->body_kind) {
    case BODY_IN_PLACE: return conn->input->len >= conn->used;
    case BODY_OWN: return x->body.len == http1_body_length(x);
    case BODY_CHUNKED: return x->chunked.is_done;
    case BODY_STREAMED: return x->head.is_chunked ? x->chunked.is_done : http1_body_left(x) == 0;
    }
    return false;
}

uint64_t http1_body_received(const struct conn *conn, const struct exchange *x)
{
    switch (x->body_kind) {
    case BODY_IN_PLACE: return conn->input->len - x->head_len;
    case BODY_OWN:
    case BODY_CHUNKED: return x->body.len;
    case BODY_STREAMED: return x->streamed;
    }
    return 0;
}
