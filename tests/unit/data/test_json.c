#include "test.h"

#include "data/json.h"

#include <math.h>

/* Documents after the y_ and n_ cases of N. Seriot's JSONTestSuite ("Parsing JSON is a
 * Minefield"); its i_ cases (left to the implementation) are decided here. */
static const char *const valid[] = {
    "[[]   ]",
    "[\"\"]",
    "[]",
    "{}",
    "[\"a\"]",
    "[false]",
    "[null, 1, \"1\", {}]",
    "[null]",
    "[1\n]",
    " [1]",
    "[1,null,null,null,2]",
    "[2] ",
    "[123e65]",
    "[0e+1]",
    "[0e1]",
    "[ 4]",
    "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]",
    "[20e1]",
    "[-0]",
    "[-123]",
    "[-1]",
    "[1E22]",
    "[1E-2]",
    "[1E+2]",
    "[123.456e78]",
    "[123.456789]",
    "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}",
    "{\"a\":\"b\",\"a\":\"c\"}",
    "{\"\":0}",
    "{\"foo\\u0000bar\": 42}",
    "{\"a\":[]}",
    "{\n\"a\": \"b\"\n}",
    "[\"\\u0060\\u012a\\u12AB\"]",
    "[\"\\uD801\\udc37\"]",
    "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
    "[\"\\\\u0000\"]",
    "[\"\\\\n\"]",
    "[\"a/*b*/c/*d//e\"]",
    "[\"\xF0\x9D\x84\x9E\"]",
    "[\"\xEF\xBF\xBF\"]",
    "[\"\\uFFFF\"]",
    "[\"\xE2\x80\xA8\xE2\x80\xA9\"]",
    "[\"\x7f\"]",
    "[\"\\u0000\"]",
    "[\"\xCF\x80\"]",
    "\" \"",
    "false",
    "42",
    "-0.1",
    "null",
    "\"asd\"",
    "true",
    "[\"a\"]\n",
    "[true]",
    " [] ",
    "\t\r\n1\t\r\n",
    "[1e9999999]", /* i_: numbers are text here, so their size does not matter */
    "[123123123123123123123123123123123123123123123123123123]",
};

static const char *const invalid[] = {
    "",
    " ",
    "[1 true]",
    "[a\xE5]",
    "[\"\": 1]",
    "[\"\"],",
    "[,1]",
    "[1,,2]",
    "[\"x\",,]",
    "[\"x\"]]",
    "[\"\",]",
    "[\"x\"",
    "[x",
    "[3[4]]",
    "[\xFF]",
    "[1:2]",
    "[,]",
    "[-]",
    "[   , \"\"]",
    "[\"a\",\n4\n,1,",
    "[1,]",
    "[\"\013a\"\\f]",
    "[*]",
    "[1,\n1\n,1",
    "[{}",
    "[fals]",
    "[nul]",
    "[tru]",
    "[++1234]",
    "[+1]",
    "[+Inf]",
    "[-01]",
    "[-1.0.]",
    "[-2.]",
    "[-NaN]",
    "[.-1]",
    "[.2e-3]",
    "[0.1.2]",
    "[0.3e+]",
    "[0.3e]",
    "[0.e1]",
    "[0E+]",
    "[0E]",
    "[1.0e+]",
    "[1.0e-]",
    "[1.0e]",
    "[1 000.0]",
    "[1eE2]",
    "[2.e+3]",
    "[9.e+]",
    "[Inf]",
    "[NaN]",
    "[\xEF\xBC\x91]",
    "[1+2]",
    "[0x1]",
    "[0x42]",
    "[Infinity]",
    "[-Infinity]",
    "[-123.123foo]",
    "[-foo]",
    "[- 1]",
    "[-012]",
    "[-.123]",
    "[-1x]",
    "[1ea]",
    "[1.]",
    "[.123]",
    "[1.2a-3]",
    "[012]",
    "[\"x\", truth]",
    "{[: \"x\"}\n",
    "{\"x\", null}",
    "{\"x\"::\"b\"}",
    "{\xF0\x9F\x87\xA8}",
    "{\"a\":\"a\" 123}",
    "{key: 'value'}",
    "{\"a\" b}",
    "{:\"b\"}",
    "{\"a\" \"b\"}",
    "{\"a\":",
    "{\"a\"",
    "{1:1}",
    "{9999E9999:1}",
    "{null:null,null:null}",
    "{\"id\":0,,,,,}",
    "{'a':0}",
    "{\"id\":0,}",
    "{\"a\":\"b\"}/**/",
    "{\"a\":\"b\"}//",
    "{\"a\":\"b\",,\"c\":\"d\"}",
    "{a: \"b\"}",
    "{\"a\":\"a",
    "{ \"foo\" : \"bar\", \"a\" }",
    "{\"a\":\"b\"}#",
    "{\"a\":true} \"x\"",
    " \"",
    "[\"\\uD800\\\"]",
    "[\"\\uD800\\u\"]",
    "[\"\\uD800\\u1\"]",
    "[\"\\uD800\\u1x\"]",
    "[\xC3\xA9]",
    "[\"\\x00\"]",
    "[\"\\\\\\\"]",
    "[\"\\\t\"]",
    "[\"\\\xF0\x9F\x8C\x80\"]",
    "[\"\\\"]",
    "[\"\\u00A\"]",
    "[\"\\uD834\\uDd\"]",
    "[\"\\uqqqq\"]",
    "[\"\\a\"]",
    "[\"\\u\xE5\"]",
    "[\"\\",
    "['single quote']",
    "abc",
    "[\"a",
    "[\"new\nline\"]",
    "[\"\t\"]",
    "\"\\UA66D\"",
    "\"\"x",
    "<.>",
    "[<null>]",
    "[1]x",
    "[1]]",
    "\"asd]",
    "a\xC3\xA5",
    "[True]",
    "1]",
    "{\"x\": true,",
    "[][]",
    "]",
    "{\"\":",
    "{]",
    "[}",
    "{\"a\":1]",
    "[1}",
    "\xEF\xBB\xBF{}", /* i_: a byte order mark */
    "2@",
    "{}}",
    "{\"a\":/*comment*/\"b\"}",
    "{\"a\": true} \"x\"",
    "['",
    "[,",
    "[{",
    "[\"a\"",
    "{",
    "{,",
    "{'a'",
    "{\"a",
    "*",
    "[\"\\{[\"\\{[\"\\{[\"\\{",
    "\xC3\xA9",
    "[\f]",
    "[\xE2\x81\xA0]",
    "[\"\\u002\"]",
    "[\"\xED\xA0\x80\"]", /* i_: not UTF-8 */
    "[\"\xC0\xAF\"]",
    "[\"\x81\"]",
    "[\"\xF4\xBF\xBF\xBF\"]",
    "[\"\xE0\xFF\"]",
    "[\"\xFC\x80\x80\x80\x80\x80\"]",
    "[\"\xFF\"]",
    "[\"\xE6\x97\xA5\xD1\x88\xFA\"]",
};

/* i_: lone surrogates, halves in the wrong order; and what a lenient reader makes of them. */
static const struct {
    const char *text, *lenient;
} halves[] = {
    {"[\"\\uD800\"]", "\xEF\xBF\xBD"},
    {"[\"\\uDC00\"]", "\xEF\xBF\xBD"},
    {"[\"\\uD800abc\"]", "\xEF\xBF\xBD"
                         "abc"},
    {"[\"\\uDd1e\\uD834\"]", "\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"[\"\\uD800\\uD800\\uDC00\"]", "\xEF\xBF\xBD\xF0\x90\x80\x80"},
    {"[\"\\uD888\\u1234\"]", "\xEF\xBF\xBD\xE1\x88\xB4"},
};

static void lone_surrogates(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        struct json_reader r;
        assert_true(json_is_valid(str_from(halves[i].text), NULL));
        json_reader_init(&r, str_from(halves[i].text), &arena);
        assert_int_equal(json_next(&r), JSON_ARRAY_BEGIN);
        assert_int_equal(json_next(&r), JSON_ERROR);
        json_reader_init(&r, str_from(halves[i].text), &arena);
        r.is_lenient = true;
        assert_int_equal(json_next(&r), JSON_ARRAY_BEGIN);
        assert_int_equal(json_next(&r), JSON_STRING);
        assert_str(r.text, halves[i].lenient);
    }
}

static void accepts_valid_texts(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        size_t at = 0;
        if (!json_is_valid(str_from(valid[i]), &at))
            fail_msg("refused at %zu: %s", at, valid[i]);
    }
}

static void refuses_invalid_texts(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
        struct str text = str_from(invalid[i]);
        size_t at = 9999;
        if (json_is_valid(text, &at))
            fail_msg("accepted: %s", invalid[i]);
        assert_true(at <= text.len);
    }
    assert_false(json_is_valid(str_of("[1]\0", 4), NULL));
    assert_false(json_is_valid(str_of("\0", 1), NULL));
    assert_false(json_is_valid(str_of("[\"a\0a\"]", 7), NULL));
    assert_false(json_is_valid(str_of("1\0", 2), NULL));
    assert_false(json_is_valid(STR_NONE, NULL));
}

/* No text that is cut short is valid, wherever it is cut. */
static void refuses_every_prefix(void **state)
{
    (void) state;
    struct str text = STR_INIT(
        "{\"a\":[1.5e+3,true,false,null,\"x\\u00e4\\ud83d\\ude00\\n\xC3\xA4\"],\"b\":{\"c\":{}}}");
    assert_true(json_is_valid(text, NULL));
    for (size_t len = 0; len < text.len; len++)
        assert_false(json_is_valid(str_head(text, len), NULL));
}

static void depth_is_limited(void **state)
{
    (void) state;
    char text[2 * JSON_DEPTH_MAX + 2];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_true(json_is_valid(str_of(text, 2 * JSON_DEPTH_MAX), NULL));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    struct json_reader r;
    json_reader_init(&r, str_of(text, sizeof text), NULL);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        assert_int_equal(json_next(&r), JSON_ARRAY_BEGIN);
    assert_int_equal(json_next(&r), JSON_ERROR);
    assert_string_equal(r.error, "nested too deeply");
    assert_int_equal(r.error_at, JSON_DEPTH_MAX);
}

static void tokens_in_order(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    struct json_reader r;
    json_reader_init(
        &r, STR(" {\"a\" : [1.50, \"x\\ny\", true], \"b\":{}, \"c\":null,\"d\":false}"), &arena);
    assert_int_equal(json_next(&r), JSON_OBJECT_BEGIN);
    assert_int_equal(r.token_at, 1);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_str(r.text, "a");
    assert_int_equal(json_next(&r), JSON_ARRAY_BEGIN);
    assert_int_equal(json_next(&r), JSON_NUMBER);
    assert_str(r.text, "1.50");
    assert_int_equal(json_next(&r), JSON_STRING);
    assert_str(r.text, "x\ny");
    assert_int_equal(json_next(&r), JSON_TRUE);
    assert_int_equal(json_next(&r), JSON_ARRAY_END);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_int_equal(json_next(&r), JSON_OBJECT_BEGIN);
    assert_int_equal(json_next(&r), JSON_OBJECT_END);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_int_equal(json_next(&r), JSON_NULL);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_int_equal(json_next(&r), JSON_FALSE);
    assert_int_equal(json_next(&r), JSON_OBJECT_END);
    assert_int_equal(json_next(&r), JSON_END);
    assert_int_equal(json_next(&r), JSON_END);
}

static void strings_are_unescaped(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    struct json_reader r;
    struct str text = STR_INIT("\"plain text of some length, \xC3\xA4\"");
    json_reader_init(&r, text, NULL);
    assert_int_equal(json_next(&r), JSON_STRING);
    assert_ptr_equal(r.text.ptr, text.ptr + 1);
    assert_int_equal(r.text.len, text.len - 2);
    json_reader_init(&r, STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e4\\u20AC\\uD83D\\uDE00z\""),
                     &arena);
    assert_int_equal(json_next(&r), JSON_STRING);
    assert_str(r.text, "\"\\/\b\f\n\r\tA\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z");
    json_reader_init(&r, STR("\"a\\u0000b\""), &arena);
    assert_int_equal(json_next(&r), JSON_STRING);
    assert_true(str_eq(r.text, str_of("a\0b", 3)));
    json_reader_init(&r, STR("\"\""), NULL);
    assert_int_equal(json_next(&r), JSON_STRING);
    assert_non_null(r.text.ptr);
    json_reader_init(&r, STR("\"\\n\""), NULL);
    assert_int_equal(json_next(&r), JSON_ERROR);
}

static void errors_are_sticky(void **state)
{
    (void) state;
    struct json_reader r;
    json_reader_init(&r, STR("[1, x]"), NULL);
    assert_int_equal(json_next(&r), JSON_ARRAY_BEGIN);
    assert_int_equal(json_next(&r), JSON_NUMBER);
    assert_int_equal(json_next(&r), JSON_ERROR);
    assert_int_equal(r.error_at, 4);
    assert_int_equal(json_next(&r), JSON_ERROR);
    assert_int_equal(r.error_at, 4);
    assert_false(json_skip(&r, JSON_ERROR, NULL));
}

static void strings_beyond_the_arena_are_refused(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 16);
    struct json_reader r;
    json_reader_init(&r, STR("\"\\n0123456789012345678901234567890\""), &arena);
    assert_int_equal(json_next(&r), JSON_ERROR);
    assert_string_equal(r.error, "strings are too long");
}

static void skipping_gives_the_raw_text(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    struct json_reader r;
    struct str raw;
    json_reader_init(&r, STR("{\"a\": {\"x\" : [1, \"\\n\", {}]} ,\"b\":\"s\\t\",\"c\":-1e5 }"),
                     &arena);
    assert_int_equal(json_next(&r), JSON_OBJECT_BEGIN);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_true(json_skip(&r, json_next(&r), &raw));
    assert_str(raw, "{\"x\" : [1, \"\\n\", {}]}");
    assert_int_equal(arena.used_bytes, 0);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_str(r.text, "b");
    assert_true(json_skip(&r, json_next(&r), &raw));
    assert_str(raw, "\"s\\t\"");
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_true(json_skip(&r, json_next(&r), &raw));
    assert_str(raw, "-1e5");
    assert_int_equal(json_next(&r), JSON_OBJECT_END);
    assert_int_equal(json_next(&r), JSON_END);
    json_reader_init(&r, STR("[[1,2}]"), NULL);
    assert_int_equal(json_next(&r), JSON_ARRAY_BEGIN);
    raw = STR_NONE;
    assert_false(json_skip(&r, json_next(&r), &raw));
    assert_null(raw.ptr);
}

/* The fast scan works on eight bytes at a time: a special byte must be seen at every offset. */
static void scan_sees_every_offset(void **state)
{
    (void) state;
    static const unsigned char special[] = {0x00, 0x1f, '"', '\\', 0x80, 0xC3, 0xFF};
    static const unsigned char plain[] = {'$', '!', '#', '[', ']', 0x7f, 'a'};
    for (size_t s = 0; s < sizeof special; s++)
        for (size_t p = 0; p < sizeof plain; p++)
            for (size_t at = 1; at < 34; at++) {
                char text[36];
                memset(text, plain[p], sizeof text);
                text[0] = text[sizeof text - 1] = '"';
                assert_true(json_is_valid(str_of(text, sizeof text), NULL));
                text[at] = (char) special[s];
                size_t error_at = 0;
                assert_false(json_is_valid(str_of(text, sizeof text), &error_at));
                assert_int_equal(error_at, special[s] == '"' ? at + 1 : at);
            }
}

static void write_sample(struct json_writer *w)
{
    json_object_begin(w);
    json_key(w, STR("a"));
    json_array_begin(w);
    json_i64(w, INT64_MIN);
    json_u64(w, UINT64_MAX);
    json_bool(w, true);
    json_null(w);
    json_array_begin(w);
    json_array_end(w);
    json_object_begin(w);
    json_object_end(w);
    json_array_end(w);
    json_key(w, STR("b\"\n"));
    json_raw(w, STR("[1.00]"));
    json_key(w, STR(""));
    json_str(w, STR("\x01\x1f\b\f\n\r\t\"\\/\x7f\xC3\xA4"));
    json_object_end(w);
}

static void writing(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, 4096);
    struct json_writer w;
    json_writer_init(&w, &out);
    write_sample(&w);
    assert_str(buf_str(&out),
               "{\"a\":[-9223372036854775808,18446744073709551615,true,null,[],{}],"
               "\"b\\\"\\n\":[1.00],\"\":\"\\u0001\\u001f\\b\\f\\n\\r\\t\\\"\\\\/\x7f\xC3\xA4\"}");
    assert_true(json_is_valid(buf_str(&out), NULL));
}

static void invalid_bytes_are_replaced(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, 4096);
    struct json_writer w;
    json_writer_init(&w, &out);
    json_str(&w, STR("a\xFF"
                     "b\xE2\x82"));
    assert_str(buf_str(&out), "\"a\xEF\xBF\xBD"
                              "b\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

/* Copies what the reader sees into the writer. */
static void copy(struct json_reader *r, struct json_writer *w)
{
    for (;;) {
        switch (json_next(r)) {
        case JSON_ERROR: fail_msg("%s at %zu", r->error, r->error_at); return;
        case JSON_END: return;
        case JSON_OBJECT_BEGIN: json_object_begin(w); break;
        case JSON_OBJECT_END: json_object_end(w); break;
        case JSON_ARRAY_BEGIN: json_array_begin(w); break;
        case JSON_ARRAY_END: json_array_end(w); break;
        case JSON_KEY: json_key(w, r->text); break;
        case JSON_STRING: json_str(w, r->text); break;
        case JSON_NUMBER: json_raw(w, r->text); break;
        case JSON_TRUE: json_bool(w, true); break;
        case JSON_FALSE: json_bool(w, false); break;
        case JSON_NULL: json_null(w); break;
        }
    }
}

/* Written, read and written again, every valid document gives the same text. */
static void round_trips(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        AUTO_ARENA struct arena arena;
        AUTO_BUF struct buf once, twice;
        arena_init(&arena, 64 * 1024);
        buf_init(&once, 64 * 1024);
        buf_init(&twice, 64 * 1024);
        struct json_reader r;
        struct json_writer w;
        json_reader_init(&r, str_from(valid[i]), &arena);
        json_writer_init(&w, &once);
        copy(&r, &w);
        json_reader_init(&r, buf_str(&once), &arena);
        json_writer_init(&w, &twice);
        copy(&r, &w);
        assert_true(str_eq(buf_str(&once), buf_str(&twice)));
    }
}

static void doubles(void **state)
{
    (void) state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {1, "1"},
                 {0.1, "0.1"},
                 {1.5e300, "1.5e+300"},
                 {1515531081.123, "1515531081.123"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {5e-324, "4.94065645841247e-324"},
                 {9007199254740993.0, "9007199254740992"},
                 {(double) NAN, "\"NaN\""},
                 {(double) INFINITY, "\"Infinity\""},
                 {-(double) INFINITY, "\"-Infinity\""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf out;
        buf_init(&out, 100);
        struct json_writer w;
        json_writer_init(&w, &out);
        json_double(&w, cases[i].value);
        assert_str(buf_str(&out), cases[i].text);
        assert_true(json_is_valid(buf_str(&out), NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lone_surrogates),
        cmocka_unit_test(accepts_valid_texts),
        cmocka_unit_test(refuses_invalid_texts),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(tokens_in_order),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(errors_are_sticky),
        cmocka_unit_test(strings_beyond_the_arena_are_refused),
        cmocka_unit_test(skipping_gives_the_raw_text),
        cmocka_unit_test(scan_sees_every_offset),
        cmocka_unit_test(writing),
        cmocka_unit_test(invalid_bytes_are_replaced),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
