#pragma once
/* What a streamed body must be to be believed: the aws-chunked coding taken off, its chunks' and
 * trailers' signatures and checksums right, or the whole's hash the one that was signed. Judged
 * while the bytes pass, so they must not take effect before payload_end.
 *
 * thread: payload_begin the loop's; then workers', one at a time.
 * source: "Signature calculations for the Authorization header" and "Error responses", Amazon S3
 * API reference. */
#include "aws/chunked.h"
#include "data/hash.h"
#include "gateway/auth.h"

struct payload {
    struct awschunk *chunked; /* NULL: the bytes are the payload */
    struct hasher *sha256;    /* NULL: nobody signed a hash of the whole */
    unsigned char signed_sha256[SHA256_SIZE];
};

/* From the head. auth: NULL where signatures are not checked. -EINVAL with the fault. */
CHECK_RESULT int payload_begin(const struct http_head *head, const struct auth *auth,
                               struct payload *out_payload, struct aws_fault *out_fault);
/* Takes the next bytes of the body; fn gets what is payload among them. Negative: the fault says
 * why, or what fn said. */
CHECK_RESULT int payload_take(struct payload *payload, struct str bytes,
                              int (*fn)(void *arg, struct str bytes), void *arg,
                              struct aws_fault *out_fault);
/* The body has ended. */
CHECK_RESULT int payload_end(struct payload *payload, struct aws_fault *out_fault);
void payload_done(struct payload *payload);
