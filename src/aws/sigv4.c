/* Signature Version 4, the verifying side.
 *
 *     string to sign = "AWS4-HMAC-SHA256" \n timestamp \n scope \n hex(sha256(canonical request))
 *     canonical request = METHOD \n canonical path \n canonical query \n canonical headers \n
 *                         signed headers \n payload hash
 *
 * The corners, each of which some client exercises:
 *   - The path is escaped once more than it was sent, except for S3, whose path is signed as it is
 *     (its object names may hold anything) after a normalisation of the escapes.
 *   - Dot segments and doubled slashes are removed before, again except for S3.
 *   - Query names and values are unescaped and escaped anew, then sorted by bytes; a parameter
 *     without '=' counts as empty; X-Amz-Signature itself is left out.
 *   - Over HTTP/2, SDKs sign ":authority" in place of "host"; HTTP/2 requests reach us with that as
 *     their Host.
 *   - Runs of blanks in header values collapse to one; headers of one name are joined by commas.
 *   - S3 and presigned URLs sign "UNSIGNED-PAYLOAD" or the x-amz-content-sha256 header in place of
 * a hash; a header that names a hash must be the hash of the body.
 *
 * Time: the header form is good for some minutes (sigv4_skew_min) either side of its timestamp, a
 * presigned URL from its timestamp (as much skew allowed) for X-Amz-Expires seconds. */
#include "aws/sigv4.h"

#include "data/hash.h"
#include "data/time.h"
#include "data/uri.h"

#include <errno.h>

enum { QUERY_PARTS_MAX = 512, CANONICAL_MAX = 256 * 1024 };

static const struct str algorithm = STR_INIT("AWS4-HMAC-SHA256");
static const struct str authority = STR_INIT(":authority");
static const struct str unsigned_payload = STR_INIT("UNSIGNED-PAYLOAD");

static struct str header_of(const struct aws_http_request *req, struct str name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (str_eq_nocase(req->headers[i].name, name))
            return req->headers[i].value;
    return STR_NONE;
}

/* "20261120T213400Z", digits and letters exactly there. */
static int timestamp_parse(struct str text, int64_t *out_ms)
{
    static const char shape[] = "dddddddd"
                                "T"
                                "dddddd"
                                "Z";
    if (text.len != sizeof shape - 1)
        return -EINVAL;
    int64_t part[6] = {0}; /* year month day hour minute second */
    static const unsigned char part_of[16] = {0, 0, 0, 0, 1, 1, 2, 2, 9, 3, 3, 4, 4, 5, 5, 9};
    for (size_t i = 0; i < text.len; i++) {
        if (shape[i] != 'd') {
            if (text.ptr[i] != shape[i])
                return -EINVAL;
            continue;
        }
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -EINVAL;
        part[part_of[i]] = part[part_of[i]] * 10 + (text.ptr[i] - '0');
    }
    if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 || part[3] > 23 ||
        part[4] > 59 || part[5] > 60)
        return -EINVAL;
    struct civil civil = {.year = part[0],
                          .month = (int) part[1],
                          .day = (int) part[2],
                          .hour = (int) part[3],
                          .minute = (int) part[4],
                          .second = (int) part[5]};
    *out_ms = time_utc_ms(&civil);
    return 0;
}

/* "AKID/20261120/us-east-1/lambda/aws4_request"; the access key may itself hold slashes never. */
static bool credential_parse(struct str credential, struct sigv4 *sig)
{
    struct str rest = credential, end;
    if (!str_split(&rest, '/', &sig->access_key) || rest.ptr == NULL)
        return false;
    sig->scope = rest;
    return str_split(&rest, '/', &sig->date) && str_split(&rest, '/', &sig->region) &&
           str_split(&rest, '/', &sig->service) && str_split(&rest, '/', &end) &&
           rest.ptr == NULL && str_eq(end, STR("aws4_request")) && sig->access_key.len > 0 &&
           sig->date.len == 8 && sig->region.len > 0 && sig->service.len > 0;
}

/* The text AWS answers for an Authorization header that lacks parts. */
static struct str authorization_lacks(struct arena *arena, const struct sigv4 *sig, bool has_date)
{
    return arena_printf(
        arena, "%s%s%s%sAuthorization=AWS4-HMAC-SHA256",
        sig->scope.ptr == NULL ? "Authorization header requires 'Credential' parameter. " : "",
        sig->signature.ptr == NULL ? "Authorization header requires 'Signature' parameter. " : "",
        sig->signed_headers.ptr == NULL
            ? "Authorization header requires 'SignedHeaders' parameter. "
            : "",
        has_date ? ""
                 : "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' "
                   "header. ");
}

static enum sigv4_verdict parse_header_form(const struct aws_http_request *req, struct str value,
                                            struct arena *arena, struct sigv4 *sig,
                                            struct str *out_text)
{
    sig->form = SIGV4_HEADER;
    struct str rest = str_skip(value, algorithm.len), part;
    struct str credential = STR_NONE;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (str_starts(part, STR("Credential=")))
            credential = str_skip(part, 11);
        else if (str_starts(part, STR("SignedHeaders=")))
            sig->signed_headers = str_skip(part, 14);
        else if (str_starts(part, STR("Signature=")))
            sig->signature = str_skip(part, 10);
    }
    sig->timestamp = header_of(req, STR("x-amz-date"));
    if (sig->timestamp.ptr == NULL)
        sig->timestamp = header_of(req, STR("date"));
    sig->session_token = header_of(req, STR("x-amz-security-token"));
    sig->payload_hash = header_of(req, STR("x-amz-content-sha256"));
    if (credential.ptr != NULL && !credential_parse(credential, sig)) {
        *out_text = arena_printf(arena,
                                 "Credential must have exactly 5 slash-delimited elements, e.g. "
                                 "keyid/date/region/service/term, got '" STR_FMT "'",
                                 STR_ARG(str_head(credential, 200)));
        return SIGV4_INCOMPLETE;
    }
    if (credential.ptr == NULL || sig->signature.ptr == NULL || sig->signed_headers.ptr == NULL ||
        sig->timestamp.ptr == NULL) {
        *out_text = authorization_lacks(arena, sig, sig->timestamp.ptr != NULL);
        return SIGV4_INCOMPLETE;
    }
    return SIGV4_OK;
}

static enum sigv4_verdict parse_query_form(const struct aws_http_request *req, struct arena *arena,
                                           struct sigv4 *sig, struct str *out_text)
{
    sig->form = SIGV4_QUERY;
    struct {
        struct str name, *to;
        struct str value;
    } wanted[] = {
        {STR("X-Amz-Credential"), NULL, STR_NONE},
        {STR("X-Amz-SignedHeaders"), &sig->signed_headers, STR_NONE},
        {STR("X-Amz-Signature"), &sig->signature, STR_NONE},
        {STR("X-Amz-Date"), &sig->timestamp, STR_NONE},
        {STR("X-Amz-Expires"), NULL, STR_NONE},
        {STR("X-Amz-Security-Token"), &sig->session_token, STR_NONE},
        {STR("X-Amz-Content-Sha256"), &sig->payload_hash, STR_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        if (uri_query_find(arena, req->query, wanted[i].name, &wanted[i].value) < 0)
            wanted[i].value = STR_NONE;
        if (wanted[i].to != NULL)
            *wanted[i].to = wanted[i].value;
        if (i < 4 && wanted[i].value.ptr == NULL) {
            *out_text = arena_printf(arena,
                                     "AWS query-string parameters must include '" STR_FMT
                                     "'. Re-examine the query-string parameters.",
                                     STR_ARG(wanted[i].name));
            return SIGV4_INCOMPLETE;
        }
    }
    if (!credential_parse(wanted[0].value, sig)) {
        *out_text = STR("Error parsing the X-Amz-Credential parameter; the Credential is "
                        "mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request"
                        "\".");
        return SIGV4_INCOMPLETE;
    }
    uint64_t expires = 15 * 60;
    if (wanted[4].value.ptr != NULL &&
        parse_u64(wanted[4].value, SIGV4_EXPIRES_MAX_S, &expires) < 0) {
        *out_text = STR("X-Amz-Expires must be a number of seconds, less than a week (in seconds) "
                        "that is, the given X-Amz-Expires must be less than 604800 seconds");
        return SIGV4_INCOMPLETE;
    }
    sig->expires_s = (int64_t) expires;
    return SIGV4_OK;
}

enum sigv4_verdict sigv4_parse(const struct aws_http_request *req, struct arena *arena,
                               struct sigv4 *out_sig, struct str *out_text)
{
    *out_sig = (struct sigv4){.form = SIGV4_NONE};
    *out_text = STR("Missing Authentication Token");
    struct str authorization = header_of(req, STR("authorization"));
    enum sigv4_verdict verdict = SIGV4_MISSING;
    struct str claimed = STR_NONE;
    if (authorization.ptr != NULL && str_starts(authorization, algorithm))
        verdict = parse_header_form(req, authorization, arena, out_sig, out_text);
    else if (authorization.ptr == NULL && req->query.ptr != NULL &&
             uri_query_find(arena, req->query, STR("X-Amz-Algorithm"), &claimed) == 0 &&
             str_eq(claimed, algorithm))
        verdict = parse_query_form(req, arena, out_sig, out_text);
    if (verdict != SIGV4_OK)
        return verdict;

    if (timestamp_parse(out_sig->timestamp, &out_sig->time_ms) < 0 &&
        time_parse_http(out_sig->timestamp, &out_sig->time_ms) < 0) {
        *out_text = arena_printf(arena,
                                 "Date must be in ISO-8601 'basic format'. Got '" STR_FMT
                                 "'. See http://en.wikipedia.org/wiki/ISO_8601",
                                 STR_ARG(str_head(out_sig->timestamp, 100)));
        return SIGV4_INCOMPLETE;
    }
    struct str signed_names = out_sig->signed_headers, name;
    bool has_host = false;
    while (str_split(&signed_names, ';', &name))
        has_host = has_host || str_eq(name, STR("host")) || str_eq(name, authority);
    if (!has_host) {
        *out_text = STR("'Host' or ':authority' must be a 'SignedHeader' in the AWS "
                        "Authorization.");
        return SIGV4_INCOMPLETE;
    }
    return SIGV4_OK;
}

void sigv4_signing_key(struct str secret, struct str date, struct str region, struct str service,
                       unsigned char out_key[SIGV4_KEY_SIZE])
{
    struct buf first;
    buf_init(&first, 4096);
    buf_put(&first, STR("AWS4"));
    buf_put(&first, secret);
    hash_hmac_sha256(buf_str(&first), date, out_key);
    explicit_bzero(first.ptr, first.len);
    buf_done(&first);
    const struct str steps[] = {region, service, STR("aws4_request")};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        unsigned char next[SIGV4_KEY_SIZE];
        hash_hmac_sha256(str_of(out_key, SIGV4_KEY_SIZE), steps[i], next);
        memcpy(out_key, next, sizeof next);
    }
}

/* RFC 3986 section 5.2.4 on an absolute path, and doubled slashes made one. */
static void put_normalised_path(struct buf *out, struct str path)
{
    size_t base = out->len;
    bool ends_in_slash = true;
    struct str rest = str_skip(path, 1), segment;
    while (str_split(&rest, '/', &segment)) {
        bool is_last = rest.ptr == NULL;
        ends_in_slash = segment.len == 0 || str_eq(segment, STR(".")) || str_eq(segment, STR(".."));
        if (str_eq(segment, STR(".."))) {
            while (out->len > base && out->ptr[out->len - 1] != '/')
                out->len--;
            if (out->len > base)
                out->len--;
        } else if (!ends_in_slash) {
            buf_put_char(out, '/');
            buf_put(out, segment);
        }
        if (is_last)
            break;
    }
    if (ends_in_slash)
        buf_put_char(out, '/');
}

static int put_canonical_path(struct buf *out, const struct aws_http_request *req, bool is_s3,
                              struct arena *arena)
{
    struct str path = req->path.len == 0 ? STR("/") : req->path;
    if (is_s3) {
        struct str plain;
        int rc = uri_decode(arena, path, false, &plain);
        if (rc < 0)
            return rc;
        uri_encode(out, plain, true);
        return 0;
    }
    AUTO_BUF struct buf normal;
    buf_init(&normal, CANONICAL_MAX);
    put_normalised_path(&normal, path);
    uri_encode(out, buf_str(&normal), true);
    return buf_is_over(&normal) ? -E2BIG : 0;
}

struct query_part {
    struct str name, value; /* escaped anew */
};

static int query_part_order(const void *a, const void *b)
{
    const struct query_part *left = a, *right = b;
    int order = str_cmp(left->name, right->name);
    return order != 0 ? order : str_cmp(left->value, right->value);
}

static int escape_anew(struct arena *arena, struct str text, struct str *out)
{
    struct str plain;
    int rc = uri_decode(arena, text.ptr == NULL ? STR("") : text, false, &plain);
    if (rc < 0)
        return rc;
    AUTO_BUF struct buf escaped;
    buf_init(&escaped, CANONICAL_MAX);
    uri_encode(&escaped, plain, false);
    *out = buf_is_over(&escaped) ? STR_NONE : arena_str(arena, buf_str(&escaped));
    return out->ptr == NULL ? -E2BIG : 0;
}

static int put_canonical_query(struct buf *out, const struct aws_http_request *req,
                               struct arena *arena)
{
    if (req->query.len == 0)
        return 0;
    struct query_part *parts = ARENA_ARRAY(arena, struct query_part, QUERY_PARTS_MAX);
    if (parts == NULL)
        return -E2BIG;
    size_t count = 0;
    struct str rest = req->query, name, value;
    while (uri_query_next(&rest, &name, &value)) {
        if (str_eq(name, STR("X-Amz-Signature")))
            continue;
        if (count == QUERY_PARTS_MAX)
            return -E2BIG;
        int rc = escape_anew(arena, name, &parts[count].name);
        if (rc == 0)
            rc = escape_anew(arena, value, &parts[count].value);
        if (rc < 0)
            return rc;
        count++;
    }
    qsort(parts, count, sizeof *parts, query_part_order);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(out, '&');
        buf_put(out, parts[i].name);
        buf_put_char(out, '=');
        buf_put(out, parts[i].value);
    }
    return 0;
}

static void put_collapsed(struct buf *out, struct str value)
{
    value = str_trim(value);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] != ' ' || value.ptr[i - 1] != ' ')
            buf_put_char(out, value.ptr[i]);
}

/* Every signed header, in the order of the list; a listed header that is absent counts as empty,
 * which then fails the comparison, as it should. */
static void put_canonical_headers(struct buf *out, const struct aws_http_request *req,
                                  struct str signed_headers)
{
    struct str rest = signed_headers, name;
    while (str_split(&rest, ';', &name)) {
        buf_put(out, name);
        buf_put_char(out, ':');
        struct str wanted = str_eq(name, authority) ? STR("host") : name;
        bool is_first = true;
        for (size_t i = 0; i < req->header_count; i++) {
            if (!str_eq_nocase(req->headers[i].name, wanted))
                continue;
            if (!is_first)
                buf_put_char(out, ',');
            put_collapsed(out, req->headers[i].value);
            is_first = false;
        }
        buf_put_char(out, '\n');
    }
}

static void sha256_hex(struct str bytes, char out[2 * SHA256_SIZE + 1])
{
    unsigned char hash[SHA256_SIZE];
    hash_sha256(bytes, hash);
    hex_encode(hash, sizeof hash, out);
}

int sigv4_signature(const struct aws_http_request *req, const struct sigv4 *sig,
                    struct str payload_hash, const unsigned char key[SIGV4_KEY_SIZE],
                    struct arena *arena, char out_hex[SIGV4_SIGNATURE_SIZE])
{
    AUTO_BUF struct buf text;
    buf_init(&text, CANONICAL_MAX);
    buf_put(&text, req->method);
    buf_put_char(&text, '\n');
    int rc = put_canonical_path(&text, req, str_eq(sig->service, STR("s3")), arena);
    if (rc < 0)
        return rc;
    buf_put_char(&text, '\n');
    rc = put_canonical_query(&text, req, arena);
    if (rc < 0)
        return rc;
    buf_put_char(&text, '\n');
    put_canonical_headers(&text, req, sig->signed_headers);
    buf_put_char(&text, '\n');
    buf_put(&text, sig->signed_headers);
    buf_put_char(&text, '\n');
    buf_put(&text, payload_hash);
    if (buf_is_over(&text))
        return -E2BIG;

    char hash[2 * SHA256_SIZE + 1];
    sha256_hex(buf_str(&text), hash);
    buf_reset(&text);
    buf_printf(&text, "AWS4-HMAC-SHA256\n" STR_FMT "\n" STR_FMT "\n%s", STR_ARG(sig->timestamp),
               STR_ARG(sig->scope), hash);
    unsigned char mac[SHA256_SIZE];
    hash_hmac_sha256(str_of(key, SIGV4_KEY_SIZE), buf_str(&text), mac);
    hex_encode(mac, sizeof mac, out_hex);
    return 0;
}

static struct str basic_time(struct arena *arena, int64_t utc_ms)
{
    struct civil t;
    time_civil(utc_ms, &t);
    return arena_printf(arena, "%04d%02d%02dT%02d%02d%02dZ", (int) t.year, t.month, t.day, t.hour,
                        t.minute, t.second);
}

int64_t sigv4_skew_min(enum aws_protocol protocol)
{
    return protocol == AWS_QUERY || protocol == AWS_REST_XML ? 15 : 5;
}

static enum sigv4_verdict check_time(const struct sigv4 *sig, int64_t now_ms, int64_t skew_min,
                                     struct arena *arena, struct str *out_text)
{
    int64_t skew_ms = skew_min * 60 * 1000;
    int64_t window_ms = sig->form == SIGV4_QUERY ? sig->expires_s * 1000 : skew_ms;
    struct str then = basic_time(arena, sig->time_ms), now = basic_time(arena, now_ms);
    if (sig->time_ms > now_ms + skew_ms) {
        *out_text = arena_printf(arena,
                                 "Signature not yet current: " STR_FMT
                                 " is still later than " STR_FMT " (" STR_FMT " + %d min.)",
                                 STR_ARG(then), STR_ARG(basic_time(arena, now_ms + skew_ms)),
                                 STR_ARG(now), (int) skew_min);
        return SIGV4_NOT_YET;
    }
    if (now_ms > sig->time_ms + window_ms) {
        *out_text = arena_printf(arena,
                                 "Signature expired: " STR_FMT " is now earlier than " STR_FMT
                                 " (" STR_FMT " - %d min.)",
                                 STR_ARG(then), STR_ARG(basic_time(arena, now_ms - window_ms)),
                                 STR_ARG(now), (int) (window_ms / 60000));
        return SIGV4_EXPIRED;
    }
    if (!str_eq(str_head(then, 8), sig->date)) {
        *out_text = arena_printf(arena,
                                 "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                                 "version of date from HTTP: '" STR_FMT "' != '" STR_FMT
                                 "', from '" STR_FMT "'.",
                                 STR_ARG(sig->date), STR_ARG(str_head(then, 8)), STR_ARG(then));
        return SIGV4_WRONG_SCOPE;
    }
    return SIGV4_OK;
}

/* What stands in the canonical request's last line. */
static enum sigv4_verdict payload_line(const struct aws_http_request *req, const struct sigv4 *sig,
                                       struct str body_sha256_hex, char hash[65],
                                       struct str *out_line, struct str *out_text)
{
    bool is_s3 = str_eq(sig->service, STR("s3"));
    struct str claimed = sig->payload_hash;
    if (claimed.ptr == NULL && is_s3 && sig->form == SIGV4_QUERY)
        claimed = unsigned_payload;
    if (claimed.ptr != NULL &&
        (str_eq(claimed, unsigned_payload) || str_starts(claimed, STR("STREAMING-")))) {
        *out_line = claimed;
        return SIGV4_OK;
    }
    if (body_sha256_hex.ptr == NULL) {
        sha256_hex(req->body, hash);
        body_sha256_hex = str_of(hash, 2 * SHA256_SIZE);
    }
    if (claimed.ptr != NULL && !str_eq(claimed, body_sha256_hex)) {
        *out_text = STR("The provided 'x-amz-content-sha256' header does not match what was "
                        "computed.");
        return SIGV4_BODY_MISMATCH;
    }
    *out_line = body_sha256_hex;
    return SIGV4_OK;
}

enum sigv4_verdict sigv4_verify(const struct aws_http_request *req, const struct sigv4 *sig,
                                const unsigned char key[SIGV4_KEY_SIZE], struct str body_sha256_hex,
                                int64_t now_ms, int64_t skew_min, struct arena *arena,
                                struct str *out_text)
{
    enum sigv4_verdict verdict = check_time(sig, now_ms, skew_min, arena, out_text);
    if (verdict != SIGV4_OK)
        return verdict;
    char hash[2 * SHA256_SIZE + 1];
    struct str line;
    verdict = payload_line(req, sig, body_sha256_hex, hash, &line, out_text);
    if (verdict != SIGV4_OK)
        return verdict;
    char expected[SIGV4_SIGNATURE_SIZE];
    int rc = sigv4_signature(req, sig, line, key, arena, expected);
    if (rc < 0 || !str_eq_secret(sig->signature, str_of(expected, SIGV4_SIGNATURE_SIZE - 1))) {
        *out_text = STR("The request signature we calculated does not match the signature you "
                        "provided. Check your AWS Secret Access Key and signing method. Consult "
                        "the service documentation for details.");
        return SIGV4_MISMATCH;
    }
    return SIGV4_OK;
}
