/* The head of an HTTP/1.1 message (RFC 9112), read strictly.
 *
 *     GET /path?query HTTP/1.1 CRLF        request line   | HTTP/1.1 200 OK CRLF   status line
 *     name ":" OWS value OWS CRLF          header line, any number
 *     CRLF                                 end
 *
 * Whoever sits in front of us (a proxy, a gateway) reads the same bytes; where two readers can
 * disagree about the end of a message, one of them can be made to take an attacker's bytes for the
 * next request ("request smuggling"). So nothing is repaired here: whatever RFC 9112 lets a lenient
 * reader guess is refused. The parser keeps no state. It works line by line over what is there, so
 * a message gives the same answer however it was cut into packets: the first bad line decides, and
 * an incomplete line decides nothing before the limit is reached.
 *
 * Called by conn.c and client.c on their threads, and by the fuzz targets. */
#include "net/http1.h"

#include "base/assert.h"

#include <stdint.h>

/* tchar of RFC 9110 section 5.6.2. */
static const bool is_token_char[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true, ['.'] = true,
    ['^'] = true,         ['_'] = true,         ['`'] = true,         ['|'] = true, ['~'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

/* uri-host [ ":" port ] of RFC 3986, registered names included; no "@", no "/", no "\". */
static const bool is_host_char[256] = {
    ['!'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true, ['\''] = true,
    ['('] = true,         [')'] = true,         ['*'] = true, ['+'] = true, [','] = true,
    ['-'] = true,         ['.'] = true,         [':'] = true, [';'] = true, ['='] = true,
    ['['] = true,         [']'] = true,         ['_'] = true, ['~'] = true, ['0' ... '9'] = true,
    ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

static bool consists_of(const bool allowed[256], struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!allowed[(unsigned char) s.ptr[i]])
            return false;
    return true;
}

/* Control characters other than the tab. Eight bytes at a time: a byte b is below 0x20 exactly when
 * (b - 0x20) borrows and b itself is below 0x80; 0x7f is found as the zero of b ^ 0x7f. */
static bool has_control(struct str s)
{
    const uint64_t ones = UINT64_MAX / 255, highs = ones * 0x80;
    size_t at = 0;
    for (; s.len - at >= 8; at += 8) {
        uint64_t word, del;
        memcpy(&word, s.ptr + at, 8);
        del = word ^ ones * 0x7f;
        if ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs)
            break; /* A tab, a control character, or a borrow from one: look closely. */
    }
    for (; at < s.len; at++) {
        unsigned char c = (unsigned char) s.ptr[at];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

struct lines {
    struct str input; /* cut at HTTP1_HEAD_MAX */
    size_t at;
};

/* The next complete line without its CRLF. 1, 0 when it is not complete, -400. */
static int lines_next(struct lines *lines, struct str *out_line, struct err *err)
{
    struct str rest = str_skip(lines->input, lines->at);
    const char *lf = rest.len == 0 ? NULL : memchr(rest.ptr, '\n', rest.len);
    if (lf == NULL)
        return 0;
    size_t len = (size_t) (lf - rest.ptr);
    if (len == 0 || lf[-1] != '\r')
        return err_say(err, -400, "line ends without a carriage return");
    *out_line = str_of(rest.ptr, len - 1);
    lines->at += len + 1;
    return 1;
}

static int parse_version(struct str version, int *out_minor, struct err *err)
{
    if (version.len != 8 || !str_starts(version, STR("HTTP/")) || version.ptr[6] != '.' ||
        version.ptr[5] < '0' || version.ptr[5] > '9' || version.ptr[7] < '0' ||
        version.ptr[7] > '9')
        return err_say(err, -400, "malformed protocol version");
    if (version.ptr[5] != '1')
        return err_say(err, -505, "HTTP version is not supported");
    *out_minor = version.ptr[7] == '0' ? 0 : 1;
    return 0;
}

static void set_path(struct http_head *head, struct str path)
{
    size_t at = str_find(path, '?');
    head->path = str_head(path, at);
    head->query = at == path.len ? STR_NONE : str_skip(path, at + 1);
    if (head->path.len == 0)
        head->path = STR("/");
}

/* RFC 9112 section 3.2: "/path?query", "http://host/path?query", or "*" with OPTIONS. The
 * authority of an absolute target replaces the Host header (section 3.2.2). */
static int parse_target(struct http_head *head, struct err *err)
{
    struct str target = head->target;
    if (has_control(target) || memchr(target.ptr, '\t', target.len) != NULL ||
        memchr(target.ptr, '#', target.len) != NULL)
        return err_say(err, -400, "malformed request target");
    if (target.ptr[0] == '/') {
        set_path(head, target);
        return 0;
    }
    if (str_eq(head->method, STR("CONNECT")))
        return err_say(err, -501, "CONNECT is not supported");
    if (str_eq(target, STR("*")) && str_eq(head->method, STR("OPTIONS"))) {
        head->path = target;
        return 0;
    }
    size_t scheme = str_starts_nocase(target, STR("http://"))    ? 7
                    : str_starts_nocase(target, STR("https://")) ? 8
                                                                 : 0;
    struct str rest = str_skip(target, scheme);
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    head->host = str_head(rest, len);
    if (scheme == 0 || len == 0 || !consists_of(is_host_char, head->host))
        return err_say(err, -400, "malformed request target");
    set_path(head, str_skip(rest, len));
    return 0;
}

/* method SP target SP version, exactly. */
static int parse_request_line(struct http_head *head, struct str line, struct err *err)
{
    size_t method_len = str_find(line, ' ');
    struct str rest = str_skip(line, method_len + 1);
    size_t target_len = str_find(rest, ' ');
    head->method = str_head(line, method_len);
    head->target = str_head(rest, target_len);
    if (head->method.len == 0 || !consists_of(is_token_char, head->method))
        return err_say(err, -400, "malformed method");
    if (head->target.len == 0 || target_len == rest.len)
        return err_say(err, -400, "malformed request line");
    int rc = parse_version(str_skip(rest, target_len + 1), &head->minor_version, err);
    return rc < 0 ? rc : parse_target(head, err);
}

/* version SP 3DIGIT [SP reason] */
static int parse_status_line(struct http_head *head, struct str line, struct err *err)
{
    int rc = parse_version(str_head(line, 8), &head->minor_version, err);
    if (rc < 0)
        return rc;
    struct str code = str_head(str_skip(line, 9), 3);
    uint64_t status;
    if (line.len < 12 || line.ptr[8] != ' ' || (line.len > 12 && line.ptr[12] != ' ') ||
        parse_u64(code, 999, &status) < 0 || status < 100)
        return err_say(err, -502, "malformed status line");
    head->status = (int) status;
    head->reason = str_skip(line, 13);
    return has_control(head->reason) ? err_say(err, -502, "malformed reason") : 0;
}

static int parse_header_line(struct http_head *head, struct str line, struct err *err)
{
    size_t colon = str_find(line, ':');
    struct str name = str_head(line, colon), value = str_skip(line, colon + 1);
    /* A line that begins with a blank (folding), blanks before the colon, no colon, no name. */
    if (colon == line.len || name.len == 0 || !consists_of(is_token_char, name))
        return err_say(err, -400, "malformed header line");
    if (has_control(value))
        return err_say(err, -400, "control character in a header");
    if (head->header_count == HTTP1_HEADERS_MAX)
        return err_say(err, -431, "more than %d header lines", HTTP1_HEADERS_MAX);
    head->headers[head->header_count++] = (struct http_header){name, str_trim(value)};
    return 0;
}

/* What the headers say about framing, gathered before it is judged. */
struct framing {
    struct str transfer_encoding;
    size_t hosts, lengths, encodings;
    bool has_close, has_keep_alive;
};

static void read_connection(struct http_head *head, struct framing *framing, struct str value)
{
    struct str option;
    while (str_split(&value, ',', &option)) {
        option = str_trim(option);
        framing->has_close |= str_eq_nocase(option, STR("close"));
        framing->has_keep_alive |= str_eq_nocase(option, STR("keep-alive"));
        head->is_upgrade |= str_eq_nocase(option, STR("upgrade"));
    }
}

static int read_length(struct http_head *head, struct framing *framing, struct str value,
                       struct err *err)
{
    uint64_t length;
    if (framing->lengths++ > 0)
        return err_say(err, -400, "two Content-Length headers");
    if (parse_u64(value, INT64_MAX, &length) < 0)
        return err_say(err, -400, "malformed Content-Length");
    head->content_length = (int64_t) length;
    return 0;
}

static int read_host(struct http_head *head, struct framing *framing, struct str value,
                     struct err *err)
{
    if (framing->hosts++ > 0)
        return err_say(err, -400, "two Host headers");
    if (!consists_of(is_host_char, value))
        return err_say(err, -400, "malformed Host");
    if (head->host.ptr == NULL)
        head->host = value;
    return 0;
}

static int read_expect(struct http_head *head, struct str value, struct err *err)
{
    if (!str_eq_nocase(value, STR("100-continue")))
        return err_say(err, -417, "unknown expectation");
    head->expects_continue = head->minor_version > 0; /* RFC 9110 section 10.1.1 */
    return 0;
}

static int read_header(struct http_head *head, struct framing *framing,
                       const struct http_header *header, struct err *err)
{
    struct str name = header->name, value = header->value;
    bool is_request = head->status == 0;
    switch (name.len) { /* Most headers are told apart by their length alone. */
    case 4:
        return is_request && str_eq_nocase(name, STR("host")) ? read_host(head, framing, value, err)
                                                              : 0;
    case 6:
        return is_request && str_eq_nocase(name, STR("expect")) ? read_expect(head, value, err) : 0;
    case 10:
        if (str_eq_nocase(name, STR("connection")))
            read_connection(head, framing, value);
        return 0;
    case 14:
        return str_eq_nocase(name, STR("content-length")) ? read_length(head, framing, value, err)
                                                          : 0;
    case 17:
        if (str_eq_nocase(name, STR("transfer-encoding"))) {
            framing->transfer_encoding = value;
            framing->encodings++;
        }
        return 0;
    default: return 0;
    }
}

/* RFC 9112 section 6.1. "gzip, chunked" is legal but unknown to us; anything that does not end in
 * one "chunked" has no end that two readers agree on. */
static int judge_encoding(struct http_head *head, const struct framing *framing, struct err *err)
{
    if (framing->lengths > 0)
        return err_say(err, -400, "both Content-Length and Transfer-Encoding");
    if (framing->encodings > 1 || head->minor_version == 0)
        return err_say(err, -400, "ambiguous Transfer-Encoding");
    struct str rest = framing->transfer_encoding, coding = STR_NONE;
    size_t codings = 0, chunked = 0;
    while (str_split(&rest, ',', &coding)) {
        coding = str_trim(coding);
        codings++;
        chunked += str_eq_nocase(coding, STR("chunked"));
    }
    if (chunked != 1 || !str_eq_nocase(coding, STR("chunked")))
        return err_say(err, -400, "Transfer-Encoding does not end in chunked");
    if (codings > 1)
        return err_say(err, -501, "transfer coding is not supported");
    head->is_chunked = true;
    return 0;
}

static int judge(struct http_head *head, struct err *err)
{
    struct framing framing = {0};
    for (size_t i = 0; i < head->header_count; i++) {
        int rc = read_header(head, &framing, &head->headers[i], err);
        if (rc < 0)
            return rc;
    }
    if (head->status == 0 && framing.hosts == 0 && head->minor_version > 0)
        return err_say(err, -400, "no Host header");
    head->is_keep_alive = !framing.has_close && (head->minor_version > 0 || framing.has_keep_alive);
    return framing.encodings == 0 ? 0 : judge_encoding(head, &framing, err);
}

/* The headers are not cleared: only the first header_count of them mean anything. */
static void head_clear(struct http_head *head)
{
    head->method = head->target = head->path = head->query = head->reason = head->host = STR_NONE;
    head->status = 0;
    head->minor_version = 0;
    head->header_count = 0;
    head->content_length = -1;
    head->is_chunked = head->is_keep_alive = head->expects_continue = head->is_upgrade = false;
}

/* An incomplete head: wait for more, unless no more is allowed. */
static int incomplete(const struct lines *lines, int too_long, struct err *err)
{
    if (lines->input.len < HTTP1_HEAD_MAX)
        return 0;
    return err_say(err, too_long, "head is longer than %d bytes", HTTP1_HEAD_MAX);
}

typedef int (*first_line_fn)(struct http_head *head, struct str line, struct err *err);

static int parse_head(struct str input, first_line_fn parse_first, struct http_head *head,
                      struct err *err)
{
    head_clear(head);
    struct lines lines = {.input = str_head(input, HTTP1_HEAD_MAX)};
    struct str line;
    int rc = lines_next(&lines, &line, err);
    if (rc > 0 && line.len == 0)
        rc = lines_next(&lines, &line, err);
    if (rc <= 0)
        return rc < 0 ? rc : incomplete(&lines, -414, err);
    rc = parse_first(head, line, err);
    if (rc < 0)
        return rc;
    for (;;) {
        rc = lines_next(&lines, &line, err);
        if (rc <= 0)
            return rc < 0 ? rc : incomplete(&lines, -431, err);
        if (line.len == 0)
            break;
        rc = parse_header_line(head, line, err);
        if (rc < 0)
            return rc;
    }
    rc = judge(head, err);
    return rc < 0 ? rc : (int) lines.at;
}

int http1_parse_request(struct str input, struct http_head *out_head, struct err *err)
{
    return parse_head(input, parse_request_line, out_head, err);
}

int http1_check_request(struct http_head *head, struct err *err)
{
    struct str host = head->host;
    if (head->method.len == 0 || !consists_of(is_token_char, head->method))
        return err_say(err, -400, "malformed method");
    if (head->target.len == 0 || str_find(head->target, ' ') < head->target.len)
        return err_say(err, -400, "malformed request target");
    if (host.len == 0)
        return err_say(err, -400, "no Host header");
    if (!consists_of(is_host_char, host))
        return err_say(err, -400, "malformed Host");
    int rc = parse_target(head, err);
    if (rc == 0 && !str_eq(head->host, host)) /* "http://elsewhere/" */
        return err_say(err, -400, "malformed request target");
    return rc;
}

int http1_parse_response(struct str input, struct http_head *out_head, struct err *err)
{
    int rc = parse_head(input, parse_status_line, out_head, err);
    if (rc < 0 && err != NULL)
        err->code = -502;
    return rc < 0 ? -502 : rc;
}

struct str http_header_find(const struct http_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (str_eq_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return STR_NONE;
}
