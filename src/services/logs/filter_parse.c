/* Filter patterns: text to tables.
 *
 *     pattern     ''  |  terms  |  '{' expression '}'  |  '[' column (',' column)* ']'
 *     terms       (('-' | '?')? term)+             term: word, "phrase", %regex%
 *     expression  and ('||' and)*                  and: primary ('&&' primary)*
 *     primary     '(' expression ')'  |  operand operator value  |  selector 'NOT' 'EXISTS'
 *                 |  selector 'IS' ('NULL' | 'TRUE' | 'FALSE')
 *     operand     selector: '$' ('.' name | '[' number ']' | '[' '*' ']')*   in { }
 *                 column name                                               in [ ]
 *     operator    = != < <= > >=
 *     value       word, number, "text", either with '*' at its ends; %regex%
 *     column      '...'  |  name  |  nothing  |  expression over this one name
 *
 * The nesting of parentheses is bounded, everything else by the length of the pattern. Texts of
 * errors are AWS's where public sources show them ("Invalid character(s) in term '%s'", "If a
 * filter pattern starts with '{' it must end with '}'", "Invalid filter pattern").
 * thread: any, one filter at a time. */
#include "services/logs/filter_int.h"

#include "base/assert.h"
#include "data/pattern.h"

#include <errno.h>

enum {
    PARENTHESES_MAX = 32,
    NODES_MAX = FILTER_PATTERN_MAX, /* each costs at least one byte */
    STEPS_MAX = 64,                 /* of one selector */
};

struct parser {
    struct filter *filter; /* borrowed; grows */
    struct str rest;       /* not yet read */
    unsigned open;         /* parentheses */
    uint16_t column;       /* FILTER_COLUMNS: the one being parsed */
    struct err *err;
};

static int fail_broken(struct parser *p)
{
    return err_say(p->err, -EINVAL, "Invalid filter pattern");
}

static int fail_term(struct parser *p, struct str term)
{
    return err_say(p->err, -EINVAL, "Invalid character(s) in term '" STR_FMT "'",
                   STR_ARG(str_head(term, 120)));
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char peek(const struct parser *p)
{
    return p->rest.len > 0 ? p->rest.ptr[0] : '\0';
}

static void skip(struct parser *p, size_t n)
{
    p->rest = str_skip(p->rest, n);
}

static void skip_blanks(struct parser *p)
{
    while (is_blank(peek(p)))
        skip(p, 1);
}

static bool take(struct parser *p, const char *text)
{
    if (!str_starts(p->rest, str_from(text)))
        return false;
    skip(p, strlen(text));
    return true;
}

/* A word of the language, in either case, with nothing that would continue it. */
static bool take_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);
    if (!str_starts_nocase(p->rest, str_from(word)) ||
        (p->rest.len > len && is_alnum(p->rest.ptr[len])))
        return false;
    skip(p, len);
    skip_blanks(p);
    return true;
}

bool filter_number(struct str text, double *out_value)
{
    enum { NUMBER_MAX = 60 };
    char copy[NUMBER_MAX + 1];
    size_t at = text.len > 0 && (text.ptr[0] == '+' || text.ptr[0] == '-') ? 1 : 0, digits = 0;
    if (text.len > NUMBER_MAX)
        return false;
    for (bool has_point = false; at < text.len; at++) {
        if (is_digit(text.ptr[at]))
            digits++;
        else if (text.ptr[at] == '.' && !has_point)
            has_point = true;
        else
            break;
    }
    if (digits == 0)
        return false;
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        if (at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-'))
            at++;
        if (at == text.len)
            return false;
        while (at < text.len && is_digit(text.ptr[at]))
            at++;
    }
    if (at < text.len)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out_value = strtod(copy, NULL); /* the process keeps the C locale */
    return true;
}

/* --- values --------------------------------------------------------------------------------- */

/* Behind the opening quote: up to the closing one; \" and \\ stand for the character. */
static int take_quoted(struct parser *p, struct str *out_text)
{
    char *to = arena_try(&p->filter->arena, p->rest.len + 1);
    assert(to != NULL); /* The arena is sized by FILTER_PATTERN_MAX. */
    size_t len = 0;
    while (p->rest.len > 0 && peek(p) != '"') {
        bool is_escape =
            p->rest.len > 1 && peek(p) == '\\' && (p->rest.ptr[1] == '"' || p->rest.ptr[1] == '\\');
        skip(p, is_escape ? 1 : 0);
        to[len++] = peek(p);
        skip(p, 1);
    }
    if (!take(p, "\""))
        return fail_broken(p);
    *out_text = str_of(to, len);
    return 0;
}

/* AWS's list of what a regular expression may hold; parentheses and everything that is more than
 * one byte are not in it. */
static bool is_regex_char(char c)
{
    static const char allowed[] = ":_#=@/;,-^$?[]{}|\\*+.";
    return is_alnum(c) || (c != '\0' && memchr(allowed, c, sizeof allowed - 1) != NULL);
}

/* Behind the opening '%'. A match anywhere in the text counts, so the expression is wrapped. */
static int take_regex(struct parser *p, const struct pattern **out_regex)
{
    struct filter *filter = p->filter;
    size_t end = str_find(p->rest, '%');
    struct str source = str_head(p->rest, end);
    if (end == p->rest.len || source.len == 0 || filter->regex_count == FILTER_REGEX_MAX)
        return fail_broken(p);
    for (size_t i = 0; i < source.len; i++) {
        if (!is_regex_char(source.ptr[i]))
            return fail_term(p, str_of(source.ptr - 1, source.len + 2));
    }
    skip(p, end + 1);
    struct str wrapped =
        arena_printf(&filter->arena, "[\\s\\S]*(?:" STR_FMT ")[\\s\\S]*", STR_ARG(source));
    assert(wrapped.ptr != NULL);
    struct pattern *regex;
    if (pattern_new(wrapped, &regex, NULL) < 0)
        return fail_broken(p);
    filter->regexes[filter->regex_count++] = regex;
    *out_regex = regex;
    return 0;
}

/* A value without quotes ends before what continues the expression. */
static struct str take_bare(struct parser *p)
{
    const char *ends = p->filter->kind == FILTER_COLUMNS ? "()&|,]" : "()&|}";
    size_t len = 0;
    while (len < p->rest.len && !is_blank(p->rest.ptr[len]) &&
           memchr(ends, p->rest.ptr[len], strlen(ends)) == NULL)
        len++;
    struct str text = str_head(p->rest, len);
    skip(p, len);
    return text;
}

static bool is_bare_char(char c)
{
    static const char allowed[] = "_.*-+:/@#$~?";
    return is_alnum(c) || (c != '\0' && memchr(allowed, c, sizeof allowed - 1) != NULL);
}

/* Takes the asterisks off both ends; those inside mean themselves. */
static void trim_asterisks(struct filter_value *value)
{
    struct str text = value->text;
    value->any_before = text.len > 0 && text.ptr[0] == '*';
    if (value->any_before)
        text = str_skip(text, 1);
    value->any_after = text.len > 0 && text.ptr[text.len - 1] == '*';
    if (value->any_after)
        text = str_head(text, text.len - 1);
    value->text = text;
}

static int take_value(struct parser *p, struct filter_value *out_value)
{
    struct filter_value value = {0};
    skip_blanks(p);
    if (take(p, "%")) {
        int rc = take_regex(p, &value.regex);
        *out_value = value;
        return rc;
    }
    if (take(p, "\"")) {
        int rc = take_quoted(p, &value.text);
        if (rc < 0)
            return rc;
    } else {
        value.text = take_bare(p);
        for (size_t i = 0; i < value.text.len; i++) {
            if (!is_bare_char(value.text.ptr[i]))
                return fail_term(p, value.text);
        }
        if (value.text.len == 0)
            return fail_broken(p);
        value.has_number = filter_number(value.text, &value.number);
    }
    trim_asterisks(&value);
    *out_value = value;
    return 0;
}

/* --- operands ------------------------------------------------------------------------------- */

/* Behind '[': a number, '*', or a quoted name; and the ']'. */
static int take_bracket(struct parser *p, struct filter_step *out_step)
{
    struct filter_step step = {0};
    size_t digits = 0;
    while (digits < p->rest.len && is_digit(p->rest.ptr[digits]))
        digits++;
    uint64_t index;
    if (take(p, "*")) {
        step.is_any = true;
    } else if (take(p, "\"")) {
        int rc = take_quoted(p, &step.key);
        if (rc < 0)
            return rc;
    } else if (parse_u64(str_head(p->rest, digits), UINT32_MAX, &index) == 0) {
        step.index = (uint32_t) index;
        skip(p, digits);
    } else {
        return fail_broken(p);
    }
    if (!take(p, "]"))
        return fail_broken(p);
    *out_step = step;
    return 0;
}

static struct str take_name(struct parser *p)
{
    size_t len = 0;
    while (len < p->rest.len &&
           (is_alnum(p->rest.ptr[len]) || p->rest.ptr[len] == '_' || p->rest.ptr[len] == '-'))
        len++;
    struct str name = str_head(p->rest, len);
    skip(p, len);
    return name;
}

static int take_selector(struct parser *p, struct filter_node *node)
{
    if (!take(p, "$"))
        return fail_broken(p);
    struct filter_step steps[STEPS_MAX];
    size_t count = 0;
    while (peek(p) == '.' || peek(p) == '[') {
        if (count == STEPS_MAX)
            return fail_broken(p);
        struct filter_step *step = &steps[count++];
        bool has_point = take(p, ".");
        if (take(p, "[")) {
            int rc = take_bracket(p, step);
            if (rc < 0)
                return rc;
            continue;
        }
        *step = (struct filter_step){.key = take_name(p)};
        if (!has_point || step->key.len == 0)
            return fail_broken(p);
    }
    struct filter_step *kept = ARENA_ARRAY(&p->filter->arena, struct filter_step, count);
    if (count == 0 || kept == NULL)
        return fail_broken(p);
    memcpy(kept, steps, count * sizeof *steps);
    node->steps = kept;
    node->step_count = count;
    return 0;
}

/* A condition names the column that it stands in. */
static int take_column_name(struct parser *p, struct filter_node *node)
{
    struct filter_column *column = &p->filter->columns[p->column];
    struct str name = take_name(p);
    if (name.len == 0 || (column->name.len > 0 && !str_eq(column->name, name)))
        return fail_broken(p);
    column->name = name;
    node->column = p->column;
    return 0;
}

/* --- expressions ---------------------------------------------------------------------------- */

static int add_node(struct parser *p, const struct filter_node *node, uint16_t *out_at)
{
    struct filter *filter = p->filter;
    if (filter->node_count == NODES_MAX)
        return fail_broken(p);
    filter->nodes[filter->node_count] = *node;
    *out_at = (uint16_t) filter->node_count++;
    return 0;
}

/* IS NULL and its kin, of JSON only. 1: taken. */
static int take_state(struct parser *p, enum filter_op *out_op)
{
    if (p->filter->kind != FILTER_JSON)
        return 0;
    if (take_word(p, "EXISTS")) {
        *out_op = FILTER_EXISTS;
        return 1;
    }
    if (take_word(p, "NOT")) {
        *out_op = FILTER_NOT_EXISTS;
        return take_word(p, "EXISTS") ? 1 : fail_broken(p);
    }
    if (!take_word(p, "IS"))
        return 0;
    if (take_word(p, "NULL"))
        *out_op = FILTER_IS_NULL;
    else if (take_word(p, "TRUE"))
        *out_op = FILTER_IS_TRUE;
    else if (take_word(p, "FALSE"))
        *out_op = FILTER_IS_FALSE;
    else
        return fail_broken(p);
    return 1;
}

static int take_operator(struct parser *p, enum filter_op *out_op)
{
    static const struct {
        const char *text;
        enum filter_op op;
    } operators[] = {{"!=", FILTER_NE}, {"<=", FILTER_LE}, {">=", FILTER_GE},
                     {"=", FILTER_EQ},  {"<", FILTER_LT},  {">", FILTER_GT}};
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (take(p, operators[i].text)) {
            *out_op = operators[i].op;
            return 0;
        }
    }
    return fail_broken(p);
}

static int parse_test(struct parser *p, uint16_t *out_node)
{
    struct filter_node node = {.kind = FILTER_TEST};
    int rc = p->filter->kind == FILTER_JSON ? take_selector(p, &node) : take_column_name(p, &node);
    if (rc < 0)
        return rc;
    skip_blanks(p);
    rc = take_state(p, &node.op);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        rc = take_operator(p, &node.op);
        if (rc == 0)
            rc = take_value(p, &node.value);
        if (rc < 0)
            return rc;
        bool is_order = node.op != FILTER_EQ && node.op != FILTER_NE;
        if (is_order && !node.value.has_number)
            return fail_broken(p);
    }
    skip_blanks(p);
    return add_node(p, &node, out_node);
}

static int parse_or(struct parser *p, uint16_t *out_node);

static int parse_primary(struct parser *p, uint16_t *out_node)
{
    skip_blanks(p);
    if (!take(p, "("))
        return parse_test(p, out_node);
    if (p->open == PARENTHESES_MAX)
        return fail_broken(p);
    p->open++;
    int rc = parse_or(p, out_node);
    p->open--;
    if (rc < 0)
        return rc;
    if (!take(p, ")"))
        return fail_broken(p);
    skip_blanks(p);
    return 0;
}

/* One level of precedence: operands joined by `joint`, grouped from the left. */
static int parse_joined(struct parser *p, const char *joint, enum filter_node_kind kind,
                        int (*operand)(struct parser *p, uint16_t *out_node), uint16_t *out_node)
{
    uint16_t left = 0, right = 0;
    int rc = operand(p, &left);
    while (rc == 0 && take(p, joint)) {
        rc = operand(p, &right);
        struct filter_node node = {.kind = kind, .left = left, .right = right};
        if (rc == 0)
            rc = add_node(p, &node, &left);
    }
    if (rc == 0)
        *out_node = left;
    return rc;
}

static int parse_and(struct parser *p, uint16_t *out_node)
{
    return parse_joined(p, "&&", FILTER_AND, parse_primary, out_node);
}

static int parse_or(struct parser *p, uint16_t *out_node)
{
    return parse_joined(p, "||", FILTER_OR, parse_and, out_node);
}

/* --- the four kinds of pattern -------------------------------------------------------------- */

static int parse_json(struct parser *p)
{
    int rc = parse_or(p, &p->filter->root);
    return rc == 0 && p->rest.len > 0 ? fail_broken(p) : rc;
}

/* True when nothing but a name (or nothing) stands before the next comma. */
static bool take_plain_column(struct parser *p, struct filter_column *column)
{
    struct str before = p->rest;
    column->is_rest = take(p, "...") || take(p, "\xE2\x80\xA6");
    if (!column->is_rest)
        column->name = take_name(p);
    skip_blanks(p);
    if (p->rest.len == 0 || peek(p) == ',')
        return true;
    p->rest = before;
    column->name = STR_NONE;
    return false;
}

static int parse_column(struct parser *p)
{
    struct filter *filter = p->filter;
    p->column = (uint16_t) filter->column_count++;
    struct filter_column *column = &filter->columns[p->column];
    column->node = FILTER_NO_NODE;
    skip_blanks(p);
    if (take_plain_column(p, column))
        return 0;
    return column->is_rest ? fail_broken(p) : parse_or(p, &column->node);
}

static int parse_columns(struct parser *p)
{
    struct filter *filter = p->filter;
    size_t commas = 0, rests = 0;
    for (size_t i = 0; i < p->rest.len; i++)
        commas += p->rest.ptr[i] == ',';
    filter->columns = ARENA_ARRAY(&filter->arena, struct filter_column, commas + 1);
    if (filter->columns == NULL)
        return fail_broken(p);
    do {
        int rc = parse_column(p);
        if (rc < 0)
            return rc;
        rests += filter->columns[filter->column_count - 1].is_rest;
    } while (take(p, ","));
    return rests > 1 || p->rest.len > 0 ? fail_broken(p) : 0;
}

/* A word of letters, digits and '_'; what is beyond ASCII counts as a letter. */
static int take_term_word(struct parser *p, struct str *out_text)
{
    size_t len = 0;
    while (len < p->rest.len && !is_blank(p->rest.ptr[len]))
        len++;
    struct str text = str_head(p->rest, len);
    for (size_t i = 0; i < len; i++) {
        char c = text.ptr[i];
        if (!is_alnum(c) && c != '_' && (unsigned char) c < 0x80)
            return fail_term(p, text);
    }
    skip(p, len);
    *out_text = text;
    return len == 0 ? fail_broken(p) : 0;
}

static int parse_term(struct parser *p, struct filter_term *term)
{
    if (take(p, "-"))
        term->sign = FILTER_EXCLUDED;
    else if (take(p, "?"))
        term->sign = FILTER_OPTIONAL;
    skip_blanks(p);
    if (take(p, "%"))
        return take_regex(p, &term->regex);
    if (!take(p, "\""))
        return take_term_word(p, &term->text);
    int rc = take_quoted(p, &term->text);
    if (rc == 0 && term->text.len == 0)
        return fail_term(p, STR("\"\""));
    return rc;
}

static int parse_terms(struct parser *p)
{
    struct filter *filter = p->filter;
    filter->terms = ARENA_ARRAY(&filter->arena, struct filter_term, p->rest.len);
    if (filter->terms == NULL)
        return fail_broken(p);
    while (p->rest.len > 0) {
        struct filter_term *term = &filter->terms[filter->term_count++];
        int rc = parse_term(p, term);
        if (rc < 0)
            return rc;
        filter->has_firm_term = filter->has_firm_term || term->sign != FILTER_OPTIONAL;
        skip_blanks(p);
    }
    return 0;
}

static struct str trim(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = str_skip(s, 1);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s = str_head(s, s.len - 1);
    return s;
}

/* Takes the braces or brackets off. */
static int unwrap(struct parser *p, enum filter_kind kind, char open, char close)
{
    size_t len = p->rest.len;
    if (len < 2 || p->rest.ptr[len - 1] != close)
        return err_say(p->err, -EINVAL,
                       "If a filter pattern starts with '%c' it must end with '%c'", open, close);
    p->filter->kind = kind;
    p->rest = trim(str_skip(str_head(p->rest, len - 1), 1));
    p->filter->nodes = ARENA_ARRAY(&p->filter->arena, struct filter_node, p->rest.len + 1);
    return p->filter->nodes == NULL ? fail_broken(p) : 0;
}

int filter_parse(struct filter *filter, struct str pattern, struct err *err)
{
    struct parser parser = {.filter = filter, .rest = trim(pattern), .err = err}, *p = &parser;
    if (pattern.len > FILTER_PATTERN_MAX)
        return fail_broken(p);
    if (p->rest.len == 0)
        return 0;                                 /* FILTER_ALL */
    p->rest = arena_str(&filter->arena, p->rest); /* what is parsed are views of it */
    assert(p->rest.ptr != NULL);
    if (peek(p) == '{') {
        int rc = unwrap(p, FILTER_JSON, '{', '}');
        return rc < 0 ? rc : parse_json(p);
    }
    if (peek(p) == '[') {
        int rc = unwrap(p, FILTER_COLUMNS, '[', ']');
        return rc < 0 ? rc : parse_columns(p);
    }
    filter->kind = FILTER_TERMS;
    return parse_terms(p);
}
