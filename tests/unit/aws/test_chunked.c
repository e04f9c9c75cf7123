/* aws-chunked bodies: the two worked examples of the S3 documentation (66,560 letters "a" in chunks
 * of 64 KiB), fed whole and byte by byte, and everything that can be wrong with a body. */
#include "test.h"

#include "aws/chunked.h"

static const struct str scope = STR_INIT("20130524/us-east-1/s3/aws4_request");

struct outcome {
    enum awschunk_fault fault;
    bool is_done;
    uint64_t bytes;
};

static struct outcome feed(struct awschunk *chunk, struct str body, size_t step)
{
    struct outcome o = {0};
    while (body.len > 0 && o.fault == AWSCHUNK_OK) {
        struct str piece = str_head(body, step), data;
        size_t used;
        o.fault = awschunk_next(chunk, piece, &used, &data);
        o.bytes += data.len;
        if (o.fault == AWSCHUNK_OK)
            assert_true(used > 0);
        body = str_skip(body, used);
    }
    o.is_done = awschunk_is_done(chunk);
    return o;
}

static struct awschunk *open_signed(const char *form, const char *seed, const char *trailer)
{
    struct sigv4 sig = {
        .timestamp = STR("20130524T000000Z"), .scope = scope, .signature = str_from(seed)};
    unsigned char key[SIGV4_KEY_SIZE];
    sigv4_signing_key(STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), STR("20130524"),
                      STR("us-east-1"), STR("s3"), key);
    struct awschunk_config config = {.payload_hash = str_from(form),
                                     .sig = &sig,
                                     .key = key,
                                     .decoded_length = 66560,
                                     .trailer = str_from(trailer)};
    struct awschunk *chunk = NULL;
    assert_int_equal(awschunk_new(&config, &chunk), AWSCHUNK_OK);
    return chunk;
}

static void put_letters(struct buf *body, size_t count)
{
    memset(buf_room(body, count), 'a', count);
    buf_added(body, count);
}

static void example_body(struct buf *body, const char *const signatures[3], const char *trailers)
{
    buf_init(body, 1 << 20);
    buf_printf(body, "10000;chunk-signature=%s\r\n", signatures[0]);
    put_letters(body, 65536);
    buf_printf(body, "\r\n400;chunk-signature=%s\r\n", signatures[1]);
    put_letters(body, 1024);
    buf_printf(body, "\r\n0;chunk-signature=%s\r\n%s\r\n", signatures[2], trailers);
}

static const char *const plain_seed =
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
static const char *const plain_signatures[3] = {
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"};

static void the_documented_chunks(void **state)
{
    (void) state;
    AUTO_BUF struct buf body;
    example_body(&body, plain_signatures, "");
    for (size_t step = 1; step <= 100000; step = step * 7 + 1) {
        struct awschunk *chunk =
            open_signed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", plain_seed, NULL);
        struct outcome o = feed(chunk, buf_str(&body), step);
        assert_int_equal(o.fault, AWSCHUNK_OK);
        assert_true(o.is_done);
        assert_int_equal(o.bytes, 66560);
        awschunk_free(chunk);
    }
}

static void the_documented_trailer(void **state)
{
    (void) state;
    static const char *const signatures[3] = {
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"};
    AUTO_BUF struct buf body;
    example_body(&body, signatures,
                 "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
                 "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n");
    struct awschunk *chunk =
        open_signed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
                    "x-amz-checksum-crc32c");
    struct outcome o = feed(chunk, buf_str(&body), 1000);
    assert_int_equal(o.fault, AWSCHUNK_OK);
    assert_true(o.is_done);
    enum checksum_kind kind;
    assert_str(awschunk_checksum(chunk, &kind), "sOO8/Q==");
    assert_int_equal(kind, CHECKSUM_CRC32C);
    awschunk_free(chunk);
}

/* One altered byte anywhere in the signed parts is noticed. */
static void alterations_are_noticed(void **state)
{
    (void) state;
    AUTO_BUF struct buf body;
    example_body(&body, plain_signatures, "");
    static const size_t places[] = {0, 1, 30, 86, 100, 40000, 65622, 65700, 66000, 66660, 66750};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        char *at = &body.ptr[places[i]];
        char before = *at;
        *at = (char) (before == '1' ? '2' : before ^ 1);
        struct awschunk *chunk =
            open_signed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", plain_seed, NULL);
        struct outcome o = feed(chunk, buf_str(&body), 4096);
        assert_false(o.is_done);
        awschunk_free(chunk);
        *at = before;
    }
}

static struct outcome unsigned_body(const char *trailer, uint64_t length, const char *body)
{
    struct awschunk_config config = {.payload_hash = STR("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                                     .decoded_length = length,
                                     .trailer = str_from(trailer)};
    struct awschunk *chunk = NULL;
    assert_int_equal(awschunk_new(&config, &chunk), AWSCHUNK_OK);
    struct outcome o = feed(chunk, str_from(body), 3);
    awschunk_free(chunk);
    return o;
}

static void unsigned_bodies(void **state)
{
    (void) state;
    static const struct {
        const char *trailer;
        uint64_t length;
        const char *body;
        enum awschunk_fault fault;
        bool is_done;
    } cases[] = {
        {"x-amz-checksum-crc32", 11,
         "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", AWSCHUNK_OK, true},
        {"x-amz-checksum-crc32", 11,
         "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Amz-Checksum-Crc32: DUoRhQ==\r\n\r\n", AWSCHUNK_OK,
         true},
        {NULL, 5, "5\r\nhello\r\n0\r\n\r\n", AWSCHUNK_OK, true},
        {NULL, 0, "0\r\n\r\n", AWSCHUNK_OK, true},
        {NULL, 5, "5\r\nhello\r\n0\r\n", AWSCHUNK_OK, false},
        {NULL, 5, "5\r\nhel", AWSCHUNK_OK, false},
        {NULL, 4, "5\r\nhello\r\n0\r\n\r\n", AWSCHUNK_TOO_LARGE, false},
        {NULL, 6, "5\r\nhello\r\n0\r\n\r\n", AWSCHUNK_TOO_SMALL, false},
        {NULL, 5, "5\r\nhelloX\r\n0\r\n\r\n", AWSCHUNK_MALFORMED, false},
        {NULL, 5, "5\nhello\r\n0\r\n\r\n", AWSCHUNK_MALFORMED, false},
        {NULL, 5, "x\r\nhello\r\n0\r\n\r\n", AWSCHUNK_MALFORMED, false},
        {NULL, 5, "\r\nhello\r\n0\r\n\r\n", AWSCHUNK_MALFORMED, false},
        {NULL, 5, "ffffffffffffffff\r\n", AWSCHUNK_MALFORMED, false},
        {NULL, 5, "fffffffffffffff\r\n", AWSCHUNK_TOO_LARGE, false},
        {NULL, 5, "5\r\nhello\r\n0\r\n\r\nmore", AWSCHUNK_MALFORMED, false},
        {"x-amz-checksum-crc32", 5, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
         AWSCHUNK_BAD_DIGEST, false},
        {"x-amz-checksum-crc32", 5, "5\r\nhello\r\n0\r\n\r\n", AWSCHUNK_BAD_TRAILER, false},
        {"x-amz-checksum-crc32", 5, "5\r\nhello\r\n0\r\nx-amz-checksum-sha1:x\r\n\r\n",
         AWSCHUNK_BAD_TRAILER, false},
        {"x-amz-checksum-crc32", 5, "5\r\nhello\r\n0\r\nnonsense\r\n\r\n", AWSCHUNK_BAD_TRAILER,
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o = unsigned_body(cases[i].trailer, cases[i].length, cases[i].body);
        if (o.fault != cases[i].fault || o.is_done != cases[i].is_done)
            fail_msg("case %zu: fault %d, done %d", i, o.fault, o.is_done);
    }
}

static void unknown_forms_are_refused(void **state)
{
    (void) state;
    struct awschunk *chunk = NULL;
    struct awschunk_config config = {.payload_hash =
                                         STR("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")};
    assert_int_equal(awschunk_new(&config, &chunk), AWSCHUNK_UNKNOWN_FORM);
    config.payload_hash = STR("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    config.trailer = STR("x-amz-checksum-md5");
    assert_int_equal(awschunk_new(&config, &chunk), AWSCHUNK_BAD_TRAILER);
    assert_null(chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_chunks),     cmocka_unit_test(the_documented_trailer),
        cmocka_unit_test(alterations_are_noticed),   cmocka_unit_test(unsigned_bodies),
        cmocka_unit_test(unknown_forms_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
