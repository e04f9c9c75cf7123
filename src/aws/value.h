#pragma once
/* Values of generated structs seen through the tables: where they lie, whether they are there, and
 * scalars as text. For the codecs of this room. thread: any. */
#include "aws/model.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"

static inline bool aws_is_aggregate(const struct aws_shape *shape)
{
    return shape->kind == AWS_STRUCTURE || shape->kind == AWS_UNION;
}

static inline bool aws_is_text(const struct aws_shape *shape)
{
    return shape->kind == AWS_STRING || shape->kind == AWS_BLOB || shape->kind == AWS_DOCUMENT;
}

static inline bool aws_is_integer(const struct aws_shape *shape)
{
    return shape->kind >= AWS_BYTE && shape->kind <= AWS_LONG;
}

/* Whether a structure's member, or an item of a list or map, has a value. */
bool aws_member_has(const struct aws_member *member, const void *base);
bool aws_item_has(const struct aws_member *member, const void *item);

/* The value itself: a structure's first byte, a struct str, a number, a holder of items. The member
 * or item must have one. */
const void *aws_member_value(const struct aws_member *member, const void *base);
const void *aws_item_value(const struct aws_member *member, const void *item);

/* Room for a value that is about to be stored; marks the member or item as there. Structures that
 * members point to come from the arena. Text and items are there once the caller has stored them.
 * NULL: over the arena's limit. */
void *aws_member_room(const struct aws_member *member, void *base, struct arena *arena);
void *aws_item_room(const struct aws_member *member, void *item);

/* A list or map without items that is there nevertheless. */
void aws_items_be_empty(struct aws_items *items);
/* Room for one more item, zeroed; *cap is the caller's count of places. NULL: over the limit. */
void *aws_items_add(const struct aws_shape *shape, struct aws_items *items, size_t *cap,
                    struct arena *arena);
/* A map's entry for that key, zeroed but for the key: the one that came before, since the last one
 * wins, or a new one. index: of the caller, empty at first; used for large maps only. NULL: over
 * the limit. */
void *aws_entry_room(const struct aws_shape *shape, struct aws_items *items, size_t *cap,
                     struct map *index, struct str key, struct arena *arena);
/* The places that aws_items_add has made for so many items, for callers who did not keep cap. */
static inline size_t aws_items_cap(size_t count)
{
    size_t cap = count == 0 ? 0 : 4;
    while (cap < count)
        cap *= 2;
    return cap;
}
static inline const void *aws_items_at(const struct aws_shape *shape, const struct aws_items *items,
                                       size_t index)
{
    return (const char *) items->items + index * shape->item_size;
}

/* The member with that wire name, NULL: none. Starts at *hint and leaves it behind the hit: callers
 * mostly come in the model's order. */
const struct aws_member *aws_member_find(const struct aws_shape *shape, struct str wire,
                                         uint32_t *hint);

int64_t aws_integer_get(const struct aws_shape *shape, const void *value);
double aws_float_get(const struct aws_shape *shape, const void *value);
void aws_float_set(const struct aws_shape *shape, void *to, double value);
/* -ERANGE when the kind cannot hold it. */
CHECK_RESULT int aws_integer_set(const struct aws_shape *shape, void *to, int64_t value);

/* Text to boolean, number. -EINVAL malformed, -ERANGE. Strict: "true", "-12", "1.5e3", "NaN". */
CHECK_RESULT int aws_scalar_parse(const struct aws_shape *shape, struct str text, void *to);
void aws_scalar_put(struct buf *out, const struct aws_shape *shape, const void *value);
/* The shortest text that reads back the same; in room, or a literal. */
struct aws_text {
    char text[48];
};
struct str aws_float_text(const struct aws_shape *shape, const void *value, struct aws_text *room);
/* Seconds since 1970 with at most three decimals. */
struct str aws_epoch_text(int64_t utc_ms, struct aws_text *room);
/* A finite number in JSON's syntax. -EINVAL, -ERANGE. */
CHECK_RESULT int aws_double_parse(struct str text, double *out_value);

/* "a String", "an Integer": the kind in AWS's words. */
const char *aws_kind_text(const struct aws_shape *shape);

/* The format that counts: the member's, the shape's, then `otherwise`. */
enum aws_timestamp_format aws_time_format(const struct aws_member *member,
                                          enum aws_timestamp_format otherwise);
/* -EINVAL. is_strict: no offsets from UTC. */
CHECK_RESULT int aws_time_parse(struct str text, enum aws_timestamp_format format, bool is_strict,
                                int64_t *out_utc_ms);
void aws_time_put(struct buf *out, enum aws_timestamp_format format, int64_t utc_ms);
