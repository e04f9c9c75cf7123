#pragma once
/* The head of an HTTP/2 request, gathered field by field into the same struct http_head that the
 * HTTP/1.1 parser fills. Pure: no sockets, no nghttp2. */
#include "net/http1.h"

enum { HTTP2_HEAD_MAX = HTTP1_HEAD_MAX }; /* bytes of names and values together */

struct http2_head {
    struct buf text;    /* owned: names and values, one behind the other */
    struct http2_span { /* positions in text, which still grows */
        uint32_t name, name_len, value, value_len;
    } * fields; /* owned, HTTP1_HEADERS_MAX + pseudo fields */
    size_t field_count;
    size_t cookie_bytes;
    bool is_too_large;
};

void http2_head_init(struct http2_head *h);
void http2_head_done(struct http2_head *h); /* text, too: views into it end */

/* The next field as it arrives. What is too much is dropped and remembered. */
void http2_head_add(struct http2_head *h, struct str name, struct str value);

/* All fields are there. Views point into h->text. 0, or a negative HTTP status to answer: -400,
 * -417, -431, -501. Cookies are joined; `host` stands among the headers, made of :authority. */
CHECK_RESULT int http2_head_finish(struct http2_head *h, struct http_head *out_head,
                                   struct err *err);
