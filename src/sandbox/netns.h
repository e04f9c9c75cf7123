#pragma once
/* Network namespaces made in advance: making one costs 0.35 ms and more, entering one 1 us.
 * Each has its loopback up and, on it, sockets that listen for the platform; nothing else.
 * thread: the spawner's only one. */
#include "base/err.h"

enum { NETNS_SERVICES, NETNS_RUNTIME_API, NETNS_LISTENERS };

struct netns {
    int fd; /* of the namespace */
    /* Non-blocking, listening on 127.0.0.1 inside, at the ports of sandbox/sandbox.h; or -1. */
    int listeners[NETNS_LISTENERS];
};
extern const struct netns netns_none; /* all -1 */

/* Makes a namespace; the caller's own stays. Owner: the caller has all descriptors. */
CHECK_RESULT int netns_make(int home_fd, struct netns *out_netns, struct err *err);
/* A TCP socket in that namespace, non-blocking; the caller's own namespace stays. */
CHECK_RESULT int netns_socket(int home_fd, int netns_fd, struct err *err);
/* Gives that namespace an interface, with routes to the public internet alone: the other end, whose
 * reader is the network. It keeps the namespace alive. Non-blocking. */
CHECK_RESULT int netns_tap(int home_fd, int netns_fd, struct err *err);
void netns_close(struct netns *netns); /* what is left of it; all become -1 */
/* A descriptor of the caller's own namespace, to return to. */
CHECK_RESULT int netns_home(struct err *err);
/* In the current namespace, for a child that is being built: no heap, no err, -errno.
 * Loopback is brought up, with the address of the traces' daemon besides 127.0.0.1. */
CHECK_RESULT int netns_loopback_up(void);
/* UDP sockets that virga-init holds: where questions for names arrive, and where traces vanish. */
CHECK_RESULT int netns_names_socket(void);
CHECK_RESULT int netns_traces_socket(void);
