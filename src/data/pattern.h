#pragma once
/* Regular expressions of the API models (Java dialect, the subset that the models use), compiled to
 * a program that runs in time linear in the text (Thompson), so no pattern or text can hang. The
 * whole text must match. Programs are built once and read by any thread. */
#include "base/err.h"
#include "base/str.h"

struct pattern;

/* thread: any.  owner: the caller owns *out_pattern; source is not kept.
 * errors: -EINVAL not a regular expression; -ENOTSUP a construct that the subset does not have
 * (look-around, back references, possessive quantifiers, nested classes) or a program that is too
 * large; err names it. */
CHECK_RESULT int pattern_new(struct str source, struct pattern **out_pattern, struct err *err);
void pattern_free(struct pattern *pattern);
/* False as well for a text that is not UTF-8. */
bool pattern_matches(const struct pattern *pattern, struct str text);
