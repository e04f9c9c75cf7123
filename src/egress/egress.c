#include "egress/egress.h"

#include "base/mem.h"
#include "base/str.h"
#include "egress/egress_int.h"
#include "os/privilege.h"
#include "os/socket.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_WAIT_MS = 10000, FD_SOCKET = 3 };

struct egress {
    int socket_fd;
    pid_t pid;
};

_Noreturn static void child_run(int socket_fd, uid_t uid)
{
    /* Only the socket and the last words: everything else is main's. */
    if (dup2(socket_fd, FD_SOCKET) < 0 || close_range(FD_SOCKET + 1, UINT32_MAX, 0) < 0)
        _exit(1);
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR2};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        (void) signal(ignored[i], SIG_IGN); /* Only a wrong number could fail. */
    (void) prctl(PR_SET_NAME, "virga-egress", 0, 0, 0);
    struct err err;
    if (chdir("/") < 0 || privilege_drop(uid, uid, &err) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        _exit(1);
    _exit(egress_run(FD_SOCKET));
}

static int ready_wait(int socket_fd, struct err *err)
{
    struct pollfd wait = {.fd = socket_fd, .events = POLLIN};
    struct egress_message first;
    if (poll(&wait, 1, START_WAIT_MS) <= 0 ||
        recv(socket_fd, &first, sizeof first, 0) != sizeof first)
        return err_say(err, -EPIPE, "the process for the functions' network does not start");
    if (first.error != 0)
        return err_say(err, first.error,
                       "the network \"internet\" needs libslirp (package libslirp0)");
    return 0;
}

int egress_start(uid_t uid, struct egress **out_egress, struct err *err)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return err_set(err, -errno, "socket to the network process");
    pid_t pid = fork();
    if (pid == 0)
        child_run(sockets[1], uid);
    (void) close(sockets[1]);
    int rc =
        pid < 0 ? err_set(err, -errno, "fork the network process") : ready_wait(sockets[0], err);
    if (rc < 0) {
        (void) close(sockets[0]);
        if (pid > 0)
            (void) waitpid(pid, NULL, 0);
        return rc;
    }
    struct egress *egress = NEW(struct egress);
    *egress = (struct egress){sockets[0], pid};
    *out_egress = egress;
    return 0;
}

int egress_attach(struct egress *egress, uint64_t id, int tap_fd, struct err *err)
{
    struct egress_message message = {.id = id, .is_attach = 1};
    ssize_t n = socket_send_fds(egress->socket_fd, str_of(&message, sizeof message), &tap_fd, 1,
                                MSG_DONTWAIT);
    if (n < 0)
        return err_set(err, n == -EAGAIN ? -EAGAIN : -EPIPE, "hand the network over");
    return 0;
}

void egress_detach(struct egress *egress, uint64_t id)
{
    /* The other end reads before it does anything else; a lost message costs a namespace until the
     * server ends. */
    struct egress_message message = {.id = id};
    (void) !send(egress->socket_fd, &message, sizeof message, MSG_NOSIGNAL);
}

void egress_stop(struct egress *egress)
{
    if (egress == NULL)
        return;
    (void) close(egress->socket_fd);
    (void) waitpid(egress->pid, NULL, 0); /* It ends with the socket. */
    free(egress);
}
