/* The XML pull reader.
 *
 * Small on purpose: AWS's clients send plain documents, and what makes XML dangerous (DTDs, entity
 * declarations, inclusion) is refused at the first "<!DOCTYPE". Names are compared as bytes,
 * prefixes are cut off without resolving namespaces, which is how AWS's own services read requests.
 * Text is a view into the input unless it holds entities or line ends to normalise. Nothing
 * recurses.
 *
 * thread: the owner's. Source: W3C XML 1.0, fifth edition. */
#include "data/xml.h"

#include "data/utf8.h"

#include <errno.h>

void xml_reader_init(struct xml_reader *r, struct str input, struct arena *arena)
{
    *r = (struct xml_reader){.input = input, .arena = arena};
    if (str_starts(input, STR("\xEF\xBB\xBF")))
        r->at = 3;
    if (!utf8_is_valid(input))
        r->error = "not UTF-8";
}

static enum xml_token fail(struct xml_reader *r, const char *why)
{
    if (r->error == NULL)
        r->error = why;
    return XML_ERROR;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':' || c == '-' || c == '.' || (unsigned char) c >= 0x80;
}

static size_t name_len(struct str text)
{
    size_t n = 0;
    while (n < text.len && is_name_char(text.ptr[n]))
        n++;
    bool is_bad = n > 0 && (text.ptr[0] == '-' || text.ptr[0] == '.' ||
                            (text.ptr[0] >= '0' && text.ptr[0] <= '9'));
    return is_bad ? 0 : n;
}

static struct str local_name(struct str name)
{
    size_t colon = str_find(name, ':');
    return colon == name.len ? name : str_skip(name, colon + 1);
}

static struct str rest_of(const struct xml_reader *r)
{
    return str_skip(r->input, r->at);
}

/* A code point as UTF-8; 0 when XML may not hold it. */
static size_t put_code_point(char *to, uint64_t cp)
{
    bool is_control = cp < 0x20 && cp != '\t' && cp != '\n' && cp != '\r';
    if (is_control || cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000) || cp == 0xFFFE ||
        cp == 0xFFFF)
        return 0;
    if (cp < 0x80) {
        to[0] = (char) cp;
        return 1;
    }
    size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = len; --i > 0; cp >>= 6)
        to[i] = (char) (0x80 | (cp & 0x3F));
    to[0] = (char) ((0xF00 >> len & 0xFF) | cp);
    return len;
}

static bool parse_hex(struct str digits, uint64_t *out_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0 || value > 0x10FFFF)
            return false;
        value = value * 16 + (uint64_t) digit;
    }
    *out_value = value;
    return digits.len > 0;
}

/* The entity between '&' and ';' as UTF-8; 0: unknown. It is never longer than it was written. */
static size_t put_entity(char *to, struct str entity)
{
    static const struct {
        struct str name;
        char is;
    } named[] = {{STR_INIT("amp"), '&'},
                 {STR_INIT("lt"), '<'},
                 {STR_INIT("gt"), '>'},
                 {STR_INIT("quot"), '"'},
                 {STR_INIT("apos"), '\''}};
    for (size_t i = 0; i < ARRAY_LEN(named); i++)
        if (str_eq(entity, named[i].name)) {
            *to = named[i].is;
            return 1;
        }
    uint64_t cp = 0;
    if (str_starts(entity, STR("#x")))
        return parse_hex(str_skip(entity, 2), &cp) ? put_code_point(to, cp) : 0;
    if (str_starts(entity, STR("#")) && parse_u64(str_skip(entity, 1), 0x10FFFF, &cp) == 0)
        return put_code_point(to, cp);
    return 0;
}

/* Text without its entities and with "\r\n" and "\r" as "\n". False: malformed, or no memory. */
static bool decode(struct xml_reader *r, struct str raw, struct str *out)
{
    *out = raw;
    if (str_find(raw, '&') == raw.len && str_find(raw, '\r') == raw.len)
        return true;
    char *copy = arena_try(r->arena, raw.len);
    size_t n = 0;
    if (copy == NULL)
        return fail(r, "too large") != XML_ERROR;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\r') {
            copy[n++] = '\n';
            i += i + 1 < raw.len && raw.ptr[i + 1] == '\n';
        } else if (raw.ptr[i] == '&') {
            struct str entity = str_skip(raw, i + 1);
            entity = str_head(entity, str_find(entity, ';'));
            size_t len = put_entity(copy + n, entity);
            if (len == 0 || i + 1 + entity.len == raw.len)
                return fail(r, "unknown entity") != XML_ERROR;
            n += len;
            i += entity.len + 1;
        } else {
            copy[n++] = raw.ptr[i];
        }
    }
    *out = str_of(copy, n);
    return true;
}

/* Moves behind `end`; false when it does not come. */
static bool skip_past(struct xml_reader *r, size_t from, struct str end)
{
    struct str rest = str_skip(r->input, from);
    size_t at = str_find_str(rest, end);
    if (at == rest.len) {
        (void) fail(r, "unexpected end of text");
        return false;
    }
    r->at = from + at + end.len;
    return true;
}

/* Length of a start tag's attributes: up to the '>' that is not within quotes. */
static size_t attributes_len(struct str rest)
{
    char quote = '\0';
    size_t i = 0;
    for (; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (quote != '\0')
            quote = c == quote ? '\0' : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>' || c == '<')
            break;
    }
    return i;
}

static enum xml_token read_open(struct xml_reader *r)
{
    struct str rest = str_skip(rest_of(r), 1);
    size_t len = name_len(rest);
    if (len == 0 || (r->depth == 0 && r->has_root))
        return fail(r, "unexpected character");
    if (r->depth == XML_DEPTH_MAX)
        return fail(r, "nested too deeply");
    struct str name = str_head(rest, len), after = str_skip(rest, len);
    size_t tail = attributes_len(after);
    if (tail == after.len || after.ptr[tail] != '>')
        return fail(r, "a tag does not end");
    r->is_self_closed = tail > 0 && after.ptr[tail - 1] == '/';
    r->attributes = str_head(after, tail - r->is_self_closed);
    r->open[r->depth++] = name;
    r->name = local_name(name);
    r->has_root = true;
    r->at += 1 + len + tail + 1;
    return XML_OPEN;
}

static enum xml_token read_close(struct xml_reader *r)
{
    struct str rest = str_skip(rest_of(r), 2);
    size_t len = name_len(rest), end = len;
    while (end < rest.len && is_blank(rest.ptr[end]))
        end++;
    if (r->depth == 0 || end == rest.len || rest.ptr[end] != '>' ||
        !str_eq(str_head(rest, len), r->open[r->depth - 1]))
        return fail(r, "an end tag does not match");
    r->name = local_name(r->open[--r->depth]);
    r->at += 2 + end + 1;
    return XML_CLOSE;
}

/* What is neither a tag nor text. 1: skipped, go on; 0: text in r->text; -1: an error. */
static int read_markup(struct xml_reader *r)
{
    struct str rest = rest_of(r);
    if (str_starts(rest, STR("<!--")))
        return skip_past(r, r->at + 4, STR("-->")) ? 1 : -1;
    if (str_starts(rest, STR("<?")))
        return skip_past(r, r->at + 2, STR("?>")) ? 1 : -1;
    if (!str_starts(rest, STR("<![CDATA[")) || r->depth == 0) {
        (void) fail(r, "declarations are not allowed");
        return -1;
    }
    size_t from = r->at + 9;
    if (!skip_past(r, from, STR("]]>")))
        return -1;
    r->text = str_of(r->input.ptr + from, r->at - from - 3);
    return r->text.len == 0 ? 1 : 0;
}

static bool is_all_blank(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_blank(text.ptr[i]))
            return false;
    return true;
}

enum xml_token xml_next(struct xml_reader *r)
{
    if (r->error != NULL)
        return XML_ERROR;
    if (r->is_self_closed) {
        r->is_self_closed = false;
        r->name = local_name(r->open[--r->depth]);
        return XML_CLOSE;
    }
    while (r->at < r->input.len) {
        struct str rest = rest_of(r);
        if (rest.ptr[0] != '<') {
            struct str raw = str_head(rest, str_find(rest, '<'));
            r->at += raw.len;
            if (r->depth > 0)
                return decode(r, raw, &r->text) ? XML_TEXT : XML_ERROR;
            if (!is_all_blank(raw))
                return fail(r, "text outside of the root element");
            continue;
        }
        if (rest.len > 1 && rest.ptr[1] == '/')
            return read_close(r);
        if (rest.len < 2 || (rest.ptr[1] != '!' && rest.ptr[1] != '?'))
            return read_open(r);
        int rc = read_markup(r);
        if (rc <= 0)
            return rc == 0 ? XML_TEXT : XML_ERROR;
    }
    return r->depth == 0 && r->has_root ? XML_END : fail(r, "unexpected end of text");
}

bool xml_skip(struct xml_reader *r)
{
    for (unsigned depth = 1; depth > 0;) {
        enum xml_token tok = xml_next(r);
        if (tok == XML_ERROR || tok == XML_END)
            return false;
        if (tok != XML_TEXT)
            depth = tok == XML_OPEN ? depth + 1 : depth - 1;
    }
    return true;
}

static void skip_blanks(struct str *text)
{
    while (text->len > 0 && is_blank(text->ptr[0]))
        *text = str_skip(*text, 1);
}

int xml_attribute_next(struct xml_reader *r, struct str *out_name, struct str *out_value)
{
    struct str rest = r->attributes;
    skip_blanks(&rest);
    if (rest.len == 0)
        return 0;
    struct str name = str_head(rest, name_len(rest));
    rest = str_skip(rest, name.len);
    skip_blanks(&rest);
    if (name.len == 0 || rest.len == 0 || rest.ptr[0] != '=')
        return -EINVAL;
    rest = str_skip(rest, 1);
    skip_blanks(&rest);
    if (rest.len == 0 || (rest.ptr[0] != '"' && rest.ptr[0] != '\''))
        return -EINVAL;
    struct str value = str_skip(rest, 1);
    size_t end = str_find(value, rest.ptr[0]);
    if (end == value.len || !decode(r, str_head(value, end), out_value))
        return -EINVAL;
    r->attributes = str_skip(value, end + 1);
    *out_name = name;
    return 1;
}
