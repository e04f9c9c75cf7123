#pragma once
/* Directory trees unpacked from ZIP packages: code of functions, later layers.
 *
 * The package is hostile, the directory is trusted to be ours: nothing outside it is ever created,
 * changed or followed. A tree appears whole and on disk, or not at all. Entries get uniform
 * permissions (directories 0755, files 0644 or 0755); owners and times of the archive are dropped.
 * Symbolic links are kept when they provably stay inside. thread: workers and actors. */
#include "base/err.h"
#include "base/str.h"

struct tree_limits {
    uint64_t bytes_max;   /* of all files together, as unpacked */
    uint32_t entries_max; /* files, directories and links */
};

struct tree_stats {
    uint64_t bytes;
    uint32_t entries, files;
};

/* Unpacks `zip` into the new directory dir/name. A crash leaves at most dir/name.<random>.tmp,
 * which the owner of dir removes at start.
 * errors: -EINVAL not a usable ZIP archive or unsafe content, -EFBIG too many bytes, -E2BIG too
 * many entries, -EEXIST the name is taken; other codes are the file system's. */
CHECK_RESULT int tree_unpack(const char *dir, const char *name, struct str zip,
                             const struct tree_limits *limits, struct tree_stats *out_stats,
                             struct err *err);

/* The same for the bytes of a file (a blob), which is read from its start. */
CHECK_RESULT int tree_unpack_file(const char *dir, const char *name, int fd,
                                  const struct tree_limits *limits, struct tree_stats *out_stats,
                                  struct err *err);
/* Opens a tree with O_PATH: a handle to mount or to look up from, that cannot be read. -ENOENT. */
CHECK_RESULT int tree_open(const char *dir, const char *name, int *out_fd, struct err *err);
/* Is there something of this name at the top of an open tree? */
bool tree_has(int fd, const char *name);
/* Calls fn for the name of each file (no directory, whatever its mode) in the directory `name` at
 * the top of an open tree, in no order; none there is success. */
CHECK_RESULT int tree_each(int fd, const char *name, void (*fn)(void *arg, const char *file),
                           void *arg, struct err *err);
/* Removes a tree: out of the way at once (no crash leaves half of it under its name), then entry by
 * entry. Missing is success. */
CHECK_RESULT int tree_remove(const char *dir, const char *name, struct err *err);
/* Calls fn for the name of each tree in dir and removes those for which it returns false, besides
 * what a crash left unfinished; makes dir if need be. At start, while nobody else uses it. */
CHECK_RESULT int tree_sweep(const char *dir, bool (*fn)(void *arg, const char *name), void *arg,
                            struct err *err);

/* True when a symbolic link that lies `depth` directories below the top of a tree cannot lead out
 * of it. Exposed for its tests. */
bool tree_link_is_safe(struct str target, unsigned depth);
