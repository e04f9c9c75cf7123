#pragma once
/* System calls without a C library, for virga-init: x86-64 and arm64. They return what the kernel
 * returns, -errno on failure. INIT_ENTRY, for one file: _start, which aligns the stack and calls
 * init_main. */
#include <asm/unistd.h>

enum {
    INIT_EINTR = 4,
    INIT_SIGTERM = 15,
    INIT_SIGCHLD = 17,
    INIT_SIG_SETMASK = 2,
    INIT_WNOHANG = 1,
    INIT_F_SETFD = 2,
    INIT_F_DUPFD_CLOEXEC = 1030,
    INIT_FD_CLOEXEC = 1,
    INIT_O_NONBLOCK = 04000,
    INIT_O_CLOEXEC = 02000000,
};

#if defined(__x86_64__)

#define INIT_ENTRY                                                                                 \
    ".globl _start\n_start:\n xor %ebp, %ebp\n and $-16, %rsp\n call init_main\n ud2\n"

static inline long sys5(long number, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

#define INIT_ENTRY ".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n bl init_main\n brk #0\n"

static inline long sys5(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}

#else
#error "virga-init knows x86-64 and arm64"
#endif

static inline long sys4(long number, long a, long b, long c, long d)
{
    return sys5(number, a, b, c, d, 0);
}

static inline long sys3(long number, long a, long b, long c)
{
    return sys4(number, a, b, c, 0);
}

_Noreturn static inline void sys_exit(int code)
{
    for (;;)
        (void) sys3(__NR_exit_group, code, 0, 0);
}

/* A child that is a copy of the caller, as fork(2), whose end is told by this signal; 0: not. */
static inline long sys_copy(int signal)
{
    return sys4(__NR_clone, signal, 0, 0, 0);
}
