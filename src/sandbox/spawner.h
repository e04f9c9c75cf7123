#pragma once
/* The spawner's process. */
#include "sandbox/sandbox.h"

/* Runs until main's end of the socket closes, then removes everything and returns the exit code.
 * Called in the forked child; socket_fd is the spawner's end. */
int spawner_run(const struct spawner_config *config, int socket_fd);
