/* Messages to events of the model: the mirror of event_out.c.
 *
 * The header ":event-type" names the union's member. Headers that the event does not know are
 * skipped, as unknown members of bodies are; a header of another type than its member's kind is a
 * SerializationException, and so is a message that is no event.
 *
 * thread: any. Source: Smithy "Event stream specification". */
#include "aws/eventstream.h"
#include "aws/protocol.h"

#include <errno.h>

static int refuse_header(struct decode *d, const struct event_header *header)
{
    return aws_refuse(d, &aws_error_serialization,
                      "The header " STR_FMT " of an event has a wrong type", STR_ARG(header->name));
}

/* True when the header's type is the one of the member's kind. */
static bool fits(const struct aws_shape *shape, const struct event_header *header)
{
    switch (header->type) {
    case EVENT_TRUE:
    case EVENT_FALSE: return shape->kind == AWS_BOOLEAN;
    case EVENT_BYTE:
    case EVENT_SHORT:
    case EVENT_INTEGER:
    case EVENT_LONG: return aws_is_integer(shape);
    case EVENT_BYTES: return shape->kind == AWS_BLOB;
    case EVENT_STRING: return shape->kind == AWS_STRING;
    case EVENT_TIME: return shape->kind == AWS_TIMESTAMP;
    case EVENT_UUID:
    default: return false;
    }
}

static int read_header(struct decode *d, const struct event_header *header,
                       const struct aws_member *member, void *base)
{
    const struct aws_shape *shape = member->shape;
    if (!fits(shape, header))
        return refuse_header(d, header);
    void *to = aws_member_room(member, base, d->arena);
    if (aws_is_text(shape))
        *(struct str *) to = header->bytes;
    else if (shape->kind == AWS_BOOLEAN)
        *(bool *) to = header->type == EVENT_TRUE;
    else if (shape->kind == AWS_TIMESTAMP)
        *(int64_t *) to = header->number;
    else if (aws_integer_set(shape, to, header->number) < 0)
        return refuse_header(d, header);
    return 0;
}

static int read_document(struct decode *d, enum aws_protocol protocol, struct str payload,
                         const struct aws_shape *shape, void *to)
{
    if (payload.len == 0)
        return aws_json_defaults(d, shape, to);
    if (protocol == AWS_CBOR)
        return aws_cbor_decode(d, payload, shape, to);
    if (protocol == AWS_REST_XML || protocol == AWS_QUERY)
        return aws_xml_decode(d, payload, shape, to, false);
    return aws_json_decode(d, payload, shape, to);
}

static int read_payload(struct decode *d, enum aws_protocol protocol, struct str payload,
                        const struct aws_shape *event, void *base)
{
    for (uint32_t i = 0; i < event->member_count; i++) {
        const struct aws_member *member = &event->members[i];
        if ((member->flags & AWS_EVENT_PAYLOAD) == 0)
            continue;
        void *to = aws_member_room(member, base, d->arena);
        if (to == NULL)
            return aws_refuse_size(d);
        if (!aws_is_text(member->shape))
            return read_document(d, protocol, payload, member->shape, to);
        *(struct str *) to = payload;
        return 0;
    }
    return read_document(d, protocol, payload, event, base);
}

/* After the payload, whose document does not know the members that are headers. */
static int read_headers(struct decode *d, const struct event_message *message,
                        const struct aws_shape *event, void *base)
{
    for (size_t i = 0; i < message->header_count; i++) {
        uint32_t hint = 0;
        const struct aws_member *member = aws_member_find(event, message->headers[i].name, &hint);
        if (member == NULL || (member->flags & AWS_EVENT_HEADER) == 0)
            continue;
        int rc = read_header(d, &message->headers[i], member, base);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int aws_event_decode(const struct aws_service *service, enum aws_protocol protocol,
                     const struct aws_shape *shape, const struct event_message *message,
                     struct arena *arena, void *out_event, struct aws_fault *out_fault)
{
    uint32_t hint = 0;
    struct decode d = {.service = service, .arena = arena, .fault = out_fault};
    const struct event_header *kind = event_header_find(message, STR(":message-type"));
    const struct event_header *name = event_header_find(message, STR(":event-type"));
    if (kind == NULL || !str_eq(kind->bytes, STR("event")) || name == NULL)
        return aws_refuse(&d, &aws_error_serialization, "The message is not an event");
    const struct aws_member *member = aws_member_find(shape, name->bytes, &hint);
    if (member == NULL)
        return aws_refuse(&d, &aws_error_serialization, "Unknown event " STR_FMT,
                          STR_ARG(str_head(name->bytes, 100)));
    void *base = aws_member_room(member, out_event, arena);
    if (base == NULL)
        return aws_refuse_size(&d);
    int rc = read_payload(&d, protocol, message->payload, member->shape, base);
    return rc < 0 ? rc : read_headers(&d, message, member->shape, base);
}
