/* Values of generated structs, seen through the model tables.
 *
 * The generated C is made for those who write operations: a plain struct with has_ flags and
 * pointers. The codecs see the same bytes through offsets. This file is the only one that knows how
 * absence shows: a has_ flag for numbers, a NULL pointer for structures, text and items; within
 * lists and maps structures lie inline and are always there unless the list is sparse.
 *
 * Numbers in text follow the JSON grammar everywhere, also in headers and paths, because that is
 * what AWS accepts there: no blanks, no '+', no hexadecimal, no "1,5".
 *
 * thread: any. Sources: src/aws/model.h; Smithy "AWS restJson1", sections "Literal values" and
 * "timestampFormat". */
#include "aws/value.h"

#include "base/assert.h"
#include "data/time.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>

static const void *slot(const struct aws_member *member, const void *base)
{
    return (const char *) base + member->offset;
}

static bool flag_or_text(const struct aws_member *member, const void *base, bool otherwise)
{
    if (member->has_offset != AWS_NO_OFFSET)
        return *(const bool *) ((const char *) base + member->has_offset);
    if (aws_is_text(member->shape))
        return ((const struct str *) slot(member, base))->ptr != NULL;
    return otherwise;
}

bool aws_member_has(const struct aws_member *member, const void *base)
{
    if (aws_is_aggregate(member->shape))
        return *(const void *const *) slot(member, base) != NULL;
    if (member->shape->kind == AWS_LIST || member->shape->kind == AWS_MAP)
        return ((const struct aws_items *) slot(member, base))->items != NULL;
    return flag_or_text(member, base, true);
}

bool aws_item_has(const struct aws_member *member, const void *item)
{
    return flag_or_text(member, item, true);
}

const void *aws_member_value(const struct aws_member *member, const void *base)
{
    const void *at = slot(member, base);
    return aws_is_aggregate(member->shape) ? *(const void *const *) at : at;
}

const void *aws_item_value(const struct aws_member *member, const void *item)
{
    return slot(member, item);
}

static void mark(const struct aws_member *member, void *base)
{
    if (member->has_offset != AWS_NO_OFFSET)
        *(bool *) ((char *) base + member->has_offset) = true;
}

void *aws_member_room(const struct aws_member *member, void *base, struct arena *arena)
{
    void *at = (char *) base + member->offset;
    mark(member, base);
    if (!aws_is_aggregate(member->shape))
        return at;
    void *made = arena_try(arena, member->shape->size);
    *(void **) at = made;
    return made;
}

void *aws_item_room(const struct aws_member *member, void *item)
{
    mark(member, item);
    return (char *) item + member->offset;
}

/* What items points to while there are none: never read or written. */
static max_align_t no_items;

void aws_items_be_empty(struct aws_items *items)
{
    items->items = &no_items;
    items->count = 0;
}

void *aws_items_add(const struct aws_shape *shape, struct aws_items *items, size_t *cap,
                    struct arena *arena)
{
    if (items->count == *cap) {
        size_t more = *cap == 0 ? 4 : *cap * 2;
        void *grown = arena_try_array(arena, more, shape->item_size);
        if (grown == NULL)
            return NULL;
        if (items->count > 0 && items->items != NULL) /* where there are some, they are */
            memcpy(grown, items->items, items->count * shape->item_size);
        items->items = grown;
        *cap = more;
    }
    return (char *) items->items + items->count++ * shape->item_size;
}

/* Finds the entry of a key that came before. Small maps are searched, large ones get an index on
 * the heap for as long as they are read. */
enum { INDEX_FROM = 16 };

static void *entry_find(const struct aws_shape *shape, const struct aws_items *items,
                        struct map *index, struct str key)
{
    if (items->count < INDEX_FROM) {
        for (size_t i = 0; i < items->count; i++) {
            const struct str *at = aws_items_at(shape, items, i);
            if (str_eq(*at, key))
                return (void *) at;
        }
        return NULL;
    }
    if (index->len == 0)
        for (size_t i = 0; i < items->count; i++) {
            const struct str *at = aws_items_at(shape, items, i);
            (void) map_put(index, *at, (void *) (i + 1)); /* keys differ so far */
        }
    size_t found = (size_t) map_find(index, key);
    if (found > 0)
        return (char *) items->items + (found - 1) * shape->item_size;
    (void) map_put(index, key, (void *) (items->count + 1)); /* the entry added next */
    return NULL;
}

void *aws_entry_room(const struct aws_shape *shape, struct aws_items *items, size_t *cap,
                     struct map *index, struct str key, struct arena *arena)
{
    void *entry = entry_find(shape, items, index, key);
    if (entry != NULL)
        memset(entry, 0, shape->item_size);
    else
        entry = aws_items_add(shape, items, cap, arena);
    if (entry != NULL)
        *(struct str *) entry = key;
    return entry;
}

const struct aws_member *aws_member_find(const struct aws_shape *shape, struct str wire,
                                         uint32_t *hint)
{
    uint32_t count = shape->member_count;
    for (uint32_t i = 0, at = *hint; i < count; i++, at++) {
        if (at >= count)
            at = 0;
        if (str_eq(shape->members[at].wire, wire)) {
            *hint = at + 1;
            return &shape->members[at];
        }
    }
    return NULL;
}

int64_t aws_integer_get(const struct aws_shape *shape, const void *value)
{
    switch (shape->size) {
    case 1: return *(const int8_t *) value;
    case 2: return *(const int16_t *) value;
    case 4: return *(const int32_t *) value;
    default: return *(const int64_t *) value;
    }
}

int aws_integer_set(const struct aws_shape *shape, void *to, int64_t value)
{
    assert(aws_is_integer(shape));
    int64_t max = shape->size == 8 ? INT64_MAX : (INT64_C(1) << (shape->size * 8 - 1)) - 1;
    if (value > max || value < -max - 1)
        return -ERANGE;
    switch (shape->size) {
    case 1: *(int8_t *) to = (int8_t) value; break;
    case 2: *(int16_t *) to = (int16_t) value; break;
    case 4: *(int32_t *) to = (int32_t) value; break;
    default: *(int64_t *) to = value; break;
    }
    return 0;
}

double aws_float_get(const struct aws_shape *shape, const void *value)
{
    return shape->kind == AWS_FLOAT ? (double) *(const float *) value : *(const double *) value;
}

void aws_float_set(const struct aws_shape *shape, void *to, double value)
{
    if (shape->kind == AWS_FLOAT)
        *(float *) to = (float) value;
    else
        *(double *) to = value;
}

static size_t count_digits(struct str text, size_t at)
{
    size_t n = 0;
    while (at + n < text.len && text.ptr[at + n] >= '0' && text.ptr[at + n] <= '9')
        n++;
    return n;
}

/* JSON's number: -?digits(.digits)?([eE][+-]?digits)?, leading zeros forgiven. */
static bool is_number(struct str text)
{
    size_t at = text.len > 0 && text.ptr[0] == '-', n = count_digits(text, at);
    at += n;
    if (n > 0 && at < text.len && text.ptr[at] == '.') {
        n = count_digits(text, ++at);
        at += n;
    }
    if (n > 0 && at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        at += at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-');
        n = count_digits(text, at);
        at += n;
    }
    return n > 0 && at == text.len;
}

int aws_double_parse(struct str text, double *out_value)
{
    char copy[400]; /* 1.8e308 has 309 digits; nobody needs a longer number */
    if (text.len >= sizeof copy || !is_number(text))
        return -EINVAL;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double value = strtod(copy, NULL);
    if (!isfinite(value))
        return -ERANGE;
    *out_value = value;
    return 0;
}

static int float_parse(const struct aws_shape *shape, struct str text, void *to)
{
    double value = 0;
    int rc = 0;
    if (str_eq(text, STR("NaN")))
        value = (double) NAN;
    else if (str_eq(text, STR("Infinity")) || str_eq(text, STR("-Infinity")))
        value = text.ptr[0] == '-' ? -(double) INFINITY : (double) INFINITY;
    else
        rc = aws_double_parse(text, &value);
    if (rc == 0)
        aws_float_set(shape, to, value);
    return rc;
}

int aws_scalar_parse(const struct aws_shape *shape, struct str text, void *to)
{
    if (shape->kind == AWS_BOOLEAN) {
        bool is_true = str_eq(text, STR("true"));
        if (!is_true && !str_eq(text, STR("false")))
            return -EINVAL;
        *(bool *) to = is_true;
        return 0;
    }
    if (shape->kind == AWS_FLOAT || shape->kind == AWS_DOUBLE)
        return float_parse(shape, text, to);
    int64_t value;
    int rc = parse_i64(text, INT64_MIN, INT64_MAX, &value);
    return rc < 0 ? rc : aws_integer_set(shape, to, value);
}

struct str aws_float_text(const struct aws_shape *shape, const void *at, struct aws_text *room)
{
    double value = aws_float_get(shape, at);
    if (isnan(value))
        return STR("NaN");
    if (isinf(value))
        return value < 0 ? STR("-Infinity") : STR("Infinity");
    int least = shape->kind == AWS_FLOAT ? 6 : 15, most = shape->kind == AWS_FLOAT ? 9 : 17;
    for (int digits = least; digits <= most; digits++) {
        snprintf(room->text, sizeof room->text, "%.*g", digits, value);
        double back = strtod(room->text, NULL);
        if (shape->kind == AWS_FLOAT ? (float) back == (float) value : back == value)
            break;
    }
    return str_from(room->text);
}

void aws_scalar_put(struct buf *out, const struct aws_shape *shape, const void *value)
{
    if (shape->kind == AWS_BOOLEAN)
        buf_put(out, *(const bool *) value ? STR("true") : STR("false"));
    else if (shape->kind == AWS_FLOAT || shape->kind == AWS_DOUBLE)
        buf_put(out, aws_float_text(shape, value, &(struct aws_text){}));
    else
        buf_put_i64(out, aws_integer_get(shape, value));
}

const char *aws_kind_text(const struct aws_shape *shape)
{
    switch ((enum aws_kind) shape->kind) {
    case AWS_STRING: return "a String";
    case AWS_BLOB: return "a Blob";
    case AWS_BOOLEAN: return "a Boolean";
    case AWS_BYTE: return "a Byte";
    case AWS_SHORT: return "a Short";
    case AWS_INTEGER: return "an Integer";
    case AWS_LONG: return "a Long";
    case AWS_FLOAT: return "a Float";
    case AWS_DOUBLE: return "a Double";
    case AWS_TIMESTAMP: return "a Timestamp";
    case AWS_STRUCTURE:
    case AWS_UNION: return "a Structure";
    case AWS_LIST: return "a List";
    case AWS_MAP: return "a Map";
    case AWS_DOCUMENT:
    default: return "a Document";
    }
}

enum aws_timestamp_format aws_time_format(const struct aws_member *member,
                                          enum aws_timestamp_format otherwise)
{
    if (member->timestamp_format != AWS_TIME_DEFAULT)
        return (enum aws_timestamp_format) member->timestamp_format;
    if (member->shape->timestamp_format != AWS_TIME_DEFAULT)
        return (enum aws_timestamp_format) member->shape->timestamp_format;
    return otherwise;
}

int aws_time_parse(struct str text, enum aws_timestamp_format format, bool is_strict,
                   int64_t *out_utc_ms)
{
    switch (format) {
    case AWS_TIME_ISO8601:
        if (is_strict && !str_ends(text, STR("Z")))
            return -EINVAL;
        return time_parse_iso8601(text, out_utc_ms);
    case AWS_TIME_HTTP: return time_parse_http(text, out_utc_ms);
    case AWS_TIME_EPOCH:
    case AWS_TIME_DEFAULT:
    default: return is_number(text) ? time_parse_epoch(text, out_utc_ms) : -EINVAL;
    }
}

struct str aws_epoch_text(int64_t utc_ms, struct aws_text *room)
{
    uint64_t magnitude = utc_ms < 0 ? -(uint64_t) utc_ms : (uint64_t) utc_ms;
    int len = snprintf(room->text, sizeof room->text, "%s%" PRIu64 ".%03u", utc_ms < 0 ? "-" : "",
                       magnitude / 1000, (unsigned) (magnitude % 1000));
    while (room->text[len - 1] == '0')
        len--;
    return str_of(room->text, (size_t) (room->text[len - 1] == '.' ? len - 1 : len));
}

void aws_time_put(struct buf *out, enum aws_timestamp_format format, int64_t utc_ms)
{
    switch (format) {
    case AWS_TIME_ISO8601: time_put_iso8601(out, utc_ms, utc_ms % 1000 != 0); break;
    case AWS_TIME_HTTP: time_put_http(out, utc_ms); break;
    case AWS_TIME_EPOCH:
    case AWS_TIME_DEFAULT:
    default: buf_put(out, aws_epoch_text(utc_ms, &(struct aws_text){})); break;
    }
}
