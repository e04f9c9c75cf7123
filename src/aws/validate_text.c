/* The words of validation.
 *
 *     coral   1 validation error detected: Value 'a b' at 'functionName' failed to satisfy
 *             constraint: Member must satisfy regular expression pattern: …
 *             paths are camelCase: tags.1.member.key, environment.variables
 *     smithy  1 validation error detected. Value at '/tags/0/key' failed to satisfy constraint: …
 *             values are never shown, lengths are: "Value with length 1 at …"; bounds are told
 *             together: "between 2 and 8, inclusive"
 *
 * Values of sensitive shapes are not shown. Long values are cut, since an answer need not be as
 * large as the request that it refuses.
 *
 * thread: any. Sources: messages of Lambda, DynamoDB, EventBridge and ACM as quoted in public issue
 * trackers (aws-cdk, localstack, dynalite); smithy.framework#ValidationException. */
#include "aws/validate_int.h"

enum { MESSAGE_MAX = 64 * 1024, VALUE_SHOWN_MAX = 4096 };

static bool is_smithy(const struct check *check)
{
    return check->service->validation == AWS_VALIDATION_SMITHY;
}

size_t check_enter_member(struct check *check, struct str name)
{
    size_t mark = check->path.len;
    if (is_smithy(check)) {
        buf_put_char(&check->path, '/');
        buf_put(&check->path, name);
        return mark;
    }
    if (mark > 0)
        buf_put_char(&check->path, '.');
    char first = name.ptr[0];
    buf_put_char(&check->path, first >= 'A' && first <= 'Z' ? (char) (first + ('a' - 'A')) : first);
    buf_put(&check->path, str_skip(name, 1));
    return mark;
}

size_t check_enter_item(struct check *check, size_t index)
{
    size_t mark = check->path.len;
    if (is_smithy(check))
        buf_printf(&check->path, "/%zu", index);
    else
        buf_printf(&check->path, ".%zu.member", index + 1);
    return mark;
}

size_t check_enter_entry(struct check *check, struct str key)
{
    size_t mark = check->path.len;
    buf_put_char(&check->path, is_smithy(check) ? '/' : '.');
    buf_put(&check->path, key);
    if (!is_smithy(check))
        buf_put(&check->path, STR(".member"));
    return mark;
}

void check_leave(struct check *check, size_t path_len)
{
    check->path.len = path_len;
    check->path.is_over = false;
}

static bool counts_length(const struct aws_shape *shape)
{
    return shape->kind == AWS_STRING || shape->kind == AWS_BLOB || shape->kind == AWS_LIST ||
           shape->kind == AWS_MAP;
}

static void put_number(struct buf *out, double value)
{
    if (value > -9e15 && value < 9e15 && value == (double) (int64_t) value)
        buf_put_i64(out, (int64_t) value);
    else
        buf_printf(out, "%.15g", value);
}

static void put_enum(struct buf *out, const struct aws_shape *shape)
{
    buf_put(out, STR("Member must satisfy enum value set: ["));
    for (uint32_t i = 0; i < shape->enum_hidden_from; i++) {
        if (i > 0)
            buf_put(out, STR(", "));
        buf_put(out, shape->enum_values[i]);
    }
    buf_put_char(out, ']');
}

static void put_bounds_smithy(struct buf *out, const struct aws_shape *shape)
{
    bool has_min = shape->flags & AWS_HAS_MIN, has_max = shape->flags & AWS_HAS_MAX;
    buf_put(out, counts_length(shape) ? STR("Member must have length ") : STR("Member must be "));
    if (has_min && has_max)
        buf_put(out, STR("between "));
    else
        buf_put(out, has_min ? STR("greater than or equal to ") : STR("less than or equal to "));
    put_number(out, has_min ? shape->min : shape->max);
    if (has_min && has_max) {
        buf_put(out, STR(" and "));
        put_number(out, shape->max);
        buf_put(out, STR(", inclusive"));
    }
}

static void put_bound_coral(struct buf *out, const struct aws_shape *shape, enum rule rule)
{
    buf_put(out, counts_length(shape) ? STR("Member must have length ")
                                      : STR("Member must have value "));
    buf_put(out,
            rule == RULE_MIN ? STR("greater than or equal to ") : STR("less than or equal to "));
    put_number(out, rule == RULE_MIN ? shape->min : shape->max);
}

static void put_rule(struct buf *out, const struct check *check, const struct aws_shape *shape,
                     enum rule rule)
{
    switch (rule) {
    case RULE_NOT_NULL: buf_put(out, STR("Member must not be null")); break;
    case RULE_PATTERN:
        buf_put(out, STR("Member must satisfy regular expression pattern: "));
        buf_put(out, shape->pattern->source);
        break;
    case RULE_MIN:
    case RULE_MAX:
        if (is_smithy(check))
            put_bounds_smithy(out, shape);
        else
            put_bound_coral(out, shape, rule);
        break;
    case RULE_ENUM: put_enum(out, shape); break;
    case RULE_UNIQUE:
    case RULE_COUNT:
    default: buf_put(out, STR("Member must have unique values")); break;
    }
}

static bool has_rule(const struct aws_shape *shape, enum rule rule)
{
    switch (rule) {
    case RULE_PATTERN: return shape->pattern != NULL;
    case RULE_MIN: return shape->flags & AWS_HAS_MIN;
    case RULE_MAX: return shape->flags & AWS_HAS_MAX;
    case RULE_ENUM: return shape->enum_count > 0;
    case RULE_NOT_NULL:
    case RULE_UNIQUE:
    case RULE_COUNT:
    default: return false;
    }
}

/* All rules of an item, as coral lists them: "[max, min, pattern, enum, not null]". */
static void put_rules(struct buf *out, const struct check *check, const struct aws_shape *item)
{
    static const enum rule order[] = {RULE_MAX, RULE_MIN, RULE_PATTERN, RULE_ENUM};
    bool is_first = true;
    buf_put_char(out, '[');
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (!has_rule(item, order[i]))
            continue;
        buf_put(out, is_first ? STR("") : STR(", "));
        put_rule(out, check, item, order[i]);
        is_first = false;
    }
    if (check->service->validation == AWS_VALIDATION_CORAL_NOT_NULL) {
        buf_put(out, is_first ? STR("") : STR(", "));
        put_rule(out, check, item, RULE_NOT_NULL);
    }
    buf_put_char(out, ']');
}

static bool is_secret(const struct aws_shape *shape)
{
    if (shape->flags & AWS_SENSITIVE)
        return true;
    if (shape->kind != AWS_LIST && shape->kind != AWS_MAP)
        return false;
    for (uint32_t i = 0; i < shape->member_count; i++)
        if (aws_is_aggregate(shape->members[i].shape) || is_secret(shape->members[i].shape))
            return true; /* structures have no readable text either */
    return false;
}

static void put_value(struct buf *out, const struct aws_shape *shape, const void *value)
{
    if (shape->kind == AWS_BLOB) {
        size_t len = ((const struct str *) value)->len;
        buf_printf(out, "java.nio.HeapByteBuffer[pos=0 lim=%zu cap=%zu]", len, len);
    } else if (aws_is_text(shape)) {
        buf_put(out, str_head(*(const struct str *) value, VALUE_SHOWN_MAX));
    } else if (shape->kind == AWS_LIST || shape->kind == AWS_MAP) {
        const struct aws_items *items = value;
        bool is_map = shape->kind == AWS_MAP;
        const struct aws_member *last = &shape->members[is_map];
        buf_put_char(out, is_map ? '{' : '[');
        for (size_t i = 0; i < items->count && out->len < VALUE_SHOWN_MAX; i++) {
            const void *item = aws_items_at(shape, items, i);
            buf_put(out, i > 0 ? STR(", ") : STR(""));
            if (is_map) {
                buf_put(out, str_head(*(const struct str *) item, VALUE_SHOWN_MAX));
                buf_put_char(out, '=');
            }
            if (aws_item_has(last, item))
                put_value(out, last->shape, aws_item_value(last, item));
        }
        buf_put_char(out, is_map ? '}' : ']');
    } else if (shape->kind == AWS_TIMESTAMP) {
        aws_time_put(out, AWS_TIME_ISO8601, *(const int64_t *) value);
    } else {
        aws_scalar_put(out, shape, value);
    }
}

/* "Value 'x' at 'path' failed to satisfy constraint: ". */
static void put_subject(struct buf *out, const struct check *check, const struct aws_shape *shape,
                        enum rule rule, const void *value)
{
    bool is_bound = rule == RULE_MIN || rule == RULE_MAX;
    buf_put(out, STR("Value"));
    if (is_smithy(check)) {
        if (is_bound && counts_length(shape))
            buf_printf(out, " with length %.0f", check_measure(shape, value));
    } else if (value == NULL) {
        buf_put(out, STR(" null"));
    } else if (!is_secret(shape)) {
        buf_put(out, STR(" '"));
        put_value(out, shape, value);
        buf_put_char(out, '\'');
    }
    buf_printf(out,
               " at '" STR_FMT "' failed to satisfy constraint: ", STR_ARG(buf_str(&check->path)));
}

static void add(struct check *check, struct buf *message)
{
    if (check->count == check->cap) {
        size_t more = check->cap == 0 ? 4 : check->cap * 2;
        struct aws_violation *grown = ARENA_ARRAY(check->arena, struct aws_violation, more);
        if (grown == NULL)
            return; /* the arena is full; what was found so far is told */
        if (check->count > 0)
            memcpy(grown, check->items, check->count * sizeof *grown);
        check->items = grown;
        check->cap = more;
    }
    struct str text = arena_str(check->arena, buf_str(message));
    struct str path = arena_str(check->arena, buf_str(&check->path));
    check->items[check->count++] = (struct aws_violation){path, text};
}

void check_report(struct check *check, const struct aws_shape *shape, enum rule rule,
                  const void *value)
{
    AUTO_BUF struct buf text;
    buf_init(&text, MESSAGE_MAX);
    put_subject(&text, check, shape, rule, value);
    put_rule(&text, check, shape, rule);
    add(check, &text);
}

void check_report_items(struct check *check, const struct aws_shape *holder, const void *value,
                        const char *role, const struct aws_shape *item)
{
    AUTO_BUF struct buf text;
    buf_init(&text, MESSAGE_MAX);
    put_subject(&text, check, holder, RULE_NOT_NULL, value);
    buf_printf(&text, "%s must satisfy constraint: ", role);
    put_rules(&text, check, item);
    add(check, &text);
}

void check_fault(struct check *check, struct aws_fault *out_fault)
{
    AUTO_BUF struct buf text;
    buf_init(&text, MESSAGE_MAX * 4);
    buf_printf(&text, "%zu validation error%s detected%c ", check->count,
               check->count == 1 ? "" : "s", is_smithy(check) ? '.' : ':');
    for (size_t i = 0; i < check->count; i++) {
        buf_put(&text, i > 0 ? STR("; ") : STR(""));
        buf_put(&text, check->items[i].message);
    }
    struct str message = arena_str(check->arena, buf_str(&text));
    const struct aws_error *own = check->service->validation_error;
    *out_fault = (struct aws_fault){.error = own == NULL ? &aws_error_validation : own};
    out_fault->message = message.ptr == NULL ? STR("") : message;
    if (is_smithy(check)) {
        out_fault->violations = check->items;
        out_fault->violation_count = check->count;
    }
}
