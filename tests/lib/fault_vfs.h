#pragma once
/* A disk in memory behind SQLite's file layer, that can fail and lose power. It is the default VFS
 * between fault_vfs_start and fault_vfs_stop; the code under test does not know.
 *
 * Each file has the bytes that a reader sees and the bytes that the platters have, in sectors of
 * 512. A write dirties sectors; a successful sync copies the dirty ones over. As on Linux, a failed
 * sync marks them clean *without* copying: they stay readable, and no later sync writes them.
 * While the power is off every operation fails and changes nothing; afterwards the readable bytes
 * are the durable ones, plus whatever of the dirty sectors the kind of cut lets through.
 *
 * thread: one; one disk per process. */
#include <stdbool.h>
#include <stdint.h>

enum fault_cut {
    FAULT_CUT_SYNCED_ONLY, /* no dirty sector made it */
    FAULT_CUT_ALL,         /* the kernel had written everything: the same as kill -9 */
    FAULT_CUT_SOME,        /* each dirty sector, size and name: a coin from seed */
};

enum fault_kind {
    FAULT_EIO,   /* SQLITE_IOERR_*; a write puts half of its bytes first */
    FAULT_FULL,  /* a write that grows a file: SQLITE_FULL; only those are counted */
    FAULT_POWER, /* the power goes */
};

void fault_vfs_start(void);
void fault_vfs_stop(void); /* all databases are closed */

/* The at-th operation from now on (1 is the next) fails, once; 0: none fails. Counted are writes,
 * syncs, truncates, deletes and opens. */
void fault_vfs_arm(enum fault_kind kind, unsigned at);
bool fault_vfs_has_fired(void);

void fault_vfs_power_off(void);
/* All databases are closed (nothing of that reached the disk). */
void fault_vfs_power_on(enum fault_cut cut, uint64_t seed);
