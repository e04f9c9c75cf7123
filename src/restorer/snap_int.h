#pragma once
/* What the files of the snapshotter share. */
#include "restorer/image.h"
#include "restorer/snap.h"

#include <stdint.h>

/* ---- snap_state.c ---- */

enum {
    SNAP_SIGNALS = 64,
    SNAP_CWD_MAX = 512,
    SNAP_FILES_MAX = 16,
    SNAP_PATH_MAX = 256,
    SNAP_WIPED_MAX = 16
};

struct kernel_sigaction {
    uint64_t handler, flags, restorer, mask;
};

/* prctl(PR_SET_MM_MAP)'s struct prctl_mm_map. */
struct kernel_mm_map {
    uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
    uint64_t arg_start, arg_end, env_start, env_end, auxv;
    uint32_t auxv_size, exe_fd;
};

struct kernel_stack {
    uint64_t sp;
    int32_t flags, zero;
    uint64_t size;
};

/* An open file that a copy opens anew. */
struct snap_file {
    int32_t fd, flags; /* flags of open(2) */
    int64_t offset;
    char path[SNAP_PATH_MAX];
};

/* What the kernel knows about a process, besides its mappings. Lies on the stack of the process, so
 * the copy finds it in its own memory. */
struct snap_state {
    uint64_t fs_base, gs_base;
    uint64_t tid_address;
    uint64_t robust_list, robust_size;
    uint64_t rseq;
    uint32_t rseq_size;
    struct kernel_sigaction signals[SNAP_SIGNALS + 1];
    uint64_t signal_mask;
    struct kernel_stack signal_stack;
    struct kernel_mm_map mm;
    uint32_t umask;
    char name[16];
    char cwd[SNAP_CWD_MAX];
    uint32_t file_count;
    struct snap_file files[SNAP_FILES_MAX]; /* by ascending descriptor */
    /* Memory that a fork empties (MADV_WIPEONFORK): empty in a copy, with the same rule. */
    uint32_t wiped_count;
    struct {
        uint64_t start, end;
    } wiped[SNAP_WIPED_MAX];
};

/* Fills the rest of state. NULL, or the name of what could not be read. */
const char *snap_state_save(struct snap_state *state);
/* In the copy: no C library, no thread-local storage before it is done. Ends the process when the
 * kernel refuses something that it cannot do without. */
void snap_state_load(struct snap_state *state);

/* ---- snap_check.c ---- */

/* SNAP_REFUSED and the reason when something is open, running or pending that a copy would lack.
 * Files that a copy can open anew are noted in state, which is zeroed. */
int snap_check(int fd, int kept_fd, struct snap_state *state, char reason[SNAP_REASON_MAX]);

/* ---- snap_maps.c ---- */

struct snap_notes; /* at IMAGE_OWN_START, so never part of an image */

struct snap_notes *snap_notes_open(void); /* NULL: the place is taken */
void snap_notes_close(void);
/* Reads the own mappings into header, files, segments, names, and the ranges to be wiped into
 * state. */
int snap_maps_read(struct snap_notes *notes, struct snap_state *state,
                   char reason[SNAP_REASON_MAX]);

enum { SNAP_TEXT = 64 * 1024, SNAP_PAGEMAP = 512 };

struct snap_notes {
    struct image_header header;
    struct image_file files[IMAGE_FILES_MAX];
    struct image_segment segments[IMAGE_SEGMENTS_MAX];
    char names[IMAGE_NAMES_MAX];
    uint64_t size; /* of the image so far */
    char text[SNAP_TEXT];
    uint64_t pagemap[SNAP_PAGEMAP];
    unsigned char page[IMAGE_PAGE]; /* zeroes, or a copy of one that is not readable */
};
