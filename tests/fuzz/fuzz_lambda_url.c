/* Function URLs: whatever a client sends becomes a valid event, and whatever a function returns
 * becomes an answer that can be sent, or none. Input: query, path, type, cookie and body, each up
 * to a NUL; the body is the function's result, too. */
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
    return 0;
}
