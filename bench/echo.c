/* The yardstick for HTTP: the least that a server on epoll can do.
 *
 * One thread; each readable event is taken for one whole request and answered with the same bytes.
 * Nothing is parsed, pipelining is ignored, there are no time-outs: the numbers of a real server
 * are read as multiples of this one, taken on the same machine in the same minute.
 *
 *   bench_echo [PORT]      prints "port N" and serves 127.0.0.1:N until SIGTERM; 0 or none: any
 * port
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 1024 };

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             "Content-Length: 15\r\n\r\n{\"hello\":\"you\"}";

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0 ||
        bind(fd, (const struct sockaddr *) &at, size) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *) &at, &size) < 0)
        fail("listen");
    printf("port %u\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
}

static void serve(int fd)
{
    char request[16384];
    ssize_t n = recv(fd, request, sizeof request, 0);
    if (n > 0)
        n = send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        close(fd);
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc > 1 ? (uint16_t) strtoul(argv[1], NULL, 10) : 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        fail("epoll_create1");
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0)
                watch(epoll, fd);
        }
    }
}
