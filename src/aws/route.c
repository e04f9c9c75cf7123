/* From an HTTP request or an operation's name to the operation.
 *
 * A service's route table holds every operation of its official model, supported or not, and
 * tools/apic.py sorts it with the most specific route first (a literal segment before a label,
 * before a greedy label; more query literals before fewer), so the first route that matches is the
 * answer and a match that has no operation names what we do not support. That is how S3 tells
 * "GET /b?acl" from "GET /b" and "GET /b/k" while only some of them exist here.
 *
 * Paths arrive encoded, as the client sent them; literals are compared byte by byte. One slash at
 * the end is forgiven outside greedy labels, since old SDKs append it to Lambda's collections.
 *
 * thread: any. Sources: Smithy "HTTP bindings", section "Specificity routing"; AWS Lambda API
 * reference. */
#include "aws/route_int.h"
#include "aws/wire.h"
#include "data/uri.h"

/* Takes the first segment off *rest: "/a/b" gives "a" and "/b". False when nothing is left. */
static bool segment_take(struct str *rest, struct str *out_segment)
{
    if (rest->len == 0 || rest->ptr[0] != '/')
        return false;
    struct str after = str_skip(*rest, 1);
    *out_segment = str_head(after, str_find(after, '/'));
    *rest = str_skip(after, out_segment->len);
    return true;
}

static bool is_label(struct str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{';
}

static struct str label_name(struct str segment)
{
    size_t tail = segment.ptr[segment.len - 2] == '+' ? 2 : 1;
    return str_of(segment.ptr + 1, segment.len - 1 - tail);
}

static size_t count_slashes(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '/';
    return count;
}

/* The part of `path` that a greedy label takes: all but as many segments as the pattern still has
 * behind it. Empty when there are too few. */
static struct str greedy_part(struct str path, struct str pattern_rest)
{
    size_t keep = count_slashes(pattern_rest), end = path.len;
    while (keep > 0 && end > 0)
        keep -= path.ptr[--end] == '/';
    return str_skip(str_head(path, end), 1);
}

/* Walks the pattern along the path; label `wanted`, when its ptr is not NULL, goes to *out_label.
 */
static bool path_walk(struct str pattern, struct str path, struct str wanted, struct str *out_label)
{
    struct str want, have;
    while (segment_take(&pattern, &want)) {
        bool is_greedy = is_label(want) && want.ptr[want.len - 2] == '+';
        if (is_greedy) {
            have = greedy_part(path, pattern);
            path = str_skip(path, have.len + 1);
        } else if (!segment_take(&path, &have)) {
            return want.len == 0; /* the pattern is "/" or ends in one */
        }
        if (is_label(want) ? have.len == 0 : !str_eq(want, have))
            return false;
        if (wanted.ptr != NULL && is_label(want) && str_eq(label_name(want), wanted))
            *out_label = have;
    }
    return path.len == 0 || str_eq(path, STR("/"));
}

static bool has_query_literal(struct str query, struct str literal)
{
    size_t eq = str_find(literal, '=');
    struct str key, value, rest = query;
    while (uri_query_next(&rest, &key, &value))
        if (str_eq(key, str_head(literal, eq)) &&
            (eq == literal.len || str_eq(value, str_skip(literal, eq + 1))))
            return true;
    return false;
}

static bool route_matches(const struct aws_route *route, struct str path, struct str query)
{
    size_t mark = str_find(route->uri, '?');
    if (!path_walk(str_head(route->uri, mark), path, STR_NONE, NULL))
        return false;
    struct str literals = str_skip(route->uri, mark + 1), literal;
    while (literals.len > 0 && str_split(&literals, '&', &literal))
        if (!has_query_literal(query, literal))
            return false;
    return true;
}

bool aws_route_label(struct str uri, struct str path, struct str name, struct str *out_value)
{
    *out_value = STR_NONE;
    return path_walk(str_head(uri, str_find(uri, '?')), path, name, out_value) &&
           out_value->ptr != NULL;
}

static const struct aws_operation *route_result(const struct aws_route *route,
                                                struct str *out_rejected)
{
    if (route->operation == NULL)
        *out_rejected = route->name;
    return route->operation;
}

const struct aws_operation *aws_route(const struct aws_service *service, struct str method,
                                      struct str path, struct str query, struct str *out_rejected)
{
    *out_rejected = STR_NONE;
    for (uint32_t i = 0; i < service->route_count; i++) {
        const struct aws_route *route = &service->routes[i];
        if (str_eq(route->method, method) && route_matches(route, path, query))
            return route_result(route, out_rejected);
    }
    return NULL;
}

bool aws_route_has_path(const struct aws_service *service, struct str path, struct str query)
{
    for (uint32_t i = 0; i < service->route_count; i++)
        if (route_matches(&service->routes[i], path, query))
            return true;
    return false;
}

const struct aws_operation *aws_operation_find(const struct aws_service *service, struct str name,
                                               struct str *out_rejected)
{
    *out_rejected = STR_NONE;
    for (uint32_t i = 0; i < service->route_count; i++)
        if (str_eq(service->routes[i].name, name))
            return route_result(&service->routes[i], out_rejected);
    return NULL;
}
