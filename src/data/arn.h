#pragma once
/* Amazon Resource Names: arn:partition:service:region:account:resource. */
#include "base/str.h"

struct arn {
    struct str partition, service, region, account, resource;
};

/* Views into text. -EINVAL. */
CHECK_RESULT int arn_parse(struct str text, struct arn *out_arn);
