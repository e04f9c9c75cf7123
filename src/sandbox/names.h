#pragma once
/* Names as they are inside a sandbox: questions of the domain name system, read and answered.
 * Freestanding: virga-init includes it (init_names.c), where it reads bytes of tenants. */
#include <stddef.h>
#include <stdint.h>

enum {
    NAMES_PORT = 53,
    NAMES_SERVER = 0x0a000203, /* 10.0.2.3: src/egress's, where there is a way to it */
    NAMES_PACKET_MAX = 4096,   /* what is forwarded: usual senders stop at 1232 */
    NAMES_QUESTION_MAX = 512,
    NAMES_REPLY_ROOM = 16, /* what an answer is longer than its question */
    NAMES_FORWARDS = 64,
};

struct names_question {
    size_t end; /* of header and question; an answer is written there */
    uint16_t type;
    int is_own; /* a name of the sandbox itself */
};

/* Reads the one question of a packet. 0, or -1: nothing that deserves an answer. What follows the
 * question (EDNS) is not looked at. source: RFC 1035, section 4. */
int names_parse(const unsigned char *packet, size_t size, struct names_question *out);
/* Makes the packet the answer to its question, in place; there is NAMES_REPLY_ROOM behind it.
 * For a name of the sandbox its address, or nothing where another type than A is asked for; for any
 * other: no such name. Returns the size. */
size_t names_reply(unsigned char *packet, const struct names_question *question);

/* Questions on their way to another server, under numbers of our own. The oldest gives way: who
 * asked it asks again. */
struct names_forwards {
    struct names_asker {
        uint32_t address; /* as it stands in a sockaddr_in, like port */
        uint16_t port;
        uint16_t asked_id, own_id;
        uint16_t is_open;
    } askers[NAMES_FORWARDS];
    uint16_t next_id;
};

/* Notes who asked and puts our number into the packet. */
void names_forward(struct names_forwards *forwards, unsigned char *packet, uint32_t address,
                   uint16_t port);
/* An answer came: puts the asker's number back and tells who it was. NULL: nobody asked. */
const struct names_asker *names_return(struct names_forwards *forwards, unsigned char *packet,
                                       size_t size);
