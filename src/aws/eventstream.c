/* Frames of application/vnd.amazon.eventstream.
 *
 *     total length   u32, of everything including itself     ─┐
 *     headers length u32                                      ├ prelude
 *     CRC-32 of the eight bytes above                        ─┘
 *     headers        u8 length, name, u8 type, value: nothing, 1, 2, 4, 8 or 16 bytes, or u16
 *                    length and bytes
 *     payload
 *     CRC-32 of everything above
 *
 * All numbers are big-endian. The prelude has a checksum of its own so that a reader trusts the
 * length before it waits for that many bytes; lengths beyond the limits are refused even then. Once
 * a checksum is wrong there is no way to find the next message: the stream is over.
 *
 * thread: any. Sources: Smithy "Amazon Event Stream Specification"; "Appendix: SelectObjectContent
 * Response" of the S3 API reference. */
#include "aws/eventstream.h"

#include "data/hash.h"

#include <errno.h>

enum { PRELUDE_BYTES = 12, CRC_BYTES = 4, NAME_MAX_BYTES = 255, VALUE_MAX_BYTES = 32767 };

/* Bytes of a value, by type; 0 for those with a length of their own as well. */
static const size_t value_bytes[] = {
    [EVENT_TRUE] = 0, [EVENT_FALSE] = 0, [EVENT_BYTE] = 1,   [EVENT_SHORT] = 2, [EVENT_INTEGER] = 4,
    [EVENT_LONG] = 8, [EVENT_BYTES] = 0, [EVENT_STRING] = 0, [EVENT_TIME] = 8,  [EVENT_UUID] = 16,
};

static bool has_length(enum event_type type)
{
    return type == EVENT_BYTES || type == EVENT_STRING;
}

static void put_number(struct buf *out, uint64_t value, size_t width)
{
    char bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (char) (value >> 8 * (width - 1 - i));
    buf_put(out, str_of(bytes, width));
}

static uint64_t number_at(const char *bytes, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | (unsigned char) bytes[i];
    return value;
}

static bool put_header(struct buf *out, const struct event_header *header)
{
    if (header->name.len == 0 || header->name.len > NAME_MAX_BYTES ||
        (has_length(header->type) && header->bytes.len > VALUE_MAX_BYTES) ||
        (header->type == EVENT_UUID && header->bytes.len != value_bytes[EVENT_UUID]))
        return false;
    put_number(out, header->name.len, 1);
    buf_put(out, header->name);
    put_number(out, header->type, 1);
    if (has_length(header->type))
        put_number(out, header->bytes.len, 2);
    if (has_length(header->type) || header->type == EVENT_UUID)
        buf_put(out, header->bytes);
    else
        put_number(out, (uint64_t) header->number, value_bytes[header->type]);
    return true;
}

int event_put(struct buf *out, const struct event_message *message, struct err *err)
{
    AUTO_BUF struct buf headers;
    buf_init(&headers, EVENT_HEADERS_BYTES_MAX);
    for (size_t i = 0; i < message->header_count; i++)
        if (!put_header(&headers, &message->headers[i]))
            return err_say(err, -E2BIG, "a header of the event is too long");
    size_t total = PRELUDE_BYTES + headers.len + message->payload.len + CRC_BYTES;
    if (buf_is_over(&headers) || total > EVENT_BYTES_MAX || out->limit - out->len < total)
        return err_say(err, -E2BIG, "an event of %zu bytes is too large", total);
    size_t begin = out->len;
    put_number(out, total, 4);
    put_number(out, headers.len, 4);
    put_number(out, hash_crc32(0, str_of(out->ptr + begin, 8)), CRC_BYTES);
    buf_put(out, buf_str(&headers));
    buf_put(out, message->payload);
    put_number(out, hash_crc32(0, str_of(out->ptr + begin, out->len - begin)), CRC_BYTES);
    return 0;
}

/* Takes one header off *rest. False: malformed. */
static bool take_header(struct str *rest, struct event_header *out)
{
    size_t name_len = (unsigned char) rest->ptr[0];
    if (name_len == 0 || rest->len < 2 + name_len)
        return false;
    out->name = str_of(rest->ptr + 1, name_len);
    unsigned char type = (unsigned char) rest->ptr[1 + name_len];
    *rest = str_skip(*rest, 2 + name_len);
    if (type > EVENT_UUID)
        return false;
    out->type = (enum event_type) type;
    size_t len = value_bytes[type];
    if (has_length(out->type)) {
        if (rest->len < 2)
            return false;
        len = (size_t) number_at(rest->ptr, 2);
        *rest = str_skip(*rest, 2);
        if (len > VALUE_MAX_BYTES)
            return false;
    }
    if (rest->len < len)
        return false;
    out->bytes = str_head(*rest, len);
    uint64_t number = len <= 8 ? number_at(rest->ptr, len) : 0;
    unsigned unused = len == 0 || len > 8 ? 0 : 64 - 8 * (unsigned) len;
    out->number = has_length(out->type) ? 0 : (int64_t) (number << unused) >> unused;
    *rest = str_skip(*rest, len);
    return true;
}

static int parse_headers(struct str rest, struct event_message *out, struct err *err)
{
    out->header_count = 0;
    while (rest.len > 0) {
        if (out->header_count == EVENT_HEADERS_MAX)
            return err_say(err, -EPROTO, "an event has more than %d headers", EVENT_HEADERS_MAX);
        if (!take_header(&rest, &out->headers[out->header_count]))
            return err_say(err, -EPROTO, "header %zu of an event is malformed", out->header_count);
        out->header_count++;
    }
    return 0;
}

int event_parse(struct str input, struct event_message *out_message, struct err *err)
{
    if (input.len < PRELUDE_BYTES)
        return 0;
    size_t total = (size_t) number_at(input.ptr, 4), headers = (size_t) number_at(input.ptr + 4, 4);
    if (number_at(input.ptr + 8, CRC_BYTES) != hash_crc32(0, str_head(input, 8)))
        return err_say(err, -EPROTO, "the checksum of an event's prelude is wrong");
    if (total > EVENT_BYTES_MAX || headers > EVENT_HEADERS_BYTES_MAX ||
        total < PRELUDE_BYTES + headers + CRC_BYTES)
        return err_say(err, -EPROTO, "an event has %zu bytes, %zu of them headers", total, headers);
    if (input.len < total)
        return 0;
    struct str body = str_head(input, total - CRC_BYTES);
    if (number_at(input.ptr + body.len, CRC_BYTES) != hash_crc32(0, body))
        return err_say(err, -EPROTO, "the checksum of an event is wrong");
    int rc = parse_headers(str_head(str_skip(body, PRELUDE_BYTES), headers), out_message, err);
    if (rc < 0)
        return rc;
    out_message->payload = str_skip(body, PRELUDE_BYTES + headers);
    return (int) total;
}

const struct event_header *event_header_find(const struct event_message *message, struct str name)
{
    for (size_t i = 0; i < message->header_count; i++)
        if (str_eq(message->headers[i].name, name))
            return &message->headers[i];
    return NULL;
}
