#pragma once
/* What a sandbox finds in /var/runtime for snapshots, as arrays in the program; none where there
 * are no snapshots. */
#include <stdbool.h>
#include <stddef.h>

struct restorer_file {
    const char *name;
    const unsigned char *bytes;
    const size_t *size; /* borrowed, process life time, as all here */
    bool is_executable;
};

extern const struct restorer_file restorer_files[];
extern const size_t restorer_file_count;
