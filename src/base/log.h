#pragma once
/* Logging: logfmt, one event per line on standard error.
 *
 *     log_warn("pool", "cold start slow", "fn=" STR_FMT " ms=%d", STR_ARG(name), ms);
 *     -> ts=2026-11-20T21:40:00.123Z lvl=warn room=pool msg="cold start slow" fn=f ms=812
 *
 * error: a human must act; warn: degraded; info: life cycle; debug: off by default. No secrets,
 * no bodies. Values that may hold blanks or quotes are printed through log_quote. The same
 * (room, msg) at most once a second; the next line says how many were left out.
 * thread: any. base data os net store aws sandbox do not log, they return errors. */
#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *room, const char *msg, const char *format, ...)
    PRINTF_LIKE(4, 5);

#define log_error(room, msg, ...) log_write(LOG_ERROR, room, msg, "" __VA_ARGS__)
#define log_warn(room, msg, ...)  log_write(LOG_WARN, room, msg, "" __VA_ARGS__)
#define log_info(room, msg, ...)  log_write(LOG_INFO, room, msg, "" __VA_ARGS__)
#define log_debug(room, msg, ...)                                                                  \
    (log_is_on(LOG_DEBUG) ? log_write(LOG_DEBUG, room, msg, "" __VA_ARGS__) : (void) 0)

/* text as a logfmt value, quoted and escaped where needed, cut at 500 bytes. out holds it; returned
 * for use as an argument. */
struct log_text {
    char text[520];
};
const char *log_quote(struct log_text *out, struct str text);
