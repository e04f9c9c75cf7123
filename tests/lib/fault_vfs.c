/* The disk: a handful of named files, each with `live` and `durable` bytes and a dirty mark per
 * sector. Only what a database in exclusive WAL mode needs is there: no shared memory, and locks
 * always granted (the real ones are tested on the real file system).
 *
 * Names are durable only after a sync of the directory, which SQLite's Unix layer does at the
 * first sync of a new journal or WAL, so that is where it happens here.
 *
 * Source: sqlite.org/c3ref/io_methods.html, /vfs.html; SQLite 3.40 os_unix.c (unixOpen, unixSync).
 */
#include "fault_vfs.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

#include <sqlite3.h>

enum { SECTOR = 512, FILE_MAX = 2 << 20, FILES = 8, SECTORS = FILE_MAX / SECTOR };

struct disk_file {
    char name[80];                 /* "" : unused */
    unsigned char *live, *durable; /* owned, FILE_MAX each, zero behind the size */
    bool *is_dirty;                /* owned, one per sector */
    int64_t live_size, durable_size;
    bool is_there, is_there_durably; /* the name */
    bool is_size_dirty;
    bool wants_dir_sync; /* the next sync of this file syncs the directory, too */
};

struct handle {
    sqlite3_file base;      /* first */
    struct disk_file *file; /* borrowed */
    bool is_scratch;        /* removed when closed */
};

static struct disk_file disk[FILES];
static sqlite3_vfs *host; /* clock, randomness */
static bool is_off;
static struct {
    enum fault_kind kind;
    unsigned left; /* operations until the fault; 0: not armed */
    bool has_fired;
} fault;

static struct disk_file *file_find(const char *name)
{
    for (int i = 0; i < FILES; i++)
        if (disk[i].name[0] != '\0' && strcmp(disk[i].name, name) == 0)
            return &disk[i];
    return NULL;
}

static struct disk_file *file_new(const char *name)
{
    for (int i = 0; i < FILES; i++) {
        struct disk_file *f = &disk[i];
        if (f->name[0] != '\0')
            continue;
        assert(strlen(name) < sizeof f->name);
        (void) snprintf(f->name, sizeof f->name, "%s", name);
        f->live = mem_new(FILE_MAX);
        f->durable = mem_new(FILE_MAX);
        f->is_dirty = mem_new(SECTORS * sizeof *f->is_dirty);
        return f;
    }
    static const bool has_room = false; /* for one more file */
    assert(has_room);
    return NULL;
}

static void file_done(struct disk_file *f)
{
    free(f->live);
    free(f->durable);
    free(f->is_dirty);
    *f = (struct disk_file){0};
}

/* True when this operation fails. */
static bool fault_is_now(bool grows)
{
    if (is_off)
        return true;
    if (fault.left == 0 || (fault.kind == FAULT_FULL && !grows) || --fault.left > 0)
        return false;
    fault.has_fired = true;
    is_off = fault.kind == FAULT_POWER;
    return true;
}

static struct handle *handle_of(sqlite3_file *base)
{
    return (struct handle *) (void *) base;
}

static int vfs_close(sqlite3_file *base)
{
    struct handle *h = handle_of(base);
    if (h->is_scratch)
        file_done(h->file);
    return SQLITE_OK;
}

static int vfs_read(sqlite3_file *base, void *out, int n, sqlite3_int64 at)
{
    const struct disk_file *f = handle_of(base)->file;
    int64_t there = f->live_size - at;
    there = there < 0 ? 0 : there > n ? n : there;
    memcpy(out, f->live + at, (size_t) there);
    memset((char *) out + there, 0, (size_t) (n - there));
    return there == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static void file_dirty(struct disk_file *f, int64_t from, int64_t to)
{
    for (int64_t s = from / SECTOR; s * SECTOR < to; s++)
        f->is_dirty[s] = true;
}

static void file_resize(struct disk_file *f, int64_t size)
{
    if (size < f->live_size) { /* Bytes that come back by a later growth are zero. */
        memset(f->live + size, 0, (size_t) (f->live_size - size));
        file_dirty(f, size, f->live_size);
    }
    f->is_size_dirty = f->is_size_dirty || size != f->live_size;
    f->live_size = size;
}

static int vfs_write(sqlite3_file *base, const void *bytes, int n, sqlite3_int64 at)
{
    struct disk_file *f = handle_of(base)->file;
    bool grows = at + n > f->live_size;
    bool fails = fault_is_now(grows);
    if (fails && !is_off && fault.kind == FAULT_FULL)
        return SQLITE_FULL;
    if (is_off)
        return SQLITE_IOERR_WRITE;
    int64_t wanted = fails ? n / 2 : n;
    assert(at + wanted <= FILE_MAX);
    if (at + wanted > f->live_size)
        file_resize(f, at + wanted);
    memcpy(f->live + at, bytes, (size_t) wanted);
    file_dirty(f, at, at + wanted);
    return fails ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    if (fault_is_now(false))
        return SQLITE_IOERR_TRUNCATE;
    file_resize(handle_of(base)->file, size);
    return SQLITE_OK;
}

static void sector_persist(struct disk_file *f, int64_t s)
{
    memcpy(f->durable + s * SECTOR, f->live + s * SECTOR, SECTOR);
}

static void names_persist(void)
{
    for (int i = 0; i < FILES; i++)
        disk[i].is_there_durably = disk[i].is_there;
}

static int vfs_sync(sqlite3_file *base, int flags UNUSED)
{
    struct disk_file *f = handle_of(base)->file;
    bool fails = fault_is_now(false);
    if (is_off)
        return SQLITE_IOERR_FSYNC;
    for (int64_t s = 0; s < SECTORS; s++) {
        if (f->is_dirty[s] && !fails)
            sector_persist(f, s);
        f->is_dirty[s] = false; /* after a failure, too: see the header */
    }
    if (fails)
        return SQLITE_IOERR_FSYNC;
    f->durable_size = f->live_size;
    f->is_size_dirty = false;
    if (f->wants_dir_sync)
        names_persist();
    f->wants_dir_sync = false;
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *base, sqlite3_int64 *out_size)
{
    *out_size = handle_of(base)->file->live_size;
    return SQLITE_OK;
}

static int vfs_lock(sqlite3_file *base UNUSED, int level UNUSED)
{
    return SQLITE_OK;
}

static int vfs_check_lock(sqlite3_file *base UNUSED, int *out_is_reserved)
{
    *out_is_reserved = 0;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *base UNUSED, int op UNUSED, void *arg UNUSED)
{
    return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *base UNUSED)
{
    return SECTOR;
}

/* What os_unix.c claims, too: a write does not harm bytes next to it. */
static int vfs_characteristics(sqlite3_file *base UNUSED)
{
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1, /* no shared memory */
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_lock,
    .xCheckReservedLock = vfs_check_lock,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector_size,
    .xDeviceCharacteristics = vfs_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs UNUSED, const char *name, sqlite3_file *base, int flags,
                    int *out_flags)
{
    struct handle *h = handle_of(base);
    h->base.pMethods = NULL;
    if (fault_is_now(false))
        return SQLITE_CANTOPEN;
    const char *key = name == NULL ? "(scratch)" : name;
    struct disk_file *f = file_find(key);
    if ((f == NULL || !f->is_there) && (flags & SQLITE_OPEN_CREATE) == 0)
        return SQLITE_CANTOPEN;
    if (f == NULL)
        f = file_new(key);
    if (!f->is_there)
        f->wants_dir_sync = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    f->is_there = true;
    *h = (struct handle){{&methods}, f, name == NULL};
    if (out_flags != NULL)
        *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs UNUSED, const char *name, int syncs_dir)
{
    if (fault_is_now(false))
        return SQLITE_IOERR_DELETE;
    struct disk_file *f = file_find(name);
    if (f == NULL || !f->is_there)
        return SQLITE_IOERR_DELETE_NOENT;
    file_resize(f, 0); /* A name that is made again finds an empty file. */
    f->is_there = false;
    if (syncs_dir != 0)
        names_persist();
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs UNUSED, const char *name, int flags UNUSED, int *out_is)
{
    const struct disk_file *f = file_find(name);
    *out_is = f != NULL && f->is_there && f->live_size > 0;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs UNUSED, const char *name, int size, char *out)
{
    (void) snprintf(out, (size_t) size, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs UNUSED, int n, char *out)
{
    return host->xRandomness(host, n, out);
}

static int vfs_sleep(sqlite3_vfs *vfs UNUSED, int us)
{
    return us; /* Nothing on this disk is worth waiting for. */
}

static int vfs_time(sqlite3_vfs *vfs UNUSED, double *out)
{
    return host->xCurrentTime(host, out);
}

static int vfs_last_error(sqlite3_vfs *vfs UNUSED, int size UNUSED, char *out UNUSED)
{
    return 0;
}

static sqlite3_vfs vfs = {
    .iVersion = 1,
    .szOsFile = sizeof(struct handle),
    .mxPathname = 79,
    .zName = "fault",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
};

void fault_vfs_start(void)
{
    host = sqlite3_vfs_find("unix");
    assert(host != NULL);
    is_off = false;
    fault_vfs_arm(FAULT_EIO, 0);
    int code = sqlite3_vfs_register(&vfs, 1);
    assert(code == SQLITE_OK);
}

void fault_vfs_stop(void)
{
    (void) sqlite3_vfs_unregister(&vfs); /* fails for NULL only */
    for (int i = 0; i < FILES; i++)
        file_done(&disk[i]);
}

void fault_vfs_arm(enum fault_kind kind, unsigned at)
{
    fault.kind = kind;
    fault.left = at;
    fault.has_fired = false;
}

bool fault_vfs_has_fired(void)
{
    return fault.has_fired;
}

/* xorshift64: the same coins for the same seed. */
static bool coin(enum fault_cut cut, uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return cut == FAULT_CUT_ALL || (cut == FAULT_CUT_SOME && (*seed >> 32 & 1) != 0);
}

static void file_cut(struct disk_file *f, enum fault_cut cut, uint64_t *seed)
{
    if (f->is_size_dirty && coin(cut, seed))
        f->durable_size = f->live_size;
    if (f->is_there != f->is_there_durably && coin(cut, seed))
        f->is_there_durably = f->is_there;
    for (int64_t s = 0; s < SECTORS; s++) {
        if (f->is_dirty[s] && coin(cut, seed))
            sector_persist(f, s);
        f->is_dirty[s] = false;
    }
    memset(f->durable + f->durable_size, 0, (size_t) (FILE_MAX - f->durable_size));
    memcpy(f->live, f->durable, FILE_MAX);
    f->live_size = f->durable_size;
    f->is_there = f->is_there_durably;
    f->is_size_dirty = f->wants_dir_sync = false;
}

void fault_vfs_power_off(void)
{
    is_off = true;
}

void fault_vfs_power_on(enum fault_cut cut, uint64_t seed)
{
    assert(is_off);
    seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1; /* not zero */
    for (int i = 0; i < FILES; i++)
        if (disk[i].name[0] != '\0')
            file_cut(&disk[i], cut, &seed);
    is_off = false;
    fault_vfs_arm(FAULT_EIO, 0);
}
