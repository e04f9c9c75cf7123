/* Percent coding (RFC 3986, section 2) and query strings.
 *
 * Encoding escapes all but the unreserved characters, which is also what SigV4's canonical request
 * demands. Decoding accepts either case of hexadecimal and leaves every other byte as it is; in
 * queries '+' reads as a blank, as AWS's front ends and HTML forms have it. Text without escapes,
 * the usual case, is never copied. thread: any. */
#include "data/uri.h"

#include "data/hash.h"

#include <errno.h>

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static bool is_kept(char c, bool keep_slash)
{
    return is_unreserved(c) || (c == '/' && keep_slash);
}

void uri_encode(struct buf *out, struct str text, bool keep_slash)
{
    size_t at = 0;
    while (at < text.len) {
        size_t run = at;
        while (run < text.len && is_kept(text.ptr[run], keep_slash))
            run++;
        buf_put(out, str_of(text.ptr + at, run - at));
        for (; run < text.len && !is_kept(text.ptr[run], keep_slash); run++) {
            unsigned char c = (unsigned char) text.ptr[run];
            char escape[3] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
            buf_put(out, str_of(escape, sizeof escape));
        }
        at = run;
    }
}

/* Takes one decoded character off *rest, which is not empty. -EINVAL on a broken escape. */
static int take_char(struct str *rest, bool plus_is_blank, char *out_char)
{
    char c = rest->ptr[0];
    if (c != '%') {
        *out_char = c == '+' && plus_is_blank ? ' ' : c;
        *rest = str_skip(*rest, 1);
        return 0;
    }
    if (rest->len < 3)
        return -EINVAL;
    int high = hex_digit(rest->ptr[1]), low = hex_digit(rest->ptr[2]);
    if (high < 0 || low < 0)
        return -EINVAL;
    *out_char = (char) (high << 4 | low);
    *rest = str_skip(*rest, 3);
    return 0;
}

int uri_decode(struct arena *arena, struct str text, bool plus_is_blank, struct str *out)
{
    bool has_plus = plus_is_blank && str_find(text, '+') < text.len;
    if (!has_plus && str_find(text, '%') == text.len) {
        *out = text;
        return 0;
    }
    char *to = arena_try(arena, text.len);
    if (to == NULL)
        return -E2BIG;
    size_t len = 0;
    while (text.len > 0) {
        int rc = take_char(&text, plus_is_blank, &to[len++]);
        if (rc < 0)
            return rc;
    }
    *out = str_of(to, len);
    return 0;
}

bool uri_query_next(struct str *rest, struct str *out_key, struct str *out_value)
{
    struct str pair;
    while (str_split(rest, '&', &pair)) {
        if (pair.len == 0)
            continue;
        size_t equals = str_find(pair, '=');
        *out_key = str_head(pair, equals);
        *out_value = equals == pair.len ? STR_NONE : str_skip(pair, equals + 1);
        return true;
    }
    return false;
}

/* 1 when the encoded text reads as `plain`, 0 when not, -EINVAL on a broken escape before that is
 * known. */
static int reads_as(struct str encoded, struct str plain)
{
    for (size_t i = 0; encoded.len > 0; i++) {
        char c;
        int rc = take_char(&encoded, true, &c);
        if (rc < 0)
            return rc;
        if (i == plain.len || plain.ptr[i] != c)
            return 0;
        if (encoded.len == 0)
            return i + 1 == plain.len;
    }
    return plain.len == 0;
}

int uri_query_find(struct arena *arena, struct str query, struct str key, struct str *out_value)
{
    struct str rest = query, name, value;
    while (uri_query_next(&rest, &name, &value)) {
        int rc = reads_as(name, key);
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        if (value.ptr != NULL)
            return uri_decode(arena, value, true, out_value);
        *out_value = str_of("", 0);
        return 0;
    }
    *out_value = STR_NONE;
    return 0;
}
