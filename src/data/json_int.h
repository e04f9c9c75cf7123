#pragma once
/* Shared by the two halves of JSON. */
#include "base/str.h"

/* Bytes at the start of s which may stand in a JSON string as they are: valid UTF-8, no quote, no
 * backslash, no control character. */
size_t json_plain_len(struct str s);
