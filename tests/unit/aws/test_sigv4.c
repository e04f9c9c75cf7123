/* Signature Versions 4 and 2 against requests that the SDK's own signer made (sigv4_cases.txt; see
 * make_sigv4_cases.py): every verdict must be the expected one. */
#include "test.h"

#include "aws/sigv2.h"
#include "os/file.h"

static const char *const verdicts[] = {
    [SIGV4_OK] = "OK",
    [SIGV4_MISSING] = "MISSING",
    [SIGV4_INCOMPLETE] = "INCOMPLETE",
    [SIGV4_EXPIRED] = "EXPIRED",
    [SIGV4_NOT_YET] = "NOT_YET",
    [SIGV4_WRONG_SCOPE] = "WRONG_SCOPE",
    [SIGV4_BODY_MISMATCH] = "BODY_MISMATCH",
    [SIGV4_MISMATCH] = "MISMATCH",
};

struct sigv4_case {
    struct str name, verdict;
    int64_t now_ms;
    struct aws_http_request req;
    struct http_header headers[32];
};

static struct str line_of(struct str *rest)
{
    struct str line = STR_NONE;
    assert_true(str_split(rest, '\n', &line));
    return line;
}

static bool case_next(struct str *rest, struct sigv4_case *c)
{
    if (rest->len == 0)
        return false;
    *c = (struct sigv4_case){.req.headers = c->headers};
    c->name = str_skip(line_of(rest), 5);
    c->verdict = str_skip(line_of(rest), 8);
    assert_ok(parse_i64(str_skip(line_of(rest), 4), 0, INT64_MAX, &c->now_ms));
    struct str target = line_of(rest);
    assert_true(str_split(&target, ' ', &c->req.method));
    assert_true(str_split(&target, ' ', &c->req.path));
    c->req.query = str_eq(target, STR("-")) ? STR_NONE : target;
    for (struct str line = line_of(rest); line.len > 0; line = line_of(rest)) {
        size_t colon = str_find(line, ':');
        c->headers[c->req.header_count++] =
            (struct http_header){str_head(line, colon), str_trim(str_skip(line, colon + 1))};
    }
    c->req.body = STR("");
    struct str line = line_of(rest);
    if (!str_eq(line, STR("."))) {
        c->req.body = line;
        assert_str(line_of(rest), ".");
    }
    return true;
}

static const struct str secret = STR_INIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");

static enum sigv4_verdict judge_v2(const struct sigv4_case *c, struct arena *arena)
{
    struct sigv2 sig;
    struct str text = STR_NONE, bucket = STR_NONE;
    enum sigv4_verdict verdict = sigv2_parse(&c->req, arena, &sig, &text);
    if (verdict != SIGV4_OK)
        return verdict;
    for (size_t i = 0; i < c->req.header_count; i++)
        if (str_eq(c->headers[i].name, STR("Host")) &&
            str_starts(c->headers[i].value, STR("bucket.")))
            bucket = STR("bucket");
    return sigv2_verify(&c->req, &sig, secret, bucket, c->now_ms, arena, &text);
}

static enum sigv4_verdict judge(const struct sigv4_case *c, struct arena *arena)
{
    struct sigv4 sig;
    struct str text;
    enum sigv4_verdict verdict = sigv4_parse(&c->req, arena, &sig, &text);
    if (verdict != SIGV4_OK) {
        assert_true(text.len > 0);
        return verdict == SIGV4_MISSING ? judge_v2(c, arena) : verdict;
    }
    assert_str(sig.access_key, "AKIDEXAMPLE");
    unsigned char key[SIGV4_KEY_SIZE];
    sigv4_signing_key(secret, sig.date, sig.region, sig.service, key);
    return sigv4_verify(&c->req, &sig, key, STR_NONE, c->now_ms, sigv4_skew_min(AWS_REST_JSON),
                        arena, &text);
}

static void every_case_gets_its_verdict(void **state)
{
    (void) state;
    AUTO_BUF struct buf file;
    buf_init(&file, 1 << 20);
    assert_ok(file_read(SIGV4_CASES, &file, NULL));
    struct str rest = buf_str(&file);
    struct sigv4_case c;
    size_t count = 0, wrong = 0;
    while (case_next(&rest, &c)) {
        AUTO_ARENA struct arena arena;
        arena_init(&arena, 1 << 20);
        enum sigv4_verdict verdict = judge(&c, &arena);
        count++;
        if (!str_eq(c.verdict, str_from(verdicts[verdict]))) {
            wrong++;
            print_error(STR_FMT ": %s, not " STR_FMT "\n", STR_ARG(c.name), verdicts[verdict],
                        STR_ARG(c.verdict));
        }
    }
    assert_true(count >= 90);
    assert_int_equal(wrong, 0);
}

/* The worked example of AWS's documentation (IAM User Guide, 2015-08-30). */
static void the_published_signing_key(void **state)
{
    (void) state;
    unsigned char key[SIGV4_KEY_SIZE];
    sigv4_signing_key(STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), STR("20150830"),
                      STR("us-east-1"), STR("iam"), key);
    static const unsigned char expected[] = {0xc4, 0xaf, 0xb1, 0xcc, 0x57, 0x71, 0xd8, 0x71,
                                             0x76, 0x3a, 0x39, 0x3e, 0x44, 0xb7, 0x03, 0x57,
                                             0x1b, 0x55, 0xcc, 0x28, 0x42, 0x4d, 0x1a, 0x5e,
                                             0x86, 0xda, 0x6e, 0xd3, 0xc1, 0x54, 0xa4, 0xb9};
    assert_memory_equal(key, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gets_its_verdict),
        cmocka_unit_test(the_published_signing_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
