/* The error object: one code and one sentence, in the caller's memory. */
#include "base/err.h"

#include "base/assert.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>

static void err_format(struct err *err, const char *suffix, const char *format, va_list args)
{
    int len = vsnprintf(err->text, sizeof err->text, format, args);
    size_t at = len < 0 ? 0 : (size_t) len;
    if (suffix != NULL && at < sizeof err->text)
        (void) snprintf(err->text + at, sizeof err->text - at, ": %s", suffix);
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
