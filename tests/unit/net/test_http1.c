#include "test.h"

#include "net/http1.h"

#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define END  "\r\n"

/* What the parser says about `text` when it comes one byte after the other, as from a slow client:
 * the first answer that is not "more". The bytes lie at the very end of a heap block, so that the
 * sanitizer sees any look beyond them. */
static int parse_byte_by_byte(struct str text, struct http_head *head)
{
    for (size_t len = 0; len <= text.len; len++) {
        char *exact = malloc(len == 0 ? 1 : len);
        memcpy(exact, text.ptr, len);
        int rc = http1_parse_request(str_of(exact, len), head, NULL);
        free(exact);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int parse(struct str text, struct http_head *head)
{
    int rc = http1_parse_request(text, head, NULL);
    struct http_head again;
    int slow = parse_byte_by_byte(text, &again);
    if (rc != slow)
        fail_msg("whole: %d, byte by byte: %d for \"" STR_FMT "\"", rc, slow, STR_ARG(text));
    return rc;
}

static void an_ordinary_request_is_taken_apart(void **state)
{
    (void) state;
    struct str text = STR("POST /2015-03-31/functions/f/invocations?Qualifier=1&x HTTP/1.1\r\n"
                          "Host: localhost:4566\r\n"
                          "content-LENGTH: 5\r\n"
                          "X-Empty:\r\n"
                          "X-Tab:\t a\tb \t\r\n"
                          "X-Utf8: \xc3\xbc\xff\r\n"
                          "\r\nhello");
    struct http_head h;
    assert_int_equal(parse(text, &h), text.len - 5);
    assert_str(h.method, "POST");
    assert_str(h.target, "/2015-03-31/functions/f/invocations?Qualifier=1&x");
    assert_str(h.path, "/2015-03-31/functions/f/invocations");
    assert_str(h.query, "Qualifier=1&x");
    assert_str(h.host, "localhost:4566");
    assert_int_equal(h.content_length, 5);
    assert_int_equal(h.header_count, 5);
    assert_str(http_header_find(&h, STR("x-tab")), "a\tb");
    assert_str(http_header_find(&h, STR("X-EMPTY")), "");
    assert_non_null(http_header_find(&h, STR("x-empty")).ptr);
    assert_null(http_header_find(&h, STR("x-none")).ptr);
    assert_true(h.is_keep_alive && !h.is_chunked && !h.expects_continue && !h.is_upgrade);
    assert_int_equal(h.minor_version, 1);
}

static void targets_and_hosts(void **state)
{
    (void) state;
    struct http_head h;
    assert_true(parse(STR(GET HOST END), &h) > 0);
    assert_str(h.path, "/");
    assert_null(h.query.ptr);
    assert_true(parse(STR("GET /? HTTP/1.1\r\n" HOST END), &h) > 0);
    assert_str(h.query, "");
    assert_non_null(h.query.ptr);
    assert_true(parse(STR("GET http://b:80/p?q HTTP/1.1\r\n" HOST END), &h) > 0);
    assert_str(h.host, "b:80");
    assert_str(h.path, "/p");
    assert_str(h.query, "q");
    assert_true(parse(STR("GET HTTPS://b?q HTTP/1.1\r\n" HOST END), &h) > 0);
    assert_str(h.path, "/");
    assert_str(h.query, "q");
    assert_true(parse(STR("OPTIONS * HTTP/1.1\r\n" HOST END), &h) > 0);
    assert_str(h.path, "*");
    assert_true(parse(STR("GET / HTTP/1.0\r\n" END), &h) > 0);
    assert_null(h.host.ptr);
    assert_true(parse(STR(GET "Host:\r\n" END), &h) > 0);
    assert_str(h.host, "");
    assert_true(parse(STR(GET "Host: [::1]:4566\r\n" END), &h) > 0);
    assert_true(parse(STR("GET /\xc3\xbc HTTP/1.1\r\n" HOST END), &h) > 0);
    assert_true(parse(STR("\r\n" GET HOST END), &h) > 0);
    assert_true(parse(STR("GET / HTTP/1.7\r\n" HOST END), &h) > 0);
    assert_int_equal(h.minor_version, 1);
}

static void connection_options(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        bool is_keep_alive, is_upgrade;
    } cases[] = {
        {GET HOST END, true, false},
        {GET HOST "Connection: close\r\n" END, false, false},
        {GET HOST "Connection: Keep-Alive, CLOSE\r\n" END, false, false},
        {GET HOST "Connection: foo\r\nConnection: , close ,\r\n" END, false, false},
        {GET HOST "Connection: keep-alive, Upgrade\r\n" END, true, true},
        {GET HOST "Connection: closed\r\n" END, true, false},
        {"GET / HTTP/1.0\r\n" END, false, false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n" END, true, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_head h;
        assert_true(parse(str_from(cases[i].text), &h) > 0);
        assert_int_equal(h.is_keep_alive, cases[i].is_keep_alive);
        assert_int_equal(h.is_upgrade, cases[i].is_upgrade);
    }
}

static void framing(void **state)
{
    (void) state;
    struct http_head h;
    assert_true(parse(STR(POST HOST "Transfer-Encoding: Chunked\r\n" END), &h) > 0);
    assert_true(h.is_chunked);
    assert_int_equal(h.content_length, -1);
    assert_true(parse(STR(POST HOST "Content-Length: 0\r\n" END), &h) > 0);
    assert_int_equal(h.content_length, 0);
    assert_true(parse(STR(POST HOST "Content-Length: 9223372036854775807\r\n" END), &h) > 0);
    assert_true(h.content_length == INT64_MAX);
    assert_true(parse(STR(POST HOST "Expect: 100-Continue\r\n" END), &h) > 0);
    assert_true(h.expects_continue);
    assert_true(parse(STR("POST / HTTP/1.0\r\nExpect: 100-continue\r\n" END), &h) > 0);
    assert_false(h.expects_continue);
}

/* Each is a message that some reader somewhere takes, and that another reads differently. */
static const struct {
    int status;
    struct str text;
} refused[] = {
    /* framing */
    {-400, STR_INIT(POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: 5\r\nContent-Length: 5\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: 5\r\nContent-Length: 6\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: 5, 5\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: +5\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: -5\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: 5 5\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: 0x5\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length:\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: 9223372036854775808\r\n" END)},
    {-400, STR_INIT(POST HOST "Content-Length: 99999999999999999999999999\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: identity\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: xchunked\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: chunked, identity\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: chunked, chunked\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: chunked;q=1\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: \"chunked\"\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: \x0b"
                              "chunked\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding:\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" END)},
    {-400, STR_INIT("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n" END)},
    {-501, STR_INIT(POST HOST "Transfer-Encoding: gzip, chunked\r\n" END)},
    /* header lines */
    {-400, STR_INIT(POST HOST "Transfer-Encoding : chunked\r\n" END)},
    {-400, STR_INIT(POST HOST "Transfer-Encoding\t: chunked\r\n" END)},
    {-400, STR_INIT(POST HOST " Transfer-Encoding: chunked\r\n" END)},
    {-400, STR_INIT(GET " Host: a\r\n" END)},
    {-400, STR_INIT(GET HOST "X: a\r\n folded\r\n" END)},
    {-400, STR_INIT(GET HOST "X: a\r\n\tfolded\r\n" END)},
    {-400, STR_INIT(GET HOST "no colon\r\n" END)},
    {-400, STR_INIT(GET HOST ": no name\r\n" END)},
    {-400, STR_INIT(GET HOST "a(b): x\r\n" END)},
    {-400, STR_INIT(GET HOST "\xc3\xbc: x\r\n" END)},
    {-400, STR_INIT(GET HOST "X: a\0b\r\n" END)},
    {-400, STR_INIT(GET HOST "X\0: a\r\n" END)},
    {-400, STR_INIT(GET HOST "X: a\x7f\r\n" END)},
    {-400, STR_INIT(GET HOST "X: long enough for the fast path\x01\r\n" END)},
    {-400, STR_INIT(GET HOST "X: a\rb\r\n" END)},
    {-400, STR_INIT(GET HOST "X: a\rContent-Length: 5\r\n" END)},
    {-400, STR_INIT(GET HOST "X: a\nContent-Length: 5\r\n" END)},
    {-400, STR_INIT(GET HOST "\n")},
    {-400, STR_INIT(GET HOST "\r\r\n")},
    {-400, STR_INIT(GET "Host: a\n\n")},
    {-400, STR_INIT("GET / HTTP/1.1\nHost: a\r\n" END)},
    /* hosts */
    {-400, STR_INIT(GET END)},
    {-400, STR_INIT(GET HOST HOST END)},
    {-400, STR_INIT(GET HOST "hOST: b\r\n" END)},
    {-400, STR_INIT(GET "Host: a/b\r\n" END)},
    {-400, STR_INIT(GET "Host: a b\r\n" END)},
    {-400, STR_INIT(GET "Host: u@b\r\n" END)},
    {-400, STR_INIT(GET "Host: a\\b\r\n" END)},
    /* request lines */
    {-400, STR_INIT("GET  / HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET / HTTP/1.1 \r\n" HOST END)},
    {-400, STR_INIT("GET /  HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT(" GET / HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET\t/ HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET /a\tb HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET /a\0b HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET /a#b HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET a HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET * HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET http:// HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET http:///p HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET http://u@b/p HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET ftp://b/p HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("G(T / HTTP/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET /\r\n" HOST END)},
    {-400, STR_INIT("GET\r\n" HOST END)},
    {-400, STR_INIT("\r\n\r\n" GET HOST END)},
    {-400, STR_INIT("GET / http/1.1\r\n" HOST END)},
    {-400, STR_INIT("GET / HTTP/1.10\r\n" HOST END)},
    {-400, STR_INIT("GET / HTTP/1\r\n" HOST END)},
    {-400, STR_INIT("GET / HTTP/x.1\r\n" HOST END)},
    {-505, STR_INIT("PRI * HTTP/2.0\r\n" END)},
    {-505, STR_INIT("GET / HTTP/0.9\r\n" END)},
    {-501, STR_INIT("CONNECT b:80 HTTP/1.1\r\n" HOST END)},
    {-417, STR_INIT(POST HOST "Expect: magic\r\n" END)},
    {-400, STR_INIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n")}, /* TLS to a plain port */
};

static void what_is_ambiguous_or_malformed_is_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct http_head h;
        int rc = parse(refused[i].text, &h);
        if (rc != refused[i].status)
            fail_msg("%d, not %d, for \"" STR_FMT "\"", rc, refused[i].status,
                     STR_ARG(refused[i].text));
    }
}

static void every_limit_has_its_status(void **state)
{
    (void) state;
    struct http_head h;
    AUTO_BUF struct buf long_line, many, fits;
    buf_init(&long_line, 200000);
    buf_init(&many, 200000);
    buf_init(&fits, 200000);
    buf_put(&long_line, STR("GET /"));
    while (long_line.len < HTTP1_HEAD_MAX)
        buf_put_char(&long_line, 'a');
    assert_int_equal(
        http1_parse_request(str_head(buf_str(&long_line), HTTP1_HEAD_MAX - 1), &h, NULL), 0);
    assert_int_equal(http1_parse_request(buf_str(&long_line), &h, NULL), -414);
    buf_put(&long_line, STR(" HTTP/1.1\r\n" HOST END));
    assert_int_equal(http1_parse_request(buf_str(&long_line), &h, NULL), -414);

    buf_put(&fits, STR(GET HOST "X: "));
    while (fits.len < HTTP1_HEAD_MAX - 4)
        buf_put_char(&fits, 'a');
    buf_put(&fits, STR("\r\n\r\n"));
    assert_int_equal(http1_parse_request(buf_str(&fits), &h, NULL), HTTP1_HEAD_MAX);
    fits.ptr[fits.len - 4] = 'a';
    memcpy(fits.ptr + fits.len - 3, "\r\n\r", 3);
    buf_put_char(&fits, '\n');
    assert_int_equal(http1_parse_request(buf_str(&fits), &h, NULL), -431);

    buf_put(&many, STR(GET HOST));
    for (int i = 1; i < HTTP1_HEADERS_MAX; i++)
        buf_printf(&many, "x%d: %d\r\n", i, i);
    size_t len = many.len;
    buf_put(&many, STR(END));
    assert_int_equal(http1_parse_request(buf_str(&many), &h, NULL), many.len);
    assert_int_equal(h.header_count, HTTP1_HEADERS_MAX);
    many.len = len;
    buf_put(&many, STR("one-more: x\r\n" END));
    assert_int_equal(http1_parse_request(buf_str(&many), &h, NULL), -431);
}

static void control_characters_are_found_at_every_place(void **state)
{
    (void) state;
    for (int c = 0; c < 256; c++) {
        bool is_bad = (c < 0x20 && c != '\t') || c == 0x7f;
        for (size_t at = 0; at < 24; at++) {
            char text[64];
            int len = snprintf(text, sizeof text, "%sX: %024d\r\n\r\n", GET HOST, 0);
            text[(size_t) len - 28 + at] = (char) c;
            struct http_head h;
            int rc = http1_parse_request(str_of(text, (size_t) len), &h, NULL);
            assert_int_equal(rc > 0, !is_bad);
        }
    }
}

static void responses(void **state)
{
    (void) state;
    struct http_head h;
    struct str ok = STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nHost: a\r\nHost: b\r\n\r\nabc");
    assert_int_equal(http1_parse_response(ok, &h, NULL), ok.len - 3);
    assert_int_equal(h.status, 200);
    assert_str(h.reason, "OK");
    assert_int_equal(h.content_length, 3);
    assert_true(http1_parse_response(STR("HTTP/1.1 204\r\n\r\n"), &h, NULL) > 0);
    assert_true(http1_parse_response(STR("HTTP/1.0 404 Not Found\r\n\r\n"), &h, NULL) > 0);
    assert_false(h.is_keep_alive);
    assert_int_equal(http1_parse_response(STR("HTTP/1.1 200 OK\r\nX: a"), &h, NULL), 0);
    static const char *const bad[] = {
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        assert_int_equal(http1_parse_response(str_from(bad[i]), &h, &err), -502);
        assert_int_equal(err.code, -502);
        assert_true(err.text[0] != '\0');
    }
}

static void what_is_written_can_be_read(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, 1000);
    http1_put_status(&out, 429);
    http1_put_header(&out, STR("X-Split"), STR("a\r\nSet-Cookie: b\tc\0d"));
    http1_put_header(&out, STR("X\r\nY"), STR(""));
    http1_put_length(&out, 12345678901);
    http1_end_head(&out);
    assert_str(buf_str(&out), "HTTP/1.1 429 Too Many Requests\r\nX-Split: a  Set-Cookie: b\tc d\r\n"
                              "X  Y: \r\nContent-Length: 12345678901\r\n\r\n");
    buf_reset(&out);
    http1_put_status(&out, 799);
    assert_str(buf_str(&out), "HTTP/1.1 799 Unknown\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_request_is_taken_apart),
        cmocka_unit_test(targets_and_hosts),
        cmocka_unit_test(connection_options),
        cmocka_unit_test(framing),
        cmocka_unit_test(what_is_ambiguous_or_malformed_is_refused),
        cmocka_unit_test(every_limit_has_its_status),
        cmocka_unit_test(control_characters_are_found_at_every_place),
        cmocka_unit_test(responses),
        cmocka_unit_test(what_is_written_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
