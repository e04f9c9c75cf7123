/* CBOR: the examples of RFC 8949 appendix A, what section 3 and appendix F call not well-formed,
 * and the bounds. */
#include "test.h"

#include "data/cbor.h"

#include <math.h>
#include <stdlib.h>

/* "83 01 02" or "830102" as bytes, in the arena. */
static struct str hex(struct arena *arena, const char *text)
{
    size_t len = strlen(text) / 2, at = 0;
    unsigned char *bytes = arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        const char two[3] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes[at++] = (unsigned char) strtoul(two, NULL, 16);
    }
    return str_of(bytes, len);
}

/* The tokens as text: "[1,{\"a\":2}]" in diagnostic notation, maps with commas only. */
static void put_token(struct buf *out, const struct cbor_reader *r, enum cbor_token tok)
{
    switch (tok) {
    case CBOR_UINT: buf_printf(out, "%llu ", (unsigned long long) r->number); break;
    case CBOR_NEGATIVE: buf_printf(out, "-1-%llu ", (unsigned long long) r->number); break;
    case CBOR_BYTES: buf_printf(out, "h%zu ", r->text.len); break;
    case CBOR_TEXT: buf_printf(out, "'" STR_FMT "' ", STR_ARG(r->text)); break;
    case CBOR_ARRAY_BEGIN: buf_put(out, STR("[ ")); break;
    case CBOR_ARRAY_END: buf_put(out, STR("] ")); break;
    case CBOR_MAP_BEGIN: buf_put(out, STR("{ ")); break;
    case CBOR_MAP_END: buf_put(out, STR("} ")); break;
    case CBOR_TAG: buf_printf(out, "#%llu ", (unsigned long long) r->number); break;
    case CBOR_FALSE: buf_put(out, STR("false ")); break;
    case CBOR_TRUE: buf_put(out, STR("true ")); break;
    case CBOR_NULL: buf_put(out, STR("null ")); break;
    case CBOR_FLOAT: buf_printf(out, "%.17g ", r->real); break;
    case CBOR_END:
    case CBOR_ERROR:
    default: break;
    }
}

static void reads_as(const char *bytes, const char *tokens)
{
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf text;
    struct cbor_reader r;
    enum cbor_token tok;
    arena_init(&arena, 1 << 20);
    buf_init(&text, 1 << 20);
    cbor_reader_init(&r, hex(&arena, bytes), &arena);
    while ((tok = cbor_next(&r)) != CBOR_END && tok != CBOR_ERROR)
        put_token(&text, &r, tok);
    if (tok == CBOR_ERROR)
        fail_msg("%s: %s at byte %zu", bytes, r.error, r.error_at);
    buf_put_char(&text, '.');
    assert_str(buf_str(&text), tokens);
}

static void is_refused(const char *bytes, const char *why)
{
    AUTO_ARENA struct arena arena;
    struct cbor_reader r;
    enum cbor_token tok;
    arena_init(&arena, 1 << 20);
    cbor_reader_init(&r, hex(&arena, bytes), &arena);
    while ((tok = cbor_next(&r)) != CBOR_END && tok != CBOR_ERROR) {
    }
    if (tok == CBOR_END)
        fail_msg("%s was taken", bytes);
    assert_string_equal(r.error, why);
    assert_int_equal(cbor_next(&r), CBOR_ERROR);
}

static void examples_of_the_standard(void **state)
{
    (void) state;
    reads_as("00", "0 .");
    reads_as("1818", "24 .");
    reads_as("1903e8", "1000 .");
    reads_as("1a000f4240", "1000000 .");
    reads_as("1bffffffffffffffff", "18446744073709551615 .");
    reads_as("20", "-1-0 .");
    reads_as("3bffffffffffffffff", "-1-18446744073709551615 .");
    reads_as("f4", "false .");
    reads_as("f5", "true .");
    reads_as("f6", "null .");
    reads_as("f7", "null .");
    reads_as("c11a514b67b0", "#1 1363896240 .");
    reads_as("d74401020304", "#23 h4 .");
    reads_as("60", "'' .");
    reads_as("62c3bc", "'\xC3\xBC' .");
    reads_as("64f0908591", "'\xF0\x90\x85\x91' .");
    reads_as("80", "[ ] .");
    reads_as("8301820203820405", "[ 1 [ 2 3 ] [ 4 5 ] ] .");
    reads_as("a26161016162820203", "{ 'a' 1 'b' [ 2 3 ] } .");
    reads_as("826161a161626163", "[ 'a' { 'b' 'c' } ] .");
}

static void lengths_that_are_not_given(void **state)
{
    (void) state;
    reads_as("5f42010243030405ff", "h5 .");
    reads_as("7f657374726561646d696e67ff", "'streaming' .");
    reads_as("7fff", "'' .");
    reads_as("7f6161ff", "'a' .");
    reads_as("9fff", "[ ] .");
    reads_as("9f018202039f0405ffff", "[ 1 [ 2 3 ] [ 4 5 ] ] .");
    reads_as("83018202039f0405ff", "[ 1 [ 2 3 ] [ 4 5 ] ] .");
    reads_as("bf61610161629f0203ffff", "{ 'a' 1 'b' [ 2 3 ] } .");
    reads_as("bf6346756ef563416d7421ff", "{ 'Fun' true 'Amt' -1-1 } .");
    reads_as("bf6161c101ff", "{ 'a' #1 1 } .");
}

static double real(const char *bytes)
{
    AUTO_ARENA struct arena arena;
    struct cbor_reader r;
    arena_init(&arena, 4096);
    cbor_reader_init(&r, hex(&arena, bytes), NULL);
    assert_int_equal(cbor_next(&r), CBOR_FLOAT);
    return r.real;
}

static void floats_of_all_widths(void **state)
{
    (void) state;
    assert_true(real("f90000") == 0.0);
    assert_true(signbit(real("f98000")));
    assert_true(real("f93c00") == 1.0);
    assert_true(real("fb3ff199999999999a") == 1.1);
    assert_true(real("f93e00") == 1.5);
    assert_true(real("f97bff") == 65504.0);
    assert_true(real("fa47c35000") == 100000.0);
    assert_true(real("fa7f7fffff") == 3.4028234663852886e+38);
    assert_true(real("fb7e37e43c8800759c") == 1.0e+300);
    assert_true(real("f90001") == 5.960464477539063e-8);
    assert_true(real("f90400") == 0.00006103515625);
    assert_true(real("f9c400") == -4.0);
    assert_true(isinf(real("f97c00")) && real("f9fc00") < 0);
    assert_true(isnan(real("f97e00")) && isnan(real("fa7fc00000")));
}

static void what_is_not_well_formed(void **state)
{
    (void) state;
    is_refused("", "unexpected end");
    is_refused("18", "unexpected end");
    is_refused("1a0102", "unexpected end");
    is_refused("61", "unexpected end");
    is_refused("5affffffff00", "unexpected end");
    is_refused("5bffffffffffffffff010203", "unexpected end");
    is_refused("81", "more items announced than bytes are left");
    is_refused("9bffffffffffffffff00", "more items announced than bytes are left");
    is_refused("bb800000000000000000", "more items announced than bytes are left");
    is_refused("a10102ff", "something follows the item");
    is_refused("0000", "something follows the item");
    is_refused("1c", "reserved length");
    is_refused("1f", "reserved length");
    is_refused("3f", "reserved length");
    is_refused("df00", "reserved length");
    is_refused("f800", "unknown simple value");
    is_refused("e0", "unknown simple value");
    is_refused("ff", "a break where none belongs");
    is_refused("81ff", "a break where none belongs");
    is_refused("8200ff", "a break where none belongs");
    is_refused("bf00ff", "a break where none belongs"); /* a key without a value */
    is_refused("9fc1ff", "a break where none belongs"); /* a tag without an item */
    is_refused("9f", "unexpected end");
    is_refused("c1", "unexpected end");
    is_refused("5f00ff", "wrong chunk in a string");
    is_refused("5f6100ff", "wrong chunk in a string");
    is_refused("5f5f4100ffff", "wrong chunk in a string");
    is_refused("7f6161", "unexpected end");
    is_refused("61ff", "text is not UTF-8");
    is_refused("7f61c361bcff", "text is not UTF-8"); /* a character over two chunks */
}

static void depth_and_memory_are_bounded(void **state)
{
    (void) state;
    char deep[2 * (CBOR_DEPTH_MAX + 2) + 1];
    for (size_t i = 0; i < CBOR_DEPTH_MAX + 1; i++)
        memcpy(deep + 2 * i, "81", 2);
    memcpy(deep + 2 * (size_t) (CBOR_DEPTH_MAX + 1), "00", 3);
    is_refused(deep, "too deep");
    reads_as(deep + 2 * CBOR_DEPTH_MAX, "[ 0 ] .");
    struct cbor_reader r;
    cbor_reader_init(&r,
                     STR("\x7f\x61"
                         "a\x61"
                         "b\xff"),
                     NULL);
    assert_int_equal(cbor_next(&r), CBOR_ERROR);
    assert_string_equal(r.error, "no memory for a string in chunks");
}

static void skipping_ends_behind_the_item(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    struct cbor_reader r;
    arena_init(&arena, 4096);
    cbor_reader_init(&r, hex(&arena, "83c1c2a10102820304f6"), &arena);
    assert_int_equal(cbor_next(&r), CBOR_ARRAY_BEGIN);
    assert_true(cbor_skip(&r, cbor_next(&r)));
    assert_true(cbor_skip(&r, cbor_next(&r)));
    assert_int_equal(cbor_next(&r), CBOR_NULL);
    assert_int_equal(cbor_next(&r), CBOR_ARRAY_END);
    assert_int_equal(cbor_next(&r), CBOR_END);
}

static void writes_the_shortest_heads(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 4096);
    buf_init(&out, 4096);
    cbor_put_map(&out, 2);
    cbor_put_text(&out, STR("a"));
    cbor_put_array(&out, 9);
    cbor_put_u64(&out, 23);
    cbor_put_u64(&out, 24);
    cbor_put_i64(&out, -256);
    cbor_put_i64(&out, INT64_MIN);
    cbor_put_u64(&out, 65536);
    cbor_put_float(&out, 1.5F);
    cbor_put_double(&out, 1.1);
    cbor_put_bool(&out, true);
    cbor_put_null(&out);
    cbor_put_tag(&out, 1);
    cbor_put_bytes(&out, STR("\1\2"));
    cbor_put_bool(&out, false);
    struct str wanted = hex(&arena, "a261618917181838ff3b7fffffffffffffff1a00010000fa3fc00000"
                                    "fb3ff199999999999af5f6c1420102f4");
    assert_int_equal(out.len, wanted.len);
    assert_memory_equal(out.ptr, wanted.ptr, wanted.len);
}

static void text_that_is_not_utf8_is_repaired(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, 4096);
    cbor_put_text(&out, STR("a\xff\xc3\xbc"));
    assert_str(buf_str(&out), "\x66"
                              "a\xEF\xBF\xBD\xC3\xBC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_standard),
        cmocka_unit_test(lengths_that_are_not_given),
        cmocka_unit_test(floats_of_all_widths),
        cmocka_unit_test(what_is_not_well_formed),
        cmocka_unit_test(depth_and_memory_are_bounded),
        cmocka_unit_test(skipping_ends_behind_the_item),
        cmocka_unit_test(writes_the_shortest_heads),
        cmocka_unit_test(text_that_is_not_utf8_is_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
