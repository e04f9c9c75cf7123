#pragma once
/* One HTTP header field, as net parses it and aws reads it. */
#include "base/str.h"

struct http_header {
    struct str name, value; /* value trimmed */
};
