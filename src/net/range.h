#pragma once
/* Byte ranges of requests, RFC 9110 section 14: reading a Range header against a representation of
 * a known size, and the Content-Range that the answer carries. Pure. thread: any. */
#include "base/buf.h"

enum { RANGES_MAX = 16 };

struct byte_range {
    uint64_t first, last; /* inclusive, first <= last < size */
};

enum range_verdict {
    RANGE_NONE,          /* no Range, or one to be ignored: answer 200 with all of it */
    RANGE_PARTIAL,       /* answer 206 with the ranges */
    RANGE_UNSATISFIABLE, /* answer 416 with Content-Range: bytes star/size */
};

/* header: the field's value, ptr NULL when absent. A unit other than bytes, a malformed set and one
 * with more than RANGES_MAX ranges are ignored, as the RFC allows; ranges beyond the end are left
 * out, and when none is left the request is unsatisfiable. Order is the client's. */
enum range_verdict range_parse(struct str header, uint64_t size,
                               struct byte_range out_ranges[RANGES_MAX], size_t *out_count);

/* The value of If-Range against the representation's strong ETag (with quotes): true when Range
 * applies. A date or a weak tag never matches here. ptr NULL: there is no condition. */
bool range_condition_holds(struct str if_range, struct str etag);

/* "bytes 0-99/1000". */
void range_put_content_range(struct buf *out, struct byte_range range, uint64_t size);
/* What a 416 carries: "bytes", blank, star, slash, size. */
void range_put_unsatisfied(struct buf *out, uint64_t size);
