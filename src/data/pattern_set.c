/* Sets of code points: what a character class, an escape such as \w or a property such as \p{L}
 * stands for.
 *
 * As in Java without UNICODE_CHARACTER_CLASS, the shorthands and the POSIX names are ASCII only,
 * and their complements hold everything else. General categories partition all code points, so a
 * complemented category is simply the other categories. source: java.util.regex.Pattern. */
#include "data/pattern_int.h"

#include "base/mem.h"
#include "data/unicode_int.h"

static void add_ascii(struct pattern_set *set, uint32_t cp)
{
    set->ascii[cp / 64] |= UINT64_C(1) << (cp % 64);
}

static bool has_ascii(const struct pattern_set *set, uint32_t cp)
{
    return (set->ascii[cp / 64] >> (cp % 64) & 1) != 0;
}

void pattern_set_add(struct pattern_set *set, uint32_t low, uint32_t high)
{
    for (uint32_t cp = low; cp <= high && cp < 128; cp++)
        add_ascii(set, cp);
    if (high < 128)
        return;
    size_t size = (set->ranges_len + 1) * sizeof *set->ranges;
    set->ranges = mem_resize(set->ranges, size);
    set->ranges[set->ranges_len++] = (struct pattern_range){low < 128 ? 128 : low, high};
}

void pattern_set_add_categories(struct pattern_set *set, unsigned categories)
{
    set->categories |= categories;
    for (uint32_t cp = 0; cp < 128; cp++)
        if ((unicode_category(cp) & categories) != 0)
            add_ascii(set, cp);
}

/* Adds what `pairs` lists as ASCII ranges, or everything else. */
static void add_pairs(struct pattern_set *set, struct str pairs, bool is_complement)
{
    struct pattern_set listed = {0};
    for (size_t i = 0; i + 1 < pairs.len; i += 2)
        pattern_set_add(&listed, (unsigned char) pairs.ptr[i], (unsigned char) pairs.ptr[i + 1]);
    for (size_t i = 0; i < ARRAY_LEN(set->ascii); i++)
        set->ascii[i] |= is_complement ? ~listed.ascii[i] : listed.ascii[i];
    if (is_complement)
        set->categories = UNICODE_ALL;
}

bool pattern_set_add_shorthand(struct pattern_set *set, char c)
{
    switch (c) {
    case 'd':
    case 'D': add_pairs(set, STR("09"), c == 'D'); return true;
    case 'w':
    case 'W': add_pairs(set, STR("09AZ__az"), c == 'W'); return true;
    case 's':
    case 'S': add_pairs(set, STR("\t\r  "), c == 'S'); return true;
    default: return false;
    }
}

static unsigned category_of(struct str name)
{
    static const char letters[] = "CLMNPSZ"; /* in the order of enum unicode_category's bits */
    if (name.len == 3 && str_starts(name, STR("Is")))
        name = str_skip(name, 2);
    const char *hit = name.len == 1 ? memchr(letters, name.ptr[0], sizeof letters - 1) : NULL;
    return hit == NULL ? 0 : 1U << (hit - letters);
}

bool pattern_set_add_property(struct pattern_set *set, struct str name, bool is_complement)
{
    static const struct {
        struct str name, pairs;
    } posix[] = {
        {STR_INIT("ASCII"), STR_INIT("\x00\x7F")},
        {STR_INIT("Alnum"), STR_INIT("09AZaz")},
        {STR_INIT("Alpha"), STR_INIT("AZaz")},
        {STR_INIT("Blank"), STR_INIT("\t\t  ")},
        {STR_INIT("Cntrl"), STR_INIT("\x00\x1F\x7F\x7F")},
        {STR_INIT("Digit"), STR_INIT("09")},
        {STR_INIT("Graph"), STR_INIT("!~")},
        {STR_INIT("Lower"), STR_INIT("az")},
        {STR_INIT("Print"), STR_INIT(" ~")},
        {STR_INIT("Punct"), STR_INIT("!/:@[`{~")},
        {STR_INIT("Space"), STR_INIT("\t\r  ")},
        {STR_INIT("Upper"), STR_INIT("AZ")},
        {STR_INIT("XDigit"), STR_INIT("09AFaf")},
    };
    unsigned category = category_of(name);
    if (category != 0) {
        pattern_set_add_categories(set, is_complement ? UNICODE_ALL & ~category : category);
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(posix); i++) {
        if (!str_eq(name, posix[i].name))
            continue;
        add_pairs(set, posix[i].pairs, is_complement);
        return true;
    }
    return false;
}

void pattern_set_close(struct pattern_set *set, bool is_negated, bool ignores_case)
{
    for (uint32_t c = 'A'; ignores_case && c <= 'Z'; c++) {
        if (has_ascii(set, c))
            add_ascii(set, c | 0x20);
        else if (has_ascii(set, c | 0x20))
            add_ascii(set, c);
    }
    set->is_negated = is_negated;
    for (size_t i = 0; is_negated && i < ARRAY_LEN(set->ascii); i++)
        set->ascii[i] = ~set->ascii[i];
}

bool pattern_set_has(const struct pattern_set *set, uint32_t cp)
{
    if (cp < 128)
        return has_ascii(set, cp);
    for (size_t i = 0; i < set->ranges_len; i++)
        if (cp >= set->ranges[i].low && cp <= set->ranges[i].high)
            return !set->is_negated;
    bool is_in = set->categories == UNICODE_ALL ||
                 (set->categories != 0 && (set->categories & unicode_category(cp)) != 0);
    return is_in != set->is_negated;
}
