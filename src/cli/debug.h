#pragma once
/* Calling a function with a debugger in its process, for `invoke --debug`. thread: one. */
#include "cli/options.h"

/* Prepares the function, listens on 127.0.0.1:port (0: the debugger's usual one) for the front end,
 * runs `call` in a child process meanwhile, and puts the function back. Returns what call returned,
 * or the exit code of what failed, said on standard error. */
CHECK_RESULT int cli_debug(const struct cli_common *common, const char *name, int64_t port,
                           int (*call)(void *arg), void *arg);
