/* The rules of names.h; pure, and without a C library.
 *
 * Own names: all that end in "localhost", which RFC 6761 (section 6.3) gives to loopback and which
 * C libraries ask servers for nevertheless ("bucket.s3.localhost"), and the names that AWS gives a
 * sandbox. They have one address of version 4; asked for one of version 6 the answer is "the name
 * is there, that is not", so that programs which ask for both go on with the one they got. */
#include "sandbox/names.h"

enum {
    HEADER = 12,
    NAME_MAX_BYTES = 255, /* RFC 1035, section 2.3.4 */
    LABEL_MAX = 63,
    TYPE_A = 1,
    TYPE_ANY = 255,
    CLASS_IN = 1,
    TTL_S = 3600,
    CODE_NO_NAME = 3,
};

static uint16_t get16(const unsigned char *at)
{
    return (uint16_t) (at[0] << 8 | at[1]);
}

static void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char) (value >> 8);
    at[1] = (unsigned char) value;
}

/* Does the name end here with these labels, whose first is the one at `at`? */
static int is_text(const unsigned char *at, size_t size, const char *labels, size_t labels_size)
{
    if (size != labels_size)
        return 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = at[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char) (c + ('a' - 'A'));
        if (c != (unsigned char) labels[i])
            return 0;
    }
    return 1;
}

/* The size of the name with its final 0; 0: none. *out_last: where its last label begins. */
static size_t name_size(const unsigned char *name, size_t room, size_t *out_last)
{
    size_t at = 0;
    *out_last = 0;
    while (at < room && at < NAME_MAX_BYTES) {
        size_t label = name[at];
        if (label == 0)
            return at + 1;
        if (label > LABEL_MAX) /* A reference: there is nothing before it to refer to. */
            return 0;
        *out_last = at;
        at += 1 + label;
    }
    return 0;
}

static int is_own_name(const unsigned char *name, size_t size, size_t last)
{
    static const char localhost[] = "\x09localhost", sandbox[] = "\x07sandbox",
                      domain[] = "\x07sandbox\x0blocaldomain";
    return is_text(name + last, size - last, localhost, sizeof localhost) ||
           is_text(name, size, sandbox, sizeof sandbox) ||
           is_text(name, size, domain, sizeof domain);
}

int names_parse(const unsigned char *packet, size_t size, struct names_question *out)
{
    if (size < HEADER || size > NAMES_QUESTION_MAX)
        return -1;
    /* A question (QR 0) of the usual kind (opcode 0); one, and no answers with it. */
    if ((packet[2] & 0xf8) != 0 || get16(packet + 4) != 1 || get16(packet + 6) != 0 ||
        get16(packet + 8) != 0)
        return -1;
    const unsigned char *name = packet + HEADER;
    size_t last, name_bytes = name_size(name, size - HEADER, &last);
    if (name_bytes == 0 || size - HEADER - name_bytes < 4)
        return -1;
    const unsigned char *kind = name + name_bytes;
    out->end = HEADER + name_bytes + 4;
    out->type = get16(kind);
    out->is_own = get16(kind + 2) == CLASS_IN && is_own_name(name, name_bytes, last);
    return 0;
}

size_t names_reply(unsigned char *packet, const struct names_question *question)
{
    static const unsigned char address[] = {
        0xc0, HEADER, /* the name of the question */
        0,    TYPE_A, 0, CLASS_IN, 0, 0, TTL_S >> 8, TTL_S & 0xff, 0, 4, 127, 0, 0, 1};
    _Static_assert(sizeof address == NAMES_REPLY_ROOM, "one size");
    int has_address = question->is_own && (question->type == TYPE_A || question->type == TYPE_ANY);
    /* An answer, of the authority, recursion as asked and had; the code. */
    packet[2] = (unsigned char) (0x84 | (packet[2] & 0x01));
    packet[3] = (unsigned char) (0x80 | (question->is_own ? 0 : CODE_NO_NAME));
    put16(packet + 6, (unsigned) has_address);
    put16(packet + 8, 0);
    put16(packet + 10, 0);
    if (!has_address)
        return question->end;
    for (size_t i = 0; i < sizeof address; i++)
        packet[question->end + i] = address[i];
    return question->end + sizeof address;
}

void names_forward(struct names_forwards *forwards, unsigned char *packet, uint32_t address,
                   uint16_t port)
{
    uint16_t id = forwards->next_id++;
    struct names_asker *asker = &forwards->askers[id % NAMES_FORWARDS];
    asker->address = address;
    asker->port = port;
    asker->asked_id = get16(packet);
    asker->own_id = id;
    asker->is_open = 1;
    put16(packet, id);
}

const struct names_asker *names_return(struct names_forwards *forwards, unsigned char *packet,
                                       size_t size)
{
    if (size < HEADER || (packet[2] & 0x80) == 0)
        return NULL;
    uint16_t id = get16(packet);
    struct names_asker *asker = &forwards->askers[id % NAMES_FORWARDS];
    if (!asker->is_open || asker->own_id != id)
        return NULL;
    asker->is_open = 0;
    put16(packet, asker->asked_id);
    return asker;
}
