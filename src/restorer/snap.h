#pragma once
/* The snapshotter: writes the image of the process that it runs in, and is where each process
 * restored from that image comes to itself. Loaded only in the template, through one small library
 * per language (snap_python.c, snap_node.c). */
#include <stddef.h>

enum { SNAP_REASON_MAX = 256 };

enum snap_result {
    SNAP_REFUSED = -1, /* see reason: the process cannot be copied, or the image not be written */
    SNAP_WRITTEN = 0,  /* this is the template, which has nothing left to do */
    SNAP_RESTORED = 1, /* this is a copy, in a process of its own */
};

/* Writes the image to `fd`, from its beginning to its end, which a pipe is enough for.
 * kept_fd: a descriptor that copies get from elsewhere under the same number, as 0 to 2 (the
 * control socket). threads_max: how many threads may run, the calling one included; the others must
 * come to rest within a second, and run on in each copy. thread: any, with 64 kB of stack; no other
 * may call it at the same time. */
enum snap_result snap_take(int fd, int kept_fd, unsigned threads_max, char reason[SNAP_REASON_MAX]);
