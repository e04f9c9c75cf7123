#pragma once
/* Keeps web pages from driving a local Virga: a browser that visits a hostile page can reach
 * 127.0.0.1, directly or through a name that its owner points there (DNS rebinding), and would
 * send what the page says. Pure. thread: any.
 *
 * Allowed hosts: localhost, *.localhost, 127.0.0.1, ::1, *.localhost.localstack.cloud,
 * *.amazonaws.com, the listen address, and what the operator adds; each also behind "sync-" and its
 * like (host_bare). */
#include "net/http1.h"

struct crosssite {
    struct str listen_host;        /* as configured; "0.0.0.0" or "::" allow any address literal */
    const struct str *extra_hosts; /* names, or ".domain" for everything below one */
    size_t extra_host_count;
    const struct str *extra_origins; /* "https://app.example.com" */
    size_t extra_origin_count;
};

/* NULL: the request may go on; else why not, for the answer (403) and the log. */
const char *crosssite_check(const struct crosssite *rules, const struct http_head *head);

/* The same for fronts (core/front.h), which pages of any site may use as far as their owner lets
 * them: the host alone is looked at. */
const char *crosssite_check_host(const struct crosssite *rules, const struct http_head *head);

/* "name:port", "[::1]:port" or "name" without the port and the brackets. */
struct str host_name(struct str host);
/* A host without what SDKs put before it for some operations: "sync-" (StartSyncExecution,
 * TestState), "stream-", "streaming-" (logs). */
struct str host_bare(struct str host);
