/* One face for S3's five checksums. CRC values are written big-endian before base64. */
#include "data/checksum.h"

#include "base/assert.h"
#include "data/base64.h"
#include "data/crc.h"
#include "data/hash.h"

enum checksum_kind checksum_of_header(struct str name)
{
    static const struct str names[] = {
        [CHECKSUM_CRC32] = STR_INIT("x-amz-checksum-crc32"),
        [CHECKSUM_CRC32C] = STR_INIT("x-amz-checksum-crc32c"),
        [CHECKSUM_CRC64NVME] = STR_INIT("x-amz-checksum-crc64nvme"),
        [CHECKSUM_SHA1] = STR_INIT("x-amz-checksum-sha1"),
        [CHECKSUM_SHA256] = STR_INIT("x-amz-checksum-sha256"),
    };
    for (size_t i = CHECKSUM_CRC32; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(names[i], name))
            return (enum checksum_kind) i;
    return CHECKSUM_NONE;
}

void checksum_init(struct checksum *checksum, enum checksum_kind kind)
{
    *checksum = (struct checksum){.kind = kind};
    if (kind == CHECKSUM_SHA1 || kind == CHECKSUM_SHA256)
        checksum->hasher = hasher_new(kind == CHECKSUM_SHA1 ? HASH_SHA1 : HASH_SHA256);
}

void checksum_add(struct checksum *checksum, struct str bytes)
{
    switch (checksum->kind) {
    case CHECKSUM_NONE: break;
    case CHECKSUM_CRC32: checksum->crc = hash_crc32((uint32_t) checksum->crc, bytes); break;
    case CHECKSUM_CRC32C: checksum->crc = crc32c((uint32_t) checksum->crc, bytes); break;
    case CHECKSUM_CRC64NVME: checksum->crc = crc64nvme(checksum->crc, bytes); break;
    case CHECKSUM_SHA1:
    case CHECKSUM_SHA256: hasher_add(checksum->hasher, bytes); break;
    }
}

void checksum_end(struct checksum *checksum, char out_text[CHECKSUM_TEXT_MAX + 1])
{
    unsigned char bytes[SHA256_SIZE];
    size_t size = 0;
    if (checksum->hasher != NULL) {
        size = hasher_end(checksum->hasher, bytes);
    } else if (checksum->kind != CHECKSUM_NONE) {
        size = checksum->kind == CHECKSUM_CRC64NVME ? 8 : 4;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char) (checksum->crc >> 8 * (size - 1 - i));
    }
    AUTO_BUF struct buf text;
    buf_init(&text, CHECKSUM_TEXT_MAX);
    base64_encode(&text, str_of(bytes, size));
    assert(!buf_is_over(&text));
    memcpy(out_text, buf_str(&text).ptr, text.len);
    out_text[text.len] = '\0';
}

void checksum_done(struct checksum *checksum)
{
    hasher_free(checksum->hasher);
    *checksum = (struct checksum){0};
}
