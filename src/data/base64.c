/* Base64 (RFC 4648, section 4), strict: standard alphabet, padding required, unused bits zero, no
 * blanks or line breaks.
 *
 * Function code arrives as up to 70 MB of base64 within JSON, so both directions work on whole
 * groups without a branch per character. decode_table holds 64 + the value of each character and 0
 * for all others: one AND over the four entries tells whether all are valid, and the four 64s are
 * taken off the combined word in one subtraction. thread: any. */
#include "data/base64.h"

#include <errno.h>

static const char encode_table[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { VALID = 64 };
static const uint32_t valid_all = VALID << 18 | VALID << 12 | VALID << 6 | VALID;

/* clang-format off */
static const uint8_t decode_table[256] = {
    ['A'] = 64, ['B'] = 65, ['C'] = 66, ['D'] = 67, ['E'] = 68, ['F'] = 69, ['G'] = 70, ['H'] = 71,
    ['I'] = 72, ['J'] = 73, ['K'] = 74, ['L'] = 75, ['M'] = 76, ['N'] = 77, ['O'] = 78, ['P'] = 79,
    ['Q'] = 80, ['R'] = 81, ['S'] = 82, ['T'] = 83, ['U'] = 84, ['V'] = 85, ['W'] = 86, ['X'] = 87,
    ['Y'] = 88, ['Z'] = 89, ['a'] = 90, ['b'] = 91, ['c'] = 92, ['d'] = 93, ['e'] = 94, ['f'] = 95,
    ['g'] = 96, ['h'] = 97, ['i'] = 98, ['j'] = 99, ['k'] = 100, ['l'] = 101, ['m'] = 102, ['n'] = 103,
    ['o'] = 104, ['p'] = 105, ['q'] = 106, ['r'] = 107, ['s'] = 108, ['t'] = 109, ['u'] = 110, ['v'] = 111,
    ['w'] = 112, ['x'] = 113, ['y'] = 114, ['z'] = 115, ['0'] = 116, ['1'] = 117, ['2'] = 118, ['3'] = 119,
    ['4'] = 120, ['5'] = 121, ['6'] = 122, ['7'] = 123, ['8'] = 124, ['9'] = 125, ['+'] = 126, ['/'] = 127,
};
/* clang-format on */

static void encode_group(const unsigned char *in, char *to)
{
    uint32_t bits = (uint32_t) in[0] << 16 | (uint32_t) in[1] << 8 | in[2];
    to[0] = encode_table[bits >> 18];
    to[1] = encode_table[bits >> 12 & 63];
    to[2] = encode_table[bits >> 6 & 63];
    to[3] = encode_table[bits & 63];
}

void base64_encode(struct buf *out, struct str bytes)
{
    size_t len = base64_encoded_len(bytes.len);
    char *to = buf_room(out, len);
    if (to == NULL || len == 0)
        return;
    const unsigned char *in = (const unsigned char *) bytes.ptr;
    size_t left = bytes.len;
    for (; left >= 3; left -= 3, in += 3, to += 4)
        encode_group(in, to);
    if (left > 0) {
        unsigned char last[3] = {in[0], left == 2 ? in[1] : 0, 0};
        encode_group(last, to);
        to[3] = '=';
        if (left == 1)
            to[2] = '=';
    }
    buf_added(out, len);
}

/* Four characters to 24 bits; false when one is not in the alphabet. */
static inline bool decode_group(const unsigned char *in, uint32_t *out_bits)
{
    uint32_t a = decode_table[in[0]], b = decode_table[in[1]];
    uint32_t c = decode_table[in[2]], d = decode_table[in[3]];
    *out_bits = (a << 18) + (b << 12) + (c << 6) + d - valid_all;
    return (a & b & c & d & VALID) != 0;
}

static inline void put_group(char *to, uint32_t bits)
{
    to[0] = (char) (bits >> 16);
    to[1] = (char) (bits >> 8);
    to[2] = (char) bits;
}

/* The last group, which may be padded: its 1..3 bytes to `to`; their number, or 0 when broken. */
static size_t decode_last(const unsigned char *in, char *to)
{
    size_t padding = in[3] != '=' ? 0 : in[2] != '=' ? 1 : 2;
    unsigned char group[4] = {in[0], in[1], padding == 2 ? 'A' : in[2], padding > 0 ? 'A' : in[3]};
    uint32_t bits;
    if (!decode_group(group, &bits))
        return 0;
    if ((bits & ((1U << (8 * padding)) - 1)) != 0)
        return 0; /* Two texts for the same bytes would both be accepted. */
    char bytes[3];
    put_group(bytes, bits);
    memcpy(to, bytes, 3 - padding);
    return 3 - padding;
}

int base64_decode_into(struct str text, char *to, size_t *out_len)
{
    if (text.len % 4 != 0)
        return -EINVAL;
    if (text.len == 0) {
        *out_len = 0;
        return 0;
    }
    const unsigned char *in = (const unsigned char *) text.ptr;
    size_t groups = text.len / 4 - 1;
    char *start = to;
    for (size_t i = 0; i < groups; i++, in += 4, to += 3) {
        uint32_t bits;
        if (!decode_group(in, &bits))
            return -EINVAL;
        put_group(to, bits);
    }
    size_t n = decode_last(in, to);
    if (n == 0)
        return -EINVAL;
    *out_len = (size_t) (to - start) + n;
    return 0;
}

int base64_decode(struct arena *arena, struct str text, struct str *out_bytes)
{
    char *to = arena_try(arena, text.len / 4 * 3);
    if (to == NULL)
        return -E2BIG;
    size_t len;
    int rc = base64_decode_into(text, to, &len);
    if (rc < 0)
        return rc;
    *out_bytes = str_of(to, len);
    return 0;
}
