#pragma once
/* Limits of the START block, known to main, which writes it, and to virga-init, which reads it.
 * Freestanding. The format stands in sandbox/sandbox.h. */
enum {
    START_SIZE_MAX = 256 * 1024,
    START_HEADER_SIZE = 16,
    START_STRINGS_MAX = 8192, /* arguments and environment strings together */
};
#define START_MAGIC                                                                                \
    {                                                                                              \
        'V', 'R', 'G', 'A', 'S', 'T', 'R', 'T'                                                     \
    }
