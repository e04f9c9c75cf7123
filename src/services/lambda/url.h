#pragma once
/* Function URLs: what the loops know of them, the event that a request becomes (payload
 * format 2.0), and the answer that a result or a stream becomes. All but url_spec_new and the front
 * is pure. */
#include "core/front.h"
#include "core/snapshot.h"
#include "services/lambda/db_urls.h"

struct url_spec {
    struct snapshot snapshot; /* first */
    struct str function_arn;
    struct str arn; /* as functions see it: with the alias, if it is an alias's */
    struct url_row row;
    struct arena arena; /* owned: the strings */
};

struct url_spec *url_spec_new(const struct url_row *row);
/* Of the function, or of its alias. */
struct str url_row_arn(struct arena *arena, const struct url_row *row);

/* Writes the event. out's limit is the payload's. */
void url_event(const struct op *op, const struct front_in *in, const struct url_row *row,
               struct buf *out);
/* What the function returned, as AWS reads it: an object with statusCode is an answer, everything
 * else is the body of one. -EINVAL: neither (502 to the client). Strings are views of result or lie
 * in the arena. */
CHECK_RESULT int url_answer(struct str result, struct arena *arena, struct aws_http_answer *out);

/* The object in front of a streamed body: as the answer that an object with statusCode is, without
 * body. */
CHECK_RESULT int url_prelude(struct str json, struct arena *arena, struct aws_http_answer *out);

/* What a streamed answer begins with. */
struct url_head {
    enum url_head_state { URL_HEAD_PRELUDE, URL_HEAD_KNOWN, URL_HEAD_BROKEN } state;
    struct buf text; /* owned: the prelude so far; what is known points into it */
};
bool url_is_integration(struct str content_type); /* a prelude comes first */
void url_head_begin(struct url_head *head, struct str content_type, struct arena *arena,
                    struct aws_http_answer *out);
/* Takes the next bytes; returns what of them belongs to the body. KNOWN: *out is the head. */
struct str url_head_feed(struct url_head *head, struct str bytes, struct arena *arena,
                         struct aws_http_answer *out);
void url_head_done(struct url_head *head);

/* True: the request is a preflight, and *out answers it. */
bool url_cors_preflight(const struct url_cors *cors, const struct front_in *in, struct arena *arena,
                        struct aws_http_answer *out);
/* Puts CORS headers on an answer, in place of the function's own. */
void url_cors_headers(const struct url_cors *cors, const struct front_in *in, struct arena *arena,
                      struct aws_http_answer *out);

/* False: no room for it, or there is no such header. */
bool url_header_add(struct aws_http_answer *out, struct str name, struct str value);
struct str url_header_find(const struct front_in *in, struct str name);

extern const struct service_front url_front;
extern const struct service_front snapshots_front; /* snapshots.c */
