/* C structs to JSON, along the model tables.
 *
 * Absent members are left out, except those whose model gives a default. Sparse lists and maps
 * write null for what is absent. Numbers that JSON has no word for become "NaN", "Infinity".
 *
 * Used by rest-json, json 1.0 and json 1.1. thread: any.
 * Sources: Smithy "AWS restJson1", section "Shape serialization". */
#include "aws/protocol.h"
#include "data/base64.h"

#include <math.h>

static void put_list(struct json_writer *w, const struct aws_shape *shape,
                     const struct aws_items *list)
{
    const struct aws_member *item = &shape->members[0];
    json_array_begin(w);
    for (size_t i = 0; i < list->count; i++) {
        const void *at = aws_items_at(shape, list, i);
        if (aws_item_has(item, at))
            aws_json_put(w, item, aws_item_value(item, at));
        else
            json_null(w);
    }
    json_array_end(w);
}

static void put_map(struct json_writer *w, const struct aws_shape *shape,
                    const struct aws_items *map)
{
    const struct aws_member *value = &shape->members[1];
    json_object_begin(w);
    for (size_t i = 0; i < map->count; i++) {
        const void *at = aws_items_at(shape, map, i);
        bool has = aws_item_has(value, at);
        if (!has && (shape->flags & AWS_SPARSE) == 0)
            continue;
        json_key(w, *(const struct str *) at);
        if (has)
            aws_json_put(w, value, aws_item_value(value, at));
        else
            json_null(w);
    }
    json_object_end(w);
}

/* Whether a member of an answer's root travels outside of the body. Requests' places (labels, query
 * parameters) mean nothing in answers. */
static bool is_bound(const struct aws_member *member)
{
    return member->location == AWS_IN_HEADER || member->location == AWS_IN_HEADER_PREFIX ||
           member->location == AWS_IN_STATUS;
}

static void put_members(struct json_writer *w, const struct aws_shape *shape, const void *base,
                        bool is_root)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if ((is_root && is_bound(member)) || (member->flags & AWS_EVENT_HEADER))
            continue;
        if (aws_member_has(member, base)) {
            json_key(w, member->wire);
            aws_json_put(w, member, aws_member_value(member, base));
        } else if (member->names != NULL && member->names->default_json.ptr != NULL) {
            json_key(w, member->wire);
            json_raw(w, member->names->default_json);
        }
    }
}

/* Text without characters that JSON would escape: base64 and times. */
static void put_quoted(struct json_writer *w, void (*put)(struct buf *, const void *),
                       const void *value)
{
    json_raw(w, STR("\""));
    put(w->out, value);
    buf_put_char(w->out, '"');
}

static void put_base64(struct buf *out, const void *value)
{
    base64_encode(out, *(const struct str *) value);
}

static void put_iso8601(struct buf *out, const void *value)
{
    aws_time_put(out, AWS_TIME_ISO8601, *(const int64_t *) value);
}

static void put_http_date(struct buf *out, const void *value)
{
    aws_time_put(out, AWS_TIME_HTTP, *(const int64_t *) value);
}

static void put_time(struct json_writer *w, const struct aws_member *member, const void *value)
{
    enum aws_timestamp_format format = aws_time_format(member, AWS_TIME_EPOCH);
    if (format == AWS_TIME_ISO8601)
        return put_quoted(w, put_iso8601, value);
    if (format == AWS_TIME_HTTP)
        return put_quoted(w, put_http_date, value);
    struct aws_text room;
    json_raw(w, aws_epoch_text(*(const int64_t *) value, &room));
}

static void put_float(struct json_writer *w, const struct aws_shape *shape, const void *value)
{
    double number = aws_float_get(shape, value);
    struct aws_text room;
    if (isfinite(number))
        json_raw(w, aws_float_text(shape, value, &room));
    else
        json_double(w, number); /* quotes the words for them */
}

void aws_json_put(struct json_writer *w, const struct aws_member *member, const void *value)
{
    const struct aws_shape *shape = member->shape;
    switch ((enum aws_kind) shape->kind) {
    case AWS_STRUCTURE:
    case AWS_UNION:
        json_object_begin(w);
        put_members(w, shape, value, false);
        json_object_end(w);
        break;
    case AWS_LIST: put_list(w, shape, value); break;
    case AWS_MAP: put_map(w, shape, value); break;
    case AWS_STRING: json_str(w, *(const struct str *) value); break;
    case AWS_BLOB: put_quoted(w, put_base64, value); break;
    case AWS_DOCUMENT: json_raw(w, *(const struct str *) value); break;
    case AWS_BOOLEAN: json_bool(w, *(const bool *) value); break;
    case AWS_FLOAT:
    case AWS_DOUBLE: put_float(w, shape, value); break;
    case AWS_TIMESTAMP: put_time(w, member, value); break;
    case AWS_BYTE:
    case AWS_SHORT:
    case AWS_INTEGER:
    case AWS_LONG:
    default: json_i64(w, aws_integer_get(shape, value)); break;
    }
}

void aws_json_put_root(struct json_writer *w, const struct aws_shape *shape, const void *base)
{
    json_object_begin(w);
    put_members(w, shape, base, true);
    json_object_end(w);
}

void aws_json_put_members(struct json_writer *w, const struct aws_shape *shape, const void *base)
{
    put_members(w, shape, base, false);
}
