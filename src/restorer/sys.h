#pragma once
/* System calls without a C library, for both halves of a snapshot: a thread's local storage (errno,
 * the stack protector's secret) does not exist while the one ends and the other begins. They return
 * what the kernel returns, -errno on failure. */
#include <asm/unistd.h>

static inline long sys6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long sys4(long number, long a, long b, long c, long d)
{
    return sys6(number, a, b, c, d, 0, 0);
}

static inline long sys3(long number, long a, long b, long c)
{
    return sys6(number, a, b, c, 0, 0, 0);
}

/* mmap and mremap return addresses; the last page of the range is errors. */
static inline int sys_is_error(long result)
{
    return (unsigned long) result > -4096ul;
}

_Noreturn static inline void sys_exit(int code)
{
    for (;;)
        (void) sys3(__NR_exit_group, code, 0, 0);
}
