#pragma once
/* The answer of InvokeWithResponseStream, as it comes. thread: one. */
#include "base/arena.h"
#include "base/buf.h"

struct cli_stream {
    struct buf pending;             /* a message that is not whole yet */
    struct arena *arena;            /* borrowed: of what follows */
    struct str error, details, log; /* of the end; error.ptr NULL: none */
    int64_t begin_us, first_us;     /* first_us: until the first byte, 0: there was none */
    bool is_complete, is_broken;
};

void cli_stream_init(struct cli_stream *stream, struct arena *arena);
void cli_stream_done(struct cli_stream *stream);
/* For http_call: payload goes to standard output at once. user: the stream. */
void cli_stream_on_body(void *user, struct str bytes);
