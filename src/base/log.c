/* One write(2) per line, so that lines of several threads and processes never mix. The repeat
 * limiter remembers a handful of recent (room, msg) pairs; both are string literals, so their
 * addresses identify them. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

enum { LOG_LINE_MAX = 2048, LOG_RECENT = 32 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static _Atomic int level_now = LOG_INFO;

struct recent {
    const char *room, *msg;
    int64_t second;
    unsigned left_out;
};

static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;
static struct recent recent[LOG_RECENT];

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int) level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int) level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

/* True when the line may be written; *out_left_out is what was suppressed before it. */
static bool recent_admit(const char *room, const char *msg, int64_t second, unsigned *out_left_out)
{
    uintptr_t mix = ((uintptr_t) msg >> 3) * 31 + ((uintptr_t) room >> 3);
    (void) pthread_mutex_lock(&recent_lock);
    struct recent *r = &recent[mix % LOG_RECENT];
    bool is_same = r->room == room && r->msg == msg;
    bool is_admitted = !is_same || r->second != second;
    *out_left_out = is_same ? r->left_out : 0;
    if (is_admitted)
        *r = (struct recent){room, msg, second, 0};
    else
        r->left_out++;
    (void) pthread_mutex_unlock(&recent_lock);
    return is_admitted;
}

void log_write(enum log_level level, const char *room, const char *msg, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    struct timespec now;
    (void) clock_gettime(CLOCK_REALTIME, &now);
    unsigned left_out = 0;
    if (level != LOG_INFO && !recent_admit(room, msg, (int64_t) now.tv_sec, &left_out))
        return;

    struct tm tm;
    (void) gmtime_r(&now.tv_sec, &tm);
    char line[LOG_LINE_MAX];
    int len = snprintf(line, sizeof line,
                       "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ lvl=%s room=%s msg=\"%s\"",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                       tm.tm_sec, now.tv_nsec / 1000000, level_names[level], room, msg);
    if (format[0] != '\0' && len < LOG_LINE_MAX - 2) {
        line[len++] = ' ';
        va_list args;
        va_start(args, format);
        len += vsnprintf(line + len, sizeof line - (size_t) len, format, args);
        va_end(args);
    }
    if (left_out > 0 && len < LOG_LINE_MAX - 32)
        len += snprintf(line + len, sizeof line - (size_t) len, " left_out=%u", left_out);
    if (len > LOG_LINE_MAX - 2)
        len = LOG_LINE_MAX - 2;
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, (size_t) len) < 0)
        return; /* Nobody reads our log: there is no better place to say so. */
}

const char *log_quote(struct log_text *out, struct str text)
{
    size_t at = 0;
    out->text[at++] = '"';
    for (size_t i = 0; i < text.len && at < 500; i++) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\')
            out->text[at++] = '\\';
        out->text[at++] = (unsigned char) c < ' ' || c == 0x7f ? ' ' : c;
    }
    out->text[at++] = '"';
    out->text[at] = '\0';
    return out->text;
}
