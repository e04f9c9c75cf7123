/* The head of an answer that a function streams to its URL.
 *
 *     Content-Type application/vnd.awslambda.http-integration-response:
 *         {"statusCode": 201, "headers": {…}, "cookies": […]}  NUL * 8  the body
 *     any other:
 *         the body; status 200, and that type
 *
 * The pieces that a function writes may be cut anywhere, so the prelude is gathered until its NULs
 * are there. One that is too long, or no such object, makes the answer a 502. Without a content
 * type of its own a prelude means bytes.
 *
 * Source: Lambda developer guide, "Configuring a Lambda function to stream responses"; the official
 * clients for Node.js, Go and Rust, which write it. */
#include "services/lambda/url.h"

enum { PRELUDE_MAX = 64 * 1024, NULS = 8 };

static const char nuls[NULS];

bool url_is_integration(struct str content_type)
{
    struct str name = STR("application/vnd.awslambda.http-integration-response");
    return str_eq_nocase(str_trim(str_head(content_type, str_find(content_type, ';'))), name);
}

void url_head_begin(struct url_head *head, struct str content_type, struct arena *arena,
                    struct aws_http_answer *out)
{
    *head = (struct url_head){.state = URL_HEAD_PRELUDE};
    buf_init(&head->text, PRELUDE_MAX);
    if (url_is_integration(content_type))
        return;
    head->state = URL_HEAD_KNOWN;
    *out = (struct aws_http_answer){.status = 200, .body = STR("")};
    (void) url_header_add(out, STR("Content-Type"), arena_str(arena, content_type)); /* the first */
}

static enum url_head_state read_prelude(struct url_head *head, size_t len, struct arena *arena,
                                        struct aws_http_answer *out)
{
    if (url_prelude(str_head(buf_str(&head->text), len), arena, out) < 0)
        return URL_HEAD_BROKEN;
    return URL_HEAD_KNOWN;
}

struct str url_head_feed(struct url_head *head, struct str bytes, struct arena *arena,
                         struct aws_http_answer *out)
{
    if (head->state == URL_HEAD_KNOWN)
        return bytes;
    if (head->state == URL_HEAD_BROKEN)
        return STR_NONE;
    size_t before = head->text.len, overlap = before < NULS - 1 ? before : NULS - 1;
    struct str part = str_head(bytes, PRELUDE_MAX - before);
    buf_put(&head->text, part);
    struct str window = str_skip(buf_str(&head->text), before - overlap);
    size_t at = str_find_str(window, str_of(nuls, NULS));
    if (at == window.len) {
        if (head->text.len == PRELUDE_MAX)
            head->state = URL_HEAD_BROKEN;
        return STR_NONE;
    }
    size_t len = before - overlap + at;
    head->state = read_prelude(head, len, arena, out);
    return head->state == URL_HEAD_KNOWN ? str_skip(bytes, len + NULS - before) : STR_NONE;
}

void url_head_done(struct url_head *head)
{
    buf_done(&head->text);
}
