/* Views of bytes: comparing, cutting, and the only number parser of the code base. */
#include "base/str.h"

#include <errno.h>

int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static char str_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (str_lower(a.ptr[i]) != str_lower(b.ptr[i]))
            return false;
    return true;
}

bool str_eq_secret(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    unsigned differs = 0;
    for (size_t i = 0; i < a.len; i++)
        differs |= (unsigned char) a.ptr[i] ^ (unsigned char) b.ptr[i];
    return differs == 0;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_head(s, prefix.len), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_head(s, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

size_t str_find(struct str s, char c)
{
    const char *hit = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
    return hit == NULL ? s.len : (size_t) (hit - s.ptr);
}

size_t str_find_str(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    const char *hit = s.len == 0 ? NULL : memmem(s.ptr, s.len, needle.ptr, needle.len);
    return hit == NULL ? s.len : (size_t) (hit - s.ptr);
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = str_skip(s, 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool str_split(struct str *rest, char sep, struct str *out_part)
{
    if (rest->ptr == NULL)
        return false;
    size_t at = str_find(*rest, sep);
    *out_part = str_head(*rest, at);
    *rest = at == rest->len ? STR_NONE : str_skip(*rest, at + 1);
    return true;
}

int parse_u64(struct str s, uint64_t max, uint64_t *out_value)
{
    if (s.len == 0)
        return -EINVAL;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -EINVAL;
        uint64_t digit = (uint64_t) (s.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        value = value * 10 + digit;
    }
    if (value > max)
        return -ERANGE;
    *out_value = value;
    return 0;
}

int parse_i64(struct str s, int64_t min, int64_t max, int64_t *out_value)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t limit = is_negative ? (uint64_t) INT64_MAX + 1 : (uint64_t) INT64_MAX;
    uint64_t size;
    int rc = parse_u64(is_negative ? str_skip(s, 1) : s, limit, &size);
    if (rc < 0)
        return rc;
    int64_t value = is_negative ? (int64_t) (0 - size) : (int64_t) size;
    if (value < min || value > max)
        return -ERANGE;
    *out_value = value;
    return 0;
}
