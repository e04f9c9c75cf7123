/* CORS as the URL's owner configured it, in the server and not in the function: preflights are
 * answered here, and the headers on other answers replace the function's own. An origin that is not
 * allowed gets no headers, and the browser keeps the answer from the page.
 * Source: fetch.spec.whatwg.org, "HTTP CORS protocol"; Cors of the Lambda API reference. */
#include "services/lambda/lambda_int.h"
#include "services/lambda/url.h"

static bool list_has(struct str list, struct str value, bool *out_is_star)
{
    struct str rest = list, item;
    while (str_split(&rest, '\n', &item)) {
        *out_is_star = str_eq(item, STR("*"));
        if (*out_is_star || str_eq(item, value))
            return true;
    }
    return false;
}

static struct str with_commas(struct arena *arena, struct str list)
{
    struct str copy = arena_str(arena, list);
    for (size_t i = 0; i < copy.len; i++) {
        if (copy.ptr[i] == '\n')
            ((char *) (uintptr_t) copy.ptr)[i] = ',';
    }
    return copy;
}

static void header_set(struct aws_http_answer *out, struct str name, struct str value)
{
    for (size_t i = 0; i < out->header_count; i++) {
        if (str_eq_nocase(out->headers[i].name, name)) {
            out->headers[i].value = value;
            return;
        }
    }
    if (value.ptr != NULL)
        (void) url_header_add(out, name, value); /* full: the browser refuses, which is safe */
}

/* Access-Control-Allow-Origin and what goes with it; false: this origin gets nothing. */
static bool put_origin(const struct url_cors *cors, struct str origin, struct aws_http_answer *out)
{
    bool is_star = false;
    if (cors->allow_origins.ptr == NULL || !list_has(cors->allow_origins, origin, &is_star))
        return false;
    bool is_anybody = is_star && !cors->credentials;
    header_set(out, STR("Access-Control-Allow-Origin"), is_anybody ? STR("*") : origin);
    if (!is_anybody)
        (void) url_header_add(out, STR("Vary"), STR("Origin"));
    if (cors->credentials)
        header_set(out, STR("Access-Control-Allow-Credentials"), STR("true"));
    return true;
}

bool url_cors_preflight(const struct url_cors *cors, const struct front_in *in, struct arena *arena,
                        struct aws_http_answer *out)
{
    struct str origin = url_header_find(in, STR("origin"));
    if (!cors->is_given || !str_eq(in->http.method, STR("OPTIONS")) || origin.ptr == NULL ||
        url_header_find(in, STR("access-control-request-method")).ptr == NULL)
        return false;
    *out = (struct aws_http_answer){.status = 200, .body = STR("")};
    if (!put_origin(cors, origin, out))
        return true;
    if (cors->allow_methods.ptr != NULL)
        header_set(out, STR("Access-Control-Allow-Methods"),
                   with_commas(arena, cors->allow_methods));
    if (cors->allow_headers.ptr != NULL)
        header_set(out, STR("Access-Control-Allow-Headers"),
                   with_commas(arena, cors->allow_headers));
    if (cors->has_max_age)
        header_set(out, STR("Access-Control-Max-Age"), arena_printf(arena, "%d", cors->max_age_s));
    return true;
}

void url_cors_headers(const struct url_cors *cors, const struct front_in *in, struct arena *arena,
                      struct aws_http_answer *out)
{
    struct str origin = url_header_find(in, STR("origin"));
    if (!cors->is_given || origin.ptr == NULL || !put_origin(cors, origin, out))
        return;
    if (cors->expose_headers.ptr != NULL)
        header_set(out, STR("Access-Control-Expose-Headers"),
                   with_commas(arena, cors->expose_headers));
}
