#include "test.h"

#include "net/http1.h"

/* Decodes text in pieces of `step` bytes. Returns -400, or the bytes used; *out_done says whether
 * the end was met. */
static int decode(struct str text, size_t step, struct buf *body, bool *out_done)
{
    struct http1_chunked c = {0};
    size_t at = 0;
    buf_reset(body);
    while (at < text.len && !c.is_done) {
        struct str piece = str_head(str_skip(text, at), step);
        while (piece.len > 0 && !c.is_done) {
            size_t used;
            struct str data;
            if (http1_chunked_next(&c, piece, &used, &data, NULL) < 0)
                return -400;
            assert_true(used > 0 && used <= piece.len);
            buf_put(body, data);
            piece = str_skip(piece, used);
            at += used;
        }
    }
    *out_done = c.is_done;
    return (int) at;
}

static void a_body_is_the_same_in_pieces_of_any_size(void **state)
{
    (void) state;
    struct str text = STR("5\r\nhello\r\n"
                          "1;name=value;q=\"x y\"\r\n \r\n"
                          "00B\r\n wide world\r\n"
                          "0;last\r\n"
                          "X-Trailer: value\r\nX: y\r\n"
                          "\r\nGET /next");
    AUTO_BUF struct buf body;
    buf_init(&body, 1000);
    for (size_t step = 1; step <= text.len; step++) {
        bool is_done = false;
        assert_int_equal(decode(text, step, &body, &is_done), text.len - 9);
        assert_true(is_done);
        assert_str(buf_str(&body), "hello  wide world");
    }
    bool is_done = true;
    for (size_t cut = 0; cut < text.len - 9; cut++) {
        assert_int_equal(decode(str_head(text, cut), 3, &body, &is_done), cut);
        assert_false(cut > 0 && is_done);
    }
}

static void malformed_bodies_are_refused(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        " 1\r\na\r\n",
        "1 \r\na\r\n",
        "1\t;x\r\n",
        "0x1\r\n",
        "1\n",
        "1\r\r\n",
        "1\ra",
        "1;\r\na\r\n",
        "1;x\n",
        "1;\x01\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\na\r\r",
        ";x\r\n",
        "0\r\n folded: x\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\nX: a\n\r\n",
        "0\r\n\rX",
        "0\r\n\n",
        "1000000000000000\r\n", /* 16 digits */
        "ffffffffffffffffff\r\n",
    };
    AUTO_BUF struct buf body;
    buf_init(&body, 1000);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        bool is_done = false;
        for (size_t step = 1; step < 30; step++)
            if (decode(str_from(bad[i]), step, &body, &is_done) != -400)
                fail_msg("\"%s\" was taken", bad[i]);
    }
}

static void lines_and_trailers_are_bounded(void **state)
{
    (void) state;
    AUTO_BUF struct buf text, body;
    buf_init(&text, 1 << 20);
    buf_init(&body, 1000);
    bool is_done = false;
    buf_put(&text, STR("1;"));
    while (text.len < HTTP1_CHUNK_LINE_MAX - 2)
        buf_put_char(&text, 'x');
    buf_put(&text, STR("\r\na\r\n0\r\n\r\n"));
    assert_int_equal(decode(buf_str(&text), 100, &body, &is_done), text.len);
    assert_true(is_done);
    buf_reset(&text);
    buf_put(&text, STR("1;"));
    while (text.len < HTTP1_CHUNK_LINE_MAX + 1)
        buf_put_char(&text, 'x');
    assert_int_equal(decode(buf_str(&text), 100, &body, &is_done), -400);
    buf_reset(&text);
    buf_put(&text, STR("0\r\n"));
    while (text.len < HTTP1_HEAD_MAX + 20)
        buf_put(&text, STR("x: y\r\n"));
    assert_int_equal(decode(buf_str(&text), 4096, &body, &is_done), -400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_the_same_in_pieces_of_any_size),
        cmocka_unit_test(malformed_bodies_are_refused),
        cmocka_unit_test(lines_and_trailers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
