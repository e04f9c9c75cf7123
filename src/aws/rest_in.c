/* HTTP requests to C structs: labels, query parameters, headers and the payload member. Shared by
 * rest-json and rest-xml; what lies in the body is the protocol's own business.
 *
 * Text in paths and queries is percent-decoded; '+' in a query stays a plus, as AWS reads it. Lists
 * travel as repeated parameters in queries and separated by commas in headers, where an item may be
 * quoted ("a, \"b,c\"") and HTTP dates bring a comma of their own. Maps are all parameters, or all
 * headers that begin with the member's prefix.
 *
 * thread: any. Sources: Smithy "HTTP binding traits"; RFC 9110 section 5.6. */
#include "aws/protocol.h"
#include "aws/route_int.h"
#include "data/base64.h"
#include "data/uri.h"

#include <errno.h>

/* The words of AWS for text that does not fit: "'x' can not be converted to an Integer". */
static int refuse_text(struct decode *d, const struct aws_member *member, struct str text)
{
    return aws_refuse(d, &aws_error_serialization,
                      "Value '" STR_FMT "' of '" STR_FMT "' can not be converted",
                      STR_ARG(str_head(text, 100)), STR_ARG(member->name));
}

static int text_to_base64_value(struct decode *d, const struct aws_member *member, struct str text,
                                struct str *to)
{
    int rc = base64_decode(d->arena, text, to);
    return rc == -E2BIG ? aws_refuse_size(d) : rc < 0 ? refuse_text(d, member, text) : 0;
}

static bool is_json_text(const struct aws_member *member)
{
    const struct aws_names *names = member->shape->names;
    return (member->flags & AWS_JSON_VALUE) != 0 ||
           (names != NULL && names->media_type.ptr != NULL && member->shape->kind == AWS_STRING);
}

/* One scalar or text. `otherwise` is the time format of the place. */
static int read_text(struct decode *d, const struct aws_member *member, struct str text,
                     enum aws_timestamp_format otherwise, void *to)
{
    const struct aws_shape *shape = member->shape;
    bool is_header = member->location == AWS_IN_HEADER;
    if (shape->kind == AWS_BLOB || (is_header && is_json_text(member)))
        return text_to_base64_value(d, member, text, to);
    if (aws_is_text(shape)) {
        *(struct str *) to = text.ptr == NULL ? STR("") : text;
        return 0;
    }
    int rc;
    if (shape->kind == AWS_TIMESTAMP)
        rc = aws_time_parse(text, aws_time_format(member, otherwise), d->is_strict, to);
    else
        rc = aws_scalar_parse(shape, text, to);
    return rc < 0 ? refuse_text(d, member, text) : 0;
}

static int decode_percent(struct decode *d, const struct aws_member *member, struct str text,
                          struct str *out)
{
    int rc = uri_decode(d->arena, text, false, out);
    return rc == -E2BIG ? aws_refuse_size(d) : rc < 0 ? refuse_text(d, member, text) : 0;
}

static int read_label(struct decode *d, const struct aws_member *member, void *base)
{
    struct str text;
    if (!aws_route_label(d->op->uri, d->req->path, member->wire, &text))
        return 0;
    int rc = decode_percent(d, member, text, &text);
    if (rc < 0)
        return rc;
    return read_text(d, member, text, AWS_TIME_ISO8601, aws_member_room(member, base, d->arena));
}

static int add_text(struct decode *d, const struct aws_member *member, struct str text,
                    enum aws_timestamp_format otherwise, struct aws_items *items, size_t *cap)
{
    struct aws_member item = member->shape->members[0];
    void *at = aws_items_add(member->shape, items, cap, d->arena);
    if (at == NULL)
        return aws_refuse_size(d);
    if (item.timestamp_format == AWS_TIME_DEFAULT)
        item.timestamp_format = member->timestamp_format;
    item.location = member->location;
    return read_text(d, &item, text, otherwise, aws_item_room(&item, at));
}

static int read_query(struct decode *d, const struct aws_member *member, void *base)
{
    struct str rest = d->req->query, key, value;
    struct aws_items items = {NULL, 0};
    size_t cap = 0;
    while (uri_query_next(&rest, &key, &value)) {
        int rc = decode_percent(d, member, key, &key);
        if (rc < 0 || !str_eq(key, member->wire)) {
            if (rc < 0)
                return rc;
            continue;
        }
        value = value.ptr == NULL ? STR("") : value;
        rc = decode_percent(d, member, value, &value);
        if (rc < 0)
            return rc;
        if (member->shape->kind != AWS_LIST)
            return read_text(d, member, value, AWS_TIME_ISO8601,
                             aws_member_room(member, base, d->arena));
        rc = add_text(d, member, value, AWS_TIME_ISO8601, &items, &cap);
        if (rc < 0)
            return rc;
    }
    if (items.count > 0)
        *(struct aws_items *) aws_member_room(member, base, d->arena) = items;
    return 0;
}

/* The entry with that key, made when there is none. */
static char *entry_at(struct decode *d, const struct aws_shape *shape, struct aws_items *items,
                      size_t *cap, struct str key)
{
    for (size_t i = 0; i < items->count; i++) {
        const struct str *at = aws_items_at(shape, items, i);
        if (str_eq(*at, key))
            return (char *) items->items + i * shape->item_size;
    }
    char *made = aws_items_add(shape, items, cap, d->arena);
    if (made != NULL)
        *(struct str *) (void *) made = key;
    return made;
}

/* Parameters of a query map are few; more would make the search below slow. */
enum { QUERY_MAP_MAX = 1000 };

static int add_parameter(struct decode *d, const struct aws_member *member, struct str key,
                         struct str value, struct aws_items *items, size_t *cap)
{
    const struct aws_member *target = &member->shape->members[1];
    size_t before = items->count;
    char *entry = before < QUERY_MAP_MAX ? entry_at(d, member->shape, items, cap, key) : NULL;
    if (entry == NULL)
        return aws_refuse_size(d);
    void *to = aws_item_room(target, entry);
    if (target->shape->kind != AWS_LIST) {
        if (items->count > before) /* the first one counts */
            *(struct str *) to = value;
        return 0;
    }
    struct aws_items *list = to;
    size_t places = aws_items_cap(list->count);
    return add_text(d, target, value, AWS_TIME_ISO8601, list, &places);
}

static int read_query_map(struct decode *d, const struct aws_member *member, void *base)
{
    struct str rest = d->req->query, key, value;
    struct aws_items items = {NULL, 0};
    size_t cap = 0;
    while (uri_query_next(&rest, &key, &value)) {
        value = value.ptr == NULL ? STR("") : value;
        int rc = decode_percent(d, member, key, &key);
        if (rc == 0)
            rc = decode_percent(d, member, value, &value);
        if (rc == 0)
            rc = add_parameter(d, member, key, value, &items, &cap);
        if (rc < 0)
            return rc;
    }
    if (items.count > 0)
        *(struct aws_items *) aws_member_room(member, base, d->arena) = items;
    return 0;
}

/* A quoted item without its quotes and escapes. */
static int unquote(struct decode *d, struct str text, struct str *out)
{
    char *copy = arena_try(d->arena, text.len);
    if (copy == NULL)
        return aws_refuse_size(d);
    size_t n = 0;
    for (size_t i = 1; i + 1 < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 2 < text.len)
            i++;
        copy[n++] = text.ptr[i];
    }
    *out = str_of(copy, n);
    return 0;
}

/* Length of the item at the start of a header's list: up to the comma that ends it. */
static size_t header_item_len(struct str text, bool is_date)
{
    size_t at = 0;
    bool is_quoted = text.len > 0 && text.ptr[0] == '"';
    for (size_t i = is_quoted; i < text.len && is_quoted; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            at = i, is_quoted = false;
    }
    for (unsigned commas = is_date; at < text.len; at++)
        if (text.ptr[at] == ',' && commas-- == 0)
            break;
    return at;
}

static int read_header_list(struct decode *d, const struct aws_member *member, struct str text,
                            struct aws_items *items)
{
    const struct aws_member *item = &member->shape->members[0];
    enum aws_timestamp_format format = aws_time_format(item, AWS_TIME_HTTP);
    bool is_date = item->shape->kind == AWS_TIMESTAMP && format == AWS_TIME_HTTP;
    size_t cap = aws_items_cap(items->count);
    for (struct str rest = str_trim(text); rest.len > 0;) {
        size_t len = header_item_len(rest, is_date);
        struct str one = str_trim(str_head(rest, len));
        int rc = 0;
        if (one.len >= 2 && one.ptr[0] == '"' && one.ptr[one.len - 1] == '"')
            rc = unquote(d, one, &one);
        if (rc == 0)
            rc = add_text(d, member, one, AWS_TIME_HTTP, items, &cap);
        if (rc < 0)
            return rc;
        rest = str_trim(str_skip(rest, len + 1));
    }
    return 0;
}

static int read_header(struct decode *d, const struct aws_member *member, void *base)
{
    struct aws_items items = {NULL, 0};
    for (size_t i = 0; i < d->req->header_count; i++) {
        const struct http_header *header = &d->req->headers[i];
        if (!str_eq_nocase(header->name, member->wire))
            continue;
        if (member->shape->kind != AWS_LIST) {
            if (header->value.len == 0 && d->service->protocol == AWS_REST_XML)
                return 0; /* S3 takes an empty header for none */
            return read_text(d, member, header->value, AWS_TIME_HTTP,
                             aws_member_room(member, base, d->arena));
        }
        int rc = read_header_list(d, member, header->value, &items);
        if (rc < 0)
            return rc;
    }
    if (items.count > 0)
        *(struct aws_items *) aws_member_room(member, base, d->arena) = items;
    return 0;
}

static int read_header_prefix(struct decode *d, const struct aws_member *member, void *base)
{
    struct aws_items items = {NULL, 0};
    size_t cap = 0;
    for (size_t i = 0; i < d->req->header_count; i++) {
        const struct http_header *header = &d->req->headers[i];
        if (!str_starts_nocase(header->name, member->wire))
            continue;
        char *entry = aws_items_add(member->shape, &items, &cap, d->arena);
        if (entry == NULL)
            return aws_refuse_size(d);
        *(struct str *) (void *) entry = str_skip(header->name, member->wire.len);
        *(struct str *) aws_item_room(&member->shape->members[1], entry) = header->value;
    }
    if (items.count > 0)
        *(struct aws_items *) aws_member_room(member, base, d->arena) = items;
    return 0;
}

int aws_rest_decode(struct decode *d, void *base)
{
    const struct aws_shape *shape = d->op->input;
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        int rc = 0;
        switch ((enum aws_location) member->location) {
        case AWS_IN_LABEL: rc = read_label(d, member, base); break;
        case AWS_IN_QUERY: rc = read_query(d, member, base); break;
        case AWS_IN_QUERY_MAP: rc = read_query_map(d, member, base); break;
        case AWS_IN_HEADER: rc = read_header(d, member, base); break;
        case AWS_IN_HEADER_PREFIX: rc = read_header_prefix(d, member, base); break;
        case AWS_IN_BODY:
        case AWS_IN_STATUS:
        default: break;
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool aws_rest_has_body_members(const struct aws_shape *shape)
{
    for (uint32_t i = 0; i < shape->member_count; i++)
        if (shape->members[i].location == AWS_IN_BODY)
            return true;
    return false;
}
