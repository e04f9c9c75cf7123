#include "test.h"

#include "runtime/frame.h"

#include <errno.h>

enum { LIMIT = 1000 };

struct fixture {
    struct buf payload, wire;
    struct frame_reader reader;
};

static void setup(struct fixture *f)
{
    buf_init(&f->payload, LIMIT);
    buf_init(&f->wire, 1 << 20);
    f->reader = (struct frame_reader){.payload = &f->payload};
}

static void teardown(struct fixture *f)
{
    buf_done(&f->payload);
    buf_done(&f->wire);
}

static void put(struct fixture *f, int type, size_t size, uint32_t seq)
{
    unsigned char header[FRAME_HEADER_SIZE];
    frame_header(header, (enum frame_type) type, (uint32_t) size, seq);
    buf_put(&f->wire, str_of(header, sizeof header));
    for (size_t i = 0; i < size; i++)
        buf_put_char(&f->wire, (char) ('a' + i % 26));
}

/* Feeds the wire in pieces of `piece` bytes, through frame_room where it is offered; returns how
 * many frames were whole, or the error. */
static int feed_all(struct fixture *f, size_t piece, bool use_room, size_t *out_kept)
{
    int whole = 0;
    struct str rest = buf_str(&f->wire);
    while (rest.len > 0) {
        struct str part = str_head(rest, piece);
        size_t size;
        char *room = use_room ? frame_room(&f->reader, &size) : NULL;
        int rc;
        if (room != NULL) {
            size = size < part.len ? size : part.len;
            memcpy(room, part.ptr, size);
            rest = str_skip(rest, size);
            rc = (int) frame_fed(&f->reader, size);
        } else {
            rest = str_skip(rest, part.len);
            rc = frame_feed(&f->reader, &part, NULL);
            rest = (struct str){rest.ptr - part.len, rest.len + part.len};
        }
        if (rc < 0)
            return rc;
        if (rc == FRAME_IS_WHOLE) {
            whole++;
            assert_int_equal(f->payload.len, f->reader.is_oversize ? 0 : f->reader.frame.size);
            *out_kept += f->payload.len;
            buf_reset(&f->payload);
        }
    }
    return whole;
}

static void frames_survive_any_cutting(void **state)
{
    (void) state;
    for (size_t piece = 1; piece < 80; piece++) {
        struct fixture f;
        setup(&f);
        size_t kept = 0;
        put(&f, FRAME_BOOTED, 0, 0);
        put(&f, FRAME_READY, 0, 0);
        put(&f, FRAME_RESPONSE, 0, 1);
        put(&f, FRAME_RESPONSE, LIMIT, 2);
        put(&f, FRAME_RESPONSE, LIMIT + 1, 3);
        put(&f, FRAME_ERROR, 77, UINT32_MAX);
        assert_int_equal(feed_all(&f, piece, piece % 2 == 0, &kept), 6);
        assert_int_equal(kept, LIMIT + 77);
        teardown(&f);
    }
}

static void an_oversize_payload_is_told_and_thrown_away(void **state)
{
    (void) state;
    struct fixture f;
    setup(&f);
    put(&f, FRAME_RESPONSE, LIMIT + 1, 7);
    struct str bytes = buf_str(&f.wire);
    assert_int_equal(frame_feed(&f.reader, &bytes, NULL), FRAME_IS_WHOLE);
    assert_true(f.reader.is_oversize);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(f.payload.cap, 0);
    teardown(&f);
}

static void refuses(const unsigned char header[FRAME_HEADER_SIZE])
{
    struct fixture f;
    setup(&f);
    struct str bytes = str_of(header, FRAME_HEADER_SIZE);
    struct err err = {0};
    assert_int_equal(frame_feed(&f.reader, &bytes, &err), -EPROTO);
    assert_int_equal(err.code, -EPROTO);
    teardown(&f);
}

static void hostile_headers_are_refused(void **state)
{
    (void) state;
    unsigned char header[FRAME_HEADER_SIZE];
    for (int type = 0; type < 256; type++) {
        if (type == FRAME_READY || type == FRAME_BOOTED || type == FRAME_INIT_ERROR ||
            type == FRAME_RESPONSE || type == FRAME_ERROR ||
            (type >= FRAME_STREAM_HEAD && type <= FRAME_SNAPSHOT))
            continue;
        frame_header(header, FRAME_READY, 0, 0);
        header[4] = (unsigned char) type;
        refuses(header);
    }
    for (int at = 5; at < 8; at++) {
        frame_header(header, FRAME_READY, 0, 0);
        header[at] = 1;
        refuses(header);
    }
    frame_header(header, FRAME_READY, 1, 0);
    refuses(header);
    frame_header(header, FRAME_BOOTED, UINT32_MAX, 0);
    refuses(header);
    frame_header(header, FRAME_READY, 0, 1);
    refuses(header);
    frame_header(header, FRAME_INIT_ERROR, 0, 1);
    refuses(header);
    frame_header(header, FRAME_SNAPSHOT, FRAME_REASON_MAX + 1, 0);
    refuses(header);
    frame_header(header, FRAME_RESPONSE, 3, 0);
    refuses(header);
    frame_header(header, FRAME_ERROR, 3, 0);
    refuses(header);
}

static void frames_of_streams_have_bounds(void **state)
{
    (void) state;
    static const struct {
        enum frame_type type;
        uint32_t size, seq;
    } bad[] = {
        {FRAME_STREAM_HEAD, 9, 0},  {FRAME_STREAM_HEAD, FRAME_CHUNK_MAX + 1, 1},
        {FRAME_STREAM_CHUNK, 9, 0}, {FRAME_STREAM_CHUNK, FRAME_CHUNK_MAX + 1, 1},
        {FRAME_STREAM_CHUNK, 0, 1}, {FRAME_STREAM_END, 0, 0},
        {FRAME_STREAM_END, 1, 1},   {FRAME_LAST, 0, 0},
        {FRAME_LAST, 1, 1},
    };
    unsigned char header[FRAME_HEADER_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        frame_header(header, bad[i].type, bad[i].size, bad[i].seq);
        refuses(header);
    }
    struct fixture f;
    setup(&f);
    size_t kept = 0;
    put(&f, FRAME_STREAM_HEAD, 10, 1);
    put(&f, FRAME_STREAM_CHUNK, 20, 1);
    put(&f, FRAME_STREAM_END, 0, 1);
    put(&f, FRAME_LAST, 0, 1);
    assert_int_equal(feed_all(&f, 7, true, &kept), 4);
    assert_int_equal(kept, 30);
    teardown(&f);
}

static void a_claim_of_four_gigabytes_allocates_nothing(void **state)
{
    (void) state;
    struct fixture f;
    setup(&f);
    unsigned char header[FRAME_HEADER_SIZE];
    frame_header(header, FRAME_RESPONSE, UINT32_MAX, 1);
    struct str bytes = str_of(header, sizeof header);
    assert_int_equal(frame_feed(&f.reader, &bytes, NULL), FRAME_NEEDS_MORE);
    assert_int_equal(f.payload.cap, 0);
    assert_int_equal(f.reader.missing, UINT32_MAX);
    size_t size;
    assert_null(frame_room(&f.reader, &size));
    teardown(&f);
}

static void an_invocation_is_laid_out_as_documented(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1 << 20);
    const struct frame_invoke invoke = {.deadline_ms = 0x0102030405060708,
                                        .request_id = STR("id"),
                                        .invoked_arn = STR("arn"),
                                        .event_size = 5};
    assert_ok(frame_invoke_put(&out, &invoke, 0x0a0b0c0d, NULL));
    static const char expected[] = "\x1c\0\0\0\x02\0\0\0\x0d\x0c\x0b\x0a"
                                   "\x08\x07\x06\x05\x04\x03\x02\x01"
                                   "\x02\0id\x03\0arn\0\0\0\0\0\0";
    assert_int_equal(out.len, sizeof expected - 1);
    assert_memory_equal(out.ptr, expected, sizeof expected - 1);
    buf_done(&out);
}

static void an_invocation_that_does_not_fit_is_refused(void **state)
{
    (void) state;
    static char big[UINT16_MAX + 1];
    struct buf out;
    buf_init(&out, 1 << 20);
    struct err err = {0};
    struct frame_invoke invoke = {.client_context = str_of(big, sizeof big)};
    assert_int_equal(frame_invoke_put(&out, &invoke, 1, &err), -E2BIG);
    invoke = (struct frame_invoke){.event_size = UINT32_MAX};
    assert_int_equal(frame_invoke_put(&out, &invoke, 1, &err), -E2BIG);
    assert_int_equal(out.len, 0);
    invoke = (struct frame_invoke){.client_context = str_of(big, UINT16_MAX)};
    assert_ok(frame_invoke_put(&out, &invoke, 1, &err));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_survive_any_cutting),
        cmocka_unit_test(an_oversize_payload_is_told_and_thrown_away),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(frames_of_streams_have_bounds),
        cmocka_unit_test(a_claim_of_four_gigabytes_allocates_nothing),
        cmocka_unit_test(an_invocation_is_laid_out_as_documented),
        cmocka_unit_test(an_invocation_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
