/* HTTP request heads: the same answer for every prefix that holds the deciding bytes, views inside
 * the input, and an accepted head that is written again parses to the same head. */
#include "net/http1.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct http_head first, second;

static bool is_inside(struct str part, struct str whole)
{
    return part.ptr == NULL || part.len == 0 ||
           (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_views(const struct http_head *head, struct str input)
{
    assert(is_inside(head->method, input) && is_inside(head->target, input));
    assert(is_inside(head->query, input) && is_inside(head->host, input));
    assert(is_inside(head->path, input) || str_eq(head->path, STR("/")));
    assert(!(head->is_chunked && head->content_length >= 0));
    for (size_t i = 0; i < head->header_count; i++)
        assert(is_inside(head->headers[i].name, input) && is_inside(head->headers[i].value, input));
}

/* Writes the head as we would and reads it back. */
static void check_again(const struct http_head *head)
{
    AUTO_BUF struct buf out;
    buf_init(&out, 4 * HTTP1_HEAD_MAX);
    buf_put(&out, head->method);
    buf_put_char(&out, ' ');
    buf_put(&out, head->target);
    buf_printf(&out, " HTTP/1.%d\r\n", head->minor_version);
    for (size_t i = 0; i < head->header_count; i++)
        http1_put_header(&out, head->headers[i].name, head->headers[i].value);
    http1_end_head(&out);
    if (out.len > HTTP1_HEAD_MAX)
        return; /* ": " where the original had ":" */
    int rc = http1_parse_request(buf_str(&out), &second, NULL);
    assert(rc == (int) out.len);
    assert(second.header_count == head->header_count);
    assert(second.content_length == head->content_length);
    assert(second.is_chunked == head->is_chunked && second.is_keep_alive == head->is_keep_alive);
    assert(str_eq(second.host, head->host) && str_eq(second.path, head->path));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str input = str_of(bytes, size);
    struct err err;
    int rc = http1_parse_request(input, &first, &err);
    assert(rc <= (int) size && (rc >= 0 || (rc == err.code && -rc >= 400 && -rc < 600)));
    if (rc > 0) {
        check_views(&first, input);
        check_again(&first);
    }
    /* A prefix either waits or says what the whole says. */
    size_t step = size / 64 + 1;
    for (size_t cut = 0; cut < size; cut += step) {
        int part = http1_parse_request(str_head(input, cut), &second, NULL);
        assert(part == 0 || part == rc);
    }
    return 0;
}
