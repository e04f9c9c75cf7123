/* Who the server is: a certificate and its key, given as files or made here.
 *
 * The self-made certificate is for developers: EC P-256, for localhost and the names that resolve
 * to it, valid 397 days (more is refused by browsers). Its *.localhost is not accepted by clients
 * that want two labels behind a wildcard, OpenSSL's among them; *.localhost.localstack.cloud is.
 * Its file begins with a line of ours that says when it has to be made again, so that a start reads
 * two small files and parses nothing; PEM readers skip text before BEGIN.
 *
 *     virga: renew after 1796083200000
 *     -----BEGIN CERTIFICATE-----
 *
 * The key is written first: a crash in between leaves a key without certificate, and both are made
 * again. Runs on the main thread, before the loops. */

/* Before our own headers: OpenSSL names parameters like functions that base/banned.h forbids. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/tls_int.h"

#include "base/mem.h"
#include "os/file.h"
#include "os/random.h"

#include <errno.h>
#include <fcntl.h>

enum {
    PEM_MAX = 256 * 1024,
    PATH_SIZE = 4096,
    VALID_DAYS = 397,
    RENEW_DAYS = 30, /* before the end */
    DAY_S = 24 * 60 * 60,
};

#define RENEW_LINE "virga: renew after "

static struct tls_identity *identity_new(void)
{
    struct tls_identity *identity = NEW(struct tls_identity);
    buf_init(&identity->cert, PEM_MAX);
    buf_init(&identity->key, PEM_MAX);
    rng_fill(&rng_real, identity->ticket_key, sizeof identity->ticket_key);
    return identity;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (identity == NULL)
        return;
    if (identity->key.ptr != NULL)
        explicit_bzero(identity->key.ptr, identity->key.len);
    buf_done(&identity->cert);
    buf_done(&identity->key);
    explicit_bzero(identity->ticket_key, sizeof identity->ticket_key);
    free(identity);
}

static int identity_read(struct tls_identity *identity, const char *cert_path, const char *key_path,
                         struct err *err)
{
    int rc = file_read(cert_path, &identity->cert, err);
    return rc < 0 ? rc : file_read(key_path, &identity->key, err);
}

int tls_identity_load(const char *cert_path, const char *key_path,
                      struct tls_identity **out_identity, struct err *err)
{
    struct tls_identity *identity = identity_new();
    struct tls_context *trial = NULL;
    int rc = identity_read(identity, cert_path, key_path, err);
    if (rc >= 0)
        rc = tls_context_new(identity, &trial, err);
    tls_context_free(trial);
    if (rc < 0)
        tls_identity_free(identity);
    else
        *out_identity = identity;
    return rc < 0 ? rc : 0;
}

/* --- self-made --- */

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool is_fine = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_fine;
}

static bool set_names(X509 *cert)
{
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *) "Virga", -1,
                                      -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *) "localhost",
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 &&
           add_extension(cert, NID_subject_alt_name,
                         "DNS:localhost,DNS:*.localhost,DNS:localhost.localstack.cloud,"
                         "DNS:*.localhost.localstack.cloud,IP:127.0.0.1,IP:::1") &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_key_identifier, "hash");
}

static bool fill_cert(X509 *cert, EVP_PKEY *key, int64_t now_ms)
{
    time_t now_s = (time_t) (now_ms / 1000);
    uint64_t serial = rng_u64(&rng_real) >> 1;
    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial) == 1 &&
           X509_time_adj_ex(X509_getm_notBefore(cert), 0, -3600, &now_s) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), VALID_DAYS, 0, &now_s) != NULL &&
           X509_set_pubkey(cert, key) == 1 && set_names(cert) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static void put_bio(struct buf *out, BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    buf_put(out, str_of(bytes, len > 0 ? (size_t) len : 0));
}

static int identity_make(struct tls_identity *identity, int64_t now_ms, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_secmem());
    bool is_fine = key != NULL && cert != NULL && cert_bio != NULL && key_bio != NULL &&
                   fill_cert(cert, key, now_ms) && PEM_write_bio_X509(cert_bio, cert) == 1 &&
                   PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (is_fine) {
        int64_t renew_ms = now_ms + (int64_t) (VALID_DAYS - RENEW_DAYS) * DAY_S * 1000;
        buf_reset(&identity->cert);
        buf_reset(&identity->key);
        buf_put(&identity->cert, STR(RENEW_LINE));
        buf_put_i64(&identity->cert, renew_ms);
        buf_put_char(&identity->cert, '\n');
        put_bio(&identity->cert, cert_bio);
        put_bio(&identity->key, key_bio);
    }
    BIO_free(cert_bio);
    BIO_free(key_bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_fine ? 0 : err_say(err, -EIO, "OpenSSL cannot make a certificate");
}

static bool is_current(const struct tls_identity *identity, int64_t now_ms)
{
    struct str cert = buf_str(&identity->cert);
    struct str rest = str_skip(cert, sizeof RENEW_LINE - 1);
    uint64_t renew_ms;
    return str_starts(cert, STR(RENEW_LINE)) && identity->key.len > 0 &&
           parse_u64(str_head(rest, str_find(rest, '\n')), INT64_MAX, &renew_ms) == 0 &&
           now_ms < (int64_t) renew_ms;
}

static int self_made(struct tls_identity *identity, const char *dir, int64_t now_ms,
                     struct err *err)
{
    char cert_path[PATH_SIZE], key_path[PATH_SIZE];
    int len = snprintf(cert_path, sizeof cert_path, "%s/cert.pem", dir);
    (void) snprintf(key_path, sizeof key_path, "%s/key.pem", dir); /* the shorter one */
    if (len >= PATH_SIZE)
        return err_say(err, -ENAMETOOLONG, "'%s'", dir);
    int rc = dir_make(dir, 0700, err);
    if (rc < 0)
        return rc;
    struct err none; /* Whatever hinders reading them, they are made anew. */
    if (identity_read(identity, cert_path, key_path, &none) >= 0 && is_current(identity, now_ms))
        return 0;
    rc = identity_make(identity, now_ms, err);
    if (rc >= 0)
        rc = file_write_durable(AT_FDCWD, key_path, buf_str(&identity->key), 0600, err);
    if (rc >= 0)
        rc = file_write_durable(AT_FDCWD, cert_path, buf_str(&identity->cert), 0644, err);
    return rc;
}

int tls_identity_self_made(const char *dir, int64_t now_ms, struct tls_identity **out_identity,
                           struct err *err)
{
    struct tls_identity *identity = identity_new();
    int rc = self_made(identity, dir, now_ms, err);
    if (rc < 0) {
        tls_identity_free(identity);
        return err_wrap(err, "make a TLS certificate");
    }
    *out_identity = identity;
    return 0;
}
