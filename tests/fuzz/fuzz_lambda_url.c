/* Function URLs: whatever a client sends becomes a valid event, and whatever a function returns
 * becomes an answer that can be sent, or none; a streamed one the same one however it is cut.
 * Input: query, path, type, cookie and body, each up to a NUL; the body is the function's result,
 * too. */
#include "base/assert.h"
#include "data/json.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(struct arena *arena, const struct front_in *in)
{
    const struct url_row row = {.id = STR("id"), .is_iam = in->http.body.len % 2 == 0};
    const struct op op = {.arena = arena,
                          .now_ms = 1795210800123,
                          .request_id = STR("r"),
                          .caller = {.account = STR("0"), .principal = STR("p")}};
    AUTO_BUF struct buf event;
    buf_init(&event, 16 << 20);
    url_event(&op, in, &row, &event);
    assert(buf_is_over(&event) || json_is_valid(buf_str(&event), NULL));
}

static void check_answer(struct arena *arena, struct str result)
{
    struct aws_http_answer answer;
    if (url_answer(result, arena, &answer) < 0)
        return;
    assert(answer.status >= 200 && answer.status <= 599);
    assert(answer.header_count > 0 && answer.header_count <= AWS_HEADERS_MAX);
}

/* Feeds bytes in pieces of that size: what of them is the body. */
static enum url_head_state feed(struct arena *arena, struct str bytes, size_t size,
                                struct buf *body, struct aws_http_answer *out)
{
    struct url_head head;
    url_head_begin(&head, STR("application/vnd.awslambda.http-integration-response"), arena, out);
    for (; bytes.len > 0; bytes = str_skip(bytes, size))
        buf_put(body, url_head_feed(&head, str_head(bytes, size), arena, out));
    url_head_done(&head);
    return head.state;
}

static void check_stream(struct arena *arena, struct str bytes, size_t size)
{
    AUTO_BUF struct buf whole, cut;
    struct aws_http_answer first = {0}, second = {0};
    buf_init(&whole, 16 << 20);
    buf_init(&cut, 16 << 20);
    enum url_head_state state = feed(arena, bytes, bytes.len, &whole, &first);
    assert(feed(arena, bytes, size, &cut, &second) == state);
    assert(str_eq(buf_str(&whole), buf_str(&cut)));
    assert(first.status == second.status && first.header_count == second.header_count);
    assert(state == URL_HEAD_KNOWN ? first.status >= 200 && first.header_count > 0
                                   : whole.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_of(data, size), parts[4];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        parts[i] = str_head(rest, str_find(rest, '\0'));
        rest = str_skip(rest, parts[i].len + 1);
    }
    const struct http_header headers[] = {{STR("Host"), STR("h:1")},
                                          {STR("Content-Type"), parts[2]},
                                          {STR("Cookie"), parts[3]},
                                          {STR("cookie"), parts[1]}};
    const struct front_in in = {
        .http = {.method = STR("POST"),
                 .path = parts[1],
                 .query = parts[0],
                 .headers = headers,
                 .header_count = ARRAY_LEN(headers),
                 .body = rest},
        .host = STR("h:1"),
        .peer = STR("127.0.0.1"),
    };
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 64 << 20);
    check_event(&arena, &in);
    check_answer(&arena, rest);
    check_stream(&arena, rest, 1 + parts[0].len);
    return 0;
}
