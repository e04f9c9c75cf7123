#pragma once
/* The checksums that S3 clients send with what they upload (x-amz-checksum-…), computed piece by
 * piece, compared and written as base64. thread: the owner of the checksum. */
#include "base/buf.h"

enum checksum_kind {
    CHECKSUM_NONE,
    CHECKSUM_CRC32,
    CHECKSUM_CRC32C,
    CHECKSUM_CRC64NVME,
    CHECKSUM_SHA1,
    CHECKSUM_SHA256,
};

enum { CHECKSUM_TEXT_MAX = 44 }; /* base64 of 32 bytes */

struct hasher;

struct checksum {
    enum checksum_kind kind;
    uint64_t crc;
    struct hasher *hasher; /* owned; SHA kinds only */
};

/* By the header's name ("x-amz-checksum-crc32c", any case); CHECKSUM_NONE: no such checksum. */
enum checksum_kind checksum_of_header(struct str name);

void checksum_init(struct checksum *checksum, enum checksum_kind kind);
void checksum_add(struct checksum *checksum, struct str bytes);
/* Base64 and NUL; ends the computation. */
void checksum_end(struct checksum *checksum, char out_text[CHECKSUM_TEXT_MAX + 1]);
void checksum_done(struct checksum *checksum);
