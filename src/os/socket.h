#pragma once
/* What crosses a Unix socket beside bytes. */
#include "base/str.h"

#include <sys/types.h>

enum { SOCKET_FDS_MAX = 16 };

/* Sends bytes (one at least, where there are descriptors) and with them `count` descriptors, which
 * the receiver then has as well. flags: of sendmsg; MSG_NOSIGNAL is added, interruptions are not
 * seen. Returns the number of bytes, or -errno. thread: any; takes neither a lock nor memory, fit
 * for a process between clone and exec. source: unix(7), SCM_RIGHTS. */
CHECK_RESULT ssize_t socket_send_fds(int socket_fd, struct str bytes, const int *fds, size_t count,
                                     int flags);
