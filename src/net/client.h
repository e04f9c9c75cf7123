#pragma once
/* A blocking HTTP/1.1 client for the command line. thread: one. */
#include "net/http1.h"

struct http_response {
    int status;
    struct http_head head; /* views into raw */
    struct str body;       /* decoded, view into raw or body_buf */
    struct buf raw, body_buf;
};

/* One request over one connection, and its answer (interim answers are skipped).
 * endpoint: "http://host[:port]", host a numeric address, "localhost" or a name below it.
 * headers: further ones; "Host" replaces the endpoint's. Content-Length and Connection are written
 * here. timeout_ms > 0: for all of it.
 * owner: the caller ends *out_response with http_response_done.
 * errors: -EINVAL endpoint, -ECONNREFUSED and other connect errors, -ETIMEDOUT, -EPROTO for an
 * answer that is malformed or ends too early, -EFBIG beyond 1 GB. */
CHECK_RESULT int http_call(const char *endpoint, const char *method, const char *target,
                           const struct http_header *headers, size_t header_count, struct str body,
                           int64_t timeout_ms, struct http_response *out_response, struct err *err);
void http_response_done(struct http_response *response);
