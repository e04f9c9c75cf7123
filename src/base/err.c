/* The error object: one code and one sentence, in the caller's memory. */
#include "base/err.h"

#include "base/assert.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>

#undef err_set /* what the analyzer is told instead of these */
#undef err_say
#undef err_wrap

/* Adds text that may be cut: the limit is the buffer's. */
static size_t err_append(struct err *err, size_t at, const char *text)
{
    size_t room = sizeof err->text - 1 - at, len = strlen(text);
    size_t n = len < room ? len : room;
    memcpy(err->text + at, text, n);
    err->text[at + n] = '\0';
    return at + n;
}

static void PRINTF_LIKE(3, 0)
    err_format(struct err *err, const char *suffix, const char *format, va_list args)
{
    int len = vsnprintf(err->text, sizeof err->text, format, args);
    size_t at = len < 0 ? 0 : (size_t) len;
    if (suffix != NULL && at < sizeof err->text)
        (void) err_append(err, err_append(err, at, ": "), suffix);
}

int err_set(struct err *err, int code, const char *format, ...)
{
    assert(code < 0);
    if (err == NULL)
        return code;
    char reason[64];
    va_list args;
    va_start(args, format);
    err_format(err, strerror_r(-code, reason, sizeof reason), format, args);
    va_end(args);
    err->code = code;
    return code;
}

int err_say(struct err *err, int code, const char *format, ...)
{
    assert(code < 0);
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, format);
    err_format(err, NULL, format, args);
    va_end(args);
    err->code = code;
    return code;
}

int err_wrap(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return -EIO;
    assert(err->code < 0);
    struct err inner = *err;
    va_list args;
    va_start(args, format);
    err_format(err, inner.text, format, args);
    va_end(args);
    return err->code;
}
