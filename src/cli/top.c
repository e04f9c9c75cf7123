/* virga top: what functions do now, from /_virga/status; again and again on a terminal, once into
 * a pipe.
 *
 * On a terminal it takes the other screen (as pagers do) and reads single keys: q or ctrl-c leaves,
 * c, m, n, t sort. The line discipline's settings come back whatever ends it: a signal is only
 * noted, and the loop looks. source: xterm's control sequences; termios(3). */
#include "cli/api.h"
#include "cli/cli.h"

#include "base/mem.h"
#include "data/json.h"
#include "os/file.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10 * 1000, INTERVAL_MS = 1000, ROWS_MAX = 10000, SCREEN_MAX = 1 << 20 };

struct row {
    struct str name, version;
    double instances, busy, queued, calls, errors, throttles, rate, p50, p99, used, size;
};

enum order { BY_RATE, BY_NAME, BY_TIME, BY_MEMORY };

struct top {
    struct cli_common common;
    bool is_once;
    int64_t interval_ms;
    enum order order;
    struct row *rows; /* ROWS_MAX; views into the answer and the arena */
    size_t row_count;
};

/* --- what the server says --- */

static double number(struct arena *arena, struct str json, struct str name)
{
    char text[32];
    struct str value = cli_json_member(arena, json, name);
    (void) snprintf(text, sizeof text, STR_FMT, STR_ARG(value));
    return strtod(text, NULL);
}

struct filling {
    struct top *top;
    struct arena *arena;
};

static void take_row(void *arg, struct str function)
{
    struct filling *filling = arg;
    struct top *top = filling->top;
    struct arena *arena = filling->arena;
    if (top->row_count == ROWS_MAX)
        return;
    top->rows[top->row_count++] = (struct row){
        .name = cli_json_member(arena, function, STR("name")),
        .version = cli_json_member(arena, function, STR("version")),
        .instances = number(arena, function, STR("instances")),
        .busy = number(arena, function, STR("busy")),
        .queued = number(arena, function, STR("queued")),
        .calls = number(arena, function, STR("calls")),
        .errors = number(arena, function, STR("errors")),
        .throttles = number(arena, function, STR("throttles")),
        .rate = number(arena, function, STR("callsPerSecond")),
        .p50 = number(arena, function, STR("p50Ms")),
        .p99 = number(arena, function, STR("p99Ms")),
        .used = number(arena, function, STR("memoryUsedBytes")) / (1 << 20),
        .size = number(arena, function, STR("memoryMb")),
    };
}

static int compare_names(const struct row *a, const struct row *b)
{
    int order = str_cmp(a->name, b->name);
    return order != 0 ? order : str_cmp(a->version, b->version);
}

static int compare_rows(const void *a_row, const void *b_row, void *order)
{
    const struct row *a = a_row, *b = b_row;
    double x = 0, y = 0;
    switch (*(const enum order *) order) {
    case BY_NAME: break;
    case BY_RATE: x = a->rate, y = b->rate; break;
    case BY_TIME: x = a->p99, y = b->p99; break;
    case BY_MEMORY: x = a->used, y = b->used; break;
    }
    return x > y ? -1 : x < y ? 1 : compare_names(a, b);
}

/* --- the table --- */

static void put_ms(struct buf *out, double ms)
{
    if (ms <= 0)
        buf_printf(out, " %8s", "-");
    else
        buf_printf(out, ms < 10 ? " %8.2f" : ms < 1000 ? " %8.1f" : " %8.0f", ms);
}

static void put_row(struct buf *out, const struct row *row)
{
    char name[128];
    bool is_latest = str_eq(row->version, STR("$LATEST"));
    (void) snprintf(name, sizeof name, STR_FMT "%s" STR_FMT, STR_ARG(row->name),
                    is_latest ? "" : ":", STR_ARG(is_latest ? STR("") : row->version));
    buf_printf(out, "%-28.28s %5.0f %5.0f %6.0f %8.1f", name, row->instances, row->busy,
               row->queued, row->rate);
    put_ms(out, row->p50);
    put_ms(out, row->p99);
    buf_printf(out, " %5.0f/%-5.0f %8.0f %6.0f %6.0f", row->used, row->size, row->calls,
               row->errors, row->throttles);
}

static void put_head(struct buf *out, const struct top *top, struct arena *arena, struct str status)
{
    struct str instances = cli_json_member(arena, status, STR("instances"));
    buf_printf(out, "%s  %.0f instances, %.0f busy; %.0f calls wait", top->common.endpoint,
               number(arena, instances, STR("alive")), number(arena, instances, STR("busy")),
               number(arena, instances, STR("queued")));
}

static const char columns[] =
    "FUNCTION                     INST  BUSY QUEUED  CALLS/S   P50 ms   P99 ms  MB of       "
    "CALLS ERRORS THROTL";

/* height: lines of the terminal, 0: all; each line ends with `end`. */
static void put_table(struct buf *out, struct top *top, struct arena *arena, struct str status,
                      size_t height, const char *end)
{
    struct filling filling = {top, arena};
    top->row_count = 0;
    if (!cli_json_each(arena, status, STR("functions"), take_row, &filling))
        buf_put(out, STR("(no figures)"));
    qsort_r(top->rows, top->row_count, sizeof *top->rows, compare_rows, &top->order);
    put_head(out, top, arena, status);
    buf_printf(out, "%s%s%s%s", end, end, columns, end);
    size_t fitting = height < 6 ? top->row_count : height - 5;
    for (size_t i = 0; i < top->row_count && (height == 0 || i < fitting); i++) {
        put_row(out, &top->rows[i]);
        buf_put(out, str_from(end));
    }
    if (top->row_count == 0)
        buf_printf(out, "no function has been called yet%s", end);
}

/* CLI_OK: one look has been put into out. */
static int look(struct top *top, struct buf *out, size_t height, const char *end)
{
    const struct cli_request request = {
        .method = "GET", .target = STR("/_virga/status"), .timeout_ms = TIMEOUT_MS};
    struct http_response response;
    int rc = cli_ask(&top->common, "top", &request, &response);
    if (rc != CLI_OK)
        return rc;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 256 << 20);
    if (top->common.is_json)
        buf_printf(out, STR_FMT "\n", STR_ARG(response.body));
    else
        put_table(out, top, &arena, response.body, height, end);
    http_response_done(&response);
    return CLI_OK;
}

static int once(struct top *top)
{
    AUTO_BUF struct buf out;
    buf_init(&out, 64 << 20);
    int rc = look(top, &out, 0, "\n");
    if (rc == CLI_OK)
        printf(STR_FMT, STR_ARG(buf_str(&out)));
    return rc;
}

/* --- the terminal --- */

static volatile sig_atomic_t has_signal;

static void on_signal(int number)
{
    (void) number;
    has_signal = 1;
}

static size_t terminal_height(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

/* False: the user wants to leave. */
static bool take_keys(struct top *top)
{
    char key;
    while (read(STDIN_FILENO, &key, 1) == 1) {
        switch (key) {
        case 'q':
        case 3: return false;
        case 'c': top->order = BY_RATE; break;
        case 'n': top->order = BY_NAME; break;
        case 't': top->order = BY_TIME; break;
        case 'm': top->order = BY_MEMORY; break;
        default: break;
        }
    }
    return true;
}

/* Draws over what is there, line by line, so that nothing flickers. */
static int draw(struct top *top)
{
    AUTO_BUF struct buf out;
    buf_init(&out, SCREEN_MAX);
    buf_put(&out, STR("\033[H"));
    int rc = look(top, &out, terminal_height(), "\033[K\r\n");
    if (rc != CLI_OK)
        return rc;
    buf_put(&out, STR("\033[J\r\nsort: c calls  t time  m memory  n name   q quit\033[K"));
    struct err err;
    return fd_write_all(STDOUT_FILENO, buf_str(&out), &err) < 0 ? CLI_USAGE : CLI_OK;
}

static int live(struct top *top)
{
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        int rc = draw(top);
        if (rc != CLI_OK)
            return rc;
        int ready = poll(&keys, 1, (int) top->interval_ms);
        if (has_signal != 0 || (ready < 0 && errno != EINTR))
            return CLI_OK;
        if (ready > 0 && !take_keys(top))
            return CLI_OK;
    }
}

static int on_terminal(struct top *top)
{
    struct termios before;
    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return once(top);
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    const struct sigaction action = {.sa_handler = on_signal};
    (void) sigaction(SIGINT, &action, NULL);
    (void) sigaction(SIGTERM, &action, NULL);
    (void) sigaction(SIGHUP, &action, NULL);
    (void) tcsetattr(STDIN_FILENO, TCSANOW, &raw); /* without it keys want an Enter */
    printf("\033[?1049h\033[?25l");                /* the other screen, no cursor */
    (void) fflush(stdout);
    int rc = live(top);
    printf("\033[?25h\033[?1049l");
    (void) fflush(stdout);
    (void) tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return rc;
}

int cli_top_main(int argc, char **argv)
{
    struct top top = {.interval_ms = INTERVAL_MS};
    const struct cli_option options[] = {
        {"--once", OPTION_FLAG, &top.is_once, NULL, "print the table once, as into a pipe"},
        {"--interval", OPTION_NUMBER, &top.interval_ms, "MS", "between two looks (default 1000)"},
    };
    const struct cli_syntax syntax = {
        .command = "top",
        .summary =
            "Shows what functions do now: instances, calls that run and wait, calls a second "
            "and\nthe time they take (of the last 10 to 20 seconds), memory. On a terminal it "
            "goes\non until q; keys c, t, m, n sort by calls, time, memory, name.",
        .arguments = "",
        .options = options,
        .option_count = ARRAY_LEN(options),
    };
    int rc = cli_parse(&syntax, argc, argv, &top.common, NULL);
    if (rc != CLI_PARSED)
        return rc;
    if (top.interval_ms < 100)
        top.interval_ms = 100;
    top.rows = NEW_ARRAY(struct row, ROWS_MAX);
    bool is_live = !top.is_once && !top.common.is_json && isatty(STDOUT_FILENO) == 1;
    rc = is_live ? on_terminal(&top) : once(&top);
    free(top.rows);
    return rc;
}
