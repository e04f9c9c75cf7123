#pragma once
/* What both ends of the socket know. */
#include <stdint.h>

/* One seqpacket message; with the descriptor of the interface when is_attach. The process says one
 * first: id 0, when it is ready; error: why it is not. */
struct egress_message {
    uint64_t id;
    int32_t error;
    uint32_t is_attach;
};

/* The process: serves until its end of the socket closes. Returns the exit code. */
int egress_run(int socket_fd);
