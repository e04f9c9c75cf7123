/* C structs to CBOR, along the model tables.
 *
 * All lengths are definite, so members and entries are counted before they are written: two walks
 * over the flags cost less than what every client would spend on looking for breaks, and equal
 * values have equal bytes. Floats keep the width of their kind. Times are seconds under tag 1, an
 * integer when there is no fraction.
 *
 * Absent members are left out, except those whose model gives a default, which stands there as
 * JSON; a structure with such gaps is copied into the arena and filled from the model first.
 * Documents do not exist in CBOR and are left out.
 *
 * thread: any. Source: Smithy "RPC v2 CBOR protocol"; RFC 8949, section 4.2. */
#include "aws/protocol.h"
#include "data/cbor.h"

#include <errno.h>

enum { TAG_EPOCH = 1 };

struct writer {
    struct encode *e;
    struct buf *out;
    bool is_over; /* the arena is full */
};

static void put_value(struct writer *w, const struct aws_member *member, const void *value);

static bool is_written(const struct aws_member *member)
{
    return member->shape->kind != AWS_DOCUMENT &&
           (member->shape->flags & AWS_EVENT_STREAM) == 0 && /* that follows in messages */
           (member->flags & AWS_EVENT_HEADER) == 0;
}

static void put_list(struct writer *w, const struct aws_shape *shape, const struct aws_items *list)
{
    const struct aws_member *item = &shape->members[0];
    cbor_put_array(w->out, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const void *at = aws_items_at(shape, list, i);
        if (is_written(item) && aws_item_has(item, at))
            put_value(w, item, aws_item_value(item, at));
        else
            cbor_put_null(w->out);
    }
}

static void put_map(struct writer *w, const struct aws_shape *shape, const struct aws_items *map)
{
    const struct aws_member *value = &shape->members[1];
    bool is_sparse = (shape->flags & AWS_SPARSE) != 0;
    size_t count = 0;
    for (size_t i = 0; i < map->count; i++)
        count += is_sparse || aws_item_has(value, aws_items_at(shape, map, i));
    cbor_put_map(w->out, count);
    for (size_t i = 0; i < map->count; i++) {
        const void *at = aws_items_at(shape, map, i);
        bool has = aws_item_has(value, at);
        if (!has && !is_sparse)
            continue;
        cbor_put_text(w->out, *(const struct str *) at);
        if (has && is_written(value))
            put_value(w, value, aws_item_value(value, at));
        else
            cbor_put_null(w->out);
    }
}

static bool has_gaps(const struct aws_shape *shape, const void *base)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if (member->names != NULL && member->names->default_json.ptr != NULL &&
            !aws_member_has(member, base))
            return true;
    }
    return false;
}

/* base, or a copy that has the model's defaults. */
static const void *with_defaults(struct writer *w, const struct aws_shape *shape, const void *base)
{
    if (!has_gaps(shape, base))
        return base;
    struct aws_fault fault;
    struct decode d = {
        .service = w->e->service, .op = w->e->op, .arena = w->e->arena, .fault = &fault};
    void *copy = arena_try(w->e->arena, shape->size);
    if (copy != NULL)
        memcpy(copy, base, shape->size);
    if (copy != NULL && aws_json_defaults(&d, shape, copy) == 0)
        return copy;
    w->is_over = true;
    return base;
}

/* type: of an error, ptr NULL else. */
static void put_structure(struct writer *w, struct str type, const struct aws_shape *shape,
                          const void *base)
{
    base = with_defaults(w, shape, base);
    size_t count = type.ptr != NULL;
    for (uint32_t i = 0; i < shape->member_count; i++)
        count += is_written(&shape->members[i]) && aws_member_has(&shape->members[i], base);
    cbor_put_map(w->out, count);
    if (type.ptr != NULL) {
        cbor_put_text(w->out, STR("__type"));
        cbor_put_text(w->out, type);
    }
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if (!is_written(member) || !aws_member_has(member, base))
            continue;
        cbor_put_text(w->out, member->wire);
        put_value(w, member, aws_member_value(member, base));
    }
}

static void put_time(struct buf *out, int64_t utc_ms)
{
    cbor_put_tag(out, TAG_EPOCH);
    if (utc_ms % 1000 == 0)
        cbor_put_i64(out, utc_ms / 1000);
    else
        cbor_put_double(out, (double) utc_ms / 1000);
}

static void put_value(struct writer *w, const struct aws_member *member, const void *value)
{
    const struct aws_shape *shape = member->shape;
    switch ((enum aws_kind) shape->kind) {
    case AWS_STRUCTURE:
    case AWS_UNION: put_structure(w, STR_NONE, shape, value); break;
    case AWS_LIST: put_list(w, shape, value); break;
    case AWS_MAP: put_map(w, shape, value); break;
    case AWS_STRING: cbor_put_text(w->out, *(const struct str *) value); break;
    case AWS_BLOB: cbor_put_bytes(w->out, *(const struct str *) value); break;
    case AWS_BOOLEAN: cbor_put_bool(w->out, *(const bool *) value); break;
    case AWS_FLOAT: cbor_put_float(w->out, *(const float *) value); break;
    case AWS_DOUBLE: cbor_put_double(w->out, *(const double *) value); break;
    case AWS_TIMESTAMP: put_time(w->out, *(const int64_t *) value); break;
    case AWS_DOCUMENT: cbor_put_null(w->out); break; /* its holders leave it out */
    case AWS_BYTE:
    case AWS_SHORT:
    case AWS_INTEGER:
    case AWS_LONG:
    default: cbor_put_i64(w->out, aws_integer_get(shape, value)); break;
    }
}

int aws_cbor_put_root(struct encode *e, struct buf *out, struct str type,
                      const struct aws_shape *shape, const void *base)
{
    struct writer w = {.e = e, .out = out};
    put_structure(&w, type, shape, base);
    return w.is_over ? -E2BIG : 0;
}
