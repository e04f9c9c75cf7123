/* Event streams: no bytes crash the reader of frames; what it takes is written back as the same
 * bytes; and no message crashes the reader of events, in any protocol. */
#include "aws/eventstream.h"
#include "base/assert.h"
#include "data/hash.h"
#include "gen/zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* As an event in the protocol that the payload's length picks. */
static void read_event(const struct event_message *message, struct arena *arena)
{
    static const enum aws_protocol protocols[] = {AWS_REST_JSON, AWS_REST_XML, AWS_CBOR};
    enum aws_protocol protocol = protocols[message->payload.len % 3];
    struct aws_fault fault = {.error = NULL};
    struct zoo_Sightings event = {0};
    AUTO_BUF struct buf out;
    buf_init(&out, EVENT_BYTES_MAX);
    if (aws_event_decode(&zoo_service, protocol, aws_event_union(zoo_op_Watch.output), message,
                         arena, &event, &fault) < 0)
        assert(fault.error != NULL);
    else
        (void) aws_event_encode(&zoo_service, protocol, &zoo_op_Watch, &event, arena, &out);
}

/* The input with the checksums that belong to it, so that more than the first test is reached. */
static struct str mend(const uint8_t *bytes, size_t size, struct buf *out)
{
    buf_put(out, str_of(bytes, size));
    if (size < 16)
        return buf_str(out);
    char length[4] = {(char) (size >> 24), (char) (size >> 16), (char) (size >> 8), (char) size};
    memcpy(out->ptr, length, 4);
    uint32_t crc = __builtin_bswap32(hash_crc32(0, str_head(buf_str(out), 8)));
    memcpy(out->ptr + 8, &crc, 4);
    crc = __builtin_bswap32(hash_crc32(0, str_head(buf_str(out), size - 4)));
    memcpy(out->ptr + size - 4, &crc, 4);
    return buf_str(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO_ARENA struct arena arena;
    AUTO_BUF struct buf mended, again;
    struct event_message message;
    arena_init(&arena, 8 << 20);
    buf_init(&mended, EVENT_BYTES_MAX);
    buf_init(&again, EVENT_BYTES_MAX);
    (void) event_parse(str_of(bytes, size), &message, NULL); /* must not crash */
    struct str input = mend(bytes, size, &mended);
    int used = event_parse(input, &message, NULL);
    if (used <= 0)
        return 0;
    int rc = event_put(&again, &message, NULL);
    assert(rc == 0 && str_eq(buf_str(&again), str_head(input, (size_t) used)));
    read_event(&message, &arena);
    return 0;
}
