#pragma once
/* What the REST codecs need of routes. */
#include "base/str.h"

/* The label `name` of the route `uri`, cut out of an encoded path; false when it is not there. */
bool aws_route_label(struct str uri, struct str path, struct str name, struct str *out_value);
