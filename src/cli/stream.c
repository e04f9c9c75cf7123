/* Messages of application/vnd.amazon.eventstream: PayloadChunk carries bytes of the answer,
 * InvokeComplete ends it with error and log. source: AWS Lambda API, InvokeWithResponseStream. */
#include "cli/stream.h"

#include "aws/eventstream.h"
#include "cli/api.h"
#include "data/base64.h"
#include "os/clock.h"

enum { PENDING_MAX = EVENT_BYTES_MAX + 256 * 1024 };

void cli_stream_init(struct cli_stream *stream, struct arena *arena)
{
    *stream = (struct cli_stream){.arena = arena, .begin_us = clock_mono_us(&clock_real)};
    buf_init(&stream->pending, PENDING_MAX);
}

void cli_stream_done(struct cli_stream *stream)
{
    buf_done(&stream->pending);
}

static void take_end(struct cli_stream *stream, struct str json)
{
    stream->is_complete = true;
    stream->error =
        arena_str(stream->arena, cli_json_member(stream->arena, json, STR("ErrorCode")));
    stream->details =
        arena_str(stream->arena, cli_json_member(stream->arena, json, STR("ErrorDetails")));
    struct str log = cli_json_member(stream->arena, json, STR("LogResult"));
    if (log.len > 0 && base64_decode(stream->arena, log, &stream->log) < 0)
        stream->log = STR("");
}

static void take_message(struct cli_stream *stream, const struct event_message *message)
{
    const struct event_header *kind = event_header_find(message, STR(":message-type"));
    const struct event_header *type = event_header_find(message, STR(":event-type"));
    if (kind == NULL || !str_eq(kind->bytes, STR("event")) || type == NULL) {
        const struct event_header *name = event_header_find(message, STR(":exception-type"));
        stream->error = arena_str(stream->arena, name == NULL ? STR("error") : name->bytes);
        stream->details = arena_str(stream->arena, message->payload);
        stream->is_complete = true;
    } else if (str_eq(type->bytes, STR("PayloadChunk"))) {
        if (stream->first_us == 0)
            stream->first_us = clock_mono_us(&clock_real) - stream->begin_us;
        (void) fwrite(message->payload.ptr, 1, message->payload.len, stdout);
        (void) fflush(stdout);
    } else if (str_eq(type->bytes, STR("InvokeComplete"))) {
        take_end(stream, message->payload);
    }
}

void cli_stream_on_body(void *user, struct str bytes)
{
    struct cli_stream *stream = user;
    struct event_message message;
    int used;
    buf_put(&stream->pending, bytes);
    while (!stream->is_broken &&
           (used = event_parse(buf_str(&stream->pending), &message, NULL)) != 0) {
        if (used < 0) {
            stream->is_broken = true;
            break;
        }
        take_message(stream, &message);
        buf_consume(&stream->pending, (size_t) used);
    }
    stream->is_broken |= buf_is_over(&stream->pending);
}
