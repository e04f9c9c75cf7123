/* UTF-8 (RFC 3629, section 4): one decoder for the whole room.
 *
 * The lead byte gives the length and the bounds of the second byte; those bounds are what keeps
 * out overlong forms (E0, F0), surrogates (ED) and everything above U+10FFFF (F4). All later bytes
 * are 80..BF. Most text is ASCII, which is skipped eight bytes at a time. thread: any. */
#include "data/utf8.h"

#include "base/assert.h"

static const uint64_t high_bits = UINT64_C(0x8080808080808080);

static uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static size_t decode2(const unsigned char *p, size_t len, uint32_t *out_cp)
{
    if (len < 2 || (p[1] & 0xC0) != 0x80)
        return 0;
    *out_cp = (uint32_t) (p[0] & 0x1F) << 6 | (p[1] & 0x3FU);
    return 2;
}

static size_t decode3(const unsigned char *p, size_t len, uint32_t *out_cp)
{
    if (len < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
        return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F))
        return 0;
    *out_cp = (uint32_t) (p[0] & 0x0F) << 12 | (uint32_t) (p[1] & 0x3F) << 6 | (p[2] & 0x3FU);
    return 3;
}

static size_t decode4(const unsigned char *p, size_t len, uint32_t *out_cp)
{
    if (len < 4 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80)
        return 0;
    if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    *out_cp = (uint32_t) (p[0] & 0x07) << 18 | (uint32_t) (p[1] & 0x3F) << 12 |
              (uint32_t) (p[2] & 0x3F) << 6 | (p[3] & 0x3FU);
    return 4;
}

size_t utf8_next(struct str s, uint32_t *out_cp)
{
    if (s.len == 0)
        return 0;
    const unsigned char *p = (const unsigned char *) s.ptr;
    if (p[0] < 0x80) {
        *out_cp = p[0];
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        return decode2(p, s.len, out_cp);
    if (p[0] >= 0xE0 && p[0] <= 0xEF)
        return decode3(p, s.len, out_cp);
    if (p[0] >= 0xF0 && p[0] <= 0xF4)
        return decode4(p, s.len, out_cp);
    return 0;
}

bool utf8_is_valid(struct str bytes)
{
    size_t at = 0;
    while (at < bytes.len) {
        if (bytes.len - at >= 8 && (load8(bytes.ptr + at) & high_bits) == 0) {
            at += 8;
            continue;
        }
        uint32_t cp;
        size_t n = utf8_next(str_skip(bytes, at), &cp);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

size_t utf8_count(struct str bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes.len; i++)
        count += ((unsigned char) bytes.ptr[i] & 0xC0) != 0x80;
    return count;
}

size_t utf8_put(char to[4], uint32_t cp)
{
    assert(cp <= 0x10FFFF && (cp < 0xD800 || cp > 0xDFFF));
    if (cp < 0x80) {
        to[0] = (char) cp;
        return 1;
    }
    if (cp < 0x800) {
        to[0] = (char) (0xC0 | cp >> 6);
        to[1] = (char) (0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        to[0] = (char) (0xE0 | cp >> 12);
        to[1] = (char) (0x80 | (cp >> 6 & 0x3F));
        to[2] = (char) (0x80 | (cp & 0x3F));
        return 3;
    }
    to[0] = (char) (0xF0 | cp >> 18);
    to[1] = (char) (0x80 | (cp >> 12 & 0x3F));
    to[2] = (char) (0x80 | (cp >> 6 & 0x3F));
    to[3] = (char) (0x80 | (cp & 0x3F));
    return 4;
}
