/* C structs to XML, along the model tables: for Query's answers and for rest-xml.
 *
 *     structure   <name attr="…">members</name>
 *     list        <name><member>…</member>…</name>      flattened: <name>…</name><name>…</name>
 *     map         <name><entry><key/><value/></entry>…</name>, flattened:
 * <name><key/><value/></name>
 *
 * Namespaces are written where the model has them. What XML cannot hold (control characters, bytes
 * that are not UTF-8) becomes U+FFFD: a reader would refuse the whole answer.
 *
 * thread: any. Sources: Smithy "XML bindings"; botocore's parsers, which read these answers. */
#include "aws/xml.h"

#include "data/base64.h"
#include "data/utf8.h"

/* What stands for the character at the start of text, *out_len bytes long; ptr NULL: itself. */
static struct str escape_of(struct str text, size_t *out_len)
{
    unsigned char c = (unsigned char) text.ptr[0];
    *out_len = 1;
    if (c == '&')
        return STR("&amp;");
    if (c == '<')
        return STR("&lt;");
    if (c == '>')
        return STR("&gt;");
    if (c == '"')
        return STR("&quot;");
    if (c == '\r')
        return STR("&#xD;");
    if (c >= 0x20 && c < 0x80)
        return STR_NONE;
    uint32_t cp = 0;
    size_t len = utf8_next(text, &cp);
    if (len > 1 && cp != 0xFFFE && cp != 0xFFFF) {
        *out_len = len;
        return STR_NONE;
    }
    return c == '\n' || c == '\t' ? STR_NONE : STR("\xEF\xBF\xBD");
}

static void put_escaped(struct buf *out, struct str text)
{
    size_t from = 0, len;
    for (size_t i = 0; i < text.len; i += len) {
        struct str as = escape_of(str_skip(text, i), &len);
        if (as.ptr == NULL)
            continue;
        buf_put(out, str_of(text.ptr + from, i - from));
        buf_put(out, as);
        from = i + len;
    }
    buf_put(out, str_skip(text, from));
}

static void put_namespace(struct buf *out, const struct aws_names *names)
{
    if (names == NULL || names->xml_namespace.ptr == NULL)
        return;
    buf_put(out, STR(" xmlns"));
    if (names->xml_prefix.ptr != NULL) {
        buf_put_char(out, ':');
        buf_put(out, names->xml_prefix);
    }
    buf_put(out, STR("=\""));
    put_escaped(out, names->xml_namespace);
    buf_put_char(out, '"');
}

void xml_open(struct buf *out, struct str name)
{
    buf_put_char(out, '<');
    buf_put(out, name);
    buf_put_char(out, '>');
}

void xml_close(struct buf *out, struct str name)
{
    buf_put(out, STR("</"));
    buf_put(out, name);
    buf_put_char(out, '>');
}

void xml_put_text(struct buf *out, struct str name, struct str text)
{
    xml_open(out, name);
    put_escaped(out, text);
    xml_close(out, name);
}

static void put_scalar(struct buf *out, const struct aws_member *member, const void *value)
{
    const struct aws_shape *shape = member->shape;
    if (shape->kind == AWS_BLOB)
        base64_encode(out, *(const struct str *) value);
    else if (aws_is_text(shape))
        put_escaped(out, *(const struct str *) value);
    else if (shape->kind == AWS_TIMESTAMP)
        aws_time_put(out, aws_time_format(member, AWS_TIME_ISO8601), *(const int64_t *) value);
    else
        aws_scalar_put(out, shape, value);
}

static void put_attributes(struct buf *out, const struct aws_shape *shape, const void *base)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if ((member->flags & AWS_XML_ATTRIBUTE) == 0 || !aws_member_has(member, base))
            continue;
        buf_put_char(out, ' ');
        buf_put(out, member->wire);
        buf_put(out, STR("=\""));
        put_scalar(out, member, aws_member_value(member, base));
        buf_put_char(out, '"');
    }
}

static void put_content(struct buf *out, const struct aws_member *member, const void *value);

/* One element: <name namespaces attributes>content</name>. */
static void put_element(struct buf *out, struct str name, const struct aws_member *member,
                        const void *value)
{
    const struct aws_names *names = member->names, *own = member->shape->names;
    bool counts = own != NULL && (!aws_is_aggregate(member->shape) || own->xml_prefix.ptr != NULL);
    if (counts && (names == NULL || names->xml_namespace.ptr == NULL))
        names = own; /* a structure's default namespace is for when it is the root */
    buf_put_char(out, '<');
    buf_put(out, name);
    put_namespace(out, names);
    if (aws_is_aggregate(member->shape))
        put_attributes(out, member->shape, value);
    buf_put_char(out, '>');
    put_content(out, member, value);
    xml_close(out, name);
}

static void put_entry(struct buf *out, const struct aws_shape *shape, const void *entry)
{
    const struct aws_member *key = &shape->members[0], *value = &shape->members[1];
    put_element(out, xml_name(key), key, entry);
    if (aws_item_has(value, entry))
        put_element(out, xml_name(value), value, aws_item_value(value, entry));
}

static void put_items(struct buf *out, const struct aws_shape *shape, const struct aws_items *list)
{
    const struct aws_member *item = &shape->members[0];
    for (size_t i = 0; i < list->count; i++) {
        const void *at = aws_items_at(shape, list, i);
        if (shape->kind == AWS_MAP) {
            xml_open(out, STR("entry"));
            put_entry(out, shape, at);
            xml_close(out, STR("entry"));
        } else if (aws_item_has(item, at)) {
            put_element(out, xml_name(item), item, aws_item_value(item, at));
        }
    }
}

static void put_flattened(struct buf *out, const struct aws_member *member,
                          const struct aws_items *list)
{
    const struct aws_shape *shape = member->shape;
    const struct aws_member *item = &shape->members[0];
    struct str name = xml_name(member);
    for (size_t i = 0; i < list->count; i++) {
        const void *at = aws_items_at(shape, list, i);
        if (shape->kind == AWS_MAP) {
            buf_put_char(out, '<');
            buf_put(out, name);
            put_namespace(out, member->names);
            buf_put_char(out, '>');
            put_entry(out, shape, at);
            xml_close(out, name);
        } else if (aws_item_has(item, at)) {
            put_element(out, name, item, aws_item_value(item, at));
        }
    }
}

static void put_content(struct buf *out, const struct aws_member *member, const void *value)
{
    const struct aws_shape *shape = member->shape;
    if (aws_is_aggregate(shape))
        xml_put_members(out, shape, value, false);
    else if (shape->kind == AWS_LIST || shape->kind == AWS_MAP)
        put_items(out, shape, value);
    else
        put_scalar(out, member, value);
}

static bool is_bound(const struct aws_member *member)
{
    return member->location == AWS_IN_HEADER || member->location == AWS_IN_HEADER_PREFIX ||
           member->location == AWS_IN_STATUS;
}

void xml_put_members(struct buf *out, const struct aws_shape *shape, const void *base, bool is_root)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if (!aws_member_has(member, base) || (is_root && is_bound(member)) ||
            (member->flags & (AWS_XML_ATTRIBUTE | AWS_EVENT_HEADER)) != 0)
            continue;
        const void *value = aws_member_value(member, base);
        if (member->flags & AWS_FLATTENED)
            put_flattened(out, member, value);
        else
            put_element(out, xml_name(member), member, value);
    }
}

void xml_put_root(struct buf *out, struct str name, const struct aws_shape *shape,
                  const struct aws_names *names, struct str default_namespace, const void *base)
{
    struct aws_names fallback = {.xml_namespace = default_namespace};
    if (names == NULL || names->xml_namespace.ptr == NULL)
        names = shape->names;
    if (names == NULL || names->xml_namespace.ptr == NULL)
        names = &fallback;
    buf_put_char(out, '<');
    buf_put(out, name);
    put_namespace(out, names);
    put_attributes(out, shape, base);
    buf_put_char(out, '>');
    xml_put_members(out, shape, base, true);
    xml_close(out, name);
}

void xml_put_only(struct buf *out, const struct aws_member *member, struct str default_namespace,
                  const void *value)
{
    struct aws_names names = {.xml_namespace = default_namespace};
    struct str name = xml_name(member);
    buf_put_char(out, '<');
    buf_put(out, name);
    put_namespace(out, &names);
    buf_put_char(out, '>');
    if (value != NULL)
        put_content(out, member, value);
    xml_close(out, name);
}

void xml_put_error_members(struct buf *out, const struct aws_shape *shape, const void *base)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if (!aws_member_has(member, base) || str_eq(member->name, STR("Type")))
            continue;
        const void *value = aws_member_value(member, base);
        if (member->shape->kind == AWS_STRING && str_eq_nocase(member->name, STR("message")))
            xml_put_text(out, STR("Message"), *(const struct str *) value);
        else if (!is_bound(member))
            put_element(out, xml_name(member), member, value);
    }
}
