/* CBOR to C structs, along the model tables.
 *
 * The same walk as json_in.c over another alphabet: unknown members are skipped, null means absent,
 * the last of several equal keys wins, and a token of the wrong kind is a SerializationException.
 * Text and blobs stay views into the request. Numbers may come in any width that holds them, a
 * whole number also for a float and the other way round, since clients in languages with one kind
 * of number write the shortest form. Timestamps are seconds under tag 1 and nothing else.
 *
 * Smithy has no documents in CBOR: a request that holds one is refused.
 *
 * thread: any. Source: Smithy "RPC v2 CBOR protocol", section "Shape serialization". */
#include "aws/protocol.h"
#include "data/cbor.h"
#include "data/time.h"

#include <errno.h>
#include <math.h>

enum { TAG_EPOCH = 1 };

struct reader {
    struct decode *d;
    struct cbor_reader cbor;
};

static int read_value(struct reader *r, enum cbor_token tok, const struct aws_member *member,
                      void *to);

static int refuse_syntax(struct reader *r)
{
    return aws_refuse(r->d, &aws_error_serialization,
                      "Could not parse request body into cbor: %s at byte %zu", r->cbor.error,
                      r->cbor.error_at);
}

static const char *token_text(enum cbor_token tok)
{
    switch (tok) {
    case CBOR_UINT:
    case CBOR_NEGATIVE:
    case CBOR_FLOAT: return "A number";
    case CBOR_BYTES: return "A byte string";
    case CBOR_TEXT: return "A text";
    case CBOR_ARRAY_BEGIN: return "An array";
    case CBOR_MAP_BEGIN: return "A map";
    case CBOR_TAG: return "A tagged item";
    case CBOR_FALSE:
    case CBOR_TRUE: return "A boolean";
    case CBOR_NULL: return "A null";
    case CBOR_ARRAY_END:
    case CBOR_MAP_END:
    case CBOR_END:
    case CBOR_ERROR:
    default: return "An end";
    }
}

/* The token is not what the shape wants. */
static int refuse_token(struct reader *r, enum cbor_token tok, const struct aws_shape *shape)
{
    if (tok == CBOR_ERROR)
        return refuse_syntax(r);
    return aws_refuse(r->d, &aws_error_serialization, "%s can not be converted to %s",
                      token_text(tok), aws_kind_text(shape));
}

/* The number of the current token. False: it is none. */
static bool number_of(const struct cbor_reader *r, enum cbor_token tok, double *out_value)
{
    if (tok == CBOR_FLOAT)
        *out_value = r->real;
    else if (tok == CBOR_UINT)
        *out_value = (double) r->number;
    else if (tok == CBOR_NEGATIVE)
        *out_value = -1.0 - (double) r->number;
    return tok == CBOR_FLOAT || tok == CBOR_UINT || tok == CBOR_NEGATIVE;
}

static int read_integer(struct reader *r, enum cbor_token tok, const struct aws_shape *shape,
                        void *to)
{
    int64_t value;
    double real = r->cbor.real;
    if (tok == CBOR_UINT && r->cbor.number <= INT64_MAX)
        value = (int64_t) r->cbor.number;
    else if (tok == CBOR_NEGATIVE && r->cbor.number <= INT64_MAX)
        value = -1 - (int64_t) r->cbor.number;
    else if (tok == CBOR_FLOAT && fabs(real) < 0x1p63 && real == trunc(real))
        value = (int64_t) real;
    else
        return refuse_token(r, tok, shape);
    return aws_integer_set(shape, to, value) < 0 ? refuse_token(r, tok, shape) : 0;
}

static int read_float(struct reader *r, enum cbor_token tok, const struct aws_shape *shape,
                      void *to)
{
    double value;
    if (!number_of(&r->cbor, tok, &value))
        return refuse_token(r, tok, shape);
    if (shape->kind == AWS_FLOAT && isfinite(value) && fabs(value) > (double) __FLT_MAX__)
        return refuse_token(r, tok, shape);
    aws_float_set(shape, to, value);
    return 0;
}

static int read_time(struct reader *r, enum cbor_token tok, const struct aws_shape *shape,
                     int64_t *to)
{
    if (tok != CBOR_TAG || r->cbor.number != TAG_EPOCH)
        return refuse_token(r, tok, shape);
    double seconds;
    tok = cbor_next(&r->cbor);
    if (!number_of(&r->cbor, tok, &seconds) || time_from_seconds(seconds, to) < 0)
        return refuse_token(r, tok, shape);
    return 0;
}

static int read_list(struct reader *r, const struct aws_shape *shape, struct aws_items *out)
{
    const struct aws_member *item = &shape->members[0];
    struct aws_items items;
    size_t cap = 0;
    aws_items_be_empty(&items);
    for (enum cbor_token tok; (tok = cbor_next(&r->cbor)) != CBOR_ARRAY_END;) {
        if (tok == CBOR_ERROR || (tok == CBOR_NULL && (shape->flags & AWS_SPARSE) == 0))
            return refuse_token(r, tok, item->shape);
        void *at = aws_items_add(shape, &items, &cap, r->d->arena);
        if (at == NULL)
            return aws_refuse_size(r->d);
        if (tok == CBOR_NULL)
            continue;
        int rc = read_value(r, tok, item, aws_item_room(item, at));
        if (rc < 0)
            return rc;
    }
    *out = items;
    return 0;
}

/* Keys are text, whatever CBOR allows. */
static int refuse_key(struct reader *r, enum cbor_token tok)
{
    if (tok == CBOR_ERROR)
        return refuse_syntax(r);
    return aws_refuse(r->d, &aws_error_serialization, "%s can not be a key", token_text(tok));
}

static int read_entries(struct reader *r, const struct aws_shape *shape, struct aws_items *items,
                        struct map *index)
{
    const struct aws_member *value = &shape->members[1];
    size_t cap = 0;
    for (enum cbor_token tok; (tok = cbor_next(&r->cbor)) != CBOR_MAP_END;) {
        if (tok != CBOR_TEXT)
            return refuse_key(r, tok);
        struct str key = r->cbor.text;
        tok = cbor_next(&r->cbor);
        if (tok == CBOR_ERROR || (tok == CBOR_NULL && (shape->flags & AWS_SPARSE) == 0))
            return refuse_token(r, tok, value->shape);
        void *entry = aws_entry_room(shape, items, &cap, index, key, r->d->arena);
        if (entry == NULL)
            return aws_refuse_size(r->d);
        if (tok == CBOR_NULL)
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

static int read_member(struct reader *r, enum cbor_token tok, const struct aws_member *member,
                       void *base)
{
    if (member == NULL || tok == CBOR_NULL)
        return cbor_skip(&r->cbor, tok) ? 0 : refuse_syntax(r);
    if (tok == CBOR_ERROR)
        return refuse_syntax(r);
    void *to = aws_member_room(member, base, r->d->arena);
    return to == NULL ? aws_refuse_size(r->d) : read_value(r, tok, member, to);
}

static int read_structure(struct reader *r, const struct aws_shape *shape, void *base)
{
    uint32_t hint = 0;
    unsigned set = 0;
    for (enum cbor_token tok; (tok = cbor_next(&r->cbor)) != CBOR_MAP_END;) {
        if (tok != CBOR_TEXT)
            return refuse_key(r, tok);
        struct str key = r->cbor.text;
        const struct aws_member *member = aws_member_find(shape, key, &hint);
        tok = cbor_next(&r->cbor);
        int rc = read_member(r, tok, member, base);
        if (rc < 0)
            return rc;
        set += tok != CBOR_NULL && !str_eq(key, STR("__type"));
    }
    if (shape->kind == AWS_UNION) {
        int rc = aws_check_union(r->d, shape, base, set);
        if (rc < 0)
            return rc;
    }
    return aws_json_defaults(r->d, shape, base);
}

static int read_text(struct reader *r, enum cbor_token tok, const struct aws_shape *shape,
                     struct str *to)
{
    if (tok != (shape->kind == AWS_BLOB ? CBOR_BYTES : CBOR_TEXT))
        return refuse_token(r, tok, shape);
    *to = r->cbor.text;
    return 0;
}

static int read_value(struct reader *r, enum cbor_token tok, const struct aws_member *member,
                      void *to)
{
    const struct aws_shape *shape = member->shape;
    switch ((enum aws_kind) shape->kind) {
    case AWS_STRUCTURE:
    case AWS_UNION:
        return tok == CBOR_MAP_BEGIN ? read_structure(r, shape, to) : refuse_token(r, tok, shape);
    case AWS_LIST:
        return tok == CBOR_ARRAY_BEGIN ? read_list(r, shape, to) : refuse_token(r, tok, shape);
    case AWS_MAP:
        return tok == CBOR_MAP_BEGIN ? read_map(r, shape, to) : refuse_token(r, tok, shape);
    case AWS_STRING:
    case AWS_BLOB: return read_text(r, tok, shape, to);
    case AWS_BOOLEAN:
        if (tok != CBOR_TRUE && tok != CBOR_FALSE)
            return refuse_token(r, tok, shape);
        *(bool *) to = tok == CBOR_TRUE;
        return 0;
    case AWS_TIMESTAMP: return read_time(r, tok, shape, to);
    case AWS_FLOAT:
    case AWS_DOUBLE: return read_float(r, tok, shape, to);
    case AWS_DOCUMENT: return refuse_token(r, tok, shape);
    case AWS_BYTE:
    case AWS_SHORT:
    case AWS_INTEGER:
    case AWS_LONG:
    default: return read_integer(r, tok, shape, to);
    }
}

int aws_cbor_decode(struct decode *d, struct str bytes, const struct aws_shape *shape, void *to)
{
    struct reader r = {.d = d};
    struct aws_member root = {.shape = shape, .has_offset = AWS_NO_OFFSET};
    cbor_reader_init(&r.cbor, bytes, d->arena);
    int rc = read_value(&r, cbor_next(&r.cbor), &root, to);
    if (rc == 0 && cbor_next(&r.cbor) != CBOR_END)
        rc = refuse_syntax(&r);
    return rc;
}
