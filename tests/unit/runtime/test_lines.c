/* The assembler of lines: whatever pieces the bytes come in, the same lines leave, none too long,
 * no character cut. */
#include "test.h"

#include "base/mem.h"
#include "runtime/lines.h"

enum { SEEN_MAX = 64 };

struct seen {
    struct buf text;      /* all lines, as they came */
    size_t len[SEEN_MAX]; /* of each */
    int64_t at_ms[SEEN_MAX];
    size_t count;
};

static void see(void *arg, int64_t at_ms, struct str line)
{
    struct seen *seen = arg;
    assert_true(line.len > 0 && line.len <= LINE_SIZE_MAX);
    assert_true(seen->count < SEEN_MAX);
    seen->len[seen->count] = line.len;
    seen->at_ms[seen->count++] = at_ms;
    buf_put(&seen->text, line);
}

static void seen_init(struct seen *seen)
{
    *seen = (struct seen){.count = 0};
    buf_init(&seen->text, 4 << 20);
}

static void feed(struct lines *lines, struct seen *seen, int64_t at_ms, struct str text)
{
    char *bytes = mem_copy(text.ptr, text.len); /* of its own: sanitizers see each step beyond */
    lines_feed(lines, at_ms, bytes, text.len, see, seen);
    free(bytes);
}

static void test_pieces(void **state)
{
    (void) state;
    const struct str text = STR("one\ntwo\n\n\nfive and more\nno end");
    for (size_t cut = 0; cut <= text.len; cut++) {
        struct lines lines;
        struct seen seen;
        lines_init(&lines);
        seen_init(&seen);
        feed(&lines, &seen, 1, str_head(text, cut));
        feed(&lines, &seen, 2, str_skip(text, cut));
        assert_int_equal(seen.count, 5);
        assert_true(lines_has_rest(&lines));
        lines_flush(&lines, see, &seen);
        lines_flush(&lines, see, &seen); /* nothing is left */
        assert_int_equal(seen.count, 6);
        assert_str(buf_str(&seen.text), "one\ntwo\n\n\nfive and more\nno end");
        /* A line's time is that of its first byte. */
        assert_int_equal(seen.at_ms[0], cut > 0 ? 1 : 2);
        assert_int_equal(seen.at_ms[5], cut > 24 ? 1 : 2);
        assert_false(lines_has_rest(&lines));
        buf_done(&seen.text);
        lines_done(&lines);
    }
}

static void test_newlines_inside(void **state)
{
    (void) state;
    struct lines lines;
    struct seen seen;
    lines_init(&lines);
    seen_init(&seen);
    feed(&lines, &seen, 1, str_of("a\0b\0\nc\0", 7));
    feed(&lines, &seen, 1, str_of("\0d\n", 3));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.len[0], 5);
    assert_str(buf_str(&seen.text), "a\nb\n\nc\n\nd\n");
    buf_done(&seen.text);
    lines_done(&lines);
}

/* Long lines in pieces of any size: cut at the limit, and never inside a character. */
static void check_long(const char *character, size_t piece, size_t total)
{
    struct lines lines;
    struct seen seen;
    struct buf text;
    size_t width = strlen(character);
    buf_init(&text, 4 << 20);
    while (text.len + width <= total)
        buf_put(&text, str_from(character));
    buf_put_char(&text, '\n');
    lines_init(&lines);
    seen_init(&seen);
    for (struct str rest = buf_str(&text); rest.len > 0; rest = str_skip(rest, piece))
        feed(&lines, &seen, 1, str_head(rest, piece < rest.len ? piece : rest.len));
    assert_false(lines_has_rest(&lines));
    assert_true(str_eq(buf_str(&seen.text), buf_str(&text)));
    assert_int_equal(seen.count, (text.len + LINE_SIZE_MAX - 1) / LINE_SIZE_MAX);
    for (size_t i = 0; i + 1 < seen.count; i++)
        assert_int_equal(seen.len[i] % width, 0);
    buf_done(&text);
    buf_done(&seen.text);
    lines_done(&lines);
}

static void test_long(void **state)
{
    (void) state;
    for (size_t piece = 8192; piece <= 1 << 20; piece = piece * 3 + 1) {
        check_long("x", piece, 600000);
        check_long("\xE2\x82\xAC", piece, 600000);     /* three bytes */
        check_long("\xF0\x9F\x98\x80", piece, 600000); /* four */
        check_long("x", piece, LINE_SIZE_MAX - 1);     /* just fits with its end */
    }
}

/* No UTF-8 at all: cut all the same. */
static void test_garbage(void **state)
{
    (void) state;
    static char bytes[LINE_SIZE_MAX * 2 + 5];
    struct lines lines;
    struct seen seen;
    memset(bytes, 0x80, sizeof bytes);
    lines_init(&lines);
    seen_init(&seen);
    lines_feed(&lines, 1, bytes, sizeof bytes, see, &seen);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.len[0], LINE_SIZE_MAX);
    assert_int_equal(lines.rest.len, 5);
    buf_done(&seen.text);
    lines_done(&lines); /* a part that nobody asked for is freed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_newlines_inside),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
