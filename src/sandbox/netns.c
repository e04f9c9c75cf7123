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
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { LISTEN_BACKLOG = 128 };

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

int netns_loopback_up(void)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct ifreq request = {.ifr_name = "lo"};
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
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

void netns_close(struct netns *netns)
{
    cleanup_close(&netns->fd);
    for (int i = 0; i < NETNS_LISTENERS; i++)
        cleanup_close(&netns->listeners[i]);
    *netns = netns_none;
}
