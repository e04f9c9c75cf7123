#pragma once
/* The "aws-chunked" content coding, taken apart piece by piece as the body arrives:
 *
 *     hex-size [;chunk-signature=64 hex] CRLF  data CRLF  …  0 [;chunk-signature=…] CRLF
 *     [x-amz-checksum-crc32:value CRLF …] [x-amz-trailer-signature:64 hex CRLF]  CRLF
 *
 * Every combination that clients send: signed or unsigned chunks, with or without trailers. A
 * chunk's signature is only known to be right at its end, so data handed out before must not take
 * effect until awschunk_is_done. thread: the owner of the decoder.
 *
 * source: "Signature calculations … transferring payload in multiple chunks" and "… with trailing
 * headers" in the Amazon S3 API reference. */
#include "aws/sigv4.h"
#include "data/checksum.h"

struct awschunk;

struct awschunk_config {
    /* The value of x-amz-content-sha256, "STREAMING-…"; decides what is signed. */
    struct str payload_hash;
    /* Signed forms: the request's signature, key, timestamp and scope; copied. */
    const struct sigv4 *sig;
    const unsigned char *key; /* SIGV4_KEY_SIZE bytes; NULL: do not check signatures */
    uint64_t decoded_length;  /* x-amz-decoded-content-length */
    struct str trailer;       /* value of x-amz-trailer; ptr NULL: none is announced */
};

enum awschunk_fault {
    AWSCHUNK_OK,
    AWSCHUNK_MALFORMED,    /* IncompleteBody / InvalidRequest */
    AWSCHUNK_TOO_LARGE,    /* more data than announced */
    AWSCHUNK_TOO_SMALL,    /* less */
    AWSCHUNK_SIGNATURE,    /* SignatureDoesNotMatch */
    AWSCHUNK_BAD_TRAILER,  /* MalformedTrailerError: not the announced one, or not readable */
    AWSCHUNK_BAD_DIGEST,   /* BadDigest: the trailing checksum is not the data's */
    AWSCHUNK_UNKNOWN_FORM, /* payload_hash is no streaming form we know */
};

/* AWSCHUNK_UNKNOWN_FORM or AWSCHUNK_BAD_TRAILER (a checksum nobody knows), else AWSCHUNK_OK. */
enum awschunk_fault awschunk_new(const struct awschunk_config *config, struct awschunk **out_chunk);
void awschunk_free(struct awschunk *chunk);

/* Takes bytes from input: *out_used of them are consumed, *out_data (a view into input, maybe
 * empty) is body. Call until everything is used. A fault is final. */
enum awschunk_fault awschunk_next(struct awschunk *chunk, struct str input, size_t *out_used,
                                  struct str *out_data);
bool awschunk_is_done(const struct awschunk *chunk);

/* The trailing checksum, base64, and its kind; ptr NULL when there was none. Valid once done. */
struct str awschunk_checksum(const struct awschunk *chunk, enum checksum_kind *out_kind);
