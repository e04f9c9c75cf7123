#pragma once
/* The cyclic checksums of S3 that zlib does not have. Each takes the value so far (start with 0)
 * and returns the value with bytes added. CRC-32 itself is hash_crc32.
 *
 * source: CRC-32C RFC 3720 appendix B.4 (Castagnoli, reflected 0x82f63b78); CRC-64/NVME of the NVM
 * Express base specification (reflected 0x9a6c9329ac4bc9b5). */
#include "base/str.h"

uint32_t crc32c(uint32_t crc, struct str bytes);
/* The same without the CPU's instruction, whatever the CPU; for its test. */
uint32_t crc32c_portable(uint32_t crc, struct str bytes);
uint64_t crc64nvme(uint64_t crc, struct str bytes);
