#include "test.h"

#include "data/pattern.h"

#include <errno.h>

/* The patterns of all official service models, one a line, sorted; the test's first argument. */
static const char *models_path;

static bool matches(const char *source, struct str text)
{
    struct pattern *pattern = NULL;
    struct err err = {0};
    if (pattern_new(str_from(source), &pattern, &err) < 0)
        fail_msg("%s: %s", source, err.text);
    bool is_match = pattern_matches(pattern, text);
    pattern_free(pattern);
    return is_match;
}

struct example {
    const char *source, *text;
    bool is_match;
};

static void check(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (matches(examples[i].source, str_from(examples[i].text)) != examples[i].is_match)
            fail_msg("/%s/ and \"%s\"", examples[i].source, examples[i].text);
}

static void whole_text(void **state)
{
    (void) state;
    static const struct example examples[] = {
        {"", "", true},
        {"", "a", false},
        {"abc", "abc", true},
        {"abc", "abcd", false},
        {"abc", "xabc", false},
        {"a|bc|", "a", true},
        {"a|bc|", "bc", true},
        {"a|bc|", "", true},
        {"a|bc|", "abc", false},
        {"(a|b)c", "bc", true},
        {"(?:a|(b|c)d)e", "cde", true},
        {"(a)(b)?", "a", true},
        {".", "\xC3\xA4", true},
        {".", "\n", false},
        {".", "\xC2\x85", false},
        {"(?s).*", "\r\n\xE2\x80\xA8", true},
        {"a.c",
         "a\xF0\x9F\x98\x80"
         "c",
         true},
        {"]}", "]}", true},
    };
    check(examples, ARRAY_LEN(examples));
    assert_false(matches(".*", str_from("a\xFF")));
    assert_true(matches("a\\x00b", str_of("a\0b", 3)));
}

static void anchors(void **state)
{
    (void) state;
    static const struct example examples[] = {
        {"^a$", "a", true},
        {"^a$", "a\n", false},
        {"^$|^b$", "", true},
        {"^$|^b$", "b", true},
        {"a^b", "ab", false},
        {"a$b", "ab", false},
        {"(^a)+", "aa", false},
        {"(^a)|b", "b", true},
        {"a$\\n", "a\n", true},
        {"a$\\n\\n", "a\n\n", false},
        {"^^a$$", "a", true},
        {"(?:^x$|^$)", "", true},
        {"\\ba1_\\b:\\b.*", "a1_:x", true},
        {"a\\bb", "ab", false},
        {"\\b", "", false},
        {":\\b:", "::", false},
        {"\\b\\w+\\b", "ab", true},
        {"\\xE4\\ba",
         "\xC3\xA4"
         "a",
         true},
    };
    check(examples, ARRAY_LEN(examples));
}

static void repetition(void **state)
{
    (void) state;
    static const struct example examples[] = {
        {"a*", "", true},
        {"a*", "aaaa", true},
        {"a+", "", false},
        {"a+", "aaa", true},
        {"a?b", "b", true},
        {"a?b", "aab", false},
        {"a*?b+?", "aabb", true},
        {"a{3}", "aaa", true},
        {"a{3}", "aa", false},
        {"a{3}", "aaaa", false},
        {"a{2,4}", "a", false},
        {"a{2,4}", "aa", true},
        {"a{2,4}", "aaaa", true},
        {"a{2,4}", "aaaaa", false},
        {"a{2,}", "a", false},
        {"a{2,}", "aaaaaaa", true},
        {"a{0}b", "b", true},
        {"a{0}b", "ab", false},
        {"a{0,2}b", "b", true},
        {"a{0,2}b", "aab", true},
        {"a{0,2}b", "aaab", false},
        {"a{1}", "a", true},
        {"a{1}", "aa", false},
        {"a{0,}", "", true},
        {"(ab){2}", "abab", true},
        {"(ab){2}", "ab", false},
        {"(ab){1,3}", "ababab", true},
        {"(ab){1,3}", "abababab", false},
        {"(ab){0,2}", "", true},
        {"(ab){2,}", "ab", false},
        {"(ab){2,}", "abababab", true},
        {"(ab){2,}", "ababa", false},
        {"(a|b){2}c", "abc", true},
        {"(a{2}){3}", "aaaaaa", true},
        {"(a{2}){3}", "aaaaa", false},
        {"(a{2,3}){2}", "aaaaaa", true},
        {"(a{2,3}){2}", "aaaaaaa", false},
        {"(a*)*b", "aaab", true},
        {"(a*)+b", "b", true},
        {"(a?){3}b", "aab", true},
        {"(a?){3}b", "aaaab", false},
        {"(|a)+", "aaa", true},
        {"(a{0,2}b?)*c", "aabaac", true},
        {"a{2}a{2,3}", "aaaa", true},
        {"a{2}a{2,3}", "aaa", false},
        {"(^){3}a", "a", true},
    };
    check(examples, ARRAY_LEN(examples));
}

/* Counters against the plain meaning: x{m,n} entered at every position at once. */
static void overlapping_counts(void **state)
{
    (void) state;
    char text[24];
    for (unsigned bits = 0; bits < 1U << 12; bits++) {
        size_t len = 12;
        for (size_t i = 0; i < len; i++)
            text[i] = (bits >> i & 1) != 0 ? 'a' : 'b';
        bool expected =
            false; /* somewhere an a with 3..5 of {a,b} and one a behind it at the end */
        for (size_t i = 0; i < len; i++)
            for (size_t n = 3; n <= 5; n++)
                expected |= text[i] == 'a' && i + 1 + n + 1 == len && text[len - 1] == 'a';
        if (matches("[ab]*a[ab]{3,5}a", str_of(text, len)) != expected)
            fail_msg(STR_FMT, (int) len, text);
    }
}

static void great_counts(void **state)
{
    (void) state;
    static char text[100001];
    memset(text, 'x', sizeof text);
    assert_true(matches("[a-z]{1,100000}", str_of(text, 100000)));
    assert_false(matches("[a-z]{1,100000}", str_of(text, 100001)));
    assert_true(matches("[a-z]{2048}", str_of(text, 2048)));
    assert_false(matches("[a-z]{2048}", str_of(text, 2047)));
    assert_false(matches("[a-z]{2048}", str_of(text, 2049)));
    assert_true(matches("x*x{500,}y?", str_of(text, 5000)));
}

static void classes(void **state)
{
    (void) state;
    static const struct example examples[] = {
        {"[abc]+", "cab", true},
        {"[^abc]", "d", true},
        {"[^abc]", "a", false},
        {"[^abc]", "\xC3\xA4", true},
        {"[a-c]+", "abc", true},
        {"[a-c]", "d", false},
        {"[a-]+", "a-", true},
        {"[-a]+", "-a", true},
        {"[0-9-_]+", "4-_", true},
        {"[\\w-.]+", "a-.", true},
        {"[]a]+", "]a", true},
        {"[^]a]", "]", false},
        {"[\\]\\[]+", "[]", true},
        {"[+-.]+", "+,-.", true},
        {"[.*$^|(){}?]+", "$^*.", true},
        {"[\\u00e4-\\u00fc]", "\xC3\xB6", true},
        {"[^\\u00e4-\\u00fc]", "\xC3\xB6", false},
        {"[\\uD800\\uDC00-\\uDBFF\\uDFFF]", "\xF0\x9F\x98\x80", true},
        {"[\\uD800\\uDC00-\\uDBFF\\uDFFF]", "\xEF\xBF\xBF", false},
        {"[\\x21-\\x7E]+", "!~", true},
        {"\\x41\\u0042", "AB", true},
        {"[\\t\\n\\r]+", "\t\r\n", true},
        {"\\$\\.\\_\\/\\-\\\\", "$._/-\\", true},
    };
    check(examples, ARRAY_LEN(examples));
}

static void shorthands_and_properties(void **state)
{
    (void) state;
    static const struct example examples[] = {
        {"\\d+", "0123456789", true},
        {"\\d", "\xD9\xA3", false},
        {"\\w+", "aZ_9", true},
        {"\\w", "\xC3\xA4", false},
        {"\\W", "\xC3\xA4", true},
        {"\\D", "5", false},
        {"\\s+", " \t\n\x0B\f\r", true},
        {"\\s", "\xC2\xA0", false},
        {"\\S", "\xC2\xA0", true},
        {"[\\s\\S]*", "a\n\xC3\xA4", true},
        {"[^\\s]", " ", false},
        {"[^\\S]", " ", true},
        {"\\p{L}+", "a\xC3\xA4\xD0\x96\xE6\x97\xA5", true},
        {"\\p{L}", "1", false},
        {"\\pL", "a", true},
        {"\\P{L}", "1", true},
        {"\\P{L}", "\xC3\xA4", false},
        {"\\p{N}", "\xD9\xA3", true},
        {"\\p{Z}+", " \xC2\xA0", true},
        {"\\p{M}", "\xCC\x81", true},
        {"\\p{S}+", "+\xE2\x82\xAC", true},
        {"\\p{P}+", "!\xE2\x80\x94", true},
        {"\\p{C}", "\x07", true},
        {"\\p{IsL}", "x", true},
        {"[^\\p{L}]", "\xC3\xA4", false},
        {"[\\p{L}\\p{N}_]+",
         "\xC3\xA4"
         "1_",
         true},
        {"\\p{XDigit}+", "09afAF", true},
        {"\\p{XDigit}", "g", false},
        {"\\p{Print}+", " ~", true},
        {"\\p{Graph}", " ", false},
        {"\\p{ASCII}+", "a\x7f", true},
        {"\\p{ASCII}", "\xC2\x80", false},
        {"\\p{Upper}", "a", false},
        {"\\p{Cntrl}", "\x7f", true},
        {"\\p{Punct}+", "!/:@[`{~", true},
        {"[\\P{L}\\p{L}]+", "a1\xC3\xA4", true},
    };
    check(examples, ARRAY_LEN(examples));
}

static void case_may_be_ignored(void **state)
{
    (void) state;
    static const struct example examples[] = {
        {"(?i)all|[0-9]{12}", "AlL", true},
        {"(?i)all|[0-9]{12}", "123456789012", true},
        {"(?i)[a-f]+", "AbF", true},
        {"(?i)[^a]", "A", false},
        {"(?i)a{2}", "aA", true},
        {"(?i)k", "\xE2\x84\xAA", false},
        {"all", "ALL", false},
    };
    check(examples, ARRAY_LEN(examples));
}

static void check_error(const char *source, int code)
{
    struct pattern *pattern = NULL;
    struct err err = {0};
    int rc = pattern_new(str_from(source), &pattern, &err);
    if (rc != code || pattern != NULL)
        fail_msg("/%s/ gave %d, not %d", source, rc, code);
    assert_int_equal(err.code, code);
}

static void errors(void **state)
{
    (void) state;
    static const char *const broken[] = {"(",
                                         ")",
                                         "a)",
                                         "(a",
                                         "[",
                                         "[a",
                                         "[]",
                                         "*",
                                         "+a",
                                         "a**",
                                         "a{2}{3}",
                                         "a|*",
                                         "(?:",
                                         "a{",
                                         "a{}",
                                         "a{,2}",
                                         "a{2",
                                         "a{3,2}",
                                         "a{x}",
                                         "[b-a]",
                                         "[a-\\d]",
                                         "\\",
                                         "[\\",
                                         "\\x4",
                                         "\\xg1",
                                         "\\u12",
                                         "\\p{L",
                                         "a\xFF",
                                         "[\xC3]",
                                         "\\p",
                                         "a{99999999999}",
                                         "{2}",
                                         "[\\u00ff-a]"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        check_error(broken[i], -EINVAL);
    static const char *const unsupported[] = {
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?<name>a)",
        "(?>a)",
        "(a)\\1",
        "a\\B",
        "a++",
        "a*+",
        "a{2}+",
        "[a[b]]",
        "[a&&b]",
        "\\p{Lu}",
        "a(?i)b",
        "\\Qa\\E",
        "\\h",
        "\\zz",
        "(((((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))))))",
        "((a{100}){200}){300}",
        "(abc){100000}",
        "(a{60000}){3}",
        "a{1000000}"};
    for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
        check_error(unsupported[i], -ENOTSUP);
}

/* What hangs an engine that backtracks: 2^30 ways and more. */
static void hostile_patterns_are_linear(void **state)
{
    (void) state;
    static char text[20000];
    memset(text, 'a', sizeof text);
    struct str as = {text, sizeof text};
    assert_false(matches("(a*)*b", as));
    assert_false(matches("(a+)+b", as));
    assert_false(matches("(a|aa)+b", as));
    assert_false(matches("(a|a?)+b", as));
    assert_false(matches("(.*)(.*)(.*)(.*)(.*)b", as));
    assert_true(matches("(a?){30}a{30}", str_head(as, 30)));
    assert_false(matches("([a-z]{1,30}){1,30}b", str_head(as, 900)));
}

/* The constructs that may be missing, by what the source then holds. */
static bool has_unsupported_construct(struct str source)
{
    static const char *const marks[] = {"(?=", "(?!", "(?<"};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (str_find_str(source, str_from(marks[i])) < source.len)
            return true;
    return false;
}

static struct str read_models(char *memory, size_t size)
{
    FILE *file = fopen(models_path, "re");
    assert_non_null(file);
    size_t len = fread(memory, 1, size, file);
    assert_int_equal(fclose(file), 0);
    assert_true(len > 0 && len < size);
    return str_of(memory, len);
}

/* Every pattern of the models compiles, or looks around; none is taken for broken. */
static void patterns_of_the_models(void **state)
{
    (void) state;
    static char memory[256 * 1024];
    struct str rest = read_models(memory, sizeof memory), line;
    size_t count = 0, supported = 0;
    while (str_split(&rest, '\n', &line) && rest.ptr != NULL) {
        struct pattern *pattern = NULL;
        struct err err = {0};
        int rc = pattern_new(line, &pattern, &err);
        if (rc < 0 && (rc != -ENOTSUP || !has_unsupported_construct(line)))
            fail_msg(STR_FMT ": %s", STR_ARG(line), err.text);
        count++;
        supported += rc == 0;
        if (rc == 0)
            (void) pattern_matches(pattern, line); /* any answer, but in bounds */
        pattern_free(pattern);
    }
    print_message("%zu of %zu patterns of the models are supported\n", supported, count);
    assert_true(count > 500);
    assert_true(count - supported <= 30);
}

static void examples_from_the_models(void **state)
{
    (void) state;
    static const struct example examples[] = {
        {"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?"
         "(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
         "arn:aws:lambda:eu-west-1:123456789012:function:my-function:$LATEST", true},
        {"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?"
         "(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
         "my function", false},
        {"[a-zA-Z0-9_.-]{3,255}", "Music", true},
        {"[a-zA-Z0-9_.-]{3,255}", "ab", false},
        {"arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+",
         "arn:aws:iam::123456789012:role/service-role/r", true},
        {"arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+",
         "arn:aws:iam::12345678901:role/r", false},
    };
    check(examples, ARRAY_LEN(examples));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_text),
        cmocka_unit_test(anchors),
        cmocka_unit_test(repetition),
        cmocka_unit_test(overlapping_counts),
        cmocka_unit_test(great_counts),
        cmocka_unit_test(classes),
        cmocka_unit_test(shorthands_and_properties),
        cmocka_unit_test(case_may_be_ignored),
        cmocka_unit_test(errors),
        cmocka_unit_test(hostile_patterns_are_linear),
        cmocka_unit_test(patterns_of_the_models),
        cmocka_unit_test(examples_from_the_models),
    };
    if (argc < 2)
        return 2;
    models_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
