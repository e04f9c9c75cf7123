/* A network namespace per sandbox: its loopback is its own, and there is nothing else, so a
 * sandbox without a network cannot reach the host's services on 127.0.0.1 either, nor abstract
 * unix sockets, which belong to the network namespace too.
 *
 * What the platform offers a function over HTTP it offers on that loopback: a socket belongs to the
 * namespace in which it was made, whoever holds it, so the spawner makes the listening ones here
 * and main serves them. Nothing inside ever holds them, hence nothing inside can answer in the
 * platform's place (a second bind fails). They are made with the namespace, off the path of a
 * start; a sandbox that was not to have one gets the namespace with that one closed.
 *
 * Two sockets are virga-init's: the builder makes them, since one takes a privilege (build.c).
 *
 * A sandbox with a way out gets an interface besides, whose other end is served by src/egress. What
 * it may reach is a matter of the routes made here, which nobody inside may change.
 *
 * Namespaces are made by stepping out of the own one and back; that is safe because the spawner is
 * single-threaded and holds no network socket that matters. A namespace lives as long as a
 * descriptor or a process holds it; the kernel takes it apart in the background. The spawner keeps
 * one while the sandbox lives, since main may ask for sockets that reach what listens inside. A
 * used one is never given to a second tenant: sockets in TIME_WAIT and counters would tell of the
 * first. */
#include "sandbox/netns.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "sandbox/names.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { LISTEN_BACKLOG = 128 };
/* The network that src/egress plays. */
enum {
    EGRESS_ADDRESS = 0x0a000264, /* 10.0.2.100 */
    EGRESS_MASK = 0xffffff00,
    EGRESS_GATEWAY = 0x0a000202, /* 10.0.2.2 */
    EGRESS_MTU = 65520,
};
/* Where AWS's sandboxes have the daemon that takes traces: the same in the functions' environment
 * (runtime/start.c). */
enum { TRACES_ADDRESS = 0xa9fe4f81 /* 169.254.79.129 */, TRACES_PORT = 2000 };

const struct netns netns_none = {-1, {-1, -1}};

static int own_namespace(struct err *err)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "open own network namespace") : fd;
}

int netns_home(struct err *err)
{
    AUTO_CLOSE int fd = own_namespace(err);
    if (fd < 0 || setns(fd, CLONE_NEWNET) == 0)
        return take_fd(&fd);
    /* Rootless: the host's namespace lets nobody back in who stepped out; so one of our own. */
    if (unshare(CLONE_NEWNET) < 0)
        return err_set(err, -errno, "make a network namespace");
    return own_namespace(err);
}

static int interface_ioctl(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static struct sockaddr address_of(uint32_t host_order)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host_order)};
    struct sockaddr out;
    memcpy(&out, &in, sizeof out);
    return out;
}

int netns_loopback_up(void)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct ifreq request = {.ifr_name = "lo"};
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    int rc = interface_ioctl(fd, SIOCSIFFLAGS, &request);
    struct ifreq second = {.ifr_name = "lo:0"};
    second.ifr_addr = address_of(TRACES_ADDRESS);
    rc = rc < 0 ? rc : interface_ioctl(fd, SIOCSIFADDR, &second);
    second.ifr_netmask =
        address_of(UINT32_MAX); /* alone: not its network, which has no host here */
    return rc < 0 ? rc : interface_ioctl(fd, SIOCSIFNETMASK, &second);
}

static int datagram_socket(uint32_t host_order, uint16_t port)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host_order)};
    if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) < 0)
        return -errno;
    return take_fd(&fd);
}

int netns_names_socket(void)
{
    return datagram_socket(INADDR_ANY, NAMES_PORT);
}

/* The kernel drops what arrives, at once: nobody is woken up, nothing lies in a buffer, and the
 * sender is told nothing. */
int netns_traces_socket(void)
{
    AUTO_CLOSE int fd = datagram_socket(TRACES_ADDRESS, TRACES_PORT);
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};
    if (fd < 0)
        return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
        return -errno;
    return take_fd(&fd);
}

static int listener_open(uint16_t port, struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) < 0 ||
        listen(fd, LISTEN_BACKLOG) < 0)
        return err_set(err, -errno, "listen on port %u of a sandbox", port);
    return take_fd(&fd);
}

/* Inside the new namespace. */
static int furnish(struct netns *netns, struct err *err)
{
    static const uint16_t ports[NETNS_LISTENERS] = {
        [NETNS_SERVICES] = SANDBOX_PORT_SERVICES,
        [NETNS_RUNTIME_API] = SANDBOX_PORT_RUNTIME_API,
    };
    int rc = netns_loopback_up();
    if (rc < 0)
        return err_set(err, rc, "bring loopback up");
    for (int i = 0; i < NETNS_LISTENERS; i++) {
        netns->listeners[i] = listener_open(ports[i], err);
        if (netns->listeners[i] < 0)
            return netns->listeners[i];
    }
    netns->fd = own_namespace(err);
    return netns->fd < 0 ? netns->fd : 0;
}

int netns_make(int home_fd, struct netns *out_netns, struct err *err)
{
    assert(home_fd >= 0);
    if (unshare(CLONE_NEWNET) < 0)
        return err_set(err, -errno, "make a network namespace");
    struct netns netns = netns_none;
    int rc = furnish(&netns, err);
    /* Going on in a stranger's namespace would break every later one. */
    if (setns(home_fd, CLONE_NEWNET) < 0)
        rc = err_set(err, -errno, "return to the own network namespace");
    if (rc < 0)
        netns_close(&netns);
    else
        *out_netns = netns;
    return rc;
}

int netns_socket(int home_fd, int netns_fd, struct err *err)
{
    if (netns_fd < 0)
        return err_say(err, -ENOTSUP, "the sandbox has no network");
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return err_set(err, -errno, "enter a network namespace");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = fd < 0 ? err_set(err, -errno, "make a socket in a sandbox") : fd;
    if (setns(home_fd, CLONE_NEWNET) < 0) {
        cleanup_close(&fd);
        return err_set(err, -errno, "return to the own network namespace");
    }
    return rc;
}

/* ---- the way out ---- */

static int interface_up(int fd, const char *name)
{
    struct ifreq request = {0};
    (void) snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    request.ifr_mtu = EGRESS_MTU;
    int rc = interface_ioctl(fd, SIOCSIFMTU, &request);
    request.ifr_addr = address_of(EGRESS_ADDRESS);
    rc = rc < 0 ? rc : interface_ioctl(fd, SIOCSIFADDR, &request);
    request.ifr_netmask = address_of(EGRESS_MASK);
    rc = rc < 0 ? rc : interface_ioctl(fd, SIOCSIFNETMASK, &request);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return rc < 0 ? rc : interface_ioctl(fd, SIOCSIFFLAGS, &request);
}

/* What a function must not reach through us: this host and the networks it stands in, other hosts
 * of a provider's own (link-local: the metadata address; shared address space), and what is no
 * address of a host. source: RFC 6890. */
static int routes_set(int fd)
{
    static const struct {
        uint32_t to, mask;
    } closed[] = {
        {0x00000000, 0xff000000}, /* 0.0.0.0/8 */
        {0x0a000000, 0xff000000}, /* 10.0.0.0/8, less the interface's own net */
        {0x64400000, 0xffc00000}, /* 100.64.0.0/10 */
        {0xa9fe0000, 0xffff0000}, /* 169.254.0.0/16 */
        {0xac100000, 0xfff00000}, /* 172.16.0.0/12 */
        {0xc0a80000, 0xffff0000}, /* 192.168.0.0/16 */
        {0xe0000000, 0xe0000000}, /* 224.0.0.0/3 */
    };
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        struct rtentry route = {.rt_dst = address_of(closed[i].to),
                                .rt_genmask = address_of(closed[i].mask),
                                .rt_flags = RTF_UP | RTF_REJECT};
        int rc = interface_ioctl(fd, SIOCADDRT, &route);
        if (rc < 0)
            return rc;
    }
    struct rtentry out = {.rt_dst = address_of(0),
                          .rt_genmask = address_of(0),
                          .rt_gateway = address_of(EGRESS_GATEWAY),
                          .rt_flags = RTF_UP | RTF_GATEWAY};
    return interface_ioctl(fd, SIOCADDRT, &out);
}

/* Inside the namespace. */
static int tap_make(struct err *err)
{
    AUTO_CLOSE int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tap < 0)
        return err_set(err, -errno, "open /dev/net/tun");
    struct ifreq request = {.ifr_name = "eth0"};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(tap, TUNSETIFF, &request) < 0)
        return err_set(err, -errno, "make an interface");
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -errno : interface_up(fd, "eth0");
    rc = rc < 0 ? rc : routes_set(fd);
    return rc < 0 ? err_set(err, rc, "set up an interface") : take_fd(&tap);
}

int netns_tap(int home_fd, int netns_fd, struct err *err)
{
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return err_set(err, -errno, "enter a network namespace");
    int tap = tap_make(err);
    if (setns(home_fd, CLONE_NEWNET) < 0) {
        cleanup_close(&tap);
        return err_set(err, -errno, "return to the own network namespace");
    }
    return tap;
}

void netns_close(struct netns *netns)
{
    cleanup_close(&netns->fd);
    for (int i = 0; i < NETNS_LISTENERS; i++)
        cleanup_close(&netns->listeners[i]);
    *netns = netns_none;
}
