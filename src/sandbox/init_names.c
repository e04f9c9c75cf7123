/* virga-init answers questions for names: 127.0.0.1:53 inside, which /etc/resolv.conf names.
 *
 * glibc, musl and c-ares ask a server for names under "localhost" as for any other, so somebody has
 * to be there. Process 1 is: it waits in ppoll anyway, is frozen and charged with the function, and
 * can do no harm with what a tenant sends it but to that tenant. The socket came from the builder
 * (build.c), since the port takes a privilege.
 *
 * What is no name of the sandbox goes on to the network's name server (src/egress) where there is a
 * way to it, and back to who asked. Where there is none the kernel says so at once, and the answer
 * is "no such name", at once as well. One socket serves both sides: what comes from the server's
 * address and port is an answer, everything else a question; nobody inside can send from there, for
 * that address is not the sandbox's. UDP only: an answer that does not fit its packet stays cut. */
#include "sandbox/init_names.h"

#include "sandbox/init_sys.h"
#include "sandbox/names.h"
#include "sandbox/start.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { PACKETS_PER_TURN = 32 }; /* before children are reaped again */

static struct names_forwards forwards;
static unsigned char packet[NAMES_PACKET_MAX];
static struct sockaddr_in peer;

static uint16_t swap16(unsigned value)
{
    return (uint16_t) (value >> 8 | value << 8);
}

static uint32_t swap32(uint32_t value)
{
    return value >> 24 | (value >> 8 & 0xff00) | (value << 8 & 0xff0000) | value << 24;
}

/* Receives or sends `packet`, from or to `peer`. */
static long transfer(long call, size_t size, int flags)
{
    static struct iovec iov;
    static struct msghdr msg;
    iov.iov_base = packet;
    iov.iov_len = size;
    msg.msg_name = &peer;
    msg.msg_namelen = sizeof peer;
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    return sys3(call, START_FD_NAMES, (long) &msg, MSG_DONTWAIT | flags);
}

/* What cannot be sent is lost, as packets are: who asked asks again. */
static long send_to(uint32_t address, uint16_t port, size_t size)
{
    peer =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = address};
    return transfer(__NR_sendmsg, size, MSG_NOSIGNAL);
}

static void question_take(size_t size)
{
    struct names_question question;
    if (names_parse(packet, size, &question) < 0)
        return;
    uint32_t address = peer.sin_addr.s_addr;
    uint16_t port = peer.sin_port;
    if (!question.is_own) {
        unsigned char first = packet[0], second = packet[1];
        names_forward(&forwards, packet, address, port);
        if (send_to(swap32(NAMES_SERVER), swap16(NAMES_PORT), size) >= 0)
            return;
        packet[0] = first;
        packet[1] = second;
    }
    (void) send_to(address, port, names_reply(packet, &question));
}

static void answer_take(size_t size)
{
    const struct names_asker *asker = names_return(&forwards, packet, size);
    if (asker != NULL)
        (void) send_to(asker->address, asker->port, size);
}

void init_names_serve(void)
{
    for (int i = 0; i < PACKETS_PER_TURN; i++) {
        long n = transfer(__NR_recvmsg, sizeof packet, MSG_TRUNC);
        if (n < 0)
            return;
        if (n > (long) sizeof packet)
            continue;
        if (peer.sin_addr.s_addr == swap32(NAMES_SERVER) && peer.sin_port == swap16(NAMES_PORT))
            answer_take((size_t) n);
        else
            question_take((size_t) n);
    }
}
