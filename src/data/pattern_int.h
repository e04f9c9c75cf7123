#pragma once
/* The program of a pattern: written by pattern_parse.c, run by pattern.c. All jumps are relative to
 * their own instruction, so a block of instructions may be moved and copied. */
#include "data/pattern.h"

enum pattern_op {
    PATTERN_CHAR,  /* one code point, `min` */
    PATTERN_SET,   /* one code point of sets[set] */
    PATTERN_COUNT, /* min..max code points of sets[set]; has a counter */
    PATTERN_SPLIT, /* both to[0] and to[1] */
    PATTERN_JUMP,  /* to[0] */
    PATTERN_BEGIN, /* holds at the start of the text */
    PATTERN_END,   /* holds at its end, or before a line terminator that ends it */
    PATTERN_EDGE,  /* holds between a word character and another */
    PATTERN_MATCH,
};

struct pattern_inst {
    enum pattern_op op;
    uint16_t set, counter;
    int32_t to[2];
    uint32_t min, max;
};

struct pattern_range {
    uint32_t low, high; /* both inclusive */
};

/* A set of code points. ASCII is one bit each, negation already applied; the others are given by
 * ranges and categories, negated as a whole. */
struct pattern_set {
    uint64_t ascii[2];
    struct pattern_range *ranges; /* owned */
    size_t ranges_len;
    unsigned categories; /* bits of enum unicode_category */
    bool is_negated;
};

struct pattern {
    struct pattern_inst *insts; /* owned */
    size_t insts_len;
    struct pattern_set *sets; /* owned */
    size_t sets_len;
    size_t counters_len;
    size_t slots_len; /* of all counters' rings, see pattern_counter_cap */
};

enum {
    PATTERN_INSTS_MAX = 16 * 1024,
    PATTERN_SLOTS_MAX = 64 * 1024,
    PATTERN_GROUPS_MAX = 32, /* open at once */
};

#define PATTERN_ENDLESS UINT32_MAX /* as `max`: no upper bound */

/* Entries of a counter's ring: at most one that has reached min, min younger ones, and one more
 * while it is being added. */
static inline size_t pattern_counter_cap(const struct pattern_inst *inst)
{
    return (size_t) inst->min + 2;
}

/* Fills the empty *pattern; on failure what is in it is the caller's to free.
 * errors: -EINVAL broken, -ENOTSUP outside the subset or too large. */
CHECK_RESULT int pattern_parse(struct pattern *pattern, struct str source, struct err *err);

/* pattern_set.c: sets are built from an all-zero one by adding, then closed. */
void pattern_set_add(struct pattern_set *set, uint32_t low, uint32_t high);
void pattern_set_add_categories(struct pattern_set *set, unsigned categories);
/* \d \w \s and their capital complements. False when c is none of them. */
bool pattern_set_add_shorthand(struct pattern_set *set, char c);
/* The NAME of \p{NAME}, complemented for \P. False when unknown. */
bool pattern_set_add_property(struct pattern_set *set, struct str name, bool is_complement);
void pattern_set_close(struct pattern_set *set, bool is_negated, bool ignores_case);
bool pattern_set_has(const struct pattern_set *set, uint32_t cp);
