/* virga-restore: turns a fresh process into one that was initialised before.
 *
 * virga-init executes it in a finished sandbox (unprivileged, seccomped, in its cgroups) with the
 * image at descriptor 5. It is static, without a C library, and linked at an address that nothing
 * else uses, so it can replace the whole address space around itself:
 *
 *     read and check the tables → move the vDSO → unmap everything else → map every segment
 *     → close the image → jump
 *
 * The jump leads into the snapshotter (snap.c), which is part of the image; what the kernel knows
 * about a process besides its memory (signals, thread pointer, brk …) is put back there, by the
 * code that took it down. Why in this order, and what went wrong in other orders: README.md.
 *
 * Memory contents are mapped privately from the image, so a page costs nothing until it is touched
 * and all instances share what none of them wrote; file mappings are made anew from the files, so
 * that they share the page cache with every other process of the host.
 *
 * Whatever goes wrong ends the process with the number of the fault as its exit code; the platform
 * then starts the function from scratch. */
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <stddef.h>
#include <stdint.h>

#include "restorer/image.h"
#include "restorer/restorer.h"
#include "restorer/sys.h"

#define AT_SYSINFO_EHDR_KEY 33

enum {
    SEAL_READ = 64 * 1024,
    FIRST_READ = 8 * 1024
}; /* the tables of most; each page of them is a fault */

/* In .bss, which costs only what is touched. */
static _Alignas(16) unsigned char tables[IMAGE_TABLES_MAX + FIRST_READ];
static const struct image_header *const header = (const void *) tables;

__asm__(".globl _start\n"
        "_start:\n"
        " xor %ebp, %ebp\n"
        " mov %rsp, %rdi\n"
        " lea own_stack_end(%rip), %rsp\n"
        " call restore_main\n"
        " ud2\n"
        /* A stack of our own: the process's first one is among what is unmapped. */
        ".bss\n.align 16\n .skip 16384\nown_stack_end: .skip 16\n.text\n");

_Noreturn static void jump(uint64_t ip, uint64_t sp)
{
    __asm__ volatile("mov %0, %%rsp\n jmp *%1" : : "r"(sp), "r"(ip) : "memory");
    __builtin_unreachable();
}

static void must(enum image_fault fault)
{
    if (fault != IMAGE_OK)
        sys_exit((int) fault);
}

static size_t read_at(size_t at, size_t size)
{
    size_t end = at + size;
    while (at < end) {
        long n = sys4(__NR_pread64, RESTORER_FD_IMAGE, (long) (tables + at), (long) (end - at),
                      (long) at);
        if (n < 0)
            must(IMAGE_FAULT_READ);
        if (n == 0)
            break;
        at += (size_t) n;
    }
    return at;
}

/* The whole image against its seal, in the last page of the file. */
static void seal_check(uint64_t file_size)
{
    static _Alignas(16) unsigned char bytes[SEAL_READ];
    static const char magic[8] = IMAGE_SEAL_MAGIC;
    struct image_seal seal;
    uint64_t end = file_size - IMAGE_PAGE, hash = IMAGE_SEAL_SEED;
    if (file_size % IMAGE_PAGE != 0 || file_size < 2 * IMAGE_PAGE ||
        sys4(__NR_pread64, RESTORER_FD_IMAGE, (long) &seal, sizeof seal, (long) end) !=
            (long) sizeof seal)
        must(IMAGE_FAULT_READ);
    for (int i = 0; i < 8; i++)
        if (seal.magic[i] != magic[i])
            must(IMAGE_FAULT_SEAL);
    if (seal.check != image_seal_check(&seal) || seal.size_bytes != end)
        must(IMAGE_FAULT_SEAL);
    for (uint64_t at = 0; at < end;) {
        uint64_t size = end - at < SEAL_READ ? end - at : SEAL_READ;
        long n = sys4(__NR_pread64, RESTORER_FD_IMAGE, (long) bytes, (long) size, (long) at);
        if (n <= 0 || n % 8 != 0)
            must(IMAGE_FAULT_READ);
        hash = image_hash(hash, bytes, (size_t) n);
        at += (uint64_t) n;
    }
    if (hash != seal.hash)
        must(IMAGE_FAULT_SEAL);
}

static void tables_read(int is_checked)
{
    size_t have = read_at(0, FIRST_READ);
    if (have < sizeof *header)
        must(IMAGE_FAULT_READ);
    must(image_check_header(header));
    size_t size = image_tables_size(header);
    if (have < size && read_at(have, size - have) < size)
        must(IMAGE_FAULT_READ);
    static struct image_uname uname;
    if (sys3(__NR_uname, (long) &uname, 0, 0) < 0 || image_kernel(&uname) != header->kernel)
        must(IMAGE_FAULT_KERNEL);
    must(image_check(header));
    struct stat st;
    if (sys3(__NR_fstat, RESTORER_FD_IMAGE, (long) &st, 0) < 0 ||
        (uint64_t) st.st_size < header->size_bytes) /* Pages past the end would be SIGBUS later. */
        must(IMAGE_FAULT_READ);
    if (is_checked)
        seal_check((uint64_t) st.st_size);
}

/* Where the kernel put this process's vDSO: the auxiliary vector says so. */
static uint64_t own_vdso(const uint64_t *stack)
{
    const uint64_t *at = stack + 1 + stack[0] + 1; /* argc, argv, NULL */
    while (*at++ != 0)                             /* envp, NULL */
        continue;
    for (; at[0] != 0; at += 2)
        if (at[0] == AT_SYSINFO_EHDR_KEY)
            return at[1];
    return 0;
}

static void move(uint64_t from, uint64_t to, uint64_t size)
{
    long rc = sys6(__NR_mremap, (long) from, (long) size, (long) size,
                   MREMAP_MAYMOVE | MREMAP_FIXED, (long) to, 0);
    if (sys_is_error(rc))
        must(IMAGE_FAULT_VDSO);
}

/* Moves vvar, vvar_vclock and vdso, which lie side by side in the same order in every process of
 * one kernel, each by itself: they are separate mappings. They go by way of a place of our own,
 * because old and new place may overlap. Returns the range that they then fill. */
static void vdso_move(uint64_t own, uint64_t *out_start, uint64_t *out_end)
{
    const struct image_segment *s = image_segments(header);
    uint64_t vdso = 0, start = 0, end = 0;
    for (uint32_t i = 0; i < header->segment_count; i++) {
        if (s[i].kind != IMAGE_VDSO)
            continue;
        if (start == 0)
            start = end = s[i].start;
        if (s[i].start != end)
            must(IMAGE_FAULT_VDSO);
        end = s[i].end;
        if (s[i].is_vdso)
            vdso = s[i].start;
    }
    *out_start = *out_end = IMAGE_HIGHEST;
    if (start == 0)
        return;
    if (own == 0 || vdso == 0 || end - start > RESTORER_VDSO_MAX)
        must(IMAGE_FAULT_VDSO);
    *out_start = start;
    *out_end = end;
    if (own == vdso)
        return;
    for (uint32_t i = 0; i < header->segment_count; i++)
        if (s[i].kind == IMAGE_VDSO)
            move(s[i].start - vdso + own, s[i].start - start + RESTORER_VDSO_PARKED,
                 s[i].end - s[i].start);
    for (uint32_t i = 0; i < header->segment_count; i++)
        if (s[i].kind == IMAGE_VDSO)
            move(s[i].start - start + RESTORER_VDSO_PARKED, s[i].start, s[i].end - s[i].start);
}

static void unmap(uint64_t start, uint64_t end)
{
    if (start < end && sys3(__NR_munmap, (long) start, (long) (end - start), 0) < 0)
        must(IMAGE_FAULT_MAP);
}

/* Everything but ourselves and the vDSO. */
static void unmap_rest(uint64_t vdso_start, uint64_t vdso_end)
{
    if (vdso_end <= IMAGE_OWN_START) {
        unmap(0, vdso_start);
        unmap(vdso_end, IMAGE_OWN_START);
        unmap(IMAGE_OWN_END, IMAGE_HIGHEST);
        return;
    }
    unmap(0, IMAGE_OWN_START);
    unmap(IMAGE_OWN_END, vdso_start);
    unmap(vdso_end, IMAGE_HIGHEST);
}

/* Opens file number `index` if it is still the one that was mapped. */
static int file_open(uint32_t index)
{
    const struct image_file *file = &image_files(header)[index];
    long fd = sys4(__NR_open, (long) (image_names(header) + file->name),
                   O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0, 0);
    struct stat st;
    if (fd < 0 || sys3(__NR_fstat, fd, (long) &st, 0) < 0 || file->size != (uint64_t) st.st_size)
        must(IMAGE_FAULT_STALE);
    uint64_t mtime_ns = (uint64_t) st.st_mtime * UINT64_C(1000000000) + st.st_mtime_nsec;
    if (file->ino != 0 &&
        (file->dev != st.st_dev || file->ino != st.st_ino || file->mtime_ns != mtime_ns))
        must(IMAGE_FAULT_STALE);
    return (int) fd;
}

static void map(const struct image_segment *s, int flags, int fd)
{
    long rc = sys6(__NR_mmap, (long) s->start, (long) (s->end - s->start), s->prot,
                   MAP_PRIVATE | MAP_FIXED | flags, fd, (long) s->offset);
    if (sys_is_error(rc))
        must(IMAGE_FAULT_MAP);
}

/* Machine code that the language has compiled. Where the image lies on a file system mounted
 * noexec, it is copied instead. */
static void map_data(const struct image_segment *s)
{
    enum { NOT_PERMITTED = -1 };
    long size = (long) (s->end - s->start);
    long rc = sys6(__NR_mmap, (long) s->start, size, s->prot, MAP_PRIVATE | MAP_FIXED,
                   RESTORER_FD_IMAGE, (long) s->offset);
    if (rc != NOT_PERMITTED || (s->prot & PROT_EXEC) == 0) {
        if (sys_is_error(rc))
            must(IMAGE_FAULT_MAP);
        return;
    }
    rc = sys6(__NR_mmap, (long) s->start, size, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
    if (sys_is_error(rc))
        must(IMAGE_FAULT_MAP);
    for (long at = 0; at < size;) {
        long n = sys4(__NR_pread64, RESTORER_FD_IMAGE, (long) s->start + at, size - at,
                      (long) s->offset + at);
        if (n <= 0)
            must(IMAGE_FAULT_READ);
        at += n;
    }
    if (sys3(__NR_mprotect, (long) s->start, size, s->prot) < 0)
        must(IMAGE_FAULT_MAP);
}

static void map_all(void)
{
    const struct image_segment *s = image_segments(header);
    int fd = -1;
    uint32_t open_file = 0;
    for (uint32_t i = 0; i < header->segment_count; i++) {
        switch ((enum image_kind) s[i].kind) {
        case IMAGE_ANON: map(&s[i], MAP_ANONYMOUS | MAP_NORESERVE, -1); break;
        case IMAGE_DATA: map_data(&s[i]); break;
        case IMAGE_FILE:
            if (fd < 0 || open_file != s[i].file) {
                if (fd >= 0)
                    (void) sys3(__NR_close, fd, 0, 0);
                fd = file_open(s[i].file);
                open_file = s[i].file;
            }
            map(&s[i], 0, fd);
            break;
        case IMAGE_VDSO:
        case IMAGE_KINDS: break;
        }
    }
    if (fd >= 0)
        (void) sys3(__NR_close, fd, 0, 0);
}

void restore_main(const uint64_t *stack);
__attribute__((used)) void restore_main(const uint64_t *stack)
{
    tables_read(stack[0] > 1); /* RESTORER_CHECKS is the only argument there is */
    uint64_t vdso_start, vdso_end;
    vdso_move(own_vdso(stack), &vdso_start, &vdso_end);
    unmap_rest(vdso_start, vdso_end);
    map_all();
    (void) sys3(__NR_close, RESTORER_FD_IMAGE, 0, 0);
    jump(header->resume_ip, header->resume_sp);
}
