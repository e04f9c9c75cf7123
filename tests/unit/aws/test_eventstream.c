/* Event streams: the messages that AWS publishes for testing, what is malformed, and the events of
 * a model in each protocol. */
#include "test.h"

#include "aws/eventstream.h"
#include "data/hash.h"
#include "gen/zoo.h"

#include <errno.h>
#include <stdlib.h>

struct rig {
    struct arena arena;
    struct buf out;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    arena_init(&rig->arena, 1 << 20);
    buf_init(&rig->out, 32 << 20);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    arena_done(&rig->arena);
    buf_done(&rig->out);
    free(rig);
    return 0;
}

static struct str hex(struct rig *rig, const char *text)
{
    size_t len = strlen(text) / 2;
    char *bytes = arena_alloc(&rig->arena, len + 1);
    assert_ok(hex_decode(str_from(text), bytes, len));
    return str_of(bytes, len);
}

/* Parses the published bytes and writes them again. */
static void same_both_ways(struct rig *rig, const char *bytes, struct event_message *out)
{
    struct str input = hex(rig, bytes);
    struct err err;
    int used = event_parse(input, out, &err);
    if (used < 0)
        fail_msg("%s: %s", bytes, err.text);
    assert_int_equal(used, input.len);
    for (size_t i = 0; i < input.len; i++)
        assert_int_equal(event_parse(str_head(input, i), out, NULL), 0); /* more is needed */
    assert_int_equal(event_parse(input, out, NULL), input.len);
    buf_reset(&rig->out);
    assert_ok(event_put(&rig->out, out, NULL));
    assert_true(str_eq(buf_str(&rig->out), input));
}

static void the_published_messages(void **state)
{
    struct rig *rig = *state;
    struct event_message m;
    same_both_ways(rig, "000000100000000005c248eb7d98c8ff", &m); /* empty_message */
    assert_int_equal(m.header_count, 0);
    /* payload_no_headers */
    same_both_ways(rig, "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936", &m);
    assert_str(m.payload, "{'foo':'bar'}");
    /* payload_one_str_header */
    same_both_ways(rig,
                   "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e"
                   "2f6a736f6e7b27666f6f273a27626172277d8d9c08b1",
                   &m);
    assert_str(m.headers[0].name, "content-type");
    assert_str(m.headers[0].bytes, "application/json");
    /* int32_header */
    same_both_ways(rig,
                   "0000002d0000001041c424b80a6576656e742d74797065040000a00c7b27666f6f273a27626172"
                   "277d36f480a0",
                   &m);
    assert_int_equal(m.headers[0].type, EVENT_INTEGER);
    assert_int_equal(m.headers[0].number, 40972);
}

static void all_types_of_headers(void **state)
{
    struct rig *rig = *state;
    const struct event_message in = {
        .headers = {{STR("a"), EVENT_TRUE, 0, STR_NONE},
                    {STR("b"), EVENT_FALSE, 0, STR_NONE},
                    {STR("c"), EVENT_BYTE, -128, STR_NONE},
                    {STR("d"), EVENT_SHORT, -2, STR_NONE},
                    {STR("e"), EVENT_INTEGER, INT32_MIN, STR_NONE},
                    {STR("f"), EVENT_LONG, INT64_MIN, STR_NONE},
                    {STR("g"), EVENT_BYTES, 0, STR("\0\1\2")},
                    {STR("h"), EVENT_STRING, 0, STR("")},
                    {STR("i"), EVENT_TIME, 8675309, STR_NONE},
                    {STR("j"), EVENT_UUID, 0, STR("0123456789abcdef")}},
        .header_count = 10,
        .payload = STR("p"),
    };
    struct event_message out;
    assert_ok(event_put(&rig->out, &in, NULL));
    assert_int_equal(event_parse(buf_str(&rig->out), &out, NULL), rig->out.len);
    assert_int_equal(out.header_count, in.header_count);
    for (size_t i = 0; i < in.header_count; i++) {
        assert_true(str_eq(out.headers[i].name, in.headers[i].name));
        assert_int_equal(out.headers[i].type, in.headers[i].type);
        assert_true(out.headers[i].number == in.headers[i].number);
        if (in.headers[i].bytes.ptr != NULL)
            assert_true(str_eq(out.headers[i].bytes, in.headers[i].bytes));
    }
    assert_str(out.payload, "p");
    assert_non_null(event_header_find(&out, STR("j")));
    assert_null(event_header_find(&out, STR("k")));
}

/* A message around these headers, with checksums that are right. */
static struct str framed(struct rig *rig, struct str headers, uint32_t total, uint32_t headers_len)
{
    char prelude[12] = {(char) (total >> 24),       (char) (total >> 16),
                        (char) (total >> 8),        (char) total,
                        (char) (headers_len >> 24), (char) (headers_len >> 16),
                        (char) (headers_len >> 8),  (char) headers_len};
    uint32_t crc = __builtin_bswap32(hash_crc32(0, str_of(prelude, 8)));
    memcpy(prelude + 8, &crc, 4);
    buf_reset(&rig->out);
    buf_put(&rig->out, str_of(prelude, sizeof prelude));
    buf_put(&rig->out, headers);
    crc = __builtin_bswap32(hash_crc32(0, buf_str(&rig->out)));
    buf_put(&rig->out, str_of(&crc, 4));
    return buf_str(&rig->out);
}

static void refuses_headers(struct rig *rig, struct str headers)
{
    struct event_message m;
    uint32_t len = (uint32_t) headers.len;
    assert_int_equal(event_parse(framed(rig, headers, len + 16, len), &m, NULL), -EPROTO);
}

static void what_is_malformed(void **state)
{
    struct rig *rig = *state;
    struct event_message m;
    assert_int_equal(event_parse(framed(rig, STR(""), 15, 0), &m, NULL), -EPROTO);
    assert_int_equal(event_parse(framed(rig, STR(""), 16, 1), &m, NULL), -EPROTO);
    assert_int_equal(event_parse(framed(rig, STR(""), 0xffffffff, 0), &m, NULL), -EPROTO);
    assert_int_equal(event_parse(framed(rig, STR(""), 1 << 20, 1 << 18), &m, NULL), -EPROTO);
    assert_int_equal(event_parse(framed(rig, STR(""), EVENT_BYTES_MAX, 0), &m, NULL), 0);
    assert_int_equal(event_parse(framed(rig, STR("\1a\0"), 19, 3), &m, NULL), 19);
    refuses_headers(rig, STR("\0\0"));             /* a name of no bytes */
    refuses_headers(rig, STR("\2a"));              /* cut in the name */
    refuses_headers(rig, STR("\1a"));              /* no type */
    refuses_headers(rig, STR("\1a\12"));           /* no such type */
    refuses_headers(rig, STR("\1a\4\0\0\0"));      /* cut in the value */
    refuses_headers(rig, STR("\1a\7\0"));          /* cut in the length */
    refuses_headers(rig, STR("\1a\7\0\2x"));       /* cut in the text */
    refuses_headers(rig, STR("\1a\7\xff\xffxxx")); /* too long */
    char flags[3 * (EVENT_HEADERS_MAX + 1)];
    for (size_t i = 0; i < sizeof flags; i += 3)
        memcpy(flags + i, "\1a", 3);
    refuses_headers(rig, str_of(flags, sizeof flags));
    struct str good = hex(rig, "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936");
    for (size_t i = 0; i < good.len; i++) { /* each byte is covered by a checksum */
        char copy[64];
        memcpy(copy, good.ptr, good.len);
        copy[i] ^= 0x20;
        assert_int_equal(event_parse(str_of(copy, good.len), &m, NULL), -EPROTO);
    }
}

static void limits_of_what_is_written(void **state)
{
    struct rig *rig = *state;
    char *big = calloc(1, EVENT_BYTES_MAX);
    struct event_message m = {.payload = str_of(big, EVENT_BYTES_MAX - 16)};
    assert_ok(event_put(&rig->out, &m, NULL));
    buf_reset(&rig->out);
    m.payload.len++;
    assert_int_equal(event_put(&rig->out, &m, NULL), -E2BIG);
    m = (struct event_message){.payload = STR(""), .header_count = 1};
    m.headers[0] = (struct event_header){STR("a"), EVENT_STRING, 0, str_of(big, 32768)};
    assert_int_equal(event_put(&rig->out, &m, NULL), -E2BIG);
    m.headers[0] = (struct event_header){str_of(big, 256), EVENT_TRUE, 0, STR_NONE};
    assert_int_equal(event_put(&rig->out, &m, NULL), -E2BIG);
    m.headers[0] = (struct event_header){STR("a"), EVENT_UUID, 0, STR("short")};
    assert_int_equal(event_put(&rig->out, &m, NULL), -E2BIG);
    assert_int_equal(rig->out.len, 0); /* nothing of them is left behind */
    free(big);
}

static const enum aws_protocol protocols[] = {AWS_REST_JSON, AWS_JSON_1_0, AWS_JSON_1_1,
                                              AWS_REST_XML, AWS_CBOR};

/* Writes the event, parses the message, and reads the event back. */
static struct zoo_Sightings *through(struct rig *rig, enum aws_protocol protocol,
                                     const struct zoo_Sightings *event, struct event_message *m)
{
    struct zoo_Sightings *back = ARENA_NEW(&rig->arena, struct zoo_Sightings);
    struct aws_fault fault;
    buf_reset(&rig->out);
    assert_ok(
        aws_event_encode(&zoo_service, protocol, &zoo_op_Watch, event, &rig->arena, &rig->out));
    assert_int_equal(event_parse(buf_str(&rig->out), m, NULL), rig->out.len);
    assert_ok(aws_event_decode(&zoo_service, protocol, aws_event_union(zoo_op_Watch.output), m,
                               &rig->arena, back, &fault));
    return back;
}

static struct str text_of(const struct event_message *m, const char *name)
{
    const struct event_header *header = event_header_find(m, str_from(name));
    return header == NULL ? STR_NONE : header->bytes;
}

static void events_in_every_protocol(void **state)
{
    struct rig *rig = *state;
    struct event_message m;
    struct zoo_Animal ox = {.name = STR("ox"), .has_legs = true, .legs = 4};
    struct zoo_Seen seen = {.animal = &ox, .has_at = true, .at = 1500};
    struct zoo_Grown grown = {.tree = &ox};
    struct zoo_Idle idle = {0};
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        struct zoo_Sightings *back =
            through(rig, protocols[i], &(struct zoo_Sightings){.seen = &seen}, &m);
        assert_str(text_of(&m, ":message-type"), "event");
        assert_str(text_of(&m, ":event-type"), "seen");
        assert_str(back->seen->animal->name, "ox");
        assert_int_equal(back->seen->at, 1500);
        back = through(rig, protocols[i], &(struct zoo_Sightings){.tree = &grown}, &m);
        assert_int_equal(back->tree->tree->legs, 4);
        back = through(rig, protocols[i], &(struct zoo_Sightings){.idle = &idle}, &m);
        assert_non_null(back->idle);
        assert_int_equal(m.payload.len, 0);
        assert_null(event_header_find(&m, STR(":content-type")));
    }
    (void) through(rig, AWS_REST_JSON, &(struct zoo_Sightings){.seen = &seen}, &m);
    assert_str(m.payload, "{\"animal\":{\"name\":\"ox\",\"legs\":4},\"at\":1.5}");
    assert_str(text_of(&m, ":content-type"), "application/json");
}

static void members_that_are_headers(void **state)
{
    struct rig *rig = *state;
    struct event_message m;
    struct zoo_Heard heard = {.has_loud = true,
                              .loud = true,
                              .has_byte = true,
                              .byte = -1,
                              .has_short_ = true,
                              .short_ = -300,
                              .has_integer = true,
                              .integer = 70000,
                              .has_long_ = true,
                              .long_ = INT64_MAX,
                              .bytes = STR("\0"),
                              .text = STR("t"),
                              .has_at = true,
                              .at = -1,
                              .what = STR("moo")};
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        struct zoo_Heard *back =
            through(rig, protocols[i], &(struct zoo_Sightings){.heard = &heard}, &m)->heard;
        assert_true(back->loud);
        assert_int_equal(back->byte, -1);
        assert_int_equal(back->short_, -300);
        assert_int_equal(back->integer, 70000);
        assert_true(back->long_ == INT64_MAX);
        assert_int_equal(back->bytes.len, 1);
        assert_str(back->text, "t");
        assert_int_equal(back->at, -1);
        assert_str(back->what, "moo");
        assert_int_equal(m.header_count, 2 + 8 + 1);
    }
    assert_int_equal(event_header_find(&m, STR("short"))->type, EVENT_SHORT);
    struct zoo_Said said = {.words = STR("\xff\0"), .by = STR("ox")};
    struct zoo_Said *back =
        through(rig, AWS_CBOR, &(struct zoo_Sightings){.text = &said}, &m)->text;
    assert_int_equal(back->words.len, 2);
    assert_str(back->by, "ox");
    assert_str(text_of(&m, ":content-type"), "application/octet-stream");
}

static void how_a_stream_begins(void **state)
{
    struct rig *rig = *state;
    struct aws_http_answer answer;
    struct event_message m;
    struct zoo_WatchAnswer out = {.cage = STR("c7")};
    assert_ok(aws_encode(&zoo_service, AWS_REST_JSON, &zoo_op_Watch, &out, STR("r-1"), &rig->arena,
                         &answer));
    assert_int_equal(answer.body.len, 0);
    assert_str(answer.headers[1].name, "x-cage");
    assert_str(answer.headers[2].value, "application/vnd.amazon.eventstream");
    assert_ok(aws_encode(&zoo_service, AWS_JSON_1_1, &zoo_op_Watch, &out, STR("r-1"), &rig->arena,
                         &answer));
    assert_int_equal(event_parse(answer.body, &m, NULL), answer.body.len);
    assert_str(text_of(&m, ":event-type"), "initial-response");
    assert_str(text_of(&m, ":content-type"), "application/x-amz-json-1.1");
    assert_str(m.payload, "{\"x-cage\":\"c7\"}");
}

static void how_a_stream_fails(void **state)
{
    struct rig *rig = *state;
    struct event_message m;
    struct aws_fault fault = {.error = &zoo_error_Escaped, .message = STR("gone")};
    assert_ok(aws_event_encode_fault(&zoo_service, AWS_REST_JSON, &zoo_op_Watch, &fault,
                                     &rig->arena, &rig->out));
    assert_int_equal(event_parse(buf_str(&rig->out), &m, NULL), rig->out.len);
    assert_str(text_of(&m, ":message-type"), "exception");
    assert_str(text_of(&m, ":exception-type"), "Escaped");
    assert_str(m.payload, "{\"Message\":\"gone\"}");
    struct zoo_Sightings event = {0};
    assert_int_equal(aws_event_decode(&zoo_service, AWS_REST_JSON,
                                      aws_event_union(zoo_op_Watch.output), &m, &rig->arena, &event,
                                      &fault),
                     -EINVAL);
    fault = (struct aws_fault){.error = &aws_error_internal, .message = STR("no")};
    buf_reset(&rig->out);
    assert_ok(aws_event_encode_fault(&zoo_service, AWS_REST_JSON, &zoo_op_Watch, &fault,
                                     &rig->arena, &rig->out));
    assert_int_equal(event_parse(buf_str(&rig->out), &m, NULL), rig->out.len);
    assert_str(text_of(&m, ":message-type"), "error");
    assert_str(text_of(&m, ":error-code"), "InternalFailure");
    assert_str(text_of(&m, ":error-message"), "no");
}

static void events_that_do_not_fit(void **state)
{
    struct rig *rig = *state;
    const struct {
        struct event_message m;
        const char *message;
    } cases[] = {
        {{.header_count = 0, .payload = STR("")}, "The message is not an event"},
        {{{{STR(":message-type"), EVENT_STRING, 0, STR("event")},
           {STR(":event-type"), EVENT_STRING, 0, STR("flown")}},
          2,
          STR("")},
         "Unknown event flown"},
        {{{{STR(":message-type"), EVENT_STRING, 0, STR("event")},
           {STR(":event-type"), EVENT_STRING, 0, STR("heard")},
           {STR("loud"), EVENT_INTEGER, 1, STR_NONE}},
          3,
          STR("")},
         "The header loud of an event has a wrong type"},
        {{{{STR(":message-type"), EVENT_STRING, 0, STR("event")},
           {STR(":event-type"), EVENT_STRING, 0, STR("heard")},
           {STR("byte"), EVENT_INTEGER, 128, STR_NONE}},
          3,
          STR("")},
         "The header byte of an event has a wrong type"},
        {{{{STR(":message-type"), EVENT_STRING, 0, STR("event")},
           {STR(":event-type"), EVENT_STRING, 0, STR("seen")}},
          2,
          STR("[]")},
         "Start of list found where not expected."},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct zoo_Sightings event = {0};
        struct aws_fault fault = {.error = NULL};
        assert_int_equal(aws_event_decode(&zoo_service, AWS_REST_JSON,
                                          aws_event_union(zoo_op_Watch.output), &cases[i].m,
                                          &rig->arena, &event, &fault),
                         -EINVAL);
        assert_str(fault.message, cases[i].message);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_published_messages),   TEST(all_types_of_headers),
        TEST(what_is_malformed),        TEST(limits_of_what_is_written),
        TEST(events_in_every_protocol), TEST(members_that_are_headers),
        TEST(how_a_stream_begins),      TEST(how_a_stream_fails),
        TEST(events_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
