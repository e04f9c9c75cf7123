#pragma once
/* AWS Signature Version 4: what a request claims, and whether its signature is right. Header form
 * ("Authorization: AWS4-HMAC-SHA256 …") and query form (presigned URLs). Pure: no clock, no keys of
 * its own. thread: any.
 *
 * source: "Create a signed AWS API request" and "Signature calculations for the Authorization
 * header" (Amazon S3 API reference) in AWS's documentation. */
#include "aws/wire.h"

enum sigv4_form { SIGV4_NONE, SIGV4_HEADER, SIGV4_QUERY };

/* Why a request is refused. Each service family words these in its own way: sigv4_error. */
enum sigv4_verdict {
    SIGV4_OK,
    SIGV4_MISSING,       /* not signed at all */
    SIGV4_INCOMPLETE,    /* a part is missing or malformed; the text names it */
    SIGV4_EXPIRED,       /* the clock is past the request's window */
    SIGV4_NOT_YET,       /* the request is from the future */
    SIGV4_WRONG_SCOPE,   /* date, region or service of the credential scope */
    SIGV4_BODY_MISMATCH, /* x-amz-content-sha256 is not the body's hash */
    SIGV4_MISMATCH,      /* wrong secret, or altered on the way */
    SIGV4_UNKNOWN_KEY,   /* nobody has that access key: said by who holds the keys */
    SIGV4_VERDICT_COUNT,
};

enum { SIGV4_KEY_SIZE = 32, SIGV4_EXPIRES_MAX_S = 7 * 86400 };

/* Views into the request or the arena. */
struct sigv4 {
    enum sigv4_form form;
    struct str access_key;
    struct str date, region, service; /* of the credential scope */
    struct str scope;                 /* "20261120/us-east-1/lambda/aws4_request" */
    struct str signed_headers;        /* "host;x-amz-date" */
    struct str signature;             /* 64 hexadecimal digits */
    struct str timestamp;             /* "20261120T213400Z" */
    struct str session_token;         /* ptr NULL: none */
    struct str payload_hash;          /* x-amz-content-sha256 as sent; ptr NULL: none */
    int64_t time_ms;                  /* timestamp as UTC milliseconds */
    int64_t expires_s;                /* query form; else 0 */
};

/* Reads what the request claims, without any key. SIGV4_OK, SIGV4_MISSING or SIGV4_INCOMPLETE with
 * a text in AWS's words. */
enum sigv4_verdict sigv4_parse(const struct aws_http_request *req, struct arena *arena,
                               struct sigv4 *out_sig, struct str *out_text);

/* The signing key of a day, region and service; worth caching (four HMACs). */
void sigv4_signing_key(struct str secret, struct str date, struct str region, struct str service,
                       unsigned char out_key[SIGV4_KEY_SIZE]);

/* Minutes that a clock may differ: 5 for the JSON services, 15 for the older ones. */
int64_t sigv4_skew_min(enum aws_protocol protocol);

/* Checks time, then body hash, then signature (in constant time). now_ms: UTC. The body is hashed
 * here unless the request says UNSIGNED-PAYLOAD or STREAMING-…; body_sha256_hex, when its ptr is
 * not NULL, is that hash already known (large bodies are hashed while they arrive). */
enum sigv4_verdict sigv4_verify(const struct aws_http_request *req, const struct sigv4 *sig,
                                const unsigned char key[SIGV4_KEY_SIZE], struct str body_sha256_hex,
                                int64_t now_ms, int64_t skew_min, struct arena *arena,
                                struct str *out_text);

/* The error that a service of this protocol answers for a verdict other than SIGV4_OK; its message
 * is the verdict's text. form: of the request. */
const struct aws_error *sigv4_error(enum aws_protocol protocol, enum sigv4_form form,
                                    enum sigv4_verdict verdict);
/* What is said about an access key that nobody has. */
struct str sigv4_unknown_key_text(enum aws_protocol protocol);

/* The signature of a request whose sig holds scope, timestamp, signed headers and payload hash: for
 * verifying, for tests, and for clients. Lower-case hex and NUL into out_hex. */
enum { SIGV4_SIGNATURE_SIZE = 65 };
CHECK_RESULT int sigv4_signature(const struct aws_http_request *req, const struct sigv4 *sig,
                                 struct str payload_hash, const unsigned char key[SIGV4_KEY_SIZE],
                                 struct arena *arena, char out_hex[SIGV4_SIGNATURE_SIZE]);
