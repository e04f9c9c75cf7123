/* Writing HTTP/1.1 heads into a buf. Names and values come from handlers, hence partly from
 * clients and functions: a control character in one would end the line and begin another
 * ("response splitting"), so it is written as a blank. */
#include "net/http1.h"

#include "base/assert.h"

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {424, "Failed Dependency"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http_reason(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown"; /* A function may answer any status; the phrase is for people only. */
}

void http1_put_status(struct buf *out, int status)
{
    assert(status >= 100 && status <= 999);
    if (status == 200) {
        buf_put(out, STR("HTTP/1.1 200 OK\r\n"));
        return;
    }
    buf_put(out, STR("HTTP/1.1 "));
    buf_put_u64(out, (uint64_t) status);
    buf_put_char(out, ' ');
    buf_put(out, str_from(http_reason(status)));
    buf_put(out, STR("\r\n"));
}

static void put_clean(char *to, struct str from)
{
    for (size_t i = 0; i < from.len; i++) {
        unsigned char c = (unsigned char) from.ptr[i];
        to[i] = (c < 0x20 && c != '\t') || c == 0x7f ? ' ' : (char) c;
    }
}

void http1_put_header(struct buf *out, struct str name, struct str value)
{
    char *to = buf_room(out, name.len + value.len + 4);
    if (to == NULL)
        return;
    put_clean(to, name);
    memcpy(to + name.len, ": ", 2);
    put_clean(to + name.len + 2, value);
    memcpy(to + name.len + 2 + value.len, "\r\n", 2);
    buf_added(out, name.len + value.len + 4);
}

void http1_put_length(struct buf *out, uint64_t content_length)
{
    buf_put(out, STR("Content-Length: "));
    buf_put_u64(out, content_length);
    buf_put(out, STR("\r\n"));
}

void http1_end_head(struct buf *out)
{
    buf_put(out, STR("\r\n"));
}
