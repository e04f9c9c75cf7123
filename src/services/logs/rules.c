/* Decisions of the logs service that need no database.
 *
 * A batch is refused as a whole when its events are not in order, too large or too far apart;
 * single events that are too old (14 days), expired (older than the group's retention) or too new
 * (2 hours ahead) are left out and told by index. Since a batch is in order, what is stored is one
 * piece of it.
 *
 * Tokens: 56 digits as AWS writes them, which here are "3", the time in 15 digits, and two numbers
 * of 20: the event's seq and its stream's id (event ids), or zero.
 * thread: any. sources: AWS CloudWatch Logs API reference (PutLogEvents, RejectedLogEventsInfo,
 * PutRetentionPolicy, GetLogEvents). */
#include "services/logs/rules.h"

#include "base/assert.h"
#include "base/buf.h"
#include "data/arn.h"
#include "data/base64.h"
#include "data/utf8.h"
#include "services/logs/messages.h"

#include <errno.h>
#include <inttypes.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)

enum { TOO_OLD_DAYS = 14, TOO_NEW_HOURS = 2, TOKEN_DIGITS = 56 };

/* --- batches -------------------------------------------------------------------------------- */

int64_t logs_expired_before(int64_t now_ms, int32_t retention_days)
{
    return retention_days == 0 ? 0 : now_ms - retention_days * DAY_MS;
}

static int check_sizes(struct op *op, const struct logs_InputLogEvents *events)
{
    size_t total = 0;
    for (size_t i = 0; i < events->count; i++) {
        size_t size = events->items[i].message.len + LOGS_EVENT_OVERHEAD;
        if (size > LOGS_EVENT_BYTES)
            return svc_fail(op, MSG_EVENT_SIZE, size, LOGS_EVENT_BYTES);
        total += size;
    }
    if (total > LOGS_BATCH_BYTES)
        return svc_fail(op, MSG_BATCH_SIZE, total, LOGS_BATCH_BYTES);
    return 0;
}

/* The number of leading events that are older than before_ms. */
static size_t count_older(const struct logs_InputLogEvents *events, int64_t before_ms)
{
    size_t n = 0;
    while (n < events->count && events->items[n].timestamp < before_ms)
        n++;
    return n;
}

int logs_check_events(struct op *op, const struct logs_InputLogEvents *events,
                      int32_t retention_days, struct logs_verdict *out_verdict)
{
    for (size_t i = 1; i < events->count; i++) {
        if (events->items[i].timestamp < events->items[i - 1].timestamp)
            return svc_fail(op, MSG_NOT_CHRONOLOGICAL);
    }
    int rc = check_sizes(op, events);
    if (rc < 0)
        return rc;
    size_t too_old = count_older(events, op->now_ms - TOO_OLD_DAYS * DAY_MS);
    size_t expired = count_older(events, logs_expired_before(op->now_ms, retention_days));
    size_t end = count_older(events, op->now_ms + TOO_NEW_HOURS * HOUR_MS + 1);
    struct logs_verdict verdict = {.first = too_old > expired ? too_old : expired, .end = end};
    if (verdict.first > end)
        verdict.first = end;
    if (verdict.first < end &&
        events->items[end - 1].timestamp - events->items[verdict.first].timestamp > DAY_MS)
        return svc_fail(op, MSG_SPAN);
    verdict.rejected = (struct logs_RejectedLogEventsInfo){
        .has_tooOldLogEventEndIndex = too_old > 0,
        .tooOldLogEventEndIndex = (int32_t) too_old,
        .has_expiredLogEventEndIndex = expired > too_old,
        .expiredLogEventEndIndex = (int32_t) expired,
        .has_tooNewLogEventStartIndex = end < events->count,
        .tooNewLogEventStartIndex = (int32_t) end,
    };
    verdict.has_rejected = verdict.first > 0 || end < events->count;
    *out_verdict = verdict;
    return 0;
}

int logs_message_clean(struct str message, struct buf *scratch, struct str *out)
{
    if (utf8_is_valid(message)) {
        *out = message;
        return 0;
    }
    buf_reset(scratch);
    while (message.len > 0) {
        uint32_t cp;
        size_t n = utf8_next(message, &cp);
        buf_put(scratch, n == 0 ? STR("\xEF\xBF\xBD") : str_head(message, n));
        message = str_skip(message, n == 0 ? 1 : n);
    }
    *out = buf_str(scratch);
    return buf_is_over(scratch) ? -E2BIG : 0;
}

/* --- settings ------------------------------------------------------------------------------- */

int logs_check_retention(struct op *op, int32_t days)
{
    static const int16_t allowed[] = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                      365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        if (days == allowed[i])
            return 0;
    }
    AUTO_BUF struct buf list;
    buf_init(&list, 256);
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        buf_printf(&list, "%s%d", i == 0 ? "" : ", ", allowed[i]);
    return svc_fail(op, MSG_RETENTION, days, STR_ARG(buf_str(&list)));
}

int logs_check_tags(struct op *op, const struct logs_Tags *tags)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (str_starts_nocase(tags->items[i].key, STR("aws:")))
            return svc_fail(op, MSG_TAG_RESERVED, STR_ARG(tags->items[i].key));
    }
    return 0;
}

int logs_check_create(struct op *op, const struct logs_CreateLogGroupRequest *in)
{
    if (str_starts_nocase(in->logGroupName, STR("aws/")))
        return svc_fail(op, MSG_GROUP_RESERVED);
    if (in->kmsKeyId.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "kmsKeyId (encryption of log groups by KMS keys)");
    if (in->has_deletionProtectionEnabled && in->deletionProtectionEnabled)
        return svc_fail(op, MSG_UNSUPPORTED, "deletionProtectionEnabled");
    if (str_eq(in->logGroupClass, STR("DELIVERY")))
        return svc_fail(op, MSG_UNSUPPORTED, "the log group class DELIVERY");
    return logs_check_tags(op, &in->tags);
}

/* --- names and ARNs ------------------------------------------------------------------------- */

struct str logs_group_arn(struct arena *arena, const struct logs_group *group)
{
    return arena_printf(arena, "arn:aws:logs:" STR_FMT ":" STR_FMT ":log-group:" STR_FMT,
                        STR_ARG(group->region), STR_ARG(group->account), STR_ARG(group->name));
}

/* The name in a log group's ARN, with or without ":*" behind; ptr NULL: it is none.
 * *out_is_ours: of the caller's account and region. */
static struct str arn_group(const struct op *op, struct str text, bool *out_is_ours)
{
    struct arn arn;
    if (arn_parse(text, &arn) < 0 || !str_eq(arn.service, STR("logs")) ||
        !str_starts(arn.resource, STR("log-group:")))
        return STR_NONE;
    struct str name = str_skip(arn.resource, STR("log-group:").len);
    if (str_ends(name, STR(":*")))
        name = str_head(name, name.len - 2);
    if (name.len == 0 || str_find(name, ':') < name.len)
        return STR_NONE;
    *out_is_ours = str_eq(arn.account, op->caller.account) && str_eq(arn.region, op->caller.region);
    return name;
}

int logs_group_name(struct op *op, struct str name, struct str identifier, struct str *out_name)
{
    bool is_ours = true;
    if (name.ptr != NULL && identifier.ptr != NULL)
        return svc_fail(op, MSG_NAME_AND_ARN);
    if (name.ptr == NULL && identifier.ptr == NULL)
        return svc_fail(op, MSG_NAME_OR_ARN);
    if (name.ptr == NULL && str_starts(identifier, STR("arn:")))
        name = arn_group(op, identifier, &is_ours);
    else if (name.ptr == NULL)
        name = identifier;
    if (name.ptr == NULL)
        return svc_fail(op, MSG_IDENTIFIER);
    if (!is_ours)
        return svc_fail(op, MSG_GROUP_NOT_FOUND);
    *out_name = name;
    return 0;
}

int logs_resource_name(struct op *op, struct str arn, struct str *out_name)
{
    bool is_ours = true;
    struct str name = arn_group(op, arn, &is_ours);
    if (name.ptr == NULL)
        return svc_fail(op, MSG_ARN, STR_ARG(arn));
    if (!is_ours)
        return svc_fail(op, MSG_RESOURCE_NOT_FOUND);
    *out_name = name;
    return 0;
}

struct str logs_prefix_end(struct arena *arena, struct str prefix)
{
    /* 0xFF is in no UTF-8 text, so it stands behind whatever may follow the prefix. */
    return arena_printf(arena, STR_FMT "\xFF", STR_ARG(prefix));
}

struct str logs_name_behind(struct arena *arena, struct str name)
{
    struct str copy = arena_str(arena, name); /* with a NUL behind it */
    return copy.ptr == NULL ? copy : str_of(copy.ptr, copy.len + 1);
}

bool logs_name_matches(struct str pattern, struct str name)
{
    struct str part;
    while (str_split(&pattern, '|', &part)) {
        if (str_starts(part, STR("^")) ? str_starts(name, str_skip(part, 1))
                                       : str_find_str(name, part) < name.len)
            return true;
    }
    return false;
}

/* --- tokens --------------------------------------------------------------------------------- */

static struct str digits(struct arena *arena, const char *head, int64_t at_ms, int64_t seq,
                         int64_t third)
{
    assert(at_ms >= 0 && seq >= 0 && third >= 0);
    return arena_printf(arena, "%s3%015" PRId64 "%020" PRId64 "%020" PRId64, head, at_ms, seq,
                        third);
}

struct str logs_token(struct arena *arena, char kind, struct logs_position position)
{
    const char head[] = {kind, '/', '\0'};
    return digits(arena, head, position.at_ms, position.seq, 0);
}

struct str logs_event_id(struct arena *arena, const struct logs_event *event)
{
    return digits(arena, "", event->position.at_ms, event->position.seq, event->stream_id);
}

struct str logs_sequence_token(struct arena *arena, int64_t seq)
{
    return arena_printf(arena, "496%053" PRId64, seq);
}

int logs_token_parse(struct str text, char kind, struct logs_position *out_position)
{
    uint64_t at_ms, seq, third;
    if (text.len != TOKEN_DIGITS + 2 || text.ptr[0] != kind || text.ptr[1] != '/' ||
        text.ptr[2] != '3')
        return -EINVAL;
    text = str_skip(text, 3);
    if (parse_u64(str_head(text, 15), INT64_MAX, &at_ms) < 0 ||
        parse_u64(str_head(str_skip(text, 15), 20), INT64_MAX - 1, &seq) < 0 ||
        parse_u64(str_skip(text, 35), 0, &third) < 0)
        return -EINVAL;
    *out_position = (struct logs_position){(int64_t) at_ms, (int64_t) seq};
    return 0;
}

struct str logs_name_token(struct arena *arena, int64_t at_ms, struct str name)
{
    struct str plain = arena_printf(arena, "%" PRId64 "/" STR_FMT, at_ms, STR_ARG(name));
    if (plain.ptr == NULL)
        return plain;
    AUTO_BUF struct buf text;
    buf_init(&text, base64_encoded_len(plain.len));
    base64_encode(&text, plain);
    return arena_str(arena, buf_str(&text));
}

int logs_name_token_parse(struct arena *arena, struct str text, int64_t *out_at_ms,
                          struct str *out_name)
{
    struct str plain;
    int64_t at_ms;
    int rc = base64_decode(arena, text, &plain);
    if (rc < 0)
        return rc;
    size_t slash = str_find(plain, '/');
    if (slash == plain.len || parse_i64(str_head(plain, slash), 0, INT64_MAX, &at_ms) < 0)
        return -EINVAL;
    *out_at_ms = at_ms;
    *out_name = str_skip(plain, slash + 1);
    return out_name->len == 0 ? -EINVAL : 0;
}
