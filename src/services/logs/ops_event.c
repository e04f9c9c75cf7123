/* Log events: put, read one stream, search a group.
 *
 * A page ends at the limit, at 1 MiB of messages, or when the operation has used up its time
 * (design decision 6): pages may be short or empty, as AWS documents it; tokens go on.
 *
 * GetLogEvents walks a stream both ways. Its tokens are gaps between events: "f/P" means behind P,
 * "b/P" before P. At the end of the stream the page is empty and the token in its direction is the
 * one that was given, which tells clients that nothing follows for now; the other one then points
 * just past P, so that turning round starts with the event at P.
 *
 * FilterLogEvents walks the whole group by time and leaves out what is not of a wanted stream; a
 * single wanted stream is walked itself. `interleaved` says nothing any more, as at AWS.
 * thread: actor. */
#include "services/logs/logs_int.h"

#include "base/assert.h"
#include "base/map.h"
#include "services/logs/filter.h"

enum {
    SCAN_US = 5000,     /* of one operation */
    SCAN_LOOK = 64,     /* events between looks at the clock */
    SCAN_ROWS = 100000, /* the bound where time stands still */
};

/* --- PutLogEvents --------------------------------------------------------------------------- */

static int store(struct op *op, struct logs_stream *stream, const struct logs_InputLogEvent *events,
                 size_t count)
{
    struct err err = {0};
    struct logs_line *lines = ARENA_ARRAY(op->arena, struct logs_line, count);
    if (lines == NULL)
        return logs_fail_db(op, &(struct err){-E2BIG, "a batch does not fit in memory"});
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct logs_line){events[i].timestamp, events[i].message};
    int rc = logs_db_append(op->db, stream, lines, count, op->now_ms, &err);
    return rc < 0 ? logs_fail_db(op, &err) : 0;
}

int logs_run_PutLogEvents(struct op *op, const void *in_any, void *out_any)
{
    const struct logs_PutLogEventsRequest *in = in_any;
    struct logs_PutLogEventsResponse *out = out_any;
    struct logs_group group;
    struct logs_stream stream = {0};
    struct logs_verdict verdict = {0};
    int rc = logs_open_group(op, in->logGroupName, &group);
    if (rc == 0)
        rc = logs_open_stream(op, &group, in->logStreamName, &stream);
    if (rc == 0)
        rc = logs_check_events(op, &in->logEvents, group.retention_days, &verdict);
    if (rc == 0 && verdict.first < verdict.end)
        rc = store(op, &stream, in->logEvents.items + verdict.first, verdict.end - verdict.first);
    if (rc < 0)
        return rc;
    if (verdict.has_rejected) {
        out->rejectedLogEventsInfo = ARENA_NEW(op->arena, struct logs_RejectedLogEventsInfo);
        *out->rejectedLogEventsInfo = verdict.rejected;
    }
    if (in->entity != NULL) { /* Entities belong to features that no log group has here. */
        out->rejectedEntityInfo = ARENA_NEW(op->arena, struct logs_RejectedEntityInfo);
        out->rejectedEntityInfo->errorType = STR("UnsupportedLogGroupType");
    }
    out->nextSequenceToken = logs_sequence_token(op->arena, stream.last_seq);
    return logs_end_write(op);
}

/* --- pages ---------------------------------------------------------------------------------- */

struct page {
    struct op *op;
    struct buf items; /* of structs, aligned by malloc */
    size_t count, limit, bytes, rows;
    int64_t deadline_us;
    bool has_position;
    struct logs_position first, last; /* of the events on it */
};

static void page_init(struct page *page, struct op *op, bool has_limit, int32_t limit)
{
    const struct logs_state *state = op->state;
    *page = (struct page){
        .op = op,
        .limit = has_limit ? (size_t) limit : LOGS_EVENTS_MAX,
        .deadline_us = clock_mono_us(state->clock) + SCAN_US,
    };
    buf_init(&page->items, LOGS_EVENTS_MAX * sizeof(struct logs_FilteredLogEvent));
}

/* Called for each row looked at: the operation's time is over. */
static bool page_is_late(struct page *page)
{
    const struct logs_state *state = page->op->state;
    page->rows++;
    if (page->rows % SCAN_LOOK != 0)
        return false;
    return page->rows >= SCAN_ROWS || clock_mono_us(state->clock) > page->deadline_us;
}

/* A copy of the event's message, if there is room for it; an empty page has room for any. */
static bool page_take(struct page *page, const struct logs_event *event, struct str *out_message)
{
    size_t size = event->message.len + LOGS_EVENT_OVERHEAD;
    if (page->count == page->limit || (page->count > 0 && page->bytes + size > LOGS_PAGE_BYTES))
        return false;
    *out_message = arena_str(page->op->arena, event->message);
    if (out_message->ptr == NULL)
        return false;
    if (page->count == 0)
        page->first = event->position;
    page->last = event->position;
    page->count++;
    page->bytes += size;
    return true;
}

/* The page's items as an array in the arena; NULL: it is full. */
static void *page_items(struct page *page, size_t item_size)
{
    void *items = arena_try_array(page->op->arena, page->count, item_size);
    assert(page->items.len == page->count * item_size);
    if (items != NULL && page->count > 0)
        memcpy(items, page->items.ptr, page->items.len);
    return items;
}

/* What of a group may be read: not what has expired. end_ms is exclusive. */
static struct logs_range group_range(struct op *op, const struct logs_group *group, bool has_start,
                                     int64_t start_ms, bool has_end, int64_t end_ms)
{
    int64_t from_ms = logs_expired_before(op->now_ms, group->retention_days);
    if (has_start && start_ms > from_ms)
        from_ms = start_ms;
    return (struct logs_range){
        .after = {from_ms, 0}, /* seq begins at 1 */
        .before = {has_end ? end_ms : INT64_MAX, 0},
    };
}

static bool is_before(struct logs_position a, struct logs_position b)
{
    return a.at_ms < b.at_ms || (a.at_ms == b.at_ms && a.seq < b.seq);
}

/* --- GetLogEvents --------------------------------------------------------------------------- */

/* Where a reading starts: from the token, or from one of the ends. */
struct reading {
    struct logs_range range;
    bool is_backward, has_token;
    struct logs_position token;
};

static int prepare_reading(struct op *op, const struct logs_GetLogEventsRequest *in,
                           const struct logs_group *group, struct reading *reading)
{
    reading->range =
        group_range(op, group, in->has_startTime, in->startTime, in->has_endTime, in->endTime);
    reading->is_backward = !(in->has_startFromHead && in->startFromHead);
    if (in->nextToken.ptr == NULL)
        return 0;
    reading->has_token = true;
    if (logs_token_parse(in->nextToken, 'f', &reading->token) == 0) {
        reading->is_backward = false;
        if (is_before(reading->range.after, reading->token))
            reading->range.after = reading->token;
    } else if (logs_token_parse(in->nextToken, 'b', &reading->token) == 0) {
        reading->is_backward = true;
        if (is_before(reading->token, reading->range.before))
            reading->range.before = reading->token;
    } else {
        return svc_fail(op, MSG_TOKEN);
    }
    return 0;
}

static int read_events(struct page *page, const struct logs_stream *stream,
                       const struct reading *reading)
{
    struct logs_event event = {0};
    struct err err = {0};
    int rc;
    AUTO_STMT struct db_stmt *scan =
        logs_db_scan_stream(page->op->db, stream->id, &reading->range, reading->is_backward);
    while ((rc = logs_db_scan_next(scan, &event, &err)) == DB_ROW) {
        struct logs_OutputLogEvent item = {
            .has_timestamp = true,
            .timestamp = event.position.at_ms,
            .has_ingestionTime = true,
            .ingestionTime = event.ingested_at_ms,
        };
        if (!page_take(page, &event, &item.message))
            break;
        buf_put(&page->items, str_of(&item, sizeof item));
        if (page_is_late(page))
            break;
    }
    return rc < 0 ? logs_fail_db(page->op, &err) : 0;
}

static void show_tokens(struct page *page, const struct reading *reading,
                        struct logs_GetLogEventsResponse *out)
{
    struct logs_position first = page->first, last = page->last; /* oldest and newest */
    if (page->count == 0 && !reading->has_token) {
        first = last = (struct logs_position){0, 0};
    } else if (page->count == 0) {
        first = last = reading->token;
        if (reading->is_backward && last.seq > 0)
            last.seq--;
        else if (!reading->is_backward)
            first.seq++;
    } else if (reading->is_backward) {
        first = page->last;
        last = page->first;
    }
    out->nextForwardToken = logs_token(page->op->arena, 'f', last);
    out->nextBackwardToken = logs_token(page->op->arena, 'b', first);
}

static int show_events(struct page *page, const struct reading *reading,
                       struct logs_GetLogEventsResponse *out)
{
    struct logs_OutputLogEvent *items = page_items(page, sizeof *items);
    if (items == NULL)
        return logs_fail_db(page->op, &(struct err){-E2BIG, "a page does not fit in memory"});
    for (size_t i = 0; reading->is_backward && i < page->count / 2; i++) {
        struct logs_OutputLogEvent other = items[i];
        items[i] = items[page->count - 1 - i];
        items[page->count - 1 - i] = other;
    }
    out->events.items = items;
    out->events.count = page->count;
    show_tokens(page, reading, out);
    return 0;
}

int logs_run_GetLogEvents(struct op *op, const void *in_any, void *out_any)
{
    const struct logs_GetLogEventsRequest *in = in_any;
    struct logs_group group;
    struct logs_stream stream = {0};
    struct reading reading = {0};
    struct str name;
    int rc = logs_group_name(op, in->logGroupName, in->logGroupIdentifier, &name);
    if (rc == 0)
        rc = logs_open_group(op, name, &group);
    if (rc == 0)
        rc = logs_open_stream(op, &group, in->logStreamName, &stream);
    if (rc == 0)
        rc = prepare_reading(op, in, &group, &reading);
    if (rc < 0)
        return rc;
    struct page page;
    page_init(&page, op, in->has_limit, in->limit);
    rc = read_events(&page, &stream, &reading);
    if (rc == 0)
        rc = show_events(&page, &reading, out_any);
    buf_done(&page.items);
    return rc;
}

/* --- FilterLogEvents ------------------------------------------------------------------------ */

/* A stream of the group being searched, as met. */
struct searched {
    int64_t id; /* the key */
    struct str name;
    bool is_wanted;
};

struct search {
    struct op *op;
    const struct logs_FilterLogEventsRequest *in;
    struct logs_group group;
    struct logs_range range;
    struct filter *filter;       /* owned */
    struct map streams;          /* of struct searched, by id */
    int64_t only_id;             /* the one stream that is wanted; 0: several */
    struct logs_position looked; /* the last event that was looked at */
    bool is_whole;               /* nothing follows */
};

static void search_add(struct search *search, int64_t id, struct str name, bool is_wanted)
{
    struct searched *stream = ARENA_NEW(search->op->arena, struct searched);
    *stream = (struct searched){id, name, is_wanted};
    (void) map_put(&search->streams, str_of(&stream->id, sizeof stream->id), stream);
}

/* Streams asked for by name must exist. */
static int search_names(struct search *search)
{
    const struct logs_InputLogStreamNames *names = &search->in->logStreamNames;
    for (size_t i = 0; i < names->count; i++) {
        struct logs_stream stream = {0};
        int rc = logs_open_stream(search->op, &search->group, names->items[i], &stream);
        if (rc < 0)
            return rc;
        search_add(search, stream.id, stream.name, true);
        search->only_id = names->count == 1 ? stream.id : 0;
    }
    return 0;
}

/* The stream of an event: NULL when it is not wanted, or was deleted. */
static int search_stream(struct search *search, int64_t id, const struct searched **out_stream)
{
    const struct logs_FilterLogEventsRequest *in = search->in;
    struct searched *stream = map_find(&search->streams, str_of(&id, sizeof id));
    if (stream == NULL) {
        struct str name = STR("");
        struct err err = {0};
        int rc = logs_db_stream_name(search->op->db, search->op->arena, id, &name, &err);
        if (rc < 0 && rc != -ENOENT)
            return logs_fail_db(search->op, &err);
        bool is_wanted =
            rc == 0 && in->logStreamNames.items == NULL &&
            (in->logStreamNamePrefix.ptr == NULL || str_starts(name, in->logStreamNamePrefix));
        search_add(search, id, name, is_wanted);
        stream = map_find(&search->streams, str_of(&id, sizeof id));
    }
    *out_stream = stream->is_wanted ? stream : NULL;
    return 0;
}

/* 1: looked at; 0: it belongs to the next page. */
static int search_event(struct search *search, struct page *page, const struct logs_event *event)
{
    const struct searched *stream = NULL; /* gcc does not see that failures are negative */
    int rc = search_stream(search, event->stream_id, &stream);
    if (rc < 0)
        return rc;
    if (stream == NULL || !filter_matches(search->filter, event->message))
        return 1;
    struct logs_FilteredLogEvent item = {
        .logStreamName = stream->name,
        .has_timestamp = true,
        .timestamp = event->position.at_ms,
        .has_ingestionTime = true,
        .ingestionTime = event->ingested_at_ms,
        .eventId = logs_event_id(search->op->arena, event),
    };
    if (!page_take(page, event, &item.message))
        return 0;
    buf_put(&page->items, str_of(&item, sizeof item));
    return 1;
}

static int search_events(struct search *search, struct page *page)
{
    struct logs_event event;
    struct err err = {0};
    struct db *db = search->op->db;
    AUTO_STMT struct db_stmt *scan =
        search->only_id != 0 ? logs_db_scan_stream(db, search->only_id, &search->range, false)
                             : logs_db_scan_group(db, search->group.id, &search->range);
    for (;;) {
        int rc = logs_db_scan_next(scan, &event, &err);
        if (rc < 0)
            return logs_fail_db(search->op, &err);
        search->is_whole = rc == DB_DONE;
        if (rc == DB_DONE || page->count == page->limit)
            return 0;
        rc = search_event(search, page, &event);
        if (rc <= 0)
            return rc;
        search->looked = event.position;
        if (page_is_late(page))
            return 0;
    }
}

static int search_show(struct search *search, struct page *page,
                       struct logs_FilterLogEventsResponse *out)
{
    out->events.items = page_items(page, sizeof *out->events.items);
    if (out->events.items == NULL)
        return logs_fail_db(page->op, &(struct err){-E2BIG, "a page does not fit in memory"});
    out->events.count = page->count;
    /* documented: an empty list since 2020 */
    out->searchedLogStreams.items = ARENA_NEW(page->op->arena, struct logs_SearchedLogStream);
    if (!search->is_whole)
        out->nextToken = logs_token(page->op->arena, 'n', search->looked);
    return 0;
}

static int search_prepare(struct search *search)
{
    struct op *op = search->op;
    const struct logs_FilterLogEventsRequest *in = search->in;
    struct str name;
    struct err err = {0};
    int rc = logs_group_name(op, in->logGroupName, in->logGroupIdentifier, &name);
    if (rc < 0)
        return rc;
    if (in->logStreamNames.items != NULL && in->logStreamNamePrefix.ptr != NULL)
        return svc_fail(op, MSG_NAMES_AND_PREFIX);
    struct str pattern = in->filterPattern.ptr == NULL ? STR("") : in->filterPattern;
    if (filter_new(pattern, &search->filter, &err) < 0)
        return svc_fail(op, LOGS_BAD_VALUE, "%s", err.text);
    rc = logs_open_group(op, name, &search->group);
    if (rc < 0)
        return rc;
    bool has_end = in->has_endTime && in->endTime < INT64_MAX; /* inclusive here */
    search->range = group_range(op, &search->group, in->has_startTime, in->startTime, has_end,
                                has_end ? in->endTime + 1 : 0);
    if (in->nextToken.ptr == NULL)
        return search_names(search);
    if (logs_token_parse(in->nextToken, 'n', &search->looked) < 0)
        return svc_fail(op, MSG_TOKEN);
    if (is_before(search->range.after, search->looked))
        search->range.after = search->looked;
    return search_names(search);
}

int logs_run_FilterLogEvents(struct op *op, const void *in_any, void *out_any)
{
    struct search search = {.op = op, .in = in_any};
    struct page page;
    map_init(&search.streams);
    page_init(&page, op, search.in->has_limit, search.in->limit);
    int rc = search_prepare(&search);
    search.looked = search.range.after;
    if (rc == 0)
        rc = search_events(&search, &page);
    if (rc == 0)
        rc = search_show(&search, &page, out_any);
    buf_done(&page.items);
    map_done(&search.streams);
    filter_free(search.filter);
    return rc;
}
