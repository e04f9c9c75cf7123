/* Hashes over OpenSSL's EVP, CRC-32 over zlib, and the two texts that go with them: hexadecimal
 * and UUIDs.
 *
 * OpenSSL 3 looks an algorithm up by name on each EVP_sha256() use, which costs more than hashing
 * a short text. The algorithms are therefore fetched once and kept; they may be used by any thread.
 * HMAC is written out (RFC 2104) for the same reason: EVP_MAC costs a further look-up and several
 * allocations a call.
 *
 * A failing EVP call here means that memory is gone or that the library lacks the algorithm (MD5
 * under a FIPS-only configuration); both are asserted, as for small allocations. thread: any; a
 * struct hasher belongs to one thread at a time. */

/* Before our own headers: OpenSSL names parameters like functions that base/banned.h forbids. */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "data/hash.h"

#include "base/assert.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <zlib.h>

enum { HMAC_BLOCK_SIZE = 64 };

static EVP_MD *algorithms[HASH_MD5 + 1]; /* process life time */
static_assert(HASH_SHA256 <= HASH_MD5 && HASH_SHA1 <= HASH_MD5, "one place for each kind");

static void algorithms_fetch(void)
{
    algorithms[HASH_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
    algorithms[HASH_SHA1] = EVP_MD_fetch(NULL, "SHA1", NULL);
    algorithms[HASH_MD5] = EVP_MD_fetch(NULL, "MD5", NULL);
}

static const EVP_MD *algorithm_find(enum hash_kind which)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void) pthread_once(&once, algorithms_fetch); /* Fails for a broken control only. */
    assert(algorithms[which] != NULL);
    return algorithms[which];
}

static void digest(enum hash_kind which, struct str bytes, unsigned char *out)
{
    int ok = EVP_Digest(bytes.ptr, bytes.len, out, NULL, algorithm_find(which), NULL);
    assert(ok == 1);
}

void hash_sha256(struct str bytes, unsigned char out[SHA256_SIZE])
{
    digest(HASH_SHA256, bytes, out);
}

void hash_sha1(struct str bytes, unsigned char out[SHA1_SIZE])
{
    digest(HASH_SHA1, bytes, out);
}

void hash_md5(struct str bytes, unsigned char out[MD5_SIZE])
{
    digest(HASH_MD5, bytes, out);
}

/* Hash of the padded key, xored with `mask`, followed by bytes. */
static void hmac_half(EVP_MD_CTX *ctx, enum hash_kind which,
                      const unsigned char key[HMAC_BLOCK_SIZE], unsigned char mask,
                      struct str bytes, unsigned char *out)
{
    unsigned char pad[HMAC_BLOCK_SIZE];
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = key[i] ^ mask;
    bool is_done = EVP_DigestInit_ex2(ctx, algorithm_find(which), NULL) == 1 &&
                   EVP_DigestUpdate(ctx, pad, sizeof pad) == 1 &&
                   EVP_DigestUpdate(ctx, bytes.ptr, bytes.len) == 1 &&
                   EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    assert(is_done);
    OPENSSL_cleanse(pad, sizeof pad);
}

/* SHA-1 and SHA-256 share the block size of 64 bytes. */
static void hmac(enum hash_kind which, size_t size, struct str key, struct str bytes,
                 unsigned char *out)
{
    unsigned char padded[HMAC_BLOCK_SIZE] = {0};
    if (key.len > sizeof padded)
        digest(which, key, padded);
    else if (key.len > 0)
        memcpy(padded, key.ptr, key.len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert(ctx != NULL);
    unsigned char inner[SHA256_SIZE];
    hmac_half(ctx, which, padded, 0x36, bytes, inner);
    hmac_half(ctx, which, padded, 0x5C, str_of(inner, size), out);
    EVP_MD_CTX_free(ctx);
    OPENSSL_cleanse(padded, sizeof padded);
}

void hash_hmac_sha256(struct str key, struct str bytes, unsigned char out[SHA256_SIZE])
{
    hmac(HASH_SHA256, SHA256_SIZE, key, bytes, out);
}

void hash_hmac_sha1(struct str key, struct str bytes, unsigned char out[SHA1_SIZE])
{
    hmac(HASH_SHA1, SHA1_SIZE, key, bytes, out);
}

uint32_t hash_crc32(uint32_t crc, struct str bytes)
{
    if (bytes.len == 0)
        return crc; /* zlib answers the initial value for a NULL pointer, whatever crc is. */
    return (uint32_t) crc32_z(crc, (const unsigned char *) bytes.ptr, bytes.len);
}

struct hasher {
    EVP_MD_CTX *ctx; /* owned */
    enum hash_kind kind;
};

static void hasher_start(struct hasher *hasher)
{
    int ok = EVP_DigestInit_ex2(hasher->ctx, algorithm_find(hasher->kind), NULL);
    assert(ok == 1);
}

struct hasher *hasher_new(enum hash_kind kind)
{
    struct hasher *hasher = NEW(struct hasher);
    hasher->kind = kind;
    hasher->ctx = EVP_MD_CTX_new();
    assert(hasher->ctx != NULL);
    hasher_start(hasher);
    return hasher;
}

void hasher_add(struct hasher *hasher, struct str bytes)
{
    int ok = EVP_DigestUpdate(hasher->ctx, bytes.ptr, bytes.len);
    assert(ok == 1);
}

size_t hasher_end(struct hasher *hasher, unsigned char out[SHA256_SIZE])
{
    unsigned size = 0;
    int ok = EVP_DigestFinal_ex(hasher->ctx, out, &size);
    assert(ok == 1);
    hasher_start(hasher);
    return size;
}

void hasher_free(struct hasher *hasher)
{
    if (hasher == NULL)
        return;
    EVP_MD_CTX_free(hasher->ctx);
    free(hasher);
}

void hex_encode(const void *bytes, size_t n, char *out)
{
    const unsigned char *in = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = "0123456789abcdef"[in[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[in[i] & 15];
    }
    out[2 * n] = '\0';
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(struct str text, void *out, size_t n)
{
    if (text.len % 2 != 0 || text.len / 2 != n)
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++)
        if (hex_digit(text.ptr[i]) < 0)
            return -EINVAL; /* checked first: failure leaves `out` untouched */
    unsigned char *to = out;
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char) (hex_digit(text.ptr[2 * i]) * 16 + hex_digit(text.ptr[2 * i + 1]));
    return 0;
}

void uuid_format(const unsigned char random[16], char out[UUID_TEXT_SIZE])
{
    unsigned char bytes[16];
    memcpy(bytes, random, sizeof bytes);
    bytes[6] = (unsigned char) ((bytes[6] & 0x0F) | 0x40); /* version 4 */
    bytes[8] = (unsigned char) ((bytes[8] & 0x3F) | 0x80); /* the RFC's variant */
    char hex[33];
    hex_encode(bytes, sizeof bytes, hex);
    char *to = out;
    for (size_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *to++ = '-';
        *to++ = hex[i];
    }
    *to = '\0';
}
