#pragma once
/* Event streams (application/vnd.amazon.eventstream): the frames, and events of the model in them.
 * Pure, as the rest of the room. thread: any, one stream at a time. */
#include "aws/wire.h"
#include "base/err.h"

enum {
    EVENT_HEADERS_MAX = 32,
    EVENT_HEADERS_BYTES_MAX = 128 * 1024,
    EVENT_BYTES_MAX = 16 * 1024 * 1024, /* of a whole message */
};

/* The types of header values, by their number in the format. */
enum event_type {
    EVENT_TRUE,
    EVENT_FALSE,
    EVENT_BYTE,
    EVENT_SHORT,
    EVENT_INTEGER,
    EVENT_LONG,
    EVENT_BYTES,
    EVENT_STRING,
    EVENT_TIME, /* milliseconds since 1970 */
    EVENT_UUID,
};

struct event_header {
    struct str name;
    enum event_type type;
    int64_t number;   /* of numbers and times */
    struct str bytes; /* of bytes, strings and UUIDs */
};

struct event_message {
    struct event_header headers[EVENT_HEADERS_MAX];
    size_t header_count;
    struct str payload;
};

/* Appends the message. -E2BIG: larger than the format or the buffer allows; the buffer is as
 * before. */
CHECK_RESULT int event_put(struct buf *out, const struct event_message *message, struct err *err);
/* Reads one message from the start of input: the bytes used (> 0), 0 when more are needed, or
 * -EPROTO: lengths or checksums are wrong, and the stream cannot be read any further. Views point
 * into input. */
CHECK_RESULT int event_parse(struct str input, struct event_message *out_message, struct err *err);
/* The header of that name, or NULL. */
const struct event_header *event_header_find(const struct event_message *message, struct str name);

/* The union of events within an operation's input or output; NULL: it has none. */
const struct aws_shape *aws_event_union(const struct aws_shape *shape);

/* Appends one event: the C struct of the output's union, with one member set. An answer begins with
 * what aws_encode made of the output. -E2BIG as event_put. */
CHECK_RESULT int aws_event_encode(const struct aws_service *service, enum aws_protocol protocol,
                                  const struct aws_operation *op, const void *event,
                                  struct arena *arena, struct buf *out);
/* The stream ends in a fault: as the exception of the model when the union has it, else as an error
 * with code and message. -E2BIG as event_put. */
CHECK_RESULT int aws_event_encode_fault(const struct aws_service *service,
                                        enum aws_protocol protocol, const struct aws_operation *op,
                                        const struct aws_fault *fault, struct arena *arena,
                                        struct buf *out);
/* Reads a message as an event of `shape` (aws_event_union) into out_event (shape->size zeroed
 * bytes). 0, or -EINVAL with the fault filled. */
CHECK_RESULT int aws_event_decode(const struct aws_service *service, enum aws_protocol protocol,
                                  const struct aws_shape *shape,
                                  const struct event_message *message, struct arena *arena,
                                  void *out_event, struct aws_fault *out_fault);
