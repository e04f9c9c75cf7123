#pragma once
/* What the files of the snapshotter share. */
#include "restorer/image.h"
#include "restorer/snap.h"

#include <stdint.h>

/* ---- snap_state.c ---- */

enum {
    SNAP_SIGNALS = 64,
    SNAP_CWD_MAX = 512,
    SNAP_FILES_MAX = 64,
    SNAP_WATCHES_MAX = 64,
    SNAP_THREADS_MAX = 64,
    SNAP_PATH_MAX = 256,
    SNAP_HELD_MAX = 16,
    SNAP_WIPED_MAX = 16,
    SNAP_EXIT_STATE = 96, /* the exit code of a copy that the kernel refuses something */
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

enum snap_file_kind {
    SNAP_FILE_KEPT = 1,
    SNAP_FILE_OPENED,
    SNAP_FILE_EVENT,
    SNAP_FILE_PIPE,
    SNAP_FILE_EPOLL
};

/* An open descriptor. */
struct snap_file {
    int32_t fd, flags;  /* flags of open(2), O_CLOEXEC included */
    uint32_t kind;      /* enum snap_file_kind */
    int32_t other_fd;   /* PIPE: the other end */
    int64_t offset;     /* OPENED */
    uint64_t id, count; /* EVENT */
    uint32_t held_size; /* PIPE, reading end: what is in it */
    unsigned char held[SNAP_HELD_MAX];
    char path[SNAP_PATH_MAX]; /* what /proc/self/fd says */
};

/* What an epoll watches. */
struct snap_watch {
    int32_t epoll_fd, fd;
    uint64_t data;
    uint32_t events, zero;
};

/* What the kernel knows about one thread. */
struct snap_thread {
    uint64_t
        sp; /* of all but the calling thread: where it was stopped; first, see snap_threads.c */
    uint64_t fs_base;
    uint64_t tid_address;
    uint64_t robust_list, robust_size;
    uint64_t rseq;
    uint32_t rseq_size;
    struct kernel_stack signal_stack;
    char name[16];
    const char *missing; /* what could not be read; NULL: nothing */
};

/* What the kernel knows about a process, besides its mappings. Lies on the stack of the process, so
 * the copy finds it in its own memory. */
struct snap_state {
    struct snap_thread main; /* the thread that takes the snapshot */
    uint64_t gs_base;
    struct kernel_sigaction signals[SNAP_SIGNALS + 1];
    uint64_t signal_mask;
    struct kernel_mm_map mm;
    uint32_t umask;
    long membarriers;
    char cwd[SNAP_CWD_MAX];
    uint32_t file_count, watch_count;
    struct snap_file files[SNAP_FILES_MAX]; /* by ascending descriptor */
    struct snap_watch watches[SNAP_WATCHES_MAX];
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

/* The same for one thread, which calls them. Its thread pointer and number are the caller's care.
 */
const char *snap_thread_state_save(struct snap_thread *thread);
void snap_thread_state_load(const struct snap_thread *thread);

/* ---- snap_threads.c ---- */

/* Stops all other threads. SNAP_REFUSED and the reason when there are more than threads_max in all,
 * or one of them does not come to rest; release is due in any case. */
int snap_threads_stop(unsigned threads_max, char reason[SNAP_REASON_MAX]);
void snap_threads_release(void);
/* In a copy: they go on. All signals must be blocked. */
void snap_threads_start(void);

/* ---- snap_files.c ---- */

/* Notes the open descriptors in state, which is zeroed; SNAP_REFUSED and the reason when there is
 * one that a copy could not have. fd: not noted; kept_fd: as 0 to 2. */
int snap_files_note(int fd, int kept_fd, struct snap_state *state, char reason[SNAP_REASON_MAX]);
/* In a copy: opens them. */
void snap_files_load(const struct snap_state *state);

/* ---- snap_check.c ---- */

/* SNAP_REFUSED and the reason when something lives or is pending that a copy would lack. */
int snap_check(char reason[SNAP_REASON_MAX]);
/* Calls `each` for the entries of a directory until it answers other than 0, and returns that. */
int snap_list(const char *path, int (*each)(long dir, const char *name, void *arg), void *arg);

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
