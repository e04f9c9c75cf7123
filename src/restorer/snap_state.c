/* What the kernel knows about a process besides its memory: taken down in the template, put back in
 * each copy.
 *
 * Not covered, because no function needs them: debug registers, protection keys, AMX tiles,
 * resource limits, priorities, affinity, the executable's name in /proc/self/exe (setting it needs
 * a capability). Timers, children and descriptors are not copied but refused (snap_check.c).
 *
 * snap_state_load runs on the template's stack without thread pointer: system calls only. */
#include "restorer/snap_int.h"
#include "restorer/sys.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RSEQ_SIGNATURE 0x53053053

enum {
    KERNEL_SIGSET = 8,
    RSEQ_REGISTERED_SIZE = 32, /* what glibc registers, whatever part of it has features */
    RSEQ_UNINITIALIZED = -1,
    STAT_FIELDS = 52,
    SIGKILL_NUMBER = 9,
    SIGSTOP_NUMBER = 19,
    SS_DISABLE_FLAG = 2,
    MEMBARRIER_REGISTRATIONS = 1 << 9, /* since Linux 6.3; older ones refuse to tell */
};

/* Since glibc 2.35; older ones register nothing. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* The fields of /proc/self/stat by proc(5)'s numbers, from 4 on. */
static int stat_read(uint64_t fields[STAT_FIELDS + 1])
{
    static char text[2048];
    long fd = sys3(__NR_open, (long) "/proc/self/stat", 0, 0);
    if (fd < 0)
        return -1;
    long n = sys3(__NR_read, fd, (long) text, sizeof text - 1);
    (void) sys3(__NR_close, fd, 0, 0);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    char *at = strrchr(text, ')'); /* the name before it may hold anything */
    if (at == NULL || strlen(at) < 5)
        return -1;
    at += 4; /* ") S " */
    for (int i = 4; i <= STAT_FIELDS && *at != '\0'; i++)
        fields[i] = strtoull(at, &at, 10);
    return 0;
}

static int mm_read(struct kernel_mm_map *mm)
{
    uint64_t f[STAT_FIELDS + 1] = {0};
    if (stat_read(f) < 0 || f[28] == 0)
        return -1;
    *mm = (struct kernel_mm_map){.start_code = f[26],
                                 .end_code = f[27],
                                 .start_stack = f[28],
                                 .start_data = f[45],
                                 .end_data = f[46],
                                 .start_brk = f[47],
                                 .brk = (uint64_t) sys3(__NR_brk, 0, 0, 0),
                                 .arg_start = f[48],
                                 .arg_end = f[49],
                                 .env_start = f[50],
                                 .env_end = f[51],
                                 .exe_fd = UINT32_MAX};
    return 0;
}

const char *snap_thread_state_save(struct snap_thread *t)
{
    if (sys3(__NR_arch_prctl, ARCH_GET_FS, (long) &t->fs_base, 0) < 0)
        return "thread pointer";
    if (sys3(__NR_prctl, PR_GET_TID_ADDRESS, (long) &t->tid_address, 0) < 0)
        return "tid address";
    if (sys3(__NR_get_robust_list, 0, (long) &t->robust_list, (long) &t->robust_size) < 0)
        return "robust list";
    if (&__rseq_size != NULL && __rseq_size > 0) {
        t->rseq = t->fs_base + (uint64_t) __rseq_offset;
        t->rseq_size = __rseq_size > RSEQ_REGISTERED_SIZE ? __rseq_size : RSEQ_REGISTERED_SIZE;
    }
    if (sys3(__NR_sigaltstack, 0, (long) &t->signal_stack, 0) < 0)
        return "signal state";
    return sys3(__NR_prctl, PR_GET_NAME, (long) t->name, 0) < 0 ? "name" : NULL;
}

const char *snap_state_save(struct snap_state *s)
{
    const char *missing = snap_thread_state_save(&s->main);
    if (missing != NULL)
        return missing;
    if (sys3(__NR_arch_prctl, ARCH_GET_GS, (long) &s->gs_base, 0) < 0)
        return "thread pointer";
    for (long i = 1; i <= SNAP_SIGNALS; i++)
        if (sys4(__NR_rt_sigaction, i, 0, (long) &s->signals[i], KERNEL_SIGSET) < 0)
            return "signal actions";
    if (sys4(__NR_rt_sigprocmask, 0, 0, (long) &s->signal_mask, KERNEL_SIGSET) < 0)
        return "signal state";
    if (mm_read(&s->mm) < 0)
        return "memory layout";
    s->umask = (uint32_t) sys3(__NR_umask, 022, 0, 0);
    (void) sys3(__NR_umask, s->umask, 0, 0);
    s->membarriers = sys3(__NR_membarrier, MEMBARRIER_REGISTRATIONS, 0, 0);
    return sys3(__NR_getcwd, (long) s->cwd, sizeof s->cwd, 0) < 0 ? "working directory" : NULL;
}

static void must(long rc)
{
    if (rc < 0)
        sys_exit(SNAP_EXIT_STATE);
}

/* cpu_id: so that the C library asks the kernel until the kernel has filled it in, or for ever when
 * it does not take the registration. */
static void rseq_load(const struct snap_thread *t)
{
    struct {
        uint32_t cpu_id_start;
        int32_t cpu_id;
        uint64_t critical_section;
    } *rseq = (void *) (uintptr_t) t->rseq;
    if (rseq == NULL)
        return;
    rseq->cpu_id_start = 0;
    rseq->cpu_id = RSEQ_UNINITIALIZED;
    rseq->critical_section = 0;
    (void) sys4(__NR_rseq, (long) t->rseq, t->rseq_size, 0, RSEQ_SIGNATURE);
}

void snap_thread_state_load(const struct snap_thread *t)
{
    if (t->robust_list != 0)
        must(sys3(__NR_set_robust_list, (long) t->robust_list, (long) t->robust_size, 0));
    rseq_load(t);
    if ((t->signal_stack.flags & SS_DISABLE_FLAG) == 0)
        must(sys3(__NR_sigaltstack, (long) &t->signal_stack, 0, 0));
    (void) sys3(__NR_prctl, PR_SET_NAME, (long) t->name, 0); /* only what ps shows */
}

static void signals_load(const struct snap_state *s)
{
    for (long i = 1; i <= SNAP_SIGNALS; i++)
        if (i != SIGKILL_NUMBER && i != SIGSTOP_NUMBER &&
            (s->signals[i].handler != 0 || s->signals[i].flags != 0))
            must(sys4(__NR_rt_sigaction, i, (long) &s->signals[i], 0, KERNEL_SIGSET));
    must(sys4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (long) &s->signal_mask, 0, KERNEL_SIGSET));
}

/* What the kernel answered when asked is what it takes: a bit for each kind of registration. */
static void membarriers_load(const struct snap_state *s)
{
    for (long bit = 1; s->membarriers > 0 && bit <= s->membarriers; bit <<= 1)
        if ((s->membarriers & bit) != 0)
            must(sys3(__NR_membarrier, bit, 0, 0));
}

void snap_state_load(struct snap_state *s)
{
    const struct snap_thread *main = &s->main;
    must(sys3(__NR_arch_prctl, ARCH_SET_FS, (long) main->fs_base, 0));
    if (s->gs_base != 0)
        must(sys3(__NR_arch_prctl, ARCH_SET_GS, (long) s->gs_base, 0));
    /* Without this brk() would grow a heap that lies elsewhere, and the C library would write where
     * nothing is mapped: only when the heap grows, which is late. */
    must(sys6(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, (long) &s->mm, sizeof s->mm, 0, 0));
    long tid = sys3(__NR_set_tid_address, (long) main->tid_address, 0, 0);
    if (main->tid_address != 0)
        *(int32_t *) (uintptr_t) main->tid_address = (int32_t) tid;
    snap_thread_state_load(main);
    membarriers_load(s);
    (void) sys3(__NR_umask, s->umask, 0, 0);
    must(sys3(__NR_chdir, (long) s->cwd, 0, 0));
    snap_files_load(s);
    for (uint32_t i = 0; i < s->wiped_count; i++)
        must(sys3(__NR_madvise, (long) s->wiped[i].start,
                  (long) (s->wiped[i].end - s->wiped[i].start), MADV_WIPEONFORK));
    /* Last, when everything is there that they use. They are born with all signals blocked, and get
     * their own masks where they go on. */
    uint64_t all = UINT64_MAX;
    must(sys4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (long) &all, 0, KERNEL_SIGSET));
    snap_threads_start();
    signals_load(s);
}
