/* string to sign = METHOD \n Content-MD5 \n Content-Type \n Expires \n
 *                  canonical x-amz-… headers, canonical resource
 *
 * The canonical resource is "/bucket" for virtual-host requests, the path as sent, and those query
 * parameters that name a sub-resource or override an answer's header, sorted, their values
 * unescaped. HMAC-SHA1, base64. */
#include "aws/sigv2.h"

#include "data/base64.h"
#include "data/hash.h"
#include "data/uri.h"

#include <errno.h>

enum { SIGNED_MAX = 64 * 1024, PARTS_MAX = 64 };

enum sigv4_verdict sigv2_parse(const struct aws_http_request *req, struct arena *arena,
                               struct sigv2 *out_sig, struct str *out_text)
{
    *out_sig = (struct sigv2){0};
    if (req->query.ptr == NULL ||
        uri_query_find(arena, req->query, STR("AWSAccessKeyId"), &out_sig->access_key) < 0 ||
        out_sig->access_key.ptr == NULL)
        return SIGV4_MISSING;
    if (uri_query_find(arena, req->query, STR("Signature"), &out_sig->signature) < 0 ||
        uri_query_find(arena, req->query, STR("Expires"), &out_sig->expires_text) < 0 ||
        uri_query_find(arena, req->query, STR("x-amz-security-token"), &out_sig->session_token) <
            0 ||
        out_sig->signature.ptr == NULL || out_sig->expires_text.ptr == NULL) {
        *out_text = STR("Query-string authentication requires the Signature, Expires and "
                        "AWSAccessKeyId parameters");
        return SIGV4_INCOMPLETE;
    }
    uint64_t seconds;
    if (parse_u64(out_sig->expires_text, INT32_MAX, &seconds) < 0) {
        *out_text = arena_printf(arena, "Invalid date (should be seconds since epoch): " STR_FMT,
                                 STR_ARG(str_head(out_sig->expires_text, 100)));
        return SIGV4_INCOMPLETE;
    }
    out_sig->expires_ms = (int64_t) seconds * 1000;
    return SIGV4_OK;
}

static bool is_signed_parameter(struct str name)
{
    static const struct str names[] = {
        STR_INIT("accelerate"),
        STR_INIT("acl"),
        STR_INIT("analytics"),
        STR_INIT("cors"),
        STR_INIT("defaultObjectAcl"),
        STR_INIT("delete"),
        STR_INIT("encryption"),
        STR_INIT("inventory"),
        STR_INIT("lifecycle"),
        STR_INIT("location"),
        STR_INIT("logging"),
        STR_INIT("metrics"),
        STR_INIT("notification"),
        STR_INIT("partNumber"),
        STR_INIT("policy"),
        STR_INIT("publicAccessBlock"),
        STR_INIT("replication"),
        STR_INIT("requestPayment"),
        STR_INIT("response-cache-control"),
        STR_INIT("response-content-disposition"),
        STR_INIT("response-content-encoding"),
        STR_INIT("response-content-language"),
        STR_INIT("response-content-type"),
        STR_INIT("response-expires"),
        STR_INIT("restore"),
        STR_INIT("select"),
        STR_INIT("select-type"),
        STR_INIT("tagging"),
        STR_INIT("torrent"),
        STR_INIT("uploadId"),
        STR_INIT("uploads"),
        STR_INIT("versionId"),
        STR_INIT("versioning"),
        STR_INIT("versions"),
        STR_INIT("website"),
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

static int header_order(const void *a, const void *b)
{
    const struct http_header *left = a, *right = b;
    return str_cmp(left->name, right->name);
}

/* x-amz-… headers, lower-case and sorted; presigned requests carry the token in the query too. */
static void put_amz_headers(struct buf *out, const struct aws_http_request *req,
                            struct arena *arena)
{
    struct http_header amz[PARTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < req->header_count && count < ARRAY_LEN(amz); i++) {
        struct str name = req->headers[i].name;
        if (!str_starts_nocase(name, STR("x-amz-")))
            continue;
        char *lower = arena_try(arena, name.len);
        for (size_t k = 0; lower != NULL && k < name.len; k++)
            lower[k] =
                name.ptr[k] >= 'A' && name.ptr[k] <= 'Z' ? (char) (name.ptr[k] + 32) : name.ptr[k];
        if (lower != NULL)
            amz[count++] =
                (struct http_header){str_of(lower, name.len), str_trim(req->headers[i].value)};
    }
    /* cppcheck-suppress uninitvar ; so many are set */
    qsort(amz, count, sizeof *amz, header_order);
    for (size_t i = 0; i < count; i++) {
        buf_put(out, amz[i].name);
        buf_put_char(out, ':');
        buf_put(out, amz[i].value);
        buf_put_char(out, '\n');
    }
}

static int put_resource(struct buf *out, const struct aws_http_request *req, struct str bucket,
                        struct arena *arena)
{
    if (bucket.ptr != NULL) {
        buf_put_char(out, '/');
        buf_put(out, bucket);
    }
    buf_put(out, req->path);

    struct http_header parts[PARTS_MAX];
    size_t count = 0;
    struct str rest = req->query, name, value;
    while (uri_query_next(&rest, &name, &value)) {
        if (!is_signed_parameter(name))
            continue;
        struct str plain = STR_NONE;
        if (value.ptr != NULL && uri_decode(arena, value, true, &plain) < 0)
            return -EINVAL;
        if (count == ARRAY_LEN(parts))
            return -E2BIG;
        parts[count++] = (struct http_header){name, plain};
    }
    /* cppcheck-suppress uninitvar ; so many are set */
    qsort(parts, count, sizeof *parts, header_order);
    for (size_t i = 0; i < count; i++) {
        buf_put_char(out, i == 0 ? '?' : '&');
        buf_put(out, parts[i].name);
        if (parts[i].value.ptr != NULL) {
            buf_put_char(out, '=');
            buf_put(out, parts[i].value);
        }
    }
    return 0;
}

static struct str header_or_empty(const struct aws_http_request *req, struct str name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (str_eq_nocase(req->headers[i].name, name))
            return req->headers[i].value;
    return STR("");
}

enum sigv4_verdict sigv2_verify(const struct aws_http_request *req, const struct sigv2 *sig,
                                struct str secret, struct str bucket, int64_t now_ms,
                                struct arena *arena, struct str *out_text)
{
    if (now_ms > sig->expires_ms) {
        *out_text = STR("Request has expired");
        return SIGV4_EXPIRED;
    }
    AUTO_BUF struct buf text;
    buf_init(&text, SIGNED_MAX);
    buf_printf(&text, STR_FMT "\n" STR_FMT "\n" STR_FMT "\n" STR_FMT "\n", STR_ARG(req->method),
               STR_ARG(header_or_empty(req, STR("content-md5"))),
               STR_ARG(header_or_empty(req, STR("content-type"))), STR_ARG(sig->expires_text));
    put_amz_headers(&text, req, arena);
    if (sig->session_token.ptr != NULL &&
        str_is_empty(header_or_empty(req, STR("x-amz-security-token"))))
        buf_printf(&text, "x-amz-security-token:" STR_FMT "\n", STR_ARG(sig->session_token));
    int rc = put_resource(&text, req, bucket, arena);

    unsigned char mac[SHA1_SIZE];
    hash_hmac_sha1(secret, buf_str(&text), mac);
    AUTO_BUF struct buf expected;
    buf_init(&expected, 64);
    base64_encode(&expected, str_of(mac, sizeof mac));
    if (rc < 0 || buf_is_over(&text) || !str_eq_secret(buf_str(&expected), sig->signature)) {
        *out_text = STR("The request signature we calculated does not match the signature you "
                        "provided. Check your key and signing method.");
        return SIGV4_MISMATCH;
    }
    return SIGV4_OK;
}
