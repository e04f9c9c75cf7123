/* The framed fast path's bytes: see frame.h for the format.
 *
 * Nothing here touches a descriptor: channel.c reads and writes, tests and the fuzzer feed bytes
 * cut anywhere. The reader trusts nothing: the type must be one that an instance may send, the
 * reserved fields must be zero, empty frames must be empty. What it cannot know (order, seq) is
 * checked by the instance's state machine. */
#include "runtime/frame.h"

#include "base/assert.h"

#include <errno.h>

static void put_u16(unsigned char *to, uint16_t value)
{
    to[0] = (unsigned char) value;
    to[1] = (unsigned char) (value >> 8);
}

static void put_u32(unsigned char *to, uint32_t value)
{
    put_u16(to, (uint16_t) value);
    put_u16(to + 2, (uint16_t) (value >> 16));
}

static uint32_t get_u32(const unsigned char *from)
{
    return (uint32_t) from[0] | (uint32_t) from[1] << 8 | (uint32_t) from[2] << 16 |
           (uint32_t) from[3] << 24;
}

void frame_header(unsigned char out[FRAME_HEADER_SIZE], enum frame_type type, uint32_t size,
                  uint32_t seq)
{
    put_u32(out, size);
    out[4] = (unsigned char) type;
    out[5] = out[6] = out[7] = 0;
    put_u32(out + 8, seq);
}

static void put_text(struct buf *out, struct str text)
{
    unsigned char length[2];
    put_u16(length, (uint16_t) text.len);
    buf_put(out, str_of(length, sizeof length));
    buf_put(out, text);
}

int frame_invoke_put(struct buf *out, const struct frame_invoke *invoke, uint32_t seq,
                     struct err *err)
{
    const struct str texts[] = {invoke->request_id, invoke->invoked_arn, invoke->trace_id,
                                invoke->client_context, invoke->cognito_identity};
    uint64_t size = sizeof(int64_t);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].len > UINT16_MAX)
            return err_say(err, -E2BIG, "a text of %zu bytes in an invocation", texts[i].len);
        size += sizeof(uint16_t) + texts[i].len;
    }
    if (invoke->event_size > UINT32_MAX - size)
        return err_say(err, -E2BIG, "an event of %zu bytes", invoke->event_size);
    unsigned char fixed[FRAME_HEADER_SIZE + sizeof(int64_t)];
    frame_header(fixed, FRAME_INVOKE, (uint32_t) (size + invoke->event_size), seq);
    put_u32(fixed + FRAME_HEADER_SIZE, (uint32_t) invoke->deadline_ms);
    put_u32(fixed + FRAME_HEADER_SIZE + 4, (uint32_t) ((uint64_t) invoke->deadline_ms >> 32));
    buf_put(out, str_of(fixed, sizeof fixed));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        put_text(out, texts[i]);
    return 0;
}

/* What an instance may send: sizes of the payload, and whether it belongs to an invocation. */
static const struct rule {
    uint32_t size_min, size_max;
    bool is_known, is_of_invocation;
} rules[] = {
    [FRAME_READY] = {0, 0, true, false},
    [FRAME_BOOTED] = {0, 0, true, false},
    [FRAME_INIT_ERROR] = {0, UINT32_MAX, true, false},
    [FRAME_RESPONSE] = {0, UINT32_MAX, true, true},
    [FRAME_ERROR] = {0, UINT32_MAX, true, true},
    [FRAME_STREAM_HEAD] = {0, FRAME_CHUNK_MAX, true, true},
    [FRAME_STREAM_CHUNK] = {1, FRAME_CHUNK_MAX, true, true},
    [FRAME_STREAM_END] = {0, 0, true, true},
    [FRAME_LAST] = {0, 0, true, true},
    [FRAME_SNAPSHOT] = {0, FRAME_REASON_MAX, true, false},
};

static int check_header(const struct frame *frame, const unsigned char *header, struct err *err)
{
    if (header[5] != 0 || header[6] != 0 || header[7] != 0)
        return err_say(err, -EPROTO, "reserved bytes of a frame are not zero");
    const struct rule *rule = header[4] < ARRAY_LEN(rules) ? &rules[header[4]] : &rules[0];
    if (!rule->is_known)
        return err_say(err, -EPROTO, "unknown frame type %d", header[4]);
    if (frame->size < rule->size_min || frame->size > rule->size_max)
        return err_say(err, -EPROTO, "%u bytes in a frame of type %d", frame->size, header[4]);
    if (rule->is_of_invocation != (frame->seq != 0))
        return err_say(err, -EPROTO, "seq %u in a frame of type %d", frame->seq, header[4]);
    return 0;
}

/* Completes the header; returns 1 when it is whole, 0 when bytes are missing. */
static int feed_header(struct frame_reader *reader, struct str *bytes, struct err *err)
{
    size_t n = FRAME_HEADER_SIZE - reader->header_len;
    n = n < bytes->len ? n : bytes->len;
    if (n > 0)
        memcpy(reader->header + reader->header_len, bytes->ptr, n);
    reader->header_len += n;
    *bytes = str_skip(*bytes, n);
    if (reader->header_len < FRAME_HEADER_SIZE)
        return 0;
    struct frame frame = {.type = (enum frame_type) reader->header[4],
                          .size = get_u32(reader->header),
                          .seq = get_u32(reader->header + 8)};
    int rc = check_header(&frame, reader->header, err);
    if (rc < 0)
        return rc;
    reader->frame = frame;
    reader->missing = frame.size;
    reader->is_oversize = frame.size > 0 && buf_room(reader->payload, frame.size) == NULL;
    return 1;
}

static enum frame_step step(struct frame_reader *reader)
{
    if (reader->missing > 0)
        return FRAME_NEEDS_MORE;
    reader->header_len = 0;
    return FRAME_IS_WHOLE;
}

int frame_feed(struct frame_reader *reader, struct str *bytes, struct err *err)
{
    assert(reader->payload != NULL);
    if (reader->header_len < FRAME_HEADER_SIZE) {
        int rc = feed_header(reader, bytes, err);
        if (rc <= 0)
            return rc < 0 ? rc : FRAME_NEEDS_MORE;
    }
    struct str part = str_head(*bytes, reader->missing);
    if (!reader->is_oversize)
        buf_put(reader->payload, part);
    reader->missing -= part.len;
    *bytes = str_skip(*bytes, part.len);
    return (int) step(reader);
}

char *frame_room(struct frame_reader *reader, size_t *out_size)
{
    if (reader->header_len < FRAME_HEADER_SIZE || reader->missing == 0 || reader->is_oversize)
        return NULL;
    *out_size = reader->missing;
    char *room = buf_room(reader->payload, reader->missing);
    assert(room != NULL); /* the header reserved it */
    return room;
}

enum frame_step frame_fed(struct frame_reader *reader, size_t size)
{
    assert(size > 0 && size <= reader->missing && !reader->is_oversize);
    buf_added(reader->payload, size);
    reader->missing -= size;
    return step(reader);
}
