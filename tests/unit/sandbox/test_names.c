#include "test.h"

#include "sandbox/names.h"

#include <string.h>

/* Header: number 0x1234, flags, one question, the counts of what follows. */
#define HEAD(flags) "\x12\x34" flags "\0\0\1\0\0\0\0\0\0"
#define A_IN        "\0\1\0\1"

struct packet {
    unsigned char bytes[NAMES_PACKET_MAX];
    size_t size;
};

static struct packet packet_of(const char *bytes, size_t size)
{
    struct packet p = {.size = size};
    memcpy(p.bytes, bytes, size);
    return p;
}
#define PACKET(text) packet_of(text, sizeof(text) - 1)

/* The code of the answer times 10, plus its number of addresses; -1: none. */
static int answer_to(struct packet p)
{
    struct names_question question = {0};
    if (names_parse(p.bytes, p.size, &question) < 0)
        return -1;
    unsigned char asked[NAMES_QUESTION_MAX];
    memcpy(asked, p.bytes, question.end);
    size_t size = names_reply(p.bytes, &question);
    assert_memory_equal(p.bytes, asked, 2); /* its number, and the question itself */
    assert_memory_equal(p.bytes + 12, asked + 12, question.end - 12);
    assert_memory_equal(p.bytes + 4, "\0\1\0", 3);
    assert_memory_equal(p.bytes + 8, "\0\0\0\0", 4);
    assert_int_equal(p.bytes[2], 0x84 | (asked[2] & 1));
    assert_int_equal(p.bytes[3] & 0xf0, 0x80);
    if (p.bytes[7] == 1)
        assert_memory_equal(p.bytes + question.end, "\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\x7f\0\0\1",
                            16);
    assert_int_equal(size, question.end + (p.bytes[7] == 1 ? 16 : 0));
    return (p.bytes[3] & 0xf) * 10 + p.bytes[7];
}

static void own_names_have_one_address(void **state)
{
    (void) state;
    enum { ADDRESS = 1, NOTHING = 0, NO_NAME = 30 };
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\x09localhost\0" A_IN)), ADDRESS);
    assert_int_equal(answer_to(PACKET(HEAD("\0") "\6bucket\2s3\x09LocalHost\0" A_IN)), ADDRESS);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\7sandbox\x0blocaldomain\0" A_IN)), ADDRESS);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\7sandbox\0" A_IN)), ADDRESS);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\1x\x09localhost\0\0\xff\0\1")), ADDRESS);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\1x\x09localhost\0\0\x1c\0\1")), NOTHING);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\x09localhost\0\0\x0c\0\1")), NOTHING);
    /* Behind the question: EDNS, which is no part of the answer. */
    assert_int_equal(answer_to(PACKET("\x12\x34\1\0\0\1\0\0\0\0\0\1\1x\x09localhost\0" A_IN
                                      "\0\0\x29\4\xd0\0\0\0\0\0\0")),
                     ADDRESS);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\x09localhost\3com\0" A_IN)), NO_NAME);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\x0axlocalhost\0" A_IN)), NO_NAME);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\1x\7sandbox\0" A_IN)), NO_NAME);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\0" A_IN)), NO_NAME);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\x09localhost\0\0\1\0\3")), NO_NAME); /* CHAOS */
}

static void what_is_no_question_gets_no_answer(void **state)
{
    (void) state;
    static const char whole[] = HEAD("\1") "\6bucket\x09localhost\0" A_IN;
    for (size_t size = 0; size < sizeof whole - 1; size++)
        assert_int_equal(answer_to(packet_of(whole, size)), -1);
    assert_int_equal(answer_to(PACKET(HEAD("\x81") "\x09localhost\0" A_IN)), -1); /* an answer */
    assert_int_equal(answer_to(PACKET(HEAD("\x28") "\x09localhost\0" A_IN)), -1); /* an update */
    assert_int_equal(answer_to(PACKET("\0\0\1\0\0\2\0\0\0\0\0\0\1x\0" A_IN "\1y\0" A_IN)), -1);
    assert_int_equal(answer_to(PACKET("\0\0\1\0\0\1\0\1\0\0\0\0\1x\0" A_IN)), -1);
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\xc0\x0c" A_IN)), -1); /* refers to itself */
    assert_int_equal(answer_to(PACKET(HEAD("\1") "\x40"
                                                 "abc\0" A_IN)),
                     -1);
    struct packet p = packet_of(HEAD("\1"), 12);
    memset(p.bytes + 12, 1, 300); /* a name of 300 bytes */
    p.size = 400;
    assert_int_equal(answer_to(p), -1);
    p = packet_of(whole, sizeof whole - 1);
    p.size = NAMES_QUESTION_MAX + 1;
    assert_int_equal(answer_to(p), -1);
}

static void answers_find_who_asked(void **state)
{
    (void) state;
    static struct names_forwards forwards;
    forwards.next_id = UINT16_MAX - 1; /* Numbers wrap around. */
    unsigned char sent[NAMES_FORWARDS + 1][12];
    for (unsigned i = 0; i <= NAMES_FORWARDS; i++) {
        memcpy(sent[i], "\xab\0\1\0\0\1\0\0\0\0\0\0", 12);
        sent[i][1] = (unsigned char) i;
        names_forward(&forwards, sent[i], 0x0100007f, (uint16_t) (1000 + i));
    }
    assert_null(names_return(&forwards, sent[1], 12)); /* No answer yet, but the question. */
    for (unsigned i = 0; i <= NAMES_FORWARDS; i++) {
        sent[i][2] |= 0x80;
        unsigned char again[12];
        memcpy(again, sent[i], 12);
        assert_null(names_return(&forwards, sent[i], 11));
        const struct names_asker *asker = names_return(&forwards, sent[i], 12);
        if (i == 0) { /* The last took its place. */
            assert_null(asker);
            continue;
        }
        assert_non_null(asker);
        assert_int_equal(asker->port, 1000 + i);
        assert_int_equal(sent[i][0], 0xab);
        assert_int_equal(sent[i][1], i);
        assert_null(names_return(&forwards, again, 12)); /* once */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_names_have_one_address),
        cmocka_unit_test(what_is_no_question_gets_no_answer),
        cmocka_unit_test(answers_find_who_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
