#pragma once
/* The major general category of a code point, as \p{L} and its kin ask for it. A category is one
 * bit, so that a set of them is one byte. */
#include "base/str.h"

enum unicode_category {
    UNICODE_C = 1 << 0, /* other: controls, formats, surrogates, private, unassigned */
    UNICODE_L = 1 << 1, /* letters */
    UNICODE_M = 1 << 2, /* marks */
    UNICODE_N = 1 << 3, /* numbers */
    UNICODE_P = 1 << 4, /* punctuation */
    UNICODE_S = 1 << 5, /* symbols */
    UNICODE_Z = 1 << 6, /* separators */
    UNICODE_ALL = 0x7F,
};

extern const uint32_t unicode_runs[];
extern const size_t unicode_runs_count;

static inline unsigned unicode_category(uint32_t cp)
{
    size_t low = 0, high = unicode_runs_count; /* the run sought is in [low, high) */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (unicode_runs[middle] >> 3 <= cp)
            low = middle;
        else
            high = middle;
    }
    return 1U << (unicode_runs[low] & 7);
}
