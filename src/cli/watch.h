#pragma once
/* Waits for changes below a folder, or of a file. thread: one. */
#include "base/err.h"

/* Begins to look at what is there now: everything but what packages leave out. A change from here
 * on ends watch_wait. errors: of the system calls; -ENOSPC beyond fs.inotify.max_user_watches. */
CHECK_RESULT int watch_open(const char *path, int *out_fd, struct err *err);
/* Blocks until something has changed and nothing more did for a moment. Closes fd. */
CHECK_RESULT int watch_wait(int fd, struct err *err);
