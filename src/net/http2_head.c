/* From HTTP/2 fields (RFC 9113 section 8.3) to the head that handlers know.
 *
 *     :method :scheme :authority :path   pseudo fields, before all others
 *     name: value                        lower case; no Connection, no Transfer-Encoding
 *
 * nghttp2 has checked what the protocol demands (pseudo fields once and first, names in lower case,
 * no control characters, no connection headers). What remains is what http1.c checks for its own
 * heads, so that a handler may believe both alike: the target's form, the host's characters, one
 * length. Two things are translated: :authority becomes the Host header, since signatures cover it
 * under that name; cookies, which HTTP/2 may send one by one, are joined (section 8.2.3).
 *
 * Called by http2_conn.c on the loop, and by the fuzz target. */
#include "net/http2_head.h"

#include "base/assert.h"
#include "base/mem.h"

enum { FIELDS_MAX = 2 * HTTP1_HEADERS_MAX }; /* pseudo fields and single cookies included */

void http2_head_init(struct http2_head *h)
{
    *h = (struct http2_head){0};
    buf_init(&h->text, 2 * HTTP2_HEAD_MAX); /* as received, and the joined cookie */
}

void http2_head_done(struct http2_head *h)
{
    buf_done(&h->text);
    free(h->fields);
    h->fields = NULL;
}

void http2_head_add(struct http2_head *h, struct str name, struct str value)
{
    size_t size = h->text.len + name.len + value.len;
    if (h->is_too_large || size > HTTP2_HEAD_MAX || h->field_count == FIELDS_MAX) {
        h->is_too_large = true;
        return;
    }
    if (h->fields == NULL)
        h->fields = NEW_ARRAY(struct http2_span, FIELDS_MAX);
    h->fields[h->field_count++] = (struct http2_span){
        .name = (uint32_t) h->text.len,
        .name_len = (uint32_t) name.len,
        .value = (uint32_t) (h->text.len + name.len),
        .value_len = (uint32_t) value.len,
    };
    buf_put(&h->text, name);
    buf_put(&h->text, value);
    if (str_eq(name, STR("cookie")))
        h->cookie_bytes += value.len + 2;
}

static struct str name_of(const struct http2_head *h, size_t i)
{
    return str_of(h->text.ptr + h->fields[i].name, h->fields[i].name_len);
}

static struct str value_of(const struct http2_head *h, size_t i)
{
    return str_trim(str_of(h->text.ptr + h->fields[i].value, h->fields[i].value_len));
}

static int add_header(struct http_head *head, struct str name, struct str value, struct err *err)
{
    if (head->header_count == HTTP1_HEADERS_MAX)
        return err_say(err, -431, "more than %d header lines", HTTP1_HEADERS_MAX);
    head->headers[head->header_count++] = (struct http_header){name, value};
    return 0;
}

/* The cookie fields in one, in room that was made before: text does not move here. */
static int join_cookies(struct http2_head *h, struct http_head *head, struct err *err)
{
    size_t begin = h->text.len;
    for (size_t i = 0; i < h->field_count; i++) {
        if (!str_eq(name_of(h, i), STR("cookie")))
            continue;
        if (h->text.len > begin)
            buf_put(&h->text, STR("; "));
        buf_put(&h->text, value_of(h, i));
    }
    struct str joined = str_of(h->text.ptr + begin, h->text.len - begin);
    return add_header(head, STR("cookie"), joined, err);
}

static int read_pseudo(struct http_head *head, struct str name, struct str value, struct err *err)
{
    if (str_eq(name, STR(":method"))) {
        head->method = value;
    } else if (str_eq(name, STR(":path"))) {
        head->target = value;
    } else if (str_eq(name, STR(":authority"))) {
        head->host = value;
    } else if (!str_eq(name, STR(":scheme"))) {
        return err_say(err, -400, "unknown pseudo header");
    }
    return 0;
}

/* nghttp2 refuses it, too; but a second Host would come in this way. */
static bool has_upper_case(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
            return true;
    return false;
}

static int read_field(struct http_head *head, struct str name, struct str value, struct err *err)
{
    uint64_t length;
    if (has_upper_case(name))
        return err_say(err, -400, "a field name is not in lower case");
    if (str_eq(name, STR("host"))) {
        if (head->host.ptr != NULL && !str_eq_nocase(head->host, value))
            return err_say(err, -400, "Host is not :authority");
        head->host = value;
        return 0; /* comes back as the one Host */
    }
    if (str_eq(name, STR("content-length"))) {
        if (head->content_length >= 0 || parse_u64(value, INT64_MAX, &length) < 0)
            return err_say(err, -400, "malformed Content-Length");
        head->content_length = (int64_t) length;
    } else if (str_eq(name, STR("expect"))) {
        if (!str_eq_nocase(value, STR("100-continue")))
            return err_say(err, -417, "unknown expectation");
        head->expects_continue = true;
    }
    return add_header(head, name, value, err);
}

int http2_head_finish(struct http2_head *h, struct http_head *out_head, struct err *err)
{
    *out_head = (struct http_head){.minor_version = 1, .content_length = -1, .is_keep_alive = true};
    if (h->is_too_large)
        return err_say(err, -431, "head is longer than %d bytes", HTTP2_HEAD_MAX);
    (void) buf_room(&h->text, h->cookie_bytes + 1); /* Views begin here. */
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < h->field_count; i++) {
        struct str name = name_of(h, i), value = value_of(h, i);
        if (str_starts(name, STR(":")))
            rc = read_pseudo(out_head, name, value, err);
        else if (!str_eq(name, STR("cookie")))
            rc = read_field(out_head, name, value, err);
    }
    if (rc == 0 && h->cookie_bytes > 0)
        rc = join_cookies(h, out_head, err);
    if (rc == 0 && out_head->host.ptr != NULL)
        rc = add_header(out_head, STR("host"), out_head->host, err);
    return rc < 0 ? rc : http1_check_request(out_head, err);
}
