/* The head of an answer on an HTTP/1.1 connection.
 *
 * It is composed in the server's scratch buffer: status line, Date (formatted once a second), the
 * handler's headers, framing, Connection when it differs from the version's default.
 *
 * Framing is decided here and in http2_answer.c alone. Headers of handlers come from functions,
 * hence from strangers: one that says how long the message is or when the connection ends would
 * contradict us. */
#include "net/server_int.h"

#include "base/assert.h"
#include "data/time.h"

struct str server_date(struct server *server)
{
    int64_t utc_ms = clock_utc_ms(loop_exec(server->loop)->clock);
    if (utc_ms / 1000 != server->date_second) {
        server->date_second = utc_ms / 1000;
        buf_reset(&server->date);
        buf_put(&server->date, STR("Date: "));
        time_put_http(&server->date, utc_ms);
        buf_put(&server->date, STR("\r\n"));
        assert(!buf_is_over(&server->date));
    }
    return buf_str(&server->date);
}

bool header_is_framing(struct str name)
{
    switch (name.len) {
    case 4: return str_eq_nocase(name, STR("date"));
    case 7: return str_eq_nocase(name, STR("upgrade")) || str_eq_nocase(name, STR("trailer"));
    case 10:
        return str_eq_nocase(name, STR("connection")) || str_eq_nocase(name, STR("keep-alive"));
    case 14: return str_eq_nocase(name, STR("content-length"));
    case 16: return str_eq_nocase(name, STR("proxy-connection"));
    case 17: return str_eq_nocase(name, STR("transfer-encoding"));
    default: return false;
    }
}

/* RFC 9110 sections 6.4.1 and 8.6: these have neither body nor length. */
bool status_has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

bool answer_has_no_body(const struct answer *a)
{
    return a->is_head || status_has_no_body(a->status);
}

struct str answer_head_length(const struct answer *a)
{
    for (size_t i = 0; a->is_head && i < a->header_count; i++)
        if (str_eq_nocase(a->headers[i].name, STR("content-length")))
            return a->headers[i].value;
    return STR_NONE;
}

static void put_framing(struct buf *out, const struct answer *a)
{
    struct str head_length = answer_head_length(a);
    if (status_has_no_body(a->status))
        return;
    if (head_length.ptr != NULL)
        http1_put_header(out, STR("Content-Length"), head_length);
    else if (!a->is_streamed)
        http1_put_length(out, a->body.len);
    else if (a->framing == FRAMING_LENGTH)
        http1_put_length(out, (uint64_t) a->content_length);
    else if (a->framing == FRAMING_CHUNKED)
        buf_put(out, STR("Transfer-Encoding: chunked\r\n"));
}

bool answer_compose(struct server *server, const struct answer *a)
{
    struct buf *out = &server->scratch;
    buf_reset(out);
    http1_put_status(out, a->status);
    buf_put(out, server_date(server));
    for (size_t i = 0; i < a->header_count; i++)
        if (!header_is_framing(a->headers[i].name))
            http1_put_header(out, a->headers[i].name, a->headers[i].value);
    put_framing(out, a);
    if (a->is_last)
        buf_put(out, STR("Connection: close\r\n"));
    else if (a->minor_version == 0)
        buf_put(out, STR("Connection: keep-alive\r\n"));
    http1_end_head(out);
    return !buf_is_over(out);
}

struct str refusal_text(char out[REFUSAL_TEXT_MAX], int status, const char *reason)
{
    int len = snprintf(out, REFUSAL_TEXT_MAX, "%d %s: %s\n", status, http_reason(status), reason);
    assert(len > 0);
    return str_head(str_of(out, (size_t) len), REFUSAL_TEXT_MAX - 1);
}

struct str server_refusal(struct server *server, int status, const char *reason, bool is_head)
{
    char text[REFUSAL_TEXT_MAX];
    struct str body = refusal_text(text, status, reason);
    struct http_header type = {STR("Content-Type"), STR("text/plain")};
    struct answer a = {.status = status,
                       .headers = &type,
                       .header_count = 1,
                       .body = body,
                       .is_last = true,
                       .minor_version = 1};
    bool has_fit = answer_compose(server, &a);
    assert(has_fit);
    if (!is_head)
        buf_put(&server->scratch, body);
    return buf_str(&server->scratch);
}
