#pragma once
/* A blocking HTTP/1.1 client for the command line. thread: one. */
#include "net/http1.h"

struct http_response {
    int status;
    struct http_head head; /* views into raw */
    struct str body;       /* decoded, view into raw or body_buf */
    struct buf raw, body_buf;
};

/* endpoint: "http://host:port". One request, one connection. -ECONNREFUSED, -ETIMEDOUT, -EPROTO. */
CHECK_RESULT int http_call(const char *endpoint, const char *method, const char *target,
                           const struct http_header *headers, size_t header_count, struct str body,
                           int64_t timeout_ms, struct http_response *out_response, struct err *err);
void http_response_done(struct http_response *response);
