/* What a signature costs: reading the claim, verifying it (the canonical request, two hashes of it
 * and one of the body, one HMAC), and deriving a signing key, which is cached per key, day, region
 * and service. The requests are an invocation as boto3 sends it, with a small body and with 64 kB,
 * and a presigned URL. One thread, warm caches, the best of several rounds.
 *
 * usage: bench_sigv4        prints one line a case: name, nanoseconds */
#include "aws/sigv4.h"
#include "base/assert.h"
#include "data/hash.h"
#include "data/time.h"

#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7, REPEAT = 20000, LARGE = 64 * 1024, HEADERS = 9, QUERY_SIZE = 512 };

static const struct str secret = STR_INIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
static const struct civil when = {.year = 2026, .month = 11, .day = 20, .hour = 21, .minute = 34};

struct job {
    struct aws_http_request req;
    struct http_header headers[HEADERS];
    char authorization[512], query[QUERY_SIZE];
    unsigned char key[SIGV4_KEY_SIZE];
};

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* The signature of the job as it stands, once its claim can be read. */
static void job_sign(struct job *job, struct str payload_hash, char out_hex[SIGV4_SIGNATURE_SIZE])
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct sigv4 sig;
    struct str text;
    assert(sigv4_parse(&job->req, &arena, &sig, &text) == SIGV4_OK);
    int rc = sigv4_signature(&job->req, &sig, payload_hash, job->key, &arena, out_hex);
    assert(rc == 0);
}

static struct str hash_of(struct str body, char hex[2 * SHA256_SIZE + 1])
{
    unsigned char hash[SHA256_SIZE];
    hash_sha256(body, hash);
    hex_encode(hash, sizeof hash, hex);
    return str_of(hex, 2 * SHA256_SIZE);
}

static void job_init_header(struct job *job, struct str body)
{
    static const struct http_header headers[HEADERS] = {
        {STR_INIT("Host"), STR_INIT("127.0.0.1:4566")},
        {STR_INIT("Accept-Encoding"), STR_INIT("identity")},
        {STR_INIT("X-Amz-Invocation-Type"), STR_INIT("RequestResponse")},
        {STR_INIT("User-Agent"), STR_INIT("Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.18 "
                                          "md/arch#x86_64 lang/python#3.11.7")},
        {STR_INIT("X-Amz-Date"), STR_INIT("20261120T213400Z")},
        {STR_INIT("amz-sdk-invocation-id"), STR_INIT("6a1f0a52-5f4f-4b0e-8d6e-0c4d1c3f7b11")},
        {STR_INIT("amz-sdk-request"), STR_INIT("attempt=1")},
        {STR_INIT("Content-Length"), STR_INIT("7")},
    };
    static const char format[] =
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261120/us-east-1/lambda/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-invocation-type, Signature=%s";
    char hex[2 * SHA256_SIZE + 1], signature[SIGV4_SIGNATURE_SIZE];
    memcpy(job->headers, headers, sizeof headers);
    job->req =
        (struct aws_http_request){STR("POST"), STR("/2015-03-31/functions/thumbnail/invocations"),
                                  STR_NONE,    job->headers,
                                  HEADERS,     body};
    for (int pass = 0; pass < 2; pass++) { /* The first one only to sign what is there. */
        (void) snprintf(job->authorization, sizeof job->authorization, format,
                        pass == 0 ? "-" : signature);
        job->headers[HEADERS - 1] =
            (struct http_header){STR("Authorization"), str_from(job->authorization)};
        if (pass == 0)
            job_sign(job, hash_of(body, hex), signature);
    }
}

static void job_init_query(struct job *job)
{
    static const char format[] =
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%%2F20261120%%2F"
        "us-east-1%%2Flambda%%2Faws4_request&X-Amz-Date=20261120T213400Z&X-Amz-Expires=600&"
        "X-Amz-SignedHeaders=host&X-Amz-Signature=%s";
    char hex[2 * SHA256_SIZE + 1], signature[SIGV4_SIGNATURE_SIZE] = "-";
    job->headers[0] = (struct http_header){STR("Host"), STR("127.0.0.1:4566")};
    job->req = (struct aws_http_request){
        STR("GET"), STR("/2015-03-31/functions/thumbnail"), STR_NONE, job->headers, 1, STR("")};
    for (int pass = 0; pass < 2; pass++) {
        (void) snprintf(job->query, sizeof job->query, format, signature);
        job->req.query = str_from(job->query);
        if (pass == 0)
            job_sign(job, hash_of(STR(""), hex), signature);
    }
}

static void run(const struct job *job, struct arena *arena)
{
    struct sigv4 sig;
    struct str text;
    assert(sigv4_parse(&job->req, arena, &sig, &text) == SIGV4_OK);
    assert(sigv4_verify(&job->req, &sig, job->key, STR_NONE, time_utc_ms(&when) + 1000, 5, arena,
                        &text) == SIGV4_OK);
}

static void measure(const char *name, const struct job *job, int repeat)
{
    double best = 1e18;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = now_ns();
        for (int i = 0; i < repeat; i++) {
            run(job, &arena);
            arena_reset(&arena);
        }
        double each = (double) (now_ns() - start) / repeat;
        best = each < best ? each : best;
    }
    printf("%-20s %8.0f ns\n", name, best);
}

static void measure_key(unsigned char key[SIGV4_KEY_SIZE])
{
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = now_ns();
        for (int i = 0; i < REPEAT; i++)
            sigv4_signing_key(secret, STR("20261120"), STR("us-east-1"), STR("lambda"), key);
        double each = (double) (now_ns() - start) / REPEAT;
        best = each < best ? each : best;
    }
    printf("%-20s %8.0f ns\n", "signing key", best);
}

int main(void)
{
    static struct job job;
    static char large[LARGE];
    measure_key(job.key);
    job_init_header(&job, STR("{\"a\":1}"));
    measure("invoke", &job, REPEAT);
    job_init_query(&job);
    measure("presigned URL", &job, REPEAT);
    memset(large, 'x', sizeof large);
    job_init_header(&job, str_of(large, sizeof large));
    measure("invoke, 64 kB", &job, REPEAT / 20);
    return 0;
}
