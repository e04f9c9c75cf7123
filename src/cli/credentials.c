/* Keys of the command line, and signing with them.
 *
 * The root key of a server lies in its data directory (core/keys.c wrote it: two lines, access key
 * and secret), readable by the server's user and by root alone: whoever may read it may be root of
 * that cloud. An option on the line is meant more than the environment, hence the order. */
#include "cli/credentials.h"

#include "aws/sigv4.h"
#include "data/hash.h"
#include "data/time.h"
#include "os/file.h"

#include <errno.h>
#include <limits.h>

enum { KEY_FILE_MAX = 4096 };

static int read_root_key(const char *dir, struct arena *arena, struct credentials *out,
                         struct err *err)
{
    char path[PATH_MAX];
    AUTO_BUF struct buf text;
    buf_init(&text, KEY_FILE_MAX);
    if (snprintf(path, sizeof path, "%s/data/root-key", dir) >= (int) sizeof path)
        return err_say(err, -ENAMETOOLONG, "--data: the path is too long");
    int rc = file_read(path, &text, err);
    if (rc < 0)
        return err_wrap(err, "the root key of --data");
    struct str id, secret, rest = arena_str(arena, buf_str(&text));
    if (rest.ptr == NULL || !str_split(&rest, '\n', &id) || !str_split(&rest, '\n', &secret) ||
        id.len == 0 || secret.len == 0)
        return err_say(err, -EINVAL, "'%s' does not hold an access key and its secret", path);
    *out = (struct credentials){.access_key = id, .secret_key = secret, .session_token = STR("")};
    return 0;
}

static struct str variable(const char *name)
{
    const char *value = getenv(name);
    return str_from(value == NULL ? "" : value);
}

int credentials_find(const struct cli_common *common, struct arena *arena, struct credentials *out,
                     struct err *err)
{
    if ((common->access_key == NULL) != (common->secret_key == NULL))
        return err_say(err, -EINVAL, "--access-key and --secret-key belong together");
    if (common->access_key != NULL) {
        const char *token = common->session_token;
        *out = (struct credentials){.access_key = str_from(common->access_key),
                                    .secret_key = str_from(common->secret_key),
                                    .session_token = str_from(token == NULL ? "" : token)};
        return 0;
    }
    if (common->data_dir != NULL)
        return read_root_key(common->data_dir, arena, out, err);
    *out = (struct credentials){.access_key = variable("AWS_ACCESS_KEY_ID"),
                                .secret_key = variable("AWS_SECRET_ACCESS_KEY"),
                                .session_token = variable("AWS_SESSION_TOKEN")};
    if (out->access_key.len == 0)
        *out = (struct credentials){STR("test"), STR("test"), STR("")};
    return 0;
}

static struct str sign(const struct aws_http_request *req, struct sigv4 *sig, struct str secret,
                       struct str payload_hash, struct arena *arena)
{
    unsigned char key[SIGV4_KEY_SIZE];
    char signature[SIGV4_SIGNATURE_SIZE];
    sigv4_signing_key(secret, sig->date, sig->region, sig->service, key);
    int rc = sigv4_signature(req, sig, payload_hash, key, arena, signature);
    explicit_bzero(key, sizeof key);
    return rc < 0 ? STR_NONE
                  : arena_printf(arena,
                                 "AWS4-HMAC-SHA256 Credential=" STR_FMT "/" STR_FMT
                                 ", SignedHeaders=" STR_FMT ", Signature=%s",
                                 STR_ARG(sig->access_key), STR_ARG(sig->scope),
                                 STR_ARG(sig->signed_headers), signature);
}

int credentials_sign(const struct credentials *credentials, struct str method, struct str target,
                     struct str body, struct str region, struct str service, int64_t now_ms,
                     struct arena *arena, struct http_header *headers, struct err *err)
{
    struct civil t;
    unsigned char hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    bool has_token = credentials->session_token.len > 0;
    size_t query = str_find(target, '?'), count = 1;
    time_civil(now_ms, &t);
    hash_sha256(body, hash);
    hex_encode(hash, sizeof hash, hex);
    struct str timestamp = arena_printf(arena, "%04d%02d%02dT%02d%02d%02dZ", (int) t.year, t.month,
                                        t.day, t.hour, t.minute, t.second);
    struct sigv4 sig = {
        .access_key = credentials->access_key,
        .date = str_head(timestamp, 8),
        .region = region,
        .service = service,
        .scope = arena_printf(arena, STR_FMT "/" STR_FMT "/" STR_FMT "/aws4_request",
                              STR_ARG(str_head(timestamp, 8)), STR_ARG(region), STR_ARG(service)),
        .signed_headers =
            has_token ? STR("host;x-amz-date;x-amz-security-token") : STR("host;x-amz-date"),
        .timestamp = timestamp,
    };
    headers[count++] = (struct http_header){STR("X-Amz-Date"), timestamp};
    if (has_token)
        headers[count++] =
            (struct http_header){STR("X-Amz-Security-Token"), credentials->session_token};
    const struct aws_http_request req = {
        .method = method,
        .path = str_head(target, query),
        .query = str_skip(target, query + 1),
        .headers = headers,
        .header_count = count,
        .body = body,
    };
    struct str authorization = sign(&req, &sig, credentials->secret_key, str_from(hex), arena);
    if (authorization.ptr == NULL)
        return err_say(err, -E2BIG, "the request is too large to be signed");
    headers[count++] = (struct http_header){STR("Authorization"), authorization};
    return (int) count;
}
