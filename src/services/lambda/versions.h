#pragma once
/* Versions and the names for them, as loops and operations see them. */
#include "services/lambda/db_aliases.h"
#include "services/lambda/lambda_int.h"

/* An alias as the loops see it. */
struct alias_spec {
    struct snapshot snapshot; /* first */
    char version[24], other[24];
    uint64_t other_ppb; /* of ALIAS_PPB calls, so many go to the other version */
};
struct alias_spec *alias_spec_new(const struct alias_row *row);

/* What the qualifier (ptr NULL: none) of a function means on this loop; an alias of two versions
 * draws one of them. Borrowed until the caller returns to the loop; NULL: there is no such version
 * or alias. thread: the loop's. */
struct lambda_spec *version_find(struct lambda_state *state, size_t loop, struct str arn,
                                 struct str qualifier);

/* What a version published with SnapStart can do; all else is ACTIVE. */
enum version_state { VERSION_ACTIVE, VERSION_PENDING, VERSION_FAILED };
/* arn: without the version. out_status: of its snapshot. thread: any. */
enum version_state version_snap_start(const struct lambda_state *state, struct str arn,
                                      struct str version, int64_t published_at_ms,
                                      uint32_t timeout_ms, int64_t now_ms,
                                      struct snapshot_status *out_status);

/* "$LATEST" and numbers as text; other strings are names of aliases. */
struct str version_format(struct arena *arena, int64_t version);
/* -EINVAL: neither a number nor "$LATEST". */
CHECK_RESULT int version_parse(struct str text, int64_t *out_version);
/* The key of the loops' directory: the ARN, and behind $LATEST's the number. */
struct str version_key(struct arena *arena, struct str arn, int64_t version);

/* Makes a version of $LATEST, or finds the last one when nothing has changed since. Both rows are
 * written. revision_id: for the new one. description.ptr NULL: $LATEST's. */
CHECK_RESULT int version_publish(struct op *op, struct lambda_row *latest, struct str revision_id,
                                 struct str description, struct lambda_row *out_row);
