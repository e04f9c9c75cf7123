/* From the text of a regular expression to its program, in one pass.
 *
 *     alternation: sequence ('|' sequence)*
 *     sequence:    (atom quantifier?)*
 *     atom:        '(' alternation ')' | '(?:' alternation ')' | '[' class ']' | '.' | '^' | '$'
 *                | backslash escape | any other character
 *     quantifier:  ('*' | '+' | '?' | '{m}' | '{m,}' | '{m,n}') '?'?
 *
 * An atom leaves a block of instructions at the end of the program; a quantifier or a '|' rewrites
 * the block after the fact, which works because all jumps are relative:
 *
 *     e*   SPLIT(+1, past) e JUMP(SPLIT)        e|f  SPLIT(+1, f) e JUMP(past) f
 *     e+   e SPLIT(e, past)                     e?   SPLIT(+1, past) e
 *
 * A counted single character is one COUNT instruction however great the counts; a counted group is
 * copied, as far as PATTERN_INSTS_MAX lets it. Whether a quantifier is lazy makes no difference to
 * a match of the whole text. (?i) and (?s) are known at the beginning; case is that of ASCII.
 * What remembers or looks around (back references, look-ahead and look-behind, possessive
 * quantifiers) cannot be run in linear time this way and is -ENOTSUP, as are nested classes and
 * class intersection. */
#include "data/pattern_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "data/hash.h"
#include "data/unicode_int.h"
#include "data/utf8.h"

#include <errno.h>

struct parser {
    struct pattern *pattern; /* borrowed; grows */
    struct str rest;         /* not yet read */
    size_t insts_cap, sets_cap;
    unsigned groups_open;
    bool ignores_case, dot_is_all;
    struct err *err;
};

static int fail_broken(struct parser *p, const char *what)
{
    return err_say(p->err, -EINVAL, "pattern: %s", what);
}

static int fail_unsupported(struct parser *p, const char *what)
{
    return err_say(p->err, -ENOTSUP, "pattern: %s not supported", what);
}

static char peek(const struct parser *p)
{
    return p->rest.len > 0 ? p->rest.ptr[0] : '\0';
}

static bool take(struct parser *p, struct str text)
{
    if (!str_starts(p->rest, text))
        return false;
    p->rest = str_skip(p->rest, text.len);
    return true;
}

/* Makes room for `count` instructions more; those at `at` and behind move up by that much. */
static int insert(struct parser *p, size_t at, size_t count)
{
    struct pattern *pattern = p->pattern;
    if (count > PATTERN_INSTS_MAX - pattern->insts_len)
        return fail_unsupported(p, "a program of this size");
    size_t need = pattern->insts_len + count;
    if (need > p->insts_cap) {
        p->insts_cap = need * 2;
        pattern->insts = mem_resize(pattern->insts, p->insts_cap * sizeof *pattern->insts);
    }
    struct pattern_inst *hole = pattern->insts + at;
    memmove(hole + count, hole, (pattern->insts_len - at) * sizeof *hole);
    memset(hole, 0, count * sizeof *hole);
    pattern->insts_len = need;
    return 0;
}

static int put(struct parser *p, size_t at, struct pattern_inst inst)
{
    int rc = insert(p, at, 1);
    if (rc == 0)
        p->pattern->insts[at] = inst;
    return rc;
}

static int append(struct parser *p, struct pattern_inst inst)
{
    return put(p, p->pattern->insts_len, inst);
}

static int split_at(struct parser *p, size_t at, int32_t first, int32_t second)
{
    return put(p, at, (struct pattern_inst){.op = PATTERN_SPLIT, .to = {first, second}});
}

/* Takes over what *set owns. */
static uint16_t add_set(struct parser *p, const struct pattern_set *set)
{
    struct pattern *pattern = p->pattern;
    assert(pattern->sets_len < UINT16_MAX);
    if (pattern->sets_len == p->sets_cap) {
        p->sets_cap = p->sets_cap * 2 + 8;
        pattern->sets = mem_resize(pattern->sets, p->sets_cap * sizeof *pattern->sets);
    }
    pattern->sets[pattern->sets_len] = *set;
    return (uint16_t) pattern->sets_len++;
}

static int append_set(struct parser *p, struct pattern_set *set, bool is_negated)
{
    pattern_set_close(set, is_negated, p->ignores_case);
    uint16_t index = add_set(p, set);
    return append(p, (struct pattern_inst){.op = PATTERN_SET, .set = index});
}

static int append_char(struct parser *p, uint32_t cp)
{
    bool is_letter = (cp >= 'A' && cp <= 'Z') || (cp >= 'a' && cp <= 'z');
    if (!p->ignores_case || !is_letter)
        return append(p, (struct pattern_inst){.op = PATTERN_CHAR, .min = cp});
    struct pattern_set set = {0};
    pattern_set_add(&set, cp, cp);
    return append_set(p, &set, false);
}

/* The code point at the start of the rest, as it stands. */
static int take_plain(struct parser *p, uint32_t *out_cp)
{
    size_t n = utf8_next(p->rest, out_cp);
    if (n == 0)
        return fail_broken(p, "not UTF-8");
    p->rest = str_skip(p->rest, n);
    return 0;
}

static int take_hex(struct parser *p, size_t count, uint32_t *out_value)
{
    uint32_t value = 0;
    if (p->rest.len < count)
        return fail_broken(p, "broken hexadecimal escape");
    for (size_t i = 0; i < count; i++) {
        int digit = hex_digit(p->rest.ptr[i]);
        if (digit < 0)
            return fail_broken(p, "broken hexadecimal escape");
        value = value << 4 | (uint32_t) digit;
    }
    p->rest = str_skip(p->rest, count);
    *out_value = value;
    return 0;
}

/* Behind "\u": four digits, and a second escape when they are the first half of a pair. */
static int take_unicode(struct parser *p, uint32_t *out_cp)
{
    uint32_t high = 0, low = 0;
    int rc = take_hex(p, 4, &high);
    if (rc < 0)
        return rc;
    *out_cp = high;
    if (high < 0xD800 || high > 0xDBFF)
        return 0;
    struct str before = p->rest;
    if (take(p, STR("\\u")) && take_hex(p, 4, &low) == 0 && low >= 0xDC00 && low <= 0xDFFF)
        *out_cp = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    else
        p->rest = before;
    return 0;
}

/* Behind "\p" or "\P": "{NAME}" or one letter. */
static int take_property(struct parser *p, bool is_complement, struct pattern_set *set)
{
    struct str name = str_head(p->rest, 1);
    size_t used = 1;
    if (peek(p) == '{') {
        size_t close = str_find(p->rest, '}');
        name = str_skip(str_head(p->rest, close), 1);
        used = close + 1;
    }
    if (used > p->rest.len)
        return fail_broken(p, "unclosed property");
    if (!pattern_set_add_property(set, name, is_complement))
        return fail_unsupported(p, "this \\p property");
    p->rest = str_skip(p->rest, used);
    return 0;
}

/* What a letter escape stands for as a single character. */
static bool letter_char(char c, uint32_t *out_cp)
{
    static const char from[] = "tnrfae", to[] = "\t\n\r\f\a\x1B";
    const char *hit = memchr(from, c, sizeof from - 1);
    if (hit != NULL)
        *out_cp = (unsigned char) to[hit - from];
    return hit != NULL;
}

/* Behind a backslash. 1: *out_cp is one character; 0: a set was added to *set. */
static int take_escape(struct parser *p, struct pattern_set *set, uint32_t *out_cp)
{
    if (p->rest.len == 0)
        return fail_broken(p, "ends in a backslash");
    char c = peek(p);
    bool is_word = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    int rc;
    if (!is_word) {
        rc = take_plain(p, out_cp);
        return rc < 0 ? rc : 1;
    }
    p->rest = str_skip(p->rest, 1);
    if (letter_char(c, out_cp))
        return 1;
    if (pattern_set_add_shorthand(set, c))
        return 0;
    if (c == 'p' || c == 'P')
        return take_property(p, c == 'P', set);
    if (c != 'x' && c != 'u')
        return fail_unsupported(p, c >= '0' && c <= '9' ? "a back reference" : "this escape");
    rc = c == 'x' ? take_hex(p, 2, out_cp) : take_unicode(p, out_cp);
    return rc < 0 ? rc : 1;
}

/* One character or set of a class; 1 or 0 as take_escape. */
static int take_member(struct parser *p, struct pattern_set *set, uint32_t *out_cp)
{
    if (p->rest.len == 0)
        return fail_broken(p, "unclosed class");
    if (peek(p) == '[')
        return fail_unsupported(p, "a class within a class");
    if (str_starts(p->rest, STR("&&")))
        return fail_unsupported(p, "class intersection");
    if (take(p, STR("\\")))
        return take_escape(p, set, out_cp);
    int rc = take_plain(p, out_cp);
    return rc < 0 ? rc : 1;
}

/* The members of a class up to its ']', which stands for itself when it comes first. */
static int take_members(struct parser *p, struct pattern_set *set)
{
    for (bool is_first = true; is_first || peek(p) != ']'; is_first = false) {
        uint32_t low = 0, high = 0;
        int rc = take_member(p, set, &low);
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        high = low;
        char after = p->rest.len > 1 ? p->rest.ptr[1] : ']';
        if (peek(p) == '-' && after != ']' && after != '[') {
            p->rest = str_skip(p->rest, 1);
            rc = take_member(p, set, &high);
            if (rc < 0)
                return rc;
            if (rc == 0 || high < low)
                return fail_broken(p, "broken range in a class");
        }
        pattern_set_add(set, low, high);
    }
    p->rest = str_skip(p->rest, 1);
    return 0;
}

static int parse_class(struct parser *p)
{
    struct pattern_set set = {0};
    bool is_negated = take(p, STR("^"));
    int rc = take_members(p, &set);
    if (rc < 0) {
        free(set.ranges);
        return rc;
    }
    return append_set(p, &set, is_negated);
}

/* '.': all but the line terminators of Java, or all with (?s). */
static int parse_dot(struct parser *p)
{
    struct pattern_set set = {0};
    if (!p->dot_is_all) {
        pattern_set_add(&set, '\n', '\n');
        pattern_set_add(&set, '\r', '\r');
        pattern_set_add(&set, 0x85, 0x85);
        pattern_set_add(&set, 0x2028, 0x2029);
    }
    return append_set(p, &set, true);
}

static int parse_escape(struct parser *p)
{
    struct pattern_set set = {0};
    uint32_t cp = 0;
    int rc = take_escape(p, &set, &cp);
    if (rc < 0)
        return rc;
    return rc == 1 ? append_char(p, cp) : append_set(p, &set, false);
}

static int parse_alternation(struct parser *p);

static int parse_group(struct parser *p)
{
    if (peek(p) == '?' && !take(p, STR("?:"))) {
        bool looks = p->rest.len > 1 && memchr("=!<", p->rest.ptr[1], 3) != NULL;
        return fail_unsupported(p, looks ? "look-around" : "this kind of group");
    }
    if (p->groups_open == PATTERN_GROUPS_MAX)
        return fail_unsupported(p, "nesting this deep");
    p->groups_open++;
    int rc = parse_alternation(p);
    p->groups_open--;
    if (rc < 0)
        return rc;
    return take(p, STR(")")) ? 0 : fail_broken(p, "unclosed group");
}

static int parse_atom(struct parser *p)
{
    static const char quantifiers[] = "*+?{";
    if (memchr(quantifiers, peek(p), sizeof quantifiers - 1) != NULL)
        return fail_broken(p, "a quantifier with nothing to repeat");
    if (take(p, STR("(")))
        return parse_group(p);
    if (take(p, STR("[")))
        return parse_class(p);
    if (take(p, STR(".")))
        return parse_dot(p);
    if (take(p, STR("\\b")))
        return append(p, (struct pattern_inst){.op = PATTERN_EDGE});
    if (take(p, STR("\\")))
        return parse_escape(p);
    if (take(p, STR("^")))
        return append(p, (struct pattern_inst){.op = PATTERN_BEGIN});
    if (take(p, STR("$")))
        return append(p, (struct pattern_inst){.op = PATTERN_END});
    uint32_t cp;
    int rc = take_plain(p, &cp);
    return rc < 0 ? rc : append_char(p, cp);
}

static int take_count(struct parser *p, uint32_t *out_count)
{
    size_t digits = 0;
    while (digits < p->rest.len && p->rest.ptr[digits] >= '0' && p->rest.ptr[digits] <= '9')
        digits++;
    uint64_t value;
    int rc = parse_u64(str_head(p->rest, digits), INT32_MAX, &value);
    if (rc < 0)
        return fail_broken(p, "broken repetition count");
    p->rest = str_skip(p->rest, digits);
    *out_count = (uint32_t) value;
    return 0;
}

/* Behind '{'. */
static int take_counts(struct parser *p, uint32_t *out_min, uint32_t *out_max)
{
    int rc = take_count(p, out_min);
    if (rc < 0)
        return rc;
    *out_max = *out_min;
    if (take(p, STR(","))) {
        *out_max = PATTERN_ENDLESS;
        if (peek(p) != '}')
            rc = take_count(p, out_max);
        if (rc < 0)
            return rc;
    }
    if (!take(p, STR("}")) || *out_max < *out_min)
        return fail_broken(p, "broken repetition count");
    return 0;
}

static int append_block(struct parser *p, const struct pattern_inst *block, size_t len)
{
    size_t at = p->pattern->insts_len;
    int rc = insert(p, at, len);
    if (rc == 0)
        memcpy(p->pattern->insts + at, block, len * sizeof *block);
    return rc;
}

/* e* and e+ for the block that begins at `start` and ends the program. */
static int loop_block(struct parser *p, size_t start, bool may_be_empty)
{
    int32_t len = (int32_t) (p->pattern->insts_len - start);
    if (!may_be_empty)
        return split_at(p, p->pattern->insts_len, -len, 1);
    int rc = split_at(p, start, 1, len + 2);
    if (rc < 0)
        return rc;
    return append(p, (struct pattern_inst){.op = PATTERN_JUMP, .to = {-(len + 1), 0}});
}

/* min..max copies of the block that begins at `start`; those beyond min may be left out from any
 * one on, to the common end. */
static int copy_block(struct parser *p, size_t start, uint32_t min, uint32_t max)
{
    struct pattern *pattern = p->pattern;
    size_t len = pattern->insts_len - start;
    uint32_t copies = max == PATTERN_ENDLESS ? (min > 0 ? min : 1) : max;
    if (copies > 0 && len + 1 > (PATTERN_INSTS_MAX - start) / copies)
        return fail_unsupported(p, "a program of this size");
    AUTO_FREE char *memory = mem_copy(pattern->insts + start, len * sizeof *pattern->insts);
    const struct pattern_inst *block = (const void *) memory;
    pattern->insts_len = start;
    size_t last = start;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < copies; i++) {
        size_t left = (copies - i) * (len + 1);
        if (i >= min && max != PATTERN_ENDLESS)
            rc = split_at(p, pattern->insts_len, 1, (int32_t) left);
        last = pattern->insts_len;
        if (rc == 0)
            rc = append_block(p, block, len);
    }
    if (rc < 0 || max != PATTERN_ENDLESS)
        return rc;
    return loop_block(p, last, min == 0);
}

static void count_char(struct parser *p, struct pattern_inst *inst, uint32_t min, uint32_t max)
{
    if (inst->op == PATTERN_CHAR) {
        struct pattern_set set = {0};
        pattern_set_add(&set, inst->min, inst->min);
        pattern_set_close(&set, false, false);
        inst->set = add_set(p, &set);
    }
    inst->op = PATTERN_COUNT;
    inst->min = min;
    inst->max = max;
}

static int repeat(struct parser *p, size_t start, uint32_t min, uint32_t max)
{
    struct pattern *pattern = p->pattern;
    size_t len = pattern->insts_len - start;
    if (max == 0)
        pattern->insts_len = start;
    if (len == 0 || max == 0 || (min == 1 && max == 1))
        return 0;
    struct pattern_inst *first = &pattern->insts[start];
    bool is_char = len == 1 && (first->op == PATTERN_CHAR || first->op == PATTERN_SET);
    bool is_small = min <= 1 && (max == 1 || max == PATTERN_ENDLESS);
    if (!is_char || is_small)
        return copy_block(p, start, min, max);
    count_char(p, first, min, max);
    return 0;
}

static int parse_quantifier(struct parser *p, size_t start)
{
    uint32_t min = 0, max = PATTERN_ENDLESS;
    int rc = 0;
    if (take(p, STR("+")))
        min = 1;
    else if (take(p, STR("?")))
        max = 1;
    else if (take(p, STR("{")))
        rc = take_counts(p, &min, &max);
    else if (!take(p, STR("*")))
        return 0;
    if (rc < 0)
        return rc;
    if (peek(p) == '+')
        return fail_unsupported(p, "a possessive quantifier");
    (void) take(p, STR("?")); /* lazy: the same texts match */
    return repeat(p, start, min, max);
}

static int parse_sequence(struct parser *p)
{
    while (p->rest.len > 0 && peek(p) != '|' && peek(p) != ')') {
        size_t start = p->pattern->insts_len;
        int rc = parse_atom(p);
        if (rc == 0)
            rc = parse_quantifier(p, start);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The jumps that end the branches are chained through their own targets until the end is known; 0
 * ends the chain, since no such jump stands at the very beginning. */
static int parse_alternation(struct parser *p)
{
    size_t chain = 0;
    for (;;) {
        size_t start = p->pattern->insts_len;
        int rc = parse_sequence(p);
        if (rc < 0)
            return rc;
        if (!take(p, STR("|")))
            break;
        size_t len = p->pattern->insts_len - start;
        rc = split_at(p, start, 1, (int32_t) len + 2);
        if (rc == 0)
            rc = append(p, (struct pattern_inst){.op = PATTERN_JUMP, .to = {(int32_t) chain, 0}});
        if (rc < 0)
            return rc;
        chain = p->pattern->insts_len - 1;
    }
    while (chain != 0) {
        struct pattern_inst *jump = &p->pattern->insts[chain];
        size_t next = (size_t) jump->to[0];
        jump->to[0] = (int32_t) (p->pattern->insts_len - chain);
        chain = next;
    }
    return 0;
}

static int number_counters(struct parser *p)
{
    struct pattern *pattern = p->pattern;
    for (size_t i = 0; i < pattern->insts_len; i++) {
        struct pattern_inst *inst = &pattern->insts[i];
        if (inst->op != PATTERN_COUNT)
            continue;
        if (pattern_counter_cap(inst) > PATTERN_SLOTS_MAX - pattern->slots_len)
            return fail_unsupported(p, "a repetition this long");
        inst->counter = (uint16_t) pattern->counters_len++;
        pattern->slots_len += pattern_counter_cap(inst);
    }
    return 0;
}

int pattern_parse(struct pattern *pattern, struct str source, struct err *err)
{
    struct parser p = {.pattern = pattern, .rest = source, .err = err};
    if (source.len > PATTERN_INSTS_MAX)
        return fail_unsupported(&p, "a text of this length");
    p.ignores_case = take(&p, STR("(?i)"));
    p.dot_is_all = take(&p, STR("(?s)"));
    int rc = parse_alternation(&p);
    if (rc < 0)
        return rc;
    if (p.rest.len > 0)
        return fail_broken(&p, "unopened group");
    rc = append(&p, (struct pattern_inst){.op = PATTERN_MATCH});
    return rc < 0 ? rc : number_counters(&p);
}
