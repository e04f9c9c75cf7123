#pragma once
/* Hashes and checksums; SHA, MD5 and HMAC through OpenSSL's EVP (this file is its only user in
 * data/), CRC-32 through zlib. */
#include "base/buf.h"

enum { SHA256_SIZE = 32, SHA1_SIZE = 20, MD5_SIZE = 16 };

void hash_sha256(struct str bytes, unsigned char out[SHA256_SIZE]);
void hash_md5(struct str bytes, unsigned char out[MD5_SIZE]);
void hash_sha1(struct str bytes, unsigned char out[SHA1_SIZE]);
void hash_hmac_sha256(struct str key, struct str bytes, unsigned char out[SHA256_SIZE]);
void hash_hmac_sha1(struct str key, struct str bytes, unsigned char out[SHA1_SIZE]);
uint32_t hash_crc32(uint32_t crc, struct str bytes); /* start with 0 */

/* The same piece by piece. */
enum hash_kind { HASH_SHA256, HASH_SHA1, HASH_MD5 };
struct hasher;
CHECK_RESULT struct hasher *hasher_new(enum hash_kind kind);
void hasher_add(struct hasher *hasher, struct str bytes);
/* The size of the hash; starts anew for the next text. */
size_t hasher_end(struct hasher *hasher, unsigned char out[SHA256_SIZE]);
void hasher_free(struct hasher *hasher);

/* Lower-case hexadecimal; out has room for 2 * n characters and a NUL. */
void hex_encode(const void *bytes, size_t n, char *out);
/* 0..15, or -1 for anything but a hexadecimal digit of either case. */
int hex_digit(char c);
/* -EINVAL unless exactly 2 * n hexadecimal digits of either case. */
CHECK_RESULT int hex_decode(struct str text, void *out, size_t n);

/* An RFC 9562 version 4 UUID from 16 random bytes. */
enum { UUID_TEXT_SIZE = 37 };
void uuid_format(const unsigned char random[16], char out[UUID_TEXT_SIZE]);
