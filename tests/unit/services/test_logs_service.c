/* The logs service's operations, called as the actor calls them: listings and their tokens, what is
 * stored of a batch, reading both ways, searching in pages, retention, removal, tags, refusals. */
#include "logs_place.h"

/* --- groups --------------------------------------------------------------------------------- */

static struct logs_LogGroups groups_like(struct logs_DescribeLogGroupsRequest in,
                                         struct str *out_token)
{
    struct logs_DescribeLogGroupsResponse out;
    CALL(DescribeLogGroups, &in, &out);
    if (out_token != NULL)
        *out_token = out.nextToken;
    return out.logGroups;
}

static void test_groups(void **state)
{
    (void) state;
    make_group("/aws/lambda/a");
    CALL_FAILS(CreateLogGroup, (REQUEST(CreateLogGroup){.logGroupName = STR("/aws/lambda/a")}),
               NULL, "ResourceAlreadyExistsException", "The specified log group already exists");
    struct logs_LogGroups all = groups_like((struct logs_DescribeLogGroupsRequest){0}, NULL);
    assert_int_equal(all.count, 1);
    const struct logs_LogGroup *g = &all.items[0];
    assert_str(g->logGroupName, "/aws/lambda/a");
    assert_str(g->arn, "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/a:*");
    assert_str(g->logGroupArn, "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/a");
    assert_str(g->logGroupClass, "STANDARD");
    assert_int_equal(g->creationTime, NOW_MS);
    assert_int_equal(g->storedBytes, 0);
    assert_true(g->has_metricFilterCount && g->metricFilterCount == 0);
    assert_false(g->has_retentionInDays);
    /* Accounts and regions are worlds of their own. */
    here->region = "eu-west-1";
    assert_int_equal(groups_like((struct logs_DescribeLogGroupsRequest){0}, NULL).count, 0);
    make_group("/aws/lambda/a");
    here->account = "111111111111";
    assert_int_equal(groups_like((struct logs_DescribeLogGroupsRequest){0}, NULL).count, 0);
    here->account = "000000000000";
    CALL(DeleteLogGroup, (REQUEST(DeleteLogGroup){STR("/aws/lambda/a")}), NULL);
    CALL_FAILS(DeleteLogGroup, (REQUEST(DeleteLogGroup){STR("/aws/lambda/a")}), NULL,
               "ResourceNotFoundException", "The specified log group does not exist.");
    here->region = "us-east-1";
    assert_int_equal(groups_like((struct logs_DescribeLogGroupsRequest){0}, NULL).count, 1);
}

static void test_group_pages(void **state)
{
    (void) state;
    char name[32];
    for (int i = 0; i < 130; i++) {
        (void) snprintf(name, sizeof name, "/%s/%03d", i % 2 == 0 ? "even" : "odd", i);
        make_group(name);
    }
    make_group("/ev");
    make_group("/evf");
    struct str token = STR_NONE;
    size_t seen = 0;
    struct str last = STR("");
    do {
        struct logs_LogGroups page =
            groups_like((struct logs_DescribeLogGroupsRequest){.logGroupNamePrefix = STR("/even"),
                                                               .nextToken = token,
                                                               .has_limit = true,
                                                               .limit = 7},
                        &token);
        assert_in_range(page.count, 1, 7);
        for (size_t i = 0; i < page.count; i++) {
            assert_true(str_starts(page.items[i].logGroupName, STR("/even/")));
            assert_true(str_cmp(page.items[i].logGroupName, last) > 0);
            last = page.items[i].logGroupName;
        }
        seen += page.count;
    } while (token.ptr != NULL);
    assert_int_equal(seen, 65);
    /* A substring; then only three members are shown. */
    struct logs_LogGroups some = groups_like(
        (struct logs_DescribeLogGroupsRequest){.logGroupNamePattern = STR("dd/11")}, &token);
    assert_int_equal(some.count, 5);
    assert_null(token.ptr);
    assert_null(some.items[0].logGroupArn.ptr);
    assert_false(some.items[0].has_storedBytes);
    assert_non_null(some.items[0].arn.ptr);
    /* An exact page has no successor. */
    some = groups_like((struct logs_DescribeLogGroupsRequest){.logGroupNamePrefix = STR("/ev"),
                                                              .has_limit = true,
                                                              .limit = 50},
                       &token);
    assert_int_equal(some.count, 50);
    assert_non_null(token.ptr);
    some = groups_like((struct logs_DescribeLogGroupsRequest){.logGroupNamePrefix = STR("/ev"),
                                                              .nextToken = token},
                       &token);
    assert_int_equal(some.count, 17);
    assert_null(token.ptr);

    struct logs_ListLogGroupsResponse list;
    CALL(ListLogGroups,
         (REQUEST(ListLogGroups){
             .logGroupNamePattern = STR("^/odd/12|even/00"), .has_limit = true, .limit = 1000}),
         &list);
    assert_int_equal(list.logGroups.count, 10);
    assert_str(list.logGroups.items[0].logGroupArn,
               "arn:aws:logs:us-east-1:000000000000:log-group:/even/000");
    struct str ids[] = {STR("/ev"), STR("arn:aws:logs:us-east-1:000000000000:log-group:/evf"),
                        STR("/none")};
    some = groups_like(
        (struct logs_DescribeLogGroupsRequest){.logGroupIdentifiers = {ids, ARRAY_LEN(ids)}}, NULL);
    assert_int_equal(some.count, 2);
    some = groups_like(
        (struct logs_DescribeLogGroupsRequest){.logGroupClass = STR("INFREQUENT_ACCESS")}, NULL);
    assert_int_equal(some.count, 0);
}

/* --- streams -------------------------------------------------------------------------------- */

static struct logs_LogStreams streams_like(struct logs_DescribeLogStreamsRequest in,
                                           struct str *out_token)
{
    struct logs_DescribeLogStreamsResponse out;
    in.logGroupName = STR("g");
    CALL(DescribeLogStreams, &in, &out);
    if (out_token != NULL)
        *out_token = out.nextToken;
    return out.logStreams;
}

static void test_streams(void **state)
{
    (void) state;
    make_group("g");
    make_stream("g", "2026/11/20/[$LATEST]abc");
    CALL_FAILS(CreateLogStream,
               (REQUEST(CreateLogStream){STR("g"), STR("2026/11/20/[$LATEST]abc")}), NULL,
               "ResourceAlreadyExistsException", "The specified log stream already exists");
    struct logs_LogStreams all = streams_like((struct logs_DescribeLogStreamsRequest){0}, NULL);
    assert_int_equal(all.count, 1);
    assert_str(all.items[0].arn, "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:"
                                 "2026/11/20/[$LATEST]abc");
    assert_false(all.items[0].has_lastEventTimestamp);
    assert_null(all.items[0].uploadSequenceToken.ptr);
    put("g", "2026/11/20/[$LATEST]abc", NOW_MS - 10, "x");
    clock_virtual_advance(&here->clock, 5000000);
    put("g", "2026/11/20/[$LATEST]abc", NOW_MS - 20, "y"); /* late, still the first by time */
    const struct logs_LogStream s =
        streams_like((struct logs_DescribeLogStreamsRequest){0}, NULL).items[0];
    assert_int_equal(s.firstEventTimestamp, NOW_MS - 20);
    assert_int_equal(s.lastEventTimestamp, NOW_MS - 10);
    assert_int_equal(s.lastIngestionTime, NOW_MS + 5000);
    assert_int_equal(s.uploadSequenceToken.len, 56);
    assert_int_equal(s.storedBytes, 0);
    assert_int_equal(
        groups_like((struct logs_DescribeLogGroupsRequest){0}, NULL).items[0].storedBytes, 2 * 27);
    CALL(DeleteLogStream, (REQUEST(DeleteLogStream){STR("g"), STR("2026/11/20/[$LATEST]abc")}),
         NULL);
    CALL_FAILS(DeleteLogStream,
               (REQUEST(DeleteLogStream){STR("g"), STR("2026/11/20/[$LATEST]abc")}), NULL,
               "ResourceNotFoundException", "The specified log stream does not exist.");
    CALL_FAILS(CreateLogStream, (REQUEST(CreateLogStream){STR("none"), STR("s")}), NULL,
               "ResourceNotFoundException", "The specified log group does not exist.");
}

/* All names of a listing, in pages of 2, one letter each. */
static struct str names_of(struct logs_DescribeLogStreamsRequest in)
{
    struct str names = STR("");
    in.has_limit = true;
    in.limit = 2;
    do {
        struct str token;
        struct logs_LogStreams page = streams_like(in, &token);
        for (size_t i = 0; i < page.count; i++)
            names = arena_printf(&here->arena, STR_FMT STR_FMT, STR_ARG(names),
                                 STR_ARG(page.items[i].logStreamName));
        in.nextToken = token;
    } while (in.nextToken.ptr != NULL);
    return names;
}

static void test_stream_orders(void **state)
{
    (void) state;
    const struct str by_time = STR("LastEventTime");
    make_group("g");
    for (const char *name = "abcdef"; *name != '\0'; name++)
        make_stream("g", (const char[]){*name, '\0'});
    make_stream("g", "bb");
    put("g", "d", NOW_MS - 500, "x");
    put("g", "b", NOW_MS - 400, "x");
    put("g", "f", NOW_MS - 400, "x");
    put("g", "a", NOW_MS - 300, "x");
    struct logs_DescribeLogStreamsRequest in = {0};
    assert_str(names_of(in), "abbbcdef");
    in.has_descending = in.descending = true;
    assert_str(names_of(in), "fedcbbba");
    in.orderBy = by_time;
    assert_str(names_of(in), "afbdecbb");
    in.descending = false;
    assert_str(names_of(in), "bbcedbfa");
    in = (struct logs_DescribeLogStreamsRequest){.logStreamNamePrefix = STR("b")};
    assert_str(names_of(in), "bbb");
    in.has_descending = in.descending = true;
    assert_str(names_of(in), "bbb");
}

/* --- putting -------------------------------------------------------------------------------- */

#define DAY INT64_C(86400000)

static void test_rejected(void **state)
{
    (void) state;
    make_group("g");
    make_stream("g", "s");
    CALL(PutRetentionPolicy, (REQUEST(PutRetentionPolicy){STR("g"), true, 3}), NULL);
    struct logs_InputLogEvent events[] = {
        {.timestamp = NOW_MS - 15 * DAY, .message = STR("too old")},
        {.timestamp = NOW_MS - 14 * DAY - 1, .message = STR("too old")},
        {.timestamp = NOW_MS - 5 * DAY, .message = STR("expired")},
        {.timestamp = NOW_MS - 3600000, .message = STR("good")},
        {.timestamp = NOW_MS, .message = STR("good")},
        {.timestamp = NOW_MS + 7200000, .message = STR("good")},
        {.timestamp = NOW_MS + 7200001, .message = STR("too new")},
    };
    struct logs_PutLogEventsResponse out;
    assert_ok(put_some("g", "s", events, ARRAY_LEN(events), &out));
    assert_non_null(out.rejectedLogEventsInfo);
    const struct logs_RejectedLogEventsInfo info = *out.rejectedLogEventsInfo;
    assert_true(info.has_tooOldLogEventEndIndex && info.tooOldLogEventEndIndex == 2);
    assert_true(info.has_expiredLogEventEndIndex && info.expiredLogEventEndIndex == 3);
    assert_true(info.has_tooNewLogEventStartIndex && info.tooNewLogEventStartIndex == 6);
    assert_int_equal(out.nextSequenceToken.len, 56);
    struct logs_GetLogEventsResponse got;
    CALL(GetLogEvents, (REQUEST(GetLogEvents){.logGroupName = STR("g"), .logStreamName = STR("s")}),
         &got);
    assert_int_equal(got.events.count, 3);
    /* Nothing but bad ones: still accepted. */
    assert_ok(put_some("g", "s", events, 2, &out));
    assert_int_equal(out.rejectedLogEventsInfo->tooOldLogEventEndIndex, 2);
    assert_false(out.rejectedLogEventsInfo->has_expiredLogEventEndIndex);
    assert_ok(put_some("g", "s", events + 4, 1, &out));
    assert_null(out.rejectedLogEventsInfo);
}

static void test_batch_limits(void **state)
{
    (void) state;
    make_group("g");
    make_stream("g", "s");
    struct logs_PutLogEventsResponse out;
    char *large = mem_new(LOGS_EVENT_BYTES);
    memset(large, 'x', LOGS_EVENT_BYTES);
    struct logs_InputLogEvent events[] = {
        {.timestamp = NOW_MS, .message = str_of(large, LOGS_EVENT_BYTES - LOGS_EVENT_OVERHEAD)},
        {.timestamp = NOW_MS, .message = str_of(large, 1)},
    };
    assert_ok(put_some("g", "s", events, 1, &out)); /* just fits */
    assert_int_equal(put_some("g", "s", events, 2, &out), OP_FAILED);
    assert_str(here->op.fault.message, "Upload too large: 1048603 bytes exceeds limit of 1048576");
    events[0].message.len++;
    assert_int_equal(put_some("g", "s", events, 1, &out), OP_FAILED);
    assert_str(here->op.fault.message,
               "Log event too large: 1048577 bytes exceeds limit of 1048576");
    free(large);
    struct logs_InputLogEvent order[] = {{.timestamp = NOW_MS, .message = STR("a")},
                                         {.timestamp = NOW_MS - 1, .message = STR("b")}};
    assert_int_equal(put_some("g", "s", order, 2, &out), OP_FAILED);
    assert_str(here->op.fault.message,
               "Log events in a single PutLogEvents request must be in chronological order.");
    struct logs_InputLogEvent span[] = {{.timestamp = NOW_MS - 20 * DAY, .message = STR("old")},
                                        {.timestamp = NOW_MS - DAY, .message = STR("a")},
                                        {.timestamp = NOW_MS, .message = STR("b")},
                                        {.timestamp = NOW_MS + 1, .message = STR("c")}};
    assert_ok(put_some("g", "s", span, 3, &out)); /* 24 h among what is valid */
    assert_int_equal(put_some("g", "s", span, 4, &out), OP_FAILED);
    assert_str(here->op.fault.message, "The batch of log events in a single PutLogEvents request "
                                       "cannot span more than 24 hours.");
}

/* --- reading -------------------------------------------------------------------------------- */

/* Events m00, m01, … each second, in batches that arrive out of order. */
static void put_row(const char *group, const char *stream, int count)
{
    static char texts[100][8];
    for (int i = count - 1; i >= 0; i--) {
        (void) snprintf(texts[i], sizeof texts[i], "m%02d", i);
        put(group, stream, NOW_MS - 100000 + 1000 * i, texts[i]);
    }
}

struct logs_read {
    char text[400]; /* "m00 m01 " */
    struct str forward, backward;
};

static struct logs_read read_page(struct logs_GetLogEventsRequest in)
{
    struct logs_read read = {0};
    struct logs_GetLogEventsResponse out;
    in.logGroupName = STR("g");
    in.logStreamName = STR("s");
    CALL(GetLogEvents, &in, &out);
    for (size_t i = 0, at = 0; i < out.events.count; i++)
        at += (size_t) snprintf(read.text + at, sizeof read.text - at, STR_FMT " ",
                                STR_ARG(out.events.items[i].message));
    read.forward = out.nextForwardToken;
    read.backward = out.nextBackwardToken;
    return read;
}

#define READ_PAGE(...)                                                                             \
    read_page((struct logs_GetLogEventsRequest){.has_limit = true, .limit = 3, __VA_ARGS__})
#define FROM_HEAD .has_startFromHead = true, .startFromHead = true

static void test_read_forward(void **state)
{
    (void) state;
    make_group("g");
    make_stream("g", "s");
    struct logs_read empty = READ_PAGE(FROM_HEAD);
    assert_string_equal(empty.text, "");
    put_row("g", "s", 7);
    /* The token of an empty stream sees what comes later. */
    assert_string_equal(READ_PAGE(FROM_HEAD, .nextToken = empty.forward).text, "m00 m01 m02 ");
    struct logs_read page = READ_PAGE(FROM_HEAD);
    assert_string_equal(page.text, "m00 m01 m02 ");
    assert_int_equal(page.forward.len, 58);
    page = READ_PAGE(FROM_HEAD, .nextToken = page.forward);
    assert_string_equal(page.text, "m03 m04 m05 ");
    struct logs_read back = READ_PAGE(.nextToken = page.backward);
    assert_string_equal(back.text, "m00 m01 m02 ");
    page = READ_PAGE(FROM_HEAD, .nextToken = page.forward);
    assert_string_equal(page.text, "m06 ");
    struct logs_read end = READ_PAGE(FROM_HEAD, .nextToken = page.forward);
    assert_string_equal(end.text, "");
    assert_true(str_eq(end.forward, page.forward)); /* the sign that all has been read */
    assert_string_equal(READ_PAGE(.nextToken = end.backward).text, "m04 m05 m06 ");
    put("g", "s", NOW_MS, "new");
    assert_string_equal(READ_PAGE(FROM_HEAD, .nextToken = end.forward).text, "new ");
}

static void test_read_backward(void **state)
{
    (void) state;
    make_group("g");
    make_stream("g", "s");
    put_row("g", "s", 7);
    struct logs_read page = READ_PAGE();
    assert_string_equal(page.text, "m04 m05 m06 ");
    struct logs_read end = READ_PAGE(FROM_HEAD, .nextToken = page.forward);
    assert_string_equal(end.text, "");
    assert_true(str_eq(end.forward, page.forward));
    page = READ_PAGE(.nextToken = page.backward);
    assert_string_equal(page.text, "m01 m02 m03 ");
    page = READ_PAGE(.nextToken = page.backward);
    assert_string_equal(page.text, "m00 ");
    end = READ_PAGE(.nextToken = page.backward);
    assert_string_equal(end.text, "");
    assert_true(str_eq(end.backward, page.backward));
    assert_string_equal(READ_PAGE(FROM_HEAD, .nextToken = end.forward).text, "m00 m01 m02 ");
    /* Times: the start counts, the end does not. */
    const int64_t second = 1000, base = NOW_MS - 100000;
    assert_string_equal(READ_PAGE(.has_startTime = true, .startTime = base + 2 * second,
                                  .has_endTime = true, .endTime = base + 4 * second)
                            .text,
                        "m02 m03 ");
    assert_string_equal(READ_PAGE(.has_startTime = true, .startTime = base + 5 * second,
                                  .has_endTime = true, .endTime = base)
                            .text,
                        "");
}

/* --- searching ------------------------------------------------------------------------------ */

static struct logs_FilteredLogEvents search(struct logs_FilterLogEventsRequest in,
                                            struct str *out_token)
{
    struct logs_FilterLogEventsResponse out;
    in.logGroupName = STR("g");
    CALL(FilterLogEvents, &in, &out);
    assert_non_null(out.searchedLogStreams.items); /* an empty list, not an absent one */
    assert_int_equal(out.searchedLogStreams.count, 0);
    if (out_token != NULL)
        *out_token = out.nextToken;
    else
        assert_null(out.nextToken.ptr);
    return out.events;
}

static size_t search_count(struct logs_FilterLogEventsRequest in)
{
    return search(in, NULL).count;
}

static void test_search(void **state)
{
    (void) state;
    make_group("g");
    make_group("h");
    const char *const streams[] = {"a1", "a2", "b1"};
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        make_stream("g", streams[i]);
    make_stream("h", "a1");
    put("h", "a1", NOW_MS, "of another group");
    for (int i = 0; i < 9; i++)
        put("g", streams[i % 3], NOW_MS - 10 + i, i % 2 == 0 ? "even" : "{\"n\": 7}");
    struct logs_FilteredLogEvents all = search((struct logs_FilterLogEventsRequest){0}, NULL);
    assert_int_equal(all.count, 9);
    for (int i = 0; i < 9; i++) { /* interleaved, by time */
        assert_int_equal(all.items[i].timestamp, NOW_MS - 10 + i);
        assert_str(all.items[i].logStreamName, streams[i % 3]);
        assert_int_equal(all.items[i].eventId.len, 56);
        assert_int_equal(all.items[i].ingestionTime, NOW_MS);
    }
    assert_true(str_cmp(all.items[0].eventId, all.items[1].eventId) < 0);
    struct str names[] = {STR("a1"), STR("b1")};
    assert_int_equal(
        search_count((struct logs_FilterLogEventsRequest){.logStreamNames = {names, 2}}), 6);
    assert_int_equal(
        search_count((struct logs_FilterLogEventsRequest){.logStreamNames = {names, 1}}), 3);
    assert_int_equal(
        search_count((struct logs_FilterLogEventsRequest){.logStreamNamePrefix = STR("a")}), 6);
    assert_int_equal(
        search_count((struct logs_FilterLogEventsRequest){.logStreamNamePrefix = STR("c")}), 0);
    assert_int_equal(
        search_count((struct logs_FilterLogEventsRequest){.filterPattern = STR("even")}), 5);
    assert_int_equal(
        search_count((struct logs_FilterLogEventsRequest){.filterPattern = STR("{$.n > 6}")}), 4);
    /* Both ends count. */
    assert_int_equal(search_count((struct logs_FilterLogEventsRequest){.has_startTime = true,
                                                                       .startTime = NOW_MS - 8,
                                                                       .has_endTime = true,
                                                                       .endTime = NOW_MS - 5}),
                     4);
    assert_int_equal(search_count((struct logs_FilterLogEventsRequest){.has_endTime = true,
                                                                       .endTime = INT64_MAX}),
                     9);
    CALL(DeleteLogStream, (REQUEST(DeleteLogStream){STR("g"), STR("a1")}), NULL);
    assert_int_equal(search_count((struct logs_FilterLogEventsRequest){0}), 6);
}

static void test_search_pages(void **state)
{
    (void) state;
    make_group("g");
    make_stream("g", "s");
    for (int i = 0; i < 10; i++)
        put("g", "s", NOW_MS, i % 3 == 0 ? "yes" : "no"); /* all at the same time */
    struct logs_FilterLogEventsRequest in = {.filterPattern = STR("yes"), .has_limit = true};
    in.limit = 3;
    struct logs_FilteredLogEvents page = search(in, &in.nextToken);
    assert_int_equal(page.count, 3);
    assert_non_null(in.nextToken.ptr);
    page = search(in, &in.nextToken);
    assert_int_equal(page.count, 1);
    assert_null(in.nextToken.ptr);
    in.limit = 4; /* the fourth is the last event of all */
    assert_int_equal(search(in, NULL).count, 4);
    /* A page holds 1 MiB of messages. */
    char *large = mem_new(400000);
    memset(large, 'x', 400000 - 1);
    for (int i = 0; i < 3; i++)
        put("g", "s", NOW_MS + 1, large);
    free(large);
    in = (struct logs_FilterLogEventsRequest){.filterPattern = STR("x")};
    assert_int_equal(search(in, &in.nextToken).count, 2);
    assert_int_equal(search(in, NULL).count, 1);
}

/* A clock that moves by a millisecond with each look: an operation's time is over soon. */
static int64_t running_us(const struct clock *clock)
{
    struct clock_virtual *own = (struct clock_virtual *) clock;
    own->mono_us += 1000;
    return own->mono_us;
}

static void test_search_time(void **state)
{
    (void) state;
    make_group("g");
    make_stream("g", "s");
    static struct logs_InputLogEvent events[2000];
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        events[i] = (struct logs_InputLogEvent){.timestamp = NOW_MS,
                                                .message = i == 1999 ? STR("last") : STR("x")};
    struct logs_PutLogEventsResponse out;
    assert_ok(put_some("g", "s", events, ARRAY_LEN(events), &out));
    here->clock.clock.mono_us = running_us;
    struct logs_FilterLogEventsRequest in = {.filterPattern = STR("last")};
    size_t pages = 0, found = 0;
    do {
        found += search(in, &in.nextToken).count;
        pages++;
        assert_true(pages < 20);
    } while (in.nextToken.ptr != NULL);
    assert_int_equal(found, 1);
    assert_true(pages > 2); /* empty ones among them */
}

/* --- retention and removal ------------------------------------------------------------------ */

static int64_t stored_bytes(void)
{
    return groups_like((struct logs_DescribeLogGroupsRequest){.logGroupNamePrefix = STR("g")}, NULL)
        .items[0]
        .storedBytes;
}

static int64_t rows_of(const char *sql)
{
    AUTO_STMT struct db_stmt *s = db_query(here->db, sql);
    assert_int_equal(db_step(s, NULL), DB_ROW);
    return db_column_i64(s, 0);
}

static const char count_events[] = "SELECT COUNT(*) FROM log_events";
static const char count_streams[] = "SELECT COUNT(*) FROM log_streams";
static const char count_garbage[] = "SELECT COUNT(*) FROM garbage";

static void test_retention(void **state)
{
    (void) state;
    make_group("g");
    make_stream("g", "s");
    put_row("g", "s", 50);
    for (int i = 0; i < 50; i++)
        put("g", "s", NOW_MS - 2 * DAY, "old");
    CALL(PutRetentionPolicy, (REQUEST(PutRetentionPolicy){STR("g"), true, 1}), NULL);
    assert_int_equal(
        groups_like((struct logs_DescribeLogGroupsRequest){0}, NULL).items[0].retentionInDays, 1);
    assert_int_equal(search_count((struct logs_FilterLogEventsRequest){0}), 50);
    struct logs_GetLogEventsResponse got;
    CALL(GetLogEvents, (REQUEST(GetLogEvents){.logGroupName = STR("g"), .logStreamName = STR("s")}),
         &got);
    assert_int_equal(got.events.count, 50);
    /* The policy's own write has removed them. */
    assert_int_equal(rows_of(count_events), 50);
    assert_int_equal(stored_bytes(), 50 * (3 + 26));
    clock_virtual_advance(&here->clock, 1000 * DAY);
    assert_int_equal(search_count((struct logs_FilterLogEventsRequest){0}), 0);
    assert_int_equal(rows_of(count_events), 50); /* reads remove nothing */
    make_group("other");
    assert_int_equal(rows_of(count_events), 0);
    assert_int_equal(stored_bytes(), 0);
    CALL(DeleteRetentionPolicy, (REQUEST(DeleteRetentionPolicy){STR("g")}), NULL);
    assert_false(
        groups_like((struct logs_DescribeLogGroupsRequest){0}, NULL).items[0].has_retentionInDays);
}

static void test_removal(void **state)
{
    (void) state;
    static struct logs_InputLogEvent events[450];
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        events[i] = (struct logs_InputLogEvent){.timestamp = NOW_MS, .message = STR("abcd")};
    struct logs_PutLogEventsResponse out;
    make_group("g");
    make_stream("g", "s");
    make_stream("g", "t");
    assert_ok(put_some("g", "s", events, ARRAY_LEN(events), &out));
    assert_ok(put_some("g", "t", events, ARRAY_LEN(events), &out));
    /* The name is free at once; the same name starts empty. */
    CALL(DeleteLogStream, (REQUEST(DeleteLogStream){STR("g"), STR("s")}), NULL);
    assert_int_equal(rows_of(count_events), 700); /* one step of 200 */
    make_stream("g", "s");
    assert_int_equal(search_count((struct logs_FilterLogEventsRequest){
                         .logStreamNames = {&(struct str){"s", 1}, 1}}),
                     0);
    make_group("x");
    make_group("y"); /* the garbage itself */
    assert_int_equal(rows_of(count_garbage), 0);
    assert_int_equal(rows_of(count_events), 450);
    assert_int_equal(stored_bytes(), 450 * 30);
    CALL(DeleteLogGroup, (REQUEST(DeleteLogGroup){STR("g")}), NULL);
    make_group("g");
    assert_int_equal(stored_bytes(), 0);
    assert_int_equal(search_count((struct logs_FilterLogEventsRequest){0}), 0);
    for (int i = 0; i < 4; i++) {
        CALL(PutRetentionPolicy, (REQUEST(PutRetentionPolicy){STR("x"), true, 1}), NULL);
    }
    assert_int_equal(rows_of(count_garbage), 0);
    assert_int_equal(rows_of(count_events), 0);
    assert_int_equal(rows_of(count_streams), 0);
}

/* --- tags ----------------------------------------------------------------------------------- */

static struct logs_Tags tags_of(const char *group)
{
    struct logs_ListTagsLogGroupResponse out;
    struct logs_ListTagsForResourceResponse same;
    CALL(ListTagsLogGroup, (REQUEST(ListTagsLogGroup){str_from(group)}), &out);
    struct str arn =
        arena_printf(&here->arena, "arn:aws:logs:us-east-1:000000000000:log-group:%s", group);
    CALL(ListTagsForResource, (REQUEST(ListTagsForResource){arn}), &same);
    assert_int_equal(out.tags.count, same.tags.count);
    assert_non_null(out.tags.items);
    return out.tags;
}

static void test_tags(void **state)
{
    (void) state;
    struct logs_Tags_entry first[] = {{STR("env"), STR("testing1")}};
    CALL(CreateLogGroup, (REQUEST(CreateLogGroup){.logGroupName = STR("g"), .tags = {first, 1}}),
         NULL);
    const struct str arn = STR("arn:aws:logs:us-east-1:000000000000:log-group:g");
    struct logs_Tags_entry more[] = {{STR("test1"), STR("val1")}, {STR("env"), STR("new")}};
    CALL(TagResource, (REQUEST(TagResource){arn, {more, 2}}), NULL);
    struct logs_Tags_entry third[] = {{STR("test3"), STR("")}};
    CALL(TagLogGroup, (REQUEST(TagLogGroup){STR("g"), {third, 1}}), NULL);
    struct logs_Tags tags = tags_of("g");
    assert_int_equal(tags.count, 3);
    assert_str(tags.items[0].key, "env");
    assert_str(tags.items[0].value, "new");
    assert_str(tags.items[2].value, "");
    struct str keys[] = {STR("env"), STR("none")};
    CALL(UntagResource, (REQUEST(UntagResource){arn, {keys, 2}}), NULL);
    CALL(UntagLogGroup, (REQUEST(UntagLogGroup){STR("g"), {&(struct str){"test3", 5}, 1}}), NULL);
    assert_int_equal(tags_of("g").count, 1);
    struct logs_Tags_entry many[50];
    char names[50][8];
    for (int i = 0; i < 50; i++) {
        (void) snprintf(names[i], sizeof names[i], "k%d", i);
        many[i] = (struct logs_Tags_entry){str_from(names[i]), STR("v")};
    }
    CALL_FAILS(TagResource, (REQUEST(TagResource){arn, {many, 50}}), NULL, "TooManyTagsException",
               "A log group can have at most 50 tags, and this one would have 51.");
    assert_int_equal(tags_of("g").count, 1); /* taken back */
    CALL(TagResource, (REQUEST(TagResource){arn, {many, 49}}), NULL);
    assert_int_equal(tags_of("g").count, 50);
    /* A group's tags go with it. */
    CALL(DeleteLogGroup, (REQUEST(DeleteLogGroup){STR("g")}), NULL);
    make_group("g");
    assert_int_equal(tags_of("g").count, 0);
}

/* --- refusals ------------------------------------------------------------------------------- */

#define BAD         "InvalidParameterException"
#define MISSING     "ResourceNotFoundException"
#define NO_GROUP    "The specified log group does not exist."
#define NO_STREAM   "The specified log stream does not exist."
#define NO_RESOURCE "The specified resource does not exist."
#define BAD_TOKEN   "The specified nextToken is invalid."
#define G           .logGroupName = STR("g")
#define S           .logStreamName = STR("s")

static void test_refused_groups(void **state)
{
    (void) state;
    struct logs_DescribeLogGroupsResponse groups;
    struct logs_ListLogGroupsResponse list;
    make_group("g");
    CALL_FAILS(CreateLogGroup, (REQUEST(CreateLogGroup){.logGroupName = STR("aws/x")}), NULL, BAD,
               "Log groups starting with AWS/ are reserved for AWS.");
    CALL_FAILS(CreateLogGroup, (REQUEST(CreateLogGroup){.logGroupName = STR("AWS/x")}), NULL, BAD,
               "Log groups starting with AWS/ are reserved for AWS.");
    CALL_FAILS(CreateLogGroup,
               (REQUEST(CreateLogGroup){.logGroupName = STR("k"), .kmsKeyId = STR("arn:x")}), NULL,
               BAD, "Virga does not support kmsKeyId (encryption of log groups by KMS keys) yet.");
    CALL_FAILS(CreateLogGroup,
               (REQUEST(CreateLogGroup){.logGroupName = STR("k"),
                                        .has_deletionProtectionEnabled = true,
                                        .deletionProtectionEnabled = true}),
               NULL, BAD, "Virga does not support deletionProtectionEnabled yet.");
    CALL_FAILS(
        CreateLogGroup,
        (REQUEST(CreateLogGroup){.logGroupName = STR("k"), .logGroupClass = STR("DELIVERY")}), NULL,
        BAD, "Virga does not support the log group class DELIVERY yet.");
    struct logs_Tags_entry reserved[] = {{STR("aws:x"), STR("v")}};
    CALL_FAILS(CreateLogGroup,
               (REQUEST(CreateLogGroup){.logGroupName = STR("k"), .tags = {reserved, 1}}), NULL,
               BAD, "The tag key 'aws:x' starts with aws:, which is reserved.");
    CALL_FAILS(DescribeLogGroups,
               (REQUEST(DescribeLogGroups){.logGroupNamePrefix = STR("a"),
                                           .logGroupNamePattern = STR("b")}),
               &groups, BAD,
               "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
    CALL_FAILS(DescribeLogGroups, (REQUEST(DescribeLogGroups){.nextToken = STR("?")}), &groups, BAD,
               BAD_TOKEN);
    CALL_FAILS(DescribeLogGroups, (REQUEST(DescribeLogGroups){.nextToken = STR("MC8=")}), &groups,
               BAD, BAD_TOKEN); /* "0/": no name */
    CALL_FAILS(DescribeLogGroups,
               (REQUEST(DescribeLogGroups){.has_includeLinkedAccounts = true,
                                           .includeLinkedAccounts = true}),
               &groups, BAD, "Virga does not support includeLinkedAccounts yet.");
    CALL_FAILS(
        ListLogGroups,
        (REQUEST(ListLogGroups){.accountIdentifiers = {&(struct str){"111111111111", 12}, 1}}),
        &list, BAD, "Virga does not support accountIdentifiers of other accounts yet.");
    CALL_FAILS(PutRetentionPolicy, (REQUEST(PutRetentionPolicy){STR("none"), true, 1}), NULL,
               MISSING, NO_GROUP);
    CALL_FAILS(PutRetentionPolicy, (REQUEST(PutRetentionPolicy){STR("g"), true, 2}), NULL, BAD,
               "1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy "
               "constraint: Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, "
               "150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]");
    CALL_FAILS(DeleteRetentionPolicy, (REQUEST(DeleteRetentionPolicy){STR("none")}), NULL, MISSING,
               NO_GROUP);
    CALL_FAILS(ListTagsLogGroup, (REQUEST(ListTagsLogGroup){STR("none")}),
               &(struct logs_ListTagsLogGroupResponse){0}, MISSING, NO_GROUP);
}

static void test_refused_arns(void **state)
{
    (void) state;
    make_group("g");
    struct logs_ListTagsForResourceResponse out;
    static const struct {
        const char *arn, *error, *text;
    } cases[] = {
        {"arn:aws:logs:us-east-1:000000000000:log-group:none", MISSING, NO_RESOURCE},
        {"arn:aws:logs:us-east-1:111111111111:log-group:g", MISSING, NO_RESOURCE},
        {"arn:aws:logs:eu-west-1:000000000000:log-group:g", MISSING, NO_RESOURCE},
        {"arn:aws:s3:::g", BAD, "'arn:aws:s3:::g' is not the ARN of a log group."},
        {"g", BAD, "'g' is not the ARN of a log group."},
        {"arn:aws:logs:us-east-1:000000000000:log-group:", BAD,
         "'arn:aws:logs:us-east-1:000000000000:log-group:' is not the ARN of a log group."},
        {"arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:s", BAD,
         "'arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:s' is not the ARN of a log "
         "group."},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CALL_FAILS(ListTagsForResource, (REQUEST(ListTagsForResource){str_from(cases[i].arn)}),
                   &out, cases[i].error, cases[i].text);
    }
    CALL(ListTagsForResource,
         (REQUEST(ListTagsForResource){STR("arn:aws:logs:us-east-1:000000000000:log-group:g:*")}),
         &out);
}

static void test_refused_streams(void **state)
{
    (void) state;
    struct logs_DescribeLogStreamsResponse streams;
    make_group("g");
    CALL_FAILS(DescribeLogStreams, (REQUEST(DescribeLogStreams){0}), &streams, BAD,
               "Either logGroupName or logGroupIdentifier must be specified.");
    CALL_FAILS(DescribeLogStreams, (REQUEST(DescribeLogStreams){G, .logGroupIdentifier = STR("g")}),
               &streams, "ValidationException",
               "LogGroup name and LogGroup ARN are mutually exclusive parameters.");
    CALL_FAILS(DescribeLogStreams,
               (REQUEST(DescribeLogStreams){.logGroupIdentifier = STR("arn:x")}), &streams, BAD,
               "The specified log group identifier is not valid.");
    CALL_FAILS(DescribeLogStreams,
               (REQUEST(DescribeLogStreams){
                   .logGroupIdentifier = STR("arn:aws:logs:us-east-1:111111111111:log-group:g")}),
               &streams, MISSING, NO_GROUP);
    CALL_FAILS(DescribeLogStreams,
               (REQUEST(DescribeLogStreams){G, .orderBy = STR("LastEventTime"),
                                            .logStreamNamePrefix = STR("sth")}),
               &streams, BAD, "Cannot order by LastEventTime with a logStreamNamePrefix.");
    CALL_FAILS(DescribeLogStreams, (REQUEST(DescribeLogStreams){G, .nextToken = STR("abc")}),
               &streams, BAD, BAD_TOKEN);
    CALL_FAILS(DescribeLogStreams, (REQUEST(DescribeLogStreams){.logGroupName = STR("none")}),
               &streams, MISSING, NO_GROUP);
}

static void test_refused_events(void **state)
{
    (void) state;
    struct logs_GetLogEventsResponse got;
    struct logs_FilterLogEventsResponse found;
    struct logs_PutLogEventsResponse out;
    struct logs_InputLogEvent event = {.timestamp = NOW_MS, .message = STR("x")};
    make_group("g");
    make_stream("g", "s");
    assert_int_equal(put_some("none", "s", &event, 1, &out), OP_FAILED);
    assert_str(here->op.fault.message, NO_GROUP);
    assert_int_equal(put_some("g", "none", &event, 1, &out), OP_FAILED);
    assert_str(here->op.fault.message, NO_STREAM);
    CALL_FAILS(GetLogEvents, (REQUEST(GetLogEvents){.logGroupName = STR("none"), S}), &got, MISSING,
               NO_GROUP);
    CALL_FAILS(GetLogEvents, (REQUEST(GetLogEvents){G, .logStreamName = STR("none")}), &got,
               MISSING, NO_STREAM);
    static const char *const tokens[] = {
        "x",
        "not-existing-token",
        "f/",
        "f/3",
        "n/30179521080000000000000000000000000100000000000000000000",
        "f/40179521080000000000000000000000000100000000000000000000",
        "f/3017952108000000000000000000000000010000000000000000000x",
        "f/30179521080000000000000000000000000100000000000000000001",
        "f/30179521080000009223372036854775807000000000000000000000",
    };
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        CALL_FAILS(GetLogEvents, (REQUEST(GetLogEvents){G, S, .nextToken = str_from(tokens[i])}),
                   &got, BAD, BAD_TOKEN);
    }
    CALL_FAILS(FilterLogEvents, (REQUEST(FilterLogEvents){.logGroupName = STR("none")}), &found,
               MISSING, NO_GROUP);
    CALL_FAILS(FilterLogEvents, (REQUEST(FilterLogEvents){G, .nextToken = STR("f/1")}), &found, BAD,
               BAD_TOKEN);
    CALL_FAILS(FilterLogEvents, (REQUEST(FilterLogEvents){G, .filterPattern = STR("foo:bar")}),
               &found, BAD, "Invalid character(s) in term 'foo:bar'");
    CALL_FAILS(FilterLogEvents, (REQUEST(FilterLogEvents){G, .filterPattern = STR("{ $.a")}),
               &found, BAD, "If a filter pattern starts with '{' it must end with '}'");
    struct str names[] = {STR("s"), STR("none")};
    CALL_FAILS(FilterLogEvents, (REQUEST(FilterLogEvents){G, .logStreamNames = {names, 2}}), &found,
               MISSING, NO_STREAM);
    CALL_FAILS(FilterLogEvents,
               (REQUEST(FilterLogEvents){G, .logStreamNames = {names, 1},
                                         .logStreamNamePrefix = STR("s")}),
               &found, BAD,
               "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_orders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rejected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_forward, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_backward, setup, teardown),
        cmocka_unit_test_setup_teardown(test_search, setup, teardown),
        cmocka_unit_test_setup_teardown(test_search_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_search_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retention, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_arns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_events, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
