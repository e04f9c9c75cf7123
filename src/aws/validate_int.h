#pragma once
/* One validation under way, shared by the walk (validate.c) and the words (validate_text.c). */
#include "aws/value.h"
#include "aws/wire.h"

/* Kinds of constraints, in the order in which several violations of one value are told. */
enum rule { RULE_NOT_NULL, RULE_PATTERN, RULE_MIN, RULE_MAX, RULE_ENUM, RULE_UNIQUE, RULE_COUNT };

struct check {
    const struct aws_service *service;
    struct arena *arena;
    struct buf path;
    struct aws_violation *items; /* in the arena */
    size_t count, cap;
};

/* Adds a violation of `rule` by a value (NULL: absent) of that shape, at the current path. */
void check_report(struct check *check, const struct aws_shape *shape, enum rule rule,
                  const void *value);
/* The same for a list or map whose items break their own rules; `role` is "Member", "Map keys" or
 * "Map value". */
void check_report_items(struct check *check, const struct aws_shape *holder, const void *value,
                        const char *role, const struct aws_shape *item);
/* All violations as one fault. */
void check_fault(struct check *check, struct aws_fault *out_fault);

/* One step down; returns what check_leave needs. */
size_t check_enter_member(struct check *check, struct str name);
size_t check_enter_item(struct check *check, size_t index);
size_t check_enter_entry(struct check *check, struct str key);
void check_leave(struct check *check, size_t path_len);

/* Text goes by characters, blobs by bytes, lists and maps by items; numbers are themselves. */
double check_measure(const struct aws_shape *shape, const void *value);
