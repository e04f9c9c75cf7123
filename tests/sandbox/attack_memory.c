/* Attacks on memory and the CPU. Those that end by the limit never come back. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEGABYTE = 1 << 20 };

static void shared_memory(char **argv)
{
    (void) argv;
    for (;;) {
        char *block =
            mmap(NULL, MEGABYTE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (block != MAP_FAILED)
            memset(block, 1, MEGABYTE);
    }
}

static void system_v_memory(char **argv)
{
    (void) argv;
    for (;;) {
        int id = shmget(IPC_PRIVATE, 16 * MEGABYTE, 0600 | IPC_CREAT);
        char *block = id < 0 ? (char *) -1 : shmat(id, NULL, 0);
        if (block != (char *) -1)
            memset(block, 1, 16 * MEGABYTE);
    }
}

/* A page of tables for each page that is touched. */
static void page_tables(char **argv)
{
    (void) argv;
    for (;;) {
        char *area = mmap(NULL, 1UL << 40, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (size_t at = 0; area != MAP_FAILED && at < 1UL << 40; at += 1UL << 21)
            area[at] = 1;
    }
}

/* Each child alone is small; their mother is smaller still and must not live on. */
static void many_processes(char **argv)
{
    (void) argv;
    for (int i = 0; i < 32; i++)
        if (fork() == 0) {
            char *block = malloc(8 * MEGABYTE);
            memset(block, 1, 8 * MEGABYTE);
            __asm__ volatile("" : : "r"(block) : "memory"); /* somebody might read it */
            for (;;)
                pause();
        }
    for (;;)
        pause();
}

static void locked_memory(char **argv)
{
    (void) argv;
    char *block = calloc(1, MEGABYTE);
    must_fail("lock a megabyte", mlock(block, MEGABYTE), ENOMEM);
    must_fail("lock all", mlockall(MCL_CURRENT | MCL_FUTURE), ENOMEM);
    must_fail("huge pages",
              (long) (mmap(NULL, 2 * MEGABYTE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) == MAP_FAILED
                          ? -1
                          : 0),
              ENOMEM);
    must_fail("locked System V memory", shmget(IPC_PRIVATE, 2 * MEGABYTE, 0600 | IPC_CREAT | 04000),
              0);
    must_fail("poison", madvise(block, 4096, 100), 0); /* MADV_HWPOISON */
}

static void named_shared_memory(char **argv)
{
    (void) argv;
    must_fail("shm_open", open("/dev/shm/x", O_RDWR | O_CREAT, 0600), ENOENT);
    must_fail("a file in /dev", open("/dev/x", O_RDWR | O_CREAT, 0600), EROFS);
    must_be("message queues of System V are bounded",
            msgget(IPC_PRIVATE, 0600 | IPC_CREAT) >= 0 || errno == ENOSPC);
}

static void address_space(char **argv)
{
    (void) argv;
    size_t count = 0;
    while (count < 1000000 && mmap(NULL, 4096, count % 2 == 0 ? PROT_NONE : PROT_READ,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        count++;
    must_be("mappings are bounded", count < 1000000 && errno == ENOMEM);
}

/* Kernel memory: what lies in pipes is charged or bounded per user. */
static void pipe_buffers(char **argv)
{
    (void) argv;
    static char block[65536];
    long total = 0;
    for (int pair[2]; pipe2(pair, O_NONBLOCK) == 0;)
        for (ssize_t n; (n = write(pair[1], block, sizeof block)) > 0;)
            total += n;
    must_be("the descriptors end first", errno == EMFILE);
    must_be("and hold little", total <= 64L * MEGABYTE);
}

/* Kernel memory is the function's: what it leaves in sockets counts against its limit. */
static void socket_buffers(char **argv)
{
    (void) argv;
    static char block[65536];
    int pair[2], big = 1 << 30;
    while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0) {
        (void) setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
        must_fail("beyond the limit",
                  setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big), EPERM);
        while (write(pair[1], block, sizeof block) > 0)
            continue;
    }
}

/* Descriptors in flight are bounded as open ones are. */
static void descriptors_in_flight(char **argv)
{
    (void) argv;
    int pair[2], sent = 0;
    must_be("a pair", socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
    int big = 1 << 20;
    (void) setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    char control[CMSG_SPACE(sizeof(int) * 100)] = {0}, byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    *head = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * 100)};
    for (int i = 0; i < 100; i++)
        memcpy(CMSG_DATA(head) + (size_t) i * sizeof(int), &(int){0}, sizeof(int));
    while (sent < 1000 && sendmsg(pair[1], &msg, 0) == 1)
        sent++;
    must_be("flight is bounded", sent < 1000 && (errno == ETOOMANYREFS || errno == EAGAIN));
}

static void *spin(void *arg)
{
    for (;;)
        continue;
    return arg;
}

static void spin_threads(char **argv)
{
    (void) argv;
    pthread_t thread;
    for (int i = 0; i < 16; i++)
        must_be("a thread", pthread_create(&thread, NULL, spin, NULL) == 0);
    stay();
}

static void fork_churn(char **argv)
{
    (void) argv;
    printf("ready\n");
    (void) fflush(stdout);
    for (;;) {
        if (fork() == 0)
            _exit(0);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
}

const struct attack attacks_memory[] = {
    {"shared_memory", shared_memory},
    {"system_v_memory", system_v_memory},
    {"page_tables", page_tables},
    {"many_processes", many_processes},
    {"locked_memory", locked_memory},
    {"named_shared_memory", named_shared_memory},
    {"address_space", address_space},
    {"pipe_buffers", pipe_buffers},
    {"socket_buffers", socket_buffers},
    {"descriptors_in_flight", descriptors_in_flight},
    {"spin_threads", spin_threads},
    {"fork_churn", fork_churn},
    {NULL, NULL},
};
