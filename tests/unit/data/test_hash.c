#include "test.h"

#include "data/hash.h"

#include <errno.h>

#define assert_hex(bytes, n, expected)                                                             \
    do {                                                                                           \
        char hex_[2 * (n) + 1];                                                                    \
        hex_encode((bytes), (n), hex_);                                                            \
        assert_string_equal(hex_, (expected));                                                     \
    } while (0)

/* FIPS 180-4 and RFC 1321 examples. */
static void digests(void **state)
{
    (void) state;
    unsigned char out[SHA256_SIZE];
    hash_sha256(STR("abc"), out);
    assert_hex(out, SHA256_SIZE,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_sha256(STR(""), out);
    assert_hex(out, SHA256_SIZE,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_sha256(STR_NONE, out);
    assert_hex(out, SHA256_SIZE,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_sha1(STR("abc"), out);
    assert_hex(out, SHA1_SIZE, "a9993e364706816aba3e25717850c26c9cd0d89d");
    hash_md5(STR("message digest"), out);
    assert_hex(out, MD5_SIZE, "f96b697d7cb7938d525a2f31aaf161d0");
}

/* RFC 4231, cases 2 and 6 (a key longer than the block). */
static void hmac(void **state)
{
    (void) state;
    unsigned char out[SHA256_SIZE];
    hash_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out);
    assert_hex(out, SHA256_SIZE,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char key[131];
    memset(key, 0xaa, sizeof key);
    hash_hmac_sha256(str_of(key, sizeof key),
                     STR("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    assert_hex(out, SHA256_SIZE,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hash_hmac_sha256(STR(""), STR(""), out);
    assert_hex(out, SHA256_SIZE,
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    hash_hmac_sha1(STR("Jefe"), STR("what do ya want for nothing?"), out); /* RFC 2202 case 2 */
    assert_hex(out, SHA1_SIZE, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

static void crc(void **state)
{
    (void) state;
    assert_int_equal(hash_crc32(0, STR("123456789")), 0xCBF43926);
    uint32_t crc = hash_crc32(0, STR("1234"));
    crc = hash_crc32(crc, STR_NONE);
    assert_int_equal(hash_crc32(crc, STR("56789")), 0xCBF43926);
}

static void in_pieces(void **state)
{
    (void) state;
    unsigned char once[SHA256_SIZE], pieces[SHA256_SIZE];
    static char text[1000];
    memset(text, 'q', sizeof text);
    hash_sha256(str_of(text, sizeof text), once);
    struct hasher *hash = hasher_new(HASH_SHA256);
    hasher_add(hash, STR_NONE);
    for (size_t at = 0; at < sizeof text; at += 100)
        hasher_add(hash, str_of(text + at, 100));
    assert_int_equal(hasher_end(hash, pieces), SHA256_SIZE);
    hasher_free(hash);
    hasher_free(NULL);
    assert_memory_equal(once, pieces, SHA256_SIZE);
}

static void hexadecimal(void **state)
{
    (void) state;
    unsigned char out[3] = {1, 2, 3};
    assert_int_equal(hex_decode(STR("00ff"), out, 3), -EINVAL);
    assert_int_equal(hex_decode(STR("00ff0"), out, 2), -EINVAL);
    assert_int_equal(hex_decode(STR("00fg7f"), out, 3), -EINVAL);
    assert_int_equal(hex_decode(STR("00 f7f"), out, 3), -EINVAL);
    assert_int_equal(out[0], 1);
    assert_ok(hex_decode(STR("00Ff7e"), out, 3));
    assert_hex(out, 3, "00ff7e");
    assert_ok(hex_decode(STR(""), out, 0));
}

static void uuids(void **state)
{
    (void) state;
    unsigned char random[16];
    char text[UUID_TEXT_SIZE];
    memset(random, 0xff, sizeof random);
    uuid_format(random, text);
    assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    memset(random, 0, sizeof random);
    uuid_format(random, text);
    assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests),   cmocka_unit_test(hmac),        cmocka_unit_test(crc),
        cmocka_unit_test(in_pieces), cmocka_unit_test(hexadecimal), cmocka_unit_test(uuids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
