/* AWS gives every invocation a trace id, whoever asks for traces: the caller's root and decision,
 * or new ones, and a parent of its own, for what the function does happens below it. */
#include "data/trace_id.h"

#include <stdio.h>

enum { ROOT_LEN = 35, PARENT_LEN = 16, REQUEST_DIGITS = 32 };

struct trace {
    struct str root; /* ptr NULL: none yet */
    bool is_sampled;
};

static bool is_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
            return false;
    }
    return true;
}

/* "1-", eight digits of the time, "-", 24 random ones. */
static bool is_root(struct str text)
{
    return text.len == ROOT_LEN && str_starts(text, STR("1-")) && text.ptr[10] == '-' &&
           is_hex(str_of(text.ptr + 2, 8)) && is_hex(str_of(text.ptr + 11, 24));
}

/* False: the member is not what it should be. */
static bool take(struct trace *trace, struct str name, struct str value)
{
    if (str_eq_nocase(name, STR("Root"))) {
        trace->root = value;
        return is_root(value);
    }
    if (str_eq_nocase(name, STR("Parent")))
        return value.len == PARENT_LEN && is_hex(value);
    if (!str_eq_nocase(name, STR("Sampled")))
        return true;
    trace->is_sampled = str_eq(value, STR("1"));
    /* "?" asks for a decision. */
    return trace->is_sampled || str_eq(value, STR("0")) || str_eq(value, STR("?"));
}

static bool parse(struct str header, struct trace *out)
{
    struct str rest = header, member;
    struct trace trace = {0};
    while (str_split(&rest, ';', &member)) {
        struct str trimmed = str_trim(member);
        size_t equals = str_find(trimmed, '=');
        if (trimmed.len == 0)
            continue;
        if (equals == trimmed.len ||
            !take(&trace, str_head(trimmed, equals), str_skip(trimmed, equals + 1)))
            return false;
    }
    *out = trace;
    return trace.root.ptr != NULL;
}

bool trace_id_is_valid(struct str header)
{
    struct trace ignored;
    return parse(header, &ignored);
}

struct str trace_id_make(char out[TRACE_ID_SIZE], struct str given, struct str request_id,
                         int64_t utc_ms)
{
    char digits[REQUEST_DIGITS];
    size_t count = 0;
    for (size_t i = 0; i < request_id.len && count < sizeof digits; i++)
        if (request_id.ptr[i] != '-')
            digits[count++] = request_id.ptr[i];
    if (count < sizeof digits)
        return STR_NONE;
    struct trace trace;
    int n;
    if (parse(given, &trace))
        n = snprintf(out, TRACE_ID_SIZE, "Root=" STR_FMT ";Parent=%.16s;Sampled=%d",
                     STR_ARG(trace.root), digits + 16, trace.is_sampled);
    else
        n = snprintf(out, TRACE_ID_SIZE, "Root=1-%08x-%.24s;Parent=%.16s;Sampled=0",
                     (unsigned) (utc_ms / 1000), digits, digits + 16);
    return str_of(out, (size_t) n);
}
