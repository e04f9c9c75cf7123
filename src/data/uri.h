#pragma once
/* URIs, RFC 3986: percent coding, and query strings as AWS reads them. */
#include "base/arena.h"
#include "base/buf.h"

/* Everything but the unreserved characters is escaped, upper-case hex; '/' stays when keep_slash.
 */
void uri_encode(struct buf *out, struct str text, bool keep_slash);

/* -EINVAL on a broken escape, -E2BIG beyond the arena. plus_is_blank: '+' reads as ' ' (forms). A
 * text without escapes is returned as it is, without a copy. */
CHECK_RESULT int uri_decode(struct arena *arena, struct str text, bool plus_is_blank,
                            struct str *out);

/* The next "key=value" of a query string, both still encoded; value.ptr is NULL when there was no
 * '='. Empty pairs are skipped. False at the end. */
bool uri_query_next(struct str *rest, struct str *out_key, struct str *out_value);
/* The decoded value of `key`, the first one; '+' reads as a blank. {NULL, 0} when absent, empty
 * when there was no '='. -EINVAL on a broken escape, -E2BIG beyond the arena. */
CHECK_RESULT int uri_query_find(struct arena *arena, struct str query, struct str key,
                                struct str *out_value);
