/* Filter patterns: does a message match?
 *
 * terms     Each required term is somewhere in the message, no excluded one is. Optional terms
 *           (?a ?b) count only when they stand alone, then one of them is enough: AWS ignores them
 *           beside others. A term of blanks matches everything.
 * { … }     The message is one JSON text. A comparison holds when the selector leads to a string,
 *           number or boolean that compares so; where it leads to nothing, to null, an object or an
 *           array, no comparison holds, != included ("the filter will not be applied because the
 *           log format doesn't match"). [*] means any element.
 * [ … ]     The message is fields between blanks; what stands between [ ] or " " is one field. The
 *           number of fields is that of the columns, unless one of them is "...".
 *
 * A number without quotes compares by value with what is a number, in JSON or as text; everything
 * else compares by bytes, with '*' at the ends of the value for anything.
 * Each test reads the message from its beginning: messages are short, patterns hold few tests, and
 * no tree is built. Selectors skip what they do not mean without unescaping it.
 * thread: the filter's owner. */
#include "services/logs/filter_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "data/pattern.h"

enum {
    /* Nodes, columns and terms are counted by the bytes of the pattern; see filter_parse.c. */
    ARENA_LIMIT = 1024 * (FILTER_PATTERN_MAX + 16),
    SCRATCH_LIMIT = 4 * 1024 * 1024, /* a message, unescaped, with slack */
};

int filter_new(struct str pattern, struct filter **out_filter, struct err *err)
{
    struct filter *filter = NEW(struct filter);
    arena_init(&filter->arena, ARENA_LIMIT);
    arena_init(&filter->scratch, SCRATCH_LIMIT);
    int rc = filter_parse(filter, pattern, err);
    if (rc < 0) {
        filter_free(filter);
        return rc;
    }
    *out_filter = filter;
    return 0;
}

void filter_free(struct filter *filter)
{
    if (filter == NULL)
        return;
    for (size_t i = 0; i < filter->regex_count; i++)
        pattern_free(filter->regexes[i]);
    arena_done(&filter->arena);
    arena_done(&filter->scratch);
    free(filter);
}

static bool has_text(struct str message, struct str text)
{
    if (text.len > message.len)
        return false;
    return memmem(message.ptr, message.len, text.ptr, text.len) != NULL;
}

/* --- terms ---------------------------------------------------------------------------------- */

static bool term_matches(const struct filter_term *term, struct str message)
{
    if (term->regex != NULL)
        return pattern_matches(term->regex, message);
    return str_trim(term->text).len == 0 || has_text(message, term->text);
}

static bool terms_match(const struct filter *filter, struct str message)
{
    for (size_t i = 0; i < filter->term_count; i++) {
        const struct filter_term *term = &filter->terms[i];
        if (filter->has_firm_term && term->sign == FILTER_OPTIONAL)
            continue;
        bool matches = term_matches(term, message);
        if (term->sign == FILTER_OPTIONAL && matches)
            return true;
        if (term->sign != FILTER_OPTIONAL && matches == (term->sign == FILTER_EXCLUDED))
            return false;
    }
    return filter->has_firm_term;
}

/* --- comparisons ---------------------------------------------------------------------------- */

static bool text_matches(const struct filter_value *value, struct str text)
{
    if (value->regex != NULL)
        return pattern_matches(value->regex, text);
    if (value->any_before && value->any_after)
        return has_text(text, value->text);
    if (value->any_before)
        return str_ends(text, value->text);
    if (value->any_after)
        return str_starts(text, value->text);
    return str_eq(text, value->text);
}

static bool equals(const struct filter_value *value, struct str text)
{
    double number;
    if (value->has_number && filter_number(text, &number))
        return !(number < value->number) && !(number > value->number);
    return text_matches(value, text);
}

static bool compares(const struct filter_node *node, struct str text)
{
    double number;
    if (node->op == FILTER_EQ || node->op == FILTER_NE)
        return equals(&node->value, text) == (node->op == FILTER_EQ);
    if (!filter_number(text, &number))
        return false;
    switch (node->op) {
    case FILTER_LT: return number < node->value.number;
    case FILTER_LE: return number <= node->value.number;
    case FILTER_GT: return number > node->value.number;
    case FILTER_GE: return number >= node->value.number;
    case FILTER_EQ:
    case FILTER_NE:
    case FILTER_IS_NULL:
    case FILTER_IS_TRUE:
    case FILTER_IS_FALSE:
    case FILTER_EXISTS:
    case FILTER_NOT_EXISTS: break;
    }
    return false;
}

/* --- JSON ----------------------------------------------------------------------------------- */

/* The value that a selector leads to; tok is its first token. NOT EXISTS asks for existence here
 * and turns the answer round at the end. */
static bool leaf_matches(const struct filter_node *node, enum json_token tok, struct str text)
{
    switch (node->op) {
    case FILTER_IS_NULL: return tok == JSON_NULL;
    case FILTER_IS_TRUE: return tok == JSON_TRUE;
    case FILTER_IS_FALSE: return tok == JSON_FALSE;
    case FILTER_EXISTS:
    case FILTER_NOT_EXISTS: return true;
    case FILTER_EQ:
    case FILTER_NE:
    case FILTER_LT:
    case FILTER_LE:
    case FILTER_GT:
    case FILTER_GE: break;
    }
    if (tok == JSON_TRUE || tok == JSON_FALSE)
        return compares(node, tok == JSON_TRUE ? STR("true") : STR("false"));
    return (tok == JSON_STRING || tok == JSON_NUMBER) && compares(node, text);
}

static bool value_matches(const struct filter_node *node, struct json_reader *r,
                          enum json_token tok, size_t at);

static bool object_matches(const struct filter_node *node, struct json_reader *r, size_t at)
{
    const struct filter_step *step = &node->steps[at];
    while (json_next(r) == JSON_KEY) {
        bool is_meant = step->key.ptr != NULL && str_eq(r->text, step->key);
        enum json_token tok = json_next(r);
        if (is_meant)
            return value_matches(node, r, tok, at + 1); /* the first of equal keys */
        if (!json_skip(r, tok, NULL))
            return false;
    }
    return false;
}

static bool array_matches(const struct filter_node *node, struct json_reader *r, size_t at)
{
    const struct filter_step *step = &node->steps[at];
    enum json_token tok;
    for (uint32_t i = 0; (tok = json_next(r)) != JSON_ARRAY_END && tok != JSON_ERROR; i++) {
        if (step->is_any) {
            /* value_matches may stop anywhere inside the element: it reads with a copy. */
            struct json_reader copy = *r;
            if (value_matches(node, &copy, tok, at + 1))
                return true;
        } else if (step->key.ptr == NULL && step->index == i) {
            return value_matches(node, r, tok, at + 1);
        }
        if (!json_skip(r, tok, NULL))
            return false;
    }
    return false;
}

/* The value that begins with tok, from step `at` on. Reads as much of it as it needs. */
static bool value_matches(const struct filter_node *node, struct json_reader *r,
                          enum json_token tok, size_t at)
{
    if (at == node->step_count)
        return leaf_matches(node, tok, r->text);
    if (tok == JSON_OBJECT_BEGIN)
        return object_matches(node, r, at);
    return tok == JSON_ARRAY_BEGIN && array_matches(node, r, at);
}

static bool json_matches(struct filter *filter, const struct filter_node *node, struct str message)
{
    struct json_reader reader;
    arena_reset(&filter->scratch);
    json_reader_init(&reader, message, &filter->scratch);
    reader.is_lenient = true; /* a message is whatever a function printed */
    bool matches = value_matches(node, &reader, json_next(&reader), 0);
    return node->op == FILTER_NOT_EXISTS ? !matches : matches;
}

/* --- columns -------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes the next field off *rest; false when there is none. */
static bool take_field(struct str *rest, struct str *out_field)
{
    while (rest->len > 0 && is_blank(rest->ptr[0]))
        *rest = str_skip(*rest, 1);
    if (rest->len == 0)
        return false;
    char first = rest->ptr[0];
    size_t end = 0;
    if (first == '"' || first == '[') {
        end = str_find(str_skip(*rest, 1), first == '"' ? '"' : ']') + 1;
        if (end < rest->len) {
            *out_field = str_skip(str_head(*rest, end), 1);
            *rest = str_skip(*rest, end + 1);
            return true;
        }
        end = 0; /* never closed: a field like any other */
    }
    while (end < rest->len && !is_blank(rest->ptr[end]))
        end++;
    *out_field = str_head(*rest, end);
    *rest = str_skip(*rest, end);
    return true;
}

/* Gives each column its field; false when their numbers do not fit. */
static bool columns_fill(struct filter *filter, struct str message)
{
    size_t fields = 0, before = 0, count = filter->column_count;
    struct str rest = message, field;
    while (take_field(&rest, &field))
        fields++;
    while (before < count && !filter->columns[before].is_rest)
        before++;
    bool has_rest = before < count;
    if (has_rest ? fields < count - 1 : fields != count)
        return false;
    size_t after = has_rest ? count - before - 1 : 0; /* columns behind "..." */
    rest = message;
    for (size_t i = 0; i < fields && take_field(&rest, &field); i++) {
        if (i < before)
            filter->columns[i].field = field;
        else if (i >= fields - after)
            filter->columns[count - (fields - i)].field = field;
    }
    return true;
}

/* --- expressions ---------------------------------------------------------------------------- */

static bool node_matches(struct filter *filter, uint16_t at, struct str message)
{
    const struct filter_node *node = &filter->nodes[at];
    switch (node->kind) {
    case FILTER_AND:
        return node_matches(filter, node->left, message) &&
               node_matches(filter, node->right, message);
    case FILTER_OR:
        return node_matches(filter, node->left, message) ||
               node_matches(filter, node->right, message);
    case FILTER_TEST: break;
    }
    if (filter->kind == FILTER_JSON)
        return json_matches(filter, node, message);
    return compares(node, filter->columns[node->column].field);
}

static bool columns_match(struct filter *filter, struct str message)
{
    if (!columns_fill(filter, message))
        return false;
    for (size_t i = 0; i < filter->column_count; i++) {
        uint16_t node = filter->columns[i].node;
        if (node != FILTER_NO_NODE && !node_matches(filter, node, message))
            return false;
    }
    return true;
}

bool filter_matches(struct filter *filter, struct str message)
{
    switch (filter->kind) {
    case FILTER_ALL: return true;
    case FILTER_TERMS: return terms_match(filter, message);
    case FILTER_COLUMNS: return columns_match(filter, message);
    case FILTER_JSON: break;
    }
    return json_is_valid(message, NULL) && node_matches(filter, filter->root, message);
}
