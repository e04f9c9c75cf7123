/* The constraints of the model over a decoded input: required, length, range, pattern, enum, unique
 * items. All violations of a request go into one answer, as AWS does it.
 *
 * The walk follows the tables; shapes below which nothing is constrained are marked by apic and
 * skipped. Two styles differ in where a violation is told, not in what one is: AWS's older services
 * (coral) tell broken items at their list ("Member must satisfy constraint: […]"), Smithy's servers
 * at the item. The words are in validate_text.c.
 *
 * Patterns compile at first use, once for the process: the slot beside the pattern's text is filled
 * by compare-and-swap, and whoever loses the race frees his own copy. This is the room's only
 * shared state. Compiling all at start would need none, but costs 5 us each (Lambda's 27: 136 us),
 * milliseconds of the start over all services, for patterns that most runs never meet.
 *
 * thread: any. Sources: Smithy "Constraint traits"; smithy.framework#ValidationException. */
#include "aws/protocol.h"
#include "aws/validate_int.h"
#include "base/map.h"
#include "data/pattern.h"
#include "data/utf8.h"

#include <errno.h>

enum { VIOLATIONS_MAX = 100, PATH_MAX_BYTES = 4096, UNIQUE_TEXT_MAX = 1024 * 1024 };

static void check_value(struct check *check, const struct aws_shape *shape, const void *value);

static bool is_coral(const struct check *check)
{
    return check->service->validation != AWS_VALIDATION_SMITHY;
}

static const struct pattern *pattern_of(struct aws_pattern *slot)
{
    struct pattern *have = __atomic_load_n((struct pattern **) &slot->program, __ATOMIC_ACQUIRE);
    if (have != NULL)
        return have;
    struct pattern *made = NULL;
    if (pattern_new(slot->matches.ptr != NULL ? slot->matches : slot->source, &made, NULL) < 0)
        return NULL;
    if (__atomic_compare_exchange_n((struct pattern **) &slot->program, &have, made, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    pattern_free(made);
    return have;
}

/* A pattern outside the subset constrains nothing; each service's wire test keeps its patterns
 * inside (model files give an equivalent where the official one is not). */
static bool matches(const struct aws_shape *shape, struct str text)
{
    const struct pattern *pattern = pattern_of(shape->pattern);
    return pattern == NULL || pattern_matches(pattern, text);
}

double check_measure(const struct aws_shape *shape, const void *value)
{
    switch ((enum aws_kind) shape->kind) {
    case AWS_STRING: return (double) utf8_count(*(const struct str *) value);
    case AWS_BLOB: return (double) ((const struct str *) value)->len;
    case AWS_LIST:
    case AWS_MAP: return (double) ((const struct aws_items *) value)->count;
    case AWS_BYTE:
    case AWS_SHORT:
    case AWS_INTEGER:
    case AWS_LONG: return (double) aws_integer_get(shape, value);
    case AWS_FLOAT: /* compared as the float that the bound becomes: 8.8f is above 8.8 */
    case AWS_DOUBLE: return aws_float_get(shape, value);
    case AWS_STRUCTURE:
    case AWS_UNION:
    case AWS_DOCUMENT:
    case AWS_BOOLEAN:
    case AWS_TIMESTAMP:
    default: return 0;
    }
}

static bool is_enum_value(const struct aws_shape *shape, const void *value)
{
    if ((shape->flags & AWS_INT_ENUM) == 0)
        return aws_enum_find(shape, *(const struct str *) value) != 0;
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long) aws_integer_get(shape, value));
    return aws_enum_find(shape, str_from(text)) != 0;
}

/* The text of each item as JSON is the item: two equal ones are the same key. */
static bool has_repeats(struct check *check, const struct aws_shape *shape,
                        const struct aws_items *list)
{
    bool repeats = false;
    struct map seen;
    AUTO_BUF struct buf text;
    map_init(&seen);
    buf_init(&text, UNIQUE_TEXT_MAX);
    for (size_t i = 0; i < list->count && !repeats; i++) {
        struct json_writer w;
        const void *item = aws_items_at(shape, list, i);
        buf_reset(&text);
        json_writer_init(&w, &text);
        if (aws_item_has(&shape->members[0], item))
            aws_json_put(&w, &shape->members[0], aws_item_value(&shape->members[0], item));
        struct str key = arena_str(check->arena, buf_str(&text));
        repeats = key.ptr != NULL && map_put(&seen, key, check) != NULL;
    }
    map_done(&seen);
    return repeats;
}

static bool breaks(struct check *check, const struct aws_shape *shape, enum rule rule,
                   const void *value)
{
    double bound = rule == RULE_MIN ? shape->min : shape->max;
    if (shape->kind == AWS_FLOAT)
        bound = (double) (float) bound;
    switch (rule) {
    case RULE_PATTERN:
        return shape->pattern != NULL && !matches(shape, *(const struct str *) value);
    case RULE_MIN: return (shape->flags & AWS_HAS_MIN) && check_measure(shape, value) < bound;
    case RULE_MAX: return (shape->flags & AWS_HAS_MAX) && check_measure(shape, value) > bound;
    case RULE_ENUM: return shape->enum_count > 0 && !is_enum_value(shape, value);
    case RULE_UNIQUE: return (shape->flags & AWS_UNIQUE_ITEMS) && has_repeats(check, shape, value);
    case RULE_NOT_NULL:
    case RULE_COUNT:
    default: return false;
    }
}

static bool breaks_any(struct check *check, const struct aws_shape *shape, const void *value)
{
    for (enum rule rule = RULE_PATTERN; rule < RULE_COUNT; rule++)
        if (breaks(check, shape, rule, value))
            return true;
    return false;
}

static void check_rules(struct check *check, const struct aws_shape *shape, const void *value)
{
    for (enum rule rule = RULE_PATTERN; rule < RULE_COUNT; rule++) {
        if (!breaks(check, shape, rule, value))
            continue;
        check_report(check, shape, rule, value);
        if (rule == RULE_MIN && !is_coral(check))
            rule = RULE_MAX; /* both bounds are in one message */
    }
}

static void check_members(struct check *check, const struct aws_shape *shape, const void *base)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        bool has = aws_member_has(member, base);
        if (has ? (member->shape->flags & AWS_NEEDS_CHECK) == 0
                : (member->flags & AWS_REQUIRED) == 0)
            continue;
        size_t mark = check_enter_member(check, member->name);
        if (has)
            check_value(check, member->shape, aws_member_value(member, base));
        else
            check_report(check, member->shape, RULE_NOT_NULL, NULL);
        check_leave(check, mark);
    }
}

/* Items of the member `at` (a list's item, a map's key or value) that break their own rules. */
static void check_own(struct check *check, const struct aws_shape *holder,
                      const struct aws_items *items, const struct aws_member *at, const char *role)
{
    if ((at->shape->flags & AWS_NEEDS_CHECK) == 0 || aws_is_aggregate(at->shape))
        return;
    for (size_t i = 0; i < items->count; i++) {
        const void *item = aws_items_at(holder, items, i);
        if (!aws_item_has(at, item) || !breaks_any(check, at->shape, aws_item_value(at, item)))
            continue;
        check_report_items(check, holder, items, role, at->shape);
        return;
    }
}

/* Coral: what is wrong with items themselves is told once, at the list; what is wrong inside of
 * structures and lists below is told where it is. */
static bool is_told_below(const struct check *check, const struct aws_shape *item)
{
    if ((item->flags & AWS_NEEDS_CHECK) == 0)
        return false;
    return !is_coral(check) || aws_is_aggregate(item) || item->kind == AWS_LIST ||
           item->kind == AWS_MAP;
}

static void check_below(struct check *check, const struct aws_shape *shape, const void *value);

static void check_item(struct check *check, const struct aws_member *at, const void *item)
{
    if (!aws_item_has(at, item))
        return;
    if (is_coral(check) && !aws_is_aggregate(at->shape))
        check_below(check, at->shape, aws_item_value(at, item));
    else
        check_value(check, at->shape, aws_item_value(at, item));
}

static void check_list(struct check *check, const struct aws_shape *shape,
                       const struct aws_items *list)
{
    const struct aws_member *at = &shape->members[0];
    if (is_coral(check))
        check_own(check, shape, list, at, "Member");
    if (!is_told_below(check, at->shape))
        return;
    for (size_t i = 0; i < list->count; i++) {
        size_t mark = check_enter_item(check, i);
        check_item(check, at, aws_items_at(shape, list, i));
        check_leave(check, mark);
    }
}

static void check_map(struct check *check, const struct aws_shape *shape,
                      const struct aws_items *map)
{
    const struct aws_member *key = &shape->members[0], *value = &shape->members[1];
    if (is_coral(check)) {
        check_own(check, shape, map, key, "Map keys");
        check_own(check, shape, map, value, "Map value");
    }
    bool told_below = is_told_below(check, value->shape);
    for (size_t i = 0; i < map->count; i++) {
        const void *entry = aws_items_at(shape, map, i);
        if (!is_coral(check))
            check_rules(check, key->shape, entry);
        size_t mark = check_enter_entry(check, *(const struct str *) entry);
        if (told_below)
            check_item(check, value, entry);
        check_leave(check, mark);
    }
}

static void check_below(struct check *check, const struct aws_shape *shape, const void *value)
{
    if (aws_is_aggregate(shape))
        check_members(check, shape, value);
    else if (shape->kind == AWS_LIST)
        check_list(check, shape, value);
    else if (shape->kind == AWS_MAP)
        check_map(check, shape, value);
}

static void check_value(struct check *check, const struct aws_shape *shape, const void *value)
{
    if ((shape->flags & AWS_NEEDS_CHECK) == 0 || check->count >= VIOLATIONS_MAX)
        return;
    check_rules(check, shape, value);
    check_below(check, shape, value);
}

int aws_validate(const struct aws_service *service, const struct aws_shape *shape,
                 const void *value, struct arena *arena, struct aws_fault *out_fault)
{
    struct check check = {.service = service, .arena = arena};
    buf_init(&check.path, PATH_MAX_BYTES);
    check_value(&check, shape, value);
    buf_done(&check.path);
    if (check.count == 0)
        return 0;
    check_fault(&check, out_fault);
    return -EINVAL;
}
