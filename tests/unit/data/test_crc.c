#include "test.h"

#include "data/crc.h"

/* Check values of the CRC catalogue (reveng). */
static void check_values(void **state)
{
    (void) state;
    assert_int_equal(crc32c(0, STR("123456789")), 0xe3069283);
    assert_true(crc64nvme(0, STR("123456789")) == UINT64_C(0xae8b14860a799888));
    assert_int_equal(crc32c(0, STR("")), 0);
    assert_true(crc64nvme(0, STR("")) == 0);
}

/* RFC 3720 appendix B.4: 32 bytes of zeros, of ones, and counting up. */
static void rfc_3720_vectors(void **state)
{
    (void) state;
    char bytes[32] = {0};
    assert_int_equal(crc32c(0, str_of(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, str_of(bytes, 32)), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char) i;
    assert_int_equal(crc32c(0, str_of(bytes, 32)), 0x46dd794e);
}

static void any_cut_gives_the_same(void **state)
{
    (void) state;
    char bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char) (i * 37 + i / 7);
    struct str all = str_of(bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        struct str head = str_head(all, cut), rest = str_skip(all, cut);
        assert_int_equal(crc32c(crc32c(0, head), rest), crc32c(0, all));
        assert_int_equal(crc32c_portable(crc32c_portable(0, head), rest), crc32c(0, all));
        assert_true(crc64nvme(crc64nvme(0, head), rest) == crc64nvme(0, all));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values),
        cmocka_unit_test(rfc_3720_vectors),
        cmocka_unit_test(any_cut_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
