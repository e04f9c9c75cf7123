#pragma once
/* Calendar time as text, always UTC, from and to milliseconds since 1970. */
#include "base/buf.h"

struct civil {
    int64_t year;
    int month, day, hour, minute, second, ms; /* month 1..12, day 1..31 */
    int weekday;                              /* 0 Sunday */
};

void time_civil(int64_t utc_ms, struct civil *out_civil);
int64_t time_utc_ms(const struct civil *civil);

/* "2026-11-20T21:40:00Z"; with_ms: "…00.123Z". */
void time_put_iso8601(struct buf *out, int64_t utc_ms, bool with_ms);
/* "2026-11-20T21:40:00.123+0000", as Lambda's LastModified. */
void time_put_lambda(struct buf *out, int64_t utc_ms);
/* "Fri, 20 Nov 2026 21:40:00 GMT" (RFC 9110 IMF-fixdate). */
void time_put_http(struct buf *out, int64_t utc_ms);

/* RFC 3339 with any fraction (cut to milliseconds) and offset; years 0000 to 9999. -EINVAL. */
CHECK_RESULT int time_parse_iso8601(struct str text, int64_t *out_utc_ms);
/* IMF-fixdate only, with an optional fraction of the second. -EINVAL. */
CHECK_RESULT int time_parse_http(struct str text, int64_t *out_utc_ms);
/* "1515531081.123" or "1.5e9": seconds since 1970, rounded to the nearest millisecond.
 * -EINVAL; -ERANGE outside the years 0000 to 9999. */
CHECK_RESULT int time_parse_epoch(struct str text, int64_t *out_utc_ms);
/* The same from a number. -ERANGE, also for NaN. */
CHECK_RESULT int time_from_seconds(double seconds, int64_t *out_utc_ms);
