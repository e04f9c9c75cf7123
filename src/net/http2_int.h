#pragma once
/* What http2_conn.c (frames in and out) and http2_answer.c (answers) share. */
#include "net/server_int.h"

/* nghttp2 appears in these two files only. */
#include <nghttp2/nghttp2.h>

struct http2 {
    nghttp2_session *session; /* owned */
    struct list exchanges;    /* whose stream is open */
    int64_t tokens;           /* control frames that the client may still send */
    int64_t refilled_us;
    bool is_inside; /* nghttp2 is on the stack: the session must not be used to send or be freed */
    bool is_idle;   /* no exchanges: the idle time-out runs */
    bool is_draining;
};

/* Takes the exchange off its stream. */
void http2_detach(struct exchange *x);
/* The client has body_timeout_ms from now on to make progress. */
void http2_expect_progress(struct exchange *x);
/* Frames have been queued outside a run of the connection. */
void http2_send_soon(struct conn *conn);
/* nghttp2's data source. */
ssize_t http2_read_answer(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                          uint32_t *flags, nghttp2_data_source *source, void *conn);
