#pragma once
/* Base64, RFC 4648 section 4: standard alphabet, padding required, no blanks. */
#include "base/arena.h"
#include "base/buf.h"

static inline size_t base64_encoded_len(size_t n)
{
    return (n + 2) / 3 * 4;
}

void base64_encode(struct buf *out, struct str bytes);
/* -EINVAL for anything that is not canonical base64, -E2BIG beyond the arena's limit. */
CHECK_RESULT int base64_decode(struct arena *arena, struct str text, struct str *out_bytes);
/* Into memory of at least text.len / 4 * 3 bytes. */
CHECK_RESULT int base64_decode_into(struct str text, char *to, size_t *out_len);
