#pragma once
/* The image of an initialised process: its byte format and the check of it. Freestanding; the
 * restorer, the snapshotter and the tests include it.
 *
 *     header     struct image_header, 80 bytes
 *     files      file_count × struct image_file: what the process had mapped, by identity
 *     segments   segment_count × struct image_segment, ascending, not overlapping
 *     names      names_bytes, multiple of 8: paths, each with its NUL
 *     zeroes     up to the next page
 *     pages      contents of the DATA segments, in the order of the segments
 *
 *     seal       struct image_seal in a page of its own, written by who keeps the image: a hash of
 *                all before it
 *
 * All numbers little-endian, all sizes and addresses multiples of a page unless said otherwise.
 * Header, files, segments and names together are the tables; `check` covers them all but itself.
 * The pages are not covered: a restore reads a few of them only, which is what makes it fast. The
 * first restore after an image was put away and found again checks the seal (RESTORER_CHECKS).
 *
 * An image is data of a tenant: his process wrote it, and may write anything. It is read by the
 * restorer alone, inside a sandbox of the same tenant, which could call mmap itself. The check
 * keeps an honest restore from going wrong in the middle; it is no border. */
#include <stddef.h>
#include <stdint.h>

enum {
    IMAGE_VERSION = 1,
    IMAGE_PAGE = 4096,
    IMAGE_SEGMENTS_MAX = 8192,
    IMAGE_FILES_MAX = 1024,
    IMAGE_NAMES_MAX = 128 * 1024,
    IMAGE_NAME_MAX = 512, /* one path with its NUL */
};

/* The restorer is linked here, and the snapshotter keeps its notes here, so that neither is ever
 * part of an image. Nothing else comes this way: programs and their heap lie near 0x55…, mappings
 * near 0x7f…, and V8 chooses its own below 0x4000…. */
#define IMAGE_OWN_START UINT64_C(0x600000000000)
#define IMAGE_OWN_END   UINT64_C(0x600004000000)
/* Lowest address that a segment may have (the kernel's usual mmap_min_addr) and the end of the
 * address space of a process with 47 bits. */
#define IMAGE_LOWEST  UINT64_C(0x10000)
#define IMAGE_HIGHEST UINT64_C(0x7ffffffff000)

#define IMAGE_MAGIC                                                                                \
    {                                                                                              \
        'V', 'R', 'G', 'A', 'S', 'N', 'A', 'P'                                                     \
    }

struct image_header {
    char magic[8];
    uint64_t check;
    uint64_t size_bytes; /* of the whole image */
    uint64_t kernel;     /* image_kernel of the system it was made on: the vDSO's layout */
    uint32_t version;
    uint32_t file_count;
    uint32_t segment_count;
    uint32_t names_bytes;
    uint64_t resume_ip, resume_sp; /* where the process goes on; no multiples of a page */
    uint64_t zero[2];
};

/* A file is what it was as long as these four are the same. ino 0: identified by the size and the
 * key of the image alone, for files that Virga itself brings (their file system is made anew with
 * each start). */
struct image_file {
    uint64_t dev, ino, mtime_ns, size;
    uint32_t name; /* offset into names */
    uint32_t zero;
};

enum image_kind {
    IMAGE_ANON = 1, /* memory that holds zeroes */
    IMAGE_DATA,     /* memory whose contents lie at `offset` of the image */
    IMAGE_FILE,     /* `offset` of file number `file` */
    IMAGE_VDSO,     /* what the kernel puts into each process: vvar, vvar_vclock, vdso */
    IMAGE_KINDS,
};

struct image_segment {
    uint64_t start, end;
    uint64_t offset;
    uint32_t file;
    uint8_t kind;    /* enum image_kind */
    uint8_t prot;    /* PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4 */
    uint8_t is_vdso; /* of an IMAGE_VDSO: this one is the vDSO proper */
    uint8_t zero;
};

#define IMAGE_SEAL_MAGIC                                                                           \
    {                                                                                              \
        'V', 'R', 'G', 'A', 'S', 'E', 'A', 'L'                                                     \
    }

struct image_seal {
    char magic[8];
    uint64_t size_bytes; /* of everything before the seal */
    uint64_t hash;       /* image_hash of it, from IMAGE_SEAL_SEED on */
    uint64_t check;      /* of the three above */
};
#define IMAGE_SEAL_SEED UINT64_C(3)

_Static_assert(sizeof(struct image_header) == 80, "no padding in a header");
_Static_assert(sizeof(struct image_file) == 40, "no padding in a file");
_Static_assert(sizeof(struct image_segment) == 32, "no padding in a segment");

enum {
    IMAGE_TABLES_MAX = (int) sizeof(struct image_header) +
                       IMAGE_FILES_MAX * (int) sizeof(struct image_file) +
                       IMAGE_SEGMENTS_MAX * (int) sizeof(struct image_segment) + IMAGE_NAMES_MAX,
};

/* Why an image is not restored; the exit code of the restorer. */
enum image_fault {
    IMAGE_OK = 0,
    IMAGE_FAULT_READ = 64, /* the descriptor cannot be read */
    IMAGE_FAULT_HEADER,    /* no image, another version, impossible counts */
    IMAGE_FAULT_CHECK,     /* damaged tables */
    IMAGE_FAULT_KERNEL,    /* made on another kernel */
    IMAGE_FAULT_NAMES,
    IMAGE_FAULT_FILES,
    IMAGE_FAULT_SEGMENTS,
    IMAGE_FAULT_STALE, /* a mapped file is gone or is another one */
    IMAGE_FAULT_VDSO,  /* the vDSO does not move, or differs */
    IMAGE_FAULT_MAP,   /* the kernel refuses a mapping */
    IMAGE_FAULT_SEAL,  /* it is not what was put away */
    IMAGE_FAULT_LAST = IMAGE_FAULT_SEAL,
};

/* A hash of whole 8-byte words; against accidents, not against forgers. */
static inline uint64_t image_hash(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        __builtin_memcpy(&word, at, 8);
        hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 29;
    }
    return hash;
}

/* A number for uname's release, version and machine, each in a zeroed field of 65 bytes as the
 * kernel writes them. */
struct image_uname {
    char sysname[65], nodename[65], release[65], version[65], machine[65], domain[65];
};
static inline uint64_t image_kernel(const struct image_uname *uname)
{
    uint64_t hash = image_hash(1, uname->release, 64);
    hash = image_hash(hash, uname->version, 64);
    return image_hash(hash, uname->machine, 64);
}

static inline uint64_t image_seal_check(const struct image_seal *seal)
{
    return image_hash(4, seal, offsetof(struct image_seal, check));
}

static inline size_t image_tables_size(const struct image_header *header)
{
    return sizeof *header + header->file_count * sizeof(struct image_file) +
           header->segment_count * sizeof(struct image_segment) + header->names_bytes;
}

static inline const struct image_file *image_files(const struct image_header *header)
{
    return (const struct image_file *) (header + 1);
}

static inline const struct image_segment *image_segments(const struct image_header *header)
{
    return (const struct image_segment *) (image_files(header) + header->file_count);
}

static inline const char *image_names(const struct image_header *header)
{
    return (const char *) (image_segments(header) + header->segment_count);
}

/* What `check` must be, given whole tables. */
static inline uint64_t image_check_of(const struct image_header *header)
{
    return image_hash(2, (const char *) header + 16, image_tables_size(header) - 16);
}

/* The first check, of the header alone: may image_tables_size bytes be read? */
static inline enum image_fault image_check_header(const struct image_header *header)
{
    static const char magic[8] = IMAGE_MAGIC;
    for (int i = 0; i < 8; i++)
        if (header->magic[i] != magic[i])
            return IMAGE_FAULT_HEADER;
    if (header->version != IMAGE_VERSION || header->zero[0] != 0 || header->zero[1] != 0 ||
        header->file_count > IMAGE_FILES_MAX || header->segment_count == 0 ||
        header->segment_count > IMAGE_SEGMENTS_MAX || header->names_bytes > IMAGE_NAMES_MAX ||
        header->names_bytes % 8 != 0 || header->size_bytes % IMAGE_PAGE != 0 ||
        header->size_bytes < image_tables_size(header) || header->size_bytes > INT64_MAX)
        return IMAGE_FAULT_HEADER;
    return IMAGE_OK;
}

static inline enum image_fault image_check_files(const struct image_header *header)
{
    const struct image_file *files = image_files(header);
    const char *names = image_names(header);
    if (header->names_bytes > 0 && names[header->names_bytes - 1] != '\0')
        return IMAGE_FAULT_NAMES;
    for (uint32_t i = 0; i < header->file_count; i++)
        if (files[i].name >= header->names_bytes || names[files[i].name] != '/' ||
            files[i].zero != 0)
            return IMAGE_FAULT_FILES;
    return IMAGE_OK;
}

static inline int image_segment_is_sound(const struct image_header *header,
                                         const struct image_segment *s)
{
    if (s->kind == 0 || s->kind >= IMAGE_KINDS || s->prot > 7 || s->zero != 0 || s->is_vdso > 1 ||
        s->start % IMAGE_PAGE != 0 || s->end % IMAGE_PAGE != 0 || s->offset % IMAGE_PAGE != 0 ||
        s->start >= s->end || s->start < IMAGE_LOWEST || s->end > IMAGE_HIGHEST)
        return 0;
    if (s->start < IMAGE_OWN_END && s->end > IMAGE_OWN_START)
        return 0;
    if (s->kind == IMAGE_DATA)
        return s->offset >= image_tables_size(header) && s->offset < header->size_bytes &&
               s->end - s->start <= header->size_bytes - s->offset && s->file == 0;
    if (s->kind == IMAGE_FILE)
        return s->file < header->file_count && s->offset <= INT64_MAX;
    return s->file == 0 && s->offset == 0;
}

/* Checks whole tables; afterwards every number in them can be used as it is. */
static inline enum image_fault image_check(const struct image_header *header)
{
    if (header->check != image_check_of(header))
        return IMAGE_FAULT_CHECK;
    enum image_fault fault = image_check_files(header);
    if (fault != IMAGE_OK)
        return fault;
    const struct image_segment *s = image_segments(header);
    uint64_t end = 0;
    int can_resume = 0, vdso_count = 0;
    for (uint32_t i = 0; i < header->segment_count; i++) {
        if (!image_segment_is_sound(header, &s[i]) || s[i].start < end)
            return IMAGE_FAULT_SEGMENTS;
        end = s[i].end;
        vdso_count += s[i].kind == IMAGE_VDSO && s[i].is_vdso;
        can_resume |=
            (s[i].prot & 4) != 0 && header->resume_ip >= s[i].start && header->resume_ip < s[i].end;
    }
    return can_resume && vdso_count <= 1 ? IMAGE_OK : IMAGE_FAULT_SEGMENTS;
}
