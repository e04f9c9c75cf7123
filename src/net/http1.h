#pragma once
/* HTTP/1.1 messages (RFC 9112), parsed without copying and written into a buf. Pure: no sockets.
 *
 * Ambiguous messages are refused, never guessed: both Content-Length and Transfer-Encoding, two
 * lengths, a transfer coding other than a final "chunked", blanks before a colon, bare CR or LF,
 * folded header lines, control characters, a missing or second Host. */
#include "base/buf.h"
#include "base/err.h"
#include "data/header.h"

enum {
    HTTP1_HEAD_MAX = 64 * 1024, /* request line and header lines together */
    HTTP1_HEADERS_MAX = 128,
    HTTP1_CHUNK_LINE_MAX = 1024, /* a chunk's size and extensions */
};

struct http_head {
    /* Requests. target is as received: "/path?query". */
    struct str method, target, path, query; /* query.ptr NULL when there is no '?' */
    /* Responses (the client's side). */
    int status;
    struct str reason;

    int minor_version; /* 0 or 1 */
    struct http_header headers[HTTP1_HEADERS_MAX];
    size_t header_count;

    /* Derived by the parser. */
    struct str host;        /* requests */
    int64_t content_length; /* -1: none given */
    bool is_chunked;
    bool is_keep_alive; /* by version and Connection */
    bool expects_continue;
    bool is_upgrade; /* Connection: upgrade is there */
};

/* Parses one head from the start of input. Returns the bytes used (> 0), 0 when more input is
 * needed, or a negative HTTP status to answer and close: -400, -414, -417, -431, -501, -505. err
 * says why. All views point into input (path of "http://host" points to a literal "/"). One empty
 * line before the request is skipped (RFC 9112 section 2.2). *out_head is written in any case. */
CHECK_RESULT int http1_parse_request(struct str input, struct http_head *out_head, struct err *err);
/* Checks method, target and host of a head that came another way (HTTP/2) and sets path and query.
 * 0, or what http1_parse_request answers for the same. */
CHECK_RESULT int http1_check_request(struct http_head *head, struct err *err);
/* http1_parse_request for a response; -502 on anything malformed. */
CHECK_RESULT int http1_parse_response(struct str input, struct http_head *out_head,
                                      struct err *err);

/* The first header of that name (case-insensitive), {NULL, 0} when absent. */
struct str http_header_find(const struct http_head *head, struct str name);

/* The chunked coding, RFC 9112 section 7.1. Zero-initialise. Chunk extensions (to
 * HTTP1_CHUNK_LINE_MAX bytes) and trailers (to HTTP1_HEAD_MAX bytes) are checked and skipped, but
 * for who asks for the trailers. */
struct http1_chunked {
    struct buf *trailers; /* borrowed: gets the lines, each ended by LF; NULL: nobody asks */
    int state;
    uint64_t left; /* bytes of the current chunk that are still to come */
    size_t line;   /* bytes of the current chunk line, or of all trailer lines, so far */
    bool is_done;
};

/* The value of a trailer in such lines, without blanks around it; {NULL, 0} when absent. */
struct str http1_trailer_find(struct str lines, struct str name);

/* Decodes from input: *out_used bytes are consumed, *out_data is the next run of body bytes (view
 * into input, may be empty). Call until is_done or nothing is used. -400 malformed. */
CHECK_RESULT int http1_chunked_next(struct http1_chunked *c, struct str input, size_t *out_used,
                                    struct str *out_data, struct err *err);

/* Writing. Header values must hold no control characters; a value that does is written with them
 * replaced by blanks (response splitting). */
void http1_put_status(struct buf *out, int status);
void http1_put_header(struct buf *out, struct str name, struct str value);
void http1_put_length(struct buf *out, uint64_t content_length);
void http1_end_head(struct buf *out);
const char *http_reason(int status);
