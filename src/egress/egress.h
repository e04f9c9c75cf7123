#pragma once
/* The way out of a sandbox to the internet: a TCP/IP stack in user space (libslirp) at the other
 * end of the sandbox's network interface, in a process of its own. It turns what functions send
 * into ordinary sockets of an ordinary user: no address translation, no firewall rule, no route of
 * the host is touched, and it works rootless. The library sees packets that tenants made, so it
 * runs where there is nothing to win: own uid, no capability, no new privileges.
 *
 * What may be reached is decided by the routes inside the sandbox's network namespace
 * (sandbox/netns.c), which a tenant cannot change: the public internet, not the host's own or
 * private networks, not the metadata address.
 *
 * thread: egress_start before any other thread; then one at a time. */
#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

struct egress;

/* Forks the process, which becomes uid and ends with this one. Returns when it is ready. -ENOENT:
 * the library is not installed. */
CHECK_RESULT int egress_start(uid_t uid, struct egress **out_egress, struct err *err);
/* Serves the network of a sandbox: tap_fd (borrowed) is its interface. -EAGAIN: later, -EPIPE: the
 * process is gone. Never waits. */
CHECK_RESULT int egress_attach(struct egress *egress, uint64_t id, int tap_fd, struct err *err);
/* The sandbox has ended. Without it its network namespace would stay. */
void egress_detach(struct egress *egress, uint64_t id);
void egress_stop(struct egress *egress); /* NULL is fine */
