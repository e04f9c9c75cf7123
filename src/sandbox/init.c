/* virga-init: process 1 of every sandbox.
 *
 * It is exec'ed at the end of building, when the process already has its final identity, no
 * capability, its cgroups, its file system and its seccomp program. What it does:
 *
 *     say READY → read one START block from descriptor 3 → start the program as a child, say
 *     STARTED → reap whatever is orphaned until that child ends → say how → end
 *
 * and with its end the kernel kills the rest of the pid namespace. Descriptors: 3 is the control
 * socket, which the program inherits; 1 and 2 are the log pipe; 4 is the status pipe to the
 * spawner (sandbox/wire.h), which the program does not get; 5 is a descriptor that came with the
 * START block, for the program: the image of a snapshot to restore, or where to write one. The file
 * is not readable (mode 0111), so the kernel makes the process undumpable at exec, and the program,
 * which has the same uid, can neither trace it nor look into /proc/1.
 *
 * It is freestanding, without a C library: a page-fault costs more than anything it does, and a
 * static C library would add a hundred of them to every cold start. 256 kB of START block and its
 * pointers lie in .bss and cost nothing until touched.
 *
 * A block may ask for the program to take this process's place (sandbox_start_alone); then nobody
 * reaps, and the spawner learns the end from the kernel alone.
 *
 * START block: sandbox/sandbox.h. Bytes come from main, which is trusted here: the worst a wrong
 * block can do is break this one sandbox, hence every count is bounded and checked. */
#include <asm/unistd.h>
#include <linux/prctl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h> /* the structs and macros of recvmsg; no function of it is called */

#include "sandbox/init_sys.h"
#include "sandbox/start.h"
#include "sandbox/wire.h"

enum { FD_CONTROL = 3, FD_STATUS = 4, EXIT_NO_START = 120, EXIT_BAD_START = 121 };

static char block[START_SIZE_MAX];
static char *pointers[START_STRINGS_MAX + 2];

static void say(uint32_t kind, int value)
{
    static struct wire_status status;
    status.kind = kind;
    status.value = value;
    /* If the spawner is gone this process is about to be killed; nobody is left to tell. */
    (void) sys3(__NR_write, FD_STATUS, (long) &status, sizeof status);
}

/* Reads exactly size bytes; 0 or a negative number when they do not come. */
static long read_all(char *out, size_t size)
{
    size_t at = 0;
    while (at < size) {
        long n = sys3(__NR_read, FD_CONTROL, (long) (out + at), (long) (size - at));
        if (n == -INIT_EINTR)
            continue;
        if (n <= 0)
            return n;
        at += (size_t) n;
    }
    return (long) at;
}

/* The first bytes, and the descriptor that may come with them: it gets the lowest free number,
 * which is START_FD_EXTRA, and is inherited. Returns the number of bytes, 0 or negative at the end.
 */
static long receive(unsigned char *out, size_t size)
{
    static union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    static struct iovec iov;
    static struct msghdr msg;
    iov.iov_base = out;
    iov.iov_len = size;
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    long n;
    do
        n = sys3(__NR_recvmsg, FD_CONTROL, (long) &msg, 0);
    while (n == -INIT_EINTR);
    return n;
}

/* Reads the block and cuts it into `pointers`; false if it is broken. */
static int read_start(struct start_header *out)
{
    static unsigned char bytes[START_HEADER_SIZE];
    long n = receive(bytes, sizeof bytes);
    if (n <= 0 || (n < (long) sizeof bytes && read_all((char *) bytes + n, sizeof bytes - n) <= 0))
        sys_exit(EXIT_NO_START);
    if (start_header_parse(bytes, out) < 0)
        return 0;
    if (out->size > 0 && read_all(block, out->size) <= 0)
        sys_exit(EXIT_NO_START);
    return start_cut(out, block, pointers) == 0;
}

/* In the child: becomes the program. */
static void become(char **argv, char **envp)
{
    (void) sys3(__NR_setpgid, 0, 0, 0);
    long rc = sys3(__NR_execve, (long) argv[0], (long) argv, (long) envp);
    say(STATUS_EXEC_FAILED, (int) -rc);
    sys_exit(127);
}

static void reap(long program)
{
    for (;;) {
        int status = 0;
        long pid = sys4(__NR_wait4, -1, (long) &status, 0, 0);
        if (pid == -INIT_EINTR || (pid > 0 && pid != program))
            continue;
        int signal = status & 0x7f; /* wait(2)'s encoding, WIFSIGNALED and WEXITSTATUS */
        if (signal != 0)
            say(STATUS_SIGNALLED, signal);
        else
            say(STATUS_EXITED, status >> 8 & 0xff);
        sys_exit(0);
    }
}

void init_main(void);
void init_main(void)
{
    (void) sys3(__NR_prctl, PR_SET_DUMPABLE, 0, 0);
    /* The program must not get the status pipe: it could forge how it ended. */
    if (sys3(__NR_fcntl, FD_STATUS, INIT_F_SETFD, INIT_FD_CLOEXEC) < 0)
        sys_exit(EXIT_NO_START);
    say(STATUS_READY, 0);
    static struct start_header header;
    if (!read_start(&header))
        sys_exit(EXIT_BAD_START);
    /* Said before the program exists, so that it cannot end unannounced. */
    say(STATUS_STARTED, 0);
    long program = header.is_alone ? 0 : sys_fork();
    if (program == 0)
        become(pointers, pointers + header.argc + 1);
    if (program < 0) {
        say(STATUS_EXEC_FAILED, (int) -program);
        sys_exit(EXIT_BAD_START);
    }
    /* End of file on the control socket and the log means that the program's side has closed. */
    for (int fd = 0; fd <= START_FD_EXTRA; fd++)
        if (fd != FD_STATUS)
            (void) sys3(__NR_close, fd, 0, 0);
    reap(program);
}
