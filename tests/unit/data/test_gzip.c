/* gzip: good, cut, damaged and hostile data. */
#include "test.h"

#include "data/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

static struct str deflated(struct buf *out, const void *bytes, size_t len)
{
    z_stream z = {.next_in = (unsigned char *) (uintptr_t) bytes, .avail_in = (unsigned) len};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, len), begin = out->len;
    z.next_out = (unsigned char *) buf_room(out, bound);
    z.avail_out = (unsigned) bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_added(out, z.total_out);
    assert_int_equal(deflateEnd(&z), Z_OK);
    return str_skip(buf_str(out), begin);
}

static int inflated(struct str bytes, size_t limit, struct buf *out)
{
    buf_done(out);
    buf_init(out, limit);
    return gzip_inflate(bytes, out, NULL);
}

static void texts_and_members(void **state)
{
    (void) state;
    AUTO_BUF struct buf packed, out;
    buf_init(&packed, 16 << 20);
    buf_init(&out, 1);
    (void) deflated(&packed, "hello ", 6);
    assert_ok(inflated(buf_str(&packed), 100, &out));
    assert_str(buf_str(&out), "hello ");
    (void) deflated(&packed, "world", 5);
    assert_ok(inflated(buf_str(&packed), 100, &out));
    assert_str(buf_str(&out), "hello world");
    buf_reset(&packed);
    (void) deflated(&packed, "", 0);
    assert_ok(inflated(buf_str(&packed), 100, &out));
    assert_int_equal(out.len, 0);
}

static void stops_at_the_limit(void **state)
{
    (void) state;
    AUTO_BUF struct buf packed, out;
    char *zeros = calloc(1, 8 << 20);
    buf_init(&packed, 16 << 20);
    buf_init(&out, 1);
    struct str bomb = deflated(&packed, zeros, 8 << 20);
    free(zeros);
    assert_true(bomb.len < 10000);
    assert_ok(inflated(bomb, 8 << 20, &out));
    assert_int_equal(out.len, 8 << 20);
    assert_int_equal(inflated(bomb, (8 << 20) - 1, &out), -E2BIG);
    assert_int_equal(inflated(bomb, 1000, &out), -E2BIG);
    assert_true(out.cap <= 4096);
}

static void what_is_cut_or_damaged(void **state)
{
    (void) state;
    AUTO_BUF struct buf packed, out;
    buf_init(&packed, 16 << 20);
    buf_init(&out, 1);
    struct str good = deflated(&packed, "some text, some text, some text", 31);
    for (size_t i = 0; i < good.len; i++)
        assert_int_equal(inflated(str_head(good, i), 100, &out), -EPROTO);
    char copy[100];
    memcpy(copy, good.ptr, good.len);
    copy[good.len - 5] ^= 1; /* the CRC */
    assert_int_equal(inflated(str_of(copy, good.len), 100, &out), -EPROTO);
    memcpy(copy, good.ptr, good.len);
    copy[good.len - 1] ^= 1; /* the length */
    assert_int_equal(inflated(str_of(copy, good.len), 100, &out), -EPROTO);
    memcpy(copy, good.ptr, good.len);
    copy[good.len] = 'x'; /* something behind it */
    assert_int_equal(inflated(str_of(copy, good.len + 1), 100, &out), -EPROTO);
    assert_int_equal(inflated(STR("not gzip at all"), 100, &out), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_members),
        cmocka_unit_test(stops_at_the_limit),
        cmocka_unit_test(what_is_cut_or_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
