/* The filter pattern language: a table of patterns and messages (AWS's own examples first), broken
 * patterns with their texts, and the bounds. */
#include "test.h"

#include "base/buf.h"
#include "services/logs/filter.h"

#include <errno.h>

struct match_case {
    const char *pattern;
    const char *yes[6]; /* messages that match */
    const char *no[6];  /* messages that do not */
};

#define APACHE_200                                                                                 \
    "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /apache_pb.gif HTTP/1.0\" 200 1534"
#define APACHE_404                                                                                 \
    "127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] \"GET /index.html HTTP/1.0\" 404 1534"
#define APACHE_500                                                                                 \
    "127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] \"GET /apache_pb.gif HTTP/1.0\" 500 5324"

#define TRAIL                                                                                      \
    "{\"eventType\": \"UpdateTrail\", \"sourceIPAddress\": \"111.111.111.111\","                   \
    " \"arrayKey\": [\"value\", \"another value\"],"                                               \
    " \"objectList\": [{\"name\": \"a\", \"id\": 1}, {\"name\": \"b\", \"id\": 2}],"               \
    " \"SomeObject\": null, \"ThisFlag\": true}"
#define USERS                                                                                      \
    "{\"user\": {\"id\": 1, \"email\": \"John.Stiles@example.com\"},"                              \
    " \"users\": [{\"id\": 2, \"email\": \"John.Doe@example.com\"},"                               \
    " {\"id\": 3, \"email\": \"Jane.Doe@example.com\"}],"                                          \
    " \"actions\": [\"GET\", \"PUT\", \"DELETE\"],"                                                \
    " \"coordinates\": [[0, 1, 2], [4, 5, 6], [7, 8, 9]]}"

static const struct match_case cases[] = {
    /* Nothing matches everything. */
    {"", {"", "x", "{}"}, {NULL}},
    {"   ", {"x"}, {NULL}},
    {"\" \"", {"", "x", "a b"}, {NULL}}, /* documented: matches everything */

    /* Terms: AWS's examples. */
    {"ERROR",
     {"[ERROR 400] BAD REQUEST", "[ERROR 401] UNAUTHORIZED REQUEST",
      "[ERROR] A fatal exception has occurred", "Exiting with ERRORCODE: -1"},
     {"error", "[WARN] no", ""}},
    {"ERROR ARGUMENTS",
     {"[ERROR 419] MISSING ARGUMENTS", "[ERROR 420] INVALID ARGUMENTS"},
     {"[ERROR 400] BAD REQUEST", "ARGUMENTS"}},
    {"?ERROR ?ARGUMENTS",
     {"[ERROR 400] BAD REQUEST", "[ERROR 419] MISSING ARGUMENTS", "MISSING ARGUMENTS"},
     {"[WARN] nothing", ""}},
    {"\"INTERNAL SERVER ERROR\"",
     {"[ERROR 500] INTERNAL SERVER ERROR"},
     {"INTERNAL ERROR SERVER", "INTERNAL  SERVER ERROR"}},
    {"ERROR -ARGUMENTS",
     {"[ERROR 400] BAD REQUEST", "[ERROR 401] UNAUTHORIZED REQUEST"},
     {"[ERROR 419] MISSING ARGUMENTS", "BAD REQUEST"}},
    {"\"ERROR\" - \"Exiting\"", {"[ERROR] Caught"}, {"Exiting with ERRORCODE: -1"}},
    {"ERROR Exception",
     {"[ERROR] Caught IllegalArgumentException", "[ERROR] Unhandled Exception"},
     {"[ERROR] Unable"}},
    {"Failed to process the request",
     {"[WARN] Failed to process the request",
      "[ERROR] Unable to continue: Failed to process the request"},
     {"Failed to process"}},
    {"?ERROR ?WARN", {"ERROR WARN message", "ERROR message", "WARN message"}, {"INFO message"}},
    {"ERROR WARN", {"ERROR WARN message"}, {"ERROR message", "WARN message"}},
    {"ERROR -WARN", {"ERROR message"}, {"ERROR WARN message", "WARN message"}},
    /* Beside other terms, optional ones say nothing. */
    {"?ERROR INFO", {"INFO a", "ERROR INFO"}, {"ERROR"}},
    {"?ERROR -INFO", {"x", "ERROR"}, {"ERROR INFO"}},
    {"-x", {"", "abc"}, {"axe"}},
    {"\"say \\\"hi\\\"\"", {"they say \"hi\""}, {"they say hi"}},
    {"\"a\\\\b\"", {"a\\b"}, {"a\\\\b", "ab"}},
    {"\"foo:bar\"", {"x foo:bar"}, {"foo bar"}},
    {"caf\xC3\xA9", {"le caf\xC3\xA9"}, {"cafe"}},
    {"a_b", {"a_b"}, {"a-b"}},
    {"a\tb", {"ba"}, {"a"}},

    /* Regular expressions alone. */
    {"%AUTHORIZED%",
     {"[ERROR 401] UNAUTHORIZED REQUEST", "[SUCCESS 200] AUTHORIZED REQUEST"},
     {"AUTHORISED"}},
    {"%colou?r%", {"color", "a colour"}, {"colouur"}},
    {"%gray|grey%", {"gray", "light grey"}, {"gr"}},
    {"%^ERROR%", {"ERROR x"}, {" ERROR"}},
    {"%x$%", {"ax"}, {"xa"}},
    {"%10\\.10\\.0\\.1%", {"from 10.10.0.1 to"}, {"10a10b0c1"}},
    {"%[a-c]{3}%", {"xxabcx"}, {"abxc"}},
    {"%\\x28a\\x29%", {"f(a)"}, {"fa"}},
    {"%a.b%", {"line\na-b\nline"}, {"a\nb"}},
    {"%[0-9]+% -%99%", {"7"}, {"99", "x"}},

    /* JSON: AWS's examples. */
    {"{ $.eventType = \"UpdateTrail\" }", {TRAIL}, {USERS, "UpdateTrail", "{}"}},
    {"{ $.sourceIPAddress != 123.123.* }",
     {TRAIL},
     {"{\"sourceIPAddress\":\"123.123.1.1\"}", "{}"}},
    {"{ $.sourceIPAddress = 111.111.* }", {TRAIL}, {USERS}},
    {"{ $.arrayKey[0] = \"value\" }", {TRAIL}, {"{\"arrayKey\":\"value\"}", "{\"arrayKey\":[]}"}},
    {"{ $.objectList[1].id = 2 }",
     {TRAIL},
     {"{\"objectList\":{\"1\":{\"id\":2}}}", "{\"objectList\":[1,2]}"}},
    {"{ $.SomeObject IS NULL }", {TRAIL}, {USERS, "{\"SomeObject\":\"null\"}"}},
    {"{ $.SomeOtherObject NOT EXISTS }", {TRAIL, "{}"}, {"{\"SomeOtherObject\":null}"}},
    {"{ $.ThisFlag IS TRUE }", {TRAIL}, {"{\"ThisFlag\":false}", "{\"ThisFlag\":\"true\"}"}},
    {"{ $.ThisFlag IS FALSE }", {"{\"ThisFlag\":false}"}, {TRAIL}},
    {"{ $.user.id = 1 && $.users[0].email = \"John.Doe@example.com\" }", {USERS}, {TRAIL}},
    {"{ ($.user.id = 1) && ($.users[0].email = \"John.Doe@example.com\") }", {USERS}, {TRAIL}},
    {"{ ($.user.id = 2 && $.users[0].email = \"nonmatch\") || $.actions[2] = \"GET\" }",
     {NULL},
     {USERS}},
    {"{ $.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = nonmatch && "
     "$.actions[2] = nomatch }",
     {USERS},
     {NULL}},
    {"{ ($.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = nonmatch) && "
     "$.actions[2] = nomatch }",
     {NULL},
     {USERS}},
    {"{$.foo = bar}", {"{\"foo\": \"bar\"}"}, {"{\"foo\": \"baz\"}"}},
    {"{$.foo = bar || $.foo = baz }",
     {"{\"foo\": \"bar\"}", "{\"foo\": \"baz\"}"},
     {"{\"foo\": \"bat\"}"}},
    {"{$.users = 1}", {NULL}, {"{\"users\":[1,2,3]}"}},
    {"{$.users != 1}", {"{\"users\":2}"}, {"{\"users\":[1,2,3]}", "{\"users\":{}}"}},
    {"{ $.latency >= 500 }",
     {"{\"latency\":500}", "{\"latency\":5e3}", "{\"latency\":\"600\"}"},
     {"{\"latency\":499.9}", "{\"latency\":\"fast\"}", "{}"}},
    {"{ $.numbers[0] < 10e3 }", {"{\"numbers\":[9999]}"}, {"{\"numbers\":[10000]}"}},
    {"{ $.numbers[0] < 10e-3 }", {"{\"numbers\":[0.0099]}"}, {"{\"numbers\":[0.01]}"}},
    {"{ $.processes[4].averageRuntime <= 55.5 }",
     {"{\"processes\":[0,0,0,0,{\"averageRuntime\":55.5}]}"},
     {"{\"processes\":[{\"averageRuntime\":1}]}"}},
    {"{ $.errorCode = 400 }",
     {"{\"errorCode\":400}", "{\"errorCode\":4.0e2}", "{\"errorCode\":\"400\"}"},
     {"{\"errorCode\":401}"}},
    {"{ $.errorCode != 500 }",
     {"{\"errorCode\":400}", "{\"errorCode\":\"x\"}"},
     {"{\"errorCode\":500}", "{\"errorCode\":null}"}},
    {"{ $.latency > +1000 }", {"{\"latency\":1001}"}, {"{\"latency\":1000}"}},
    {"{ $.t < -1.5 }", {"{\"t\":-2}"}, {"{\"t\":-1.5}"}},
    /* JSON: asterisks stand for something at the ends only. */
    {"{ $.e = *Event }", {"{\"e\":\"PutEvent\"}", "{\"e\":\"Event\"}"}, {"{\"e\":\"EventId\"}"}},
    {"{ $.e = \"Event*\" }", {"{\"e\":\"EventId\"}"}, {"{\"e\":\"PutEvent\"}"}},
    {"{ $.e = *ven* }", {"{\"e\":\"PutEvents\"}"}, {"{\"e\":\"x\"}"}},
    {"{ $.e = Ev*ent }", {"{\"e\":\"Ev*ent\"}"}, {"{\"e\":\"EvXent\"}"}},
    {"{ $.e = * }",
     {"{\"e\":\"\"}", "{\"e\":0}", "{\"e\":false}"},
     {"{\"e\":{}}", "{}", "{\"e\":null}"}},
    {"{ $.e EXISTS }", {"{\"e\":null}", "{\"e\":[]}"}, {"{\"f\":1}"}},
    /* JSON: regular expressions, any element, odd keys, escapes, nesting. */
    {"{ $.eventType = %Trail$% }", {TRAIL}, {"{\"eventType\":\"Trails\"}"}},
    {"{ $.ip = %^10\\.[0-9]+% && $.n != %x% }",
     {"{\"ip\":\"10.2\",\"n\":1}"},
     {"{\"ip\":\"11.2\",\"n\":1}", "{\"ip\":\"10.2\",\"n\":\"x\"}"}},
    {"{ $.users[*].id = 3 }", {USERS}, {TRAIL}},
    {"{ $.coordinates[*][*] = 9 }", {USERS}, {"{\"coordinates\":[[1],[2]]}"}},
    {"{ $[1] = b }", {"[\"a\",\"b\"]"}, {"[\"b\"]", "\"b\""}},
    {"{ $.[\"a.b\"].c = 1 }", {"{\"a.b\":{\"c\":1}}"}, {"{\"a\":{\"b\":{\"c\":1}}}"}},
    {"{ $.a-b_c = 1 }", {"{\"a-b_c\":1}"}, {"{}"}},
    {"{ $.a = \"x\\\"y\" }",
     {"{\"a\":\"x\\\"y\"}", "{\"a\":\"\\u0078\\u0022y\"}"},
     {"{\"a\":\"xy\"}"}},
    {"{ $.k = v }",
     {"{\"\\u006b\":\"v\"}", "  {\"k\":\"v\"}  ", "{\"k\":\"v\",\"k\":\"w\"}"},
     {"{\"k\":\"v\"", "{\"k\":\"v\"} trailing", "prefix {\"k\":\"v\"}"}},
    {"{ $.b = true }", {"{\"b\":true}", "{\"b\":\"true\"}"}, {"{\"b\":false}"}},
    {"{ $.a is null || $.b not exists }", {"{\"b\":1,\"a\":null}", "{}"}, {"{\"b\":1}"}},
    {"{ (($.a = 1)) }", {"{\"a\":1}"}, {"{\"a\":2}"}},
    {"{$.a=1||$.b=2&&$.c=3}", {"{\"a\":1}", "{\"b\":2,\"c\":3}"}, {"{\"b\":2}"}},

    /* Columns: AWS's examples. */
    {"[ip, user, username, timestamp, request, status_code, bytes]",
     {APACHE_200, APACHE_404, APACHE_500},
     {"a b c", ""}},
    {"[..., status_code, bytes]", {APACHE_200, "a b"}, {"a", ""}},
    {"[ip, user, ..., status_code, bytes]", {APACHE_200, "a b c d"}, {"a b c"}},
    {"[ip, user, ...]", {APACHE_200, "a b"}, {"a"}},
    {"[ip, user, username, timestamp, request, status_code, bytes > 1000]",
     {APACHE_200, APACHE_500},
     {"a b c d e f 1000", "a b c d e f many"}},
    {"[ip, user, username, timestamp, request, status_code = 200, bytes]",
     {APACHE_200},
     {APACHE_404}},
    {"[ip, user, username, timestamp, request, status_code = 4*, bytes]",
     {APACHE_404},
     {APACHE_200}},
    {"[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]",
     {APACHE_404},
     {APACHE_200}},
    {"[ip, user, username, timestamp, request, status_code = 4* && status_code != 403, bytes]",
     {APACHE_404},
     {"a b c d e 403 f", APACHE_500}},
    {"[..., request=*.html*, status_code=4*,]", {APACHE_404}, {APACHE_200}},
    {"[w1=ERROR, w2]", {"ERROR message"}, {"ERROR WARN message", "WARN message", "ERROR"}},
    {"[w1=ERROR || w1=WARN, w2]", {"ERROR message", "WARN message"}, {"INFO message"}},
    {"[w1!=ERROR && w1!=WARN, w2]", {"INFO message"}, {"ERROR message", "WARN message"}},
    {"[ip=%127\\.0\\.0\\.[1-9]%, ...]", {APACHE_200}, {"127.0.0.0 x"}},
    /* Columns: fields, spellings. */
    {"[a = \"x y\"]", {"\"x y\"", "[x y]"}, {"x y"}},
    {"[...]", {"", "a b"}, {NULL}},
    {"[a,\xE2\x80\xA6,c=z]", {"x y z", "x z"}, {"x y", "z"}},
    {"[(a = 1 || a = 2) && a != 2, b]", {"1 x"}, {"2 x", "3 x"}},
    {"[a=1.0]", {"1", "1e0"}, {"2"}},
    {"[a=\"1.0\"]", {"1.0"}, {"1"}},
    {"[,b=x]", {"a x"}, {"x"}},
    {"[a, b]", {"  a \t b \n", "\"open b", "[open b"}, {"a"}},
};

static void check(const char *pattern, const char *message, bool expected)
{
    struct filter *filter;
    struct err err = {0};
    if (filter_new(str_from(pattern), &filter, &err) < 0)
        fail_msg("pattern '%s': %s", pattern, err.text);
    bool matches = filter_matches(filter, str_from(message));
    if (matches != filter_matches(filter, str_from(message)))
        fail_msg("pattern '%s': a second match differs", pattern);
    filter_free(filter);
    if (matches != expected)
        fail_msg("pattern '%s' %s '%s'", pattern, matches ? "matches" : "does not match", message);
}

static void test_matches(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t k = 0; k < ARRAY_LEN(cases[i].yes) && cases[i].yes[k] != NULL; k++)
            check(cases[i].pattern, cases[i].yes[k], true);
        for (size_t k = 0; k < ARRAY_LEN(cases[i].no) && cases[i].no[k] != NULL; k++)
            check(cases[i].pattern, cases[i].no[k], false);
    }
}

#define INVALID "Invalid filter pattern"
#define TERM(t) "Invalid character(s) in term '" t "'"

static const struct {
    const char *pattern, *text;
} broken[] = {
    {"foo:bar", TERM("foo:bar")},
    {"a foo-bar", TERM("foo-bar")},
    {"ERROR*", TERM("ERROR*")},
    {"\"\"", TERM("\"\"")},
    {"ab\"c\"", TERM("ab\"c\"")},
    {"\"open", INVALID},
    {"-", INVALID},
    {"a -", INVALID},
    {"?", INVALID},
    {"--a", TERM("-a")},
    {"%open", INVALID},
    {"%%", INVALID},
    {"%a(b)%", TERM("%a(b)%")},
    {"%something!%", TERM("%something!%")},
    {"%\\(%", TERM("%\\(%")},
    {"%[a%", INVALID},
    {"%*a%", INVALID},
    {"%a{2,1}%", INVALID},
    {"%a% %b% %c%", INVALID}, /* the quota of two */
    {"%caf\xC3\xA9%", TERM("%caf\xC3\xA9%")},
    {"{", "If a filter pattern starts with '{' it must end with '}'"},
    {"{$.a=1", "If a filter pattern starts with '{' it must end with '}'"},
    {"[a, b", "If a filter pattern starts with '[' it must end with ']'"},
    {"{}", INVALID},
    {"{ $ = 1 }", INVALID},
    {"{ $. = 1 }", INVALID},
    {"{ $.a. = 1 }", INVALID},
    {"{ $a = 1 }", INVALID},
    {"{ a = 1 }", INVALID},
    {"{ $.a }", INVALID},
    {"{ $.a = }", INVALID},
    {"{ $.a == 1 }", TERM("=")},
    {"{ $.a < x }", INVALID},
    {"{ $.a < \"1\" }", INVALID},
    {"{ $.a > %1% }", INVALID},
    {"{ $.a IS }", INVALID},
    {"{ $.a IS TRUEISH }", INVALID},
    {"{ $.a NOT }", INVALID},
    {"{ $.a NOT NULL }", INVALID},
    {"{ $.a = 1 && }", INVALID},
    {"{ $.a = 1 & $.b = 2 }", INVALID},
    {"{ $.a = 1 $.b = 2 }", INVALID},
    {"{ ($.a = 1 }", INVALID},
    {"{ $.a = 1) }", INVALID},
    {"{ $.a = x,y }", TERM("x,y")},
    {"{ $.a = caf\xC3\xA9 }", TERM("caf\xC3\xA9")},
    {"{ $.a = \"open }", INVALID},
    {"{ $.a[ = 1 }", INVALID},
    {"{ $.a[x] = 1 }", INVALID},
    {"{ $.a[-1] = 1 }", INVALID},
    {"{ $.a[99999999999] = 1 }", INVALID},
    {"{ $.a[0 = 1 }", INVALID},
    {"{ $.a b = 1 }", INVALID},
    {"{ $.\xC3\xA9 = 1 }", INVALID},
    {"[a b]", INVALID},
    {"[a, ..., b, ...]", INVALID},
    {"[...x]", INVALID},
    {"[a = 1 && b = 2]", INVALID}, /* a condition names its own column */
    {"[a IS NULL]", INVALID},
    {"[a = ]", INVALID},
    {"[a = 1 2]", INVALID},
    {"[a > x]", INVALID},
    {"[= 1]", INVALID},
    {"[a = x;y]", TERM("x;y")},
    {"[(a = 1]", INVALID},
};

static void test_broken(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct filter *filter = NULL;
        struct err err = {0};
        int rc = filter_new(str_from(broken[i].pattern), &filter, &err);
        if (rc != -EINVAL || strcmp(err.text, broken[i].text) != 0)
            fail_msg("pattern '%s': %d, \"%s\"", broken[i].pattern, rc, err.text);
        assert_null(filter);
    }
}

/* A pattern of exactly n bytes: head, then `piece` as often as it fits, then blanks, then tail. */
static struct filter *filled(const char *head, const char *piece, const char *tail, size_t n)
{
    AUTO_BUF struct buf text;
    struct filter *filter = NULL;
    buf_init(&text, 1 << 16);
    buf_put(&text, str_from(head));
    while (text.len + strlen(piece) + strlen(tail) <= n)
        buf_put(&text, str_from(piece));
    while (text.len + strlen(tail) < n)
        buf_put_char(&text, ' ');
    buf_put(&text, str_from(tail));
    return filter_new(buf_str(&text), &filter, NULL) == 0 ? filter : NULL;
}

static void test_bounds(void **state)
{
    (void) state;
    static const struct {
        const char *head, *piece, *tail;
    } shapes[] = {
        {"", "a ", ""},
        {"", "\"a\"", ""},
        {"{$.a=1", "||$.a=1", "}"},
        {"{$.a=1", "&&$.a=\"....\"", "}"},
        {"{$[0]=\"", "\\\"", "\"}"},
        {"[a", ",", "]"},
        {"[a=1", "||a=1", "]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct filter *filter =
            filled(shapes[i].head, shapes[i].piece, shapes[i].tail, FILTER_PATTERN_MAX);
        if (filter == NULL)
            fail_msg("shape %zu is refused", i);
        (void) filter_matches(filter, STR("{\"a\":2}"));
        filter_free(filter);
        assert_null(
            filled(shapes[i].head, shapes[i].piece, shapes[i].tail, FILTER_PATTERN_MAX + 1));
    }
    /* Too many parentheses, too many steps. */
    assert_null(filled("{", "(", "$.a=1}", 60));
    assert_null(filled("{$", ".a", "=1}", 400));
}

/* Deep arrays under [*] are read a bounded number of times. */
static void test_deep(void **state)
{
    (void) state;
    AUTO_BUF struct buf text;
    buf_init(&text, 1 << 16);
    for (int i = 0; i < 60; i++)
        buf_put_char(&text, '[');
    for (int i = 0; i < 500; i++)
        buf_put(&text, STR("1,"));
    buf_put_char(&text, '2');
    for (int i = 0; i < 60; i++)
        buf_put_char(&text, ']');
    struct filter *filter = filled("{$", "[*]", "=3}", 60 * 3 + 5);
    assert_non_null(filter);
    assert_false(filter_matches(filter, buf_str(&text)));
    filter_free(filter);
    filter = filled("{$", "[*]", "=2}", 60 * 3 + 5);
    assert_true(filter_matches(filter, buf_str(&text)));
    filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
