/* From the process's mappings to the segments of an image.
 *
 * /proc/self/smaps gives for each mapping where it comes from and how much of it is the process's
 * own ("Anonymous:", "Swap:"); that, not its protection, says whether it differs from its file:
 * relocated constants (RELRO) are read-only and modified. Where something is, /proc/self/pagemap
 * says which pages. Own pages become DATA; between them, where enough lie together, untouched
 * memory becomes ANON and unmodified pages of a file become FILE, the rest is swallowed, since a
 * segment costs the restore a system call.
 *
 * The stack is special: the kernel grows it on demand, but only the mapping that it made itself. A
 * copy gets the room below it as untouched memory instead.
 *
 * The notes lie at a fixed place that is no part of an image, so that taking them changes nothing
 * that is in it. */
#include "restorer/snap_int.h"
#include "restorer/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum {
    GAP_PAGES = 64,
    STACK_ROOM = 8 << 20, /* RLIMIT_STACK in a sandbox */
    STACK_GUARD = 1 << 20,
};
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define PAGEMAP_FILE    (UINT64_C(1) << 61)

/* One mapping as smaps describes it. */
struct vma {
    uint64_t start, end, offset, ino, own_kb;
    uint8_t prot;
    int is_shared, can_write; /* both: others would see what a copy writes */
    int is_odd;               /* has a rule that a copy could not keep */
    int is_wiped;             /* by fork */
    char name[IMAGE_NAME_MAX];
};

struct reader {
    struct snap_notes *notes;
    struct snap_state *state;
    char *reason;
    long pagemap_fd;
    struct vma vma;
    int has_vma;
};

struct snap_notes *snap_notes_open(void)
{
    long at =
        sys6(__NR_mmap, (long) IMAGE_OWN_START, sizeof(struct snap_notes), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return sys_is_error(at) ? NULL : (struct snap_notes *) at;
}

void snap_notes_close(void)
{
    (void) sys3(__NR_munmap, (long) IMAGE_OWN_START, (long) (IMAGE_OWN_END - IMAGE_OWN_START), 0);
}

static int refuse(struct reader *r, const char *why)
{
    (void) snprintf(r->reason, SNAP_REASON_MAX, "%s: %.200s", why,
                    r->vma.name[0] == '\0' ? "memory" : r->vma.name);
    return SNAP_REFUSED;
}

/* ---- segments ---- */

static int segment_add(struct reader *r, uint64_t start, uint64_t end, enum image_kind kind,
                       uint64_t offset, uint32_t file)
{
    struct snap_notes *notes = r->notes;
    if (start >= end)
        return 0;
    struct image_segment *last =
        notes->header.segment_count == 0 ? NULL : &notes->segments[notes->header.segment_count - 1];
    if (kind == IMAGE_DATA) {
        offset = notes->size;
        notes->size += end - start;
    }
    if (last != NULL && last->end == start && last->prot == r->vma.prot && last->kind == kind &&
        (kind == IMAGE_ANON || kind == IMAGE_DATA)) {
        last->end = end;
        return 0;
    }
    if (notes->header.segment_count == IMAGE_SEGMENTS_MAX)
        return refuse(r, "too many mappings");
    notes->segments[notes->header.segment_count++] =
        (struct image_segment){.start = start,
                               .end = end,
                               .offset = offset,
                               .file = file,
                               .kind = (uint8_t) kind,
                               .prot = r->vma.prot,
                               .is_vdso = strcmp(r->vma.name, "[vdso]") == 0};
    return 0;
}

/* The number of the mapping's file among the files. */
static int file_find(struct reader *r, uint32_t *out)
{
    struct snap_notes *notes = r->notes;
    uint32_t count = notes->header.file_count;
    for (uint32_t i = count; i-- > 0;) /* mostly the last one: mappings of a file lie together */
        if (strcmp(notes->names + notes->files[i].name, r->vma.name) == 0) {
            *out = i;
            return 0;
        }
    size_t size = strlen(r->vma.name) + 1;
    if (count == IMAGE_FILES_MAX || notes->header.names_bytes + size > IMAGE_NAMES_MAX - 8)
        return refuse(r, "too many files are mapped");
    struct stat st;
    if (stat(r->vma.name, &st) < 0)
        return refuse(r, "a mapped file is not there");
    struct image_file *file = &notes->files[notes->header.file_count++];
    *file = (struct image_file){.size = (uint64_t) st.st_size, .name = notes->header.names_bytes};
    if (strncmp(r->vma.name, "/var/runtime/", 13) != 0) {
        file->dev = st.st_dev;
        file->ino = st.st_ino;
        file->mtime_ns =
            (uint64_t) st.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t) st.st_mtim.tv_nsec;
    }
    memcpy(notes->names + file->name, r->vma.name, size);
    notes->header.names_bytes += (uint32_t) size;
    *out = count;
    return 0;
}

/* What is not the process's own, between own pages or around them. */
static int rest_add(struct reader *r, uint64_t start, uint64_t end, uint32_t file)
{
    if (r->vma.ino == 0)
        return segment_add(r, start, end, IMAGE_ANON, 0, 0);
    return segment_add(r, start, end, IMAGE_FILE, r->vma.offset + (start - r->vma.start), file);
}

static int is_own(uint64_t entry)
{
    return (entry & PAGEMAP_SWAPPED) != 0 ||
           ((entry & PAGEMAP_PRESENT) != 0 && (entry & PAGEMAP_FILE) == 0);
}

/* A mapping with own pages: DATA from the first to the last of each group of them. */
static int mixed_add(struct reader *r, uint32_t file)
{
    const struct vma *vma = &r->vma;
    uint64_t rest = vma->start; /* not added yet */
    uint64_t data = 0, data_end = 0;
    for (uint64_t at = vma->start; at < vma->end;) {
        uint64_t pages = (vma->end - at) / IMAGE_PAGE;
        if (pages > SNAP_PAGEMAP)
            pages = SNAP_PAGEMAP;
        long n = sys4(__NR_pread64, r->pagemap_fd, (long) r->notes->pagemap, (long) pages * 8,
                      (long) (at / IMAGE_PAGE * 8));
        if (n != (long) pages * 8)
            return refuse(r, "pagemap cannot be read");
        for (uint64_t i = 0; i < pages; i++, at += IMAGE_PAGE) {
            if (!is_own(r->notes->pagemap[i]))
                continue;
            if (data_end != 0 && at - data_end >= (uint64_t) GAP_PAGES * IMAGE_PAGE) {
                if (rest_add(r, rest, data, file) < 0 ||
                    segment_add(r, data, data_end, IMAGE_DATA, 0, 0) < 0)
                    return SNAP_REFUSED;
                rest = data_end;
                data_end = 0;
            }
            if (data_end == 0)
                data = at - rest < (uint64_t) GAP_PAGES * IMAGE_PAGE ? rest : at;
            data_end = at + IMAGE_PAGE;
        }
    }
    if (data_end == 0)
        return rest_add(r, rest, vma->end, file);
    if (rest_add(r, rest, data, file) < 0)
        return SNAP_REFUSED;
    if (vma->end - data_end < (uint64_t) GAP_PAGES * IMAGE_PAGE)
        data_end = vma->end;
    if (segment_add(r, data, data_end, IMAGE_DATA, 0, 0) < 0)
        return SNAP_REFUSED;
    return rest_add(r, data_end, vma->end, file);
}

static int stack_room_add(struct reader *r)
{
    uint32_t count = r->notes->header.segment_count;
    uint64_t below = count == 0 ? IMAGE_LOWEST : r->notes->segments[count - 1].end + STACK_GUARD;
    uint64_t lowest = r->vma.end - STACK_ROOM;
    return segment_add(r, below > lowest ? below : lowest, r->vma.start, IMAGE_ANON, 0, 0);
}

static int wiped_add(struct reader *r)
{
    struct snap_state *state = r->state;
    if (state->wiped_count == SNAP_WIPED_MAX || r->vma.ino != 0)
        return refuse(r, "much memory that fork empties is mapped");
    state->wiped[state->wiped_count].start = r->vma.start;
    state->wiped[state->wiped_count++].end = r->vma.end;
    return segment_add(r, r->vma.start, r->vma.end, IMAGE_ANON, 0, 0);
}

static int vma_add(struct reader *r)
{
    const struct vma *vma = &r->vma;
    if (!r->has_vma || strcmp(vma->name, "[vsyscall]") == 0 ||
        (vma->start >= IMAGE_OWN_START && vma->end <= IMAGE_OWN_END))
        return 0;
    if (strncmp(vma->name, "[vvar", 5) == 0 || strcmp(vma->name, "[vdso]") == 0)
        return segment_add(r, vma->start, vma->end, IMAGE_VDSO, 0, 0);
    if (vma->is_shared && vma->can_write)
        return refuse(r, "shared memory is mapped");
    if (vma->is_odd)
        return refuse(r, "memory with a special rule is mapped");
    if (strstr(vma->name, " (deleted)") != NULL || (vma->ino != 0 && vma->name[0] != '/'))
        return refuse(r, "a mapped file is not there");
    if (vma->is_wiped)
        return wiped_add(r);
    uint32_t file = 0;
    if (vma->ino != 0 && file_find(r, &file) < 0)
        return SNAP_REFUSED;
    if (strcmp(vma->name, "[stack]") == 0 && stack_room_add(r) < 0)
        return SNAP_REFUSED;
    return vma->own_kb == 0 ? rest_add(r, vma->start, vma->end, file) : mixed_add(r, file);
}

/* ---- the text of smaps ---- */

static uint64_t number(const char **at, unsigned base)
{
    uint64_t value = 0;
    for (;; (*at)++) {
        char c = **at;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned) (c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned) (c - 'a') + 10
                                                : 16;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

static const char *skip_spaces(const char *at)
{
    while (*at == ' ')
        at++;
    return at;
}

/* "7f00-7f01 r-xp 00001000 fe:01 1234    /usr/lib/x.so"; false: not such a line. */
static int head_parse(struct vma *vma, const char *line)
{
    const char *at = line;
    uint64_t start = number(&at, 16);
    if (at == line || *at++ != '-')
        return 0;
    memset(vma, 0, sizeof *vma);
    vma->start = start;
    vma->end = number(&at, 16);
    at = skip_spaces(at);
    if (strlen(at) < 5)
        return 0;
    vma->prot = (uint8_t) ((at[0] == 'r' ? PROT_READ : 0) | (at[1] == 'w' ? PROT_WRITE : 0) |
                           (at[2] == 'x' ? PROT_EXEC : 0));
    vma->is_shared = at[3] == 's';
    at = skip_spaces(at + 4);
    vma->offset = number(&at, 16);
    at = strchr(skip_spaces(at), ' '); /* the device */
    if (at == NULL)
        return 0;
    at = skip_spaces(at);
    vma->ino = number(&at, 10);
    (void) snprintf(vma->name, sizeof vma->name, "%s", skip_spaces(at));
    return 1;
}

/* dp: emptied at will, ht: huge pages of a pool, io, pf: a device's. */
static int has_odd_flag(const char *flags)
{
    static const char *const odd[] = {" dp", " ht", " io", " pf"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        if (strstr(flags, odd[i]) != NULL)
            return 1;
    return 0;
}

static int line_take(struct reader *r, const char *line)
{
    if (line[0] >= 'A' && line[0] <= 'Z') {
        const char *colon = strchr(line, ':');
        if (colon == NULL)
            return 0;
        if (strncmp(line, "ProtectionKey:", 14) == 0) {
            const char *at = skip_spaces(colon + 1);
            r->vma.is_odd = number(&at, 10) != 0;
        }
        if (strncmp(line, "VmFlags:", 8) == 0) {
            r->vma.is_odd |= has_odd_flag(colon + 1);
            r->vma.is_wiped = strstr(colon + 1, " wf") != NULL;
            r->vma.can_write = strstr(colon + 1, " mw") != NULL;
        }
        if (strncmp(line, "Anonymous:", 10) == 0 || strncmp(line, "Swap:", 5) == 0) {
            const char *at = skip_spaces(colon + 1);
            r->vma.own_kb += number(&at, 10);
        }
        return 0;
    }
    if (vma_add(r) < 0)
        return SNAP_REFUSED;
    r->has_vma = head_parse(&r->vma, line);
    return 0;
}

/* Line by line through the text buffer; a line longer than it is cut. */
static int text_read(struct reader *r, long fd)
{
    char *text = r->notes->text;
    size_t len = 0;
    for (;;) {
        long n = sys3(__NR_read, fd, (long) (text + len), (long) (SNAP_TEXT - 1 - len));
        if (n < 0)
            return refuse(r, "smaps cannot be read");
        len += (size_t) n;
        text[len] = '\0';
        char *line = text;
        for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = '\0';
            if (line_take(r, line) < 0)
                return SNAP_REFUSED;
        }
        len -= (size_t) (line - text);
        memmove(text, line, len);
        if (n == 0)
            return vma_add(r);
    }
}

/* Gives each DATA segment its place behind the tables. */
static void offsets_set(struct snap_notes *notes)
{
    struct image_header *header = &notes->header;
    while (header->names_bytes % 8 != 0)
        notes->names[header->names_bytes++] = '\0';
    uint64_t base = (image_tables_size(header) + IMAGE_PAGE - 1) / IMAGE_PAGE * IMAGE_PAGE;
    for (uint32_t i = 0; i < header->segment_count; i++)
        if (notes->segments[i].kind == IMAGE_DATA)
            notes->segments[i].offset += base;
    header->size_bytes = notes->size + base;
}

int snap_maps_read(struct snap_notes *notes, struct snap_state *state, char reason[SNAP_REASON_MAX])
{
    static const char magic[8] = IMAGE_MAGIC;
    struct image_uname uname;
    memcpy(notes->header.magic, magic, sizeof magic);
    notes->header.version = IMAGE_VERSION;
    if (sys3(__NR_uname, (long) &uname, 0, 0) < 0)
        return SNAP_REFUSED;
    notes->header.kernel = image_kernel(&uname);
    struct reader r = {.notes = notes, .state = state, .reason = reason};
    r.pagemap_fd = sys3(__NR_open, (long) "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
    long fd = sys3(__NR_open, (long) "/proc/self/smaps", O_RDONLY | O_CLOEXEC, 0);
    int rc = SNAP_REFUSED;
    if (fd >= 0 && r.pagemap_fd >= 0)
        rc = text_read(&r, fd);
    else
        (void) snprintf(reason, SNAP_REASON_MAX, "/proc/self/smaps or pagemap cannot be opened");
    if (fd >= 0)
        (void) sys3(__NR_close, fd, 0, 0);
    if (r.pagemap_fd >= 0)
        (void) sys3(__NR_close, r.pagemap_fd, 0, 0);
    if (rc == 0)
        offsets_set(notes);
    return rc;
}
