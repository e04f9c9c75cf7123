/* One port serves every service, so a request must show whom it is for. From the strongest sign to
 * the weakest:
 *
 * 1. X-Amz-Target: "AWSLambda.Invoke" names service and operation (json protocols), and so does
 *    the path "/service/GraniteServiceVersion20100801/operation/PutMetricData" under
 *    "smithy-protocol: rpc-v2-cbor".
 * 2. The service in the credential scope, "lambda". Several services may sign alike; of those with
 *    REST protocols the one whose routes know the path is meant.
 * 3. The path: "/2015-03-31/..." is an API version that only one service has. Unsigned requests
 *    (curl, health checks of load balancers) are served by it in development mode.
 * 4. The Host: "lambda.us-east-1.amazonaws.com", "lambda.localhost:4566".
 * 5. A form's own fields: only one service has that Action in that Version.
 *
 * The protocol: CBOR says so itself; an X-Amz-Target speaks JSON, 1.0 or 1.1 as its Content-Type
 * says; else it is the service's first choice, but for services that speak Query and no REST:
 * without a target they are sent forms, where the body names the operation (looked at when it is
 * there). A service that a client names and that we do not have is told apart from one that nobody
 * named, for the answer. */
#include "gateway/classify.h"

#include "aws/wire.h"
#include "data/uri.h"
#include "gateway/crosssite.h"

static bool speaks(const struct installed *installed, enum aws_protocol protocol)
{
    return (installed->model->protocols & (1U << protocol)) != 0;
}

static enum aws_protocol json_protocol(const struct installed *installed,
                                       const struct http_head *head)
{
    struct str type = http_header_find(head, STR("content-type"));
    bool is_1_0 = str_starts_nocase(type, STR("application/x-amz-json-1.0"));
    if (is_1_0 && speaks(installed, AWS_JSON_1_0))
        return AWS_JSON_1_0;
    if (speaks(installed, AWS_JSON_1_1))
        return AWS_JSON_1_1;
    return speaks(installed, AWS_JSON_1_0) ? AWS_JSON_1_0 : installed->model->protocol;
}

/* "Prefix_20120810.PutItem": the prefix may hold dots, the operation does not. */
static bool target_split(struct str target, struct str *out_prefix, struct str *out_operation)
{
    size_t at = target.len;
    while (at > 0 && target.ptr[at - 1] != '.')
        at--;
    if (at <= 1 || at == target.len)
        return false;
    *out_prefix = str_head(target, at - 1);
    *out_operation = str_skip(target, at);
    return true;
}

static bool by_target(const struct registry *registry, const struct http_head *head,
                      struct classified *out)
{
    struct str prefix, operation;
    if (!target_split(http_header_find(head, STR("x-amz-target")), &prefix, &operation))
        return false;
    out->service = prefix;
    out->rejected = operation;
    out->installed = registry_by_target(registry, prefix);
    if (out->installed == NULL)
        return true;  /* It said clearly whom it wants, and we do not have that. */
    struct str known; /* Known to AWS or not: what we lack is named as the client named it. */
    out->protocol = json_protocol(out->installed, head);
    out->operation = aws_operation_find(out->installed->model, operation, &known);
    return true;
}

/* A service that does not speak CBOR is still the one that is meant: it answers in its own words.
 */
static bool by_cbor(const struct registry *registry, const struct http_head *head,
                    struct classified *out)
{
    struct str service, operation, known;
    if (!str_eq(http_header_find(head, STR("smithy-protocol")), STR("rpc-v2-cbor")) ||
        !aws_cbor_path(head->path, &service, &operation))
        return false;
    out->service = service;
    out->rejected = operation;
    out->installed = registry_by_target(registry, service);
    if (out->installed == NULL)
        return true;
    bool is_spoken = speaks(out->installed, AWS_CBOR);
    out->protocol = is_spoken ? AWS_CBOR : out->installed->model->protocol;
    if (is_spoken && str_eq(head->method, STR("POST")))
        out->operation = aws_operation_find(out->installed->model, operation, &known);
    return true;
}

static bool has_type(const struct http_head *head, struct str type)
{
    return str_starts_nocase(http_header_find(head, STR("content-type")), type);
}

/* By method and path. The operations of a service without REST share "POST /", so that path names
 * none of them: the body of a form does, and a JSON client that sends no target has lost it. */
static void route(const struct installed *installed, const struct http_head *head,
                  struct classified *out)
{
    out->installed = installed;
    out->protocol = installed->model->protocol;
    bool is_rest = out->protocol == AWS_REST_JSON || out->protocol == AWS_REST_XML;
    out->is_form =
        !is_rest && speaks(installed, AWS_QUERY) && !has_type(head, STR("application/x-amz-json"));
    if (out->is_form)
        out->protocol = AWS_QUERY;
    else if (!is_rest && str_eq(head->path, STR("/")))
        out->protocol = json_protocol(installed, head);
    else
        out->operation =
            aws_route(installed->model, head->method, head->path, head->query, &out->rejected);
}

static bool by_scope(const struct registry *registry, const struct http_head *head,
                     const struct credential_scope *scope, struct classified *out)
{
    if (scope->service.ptr == NULL)
        return false;
    out->service = scope->service;
    const struct installed *installed = NULL;
    while ((installed = registry_by_signing(registry, scope->service, installed)) != NULL) {
        route(installed, head, out);
        if (out->operation != NULL || out->rejected.len > 0 || out->is_form)
            break;
    }
    return true;
}

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return s.len > 0;
}

/* "/2015-03-31/functions": an API version. */
static bool path_has_version(struct str path)
{
    return path.len > 12 && path.ptr[0] == '/' && path.ptr[5] == '-' && path.ptr[8] == '-' &&
           path.ptr[11] == '/' && is_digits(str_head(str_skip(path, 1), 4)) &&
           is_digits(str_head(str_skip(path, 6), 2)) && is_digits(str_head(str_skip(path, 9), 2));
}

static bool by_path(const struct registry *registry, const struct http_head *head,
                    struct classified *out)
{
    if (!path_has_version(head->path))
        return false;
    struct str prefix = str_head(head->path, 12);
    for (size_t i = 0; i < registry_len(registry); i++) {
        const struct installed *installed = registry_at(registry, i);
        for (uint32_t r = 0; r < installed->model->route_count; r++) {
            if (!str_starts(installed->model->routes[r].uri, prefix))
                continue;
            out->service = installed->model->id;
            route(installed, head, out);
            return true;
        }
    }
    return false;
}

/* The service whose endpoint the host is: "streams.dynamodb.us-east-1.amazonaws.com" is not
 * "streams", so the longest name that fits counts. */
static bool by_host(const struct registry *registry, const struct http_head *head,
                    struct classified *out)
{
    struct str host = host_bare(head->host);
    const struct installed *best = NULL;
    for (size_t i = 0; i < registry_len(registry); i++) {
        const struct installed *installed = registry_at(registry, i);
        struct str prefix = installed->model->endpoint_prefix;
        bool fits = host.len > prefix.len && host.ptr[prefix.len] == '.' &&
                    str_eq_nocase(str_head(host, prefix.len), prefix);
        if (fits && (best == NULL || best->model->endpoint_prefix.len < prefix.len))
            best = installed;
    }
    if (best == NULL)
        return false;
    out->service = best->model->id;
    route(best, head, out);
    return true;
}

/* Unsigned and sent to a bare address, a form still says whom it is for: see classify_form. */
static bool is_stray_form(const struct http_head *head)
{
    struct str key, value, rest = head->query;
    if (has_type(head, STR("application/x-www-form-urlencoded")))
        return true;
    while (rest.ptr != NULL && uri_query_next(&rest, &key, &value)) {
        if (str_eq(key, STR("Action")))
            return true;
    }
    return false;
}

void classify(const struct registry *registry, const struct http_head *head,
              const struct credential_scope *scope, struct classified *out)
{
    *out = (struct classified){.service = STR(""), .rejected = STR("")};
    if (by_target(registry, head, out) || by_cbor(registry, head, out) ||
        by_scope(registry, head, scope, out) || by_path(registry, head, out) ||
        by_host(registry, head, out))
        return;
    out->is_form = is_stray_form(head); /* Else nothing found is the answer. */
}

/* --- forms --- */

/* A field of the body, or of the URL when the body has none; ptr NULL without. */
static struct str form_field(const struct http_head *head, struct str body, struct str name,
                             struct arena *arena)
{
    struct str value = STR_NONE;
    int rc = uri_query_find(arena, body, name, &value);
    if ((rc < 0 || value.ptr == NULL) && head->query.ptr != NULL)
        rc = uri_query_find(arena, head->query, name, &value);
    return rc < 0 ? STR_NONE : value; /* A broken escape names nothing. */
}

static bool has_version(const struct installed *installed, struct str version)
{
    return version.ptr == NULL || str_eq(installed->model->api_version, version);
}

static const struct installed *service_of_form(const struct registry *registry, struct str action,
                                               struct str version)
{
    for (size_t i = 0; i < registry_len(registry); i++) {
        const struct installed *installed = registry_at(registry, i);
        struct str rejected;
        if (speaks(installed, AWS_QUERY) && has_version(installed, version) &&
            (aws_operation_find(installed->model, action, &rejected) != NULL || rejected.len > 0))
            return installed;
    }
    return NULL;
}

void classify_form(const struct registry *registry, const struct http_head *head, struct str body,
                   struct arena *arena, struct classified *found)
{
    struct str action = form_field(head, body, STR("Action"), arena), known;
    found->rejected = action.ptr == NULL ? STR("") : action;
    found->version = form_field(head, body, STR("Version"), arena);
    if (found->installed == NULL)
        found->installed = service_of_form(registry, found->rejected, found->version);
    if (found->installed == NULL)
        return;
    found->service = found->installed->model->id;
    found->protocol = AWS_QUERY;
    if (!has_version(found->installed, found->version))
        return;
    found->operation = aws_operation_find(found->installed->model, found->rejected, &known);
    found->version = STR_NONE; /* It is not what is wrong, if anything is. */
}

void classify_strictly(struct classified *found)
{
    if (found->operation == NULL || (found->operation->flags & AWS_OP_STORED) == 0)
        return;
    found->rejected = found->operation->name;
    found->version = STR_NONE;
    found->operation = NULL;
}
