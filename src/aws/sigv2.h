#pragma once
/* S3's older query signature (Signature Version 2), which boto3 and version 1 of the AWS CLI still
 * use for presigned URLs: ?AWSAccessKeyId=…&Signature=…&Expires=…. Pure. thread: any.
 *
 * source: "Signing and authenticating REST requests (AWS signature version 2)", Amazon S3. */
#include "aws/sigv4.h"

struct sigv2 {
    struct str access_key;
    struct str signature; /* base64, decoded from the query */
    struct str expires_text;
    int64_t expires_ms;       /* UTC */
    struct str session_token; /* ptr NULL: none */
};

/* SIGV4_OK, SIGV4_MISSING (not this form) or SIGV4_INCOMPLETE with a text. */
enum sigv4_verdict sigv2_parse(const struct aws_http_request *req, struct arena *arena,
                               struct sigv2 *out_sig, struct str *out_text);

/* bucket: of a virtual-host request (it is part of what is signed, though not of the path); ptr
 * NULL for path style. SIGV4_OK, SIGV4_EXPIRED or SIGV4_MISMATCH. */
enum sigv4_verdict sigv2_verify(const struct aws_http_request *req, const struct sigv2 *sig,
                                struct str secret, struct str bucket, int64_t now_ms,
                                struct arena *arena, struct str *out_text);
