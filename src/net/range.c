/* Three forms of a range: "0-99" from to, "100-" from on, "-20" the last twenty. A range whose
 * first byte lies beyond the end is unsatisfiable, one whose last byte does is cut. */
#include "net/range.h"

#include <errno.h>

enum part { PART_BAD, PART_BEYOND, PART_GOOD };

static enum part part_parse(struct str text, uint64_t size, struct byte_range *out)
{
    size_t dash = str_find(text, '-');
    if (dash == text.len)
        return PART_BAD;
    struct str from = str_head(text, dash), to = str_skip(text, dash + 1);
    uint64_t first = 0, last = UINT64_MAX;
    /* Numbers too large for us are beyond every end; anything else that is no number is bad. */
    if (from.len > 0 && parse_u64(from, UINT64_MAX, &first) == -EINVAL)
        return PART_BAD;
    if (to.len > 0 && parse_u64(to, UINT64_MAX, &last) == -EINVAL)
        return PART_BAD;
    if (from.len == 0) {
        if (to.len == 0)
            return PART_BAD;
        if (last == 0 || size == 0)
            return PART_BEYOND;
        *out = (struct byte_range){last < size ? size - last : 0, size - 1};
        return PART_GOOD;
    }
    uint64_t ignored;
    bool is_huge = parse_u64(from, UINT64_MAX, &ignored) < 0;
    if (!is_huge && to.len > 0 && last < first)
        return PART_BAD;
    if (is_huge || first >= size)
        return PART_BEYOND;
    *out = (struct byte_range){first, last < size ? last : size - 1};
    return PART_GOOD;
}

enum range_verdict range_parse(struct str header, uint64_t size,
                               struct byte_range out_ranges[RANGES_MAX], size_t *out_count)
{
    *out_count = 0;
    if (header.ptr == NULL || !str_starts_nocase(header, STR("bytes=")))
        return RANGE_NONE;
    struct str rest = str_skip(header, 6), part;
    size_t count = 0;
    bool has_any = false;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.len == 0)
            continue; /* RFC 9110 section 5.6.1: empty list elements are ignored. */
        struct byte_range range;
        enum part verdict = part_parse(part, size, &range);
        if (verdict == PART_BAD)
            return RANGE_NONE;
        has_any = true;
        if (verdict == PART_BEYOND)
            continue;
        if (count == RANGES_MAX)
            return RANGE_NONE; /* Many small ranges are an old attack: all of it costs less. */
        out_ranges[count++] = range;
    }
    if (!has_any)
        return RANGE_NONE;
    *out_count = count;
    return count > 0 ? RANGE_PARTIAL : RANGE_UNSATISFIABLE;
}

bool range_condition_holds(struct str if_range, struct str etag)
{
    return if_range.ptr == NULL || (etag.len > 0 && etag.ptr[0] == '"' && str_eq(if_range, etag));
}

void range_put_content_range(struct buf *out, struct byte_range range, uint64_t size)
{
    buf_put(out, STR("bytes "));
    buf_put_u64(out, range.first);
    buf_put_char(out, '-');
    buf_put_u64(out, range.last);
    buf_put_char(out, '/');
    buf_put_u64(out, size);
}

void range_put_unsatisfied(struct buf *out, uint64_t size)
{
    buf_put(out, STR("bytes */"));
    buf_put_u64(out, size);
}
