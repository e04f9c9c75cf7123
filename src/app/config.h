#pragma once
/* The command line of `virga serve`. */
#include "base/err.h"
#include "base/log.h"

enum { HOSTS_MAX = 16, HOST_SIZE = 64 };

struct serve_config {
    bool is_dev;
    bool is_strict;
    bool accepts_reduced;        /* of isolation, where the host gives no more */
    bool has_egress;             /* functions reach the public internet */
    bool has_snapshots;          /* start functions from snapshots of their initialised processes */
    char host[HOST_SIZE];        /* numeric address */
    uint16_t port;               /* 0: the system chooses */
    const char *data_dir;        /* borrowed from argv; NULL: place_default */
    unsigned loops;              /* 0: by the number of CPUs */
    unsigned pool_min, pool_max; /* sandboxes made in advance: always, and after bursts */
    unsigned concurrency;        /* of each account and region */
    int64_t keep_alive_ms;       /* of idle instances; 0: by their functions' patterns */
    uint64_t memory_max;         /* of all instances together; 0: by what the machine has */
    int64_t async_retry_ms;      /* 0: AWS's */
    uint64_t snapshot_bytes_max; /* of all images of snapshots; 0: the runtime's default */
    uint64_t stream_bytes_max;   /* of a streamed answer; 0: AWS's */
    enum log_level log_level;
    struct str allow_hosts[HOSTS_MAX], allow_origins[HOSTS_MAX]; /* views into argv */
    const char *tls_cert, *tls_key; /* borrowed from argv; both or neither: a self-made one */
    size_t allow_host_count, allow_origin_count;
};

/* argv[0] is the command's own name. CLI_PARSED, or the exit code: help was printed, or what is
 * wrong was said on standard error. */
CHECK_RESULT int serve_config_parse(int argc, char **argv, struct serve_config *out_config);
