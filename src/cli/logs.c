/* virga logs [NAME]: what functions printed, in the order of time over all their streams; of one
 * function, or of all.
 *
 * Following asks again and again from a little before the newest event, since events of one moment
 * arrive in several commits, and leaves out the ids that were shown: nothing is shown twice, and
 * what arrives up to OVERLAP_MS late is not missed. */
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/log_source.h"
#include "cli/print.h"

#include "base/map.h"
#include "base/mem.h"
#include "data/json.h"
#include "data/time.h"
#include "os/clock.h"

#include <time.h>
#include <unistd.h>

enum {
    GROUPS_MAX = 1000,
    OVERLAP_MS = 2000,
    POLL_MS = 300,
    TIMEOUT_MS = 30 * 1000,
};

#define GROUP_PREFIX "/aws/lambda/"

struct shown { /* an event, for as long as it may come again */
    int64_t at_ms;
    size_t id_len;
    char id[];
};

struct logs {
    struct cli_common common;
    const char *name, *since, *filter;
    bool is_following;
    bool is_terminal, has_names; /* how to print */
    char *groups[GROUPS_MAX];    /* owned */
    size_t group_count;
    struct map shown; /* by id, owned; while following */
    int64_t from_ms, newest_ms;
};

/* --- which groups --- */

static void add_group(struct logs *logs, struct str name)
{
    for (size_t i = 0; i < logs->group_count; i++) {
        if (str_eq(str_from(logs->groups[i]), name))
            return;
    }
    if (logs->group_count < GROUPS_MAX)
        logs->groups[logs->group_count++] = mem_copy(name.ptr, name.len);
}

/* The group that a function is configured to write to; of one that is gone, the usual one. */
static int find_group(struct logs *logs)
{
    if (logs->name[0] == '/') {
        add_group(logs, str_from(logs->name)); /* a log group's own name */
        return CLI_OK;
    }
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct cli_request request = {.method = "GET",
                                        .target =
                                            cli_function_path(&arena, logs->name, "/configuration"),
                                        .timeout_ms = TIMEOUT_MS};
    struct http_response response;
    int rc = cli_call(&logs->common, "logs", &request, &response);
    if (rc != CLI_OK)
        return rc;
    struct str group = STR_NONE;
    if (response.status == 200)
        group = cli_json_member(
            &arena, cli_json_member(&arena, response.body, STR("LoggingConfig")), STR("LogGroup"));
    else if (response.status != 404)
        rc = cli_print_fault("logs", &response);
    if (group.ptr == NULL)
        group = arena_printf(&arena, GROUP_PREFIX "%s", logs->name);
    add_group(logs, group);
    http_response_done(&response);
    return rc;
}

static void take_group(void *arg, struct str group)
{
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 16);
    struct str name = cli_json_member(&arena, group, STR("logGroupName"));
    if (name.len > 0)
        add_group(arg, name);
}

/* One page of DescribeLogGroups; *token is replaced by the next one, {NULL, 0} at the end. */
static int list_groups(struct logs *logs, struct arena *arena, struct str *token)
{
    AUTO_BUF struct buf body;
    struct json_writer w;
    buf_init(&body, 1 << 16);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    if (token->ptr != NULL) {
        json_key(&w, STR("nextToken"));
        json_str(&w, *token);
    }
    json_object_end(&w);
    static const struct http_header target = LOG_TARGET("DescribeLogGroups");
    const struct cli_request request = log_request(&target, buf_str(&body));
    struct http_response response;
    int rc = cli_ask(&logs->common, "logs", &request, &response);
    if (rc != CLI_OK)
        return rc;
    if (!cli_json_each(arena, response.body, STR("logGroups"), take_group, logs))
        rc = CLI_SERVER_ERROR;
    struct str next = cli_json_member(arena, response.body, STR("nextToken"));
    *token = next.ptr == NULL ? STR_NONE : arena_str(arena, next);
    http_response_done(&response);
    return rc;
}

static int find_groups(struct logs *logs)
{
    if (logs->name != NULL)
        return logs->group_count > 0 ? CLI_OK : find_group(logs);
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 16 << 20);
    struct str token = STR_NONE;
    int rc;
    do
        rc = list_groups(logs, &arena, &token);
    while (rc == CLI_OK && token.ptr != NULL);
    return rc;
}

/* --- printing --- */

static struct str short_name(const char *group)
{
    struct str name = str_from(group), prefix = STR(GROUP_PREFIX);
    return str_starts(name, prefix) ? str_skip(name, prefix.len) : name;
}

static void print_json(const char *group, const struct log_event *event)
{
    AUTO_BUF struct buf name;
    struct json_writer w;
    buf_init(&name, 4096);
    json_writer_init(&w, &name);
    json_str(&w, str_from(group));
    /* The event as it came, and whose it is. */
    printf("{\"logGroupName\":" STR_FMT "," STR_FMT "\n", STR_ARG(buf_str(&name)),
           STR_ARG(str_skip(event->json, 1)));
}

static void print_event(const struct logs *logs, const char *group, const struct log_event *event)
{
    AUTO_BUF struct buf at;
    buf_init(&at, 64);
    time_put_iso8601(&at, event->at_ms, true);
    const char *dim = logs->is_terminal ? "\033[2m" : "",
               *plain = logs->is_terminal ? "\033[0m" : "";
    printf("%s" STR_FMT, dim, STR_ARG(buf_str(&at)));
    if (logs->has_names)
        printf("  " STR_FMT, STR_ARG(short_name(group)));
    printf("%s  ", plain);
    struct str message = event->message;
    while (message.len > 0 && message.ptr[message.len - 1] == '\n')
        message.len--;
    if (logs->is_terminal)
        print_visibly(message);
    else
        printf(STR_FMT, STR_ARG(message));
    printf("\n");
}

/* False: it was shown before. */
static bool remember(struct logs *logs, const struct log_event *event)
{
    if (!logs->is_following)
        return true;
    if (map_find(&logs->shown, event->id) != NULL)
        return false;
    struct shown *shown = mem_new(sizeof *shown + event->id.len);
    shown->at_ms = event->at_ms;
    shown->id_len = event->id.len;
    memcpy(shown->id, event->id.ptr, event->id.len);
    (void) map_put(&logs->shown, str_of(shown->id, shown->id_len), shown);
    return true;
}

/* What lies before the next question's time does not come again. */
static void forget(struct logs *logs)
{
    struct map kept;
    struct shown *shown;
    size_t at = 0;
    map_init(&kept);
    while ((shown = map_next(&logs->shown, &at, NULL)) != NULL) {
        if (shown->at_ms >= logs->from_ms)
            (void) map_put(&kept, str_of(shown->id, shown->id_len), shown);
        else
            free(shown);
    }
    map_done(&logs->shown);
    logs->shown = kept;
}

/* --- merging --- */

/* The oldest event of all sources; *out_source NULL at the end. */
static int oldest(struct log_source *const *sources, size_t count, struct log_source **out_source,
                  const struct log_event **out_event)
{
    const struct log_event *event;
    *out_source = NULL;
    for (size_t i = 0; i < count; i++) {
        int rc = log_source_peek(sources[i], &event);
        if (rc != CLI_OK)
            return rc;
        if (event != NULL && (*out_source == NULL || event->at_ms < (*out_event)->at_ms)) {
            *out_source = sources[i];
            *out_event = event;
        }
    }
    return CLI_OK;
}

static int show_all(struct logs *logs, struct log_source *const *sources, size_t *out_count)
{
    struct log_source *source;
    const struct log_event *event = NULL;
    int rc;
    *out_count = 0;
    while ((rc = oldest(sources, logs->group_count, &source, &event)) == CLI_OK && source != NULL) {
        if (remember(logs, event)) {
            if (logs->common.is_json)
                print_json(log_source_group(source), event);
            else
                print_event(logs, log_source_group(source), event);
            (*out_count)++;
        }
        if (event->at_ms > logs->newest_ms)
            logs->newest_ms = event->at_ms;
        log_source_skip(source);
    }
    return rc;
}

static int show(struct logs *logs, size_t *out_count)
{
    struct log_source **sources = NEW_ARRAY(struct log_source *, GROUPS_MAX);
    for (size_t i = 0; i < logs->group_count; i++)
        sources[i] = log_source_new(&logs->common, logs->groups[i], logs->filter, logs->from_ms);
    int rc = show_all(logs, sources, out_count);
    for (size_t i = 0; i < logs->group_count; i++)
        log_source_free(sources[i]);
    free(sources);
    if (fflush(stdout) != 0 && rc == CLI_OK)
        rc = CLI_USAGE; /* nobody reads any more */
    return rc;
}

static int follow(struct logs *logs)
{
    size_t count;
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000 * 1000};
    for (;;) {
        int64_t from_ms = logs->newest_ms - OVERLAP_MS;
        if (from_ms > logs->from_ms)
            logs->from_ms = from_ms;
        forget(logs);
        (void) nanosleep(&pause, NULL);
        int rc = find_groups(logs);
        if (rc == CLI_OK)
            rc = show(logs, &count);
        if (rc != CLI_OK)
            return rc;
    }
}

/* "90s", "10m", "2h", "1d", or a moment (RFC 3339); false: neither. */
static bool parse_since(const char *text, int64_t now_ms, int64_t *out_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60 * 1000}, {'h', 60 * 60 * 1000}, {'d', 24 * 60 * 60 * 1000}};
    struct str word = str_from(text);
    uint64_t number;
    if (time_parse_iso8601(word, out_ms) == 0)
        return true;
    if (word.len < 2 || parse_u64(str_head(word, word.len - 1), 100 * 1000, &number) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (units[i].unit == word.ptr[word.len - 1]) {
            int64_t from_ms = now_ms - (int64_t) number * units[i].ms;
            *out_ms = from_ms < 0 ? 0 : from_ms;
            return true;
        }
    }
    return false;
}

static int run(struct logs *logs)
{
    size_t count;
    int rc = find_groups(logs);
    if (rc == CLI_OK)
        rc = show(logs, &count);
    if (rc == CLI_OK && count == 0 && !logs->is_following && !logs->common.is_json)
        (void) fprintf(stderr, "virga logs: nothing since %s (see --since)\n", logs->since);
    return rc == CLI_OK && logs->is_following ? follow(logs) : rc;
}

int cli_logs_main(int argc, char **argv)
{
    struct logs logs = {.since = "10m"};
    static const char *const names[] = {"NAME"};
    const struct cli_option options[] = {
        {"--follow", OPTION_FLAG, &logs.is_following, NULL, "stay, and print what comes", 'f'},
        {"--since", OPTION_TEXT, &logs.since, "TIME",
         "from then on: 90s, 10m, 2h, 1d ago, or 2026-11-20T21:40:00Z (default 10m)"},
        {"--filter", OPTION_TEXT, &logs.filter, "PATTERN",
         "only what matches, in the filter language of CloudWatch Logs"},
    };
    const struct cli_syntax syntax = {
        .command = "logs",
        .summary = "Prints what functions logged: one, or all of them. A name that begins with a\n"
                   "slash is a log group's. With --json each event is an object on a line.",
        .arguments = "[NAME]",
        .names_of_arguments = names,
        .argument_count = 1,
        .optional_count = 1,
        .options = options,
        .option_count = ARRAY_LEN(options),
    };
    int rc = cli_parse(&syntax, argc, argv, &logs.common, &logs.name);
    if (rc != CLI_PARSED)
        return rc;
    if (!parse_since(logs.since, clock_utc_ms(&clock_real), &logs.from_ms)) {
        (void) fprintf(stderr, "virga logs: --since wants 90s, 10m, 2h, 1d or a moment, not '%s'\n",
                       logs.since);
        return CLI_USAGE;
    }
    logs.is_terminal = isatty(STDOUT_FILENO) == 1;
    logs.has_names = logs.name == NULL;
    map_init(&logs.shown);
    rc = run(&logs);
    logs.from_ms = INT64_MAX;
    forget(&logs);
    map_done(&logs.shown);
    for (size_t i = 0; i < logs.group_count; i++)
        free(logs.groups[i]);
    return rc;
}
