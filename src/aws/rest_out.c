/* C structs to HTTP answers: the status, headers and prefix headers. Shared by rest-json and
 * rest-xml.
 *
 * Header values are text on one line: a value that holds line breaks is the service's mistake or a
 * client's text thrown back, and is left out rather than allowed to split the answer.
 *
 * thread: any. Sources: Smithy "HTTP binding traits"; RFC 9110 section 5.5. */
#include "aws/protocol.h"
#include "base/assert.h"
#include "data/base64.h"

#include <errno.h>

enum { HEADER_VALUE_MAX = 64 * 1024 };

static bool is_one_line(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || text.ptr[i] == '\0')
            return false;
    return true;
}

static bool is_json_text(const struct aws_member *member)
{
    const struct aws_names *names = member->shape->names;
    return (member->flags & AWS_JSON_VALUE) != 0 ||
           (names != NULL && names->media_type.ptr != NULL && member->shape->kind == AWS_STRING);
}

static void put_value(struct buf *out, const struct aws_member *member, const void *value)
{
    const struct aws_shape *shape = member->shape;
    if (shape->kind == AWS_BLOB || (shape->kind == AWS_STRING && is_json_text(member)))
        base64_encode(out, *(const struct str *) value);
    else if (aws_is_text(shape))
        buf_put(out, *(const struct str *) value);
    else if (shape->kind == AWS_TIMESTAMP)
        aws_time_put(out, aws_time_format(member, AWS_TIME_HTTP), *(const int64_t *) value);
    else
        aws_scalar_put(out, shape, value);
}

static void put_quoted(struct buf *out, struct str text)
{
    buf_put_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_put_char(out, '\\');
        buf_put_char(out, text.ptr[i]);
    }
    buf_put_char(out, '"');
}

static void put_list(struct buf *out, const struct aws_shape *shape, const struct aws_items *list)
{
    const struct aws_member *item = &shape->members[0];
    for (size_t i = 0; i < list->count; i++) {
        const void *value = aws_item_value(item, aws_items_at(shape, list, i));
        if (i > 0)
            buf_put(out, STR(", "));
        const struct str *text = value;
        if (item->shape->kind == AWS_STRING &&
            (str_find(*text, ',') < text->len || str_find(*text, '"') < text->len))
            put_quoted(out, *text);
        else
            put_value(out, item, value);
    }
}

static int encode_header(struct encode *e, const struct aws_member *member, const void *value)
{
    AUTO_BUF struct buf text;
    buf_init(&text, HEADER_VALUE_MAX);
    if (member->shape->kind == AWS_LIST)
        put_list(&text, member->shape, value);
    else
        put_value(&text, member, value);
    struct str line;
    int rc = aws_answer_text(e, &text, &line);
    if (rc < 0 || !is_one_line(line))
        return rc;
    return aws_answer_header(e->answer, member->wire, line) ? 0 : -E2BIG;
}

static int encode_prefix(struct encode *e, const struct aws_member *member,
                         const struct aws_items *map)
{
    const struct aws_shape *shape = member->shape;
    for (size_t i = 0; i < map->count; i++) {
        const struct str *key = aws_items_at(shape, map, i);
        const struct str *value = aws_item_value(&shape->members[1], key);
        if (value->ptr == NULL || !is_one_line(*key) || !is_one_line(*value))
            continue;
        struct str name =
            arena_printf(e->arena, STR_FMT STR_FMT, STR_ARG(member->wire), STR_ARG(*key));
        if (name.ptr == NULL || !aws_answer_header(e->answer, name, *value))
            return -E2BIG;
    }
    return 0;
}

int aws_rest_encode(struct encode *e, const struct aws_shape *shape, const void *base)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if (member->location == AWS_IN_BODY || !aws_member_has(member, base))
            continue;
        const void *value = aws_member_value(member, base);
        int rc = 0;
        if (member->location == AWS_IN_HEADER)
            rc = encode_header(e, member, value);
        else if (member->location == AWS_IN_HEADER_PREFIX)
            rc = encode_prefix(e, member, value);
        else if (member->location == AWS_IN_STATUS)
            e->answer->status = (int) aws_integer_get(member->shape, value);
        if (rc < 0)
            return rc;
    }
    return 0;
}

struct str aws_rest_media_type(const struct aws_member *payload)
{
    if (payload->names != NULL && payload->names->media_type.ptr != NULL)
        return payload->names->media_type;
    if (payload->shape->names != NULL && payload->shape->names->media_type.ptr != NULL)
        return payload->shape->names->media_type;
    if (payload->shape->kind == AWS_BLOB)
        return STR_NONE;
    return payload->shape->kind == AWS_STRING ? STR("text/plain") : STR("application/json");
}
