#pragma once
/* UTF-8, RFC 3629. */
#include "base/str.h"

bool utf8_is_valid(struct str bytes);
size_t utf8_count(struct str bytes); /* code points of valid UTF-8 */
/* Bytes of the sequence at the start of s, 0 when it is not valid; the code point to *out_cp. */
size_t utf8_next(struct str s, uint32_t *out_cp);
/* Writes the 1..4 bytes of a code point (no surrogate, at most U+10FFFF) and returns their number.
 */
size_t utf8_put(char to[4], uint32_t cp);
