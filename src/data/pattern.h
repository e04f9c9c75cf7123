#pragma once
/* Regular expressions of the API models (Java dialect, the subset that the models use), compiled to
 * a program that runs in time linear in the text (Thompson), so no pattern or text can hang. The
 * whole text must match. Programs are built once and read by any thread. */
#include "base/err.h"
#include "base/str.h"

struct pattern;

/* -ENOTSUP names a construct that the subset does not have. */
CHECK_RESULT int pattern_new(struct str source, struct pattern **out_pattern, struct err *err);
void pattern_free(struct pattern *pattern);
bool pattern_matches(const struct pattern *pattern, struct str text);
