#pragma once
/* What the files of the logs service share. */
#include "core/op.h"
#include "gen/logs.h"
#include "services/logs/db.h"
#include "services/logs/logs.h"
#include "services/logs/messages.h"
#include "services/logs/rules.h"
#include "store/db.h"

#include <errno.h>

struct logs_state {
    const struct clock *clock; /* borrowed, life of the process */
    int64_t expired_id;        /* actor: the group whose old events were removed last */
};

/* Find what a request names, or set the fault. */
CHECK_RESULT int logs_open_group(struct op *op, struct str name, struct logs_group *out_group);
CHECK_RESULT int logs_open_stream(struct op *op, const struct logs_group *group, struct str name,
                                  struct logs_stream *out_stream);
/* A failed call of db.h: ours, not the client's. */
CHECK_RESULT int logs_fail_db(struct op *op, struct err *err);
/* A step of removing what nobody can see any more: what deleted groups left, then the expired
 * events of one group after the other. Called by what writes, so that removal keeps pace with it.
 * thread: actor, inside its transaction. */
CHECK_RESULT int logs_tidy(struct logs_state *state, struct db *db, int64_t now_ms,
                           struct err *err);
/* service_op.run that ends with logs_tidy. */
CHECK_RESULT int logs_end_write(struct op *op);

int logs_run_CreateLogGroup(struct op *op, const void *in, void *out);
int logs_run_DeleteLogGroup(struct op *op, const void *in, void *out);
int logs_run_DescribeLogGroups(struct op *op, const void *in, void *out);
int logs_run_ListLogGroups(struct op *op, const void *in, void *out);
int logs_run_PutRetentionPolicy(struct op *op, const void *in, void *out);
int logs_run_DeleteRetentionPolicy(struct op *op, const void *in, void *out);
int logs_run_CreateLogStream(struct op *op, const void *in, void *out);
int logs_run_DeleteLogStream(struct op *op, const void *in, void *out);
int logs_run_DescribeLogStreams(struct op *op, const void *in, void *out);
int logs_run_PutLogEvents(struct op *op, const void *in, void *out);
int logs_run_GetLogEvents(struct op *op, const void *in, void *out);
int logs_run_FilterLogEvents(struct op *op, const void *in, void *out);
int logs_run_TagLogGroup(struct op *op, const void *in, void *out);
int logs_run_UntagLogGroup(struct op *op, const void *in, void *out);
int logs_run_ListTagsLogGroup(struct op *op, const void *in, void *out);
int logs_run_TagResource(struct op *op, const void *in, void *out);
int logs_run_UntagResource(struct op *op, const void *in, void *out);
int logs_run_ListTagsForResource(struct op *op, const void *in, void *out);
