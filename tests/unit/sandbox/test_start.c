#include "test.h"

#include "base/buf.h"
#include "sandbox/sandbox.h"
#include "sandbox/start.h"

#include <errno.h>

static void the_block_is_as_described(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, SANDBOX_START_MAX);
    static const char *const argv[] = {"/bin/x", ""}, *const envp[] = {"A=1"};
    assert_ok(sandbox_start_block(&out, argv, 2, envp, 1, NULL));
    static const char expected[] = "VRGASTRT\x0c\0\0\0\2\0\1\0/bin/x\0\0A=1";
    assert_int_equal(out.len, sizeof expected);
    assert_memory_equal(out.ptr, expected, sizeof expected);
    struct start_header header = {0};
    assert_int_equal(start_header_parse((unsigned char *) out.ptr, &header), 0);
    assert_false(header.is_alone);
    sandbox_start_alone(&out);
    assert_memory_equal(out.ptr, "VRGASTRA", 8);
    assert_int_equal(start_header_parse((unsigned char *) out.ptr, &header), 0);
    assert_true(header.is_alone);
    assert_int_equal(header.argc, 2);
    sandbox_start_companion(&out, 0);
    assert_memory_equal(out.ptr, "VRGASTRC", 8);
    assert_int_equal(start_header_parse((unsigned char *) out.ptr, &header), 0);
    assert_true(header.is_companion && !header.is_alone);
    out.ptr[7] = 'B';
    assert_int_equal(start_header_parse((unsigned char *) out.ptr, &header), -1);
}

static void limits_hold(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, SANDBOX_START_MAX);
    struct err err;
    const char *relative[] = {"bin/x"};
    assert_int_equal(sandbox_start_block(&out, relative, 1, NULL, 0, &err), -EINVAL);
    assert_int_equal(sandbox_start_block(&out, relative, 0, NULL, 0, &err), -EINVAL);

    static char large[SANDBOX_START_MAX];
    memset(large, 'x', sizeof large);
    large[0] = '/';
    const char *argv[] = {large};
    large[SANDBOX_START_MAX - SANDBOX_START_HEADER] = '\0'; /* One byte too long with its NUL. */
    assert_int_equal(sandbox_start_block(&out, argv, 1, NULL, 0, &err), -E2BIG);
    assert_int_equal(out.len, 0);
    large[SANDBOX_START_MAX - SANDBOX_START_HEADER - 1] = '\0';
    assert_ok(sandbox_start_block(&out, argv, 1, NULL, 0, &err));
    assert_int_equal(out.len, SANDBOX_START_MAX);

    static const char *many[8192];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = "/";
    buf_reset(&out);
    assert_ok(sandbox_start_block(&out, many, 8192, NULL, 0, &err));
    assert_int_equal(sandbox_start_block(&out, many, 8192, many, 1, &err), -E2BIG);
    assert_int_equal(sandbox_start_block(&out, many, 1, many, SIZE_MAX, &err), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_block_is_as_described),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
