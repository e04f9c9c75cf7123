#pragma once
/* Files and descriptors. Paths are NUL-terminated, opened close-on-exec. These calls may block on
 * the disk: never on a loop thread. errors: -errno of the failing call, err names the path. */
#include "base/buf.h"
#include "base/err.h"

/* Reads a whole file, at most `limit` bytes (else -EFBIG); out_buf is initialised by the caller. */
CHECK_RESULT int file_read(const char *path, struct buf *out_buf, struct err *err);

/* Writes bytes so that a crash leaves the old file or the new one: temporary name in the same
 * directory, fsync, rename, fsync of the directory. dir_fd may be AT_FDCWD; mode as in open(2).
 * After an error of the last step the new file is in place, but may not survive a power cut. */
CHECK_RESULT int file_write_durable(int dir_fd, const char *path, struct str bytes, unsigned mode,
                                    struct err *err);

/* write(2) until all is written; EINTR retried. */
CHECK_RESULT int fd_write_all(int fd, struct str bytes, struct err *err);

/* mkdir -p. An existing directory is success. */
CHECK_RESULT int dir_make(const char *path, unsigned mode, struct err *err);

/* rm -rf below dir_fd without following symbolic links; missing is success. Goes on after an
 * error and reports the first. */
CHECK_RESULT int dir_remove(int dir_fd, const char *path, struct err *err);

/* fsync of a directory by path relative to dir_fd. */
CHECK_RESULT int dir_sync(int dir_fd, const char *path, struct err *err);

/* Takes the lock of a file (made when missing, mode 0600) for as long as *out_fd is open here or in
 * a child. -EWOULDBLOCK: another process has it. */
CHECK_RESULT int file_lock(const char *path, int *out_fd, struct err *err);
