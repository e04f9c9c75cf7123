/* Passing descriptors. */
#include "os/socket.h"

#include "base/assert.h"

#include <errno.h>
#include <sys/socket.h>

ssize_t socket_send_fds(int socket_fd, struct str bytes, const int *fds, size_t count, int flags)
{
    assert(count <= SOCKET_FDS_MAX);
    union {
        char bytes[CMSG_SPACE(SOCKET_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {(void *) (uintptr_t) bytes.ptr, bytes.len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (count > 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(socket_fd, &msg, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}
