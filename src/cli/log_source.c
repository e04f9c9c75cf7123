/* Pages of FilterLogEvents, which merges the streams of a group by time.
 * source: Amazon CloudWatch Logs API, FilterLogEvents. */
#include "cli/log_source.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "data/json.h"

enum { ARENA_MAX = 64 << 20, TIMEOUT_MS = 30 * 1000 };

struct log_source {
    const struct cli_common *common;
    const char *group, *filter;
    int64_t from_ms;
    struct http_response page; /* is_open: to be ended */
    struct arena arena;        /* of the page */
    struct json_reader reader; /* inside the page's array of events */
    char *token;               /* owned: of the page behind; NULL: there is none */
    struct log_event event;
    bool is_open, has_event, is_begun;
};

struct log_source *log_source_new(const struct cli_common *common, const char *group,
                                  const char *filter, int64_t from_ms)
{
    struct log_source *source = NEW(struct log_source);
    *source =
        (struct log_source){.common = common, .group = group, .filter = filter, .from_ms = from_ms};
    arena_init(&source->arena, ARENA_MAX);
    return source;
}

static void page_close(struct log_source *source)
{
    if (source->is_open)
        http_response_done(&source->page);
    source->is_open = false;
    arena_reset(&source->arena);
}

void log_source_free(struct log_source *source)
{
    if (source == NULL)
        return;
    page_close(source);
    arena_done(&source->arena);
    free(source->token);
    free(source);
}

const char *log_source_group(const struct log_source *source)
{
    return source->group;
}

static void put_request(struct buf *out, const struct log_source *source)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, STR("logGroupName"));
    json_str(&w, str_from(source->group));
    json_key(&w, STR("startTime"));
    json_i64(&w, source->from_ms);
    if (source->filter != NULL) {
        json_key(&w, STR("filterPattern"));
        json_str(&w, str_from(source->filter));
    }
    if (source->token != NULL) {
        json_key(&w, STR("nextToken"));
        json_str(&w, str_from(source->token));
    }
    json_object_end(&w);
}

struct cli_request log_request(const struct http_header *target, struct str body)
{
    return (struct cli_request){.method = "POST",
                                .service = "logs",
                                .target = STR("/"),
                                .content_type = STR("application/x-amz-json-1.1"),
                                .headers = target,
                                .header_count = 1,
                                .body = body,
                                .timeout_ms = TIMEOUT_MS};
}

/* Asks for the next page. A group that is missing is an empty page, and the last. */
static int page_open(struct log_source *source)
{
    AUTO_BUF struct buf body;
    buf_init(&body, 1 << 20);
    put_request(&body, source);
    static const struct http_header target = LOG_TARGET("FilterLogEvents");
    const struct cli_request request = log_request(&target, buf_str(&body));
    int rc = cli_call(source->common, "logs", &request, &source->page);
    if (rc != CLI_OK)
        return rc;
    source->is_open = source->is_begun = true;
    free(take_ptr(&source->token));
    json_reader_init(&source->reader, STR("[]"), &source->arena);
    if (source->page.status != 200) {
        struct str code = cli_fault_code(&source->arena, &source->page);
        if (!str_eq(code, STR("ResourceNotFoundException")))
            return cli_print_fault("logs", &source->page);
    } else {
        struct str token = cli_json_member(&source->arena, source->page.body, STR("nextToken"));
        struct str events = cli_json_member(&source->arena, source->page.body, STR("events"));
        if (token.len > 0)
            source->token = mem_copy(token.ptr, token.len);
        if (events.ptr != NULL)
            json_reader_init(&source->reader, events, &source->arena);
    }
    (void) json_next(&source->reader); /* into the array */
    return CLI_OK;
}

static struct str text_or_empty(struct str text)
{
    return text.ptr == NULL ? STR("") : text;
}

/* False: the page has no more. */
static bool page_next(struct log_source *source)
{
    struct str raw;
    enum json_token tok = json_next(&source->reader);
    if (tok != JSON_OBJECT_BEGIN || !json_skip(&source->reader, tok, &raw))
        return false;
    struct arena *arena = &source->arena;
    struct log_event *event = &source->event;
    *event = (struct log_event){
        .id = text_or_empty(cli_json_member(arena, raw, STR("eventId"))),
        .message = text_or_empty(cli_json_member(arena, raw, STR("message"))),
        .stream = text_or_empty(cli_json_member(arena, raw, STR("logStreamName"))),
        .json = raw,
    };
    if (parse_i64(cli_json_member(arena, raw, STR("timestamp")), INT64_MIN, INT64_MAX,
                  &event->at_ms) < 0)
        event->at_ms = 0;
    return true;
}

int log_source_peek(struct log_source *source, const struct log_event **out_event)
{
    while (!source->has_event) {
        if (source->is_open && page_next(source)) {
            source->has_event = true;
            break;
        }
        page_close(source);
        if (source->is_begun && source->token == NULL) {
            *out_event = NULL;
            return CLI_OK;
        }
        int rc = page_open(source);
        if (rc != CLI_OK)
            return rc;
    }
    *out_event = &source->event;
    return CLI_OK;
}

void log_source_skip(struct log_source *source)
{
    source->has_event = false;
}
