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
 *   list                            struct svc_List X;        {T *items; size_t count;}
 *   map                             struct svc_Map X;         {struct svc_Map_entry *items;
 *                                                              size_t count;}
 *                                   items NULL: absent. Items are values: a list of structures is
 *                                   an array of structures; a map's entry is {struct str key;
 *                                   V value;}. Sparse lists and maps (null is an item) hold
 *                                   {bool has_value; T value;} unless T is a struct str.
 *   enum values                     enum svc_Enum { svc_Enum_VALUE = 1, … };
 *                                   svc_Enum_find(text), 0 unknown; svc_Enum_text(value)
 * Everything decoded lies in the request's arena or is a view into the request's bytes. */
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
    AWS_PAYLOAD = 1 << 1,       /* the member is the whole body */
    AWS_FLATTENED = 1 << 2,     /* lists and maps without a wrapping element */
    AWS_XML_ATTRIBUTE = 1 << 3, /* of the element that encloses the member */
    AWS_IDEMPOTENCY_TOKEN = 1 << 4,
    AWS_HOST_LABEL = 1 << 5,
    AWS_EVENT_HEADER = 1 << 6,
    AWS_EVENT_PAYLOAD = 1 << 7,
    AWS_LABEL_GREEDY = 1 << 8, /* {Key+}: may hold slashes */
    AWS_JSON_VALUE = 1 << 9,   /* JSON text; base64 when it travels in a header */
    AWS_BODY_STREAM = 1 << 10, /* a payload that may be larger than memory */
};

enum { AWS_NO_OFFSET = 0xffffffff };

struct aws_shape;

/* Names that few members and shapes have, kept apart so that the tables stay small. */
struct aws_names {
    struct str query;                     /* name in forms and XML; ptr NULL: wire */
    struct str xml_name;                  /* root element of a shape; ptr NULL: its own name */
    struct str xml_namespace, xml_prefix; /* ptr NULL: none */
    struct str default_json;              /* value of an absent member; ptr NULL: none */
    struct str media_type;                /* of a blob or string that is the body */
};

struct aws_member {
    struct str name; /* as in the model */
    struct str wire; /* locationName: JSON key, XML element, header, query parameter; = name */
    const struct aws_shape *shape;
    const struct aws_names *names; /* NULL: nothing special */
    uint32_t offset;               /* of the value in the C struct */
    uint32_t has_offset;           /* of has_X; AWS_NO_OFFSET when absence shows in the value */
    uint16_t flags;                /* AWS_REQUIRED | … */
    uint8_t location;              /* enum aws_location */
    uint8_t timestamp_format;      /* enum aws_timestamp_format; DEFAULT: the shape's */
};

enum aws_shape_flags {
    AWS_SENSITIVE = 1 << 0,
    AWS_STREAMING = 1 << 1,
    AWS_EVENT_STREAM = 1 << 2, /* a union whose members are events */
    AWS_EVENT = 1 << 3,
    AWS_SPARSE = 1 << 4,
    AWS_HAS_MIN = 1 << 5,
    AWS_HAS_MAX = 1 << 6,
    AWS_UNIQUE_ITEMS = 1 << 7,
    AWS_NEEDS_CHECK = 1 << 8,     /* it or something within it has a constraint */
    AWS_SHAPE_FLATTENED = 1 << 9, /* a list or map that is flattened wherever it is used */
    AWS_INT_ENUM = 1 << 10,       /* an integer that must be one of enum_values */
    AWS_XML_UNWRAPPED = 1 << 11,  /* its one member is the root, as in S3's GetBucketLocation */
};

/* A regular expression and its program, compiled at first use (aws/validate.c). */
struct aws_pattern {
    struct str source;  /* as the official model has it; told in messages */
    struct str matches; /* the same within the subset of data/pattern.h; ptr NULL: source is */
    void *program;
};

struct aws_shape {
    struct str name;
    uint8_t kind;             /* enum aws_kind */
    uint8_t timestamp_format; /* enum aws_timestamp_format */
    uint16_t member_count;
    uint32_t flags;
    uint32_t size;      /* of the C value: the structure, the list's holder, the number */
    uint32_t item_size; /* of a list's item, a map's entry */
    const struct aws_member *members; /* structure, union; list: [0] item; map: [0] key [1] value */
    const struct str *enum_values;
    uint32_t enum_count;
    uint32_t enum_hidden_from;     /* values from here on are accepted but not shown in messages */
    double min, max;               /* length in characters, bytes or items; value of numbers */
    struct aws_pattern *pattern;   /* NULL: none */
    const struct aws_names *names; /* NULL: nothing special */
    const struct aws_member *payload; /* the member that is the whole body; NULL: none */
};

/* What lists and maps look like to code that does not know their item type. */
struct aws_items {
    void *items;
    size_t count;
};

enum aws_side { AWS_SENDER, AWS_RECEIVER };

struct aws_error {
    struct str name;       /* shape name */
    struct str code;       /* in JSON and CBOR answers: the shape name */
    struct str query_code; /* in query, XML and x-amzn-query-error; ptr NULL: code */
    int status;
    enum aws_side side;
    const struct aws_shape *shape; /* NULL for the errors common to all services */
};

enum aws_operation_flags {
    AWS_OP_NO_AUTH = 1 << 0,           /* unsigned callers are allowed */
    AWS_OP_CHECKSUM_REQUIRED = 1 << 1, /* of the request's body */
    AWS_OP_UNSIGNED_PAYLOAD = 1 << 2,
    AWS_OP_COMPRESSED = 1 << 3,  /* the request may be gzip */
    AWS_OP_STORED = 1 << 4,      /* accepted and kept, but not acted upon; --strict rejects it */
    AWS_OP_BODY_STREAM = 1 << 5, /* the input's payload streams */
    AWS_OP_EVENTS_IN = 1 << 6,   /* input holds an event stream */
    AWS_OP_EVENTS_OUT = 1 << 7,  /* output holds an event stream */
};

struct aws_operation {
    struct str name;
    struct str method, uri; /* "/2015-03-31/functions/{FunctionName}/invocations?x=y" */
    int status;             /* of success */
    uint32_t flags;
    const struct aws_shape *input, *output; /* NULL: none */
    struct str input_element;               /* rest-xml: root element of the request; ptr NULL */
    struct str host_prefix;
    struct str checksum_member; /* input member that names the algorithm; ptr NULL: none */
    const struct aws_error *const *errors;
    uint32_t error_count;
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

/* Every operation of the official model, the most specific route first. */
struct aws_route {
    struct str name;
    struct str method, uri;
    const struct aws_operation *operation; /* NULL: we do not support it */
};

/* Whose words a service uses for violated constraints. */
enum aws_validation_style {
    AWS_VALIDATION_CORAL, /* "1 validation error detected: Value 'x' at 'name' failed to …" */
    AWS_VALIDATION_CORAL_NOT_NULL, /* the same; items "must not be null" too, as Lambda says it */
    AWS_VALIDATION_SMITHY, /* "1 validation error detected. Value at '/name' failed to …", fields */
};

struct aws_service {
    struct str id;              /* "lambda": our name, the folder's and the model file's */
    struct str signing_name;    /* of the credential scope */
    struct str endpoint_prefix; /* of host names */
    struct str target_prefix;   /* X-Amz-Target and CBOR's routes, "AmazonSQS"; ptr NULL: none */
    struct str api_version;
    struct str xml_namespace;
    struct str error_namespace; /* before the code in json 1.0 and CBOR; ptr NULL: none */
    uint32_t protocols;         /* bit set of 1 << enum aws_protocol */
    enum aws_protocol protocol; /* the official first choice; answers ambiguity */
    enum aws_validation_style validation;
    const struct aws_error *validation_error; /* NULL: the common ValidationException */
    bool is_query_compatible;
    bool is_error_unwrapped;                       /* rest-xml: <Error> is the root */
    bool is_s3;                                    /* rest-xml in S3's dialect, see rest_xml.c */
    const struct aws_operation *const *operations; /* those we support */
    uint32_t operation_count;
    const struct aws_error *const *errors; /* of any operation, by name */
    uint32_t error_count;
    const struct aws_route *routes;
    uint32_t route_count;
};

/* Number of an enum's text, from 1; 0 when the model does not know it. And back: ptr NULL when out
 * of range. */
unsigned aws_enum_find(const struct aws_shape *shape, struct str text);
struct str aws_enum_text(const struct aws_shape *shape, unsigned value);
