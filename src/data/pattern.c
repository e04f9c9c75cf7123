/* Running a pattern's program: all ways through it at once, one code point after the other
 * (K. Thompson, "Regular Expression Search Algorithm", 1968; R. Cox, "Regular Expression Matching:
 * the Virtual Machine Approach"). The time is at most the length of the text times the length of
 * the program, whatever both say, and the memory is known beforehand.
 *
 * The state is the list of instructions that wait for the next code point. A COUNT instruction
 * (`[a-z]{3,63}`) stands for many states at once: it keeps the positions at which it was entered,
 * as a ring, oldest first; its counts are the distances from there. All grow together, so one step
 * is: the code point is in the set, or all entries go; entries beyond max go; of the entries that
 * have reached min only the youngest stays, since it can do everything that the older ones can, and
 * for longer. The ring thus holds at most min + 1 entries, even for {1,100000}.
 *
 * thread: a built pattern is read only; all state of a run is on its own stack or heap. */
#include "data/pattern_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "data/utf8.h"

#include <errno.h>
#include <stdalign.h>

struct counter {
    size_t *ring; /* positions of entry */
    size_t head, len, cap;
    size_t listed; /* generation in which it is on the list */
};

/* Positions count code points. The generation is the position + 1, so that 0 means never. */
struct run {
    const struct pattern *pattern;
    struct str rest;
    size_t at;
    bool is_after_word; /* the code point before `rest` is a letter, digit or '_' */
    size_t *marks;      /* per instruction: the generation in which it was reached */
    struct counter *counters;
    uint16_t *list, *next, *stack;
    size_t list_len, next_len, stack_len;
    size_t matched; /* generation in which the program came to its end */
};

enum { RUN_STACK_SIZE = 8 * 1024 };

int pattern_new(struct str source, struct pattern **out_pattern, struct err *err)
{
    struct pattern *pattern = NEW(struct pattern);
    int rc = pattern_parse(pattern, source, err);
    if (rc < 0) {
        pattern_free(pattern);
        return rc;
    }
    *out_pattern = pattern;
    return 0;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern == NULL)
        return;
    for (size_t i = 0; i < pattern->sets_len; i++)
        free(pattern->sets[i].ranges);
    free(pattern->sets);
    free(pattern->insts);
    free(pattern);
}

static void counter_prune(const struct run *run, const struct pattern_inst *inst,
                          struct counter *counter)
{
    while (counter->len > 0 && inst->max != PATTERN_ENDLESS &&
           run->at - counter->ring[counter->head] > inst->max) {
        counter->head = (counter->head + 1) % counter->cap;
        counter->len--;
    }
    while (counter->len > 1 &&
           run->at - counter->ring[(counter->head + 1) % counter->cap] >= inst->min) {
        counter->head = (counter->head + 1) % counter->cap;
        counter->len--;
    }
}

static void counter_list(struct run *run, size_t pc, struct counter *counter)
{
    if (counter->listed == run->at + 1)
        return;
    counter->listed = run->at + 1;
    run->next[run->next_len++] = (uint16_t) pc;
}

static void counter_enter(struct run *run, size_t pc)
{
    const struct pattern_inst *inst = &run->pattern->insts[pc];
    struct counter *counter = &run->counters[inst->counter];
    assert(counter->len < counter->cap);
    counter->ring[(counter->head + counter->len) % counter->cap] = run->at;
    counter->len++;
    counter_prune(run, inst, counter);
    counter_list(run, pc, counter);
}

/* `$`: the end, or before the one line terminator that ends the text. */
static bool is_at_end(struct str rest)
{
    static const char *const terminators[] = {"",         "\n",           "\r\n",        "\r",
                                              "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"};
    for (size_t i = 0; i < ARRAY_LEN(terminators); i++)
        if (str_eq(rest, str_from(terminators[i])))
            return true;
    return false;
}

/* Whether s begins with what \b takes for a part of a word: ASCII, as in Java 19 and later. */
static bool is_word(struct str s)
{
    char c = s.len > 0 ? s.ptr[0] : '\0';
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void push(struct run *run, size_t pc)
{
    if (run->marks[pc] == run->at + 1)
        return;
    run->marks[pc] = run->at + 1;
    run->stack[run->stack_len++] = (uint16_t) pc;
}

/* Follows everything that needs no code point from `pc` on; what waits for one goes to `next`. */
static void reach(struct run *run, size_t pc)
{
    push(run, pc);
    while (run->stack_len > 0) {
        pc = run->stack[--run->stack_len];
        const struct pattern_inst *inst = &run->pattern->insts[pc];
        switch (inst->op) {
        case PATTERN_CHAR:
        case PATTERN_SET: run->next[run->next_len++] = (uint16_t) pc; break;
        case PATTERN_COUNT:
            counter_enter(run, pc);
            if (inst->min == 0)
                push(run, pc + 1);
            break;
        case PATTERN_SPLIT:
            push(run, pc + (size_t) inst->to[1]);
            push(run, pc + (size_t) inst->to[0]);
            break;
        case PATTERN_JUMP: push(run, pc + (size_t) inst->to[0]); break;
        case PATTERN_BEGIN:
            if (run->at == 0)
                push(run, pc + 1);
            break;
        case PATTERN_END:
            if (is_at_end(run->rest))
                push(run, pc + 1);
            break;
        case PATTERN_EDGE:
            if (run->is_after_word != is_word(run->rest))
                push(run, pc + 1);
            break;
        case PATTERN_MATCH: run->matched = run->at + 1; break;
        }
    }
}

static void swap_lists(struct run *run)
{
    uint16_t *list = run->list;
    run->list = run->next;
    run->list_len = run->next_len;
    run->next = list;
    run->next_len = 0;
}

/* Counters step before anything is entered anew, or a new entry would be counted at once. */
static void step_counters(struct run *run, uint32_t cp)
{
    for (size_t i = 0; i < run->list_len; i++) {
        const struct pattern_inst *inst = &run->pattern->insts[run->list[i]];
        if (inst->op != PATTERN_COUNT)
            continue;
        struct counter *counter = &run->counters[inst->counter];
        if (!pattern_set_has(&run->pattern->sets[inst->set], cp))
            counter->len = 0;
        counter_prune(run, inst, counter);
        if (counter->len > 0)
            counter_list(run, run->list[i], counter);
    }
}

static bool goes_on(const struct run *run, const struct pattern_inst *inst, uint32_t cp)
{
    switch (inst->op) {
    case PATTERN_CHAR: return inst->min == cp;
    case PATTERN_SET: return pattern_set_has(&run->pattern->sets[inst->set], cp);
    case PATTERN_COUNT: {
        const struct counter *counter = &run->counters[inst->counter];
        return counter->len > 0 && run->at - counter->ring[counter->head] >= inst->min;
    }
    case PATTERN_SPLIT:
    case PATTERN_JUMP:
    case PATTERN_BEGIN:
    case PATTERN_END:
    case PATTERN_EDGE:
    case PATTERN_MATCH: break;
    }
    return false;
}

/* Takes one code point; false when the text is not UTF-8. */
static bool step(struct run *run)
{
    uint32_t cp;
    size_t n = utf8_next(run->rest, &cp);
    if (n == 0)
        return false;
    run->is_after_word = is_word(run->rest);
    run->rest = str_skip(run->rest, n);
    run->at++;
    swap_lists(run);
    step_counters(run, cp);
    for (size_t i = 0; i < run->list_len; i++)
        if (goes_on(run, &run->pattern->insts[run->list[i]], cp))
            reach(run, run->list[i] + 1U);
    return true;
}

static bool run_to_end(struct run *run)
{
    reach(run, 0);
    while (run->rest.len > 0) {
        if (run->next_len == 0 || !step(run))
            return false;
    }
    return run->matched == run->at + 1;
}

static size_t run_size(const struct pattern *pattern)
{
    return pattern->counters_len * sizeof(struct counter) +
           (pattern->slots_len + pattern->insts_len) * sizeof(size_t) +
           3 * pattern->insts_len * sizeof(uint16_t);
}

/* Divides memory of run_size() bytes, the marks of which are zero. */
static void run_init(struct run *run, const struct pattern *pattern, struct str text, void *memory)
{
    *run = (struct run){.pattern = pattern, .rest = text, .counters = memory};
    run->marks = (size_t *) (void *) (run->counters + pattern->counters_len);
    size_t *slots = run->marks + pattern->insts_len;
    run->list = (uint16_t *) (void *) (slots + pattern->slots_len);
    run->next = run->list + pattern->insts_len;
    run->stack = run->next + pattern->insts_len;
    memset(run->marks, 0, pattern->insts_len * sizeof *run->marks);
    for (size_t i = 0; pattern->counters_len > 0 && i < pattern->insts_len; i++) {
        const struct pattern_inst *inst = &pattern->insts[i];
        if (inst->op != PATTERN_COUNT)
            continue;
        size_t cap = pattern_counter_cap(inst);
        run->counters[inst->counter] = (struct counter){.ring = slots, .cap = cap};
        slots += cap;
    }
}

bool pattern_matches(const struct pattern *pattern, struct str text)
{
    static_assert(alignof(struct counter) <= alignof(max_align_t), "counters come first");
    alignas(max_align_t) char small[RUN_STACK_SIZE];
    size_t size = run_size(pattern);
    AUTO_FREE void *large = size > sizeof small ? mem_new(size) : NULL;
    struct run run;
    run_init(&run, pattern, text, large != NULL ? large : small);
    return run_to_end(&run);
}
