#include "gateway/payload.h"

#include <errno.h>

#define ERROR(text, http)                                                                          \
    {                                                                                              \
        .name = STR_INIT(text), .code = STR_INIT(text), .status = (http), .side = AWS_SENDER       \
    }

static const struct {
    struct aws_error error;
    struct str message;
} words[] = {
    [AWSCHUNK_MALFORMED] = {ERROR("IncompleteBody", 400),
                            STR_INIT("The request body terminated unexpectedly")},
    [AWSCHUNK_TOO_LARGE] = {ERROR("IncompleteBody", 400),
                            STR_INIT("You provided more bytes than specified by the "
                                     "x-amz-decoded-content-length HTTP header")},
    [AWSCHUNK_TOO_SMALL] = {ERROR("IncompleteBody", 400),
                            STR_INIT("You did not provide the number of bytes specified by the "
                                     "Content-Length HTTP header")},
    [AWSCHUNK_SIGNATURE] = {ERROR("SignatureDoesNotMatch", 403),
                            STR_INIT("The request signature we calculated does not match the "
                                     "signature you provided. Check your key and signing method.")},
    [AWSCHUNK_BAD_TRAILER] = {ERROR("MalformedTrailerError", 400),
                              STR_INIT("The request contained trailing data that was not "
                                       "well-formed or did not conform to our published schema.")},
    [AWSCHUNK_BAD_DIGEST] = {ERROR("BadDigest", 400),
                             STR_INIT("The checksum you specified did not match the calculated "
                                      "checksum.")},
    [AWSCHUNK_UNKNOWN_FORM] = {ERROR("InvalidRequest", 400),
                               STR_INIT("The value of x-amz-content-sha256 header is invalid.")},
};
static const struct aws_error hash_missing = ERROR("InvalidRequest", 400);
static const struct aws_error hash_mismatch = ERROR("XAmzContentSHA256Mismatch", 400);

static int refuse_as(struct aws_fault *fault, enum awschunk_fault why)
{
    *fault = (struct aws_fault){.error = &words[why].error, .message = words[why].message};
    return -EINVAL;
}

static int begin_chunked(const struct http_head *head, const struct auth *auth, struct str form,
                         struct payload *payload, struct aws_fault *fault)
{
    uint64_t length;
    struct str announced = http_header_find(head, STR("x-amz-decoded-content-length"));
    if (parse_u64(announced, UINT64_MAX, &length) < 0)
        return refuse_as(fault, AWSCHUNK_MALFORMED);
    const struct awschunk_config config = {
        .payload_hash = form,
        .sig = auth == NULL ? NULL : &auth->sig,
        .key = auth == NULL ? NULL : auth->signing_key,
        .decoded_length = length,
        .trailer = http_header_find(head, STR("x-amz-trailer")),
    };
    enum awschunk_fault why = awschunk_new(&config, &payload->chunked);
    return why == AWSCHUNK_OK ? 0 : refuse_as(fault, why);
}

int payload_begin(const struct http_head *head, const struct auth *auth,
                  struct payload *out_payload, struct aws_fault *out_fault)
{
    *out_payload = (struct payload){0};
    struct str hash = http_header_find(head, STR("x-amz-content-sha256"));
    bool is_verified = auth != NULL && auth->verdict == SIGV4_OK;
    if (str_starts(hash, STR("STREAMING-")))
        return begin_chunked(head, is_verified ? auth : NULL, hash, out_payload, out_fault);
    if (!is_verified || str_eq(hash, STR("UNSIGNED-PAYLOAD")) ||
        (hash.ptr == NULL && auth->sig.form == SIGV4_QUERY))
        return 0; /* Nothing to compare with; or the signature will be refused. */
    if (hash.ptr == NULL) {
        *out_fault = (struct aws_fault){
            .error = &hash_missing,
            .message = STR("Missing required header for this request: x-amz-content-sha256")};
        return -EINVAL;
    }
    if (hex_decode(hash, out_payload->signed_sha256, SHA256_SIZE) < 0)
        return refuse_as(out_fault, AWSCHUNK_UNKNOWN_FORM);
    out_payload->sha256 = hasher_new(HASH_SHA256);
    return 0;
}

int payload_take(struct payload *payload, struct str bytes, int (*fn)(void *arg, struct str bytes),
                 void *arg, struct aws_fault *out_fault)
{
    if (payload->sha256 != NULL)
        hasher_add(payload->sha256, bytes);
    if (payload->chunked == NULL)
        return fn(arg, bytes);
    while (bytes.len > 0) {
        size_t used;
        struct str data;
        enum awschunk_fault why = awschunk_next(payload->chunked, bytes, &used, &data);
        if (why != AWSCHUNK_OK)
            return refuse_as(out_fault, why);
        bytes = str_skip(bytes, used);
        int rc = data.len > 0 ? fn(arg, data) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

int payload_end(struct payload *payload, struct aws_fault *out_fault)
{
    if (payload->chunked != NULL && !awschunk_is_done(payload->chunked))
        return refuse_as(out_fault, AWSCHUNK_MALFORMED);
    unsigned char found[SHA256_SIZE];
    if (payload->sha256 == NULL)
        return 0;
    (void) hasher_end(payload->sha256, found);
    if (memcmp(found, payload->signed_sha256, SHA256_SIZE) == 0)
        return 0;
    *out_fault = (struct aws_fault){
        .error = &hash_mismatch,
        .message = STR("The provided 'x-amz-content-sha256' header does not match what was "
                       "computed.")};
    return -EINVAL;
}

void payload_done(struct payload *payload)
{
    awschunk_free(payload->chunked);
    if (payload->sha256 != NULL)
        hasher_free(payload->sha256);
    *payload = (struct payload){0};
}
