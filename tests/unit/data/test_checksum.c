#include "test.h"

#include "data/checksum.h"

/* Values that botocore's own checksum classes give for the same text. */
static void known_values(void **state)
{
    (void) state;
    static const struct {
        const char *header, *value;
    } cases[] = {
        {"x-amz-checksum-crc32", "DUoRhQ=="},
        {"X-Amz-Checksum-CRC32C", "yZRlqg=="},
        {"x-amz-checksum-crc64nvme", "jSnVw/bqjr4="},
        {"x-amz-checksum-sha1", "Kq5sNclPz7QV2+lfQIuc6R7oRu0="},
        {"x-amz-checksum-sha256", "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct checksum checksum;
        char text[CHECKSUM_TEXT_MAX + 1];
        checksum_init(&checksum, checksum_of_header(str_from(cases[i].header)));
        checksum_add(&checksum, STR("hello "));
        checksum_add(&checksum, STR("world"));
        checksum_end(&checksum, text);
        assert_string_equal(text, cases[i].value);
        checksum_done(&checksum);
    }
    assert_int_equal(checksum_of_header(STR("x-amz-checksum-md5")), CHECKSUM_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
