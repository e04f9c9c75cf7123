/* XML to C structs, along the model tables, for rest-xml.
 *
 * Elements are known by their local names, in any order; unknown ones are skipped, as AWS does it.
 * Flattened lists and maps are elements of the same name side by side, appended to as they come.
 * Attributes are members of the element that carries them.
 *
 * thread: any. Source: Smithy "XML bindings", "AWS restXml". */
#include "aws/protocol.h"
#include "aws/xml.h"
#include "data/base64.h"
#include "data/xml.h"

#include <errno.h>

struct reader {
    struct decode *d;
    struct xml_reader xml;
    const void *root; /* the input itself: its members may be bound elsewhere, in HTTP */
};

static int read_value(struct reader *r, const struct aws_member *member, void *to);

/* S3's words for XML that does not fit. */
static int refuse(struct reader *r)
{
    return aws_refuse(r->d, &aws_error_malformed_xml,
                      "The XML you provided was not well-formed or did not validate against our "
                      "published schema");
}

/* All text up to the end of the element. */
static int read_text(struct reader *r, struct str *out)
{
    *out = STR("");
    for (enum xml_token tok; (tok = xml_next(&r->xml)) != XML_CLOSE;) {
        if (tok != XML_TEXT)
            return refuse(r);
        if (out->len == 0) {
            *out = r->xml.text;
            continue;
        }
        char *both = arena_try(r->d->arena, out->len + r->xml.text.len);
        if (both == NULL)
            return aws_refuse_size(r->d);
        memcpy(both, out->ptr, out->len);
        memcpy(both + out->len, r->xml.text.ptr, r->xml.text.len);
        *out = str_of(both, out->len + r->xml.text.len);
    }
    return 0;
}

static struct str trimmed(struct str text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL)
        text = str_skip(text, 1);
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

static int store_text(struct reader *r, const struct aws_member *member, struct str text, void *to)
{
    const struct aws_shape *shape = member->shape;
    int rc = 0;
    if (shape->kind == AWS_BLOB)
        rc = base64_decode(r->d->arena, trimmed(text), to);
    else if (aws_is_text(shape))
        *(struct str *) to = text;
    else if (shape->kind == AWS_TIMESTAMP)
        rc = aws_time_parse(trimmed(text), aws_time_format(member, AWS_TIME_ISO8601), false, to);
    else
        rc = aws_scalar_parse(shape, trimmed(text), to);
    if (rc == -E2BIG)
        return aws_refuse_size(r->d);
    return rc < 0 ? refuse(r) : 0;
}

static int read_attributes(struct reader *r, const struct aws_shape *shape, void *base)
{
    struct str name, value;
    int rc;
    while ((rc = xml_attribute_next(&r->xml, &name, &value)) > 0) {
        for (uint32_t i = 0; i < shape->member_count; i++) {
            const struct aws_member *member = &shape->members[i];
            if ((member->flags & AWS_XML_ATTRIBUTE) == 0 || !str_eq(member->wire, name))
                continue;
            int stored = store_text(r, member, value, aws_member_room(member, base, r->d->arena));
            if (stored < 0)
                return stored;
        }
    }
    return rc < 0 ? refuse(r) : 0;
}

static int read_entry(struct reader *r, const struct aws_shape *shape, void *entry)
{
    const struct aws_member *key = &shape->members[0], *value = &shape->members[1];
    for (enum xml_token tok; (tok = xml_next(&r->xml)) != XML_CLOSE;) {
        int rc = 0;
        if (tok == XML_TEXT)
            continue;
        if (tok != XML_OPEN)
            return refuse(r);
        if (str_eq(r->xml.name, xml_name(key)))
            rc = read_value(r, key, entry);
        else if (str_eq(r->xml.name, xml_name(value)))
            rc = read_value(r, value, aws_item_room(value, entry));
        else if (!xml_skip(&r->xml))
            rc = refuse(r);
        if (rc < 0)
            return rc;
    }
    return ((const struct str *) entry)->ptr == NULL ? refuse(r) : 0;
}

/* One item or entry, whose start tag was just read, to the end of the list or map. */
static int read_item(struct reader *r, const struct aws_shape *shape, struct aws_items *items)
{
    size_t cap = aws_items_cap(items->count);
    void *item = aws_items_add(shape, items, &cap, r->d->arena);
    if (item == NULL)
        return aws_refuse_size(r->d);
    if (shape->kind == AWS_MAP)
        return read_entry(r, shape, item);
    return read_value(r, &shape->members[0], aws_item_room(&shape->members[0], item));
}

static int read_items(struct reader *r, const struct aws_shape *shape, struct aws_items *items)
{
    struct str wanted = shape->kind == AWS_MAP ? STR("entry") : shape->members[0].wire;
    aws_items_be_empty(items);
    for (enum xml_token tok; (tok = xml_next(&r->xml)) != XML_CLOSE;) {
        int rc = 0;
        if (tok == XML_TEXT)
            continue;
        if (tok != XML_OPEN)
            return refuse(r);
        if (str_eq(r->xml.name, wanted))
            rc = read_item(r, shape, items);
        else if (!xml_skip(&r->xml))
            rc = refuse(r);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static const struct aws_member *find(const struct aws_shape *shape, struct str name)
{
    for (uint32_t i = 0; i < shape->member_count; i++)
        if (str_eq(xml_name(&shape->members[i]), name) &&
            (shape->members[i].flags & AWS_XML_ATTRIBUTE) == 0)
            return &shape->members[i];
    return NULL;
}

static int read_child(struct reader *r, const struct aws_shape *shape, void *base)
{
    const struct aws_member *member = find(shape, r->xml.name);
    if (member == NULL || (base == r->root && member->location != AWS_IN_BODY))
        return xml_skip(&r->xml) ? 0 : refuse(r);
    if (member->flags & AWS_FLATTENED)
        return read_item(r, member->shape, (void *) ((char *) base + member->offset));
    void *to = aws_member_room(member, base, r->d->arena);
    return to == NULL ? aws_refuse_size(r->d) : read_value(r, member, to);
}

static int read_structure(struct reader *r, const struct aws_shape *shape, void *base)
{
    int rc = read_attributes(r, shape, base);
    while (rc == 0) {
        enum xml_token tok = xml_next(&r->xml);
        if (tok == XML_CLOSE)
            return aws_json_defaults(r->d, shape, base);
        if (tok == XML_OPEN)
            rc = read_child(r, shape, base);
        else if (tok != XML_TEXT)
            rc = refuse(r);
    }
    return rc;
}

static int read_value(struct reader *r, const struct aws_member *member, void *to)
{
    const struct aws_shape *shape = member->shape;
    if (aws_is_aggregate(shape))
        return read_structure(r, shape, to);
    if (shape->kind == AWS_LIST || shape->kind == AWS_MAP)
        return read_items(r, shape, to);
    struct str text;
    int rc = read_text(r, &text);
    return rc < 0 ? rc : store_text(r, member, text, to);
}

int aws_xml_decode(struct decode *d, struct str text, const struct aws_shape *shape, void *to,
                   bool is_root)
{
    struct reader r = {.d = d, .root = is_root ? to : NULL};
    struct aws_member root = {.shape = shape, .has_offset = AWS_NO_OFFSET};
    xml_reader_init(&r.xml, text, d->arena);
    if (xml_next(&r.xml) != XML_OPEN)
        return refuse(&r);
    int rc = read_value(&r, &root, to);
    if (rc == 0 && xml_next(&r.xml) != XML_END)
        rc = refuse(&r);
    return rc;
}
