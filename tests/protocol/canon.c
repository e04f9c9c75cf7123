/* The cases' own form of parameters, read into and written from generated structs. It knows no
 * protocol: that is the point, since it is what the codecs are compared with. */
#include "canon.h"

#include "aws/value.h"

static bool read_text(struct json_reader *r, enum json_token tok, struct str *to)
{
    if (tok != JSON_STRING)
        return false;
    *to = r->text;
    return true;
}

static bool read_structure(struct json_reader *r, const struct aws_shape *shape, void *base,
                           struct arena *arena)
{
    for (enum json_token tok; (tok = json_next(r)) != JSON_OBJECT_END;) {
        const struct aws_member *member = NULL;
        for (uint32_t i = 0; tok == JSON_KEY && i < shape->member_count; i++)
            if (str_eq(shape->members[i].name, r->text))
                member = &shape->members[i];
        if (member == NULL)
            return false;
        tok = json_next(r);
        if (tok == JSON_NULL)
            continue;
        if (!canon_read(r, tok, member, aws_member_room(member, base, arena), arena))
            return false;
    }
    return true;
}

static bool read_items(struct json_reader *r, const struct aws_shape *shape, struct aws_items *to,
                       struct arena *arena)
{
    size_t cap = 0;
    bool is_map = shape->kind == AWS_MAP;
    const struct aws_member *value = &shape->members[is_map];
    aws_items_be_empty(to);
    for (enum json_token tok;
         (tok = json_next(r)) != (is_map ? JSON_OBJECT_END : JSON_ARRAY_END);) {
        void *item = aws_items_add(shape, to, &cap, arena);
        if (is_map) {
            *(struct str *) item = r->text;
            tok = json_next(r);
        }
        if (tok != JSON_NULL && !canon_read(r, tok, value, aws_item_room(value, item), arena))
            return false;
    }
    return true;
}

bool canon_read(struct json_reader *r, enum json_token tok, const struct aws_member *member,
                void *to, struct arena *arena)
{
    const struct aws_shape *shape = member->shape;
    if (tok == JSON_ERROR)
        return false;
    if (aws_is_aggregate(shape))
        return tok == JSON_OBJECT_BEGIN && read_structure(r, shape, to, arena);
    if (shape->kind == AWS_LIST || shape->kind == AWS_MAP)
        return read_items(r, shape, to, arena);
    if (shape->kind == AWS_DOCUMENT)
        return json_skip(r, tok, to);
    if (aws_is_text(shape))
        return read_text(r, tok, to);
    if (shape->kind == AWS_TIMESTAMP)
        return aws_time_parse(r->text, AWS_TIME_EPOCH, false, to) == 0;
    if (shape->kind == AWS_BOOLEAN)
        return *(bool *) to = tok == JSON_TRUE, true;
    return aws_scalar_parse(shape, r->text, to) == 0;
}

static void write_structure(struct json_writer *w, const struct aws_shape *shape, const void *base)
{
    json_object_begin(w);
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if (!aws_member_has(member, base))
            continue;
        json_key(w, member->name);
        canon_write(w, member, aws_member_value(member, base));
    }
    json_object_end(w);
}

static void write_items(struct json_writer *w, const struct aws_shape *shape,
                        const struct aws_items *items)
{
    bool is_map = shape->kind == AWS_MAP;
    const struct aws_member *value = &shape->members[is_map];
    is_map ? json_object_begin(w) : json_array_begin(w);
    for (size_t i = 0; i < items->count; i++) {
        const void *item = aws_items_at(shape, items, i);
        if (is_map)
            json_key(w, *(const struct str *) item);
        if (aws_item_has(value, item))
            canon_write(w, value, aws_item_value(value, item));
        else
            json_null(w);
    }
    is_map ? json_object_end(w) : json_array_end(w);
}

void canon_write(struct json_writer *w, const struct aws_member *member, const void *value)
{
    const struct aws_shape *shape = member->shape;
    struct aws_text room;
    if (aws_is_aggregate(shape))
        write_structure(w, shape, value);
    else if (shape->kind == AWS_LIST || shape->kind == AWS_MAP)
        write_items(w, shape, value);
    else if (shape->kind == AWS_DOCUMENT)
        json_raw(w, *(const struct str *) value);
    else if (aws_is_text(shape))
        json_str(w, *(const struct str *) value);
    else if (shape->kind == AWS_TIMESTAMP)
        json_raw(w, aws_epoch_text(*(const int64_t *) value, &room));
    else if (shape->kind == AWS_BOOLEAN)
        json_bool(w, *(const bool *) value);
    else if (aws_is_integer(shape))
        json_i64(w, aws_integer_get(shape, value));
    else
        json_double(w, aws_float_get(shape, value));
}
