/* Taking a snapshot: one function call that returns in two processes.
 *
 *     snap_take ── state saved on the stack ── snap_point ┬─ write_image ──> returns SNAP_WRITTEN
 *                                                         └─ (in a copy) ──> returns SNAP_RESTORED
 *
 * snap_point is a switch of context like any other: it pushes what a called function must keep,
 * notes stack pointer and its own second half as the place to go on, and calls write_image, which
 * uses the stack below. The restorer sets the stack pointer and jumps to the second half, which
 * pops and returns. So the saved registers lie in the caller's frame, above everything that runs
 * later: with setjmp inside a function that returns, the copy would come back to an overwritten
 * frame.
 *
 * Everything here is position independent, needs no thread-local storage between the two halves and
 * is compiled without stack protector (its secret is read through the thread pointer). */
#include "restorer/snap.h"

#include "restorer/snap_int.h"
#include "restorer/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct snap {
    int fd;
    char *reason;
    struct snap_state *state;
    struct snap_notes *notes;
    long memory_fd; /* /proc/self/mem: for pages that must not be read otherwise */
};

/* Calls write(snap, sp, ip) and returns its result; in a copy, whose stack pointer was set to sp
 * and which went on at ip, returns SNAP_RESTORED. */
int snap_point(struct snap *snap, int (*write)(struct snap *snap, uint64_t sp, uint64_t ip))
    __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".hidden snap_point\n"
        ".globl snap_point\n"
        ".type snap_point, @function\n"
        "snap_point:\n"
        " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        " sub $8, %rsp\n"
        " stmxcsr (%rsp)\n fnstcw 4(%rsp)\n"
        " mov %rsi, %rax\n"
        " mov %rsp, %rsi\n"
        " lea snap_resume(%rip), %rdx\n"
        " call *%rax\n"
        " jmp 1f\n"
        "snap_resume:\n"
        " cld\n"
        " mov $1, %eax\n"
        "1: ldmxcsr (%rsp)\n fldcw 4(%rsp)\n"
        " add $8, %rsp\n"
        " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
        " ret\n"
        ".size snap_point, .-snap_point\n");

static int fail(struct snap *snap, const char *why)
{
    (void) snprintf(snap->reason, SNAP_REASON_MAX, "%s", why);
    return SNAP_REFUSED;
}

/* ---- writing ---- */

static int put(struct snap *snap, const void *bytes, uint64_t size)
{
    const char *at = bytes;
    while (size > 0) {
        long n = sys3(__NR_write, snap->fd, (long) at, (long) size);
        if (n == -4) /* EINTR */
            continue;
        if (n < 0)
            return (int) n;
        at += n;
        size -= (uint64_t) n;
    }
    return 0;
}

/* One page that write could not read: it lacks the permission, or lies behind the end of its file
 * and is zero in effect. */
static int put_page(struct snap *snap, uint64_t address)
{
    unsigned char *page = snap->notes->page;
    long n = sys4(__NR_pread64, snap->memory_fd, (long) page, IMAGE_PAGE, (long) address);
    if (n != IMAGE_PAGE)
        memset(page, 0, IMAGE_PAGE);
    return put(snap, page, IMAGE_PAGE);
}

static int put_segment(struct snap *snap, const struct image_segment *s)
{
    enum { CHUNK = 64 * 1024 };
    for (uint64_t at = s->start; at < s->end;) {
        uint64_t size = s->end - at < CHUNK ? s->end - at : CHUNK;
        long n = sys3(__NR_write, snap->fd, (long) at, (long) size);
        if (n == -4) /* EINTR */
            continue;
        if (n == -14) { /* EFAULT */
            if (put_page(snap, at) < 0)
                return SNAP_REFUSED;
            at += IMAGE_PAGE;
            continue;
        }
        if (n < 0)
            return SNAP_REFUSED;
        at += (uint64_t) n;
        uint64_t part = at % IMAGE_PAGE; /* pages stay whole, whatever the pipe took */
        if (part != 0 && at < s->end) {
            if (put(snap, (const void *) (uintptr_t) at, IMAGE_PAGE - part) < 0)
                return SNAP_REFUSED;
            at += IMAGE_PAGE - part;
        }
    }
    return 0;
}

static int put_tables(struct snap *snap)
{
    struct snap_notes *notes = snap->notes;
    struct image_header *header = &notes->header;
    size_t files = header->file_count * sizeof notes->files[0];
    size_t segments = header->segment_count * sizeof notes->segments[0];
    uint64_t hash = image_hash(2, (const char *) header + 16, sizeof *header - 16);
    hash = image_hash(hash, notes->files, files);
    hash = image_hash(hash, notes->segments, segments);
    header->check = image_hash(hash, notes->names, header->names_bytes);
    size_t over = image_tables_size(header) % IMAGE_PAGE;
    memset(notes->page, 0, sizeof notes->page);
    if (put(snap, header, sizeof *header) < 0 || put(snap, notes->files, files) < 0 ||
        put(snap, notes->segments, segments) < 0 ||
        put(snap, notes->names, header->names_bytes) < 0 ||
        (over != 0 && put(snap, notes->page, IMAGE_PAGE - over) < 0))
        return SNAP_REFUSED;
    return 0;
}

static int write_image(struct snap *snap, uint64_t sp, uint64_t ip)
{
    struct snap_notes *notes = snap->notes;
    if (snap_maps_read(notes, snap->state, snap->reason) < 0)
        return SNAP_REFUSED;
    notes->header.resume_sp = sp;
    notes->header.resume_ip = ip;
    if (put_tables(snap) < 0)
        return fail(snap, "the image cannot be written");
    for (uint32_t i = 0; i < notes->header.segment_count; i++)
        if (notes->segments[i].kind == IMAGE_DATA && put_segment(snap, &notes->segments[i]) < 0)
            return fail(snap, "the image cannot be written");
    return SNAP_WRITTEN;
}

/* The process as it is, with its other threads stopped. */
static int take(struct snap *snap, int kept_fd)
{
    struct snap_state *state = snap->state;
    if (snap_files_note(snap->fd, kept_fd, state, snap->reason) < 0 || snap_check(snap->reason) < 0)
        return SNAP_REFUSED;
    const char *missing = snap_state_save(state);
    if (missing != NULL)
        return fail(snap, missing);
    snap->notes = snap_notes_open();
    if (snap->notes == NULL)
        return fail(snap, "the snapshotter's place is taken");
    snap->memory_fd = sys3(__NR_open, (long) "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
    int rc = snap_point(snap, write_image);
    if (rc == SNAP_RESTORED)
        snap_state_load(state);
    else
        (void) sys3(__NR_close, snap->memory_fd, 0, 0);
    snap_notes_close(); /* in a copy, the restorer has this place */
    return rc;
}

enum snap_result snap_take(int fd, int kept_fd, unsigned threads_max, char reason[SNAP_REASON_MAX])
{
    struct snap_state state;
    memset(&state, 0, sizeof state);
    struct snap snap = {.fd = fd, .reason = reason, .state = &state};
    int rc = snap_threads_stop(threads_max, reason);
    if (rc == 0)
        rc = take(&snap, kept_fd);
    if (rc != SNAP_RESTORED)
        snap_threads_release();
    return rc;
}
