#pragma once
/* A parsed filter pattern: built by filter_parse.c, run by filter.c. Strings lie in the filter's
 * arena; nodes of the expression refer to each other by index. */
#include "base/arena.h"
#include "data/json.h"
#include "services/logs/filter.h"

struct pattern;

enum filter_kind { FILTER_ALL, FILTER_TERMS, FILTER_JSON, FILTER_COLUMNS };

enum filter_sign { FILTER_REQUIRED, FILTER_OPTIONAL, FILTER_EXCLUDED };

struct filter_term {
    enum filter_sign sign;
    struct str text;
    const struct pattern *regex; /* NULL: text */
};

enum filter_op {
    FILTER_EQ,
    FILTER_NE,
    FILTER_LT,
    FILTER_LE,
    FILTER_GT,
    FILTER_GE,
    FILTER_IS_NULL,
    FILTER_IS_TRUE,
    FILTER_IS_FALSE,
    FILTER_EXISTS,
    FILTER_NOT_EXISTS,
};

/* The right-hand side of a comparison. */
struct filter_value {
    struct str text;            /* without the asterisks at its ends */
    bool any_before, any_after; /* there was one */
    bool has_number;            /* bare text that is a number, without asterisks */
    double number;
    const struct pattern *regex; /* NULL: text */
};

struct filter_step { /* of a JSON selector */
    struct str key;  /* ptr NULL: an index */
    uint32_t index;
    bool is_any; /* [*] */
};

enum filter_node_kind { FILTER_AND, FILTER_OR, FILTER_TEST };

struct filter_node {
    enum filter_node_kind kind;
    uint16_t left, right; /* of AND and OR */
    enum filter_op op;    /* of TEST, and what follows */
    struct filter_value value;
    uint16_t column; /* FILTER_COLUMNS */
    const struct filter_step *steps;
    size_t step_count;
};

enum { FILTER_NO_NODE = UINT16_MAX };

struct filter_column {
    struct str name;
    bool is_rest;     /* "...": any number of fields */
    uint16_t node;    /* FILTER_NO_NODE: no condition */
    struct str field; /* of the message being matched */
};

struct filter {
    enum filter_kind kind;
    struct arena arena;   /* all that was parsed */
    struct arena scratch; /* strings of the message being matched */
    struct filter_term *terms;
    size_t term_count;
    bool has_firm_term; /* some term is not optional: optional ones then say nothing */
    struct filter_column *columns;
    size_t column_count;
    struct filter_node *nodes;
    size_t node_count;
    uint16_t root;                             /* FILTER_JSON */
    struct pattern *regexes[FILTER_REGEX_MAX]; /* owned */
    size_t regex_count;
};

/* Fills the filter, which is empty but for its arenas. errors: as filter_new. */
CHECK_RESULT int filter_parse(struct filter *filter, struct str pattern, struct err *err);
/* A number as the pattern language and JSON write it; false for anything else, and for numbers of
 * more than 60 characters. */
bool filter_number(struct str text, double *out_value);
