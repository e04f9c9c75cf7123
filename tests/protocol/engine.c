/* The wire engine on standard input and output, for tests/protocol/run.py: one case a line, one
 * answer a line, both JSON.
 *
 *   {"service": "restjson", "protocol": 0, "method": "POST", "path": "/x", "query": "a=b",
 *    "headers": ["name", "value", …], "body": "…"}; of CBOR "body64", in base64
 *       → {"op": "Name", "params": {…}}, or an answer (below) when the request is refused
 *   {"service": "restjson", "protocol": 0, "op": "Name", "params": {…}}
 *   {"service": "restjson", "protocol": 0, "op": "Name", "error": "Shape", "params": {…}}
 *       → {"status": 200, "headers": ["name", "value", …], "body": "…"}, or {"unfit": true} when
 * the model lacks members that the case speaks of (some were lost on the way to service-2) */
#include "canon.h"
#include "services.h"

#include "aws/wire.h"
#include "base/assert.h"
#include "data/base64.h"

#include <stdlib.h>

enum { ARENA_MAX = 16 << 20, HEADERS_MAX = 64 };

struct test_case {
    struct str service, method, path, query, body, op, error, params;
    int64_t protocol;
    struct http_header headers[HEADERS_MAX];
    size_t header_count;
    struct arena arena;
};

static void read_headers(struct test_case *c, struct json_reader *r)
{
    while (json_next(r) == JSON_STRING && c->header_count < HEADERS_MAX) {
        struct http_header *header = &c->headers[c->header_count++];
        header->name = r->text;
        assert(json_next(r) == JSON_STRING);
        header->value = r->text;
    }
}

static void read_field(struct test_case *c, struct json_reader *r, struct str key)
{
    const struct {
        const char *key;
        struct str *to;
    } texts[] = {{"service", &c->service}, {"method", &c->method}, {"path", &c->path},
                 {"query", &c->query},     {"body", &c->body},     {"op", &c->op},
                 {"error", &c->error}};
    enum json_token tok = json_next(r);
    if (str_eq(key, STR("body64"))) {
        assert(base64_decode(&c->arena, r->text, &c->body) == 0);
        return;
    }
    if (str_eq(key, STR("headers")))
        return read_headers(c, r);
    if (str_eq(key, STR("params"))) {
        assert(json_skip(r, tok, &c->params));
        return;
    }
    if (str_eq(key, STR("protocol"))) {
        assert(parse_i64(r->text, 0, AWS_PROTOCOL_COUNT, &c->protocol) == 0);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (str_eq(key, str_from(texts[i].key)))
            *texts[i].to = r->text;
}

static const struct aws_service *service_find(struct str id)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (str_eq(services[i]->id, id))
            return services[i];
    return NULL;
}

static void print(struct buf *out)
{
    for (size_t i = 0; i < out->len; i++) /* documents are raw JSON and may span lines */
        out->ptr[i] = out->ptr[i] == '\n' ? ' ' : out->ptr[i];
    buf_put_char(out, '\n');
    fwrite(out->ptr, 1, out->len, stdout);
    fflush(stdout);
}

static void print_answer(const struct test_case *c, const struct aws_http_answer *answer)
{
    AUTO_BUF struct buf out;
    struct json_writer w;
    buf_init(&out, ARENA_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, STR("status"));
    json_i64(&w, answer->status);
    json_key(&w, STR("headers"));
    json_array_begin(&w);
    for (size_t i = 0; i < answer->header_count; i++) {
        json_str(&w, answer->headers[i].name);
        json_str(&w, answer->headers[i].value);
    }
    json_array_end(&w);
    if (c->protocol == AWS_CBOR) {
        json_key(&w, STR("body64"));
        json_raw(&w, STR("\""));
        base64_encode(&out, answer->body);
        buf_put_char(&out, '"');
    } else {
        json_key(&w, STR("body"));
        json_str(&w, answer->body);
    }
    json_object_end(&w);
    print(&out);
}

static void print_params(const struct aws_operation *op, const void *input)
{
    AUTO_BUF struct buf out;
    struct json_writer w;
    buf_init(&out, ARENA_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, STR("op"));
    json_str(&w, op->name);
    if (op->input != NULL) {
        struct aws_member root = {.shape = op->input, .has_offset = AWS_NO_OFFSET};
        json_key(&w, STR("params"));
        canon_write(&w, &root, input);
    }
    json_object_end(&w);
    print(&out);
}

static struct str host_of(const struct test_case *c)
{
    for (size_t i = 0; i < c->header_count; i++)
        if (str_eq_nocase(c->headers[i].name, STR("host")))
            return c->headers[i].value;
    return STR("");
}

static void run_request(struct test_case *c, const struct aws_service *service)
{
    enum aws_protocol protocol = (enum aws_protocol) c->protocol;
    struct aws_http_request req = {c->method,  c->path,         c->query,
                                   c->headers, c->header_count, c->body};
    if (service->is_s3)
        req.path = aws_s3_path(host_of(c), c->path, &c->arena);
    struct aws_fault fault = {.error = &aws_error_unknown_operation, .message = STR("no route")};
    struct str rejected;
    const struct aws_operation *op = aws_dispatch(service, protocol, &req, &c->arena, &rejected);
    void *input = arena_alloc(&c->arena, op != NULL && op->input != NULL ? op->input->size : 1);
    if (op != NULL && aws_decode(service, protocol, op, &req, &c->arena, input, &fault) == 0)
        return print_params(op, input);
    struct aws_http_answer answer;
    aws_encode_fault(service, protocol, op, &fault, STR("id"), &c->arena, &answer);
    print_answer(c, &answer);
}

static const struct aws_error *error_find(const struct aws_service *service, struct str name)
{
    for (uint32_t i = 0; i < service->error_count; i++)
        if (str_eq(service->errors[i]->name, name))
            return service->errors[i];
    return NULL;
}

static void run_answer(struct test_case *c, const struct aws_service *service)
{
    enum aws_protocol protocol = (enum aws_protocol) c->protocol;
    struct str rejected;
    const struct aws_operation *op = aws_operation_find(service, c->op, &rejected);
    const struct aws_error *error = c->error.ptr != NULL ? error_find(service, c->error) : NULL;
    assert(op != NULL && (c->error.ptr == NULL || error != NULL));
    const struct aws_shape *shape = error != NULL ? error->shape : op->output;
    void *value = arena_alloc(&c->arena, shape != NULL ? shape->size : 1);
    if (shape != NULL && c->params.ptr != NULL) {
        struct json_reader r;
        struct aws_member root = {.shape = shape, .has_offset = AWS_NO_OFFSET};
        json_reader_init(&r, c->params, &c->arena);
        if (!canon_read(&r, json_next(&r), &root, value, &c->arena)) {
            puts("{\"unfit\": true}");
            fflush(stdout);
            return;
        }
    }
    struct aws_http_answer answer;
    if (error != NULL) {
        struct aws_fault fault = {.error = error, .detail = value};
        aws_encode_fault(service, protocol, op, &fault, STR("id"), &c->arena, &answer);
    } else {
        assert(aws_encode(service, protocol, op, value, STR("id"), &c->arena, &answer) == 0);
    }
    print_answer(c, &answer);
}

static void run_case(struct str line)
{
    struct test_case c = {.method = STR_NONE, .body = STR("")};
    arena_init(&c.arena, ARENA_MAX);
    struct json_reader r;
    json_reader_init(&r, line, &c.arena);
    assert(json_next(&r) == JSON_OBJECT_BEGIN);
    while (json_next(&r) == JSON_KEY)
        read_field(&c, &r, r.text);
    const struct aws_service *service = service_find(c.service);
    assert(service != NULL);
    if (c.op.ptr == NULL)
        run_request(&c, service);
    else
        run_answer(&c, service);
    arena_done(&c.arena);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t len; (len = getline(&line, &cap, stdin)) > 0;)
        run_case(str_of(line, (size_t) len));
    free(line);
    return 0;
}
