/* Answers on an HTTP/2 stream.
 *
 * The head becomes fields: names in lower case, values without control characters or blanks at the
 * ends, connection headers left out (RFC 9113 section 8.2). A peer treats anything else as an error
 * of the whole answer, so a name that is no token is left out, too: it came from a function.
 *
 * The body waits in the exchange (x->out); nghttp2 asks for it when windows allow. */
#include "net/http2_int.h"

#include "base/assert.h"
#include "base/mem.h"

enum {
    FIELD_BYTES_MAX = 192 * 1024, /* below nghttp2's limit, with its overhead for each field */
    OUT_MAX = 1024 * 1024 * 1024,
    FIELDS_SPARE = 4, /* :status, date, content-length */
};

static const char too_long[] = "{\"message\":\"The headers of the answer are too long.\"}\n";

/* --- fields --- */

struct fields {
    nghttp2_nv *at;
    size_t count;
    struct buf *text; /* room for all was made before: it does not move */
};

static void put_field(struct fields *f, struct str name, struct str value)
{
    value = str_trim(value);
    char *to = f->text->ptr + f->text->len;
    for (size_t i = 0; i < name.len; i++)
        to[i] = (char) (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] + 32 : name.ptr[i]);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char) value.ptr[i];
        to[name.len + i] = (c < 0x20 && c != '\t') || c == 0x7f ? ' ' : (char) c;
    }
    struct str clean = str_trim(str_of(to + name.len, value.len));
    if (!nghttp2_check_header_name((uint8_t *) to, name.len))
        return;
    buf_added(f->text, name.len + value.len);
    f->at[f->count++] = (nghttp2_nv){(uint8_t *) to, (uint8_t *) clean.ptr, name.len, clean.len,
                                     NGHTTP2_NV_FLAG_NONE};
}

static void put_status(struct fields *f, int status)
{
    char *to = f->text->ptr + f->text->len;
    int len = snprintf(to, 4, "%d", status);
    assert(len == 3);
    buf_added(f->text, 3);
    f->at[f->count++] =
        (nghttp2_nv){(uint8_t *) ":status", (uint8_t *) to, 7, 3, NGHTTP2_NV_FLAG_NONE};
}

static void put_length(struct fields *f, const struct answer *a)
{
    char text[24];
    struct str given = answer_head_length(a);
    if (status_has_no_body(a->status) || (a->is_streamed && a->content_length < 0 && !given.ptr))
        return;
    uint64_t length = a->is_streamed ? (uint64_t) a->content_length : a->body.len;
    (void) snprintf(text, sizeof text, "%llu", (unsigned long long) length);
    put_field(f, STR("content-length"), given.ptr != NULL ? given : str_from(text));
}

static size_t bytes_of(const struct http_header *headers, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += headers[i].name.len + headers[i].value.len;
    return size;
}

/* --- heads --- */

static void submit(struct exchange *x, const struct answer *a)
{
    struct server *server = x->conn->server;
    size_t size = bytes_of(a->headers, a->header_count) + 256;
    AUTO_FREE nghttp2_nv *nv = NEW_ARRAY(nghttp2_nv, a->header_count + FIELDS_SPARE);
    struct fields f = {.at = nv, .text = &server->scratch};
    buf_reset(&server->scratch);
    char *room = buf_room(&server->scratch, size);
    assert(room != NULL);
    put_status(&f, a->status);
    struct str date = server_date(server);
    put_field(&f, STR("date"), str_of(date.ptr + 6, date.len - 8)); /* "Date: …\r\n" */
    for (size_t i = 0; i < a->header_count; i++)
        if (!header_is_framing(a->headers[i].name))
            put_field(&f, a->headers[i].name, a->headers[i].value);
    put_length(&f, a);
    const nghttp2_data_provider provider = {.read_callback = http2_read_answer};
    bool has_data = !answer_has_no_body(a) && (a->is_streamed || a->body.len > 0);
    x->is_answered = true;
    /* Fails for want of memory only; the stream then runs into its time-out. */
    (void) nghttp2_submit_response(x->conn->http2->session, x->stream_id, f.at, f.count,
                                   has_data ? &provider : NULL);
    http2_send_soon(x->conn);
}

static void check_size(struct answer *a)
{
    if (bytes_of(a->headers, a->header_count) <= FIELD_BYTES_MAX && a->header_count <= 1024)
        return;
    a->status = 502;
    a->header_count = 0;
    a->body = str_from(too_long);
    a->is_streamed = false;
    a->framing = FRAMING_LENGTH; /* What the handler writes then is more than announced. */
    a->content_length = 0;
}

/* Nothing more will be written, and nobody holds the exchange: the stream's close gives it back. */
static void let_go(struct exchange *x)
{
    x->is_ended = true;
    x->is_whole = x->is_begun = false;
    x->on_gone = NULL;
    if (conn_unsent(x->conn) > 0 || http2_unsent(x) > 0 || !x->is_body_ended)
        http2_expect_progress(x);
}

void http2_answer(struct exchange *x, struct answer *a)
{
    check_size(a);
    buf_init(&x->out, OUT_MAX);
    if (!answer_has_no_body(a))
        buf_put(&x->out, a->body);
    submit(x, a);
    let_go(x);
}

void http2_begin(struct exchange *x, struct answer *a)
{
    a->framing = a->content_length >= 0 ? FRAMING_LENGTH : FRAMING_CHUNKED;
    check_size(a);
    buf_init(&x->out, OUT_MAX);
    if (!a->is_streamed)
        buf_put(&x->out, a->body);
    timer_clear(loop_exec(x->conn->server->loop), &x->timer);
    submit(x, a);
}

void http2_refuse(struct exchange *x, int status, const char *reason)
{
    char text[REFUSAL_TEXT_MAX];
    const struct http_header type = {STR("content-type"), STR("text/plain")};
    struct answer a = {.status = status,
                       .headers = &type,
                       .header_count = 1,
                       .body = refusal_text(text, status, reason),
                       .is_head = str_eq(x->head.method, STR("HEAD"))};
    exchange_mark_gone(x);
    http2_answer(x, &a);
}

/* --- bodies --- */

size_t http2_unsent(const struct exchange *x)
{
    return x->out.len - x->out_at;
}

void http2_write(struct exchange *x, struct str bytes)
{
    if (http2_unsent(x) == 0)
        http2_expect_progress(x);
    if (x->out_at > x->out.len / 2) {
        buf_consume(&x->out, x->out_at);
        x->out_at = 0;
    }
    buf_put(&x->out, bytes);
    /* Not deferred when nghttp2 has not asked yet: no error to us. */
    (void) nghttp2_session_resume_data(x->conn->http2->session, x->stream_id);
    http2_send_soon(x->conn);
}

/* name NUL value NUL, lower case and clean; no NUL is left in a clean text. */
static void keep_trailers(struct exchange *x, const struct http_header *trailers, size_t count)
{
    AUTO_FREE nghttp2_nv *nv = NEW_ARRAY(nghttp2_nv, count);
    size_t size = bytes_of(trailers, count);
    if (size > FIELD_BYTES_MAX)
        return; /* They are ours; too long, they are left out as in HTTP/1.1. */
    struct fields f = {.at = nv, .text = &x->conn->server->scratch};
    buf_reset(f.text);
    (void) buf_room(f.text, size + 1);
    for (size_t i = 0; i < count; i++)
        if (!header_is_framing(trailers[i].name))
            put_field(&f, trailers[i].name, trailers[i].value);
    buf_init(&x->trailers, FIELD_BYTES_MAX + 2 * count);
    for (size_t i = 0; i < f.count; i++) {
        buf_put(&x->trailers, str_of(nv[i].name, nv[i].namelen));
        buf_put_char(&x->trailers, '\0');
        buf_put(&x->trailers, str_of(nv[i].value, nv[i].valuelen));
        buf_put_char(&x->trailers, '\0');
    }
}

static int submit_trailers(const struct exchange *x)
{
    AUTO_FREE nghttp2_nv *nv = NEW_ARRAY(nghttp2_nv, x->trailers.len / 2);
    size_t count = 0;
    struct str rest = buf_str(&x->trailers), name, value;
    while (rest.len > 0 && str_split(&rest, '\0', &name) && str_split(&rest, '\0', &value))
        nv[count++] = (nghttp2_nv){(uint8_t *) name.ptr, (uint8_t *) value.ptr, name.len, value.len,
                                   NGHTTP2_NV_FLAG_NONE};
    return nghttp2_submit_trailer(x->conn->http2->session, x->stream_id, nv, count);
}

void http2_end(struct exchange *x, const struct http_header *trailers, size_t trailer_count)
{
    if (trailer_count > 0 && x->framing == FRAMING_CHUNKED)
        keep_trailers(x, trailers, trailer_count);
    let_go(x);
    (void) nghttp2_session_resume_data(x->conn->http2->session, x->stream_id);
    http2_send_soon(x->conn);
}

void http2_abort(struct exchange *x)
{
    struct conn *conn = x->conn;
    (void) nghttp2_submit_rst_stream(conn->http2->session, NGHTTP2_FLAG_NONE, x->stream_id,
                                     NGHTTP2_INTERNAL_ERROR);
    http2_send_soon(conn);
    http2_detach(x);
    exchange_die(x);
}

/* Inside nghttp2_session_mem_send. */
ssize_t http2_read_answer(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                          uint32_t *flags, nghttp2_data_source *source, void *conn)
{
    (void) source;
    (void) conn;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, stream_id);
    if (x == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* Its RST_STREAM is queued. */
    size_t unsent = http2_unsent(x), n = unsent < size ? unsent : size;
    if (n == 0 && !x->is_ended)
        return NGHTTP2_ERR_DEFERRED;
    if (n > 0)
        memcpy(to, x->out.ptr + x->out_at, n);
    x->out_at += n;
    x->is_due |= x->is_waiting && n == unsent;
    if (n < unsent) {
        http2_expect_progress(x);
        return (ssize_t) n;
    }
    buf_done(&x->out);
    x->out_at = 0;
    if (!x->is_ended) {
        timer_clear(loop_exec(x->conn->server->loop), &x->timer);
        return (ssize_t) n;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (x->trailers.len > 0 && submit_trailers(x) == 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return (ssize_t) n;
}
