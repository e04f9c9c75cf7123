/* Reflected CRCs by slicing: eight tables of 256 entries let eight bytes be folded in at once
 * (Intel, "High Octane CRC Generation", 2006). The tables are made on first use. CRC-32C uses the
 * CPU's own instruction where there is one. */
#include "data/crc.h"

#include <pthread.h>

enum { SLICES = 8 };

static uint32_t table32[SLICES][256];
static uint64_t table64[SLICES][256];

static void tables_make(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint32_t c32 = i;
        uint64_t c64 = i;
        for (int bit = 0; bit < 8; bit++) {
            c32 = c32 >> 1 ^ (c32 & 1 ? UINT32_C(0x82f63b78) : 0);
            c64 = c64 >> 1 ^ (c64 & 1 ? UINT64_C(0x9a6c9329ac4bc9b5) : 0);
        }
        table32[0][i] = c32;
        table64[0][i] = c64;
    }
    for (unsigned slice = 1; slice < SLICES; slice++)
        for (unsigned i = 0; i < 256; i++) {
            uint32_t c32 = table32[slice - 1][i];
            uint64_t c64 = table64[slice - 1][i];
            table32[slice][i] = c32 >> 8 ^ table32[0][c32 & 255];
            table64[slice][i] = c64 >> 8 ^ table64[0][c64 & 255];
        }
}

static void tables_need(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void) pthread_once(&once, tables_make);
}

static uint64_t load64(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

uint32_t crc32c_portable(uint32_t crc, struct str bytes)
{
    tables_need();
    crc = ~crc;
    for (; bytes.len >= SLICES; bytes = str_skip(bytes, SLICES)) {
        uint64_t word = load64(bytes.ptr) ^ crc;
        crc = 0;
        for (unsigned i = 0; i < SLICES; i++)
            crc ^= table32[SLICES - 1 - i][word >> (8 * i) & 255];
    }
    for (size_t i = 0; i < bytes.len; i++)
        crc = crc >> 8 ^ table32[0][(crc ^ (unsigned char) bytes.ptr[i]) & 255];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, struct str bytes)
{
    uint64_t wide = crc;
    for (; bytes.len >= 8; bytes = str_skip(bytes, 8))
        wide = __builtin_ia32_crc32di(wide, load64(bytes.ptr));
    uint32_t narrow = (uint32_t) wide;
    for (size_t i = 0; i < bytes.len; i++)
        narrow = __builtin_ia32_crc32qi(narrow, (unsigned char) bytes.ptr[i]);
    return narrow;
}
#endif

uint32_t crc32c(uint32_t crc, struct str bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_sse42(~crc, bytes);
#endif
    return crc32c_portable(crc, bytes);
}

uint64_t crc64nvme(uint64_t crc, struct str bytes)
{
    tables_need();
    crc = ~crc;
    for (; bytes.len >= SLICES; bytes = str_skip(bytes, SLICES)) {
        uint64_t word = load64(bytes.ptr) ^ crc;
        crc = 0;
        for (unsigned i = 0; i < SLICES; i++)
            crc ^= table64[SLICES - 1 - i][word >> (8 * i) & 255];
    }
    for (size_t i = 0; i < bytes.len; i++)
        crc = crc >> 8 ^ table64[0][(crc ^ (unsigned char) bytes.ptr[i]) & 255];
    return ~crc;
}
