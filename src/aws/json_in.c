/* JSON to C structs, along the model tables.
 *
 * The pull tokenizer gives tokens, the shape says what may come; nothing is kept in between.
 * Unknown members are skipped, null means absent, and a token of the wrong kind is a
 * SerializationException in AWS's words ("NUMBER_VALUE can not be converted to a String"). Depth is
 * bounded by the tokenizer (JSON_DEPTH_MAX), memory by the arena. Strings without escapes stay
 * views into the request; blobs are decoded once, straight from the request into the arena, which
 * matters for the 50 MB of a function's code.
 *
 * Used by rest-json, json 1.0 and json 1.1. thread: any.
 * Sources: Smithy "AWS restJson1" and "AWS JSON 1.1"; the texts were observed at Lambda, DynamoDB
 * and Kinesis (public issue trackers), except "Could not parse request body into json", ours for
 * all services after Lambda's for invocation payloads. */
#include "aws/protocol.h"
#include "data/base64.h"

#include <errno.h>

struct reader {
    struct decode *d;
    struct json_reader json;
    const void *root; /* the input itself: its members may be bound elsewhere, in HTTP */
};

static int read_value(struct reader *r, enum json_token tok, const struct aws_member *member,
                      void *to);

static int refuse_syntax(struct reader *r)
{
    return aws_refuse(r->d, &aws_error_serialization,
                      "Could not parse request body into json: %s at byte %zu",
                      r->json.error == NULL ? "unexpected token" : r->json.error, r->json.error_at);
}

/* The token is not what the shape wants. */
static int refuse_token(struct reader *r, enum json_token tok, const struct aws_shape *shape)
{
    if (tok == JSON_ERROR)
        return refuse_syntax(r);
    if (tok == JSON_OBJECT_BEGIN || tok == JSON_ARRAY_BEGIN)
        return aws_refuse(r->d, &aws_error_serialization, "Start of %s found where not expected.",
                          tok == JSON_OBJECT_BEGIN ? "structure or map" : "list");
    const char *value = tok == JSON_STRING   ? "STRING_VALUE"
                        : tok == JSON_NUMBER ? "NUMBER_VALUE"
                        : tok == JSON_TRUE   ? "TRUE_VALUE"
                        : tok == JSON_FALSE  ? "FALSE_VALUE"
                                             : "NULL_VALUE";
    return aws_refuse(r->d, &aws_error_serialization, "%s can not be converted to %s", value,
                      aws_kind_text(shape));
}

static int read_blob(struct reader *r, struct str text, struct str *to)
{
    int rc = base64_decode(r->d->arena, text, to);
    if (rc == -E2BIG)
        return aws_refuse_size(r->d);
    if (rc == 0)
        return 0;
    if (text.len % 4 != 0)
        return aws_refuse(r->d, &aws_error_serialization,
                          "Base64 encoded length is expected a multiple of 4 bytes but found: %zu",
                          text.len);
    return aws_refuse(r->d, &aws_error_serialization, "Invalid Base64 character");
}

static int read_time(struct reader *r, enum json_token tok, const struct aws_member *member,
                     int64_t *to)
{
    enum aws_timestamp_format format = aws_time_format(member, AWS_TIME_EPOCH);
    if (tok != (format == AWS_TIME_EPOCH ? JSON_NUMBER : JSON_STRING))
        return refuse_token(r, tok, member->shape);
    if (aws_time_parse(r->json.text, format, r->d->is_strict, to) < 0)
        return refuse_token(r, tok, member->shape);
    return 0;
}

static int read_scalar(struct reader *r, enum json_token tok, const struct aws_member *member,
                       void *to)
{
    const struct aws_shape *shape = member->shape;
    bool is_float = shape->kind == AWS_FLOAT || shape->kind == AWS_DOUBLE;
    if (shape->kind == AWS_BOOLEAN) {
        if (tok != JSON_TRUE && tok != JSON_FALSE)
            return refuse_token(r, tok, shape);
        *(bool *) to = tok == JSON_TRUE;
        return 0;
    }
    bool is_named = tok == JSON_STRING && r->json.text.len > 0 &&
                    (r->json.text.ptr[0] == 'N' || r->json.text.ptr[0] == 'I' ||
                     str_starts(r->json.text, STR("-I")));
    if (tok != JSON_NUMBER && !(is_float && is_named))
        return refuse_token(r, tok, shape);
    int rc = aws_scalar_parse(shape, r->json.text, to);
    return rc < 0 ? refuse_token(r, tok, shape) : 0;
}

static int read_list(struct reader *r, const struct aws_shape *shape, struct aws_items *out)
{
    const struct aws_member *item = &shape->members[0];
    struct aws_items items;
    size_t cap = 0;
    aws_items_be_empty(&items);
    for (enum json_token tok; (tok = json_next(&r->json)) != JSON_ARRAY_END;) {
        if (tok == JSON_NULL && (shape->flags & AWS_SPARSE) == 0)
            return refuse_token(r, tok, item->shape);
        void *at = aws_items_add(shape, &items, &cap, r->d->arena);
        if (at == NULL)
            return aws_refuse_size(r->d);
        if (tok == JSON_NULL)
            continue;
        int rc = read_value(r, tok, item, aws_item_room(item, at));
        if (rc < 0)
            return rc;
    }
    *out = items;
    return 0;
}

static int read_entries(struct reader *r, const struct aws_shape *shape, struct aws_items *items,
                        struct map *index)
{
    const struct aws_member *value = &shape->members[1];
    size_t cap = 0;
    for (enum json_token tok; (tok = json_next(&r->json)) != JSON_OBJECT_END;) {
        if (tok != JSON_KEY)
            return refuse_syntax(r);
        struct str key = r->json.text;
        tok = json_next(&r->json);
        if (tok == JSON_NULL && (shape->flags & AWS_SPARSE) == 0)
            return refuse_token(r, tok, value->shape);
        char *entry = aws_entry_room(shape, items, &cap, index, key, r->d->arena);
        if (entry == NULL)
            return aws_refuse_size(r->d);
        if (tok == JSON_NULL)
            continue;
        int rc = read_value(r, tok, value, aws_item_room(value, entry));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_map(struct reader *r, const struct aws_shape *shape, struct aws_items *out)
{
    struct map index;
    struct aws_items items;
    aws_items_be_empty(&items);
    map_init(&index);
    int rc = read_entries(r, shape, &items, &index);
    map_done(&index);
    if (rc == 0)
        *out = items;
    return rc;
}

static int skip(struct reader *r, enum json_token tok)
{
    return tok == JSON_ERROR || !json_skip(&r->json, tok, NULL) ? refuse_syntax(r) : 0;
}

static int read_member(struct reader *r, enum json_token tok, const struct aws_member *member,
                       void *base)
{
    void *to = aws_member_room(member, base, r->d->arena);
    if (to == NULL)
        return aws_refuse_size(r->d);
    return read_value(r, tok, member, to);
}

/* The members after the opening brace. Counts those that are set, for unions. */
static int read_members(struct reader *r, const struct aws_shape *shape, void *base,
                        unsigned *out_set)
{
    uint32_t hint = 0;
    for (enum json_token tok; (tok = json_next(&r->json)) != JSON_OBJECT_END;) {
        if (tok != JSON_KEY)
            return refuse_syntax(r);
        struct str key = r->json.text;
        const struct aws_member *member = aws_member_find(shape, key, &hint);
        tok = json_next(&r->json);
        int rc;
        if (member == NULL || tok == JSON_NULL ||
            (member->location != AWS_IN_BODY && base == r->root))
            rc = skip(r, tok);
        else
            rc = read_member(r, tok, member, base);
        if (rc < 0)
            return rc;
        *out_set += tok != JSON_NULL && !str_eq(key, STR("__type"));
    }
    return 0;
}

static int read_structure(struct reader *r, const struct aws_shape *shape, void *base)
{
    unsigned set = 0;
    int rc = read_members(r, shape, base, &set);
    if (rc < 0)
        return rc;
    if (shape->kind == AWS_UNION && (rc = aws_check_union(r->d, shape, base, set)) < 0)
        return rc;
    return aws_json_defaults(r->d, shape, base);
}

static int read_text(struct reader *r, enum json_token tok, const struct aws_shape *shape,
                     struct str *to)
{
    if (tok != JSON_STRING)
        return refuse_token(r, tok, shape);
    if (shape->kind == AWS_BLOB)
        return read_blob(r, r->json.text, to);
    *to = r->json.text;
    return 0;
}

static int read_value(struct reader *r, enum json_token tok, const struct aws_member *member,
                      void *to)
{
    const struct aws_shape *shape = member->shape;
    switch ((enum aws_kind) shape->kind) {
    case AWS_STRUCTURE:
    case AWS_UNION:
        return tok == JSON_OBJECT_BEGIN ? read_structure(r, shape, to)
                                        : refuse_token(r, tok, shape);
    case AWS_LIST:
        return tok == JSON_ARRAY_BEGIN ? read_list(r, shape, to) : refuse_token(r, tok, shape);
    case AWS_MAP:
        return tok == JSON_OBJECT_BEGIN ? read_map(r, shape, to) : refuse_token(r, tok, shape);
    case AWS_STRING:
    case AWS_BLOB: return read_text(r, tok, shape, to);
    case AWS_DOCUMENT:
        return tok == JSON_ERROR || !json_skip(&r->json, tok, to) ? refuse_syntax(r) : 0;
    case AWS_TIMESTAMP: return read_time(r, tok, member, to);
    case AWS_BOOLEAN:
    case AWS_BYTE:
    case AWS_SHORT:
    case AWS_INTEGER:
    case AWS_LONG:
    case AWS_FLOAT:
    case AWS_DOUBLE:
    default: return read_scalar(r, tok, member, to);
    }
}

int aws_json_decode(struct decode *d, struct str text, const struct aws_shape *shape, void *to)
{
    struct reader r = {.d = d, .root = d->is_rest ? to : NULL};
    struct aws_member root = {.shape = shape, .has_offset = AWS_NO_OFFSET};
    json_reader_init(&r.json, text, d->arena);
    int rc = read_value(&r, json_next(&r.json), &root, to);
    if (rc == 0 && json_next(&r.json) != JSON_END)
        rc = refuse_syntax(&r);
    return rc;
}

int aws_json_defaults(struct decode *d, const struct aws_shape *shape, void *base)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if (member->names == NULL || member->names->default_json.ptr == NULL ||
            aws_member_has(member, base))
            continue;
        struct reader r = {.d = d};
        json_reader_init(&r.json, member->names->default_json, d->arena);
        int rc = read_member(&r, json_next(&r.json), member, base);
        if (rc < 0)
            return rc;
    }
    return 0;
}
