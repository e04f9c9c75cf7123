/* The body of a subscription:
 *
 *     {"schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"],
 *      "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 100},
 *      "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/path"}}
 *
 * with {"protocol": "TCP", "port": 8080} as the other destination. It comes from inside a sandbox:
 * nothing of it is believed, and what will stand in a request head (the path) has no byte that
 * could end a line. Members that nobody knows are passed over. "URI port is not provided" and
 * "types should not be empty" are AWS's words, the others are ours. */
#include "runtime/telemetry_request.h"

#include "data/json.h"

#include <errno.h>

enum {
    PORT_RUNTIME_API = 9001, /* AWS: reserved */
    PORT_SERVICES = 4566,    /* the platform's own door inside */
};

struct parser {
    struct json_reader r;
    enum telemetry_api api;
    struct telemetry_request *out;
    struct buf *problems;
    bool has_schema, has_types, has_destination, has_protocol, has_uri, has_port;
    bool is_protocol_wrong;
};

static void problem(struct parser *p, const char *what, const char *why)
{
    buf_printf(p->problems, "%s%s %s", p->problems->len > 0 ? "; " : "", what, why);
}

/* The next token, which should be of this kind; false, and passed over: it is another. */
static bool expect(struct parser *p, enum json_token kind, const char *what, const char *should)
{
    enum json_token tok = json_next(&p->r);
    if (tok == kind)
        return true;
    if (tok != JSON_ERROR && json_skip(&p->r, tok, NULL))
        problem(p, what, should);
    return false;
}

static void take_schema(struct parser *p)
{
    static const struct {
        struct str name;
        enum telemetry_api api;
        enum telemetry_schema schema;
    } schemas[] = {
        {STR_INIT("2022-07-01"), TELEMETRY_API, SCHEMA_TELEMETRY_2022_07},
        {STR_INIT("2022-12-13"), TELEMETRY_API, SCHEMA_TELEMETRY_2022_12},
        {STR_INIT("2025-01-29"), TELEMETRY_API, SCHEMA_TELEMETRY_2022_12},
        {STR_INIT("2020-08-15"), TELEMETRY_LOGS_API, SCHEMA_LOGS_2020},
        {STR_INIT("2021-03-18"), TELEMETRY_LOGS_API, SCHEMA_LOGS_2021},
    };
    p->has_schema = true;
    if (!expect(p, JSON_STRING, "schemaVersion", "should be a string"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++)
        if (schemas[i].api == p->api && str_eq(p->r.text, schemas[i].name)) {
            p->out->schema = schemas[i].schema;
            return;
        }
    problem(p, "schemaVersion", "is not supported");
}

static const struct {
    struct str name;
    enum telemetry_type type;
} types[] = {
    {STR_INIT("platform"), TELEMETRY_PLATFORM},
    {STR_INIT("function"), TELEMETRY_FUNCTION},
    {STR_INIT("extension"), TELEMETRY_EXTENSION},
};

const char *telemetry_type_name(enum telemetry_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].type == type)
            return types[i].name.ptr;
    return NULL;
}

static unsigned type_of(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(name, types[i].name))
            return types[i].type;
    return 0;
}

static void take_types(struct parser *p)
{
    bool is_any_wrong = false;
    p->has_types = true;
    p->out->types = 0;
    if (!expect(p, JSON_ARRAY_BEGIN, "types", "should be an array"))
        return;
    enum json_token tok;
    while ((tok = json_next(&p->r)) != JSON_ARRAY_END && tok != JSON_ERROR) {
        unsigned type = tok == JSON_STRING ? type_of(p->r.text) : 0;
        is_any_wrong |= type == 0;
        p->out->types |= type;
        if (tok != JSON_STRING && !json_skip(&p->r, tok, NULL))
            return;
    }
    if (is_any_wrong)
        problem(p, "types", "should be platform, function or extension");
    else if (p->out->types == 0)
        problem(p, "types", "should not be empty");
}

static bool is_path(struct str path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] >= 0x7f || path.ptr[i] == '#')
            return false;
    return path.len <= TELEMETRY_PATH_MAX;
}

static void take_port(struct parser *p, struct str digits, const char *what)
{
    uint64_t port = 0;
    p->has_port = true;
    if (parse_u64(digits, UINT16_MAX, &port) < 0 || port == 0)
        problem(p, what, "should be between 1 and 65535");
    else if (port == PORT_RUNTIME_API || port == PORT_SERVICES)
        problem(p, what, "is reserved");
    else
        p->out->port = (uint16_t) port;
}

static void take_uri(struct parser *p)
{
    static const struct str scheme = STR_INIT("http://");
    p->has_uri = true;
    if (!expect(p, JSON_STRING, "URI", "should be a string"))
        return;
    struct str uri = p->r.text;
    if (!str_starts(uri, scheme)) {
        problem(p, "URI", "should begin with http://");
        return;
    }
    uri = str_skip(uri, scheme.len);
    struct str authority = str_head(uri, str_find(uri, '/'));
    struct str path = str_skip(uri, authority.len);
    struct str host = str_head(authority, str_find(authority, ':'));
    p->out->host = str_eq(host, STR("sandbox"))               ? "sandbox"
                   : str_eq(host, STR("sandbox.localdomain")) ? "sandbox.localdomain"
                                                              : NULL;
    if (p->out->host == NULL)
        problem(p, "URI host", "should be sandbox.localdomain");
    if (host.len == authority.len || authority.len == host.len + 1)
        problem(p, "URI port", "is not provided");
    else
        take_port(p, str_skip(authority, host.len + 1), "URI port");
    if (!is_path(path))
        problem(p, "URI path", "is too long, or not one of an URI");
    else
        (void) snprintf(p->out->path, sizeof p->out->path, "%s" STR_FMT, path.len == 0 ? "/" : "",
                        STR_ARG(path));
}

static void take_protocol(struct parser *p)
{
    p->has_protocol = true;
    p->is_protocol_wrong = true;
    if (!expect(p, JSON_STRING, "protocol", "should be a string"))
        return;
    p->out->is_tcp = str_eq(p->r.text, STR("TCP"));
    p->is_protocol_wrong = !p->out->is_tcp && !str_eq(p->r.text, STR("HTTP"));
    if (p->is_protocol_wrong)
        problem(p, "protocol", "should be HTTP or TCP");
}

static void take_method(struct parser *p)
{
    if (!expect(p, JSON_STRING, "method", "should be a string"))
        return;
    p->out->is_put = str_eq(p->r.text, STR("PUT"));
    if (!p->out->is_put && !str_eq(p->r.text, STR("POST")))
        problem(p, "method", "should be POST or PUT");
}

static void take_encoding(struct parser *p)
{
    if (expect(p, JSON_STRING, "encoding", "should be a string") && !str_eq(p->r.text, STR("JSON")))
        problem(p, "encoding", "should be JSON");
}

static void take_destination_member(struct parser *p, struct str key)
{
    bool is_logs = p->api == TELEMETRY_LOGS_API;
    if (str_eq(key, STR("protocol")))
        take_protocol(p);
    else if (str_eq(key, STR("URI")))
        take_uri(p);
    else if (is_logs && str_eq(key, STR("method")))
        take_method(p);
    else if (is_logs && str_eq(key, STR("encoding")))
        take_encoding(p);
    else if (!str_eq(key, STR("port")))
        (void) json_skip(&p->r, json_next(&p->r), NULL);
    else if (expect(p, JSON_NUMBER, "port", "should be a number"))
        take_port(p, p->r.text, "port");
}

static void check_destination(struct parser *p)
{
    if (!p->has_protocol)
        problem(p, "protocol", "is not provided");
    else if (p->is_protocol_wrong)
        return;
    else if (p->out->is_tcp && !p->has_port)
        problem(p, "port", "is not provided");
    else if (!p->out->is_tcp && !p->has_uri)
        problem(p, "URI", "is not provided");
}

static void take_destination(struct parser *p)
{
    p->has_destination = true;
    if (!expect(p, JSON_OBJECT_BEGIN, "destination", "should be an object"))
        return;
    enum json_token tok;
    while ((tok = json_next(&p->r)) == JSON_KEY)
        take_destination_member(p, p->r.text);
    if (tok != JSON_ERROR)
        check_destination(p);
}

static void take_limit(struct parser *p, const char *name, uint32_t min, uint32_t max,
                       uint32_t *out)
{
    char should[64];
    uint64_t value = 0;
    (void) snprintf(should, sizeof should, "should be between %u and %u", min, max);
    if (!expect(p, JSON_NUMBER, name, should))
        return;
    if (parse_u64(p->r.text, max, &value) < 0 || value < min)
        problem(p, name, should);
    else
        *out = (uint32_t) value;
}

static void take_buffering(struct parser *p)
{
    if (!expect(p, JSON_OBJECT_BEGIN, "buffering", "should be an object"))
        return;
    while (json_next(&p->r) == JSON_KEY) {
        if (str_eq(p->r.text, STR("maxItems")))
            take_limit(p, "maxItems", 1000, 10000, &p->out->items_max);
        else if (str_eq(p->r.text, STR("maxBytes")))
            take_limit(p, "maxBytes", 262144, 1048576, &p->out->bytes_max);
        else if (str_eq(p->r.text, STR("timeoutMs")))
            take_limit(p, "timeoutMs", 25, 30000, &p->out->timeout_ms);
        else
            (void) json_skip(&p->r, json_next(&p->r), NULL);
    }
}

static void take_member(struct parser *p, struct str key)
{
    if (str_eq(key, STR("schemaVersion")))
        take_schema(p);
    else if (str_eq(key, STR("types")))
        take_types(p);
    else if (str_eq(key, STR("destination")))
        take_destination(p);
    else if (str_eq(key, STR("buffering")))
        take_buffering(p);
    else
        (void) json_skip(&p->r, json_next(&p->r), NULL);
}

static void check(struct parser *p)
{
    if (!p->has_schema && p->api == TELEMETRY_API)
        problem(p, "schemaVersion", "is not provided");
    if (!p->has_types)
        problem(p, "types", "should not be empty");
    if (!p->has_destination)
        problem(p, "destination", "is not provided");
}

int telemetry_request_parse(struct str body, enum telemetry_api api, struct telemetry_request *out,
                            struct buf *problems)
{
    AUTO_ARENA struct arena arena;
    struct parser p = {.api = api, .out = out, .problems = problems};
    *out = (struct telemetry_request){
        .schema = SCHEMA_LOGS_2020, .items_max = 10000, .bytes_max = 262144, .timeout_ms = 1000};
    arena_init(&arena, 64 * 1024);
    json_reader_init(&p.r, body, &arena);
    enum json_token tok = json_next(&p.r);
    if (tok != JSON_OBJECT_BEGIN) {
        problem(&p, "the body", "should be a JSON object");
        return -EINVAL;
    }
    while ((tok = json_next(&p.r)) == JSON_KEY)
        take_member(&p, p.r.text);
    if (tok == JSON_OBJECT_END)
        tok = json_next(&p.r);
    if (tok == JSON_ERROR)
        problem(&p, "the body is no JSON:", p.r.error);
    else
        check(&p);
    return problems->len > 0 ? -EINVAL : 0;
}
