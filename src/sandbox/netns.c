/* A network namespace per sandbox: its loopback is its own, and there is nothing else, so a
 * sandbox without a network cannot reach the host's services on 127.0.0.1 either, nor abstract
 * unix sockets, which belong to the network namespace too.
 *
 * Namespaces are made by stepping out of the own one and back; that is safe because the spawner is
 * single-threaded and holds no network socket that matters. A namespace lives as long as a
 * descriptor or a process holds it; the kernel takes it apart in the background. A used one is
 * never given to a second tenant: sockets in TIME_WAIT and counters would tell of the first. */
#include "sandbox/netns.h"

#include "base/assert.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int netns_home(struct err *err)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "open own network namespace") : fd;
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

int netns_make(int home_fd, struct err *err)
{
    assert(home_fd >= 0);
    if (unshare(CLONE_NEWNET) < 0)
        return err_set(err, -errno, "make a network namespace");
    int rc = netns_loopback_up();
    int fd = rc < 0 ? rc : netns_home(err);
    if (rc < 0)
        (void) err_set(err, rc, "bring loopback up");
    if (setns(home_fd, CLONE_NEWNET) < 0) {
        /* Going on in a stranger's namespace would break every later one. */
        if (fd >= 0)
            (void) close(fd);
        return err_set(err, -errno, "return to the own network namespace");
    }
    return fd;
}
