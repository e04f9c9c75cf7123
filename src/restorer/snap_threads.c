/* Other threads of the process: stopped while the image is written, started again in each copy.
 *
 *     template   tell ──signal──> handler notes its thread ──> waits in thread_point
 *                all stopped ──> image ──> released ──> handlers return
 *     copy       clone, on the stack it was stopped on ──> snap_thread_resume ──> the next one is
 *                cloned ──> the kernel's state put back ──> handler returns
 *
 * A signal handler is what makes this short: the kernel has laid the thread's registers, floating
 * point state and signal mask on its own stack, which is in the image, and takes them from there
 * when the handler returns, in a copy as well. A system call that was interrupted is begun again
 * (SA_RESTART) or answers EINTR, after which every C library asks again.
 *
 * Only threads that wait are copied (for each other, for descriptors, for a time): such a thread is
 * between two pieces of work and holds no lock that names its owner by thread number, which is
 * another one in a copy. The signal is glibc's own for its threads (setxid), since that one is
 * never blocked: Node blocks all others in its debugger's thread. Its action is put back at once.
 *
 * From the first stop to the release the calling thread takes no lock, as a stopped one may hold
 * it. Source: nptl(7), signal(7) "Interruption of system calls", clone(2), glibc's nptl_setxid.c.
 */
#include "restorer/snap_int.h"
#include "restorer/sys.h"

#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SIGNAL_SETXID = 33,
    KERNEL_SIGSET = 8,
    TRIES = 1000, /* of a millisecond, for threads to come to rest */
    SA_FLAGS = 0x04000000 | 0x10000000 | 4 /* SA_RESTORER | SA_RESTART | SA_SIGINFO */,
};

#define CLONE_FLAGS                                                                                \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* Not on the stack of the calling thread: in a copy the others come to life while it goes on. Words
 * are shared between threads by the atomic builtins alone. */
static struct {
    uint32_t count; /* of threads */
    uint32_t entered, stopped;
    uint32_t is_released;
    struct snap_thread threads[SNAP_THREADS_MAX];
} park;

static void futex(uint32_t *word, long operation, long value)
{
    (void) sys4(__NR_futex, (long) word, operation | FUTEX_PRIVATE_FLAG, value, 0);
}

/* ---- in the other threads ---- */

void snap_thread_wait(struct snap_thread *thread) __attribute__((used, visibility("hidden")));
void snap_thread_wait(struct snap_thread *thread)
{
    (void) thread;
    __atomic_add_fetch(&park.stopped, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&park.is_released, __ATOMIC_SEQ_CST) == 0)
        futex(&park.is_released, FUTEX_WAIT, 0);
}

/* The new thread has the given stack and thread pointer from its first instruction on, and goes to
 * where the old one was stopped. */
static void start(const struct snap_thread *thread)
{
    long result;
    register long ctid __asm__("r10") = (long) thread->tid_address;
    register long tls __asm__("r8") = (long) thread->fs_base;
    __asm__ volatile("syscall\n"
                     "test %%rax, %%rax\n"
                     "jz snap_thread_resume\n"
                     : "=a"(result)
                     : "a"(__NR_clone), "D"(CLONE_FLAGS), "S"(thread->sp), "d"(thread->tid_address),
                       "r"(ctid), "r"(tls)
                     : "rcx", "r11", "memory");
    if (result < 0)
        sys_exit(SNAP_EXIT_STATE);
}

/* In a copy, on the stack of the stopped thread; the thread pointer is there. Each starts the next
 * one, so that the main thread goes on while they come to life on another CPU. */
void snap_thread_load(struct snap_thread *thread) __attribute__((used, visibility("hidden")));
void snap_thread_load(struct snap_thread *thread)
{
    const struct snap_thread *next = thread + 1;
    if (next < park.threads + park.count)
        start(next);
    snap_thread_state_load(thread);
}

/* Notes its stack pointer and calls snap_thread_wait; in a copy it goes on at snap_thread_resume.
 * Returns in both. Aligned for calls: seven words above the return address. */
void snap_thread_point(struct snap_thread *thread) __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".hidden snap_thread_point\n"
        ".globl snap_thread_point\n"
        ".type snap_thread_point, @function\n"
        "snap_thread_point:\n"
        " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        " push %rdi\n"
        " mov %rsp, (%rdi)\n"
        " call snap_thread_wait\n"
        " jmp 1f\n"
        ".hidden snap_thread_resume\n"
        ".globl snap_thread_resume\n"
        "snap_thread_resume:\n"
        " cld\n"
        " mov (%rsp), %rdi\n"
        " call snap_thread_load\n"
        "1: add $8, %rsp\n"
        " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
        " ret\n"
        ".size snap_thread_point, .-snap_thread_point\n"
        /* Where the kernel returns from the handler. */
        ".hidden snap_sigreturn\n"
        ".globl snap_sigreturn\n"
        "snap_sigreturn:\n"
        " mov $15, %eax\n" /* rt_sigreturn */
        " syscall\n");
void snap_sigreturn(void) __attribute__((visibility("hidden")));

static void on_signal(int number, void *info, void *context)
{
    (void) number, (void) info, (void) context;
    uint32_t index = __atomic_fetch_add(&park.entered, 1, __ATOMIC_SEQ_CST);
    if (index >= park.count)
        return; /* sent by somebody else */
    struct snap_thread *thread = &park.threads[index];
    thread->missing = snap_thread_state_save(thread);
    snap_thread_point(thread);
}

/* ---- in the calling thread ---- */

static int refuse(char reason[SNAP_REASON_MAX], const char *why)
{
    (void) snprintf(reason, SNAP_REASON_MAX, "%s", why);
    return SNAP_REFUSED;
}

static void pause_a_bit(void)
{
    struct timespec time = {.tv_nsec = 1000000};
    (void) sys3(__NR_nanosleep, (long) &time, 0, 0);
}

/* Does the thread wait in a system call that may be begun again? "running", or a call's number. */
static int is_at_rest(long tid)
{
    static const long waits[] = {
        __NR_futex,     __NR_epoll_wait,      __NR_epoll_pwait, __NR_poll,
        __NR_ppoll,     __NR_select,          __NR_pselect6,    __NR_read,
        __NR_nanosleep, __NR_clock_nanosleep, __NR_pause,       __NR_rt_sigsuspend};
    char path[48], text[16] = "";
    (void) snprintf(path, sizeof path, "/proc/self/task/%ld/syscall", tid);
    long fd = sys3(__NR_open, (long) path, 02000000 /* O_CLOEXEC */, 0);
    if (fd < 0)
        return 0;
    long n = sys3(__NR_read, fd, (long) text, sizeof text - 1);
    (void) sys3(__NR_close, fd, 0, 0);
    if (n <= 0 || text[0] < '0' || text[0] > '9')
        return 0;
    long number = strtol(text, NULL, 10);
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        if (number == waits[i])
            return 1;
    return 0;
}

struct others {
    long own;
    uint32_t count;
    long tids[SNAP_THREADS_MAX];
};

static int take_tid(long dir, const char *name, void *arg)
{
    (void) dir;
    struct others *others = arg;
    long tid = strtol(name, NULL, 10);
    if (tid == others->own)
        return 0;
    if (others->count == SNAP_THREADS_MAX)
        return 1;
    others->tids[others->count++] = tid;
    return 0;
}

static int list_others(struct others *others)
{
    *others = (struct others){.own = sys3(__NR_gettid, 0, 0, 0)};
    return snap_list("/proc/self/task", take_tid, others);
}

static int wait_for_rest(const struct others *others)
{
    int tries = 0;
    for (uint32_t i = 0; i < others->count; i++)
        for (; !is_at_rest(others->tids[i]); pause_a_bit())
            if (++tries > TRIES)
                return SNAP_REFUSED;
    return 0;
}

static int stop_all(const struct others *others)
{
    struct kernel_sigaction before, ours = {.handler = (uint64_t) (uintptr_t) on_signal,
                                            .flags = SA_FLAGS,
                                            .restorer = (uint64_t) (uintptr_t) snap_sigreturn,
                                            .mask = UINT64_MAX};
    if (sys4(__NR_rt_sigaction, SIGNAL_SETXID, (long) &ours, (long) &before, KERNEL_SIGSET) < 0)
        return SNAP_REFUSED;
    long pid = sys3(__NR_getpid, 0, 0, 0);
    uint32_t told = 0;
    for (uint32_t i = 0; i < others->count; i++)
        told += sys3(__NR_tgkill, pid, others->tids[i], SIGNAL_SETXID) == 0;
    int tries = 0;
    while (__atomic_load_n(&park.stopped, __ATOMIC_SEQ_CST) < told && tries++ < TRIES)
        pause_a_bit();
    (void) sys4(__NR_rt_sigaction, SIGNAL_SETXID, (long) &before, 0, KERNEL_SIGSET);
    return told == others->count && tries < TRIES ? 0 : SNAP_REFUSED;
}

int snap_threads_stop(unsigned threads_max, char reason[SNAP_REASON_MAX])
{
    static struct others others, after;
    if (list_others(&others) < 0)
        return refuse(reason, "threads cannot be counted");
    if (others.count + 1 > threads_max)
        return refuse(reason, threads_max == 1 ? "more than one thread runs"
                                               : "more threads run than the runtime's own");
    memset(&park, 0, sizeof park);
    park.count = others.count;
    if (others.count == 0)
        return 0;
    if (wait_for_rest(&others) < 0)
        return refuse(reason, "a thread is at work");
    if (stop_all(&others) < 0)
        return refuse(reason, "a thread cannot be stopped");
    if (list_others(&after) < 0 || after.count != others.count)
        return refuse(reason, "a thread was started meanwhile");
    for (uint32_t i = 0; i < park.count; i++)
        if (park.threads[i].missing != NULL)
            return refuse(reason, park.threads[i].missing);
    return 0;
}

void snap_threads_release(void)
{
    __atomic_store_n(&park.is_released, 1, __ATOMIC_SEQ_CST);
    futex(&park.is_released, FUTEX_WAKE, SNAP_THREADS_MAX);
}

void snap_threads_start(void)
{
    if (park.count > 0)
        start(&park.threads[0]);
}
