#pragma once
/* The tables that model/<service>.api compiles to (tools/apic.py), and that every codec walks. One
 * description of each shape serves rest-json, json, query, rest-xml, CBOR and event streams alike;
 * a codec reads the members it cares about and ignores the rest.
 *
 * How a shape looks in C (generated, "gen/<service>.h"):
 *   string, enum, blob, document    struct str X;             ptr NULL: absent
 *   boolean, numbers                bool has_X; T X;
 *   timestamp                       bool has_X; int64_t X;    UTC milliseconds
 *   structure, union                struct svc_Shape *X;      NULL: absent
 *   list                            struct svc_List X;        {T *items; size_t count;}, items
 *                                                             NULL: absent; structures by value
 *   map                             struct svc_Map X;         {struct svc_Map_entry {struct str
 * key; V value;} *items; size_t count;} enum values                     enum svc_Enum {
 * svc_Enum_VALUE = 1, … } and enum svc_Enum svc_Enum_find(struct str) (0: unknown) Everything
 * decoded lies in the request's arena or is a view into the request's bytes. */
#include "base/str.h"

enum aws_kind {
    AWS_STRUCTURE,
    AWS_UNION,
    AWS_LIST,
    AWS_MAP,
    AWS_STRING,
    AWS_BLOB,
    AWS_DOCUMENT, /* raw JSON text */
    AWS_BOOLEAN,
    AWS_BYTE,
    AWS_SHORT,
    AWS_INTEGER,
    AWS_LONG,
    AWS_FLOAT,
    AWS_DOUBLE,
    AWS_TIMESTAMP,
};

enum aws_location {
    AWS_IN_BODY,
    AWS_IN_LABEL,
    AWS_IN_QUERY,
    AWS_IN_QUERY_MAP,
    AWS_IN_HEADER,
    AWS_IN_HEADER_PREFIX,
    AWS_IN_STATUS,
};

enum aws_timestamp_format { AWS_TIME_DEFAULT, AWS_TIME_EPOCH, AWS_TIME_ISO8601, AWS_TIME_HTTP };

enum aws_member_flags {
    AWS_REQUIRED = 1 << 0,
    AWS_PAYLOAD = 1 << 1,   /* the member is the whole body */
    AWS_FLATTENED = 1 << 2, /* lists and maps without a wrapping element */
    AWS_XML_ATTRIBUTE = 1 << 3,
    AWS_IDEMPOTENCY_TOKEN = 1 << 4,
    AWS_HOST_LABEL = 1 << 5,
    AWS_EVENT_HEADER = 1 << 6,
    AWS_EVENT_PAYLOAD = 1 << 7,
    AWS_LABEL_GREEDY = 1 << 8,
};

enum { AWS_NO_OFFSET = 0xffffffff };

struct aws_shape;

struct aws_member {
    struct str name; /* as in the model */
    struct str wire; /* locationName: JSON key, XML element, header, query parameter; = name */
    struct str query_wire; /* name in the query protocols where it differs; ptr NULL: wire */
    const struct aws_shape *shape;
    uint32_t offset;     /* of the value in the C struct */
    uint32_t has_offset; /* of has_X; AWS_NO_OFFSET when absence shows in the value */
    enum aws_location location;
    uint32_t flags; /* AWS_REQUIRED | … */
    enum aws_timestamp_format timestamp_format;
    struct str xml_namespace, xml_prefix;
};

enum aws_shape_flags {
    AWS_SENSITIVE = 1 << 0,
    AWS_STREAMING = 1 << 1,
    AWS_EVENT_STREAM = 1 << 2, /* a union whose members are events */
    AWS_EVENT = 1 << 3,
    AWS_SPARSE = 1 << 4,
    AWS_HAS_MIN = 1 << 5,
    AWS_HAS_MAX = 1 << 6,
};

struct aws_shape {
    enum aws_kind kind;
    struct str name;
    uint32_t size; /* of the C representation: the struct, one list element's holder, … */
    uint32_t flags;
    const struct aws_member
        *members; /* structure, union; list: [0] element; map: [0] key [1] value */
    uint32_t member_count;
    uint32_t item_size; /* list element or map entry, in bytes */
    double min, max;    /* length in characters or bytes or items; value of numbers */
    struct str pattern; /* ptr NULL: none */
    const struct str *enum_values;
    uint32_t enum_count;
    enum aws_timestamp_format timestamp_format;
    struct str xml_name, xml_namespace, xml_prefix;
    struct str payload; /* name of the payload member, structures used as input or output */
};

enum aws_side { AWS_SENDER, AWS_RECEIVER };

struct aws_error {
    struct str name;       /* shape name */
    struct str code;       /* what the wire says; the error trait's code or the shape name */
    struct str query_code; /* in query and query-compatible answers; ptr NULL: code */
    int status;
    enum aws_side side;
    const struct aws_shape *shape; /* NULL for the errors common to all services */
};

struct aws_operation {
    struct str name;
    struct str method, uri; /* "/2015-03-31/functions/{FunctionName}/invocations?x=y" */
    int status;             /* of success */
    const struct aws_shape *input, *output; /* NULL: none */
    struct str output_wrapper;              /* query: resultWrapper */
    const struct aws_error *const *errors;
    uint32_t error_count;
    struct str host_prefix;
};

enum aws_protocol {
    AWS_REST_JSON,
    AWS_JSON_1_0,
    AWS_JSON_1_1,
    AWS_QUERY,
    AWS_REST_XML,
    AWS_CBOR,
    AWS_PROTOCOL_COUNT,
};

struct aws_service {
    struct str id;              /* "lambda": our name, the folder's and the model file's */
    struct str signing_name;    /* of the credential scope */
    struct str endpoint_prefix; /* of host names */
    struct str target_prefix;   /* X-Amz-Target, "AmazonSQS"; ptr NULL: none */
    struct str api_version;
    struct str xml_namespace;
    uint32_t protocols; /* bit set of 1 << enum aws_protocol; the first set bit answers ambiguity */
    bool is_query_compatible;
    const struct aws_operation *operations; /* those we support */
    uint32_t operation_count;
    const struct str *rejected;        /* names of the official operations that we do not support */
    const struct str *rejected_routes; /* "METHOD /uri" of the same, for the REST protocols */
    uint32_t rejected_count;
};
