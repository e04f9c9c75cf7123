/* HTTP/2 fields as the head that handlers know. */
#include "test.h"

#include "net/http2_head.h"

struct pair {
    const char *name, *value;
};

static int finish(struct http2_head *h, const struct pair *pairs, struct http_head *out_head)
{
    struct err err;
    http2_head_init(h);
    for (; pairs->name != NULL; pairs++)
        http2_head_add(h, str_from(pairs->name), str_from(pairs->value));
    return http2_head_finish(h, out_head, &err);
}

#define USUAL                                                                                      \
    {":method", "GET"}, {":scheme", "http"},                                                       \
    {                                                                                              \
        ":authority", "a:1"                                                                        \
    }

static void fields_become_a_head(void **state)
{
    (void) state;
    const struct pair pairs[] = {USUAL,          {":path", "/p/q?x=1"},   {"cookie", "a=1"},
                                 {"x-a", " b "}, {"content-length", "7"}, {"cookie", "c=2"},
                                 {NULL, NULL}};
    struct http2_head h;
    struct http_head head;
    assert_int_equal(finish(&h, pairs, &head), 0);
    assert_str(head.method, "GET");
    assert_str(head.target, "/p/q?x=1");
    assert_str(head.path, "/p/q");
    assert_str(head.query, "x=1");
    assert_str(head.host, "a:1");
    assert_int_equal(head.content_length, 7);
    assert_int_equal(head.minor_version, 1);
    assert_true(head.is_keep_alive && !head.is_chunked && !head.is_upgrade);
    assert_int_equal(head.header_count, 4);
    assert_str(http_header_find(&head, STR("Host")), "a:1");
    assert_str(http_header_find(&head, STR("Cookie")), "a=1; c=2");
    assert_str(http_header_find(&head, STR("X-A")), "b");
    http2_head_done(&h);
}

static void what_http1_refuses_is_refused_here(void **state)
{
    (void) state;
    static const struct {
        int status;
        struct pair pairs[8];
    } cases[] = {
        {-400, {USUAL, {":path", "p"}}},
        {-400, {USUAL, {":path", ""}}},
        {-400, {USUAL, {":path", "/a b"}}},
        {-400, {USUAL, {":path", "/a#b"}}},
        {-400, {USUAL, {":path", "http://elsewhere/"}}},
        {-400, {USUAL, {":path", "/"}, {":other", "x"}}},
        {-400, {USUAL, {":path", "/"}, {"host", "b"}}},
        {-400, {USUAL, {":path", "/"}, {"Host", "b"}}},
        {-400, {USUAL, {":path", "/"}, {"content-length", "+1"}}},
        {-400, {USUAL, {":path", "/"}, {"content-length", "1"}, {"content-length", "1"}}},
        {-417, {USUAL, {":path", "/"}, {"expect", "more"}}},
        {-400, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}},
        {-400, {{":method", "GET"}, {":path", "/"}, {":authority", "a@b"}}},
        {-400, {{":method", "G T"}, {":path", "/"}, {":authority", "a"}}},
        {-501, {{":method", "CONNECT"}, {":path", "x"}, {":authority", "a"}}},
        {0, {{":method", "OPTIONS"}, {":path", "*"}, {":authority", "a"}}},
        {0, {{":method", "GET"}, {":path", "/"}, {"host", "a"}}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http2_head h;
        struct http_head head;
        int rc = finish(&h, cases[i].pairs, &head);
        if (rc != cases[i].status)
            fail_msg("case %zu: %d, not %d", i, rc, cases[i].status);
        http2_head_done(&h);
    }
}

static void too_much_is_dropped_and_told(void **state)
{
    (void) state;
    struct http2_head h;
    struct http_head head;
    struct err err;
    http2_head_init(&h);
    http2_head_add(&h, STR(":method"), STR("GET"));
    for (int i = 0; i < 5000; i++)
        http2_head_add(&h, STR("x-n"), STR("0123456789012345678901234567890123456789"));
    assert_true(h.text.len <= HTTP2_HEAD_MAX);
    assert_int_equal(http2_head_finish(&h, &head, &err), -431);
    http2_head_done(&h);
    const struct pair usual[] = {USUAL, {":path", "/"}, {NULL, NULL}};
    assert_int_equal(finish(&h, usual, &head), 0);
    for (int i = 0; i < HTTP1_HEADERS_MAX; i++)
        http2_head_add(&h, STR("x"), STR("y"));
    assert_int_equal(http2_head_finish(&h, &head, &err), -431); /* the Host makes one too many */
    http2_head_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_become_a_head),
        cmocka_unit_test(what_http1_refuses_is_refused_here),
        cmocka_unit_test(too_much_is_dropped_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
