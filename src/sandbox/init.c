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
 * START block, for the program: the image of a snapshot to restore, or where to write one; 6 and 7
 * are its own sockets, for names (init_names.c) and for traces, which nobody collects: the kernel
 * drops what arrives. The file
 * is not readable (mode 0111), so the kernel makes the process undumpable at exec, and the program,
 * which has the same uid, can neither trace it nor look into /proc/1.
 *
 * It is freestanding, without a C library: a page-fault costs more than anything it does, and a
 * static C library would add a hundred of them to every cold start. 256 kB of START block and its
 * pointers lie in .bss and cost nothing until touched.
 *
 * A block may ask for the program to take this process's place (sandbox_start_alone); then nobody
 * reaps, and the spawner learns the end from the kernel alone. Names are answered by a copy of this
 * process then, a child which ends without a signal: wait(2) does not count it among children.
 *
 * Companions (sandbox_start_companion) are started before the program, each by a block of its own;
 * between the blocks this process reaps. The first of all programs that ends is the end of the
 * sandbox: when it is the only one, at once; else the program is sent SIGTERM (unless it was the
 * one) and the sandbox ends with the last. WIRE_SIGNAL_END from the spawner begins the same: a
 * signal of the host comes from process 0, which nobody inside can pretend to be (the kernel writes
 * sender and code, kill(2) and rt_sigqueueinfo(2)). It and SIGCHLD are blocked and read from a
 * signalfd.
 *
 * START block: sandbox/sandbox.h. Bytes come from main, which is trusted here: the worst a wrong
 * block can do is break this one sandbox, hence every count is bounded and checked. */
#include <asm/unistd.h>
#include <linux/prctl.h>
#include <linux/signalfd.h>
#include <poll.h> /* the struct */
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>  /* the struct */
#include <sys/socket.h> /* the structs and macros of recvmsg; no function of it is called */

#include "sandbox/init_names.h"
#include "sandbox/init_sys.h"
#include "sandbox/start.h"
#include "sandbox/wire.h"

enum {
    FD_CONTROL = 3,
    FD_STATUS = 4,
    EXIT_NO_START = 120,
    EXIT_BAD_START = 121,
    PROGRAMS_MAX = 1 + START_COMPANIONS_MAX,
};

static char block[START_SIZE_MAX];
static char *pointers[START_STRINGS_MAX + 2];

/* [0] is the program, the others companions in the order of their start; 0: not started, or ended.
 */
static long programs[PROGRAMS_MAX];
static uint32_t companions, living;
static int is_ending, has_output; /* has_output: START_FD_EXTRA is the companions' output */
static const uint64_t watched = UINT64_C(1) << (WIRE_SIGNAL_END - 1) | UINT64_C(1)
                                                                           << (INIT_SIGCHLD - 1);

static void say(uint32_t kind, int value, uint32_t which)
{
    static struct wire_status status;
    status.kind = kind;
    status.value = value;
    status.companion = which;
    status.others = living;
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

/* The first bytes of a block, and the descriptor that may come with them: it gets the lowest free
 * number, which is START_FD_EXTRA with the first block, and is inherited. Returns the number of
 * bytes, 0 or negative at the end. */
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
    has_output |= n > 0 && msg.msg_controllen > 0;
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

/* A companion has the companions' output and no control socket; the program has the socket, and
 * START_FD_EXTRA if that came for it. */
static void place_descriptors(uint32_t which)
{
    if (which > 0 && has_output) {
        (void) sys3(__NR_dup3, START_FD_EXTRA, 1, 0);
        (void) sys3(__NR_dup3, START_FD_EXTRA, 2, 0);
    }
    if (which > 0)
        (void) sys3(__NR_close, FD_CONTROL, 0, 0);
    if (companions > 0 && has_output)
        (void) sys3(__NR_close, START_FD_EXTRA, 0, 0);
}

/* In the child: becomes the program. */
static void become(const struct start_header *header, uint32_t which)
{
    static const uint64_t none;
    char **argv = pointers, **envp = pointers + header->argc + 1;
    (void) sys3(__NR_setpgid, 0, 0, 0);
    place_descriptors(which);
    (void) sys4(__NR_rt_sigprocmask, INIT_SIG_SETMASK, (long) &none, 0, sizeof none);
    long rc = sys3(__NR_execve, (long) argv[0], (long) argv, (long) envp);
    say(STATUS_EXEC_FAILED, (int) -rc, which);
    sys_exit(127);
}

/* End of file on control socket and log means that the programs' side has closed them. */
static void close_inherited(void)
{
    for (int fd = 0; fd <= START_FD_EXTRA; fd++)
        if (fd != FD_STATUS)
            (void) sys3(__NR_close, fd, 0, 0);
}

/* The copy that stays for names when the program takes this process's place. */
static void stay_for_names(void)
{
    static struct pollfd wait = {.fd = START_FD_NAMES, .events = POLLIN};
    if (sys_copy(0) != 0) /* Failure is a program without names. */
        return;
    for (int fd = 0; fd <= START_FD_EXTRA; fd++)
        (void) sys3(__NR_close, fd, 0, 0);
    for (;;) {
        long n = sys5(__NR_ppoll, (long) &wait, 1, 0, 0, 0);
        if (n > 0)
            init_names_serve();
        else if (n != -INIT_EINTR) /* The program took our limit of open files. */
            sys_exit(0);
    }
}

/* Reads a block and starts what it names; true: that was the program, the last one. */
static int start_one(void)
{
    static struct start_header header;
    if (!read_start(&header) || (header.is_companion && companions == START_COMPANIONS_MAX))
        sys_exit(EXIT_BAD_START);
    /* The directory of the code, which is mounted there by now, or nothing. Said before the first
     * program exists, so that it cannot end unannounced. */
    (void) sys3(__NR_chdir, (long) "/var/task", 0, 0);
    if (companions == 0)
        say(STATUS_STARTED, 0, 0);
    companions += header.is_companion;
    uint32_t which = header.is_companion ? companions : 0;
    if (header.is_alone)
        stay_for_names();
    long pid = header.is_alone ? 0 : sys_copy(INIT_SIGCHLD);
    if (pid == 0)
        become(&header, which);
    if (pid < 0) {
        say(STATUS_EXEC_FAILED, (int) -pid, which);
        sys_exit(EXIT_BAD_START);
    }
    programs[which] = pid;
    living++;
    return which == 0;
}

static void begin_ending(void)
{
    if (!is_ending && programs[0] > 0)
        (void) sys3(__NR_kill, programs[0], INIT_SIGTERM, 0);
    is_ending = 1;
}

static void program_ended(uint32_t which, int status)
{
    int signal = status & 0x7f; /* wait(2)'s encoding, WIFSIGNALED and WEXITSTATUS */
    programs[which] = 0;
    living--;
    if (signal != 0)
        say(STATUS_SIGNALLED, signal, which);
    else
        say(STATUS_EXITED, status >> 8 & 0xff, which);
    if (living == 0)
        sys_exit(0);
    begin_ending();
}

static void reap(void)
{
    int status = 0;
    long pid;
    while ((pid = sys4(__NR_wait4, -1, (long) &status, INIT_WNOHANG, 0)) > 0)
        for (uint32_t i = 0; i < PROGRAMS_MAX; i++)
            if (programs[i] == pid)
                program_ended(i, status);
}

/* The signals that wait. */
static void take_signals(int fd)
{
    static struct signalfd_siginfo info;
    int has_child = 0;
    while (sys3(__NR_read, fd, (long) &info, sizeof info) == sizeof info) {
        has_child |= info.ssi_signo == INIT_SIGCHLD;
        if (info.ssi_signo == WIRE_SIGNAL_END && info.ssi_code == 0 && info.ssi_pid == 0)
            begin_ending();
    }
    if (has_child)
        reap();
}

/* Out of the way of START_FD_EXTRA; negative: it was, or there is no room. */
static long move_up(long low)
{
    if (low < 0)
        return low;
    long fd = sys3(__NR_fcntl, low, INIT_F_DUPFD_CLOEXEC, START_FD_EXTRA + 1);
    (void) sys3(__NR_close, low, 0, 0);
    return fd;
}

static long watch(long epoll, long fd)
{
    static struct epoll_event event;
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = (int) fd};
    return sys4(__NR_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, (long) &event);
}

/* Made before any program runs, which might take our limit of open files from us (prlimit): then
 * nothing can be opened, and poll(2) answers EINVAL for ever, but an epoll goes on. */
static long open_signals(void)
{
    return move_up(sys4(__NR_signalfd4, -1, (long) &watched, sizeof watched,
                        INIT_O_NONBLOCK | INIT_O_CLOEXEC));
}

static long open_epoll(long signals)
{
    long epoll = move_up(sys3(__NR_epoll_create1, INIT_O_CLOEXEC, 0, 0));
    return epoll < 0 || watch(epoll, signals) < 0 || watch(epoll, START_FD_NAMES) < 0 ? -1 : epoll;
}

/* What comes until the last program has ended. */
_Noreturn static void serve(long epoll, long signals)
{
    int has_program = 0, is_listening = 0;
    for (;;) {
        static struct epoll_event ready;
        int wants = !has_program && !is_ending;
        if (wants && !is_listening && watch(epoll, FD_CONTROL) < 0)
            sys_exit(EXIT_NO_START);
        if (!wants && is_listening) /* Its last copy is the program's. */
            (void) sys4(__NR_epoll_ctl, epoll, EPOLL_CTL_DEL, FD_CONTROL, (long) &ready);
        if (has_program && is_listening)
            close_inherited();
        is_listening = wants;
        if (sys5(__NR_epoll_pwait, epoll, (long) &ready, 1, -1, 0) != 1)
            continue;
        if (ready.data.fd == START_FD_NAMES)
            init_names_serve();
        else if (ready.data.fd == signals)
            take_signals((int) signals);
        else
            has_program = start_one();
    }
}

__asm__(INIT_ENTRY);
void init_main(void);
void init_main(void)
{
    (void) sys3(__NR_prctl, PR_SET_DUMPABLE, 0, 0);
    /* The program must not get the status pipe: it could forge how it ended. */
    static const int own[] = {FD_STATUS, START_FD_NAMES, START_FD_TRACES};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (sys3(__NR_fcntl, own[i], INIT_F_SETFD, INIT_FD_CLOEXEC) < 0)
            sys_exit(EXIT_NO_START);
    if (sys4(__NR_rt_sigprocmask, INIT_SIG_SETMASK, (long) &watched, 0, sizeof watched) < 0)
        sys_exit(EXIT_NO_START);
    long signals = open_signals();
    long epoll = signals < 0 ? signals : open_epoll(signals);
    if (epoll < 0)
        sys_exit(EXIT_NO_START);
    say(STATUS_READY, 0, 0);
    serve(epoll, signals);
}
