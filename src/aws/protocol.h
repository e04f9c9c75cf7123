#pragma once
/* What the protocols share within this room: the state of one decode and one encode, the table that
 * a protocol fills in, and the value readers and writers that several protocols use. */
#include "aws/value.h"
#include "aws/wire.h"
#include "data/json.h"

struct decode {
    const struct aws_service *service;
    const struct aws_operation *op;
    const struct aws_http_request *req;
    struct arena *arena;
    struct aws_fault *fault;
    bool is_rest;   /* members may be bound to HTTP */
    bool is_strict; /* media types and times as Smithy's servers check them */
};

/* Fills the fault and returns -EINVAL. */
CHECK_RESULT int aws_refuse(struct decode *d, const struct aws_error *error, const char *format,
                            ...) PRINTF_LIKE(3, 4);
/* A union must have one member: `set` counts what the request gives, known or not. */
CHECK_RESULT int aws_check_union(struct decode *d, const struct aws_shape *shape, const void *base,
                                 unsigned set);
/* The request needs more memory than its arena allows. */
CHECK_RESULT int aws_refuse_size(struct decode *d);

struct encode {
    const struct aws_service *service;
    enum aws_protocol protocol;
    const struct aws_operation *op; /* NULL: a fault before the operation was known */
    struct str request_id;
    struct arena *arena;
    struct aws_http_answer *answer;
};

/* False when the table of headers is full. */
bool aws_answer_header(struct aws_http_answer *answer, struct str name, struct str value);
/* The buffer's bytes, moved to the arena. -E2BIG. */
CHECK_RESULT int aws_answer_text(struct encode *e, struct buf *text, struct str *out_text);
bool aws_answer_has(const struct aws_http_answer *answer, struct str name);
/* NULL ptr: no such header. */
struct str aws_request_header(const struct aws_http_request *req, struct str name);

/* A protocol. error_detail is the error's C struct with its message filled in; NULL when the error
 * has no shape. */
struct aws_codec {
    int (*decode)(struct decode *d, void *out_input);
    int (*encode)(struct encode *e, const void *output);
    int (*encode_fault)(struct encode *e, const struct aws_fault *fault, const void *error_detail);
};
extern const struct aws_codec aws_codec_rest_json, aws_codec_json_rpc, aws_codec_query,
    aws_codec_rest_xml, aws_codec_cbor;

/* The error's C struct: the service's detail, or an empty one, with what every error of AWS says.
 * NULL: no shape, or no memory. */
const void *aws_fault_detail(const struct aws_fault *fault, struct arena *arena);
/* The head of an answer that is an event stream, and the stream's first bytes (event_out.c). */
CHECK_RESULT int aws_event_encode_head(struct encode *e, const void *output);

/* "namespace#Code", or the code alone when the service has no namespace. */
struct str aws_error_type(struct encode *e, const struct aws_error *error);
/* x-amzn-query-error, where a service that once spoke Query has another code for its old clients.
 * False when the table of headers is full. */
bool aws_answer_query_error(struct encode *e, const struct aws_error *error);

/* JSON values (json_in.c, json_out.c). */
CHECK_RESULT int aws_json_decode(struct decode *d, struct str text, const struct aws_shape *shape,
                                 void *to);
/* Absent members with a default get it. */
CHECK_RESULT int aws_json_defaults(struct decode *d, const struct aws_shape *shape, void *base);
void aws_json_put(struct json_writer *w, const struct aws_member *member, const void *value);
/* An output or error: the members that travel in the body. */
void aws_json_put_root(struct json_writer *w, const struct aws_shape *shape, const void *base);

/* A structure's members, wherever HTTP would put them, into the object that is open. */
void aws_json_put_members(struct json_writer *w, const struct aws_shape *shape, const void *base);
/* The members of an error without a shape: "message", and the violations that it has. */
void aws_json_put_fault(struct json_writer *w, const struct aws_fault *fault);

/* CBOR values (cbor_in.c, cbor_out.c): a whole document. */
CHECK_RESULT int aws_cbor_decode(struct decode *d, struct str bytes, const struct aws_shape *shape,
                                 void *to);
/* A structure as a map that may begin with "__type". -E2BIG. */
CHECK_RESULT int aws_cbor_put_root(struct encode *e, struct buf *out, struct str type,
                                   const struct aws_shape *shape, const void *base);

/* XML values (xml_in.c); is_root: the input itself, whose bound members are not in the body. */
CHECK_RESULT int aws_xml_decode(struct decode *d, struct str text, const struct aws_shape *shape,
                                void *to, bool is_root);

/* HTTP bindings (rest_in.c, rest_out.c), shared by rest-json and rest-xml. */
CHECK_RESULT int aws_rest_decode(struct decode *d, void *base);
CHECK_RESULT int aws_rest_encode(struct encode *e, const struct aws_shape *shape, const void *base);
/* The media type of a payload member that is text or JSON; ptr NULL: a blob of any type. */
struct str aws_rest_media_type(const struct aws_member *payload);
bool aws_rest_has_body_members(const struct aws_shape *shape);
