#pragma once
/* gzip (RFC 1952) over zlib: reading, bounded. thread: any. */
#include "base/buf.h"
#include "base/err.h"

/* Appends what the bytes hold to `out`, whose limit is the guard against bombs: inflating stops
 * there. One or more members, nothing behind them. -E2BIG over the limit, -EPROTO malformed or cut;
 * what was appended by then stays. */
CHECK_RESULT int gzip_inflate(struct str bytes, struct buf *out, struct err *err);
