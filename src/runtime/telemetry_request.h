#pragma once
/* A subscription to the Telemetry API or the Logs API, as an extension asks for it: the JSON body
 * of its request, checked. Pure. */
#include "base/buf.h"

enum telemetry_api { TELEMETRY_API, TELEMETRY_LOGS_API };

/* What a subscriber understands: one bit each, an event is written for one or more of them. */
enum telemetry_schema {
    SCHEMA_LOGS_2020 = 1,
    SCHEMA_LOGS_2021 = 2, /* with platform.runtimeDone */
    SCHEMA_TELEMETRY_2022_07 = 4,
    SCHEMA_TELEMETRY_2022_12 =
        8, /* lines that are JSON come as JSON; 2025-01-29 is the same here */
    SCHEMAS_LOGS = SCHEMA_LOGS_2020 | SCHEMA_LOGS_2021,
    SCHEMAS_TELEMETRY = SCHEMA_TELEMETRY_2022_07 | SCHEMA_TELEMETRY_2022_12,
    SCHEMAS_ALL = SCHEMAS_LOGS | SCHEMAS_TELEMETRY,
};

enum telemetry_type { TELEMETRY_PLATFORM = 1, TELEMETRY_FUNCTION = 2, TELEMETRY_EXTENSION = 4 };

enum { TELEMETRY_PATH_MAX = 512 };

struct telemetry_request {
    unsigned schema, types; /* one bit of telemetry_schema; bits of telemetry_type */
    bool is_tcp;            /* lines to a port, not requests */
    bool is_put;            /* the Logs API's other method */
    uint16_t port;
    const char *host;                          /* of the Host header; of HTTP only, as the path */
    char path[TELEMETRY_PATH_MAX + 1];         /* "/logs" */
    uint32_t items_max, bytes_max, timeout_ms; /* of one batch */
};

/* problems: empty buffer that gets all that is wrong with it, in words, separated by "; ".
 * errors: -EINVAL, and problems say why. *out is written in any case.
 * source: Lambda developer guide, "Telemetry API reference", "Lambda Logs API"; the schema of
 * aws-lambda-runtime-interface-emulator. */
CHECK_RESULT int telemetry_request_parse(struct str body, enum telemetry_api api,
                                         struct telemetry_request *out, struct buf *problems);
/* "platform": the name of one bit of telemetry_type. */
const char *telemetry_type_name(enum telemetry_type type);
