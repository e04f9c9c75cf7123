/* Attacks over sockets. All of it happens in the sandbox's own network namespace, which has a
 * loopback interface and nothing else. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { KEY = 4242, PORT = 4242, FAMILIES = 64 };

static void socket_families(char **argv)
{
    (void) argv;
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, 10};
    for (int family = 0; family < FAMILIES; family++)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            int is_usual =
                (family == AF_UNIX && types[i] != SOCK_RAW && types[i] != SOCK_RDM &&
                 types[i] != 10) ||
                ((family == AF_INET || family == AF_INET6) &&
                 (types[i] == SOCK_STREAM || types[i] == SOCK_DGRAM)) ||
                (family == AF_NETLINK && (types[i] == SOCK_RAW || types[i] == SOCK_DGRAM));
            int fd = socket(family, types[i], 0);
            char what[48];
            (void) snprintf(what, sizeof what, "family %d type %d", family, types[i]);
            must_be(what, is_usual ? fd >= 0 : fd < 0 && errno == EPERM);
            if (fd >= 0)
                (void) close(fd);
        }
}

static void netlink_protocols(char **argv)
{
    (void) argv;
    for (int protocol = 1; protocol < 24; protocol++)
        must_fail("netlink", socket(AF_NETLINK, SOCK_RAW, protocol), EPERM);
}

/* Sends one routing request and returns the kernel's answer, a negative number. */
static int route_request(int type, size_t size)
{
    struct {
        struct nlmsghdr head;
        char body[64];
    } request = {.head = {.nlmsg_len = (unsigned) (sizeof(struct nlmsghdr) + size),
                          .nlmsg_type = (uint16_t) type,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE}};
    request.body[0] = AF_INET;
    char answer[4096];
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (fd < 0 || send(fd, &request, request.head.nlmsg_len, 0) < 0 ||
        recv(fd, answer, sizeof answer, 0) < (ssize_t) sizeof(struct nlmsghdr) + 4)
        return 0;
    (void) close(fd);
    int code;
    memcpy(&code, answer + sizeof(struct nlmsghdr), sizeof code);
    return code;
}

static void configure_network(char **argv)
{
    (void) argv;
    must_be("new link", route_request(RTM_NEWLINK, sizeof(struct ifinfomsg)) == -EPERM);
    must_be("new address", route_request(RTM_NEWADDR, sizeof(struct ifaddrmsg)) == -EPERM);
    must_be("new route", route_request(RTM_NEWROUTE, sizeof(struct rtmsg)) == -EPERM);
    must_be("new rule", route_request(RTM_NEWRULE, sizeof(struct rtmsg)) == -EPERM);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {.ifr_name = "lo"};
    must_fail("interface down", ioctl(fd, 0x8914, &request), EPERM); /* SIOCSIFFLAGS */
    must_fail("its address", ioctl(fd, 0x8916, &request), EPERM);
    must_fail("a bridge", ioctl(fd, 0x89a0, "br0"), EPERM);
    must_fail("a tunnel", open("/dev/net/tun", O_RDWR), ENOENT);
}

static void socket_options(char **argv)
{
    (void) argv;
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    must_fail("mark", setsockopt(fd, SOL_SOCKET, SO_MARK, &one, sizeof one), EPERM);
    must_fail("priority", setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &(int){7}, sizeof one), EPERM);
    must_fail("debug", setsockopt(fd, SOL_SOCKET, SO_DEBUG, &one, sizeof one), EACCES);
    must_fail("buffer", setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &one, sizeof one), EPERM);
    must_fail("transparent", setsockopt(fd, IPPROTO_IP, 19, &one, sizeof one), EPERM);
    must_fail("repair", setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof one), EPERM);
    must_fail("firewall", setsockopt(fd, IPPROTO_IP, 64, &one, sizeof one), 0);
    must_fail("a bpf program", setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &one, sizeof one), 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
    must_fail("port 80", bind(fd, (struct sockaddr *) &in, sizeof in), EACCES);
    in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
    must_fail("a foreign address", bind(fd, (struct sockaddr *) &in, sizeof in), EADDRNOTAVAIL);
}

static void no_way_out(char **argv)
{
    (void) argv;
    static const char *const places[] = {"169.254.169.254", "10.0.0.1", "192.168.0.1",
                                         "172.17.0.1",      "8.8.8.8",  "224.0.0.1"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
        (void) inet_pton(AF_INET, places[i], &in.sin_addr);
        int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
        must_fail(places[i], connect(tcp, (struct sockaddr *) &in, sizeof in), ENETUNREACH);
        must_fail(places[i], sendto(udp, "x", 1, 0, (struct sockaddr *) &in, sizeof in),
                  ENETUNREACH);
    }
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    (void) inet_pton(AF_INET6, "fd00:ec2::254", &six.sin6_addr);
    must_fail("metadata by IPv6",
              connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *) &six, sizeof six), 0);
}

static int connected(const char *address, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    (void) inet_pton(AF_INET, address, &in.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    must_be(address, fd >= 0 && connect(fd, (struct sockaddr *) &in, sizeof in) == 0);
    return fd;
}

/* Process 1 answers questions for names: what harms it harms the sandbox. */
static void names_and_traces(char **argv)
{
    (void) argv;
    static const char question[] = "\x77\x01\1\0\0\1\0\0\0\0\0\0\1x\x09localhost\0\0\1\0\1";
    static char answer[65536], noise[65507];
    int names = connected("127.0.0.1", 53), traces = connected("169.254.79.129", 2000);
    unsigned random = 1;
    for (int i = 0; i < 20000; i++) {
        memcpy(noise, question, sizeof question);
        random = random * 1103515245 + 12345;
        noise[random >> 16 & 31] = (char) (random >> 8);
        (void) send(names, noise, random >> 24 & 63, 0);
        must_be("a trace", send(traces, noise, 200, 0) == 200);
    }
    for (size_t size = 1; size < sizeof noise; size *= 2)
        (void) send(names, noise, size, 0);
    (void) send(names, noise, sizeof noise, 0);
    while (recv(names, answer, sizeof answer, MSG_DONTWAIT) >= 0)
        ;
    (void) close(names);
    names = connected("127.0.0.1", 53);
    struct timeval patience = {.tv_sec = 1}; /* A packet may be lost behind the flood. */
    (void) setsockopt(names, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t n = -1;
    for (int i = 0; i < 10 && n < 0; i++) {
        (void) send(names, question, sizeof question - 1, 0);
        n = recv(names, answer, sizeof answer, 0);
    }
    must_be("an answer", n == (ssize_t) sizeof question - 1 + 16 &&
                             memcmp(answer + n - 4, "\x7f\0\0\1", 4) == 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    must_fail("the port for names", bind(fd, (struct sockaddr *) &in, sizeof in), EACCES);
    in.sin_port = htons(2000);
    (void) inet_pton(AF_INET, "169.254.79.129", &in.sin_addr);
    must_fail("the port for traces", bind(fd, (struct sockaddr *) &in, sizeof in), EADDRINUSE);
}

static socklen_t abstract(struct sockaddr_un *un, const char *name)
{
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(un->sun_path + 1, name, strlen(name));
    return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

/* One of two: makes everything that has a name and waits. */
static void neighbour_offers(char **argv)
{
    (void) argv;
    struct sockaddr_un un;
    socklen_t size = abstract(&un, "meet");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    must_be("abstract", bind(fd, (struct sockaddr *) &un, size) == 0 && listen(fd, 4) == 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    fd = socket(AF_INET, SOCK_STREAM, 0);
    must_be("tcp", bind(fd, (struct sockaddr *) &in, sizeof in) == 0 && listen(fd, 4) == 0);
    must_be("shm", shmget(KEY, 4096, 0666 | IPC_CREAT) >= 0);
    must_be("msg", msgget(KEY, 0666 | IPC_CREAT) >= 0);
    must_be("sem", semget(KEY, 1, 0666 | IPC_CREAT) >= 0);
    fd = open("/tmp/meet", O_WRONLY | O_CREAT, 0666);
    must_be("file", fd >= 0 && fchmod(fd, 0666) == 0);
    stay();
}

/* The other one: finds nothing of it. argv[2]: the first one's pid on the host. */
static void neighbour_looks(char **argv)
{
    struct sockaddr_un un;
    socklen_t size = abstract(&un, "meet");
    must_fail("abstract", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *) &un, size),
              ECONNREFUSED);
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must_fail("tcp", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *) &in, sizeof in),
              ECONNREFUSED);
    must_fail("shm", shmget(KEY, 0, 0), ENOENT);
    must_fail("msg", msgget(KEY, 0), ENOENT);
    must_fail("sem", semget(KEY, 0, 0), ENOENT);
    must_fail("file", open("/tmp/meet", O_RDONLY), ENOENT);
    char path[64];
    (void) snprintf(path, sizeof path, "/proc/%s/mem", argv[2]);
    must_fail("process", open(path, O_RDONLY), ENOENT);
}

/* What comes in over the platform's socket beside bytes must not stay in the platform: descriptors
 * and the sender's name. The other end is the test's. */
static void control_socket(char **argv)
{
    (void) argv;
    int type = 0;
    socklen_t size = sizeof type;
    must_be("a stream",
            getsockopt(3, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size = sizeof un;
    must_be("without a name", getpeername(3, (struct sockaddr *) &un, &size) == 0 && size == 2);
    must_fail("connect it elsewhere", connect(3, (struct sockaddr *) &un, sizeof un), 0);
    must_fail("listen on it", listen(3, 1), EINVAL);
    struct ucred forged = {.pid = 1, .uid = 0, .gid = 0};
    char control[CMSG_SPACE(sizeof forged)] = {0}, byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                            .cmsg_type = SCM_CREDENTIALS,
                                            .cmsg_len = CMSG_LEN(sizeof forged)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &forged, sizeof forged);
    must_fail("forged credentials", sendmsg(3, &msg, 0), not_root_code());
}

const struct attack attacks_network[] = {
    {"socket_families", socket_families},
    {"netlink_protocols", netlink_protocols},
    {"configure_network", configure_network},
    {"socket_options", socket_options},
    {"no_way_out", no_way_out},
    {"names_and_traces", names_and_traces},
    {"neighbour_offers", neighbour_offers},
    {"neighbour_looks", neighbour_looks},
    {"control_socket", control_socket},
    {NULL, NULL},
};
