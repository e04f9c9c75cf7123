#pragma once
/* What GetCallerIdentity says about a caller. thread: any. */
#include "core/op.h"

struct sts_identity {
    struct str user_id, account, arn;
};

/* From the caller's principal; without one, the account's root. -E2BIG: the arena is full. */
CHECK_RESULT int sts_identify(struct arena *arena, const struct op_caller *caller,
                              struct sts_identity *out_identity);
