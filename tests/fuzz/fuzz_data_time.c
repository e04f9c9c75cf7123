/* Time: whatever is read lies in range and, written and read again, is the same instant. */
#include "data/time.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int64_t utc_ms)
{
    struct civil civil;
    time_civil(utc_ms, &civil);
    assert(civil.year >= 0 && civil.year <= 9999);
    assert(time_utc_ms(&civil) == utc_ms);
    AUTO_BUF struct buf out;
    buf_init(&out, 100);
    int64_t again;
    time_put_iso8601(&out, utc_ms, true);
    int rc = time_parse_iso8601(buf_str(&out), &again);
    assert(rc == 0);
    assert(again == utc_ms);
    buf_reset(&out);
    time_put_http(&out, utc_ms);
    rc = time_parse_http(buf_str(&out), &again);
    assert(rc == 0);
    assert(utc_ms - again == civil.ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = str_of(bytes, size);
    int64_t utc_ms;
    if (time_parse_iso8601(text, &utc_ms) == 0)
        check(utc_ms);
    if (time_parse_http(text, &utc_ms) == 0)
        check(utc_ms);
    if (time_parse_epoch(text, &utc_ms) == 0)
        check(utc_ms);
    if (size >= sizeof utc_ms) {
        struct civil civil;
        memcpy(&utc_ms, bytes, sizeof utc_ms);
        time_civil(utc_ms, &civil);
        assert(civil.month >= 1 && civil.month <= 12 && civil.weekday >= 0 && civil.weekday <= 6);
    }
    return 0;
}
