#pragma once
/* struct str: a borrowed view of bytes, not NUL-terminated. Everything parsed is a view into the
 * buffer it was parsed from. ptr == NULL means "absent"; an empty string has a non-NULL ptr. */
#include "base/banned.h"
#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(lit)                                                                              \
    {                                                                                              \
        "" lit, sizeof(lit) - 1                                                                    \
    } /* for static initialisers */
#define STR_NONE   ((struct str){NULL, 0})
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int) (s).len, (s).ptr

static inline struct str str_from(const char *text)
{
    return (struct str){text, text == NULL ? 0 : strlen(text)};
}

static inline struct str str_of(const void *ptr, size_t len)
{
    return (struct str){ptr, len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is_empty(struct str s)
{
    return s.len == 0;
}

/* The rest of s from `at` on; at is clamped to s.len. */
static inline struct str str_skip(struct str s, size_t at)
{
    size_t n = at < s.len ? at : s.len;
    return (struct str){n == 0 ? s.ptr : s.ptr + n, s.len - n}; /* NULL is never added to */
}

/* At most the first n bytes of s. */
static inline struct str str_head(struct str s, size_t n)
{
    return (struct str){s.ptr, n < s.len ? n : s.len};
}

int str_cmp(struct str a, struct str b); /* memcmp order, shorter first */
bool str_eq_nocase(struct str a, struct str b);
bool str_eq_secret(struct str a, struct str b); /* time depends on the lengths only */
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Position of the first byte c, or s.len. */
size_t str_find(struct str s, char c);
/* Position of the first occurrence of needle, or s.len. */
size_t str_find_str(struct str s, struct str needle);
struct str str_trim(struct str s); /* spaces and tabs off both ends */

/* Takes the part before the next `sep` off *rest into *out_part. False when *rest is used up
 * (rest->ptr == NULL). "a,,b" gives "a", "", "b"; "" gives one empty part. */
bool str_split(struct str *rest, char sep, struct str *out_part);

/* Decimal digits only, no sign, no leading blanks. -EINVAL malformed or empty, -ERANGE > max. */
CHECK_RESULT int parse_u64(struct str s, uint64_t max, uint64_t *out_value);
/* The same with an optional '-'. */
CHECK_RESULT int parse_i64(struct str s, int64_t min, int64_t max, int64_t *out_value);
