#include "test.h"

#include "data/base64.h"

#include <errno.h>

/* RFC 4648, section 10. */
static const struct {
    const char *plain, *text;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"}};

static void vectors_of_the_rfc(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        AUTO_BUF struct buf out;
        buf_init(&out, 100);
        base64_encode(&out, str_from(vectors[i].plain));
        assert_str(buf_str(&out), vectors[i].text);
        struct str back = STR_NONE;
        assert_ok(base64_decode(&arena, str_from(vectors[i].text), &back));
        assert_str(back, vectors[i].plain);
        assert_non_null(back.ptr);
    }
}

static void refuses_what_is_not_canonical(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 64 * 1024);
    static const char *const cases[] = {
        "Z",       "Zg",       "Zg=",         "Zg===",    "=",         "====",
        "Z===",    "Zh==",     "Zm9=",        "Zm9v\n",   "Zm9v====",  "Zg==Zg==",
        "Zm 9",    "Zm-_",     "Zm=v",        "Zm9vZ===", "=m9v",      "Zm9v=m9v",
        "Zm9\x80", "Zm9vZm=v", "Z\xC3\xA4==", "Zm9vYg= ", " Zm9vYg==", "Zm9vYg==\n"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str out = STR_INIT("kept");
        if (base64_decode(&arena, str_from(cases[i]), &out) != -EINVAL)
            fail_msg("\"%s\" was accepted", cases[i]);
        assert_str(out, "kept");
    }
    struct str nul = str_of("Zm\0v", 4), out;
    assert_int_equal(base64_decode(&arena, nul, &out), -EINVAL);
}

static void every_byte_and_length_comes_back(void **state)
{
    (void) state;
    char bytes[256], back[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char) (i * 167 + 13);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        AUTO_BUF struct buf out;
        buf_init(&out, 1024);
        base64_encode(&out, str_of(bytes, len));
        assert_int_equal(out.len, base64_encoded_len(len));
        size_t back_len = 999;
        assert_ok(base64_decode_into(buf_str(&out), back, &back_len));
        assert_int_equal(back_len, len);
        assert_memory_equal(back, bytes, len);
    }
}

static void limits_hold(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, 7);
    base64_encode(&out, STR("foobar"));
    assert_true(buf_is_over(&out));
    assert_int_equal(out.len, 0);
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1024);
    static char big[4096];
    memset(big, 'A', sizeof big);
    struct str bytes = STR_NONE;
    assert_int_equal(base64_decode(&arena, str_of(big, sizeof big), &bytes), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_rfc),
        cmocka_unit_test(refuses_what_is_not_canonical),
        cmocka_unit_test(every_byte_and_length_comes_back),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
