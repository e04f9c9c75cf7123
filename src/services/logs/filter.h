#pragma once
/* The filter pattern language of CloudWatch Logs: which log events does a pattern mean?
 *
 *     filter_new(pattern, &filter, &err)      once per request
 *     filter_matches(filter, message)         for each event
 *
 * thread: one owner; matching uses memory inside the filter. The time of a match is linear in the
 * message, times the number of conditions. source: AWS CloudWatch Logs user guide, "Filter pattern
 * syntax for metric filters, subscription filters, filter log events, and Live Tail". */
#include "base/err.h"
#include "base/str.h"

enum {
    FILTER_PATTERN_MAX = 1024, /* bytes, as the API model says */
    FILTER_REGEX_MAX = 2,      /* regular expressions of one pattern: AWS's quota */
};

struct filter;

/* owner: the caller owns *out_filter; pattern is not kept.
 * errors: -EINVAL, and err->text is what AWS would answer. */
CHECK_RESULT int filter_new(struct str pattern, struct filter **out_filter, struct err *err);
void filter_free(struct filter *filter); /* NULL is fine */
/* False as well for a JSON pattern and a message that is not JSON. */
bool filter_matches(struct filter *filter, struct str message);
