#pragma once
/* A blocking HTTP/1.1 client for the command line. thread: one. */
#include "net/http1.h"

/* Where to, and over https whom to believe. All borrowed. */
struct http_endpoint {
    const char *url;     /* "http[s]://host[:port]" */
    const char *ca_path; /* PEM of whom to trust; NULL: the system's */
    bool is_unverified;  /* trust anyone */
};

struct http_response {
    int status;
    struct http_head head; /* views into raw */
    struct str body;       /* decoded, view into raw or body_buf */
    struct buf raw, body_buf;
};

/* One request over one connection, and its answer (interim answers are skipped).
 * endpoint: its host may be a numeric address, a name below "localhost", which is this machine, or
 * one that the system's resolver knows.
 * headers: further ones; "Host" replaces the endpoint's. Content-Length and Connection are written
 * here. timeout_ms > 0: for all of it.
 * owner: the caller ends *out_response with http_response_done.
 * errors: -EINVAL endpoint, -ECONNREFUSED and other connect errors, -EHOSTUNREACH a name that
 * nobody knows, -EKEYREJECTED a certificate that is not trusted, -ETIMEDOUT, -EPROTO for an
 * answer that is malformed or ends too early, -EFBIG beyond 1 GB. */
CHECK_RESULT int http_call(const struct http_endpoint *endpoint, const char *method,
                           const char *target, const struct http_header *headers,
                           size_t header_count, struct str body, int64_t timeout_ms,
                           struct http_response *out_response, struct err *err);
/* As http_call, and tells the body of an answer with status 200 while it comes: each part is a view
 * until on_body returns. */
typedef void (*http_body_fn)(void *user, struct str bytes);
CHECK_RESULT int http_call_streamed(const struct http_endpoint *endpoint, const char *method,
                                    const char *target, const struct http_header *headers,
                                    size_t header_count, struct str body, int64_t timeout_ms,
                                    http_body_fn on_body, void *user,
                                    struct http_response *out_response, struct err *err);
/* A connection after "101 Switching Protocols" to `protocol`, blocking; it is the caller's.
 * errors: as of http_call; -ENOTSUP over https; -ECONNREFUSED also when the server answers
 * otherwise.
 */
CHECK_RESULT int http_upgrade(const struct http_endpoint *endpoint, const char *target,
                              const char *protocol, int64_t timeout_ms, int *out_fd,
                              struct err *err);
void http_response_done(struct http_response *response);
