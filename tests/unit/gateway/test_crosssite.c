#include "test.h"

#include "gateway/crosssite.h"
#include "heads.h"

static const struct str extra_hosts[] = {STR_INIT("virga"), STR_INIT(".lan.example")};
static const struct str extra_origins[] = {STR_INIT("https://app.example.com")};
static const struct crosssite rules = {
    .listen_host = STR_INIT("127.0.0.1"),
    .extra_hosts = extra_hosts,
    .extra_host_count = 2,
    .extra_origins = extra_origins,
    .extra_origin_count = 1,
};

static bool passes(const struct crosssite *with, const char *format, const char *value)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "%s", format);
    assert_true(len > 0);
    (void) snprintf(text + len, sizeof text - (size_t) len, "%s\r\n\r\n", value);
    struct http_head head = head_of(text);
    return crosssite_check(with, &head) == NULL;
}

static void hosts(void **state)
{
    (void) state;
    static const char *const good[] = {
        "localhost",
        "localhost:4566",
        "LOCALHOST:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "bucket.s3.localhost",
        "x.lambda-url.us-east-1.localhost:4566",
        "localhost.localstack.cloud:4566",
        "s3.localhost.localstack.cloud",
        "lambda.us-east-1.amazonaws.com",
        "virga",
        "virga:4566",
        "a.lan.example",
    };
    static const char *const bad[] = {
        "example.com",      "localhost.example.com",
        "evillocalhost",    "127.0.0.1.nip.io",
        "10.0.0.1",         "amazonaws.com.evil.org",
        "xamazonaws.com",   "virga.evil.org",
        "lan.example.org",  "[::2]:80",
        "192.168.0.1:4566",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!passes(&rules, "GET / HTTP/1.1\r\nHost: ", good[i]))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (passes(&rules, "GET / HTTP/1.1\r\nHost: ", bad[i]))
            fail_msg("let in: %s", bad[i]);
    }
}

static void a_wildcard_listener_takes_address_literals_but_no_names(void **state)
{
    (void) state;
    const struct crosssite any = {.listen_host = STR("0.0.0.0")};
    assert_true(passes(&any, "GET / HTTP/1.1\r\nHost: ", "10.1.2.3:4566"));
    assert_true(passes(&any, "GET / HTTP/1.1\r\nHost: ", "[fe80::1]:4566"));
    assert_false(passes(&any, "GET / HTTP/1.1\r\nHost: ", "example.com"));
    assert_false(passes(&any, "GET / HTTP/1.1\r\nHost: ", "10.1.2.3.nip.io"));
}

static void origins(void **state)
{
    (void) state;
    static const char *const head = "POST / HTTP/1.1\r\nHost: localhost:4566\r\nOrigin: ";
    assert_true(passes(&rules, head, "http://localhost:4566"));
    assert_true(passes(&rules, head, "https://app.example.com"));
    assert_false(passes(&rules, head, "http://localhost:3000"));
    assert_false(passes(&rules, head, "https://evil.example.com"));
    assert_false(passes(&rules, head, "https://app.example.com.evil.org"));
    assert_false(passes(&rules, head, "null"));
    assert_false(passes(&rules, head, ""));
    assert_false(passes(&rules, head, "http://evil.org/http://localhost:4566"));
}

static void pages_of_other_sites_may_link_but_not_load(void **state)
{
    (void) state;
    static const char *const get = "GET /x HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: ";
    assert_true(passes(&rules, get, "same-origin"));
    assert_true(passes(&rules, get, "none"));
    assert_true(passes(&rules, get, "cross-site\r\nSec-Fetch-Mode: navigate"));
    assert_false(passes(&rules, get, "cross-site"));
    assert_false(passes(&rules, get, "cross-site\r\nSec-Fetch-Mode: no-cors"));
    static const char *const links[] = {"/x?code=1&state=a%20b", "/?Actions=1", "/x?", "/?=&&a"};
    static const char *const actions[] = {"/?Action=DeleteTopic", "/?a=b&Action=x", "/?%41ction=x",
                                          "/x?Action", "/?Action=%zz"};
    for (size_t i = 0; i < ARRAY_LEN(links) + ARRAY_LEN(actions); i++) {
        bool is_link = i < ARRAY_LEN(links);
        char text[256];
        (void) snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Mode: navigate\r\n"
                        "Sec-Fetch-Site: ",
                        is_link ? links[i] : actions[i - ARRAY_LEN(links)]);
        assert_int_equal(passes(&rules, text, "cross-site"), is_link);
        assert_true(passes(&rules, text, "none")); /* typed, or a bookmark */
    }
    static const char *const post = "POST /x HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: ";
    assert_false(passes(&rules, post, "cross-site\r\nSec-Fetch-Mode: navigate"));
    assert_true(passes(&rules, post, "cross-site\r\nOrigin: https://app.example.com"));
}

static void own_actions_need_their_header(void **state)
{
    (void) state;
    assert_true(passes(&rules, "GET /_virga/health HTTP/1.1\r\nHost: ", "localhost"));
    assert_false(passes(&rules, "POST /_virga/reset HTTP/1.1\r\nHost: ", "localhost"));
    assert_false(passes(&rules, "DELETE /_localstack/state HTTP/1.1\r\nHost: ", "localhost"));
    assert_true(passes(&rules, "POST /_virga/reset HTTP/1.1\r\nHost: localhost\r\n",
                       "X-Virga-Action: reset"));
}

static void prefixes_of_sdks_change_nothing(void **state)
{
    (void) state;
    assert_true(passes(&rules, "GET /x HTTP/1.1\r\nHost: ", "sync-localhost:4566"));
    assert_true(passes(&rules, "GET /x HTTP/1.1\r\nHost: ", "Streaming-127.0.0.1"));
    assert_false(passes(&rules, "GET /x HTTP/1.1\r\nHost: ", "sync-evil.example.org"));
    assert_false(passes(&rules, "GET /x HTTP/1.1\r\nHost: ", "sync-"));
    assert_false(passes(&rules, "GET /x HTTP/1.1\r\nHost: ", "sync-sync-localhost"));
}

static void names_without_ports(void **state)
{
    (void) state;
    assert_str(host_name(STR("a:1")), "a");
    assert_str(host_name(STR("a")), "a");
    assert_str(host_name(STR("[::1]:80")), "::1");
    assert_str(host_name(STR("[::1")), "::1");
    assert_str(host_name(STR("")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts),
        cmocka_unit_test(a_wildcard_listener_takes_address_literals_but_no_names),
        cmocka_unit_test(origins),
        cmocka_unit_test(pages_of_other_sites_may_link_but_not_load),
        cmocka_unit_test(own_actions_need_their_header),
        cmocka_unit_test(prefixes_of_sdks_change_nothing),
        cmocka_unit_test(names_without_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
