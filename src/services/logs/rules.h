#pragma once
/* Decisions of the logs service that need no database: what a batch of events may be, what names,
 * ARNs and tokens say. Functions that take an op answer 0, or OP_FAILED with the fault set (AWS's
 * code and words, see messages.h). thread: any, op's owner. */
#include "core/op.h"
#include "gen/logs.h"
#include "services/logs/db.h"

enum {
    LOGS_EVENTS_MAX = 10000,    /* of one PutLogEvents, of one page */
    LOGS_BATCH_BYTES = 1048576, /* messages and LOGS_EVENT_OVERHEAD for each */
    LOGS_EVENT_BYTES = 1048576, /* the same of one event */
    LOGS_PAGE_BYTES = 1048576,  /* of an answer */
    LOGS_REQUEST_MAX = 8 << 20, /* a full batch of characters that JSON escapes */
    LOGS_TAGS_MAX = 50,
    LOGS_DESCRIBE_MAX = 50,
};

/* Which events of a batch are stored: [first, end). The others are told as RejectedLogEventsInfo,
 * where an index that says nothing is absent. */
struct logs_verdict {
    size_t first, end;
    struct logs_RejectedLogEventsInfo rejected;
    bool has_rejected;
};

CHECK_RESULT int logs_check_events(struct op *op, const struct logs_InputLogEvents *events,
                                   int32_t retention_days, struct logs_verdict *out_verdict);
/* Events older than this are expired; 0: none are. */
int64_t logs_expired_before(int64_t now_ms, int32_t retention_days);
CHECK_RESULT int logs_check_retention(struct op *op, int32_t days);
CHECK_RESULT int logs_check_create(struct op *op, const struct logs_CreateLogGroupRequest *in);
CHECK_RESULT int logs_check_tags(struct op *op, const struct logs_Tags *tags);

/* The name of the group that a request means, by logGroupName or logGroupIdentifier (a name or an
 * ARN); either may be absent. */
CHECK_RESULT int logs_group_name(struct op *op, struct str name, struct str identifier,
                                 struct str *out_name);
/* The same from the ARN of a tagging request. */
CHECK_RESULT int logs_resource_name(struct op *op, struct str arn, struct str *out_name);

/* "arn:aws:logs:R:A:log-group:NAME", in the arena. */
struct str logs_group_arn(struct arena *arena, const struct logs_group *group);

/* Texts of 56 digits that hold a position, behind a direction: 'f' forward, 'b' backward, 'n' next
 * page of a search. -EINVAL: not one of ours. */
struct str logs_token(struct arena *arena, char kind, struct logs_position position);
CHECK_RESULT int logs_token_parse(struct str text, char kind, struct logs_position *out_position);
struct str logs_event_id(struct arena *arena, const struct logs_event *event);
/* AWS ignores sequence tokens, but still gives them out. */
struct str logs_sequence_token(struct arena *arena, int64_t seq);

/* Tokens of listings: where a listing by name, or by time and name, goes on. */
struct str logs_name_token(struct arena *arena, int64_t at_ms, struct str name);
CHECK_RESULT int logs_name_token_parse(struct arena *arena, struct str text, int64_t *out_at_ms,
                                       struct str *out_name);

/* Bounds for names that begin with prefix: from <= name < to. */
struct str logs_prefix_end(struct arena *arena, struct str prefix);
/* The first name behind `name` in the order of bytes. */
struct str logs_name_behind(struct arena *arena, struct str name);
/* ListLogGroups: "^/aws/lambda|discovery". */
bool logs_name_matches(struct str pattern, struct str name);

/* A message as it is stored: UTF-8, invalid bytes replaced by U+FFFD; a view when it is fine. */
CHECK_RESULT int logs_message_clean(struct str message, struct buf *scratch, struct str *out);
