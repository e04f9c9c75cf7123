#pragma once
/* The files of /var/runtime that the program carries inside, for spawner_add_runtime_file. */
#include <stddef.h>

struct bootstrap_file {
    const char *name;
    const unsigned char *bytes;
    const size_t *size; /* borrowed, process life time, as all here */
};

extern const struct bootstrap_file bootstrap_files[];
extern const size_t bootstrap_file_count;
