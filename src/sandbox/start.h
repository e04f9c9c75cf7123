#pragma once
/* The START block as main writes it and virga-init reads it: limits and the one parser.
 * Freestanding. The format stands in sandbox/sandbox.h. */
#include <stddef.h>
#include <stdint.h>

enum {
    START_SIZE_MAX = 256 * 1024,
    START_HEADER_SIZE = 16,
    START_STRINGS_MAX = 8192, /* arguments and environment strings together */
    START_FD_EXTRA = 5,       /* a descriptor that came with the block */
    START_FD_NAMES = 6,       /* virga-init's own, as the next: questions for names come in here, */
    START_FD_TRACES = 7,      /* and this one is there so that what is sent to it arrives */
};
#define START_MAGIC                                                                                \
    {                                                                                              \
        'V', 'R', 'G', 'A', 'S', 'T', 'R', 'T'                                                     \
    }
/* The last byte of the magic when the program is to take virga-init's place, and when it is a
 * companion: another block follows. */
enum { START_MAGIC_ALONE = 'A', START_MAGIC_COMPANION = 'C', START_COMPANIONS_MAX = 10 };

struct start_header {
    uint32_t size; /* of what follows the header */
    uint32_t argc, envc;
    uint32_t is_alone, is_companion;
};

/* Checks the 16 bytes of a header. 0, or -1 when it is none. */
static inline int start_header_parse(const unsigned char bytes[START_HEADER_SIZE],
                                     struct start_header *out)
{
    static const char magic[8] = START_MAGIC;
    for (int i = 0; i < 7; i++)
        if (bytes[i] != (unsigned char) magic[i])
            return -1;
    if (bytes[7] != (unsigned char) magic[7] && bytes[7] != START_MAGIC_ALONE &&
        bytes[7] != START_MAGIC_COMPANION)
        return -1;
    struct start_header header = {
        .size = (uint32_t) bytes[8] | (uint32_t) bytes[9] << 8 | (uint32_t) bytes[10] << 16 |
                (uint32_t) bytes[11] << 24,
        .argc = (uint32_t) bytes[12] | (uint32_t) bytes[13] << 8,
        .envc = (uint32_t) bytes[14] | (uint32_t) bytes[15] << 8,
        .is_alone = bytes[7] == START_MAGIC_ALONE,
        .is_companion = bytes[7] == START_MAGIC_COMPANION,
    };
    if (header.size > START_SIZE_MAX - START_HEADER_SIZE || header.argc == 0 ||
        header.argc + header.envc > START_STRINGS_MAX)
        return -1;
    *out = header;
    return 0;
}

/* Cuts `bytes` (header->size of them) into pointers: the arguments, NULL, the environment, NULL;
 * there must be room for START_STRINGS_MAX + 2. 0, or -1 when strings and size do not agree. */
static inline int start_cut(const struct start_header *header, char *bytes, char **out_pointers)
{
    size_t at = 0;
    for (uint32_t i = 0; i < header->argc + header->envc; i++) {
        if (i == header->argc)
            *out_pointers++ = NULL;
        *out_pointers++ = bytes + at;
        while (at < header->size && bytes[at] != '\0')
            at++;
        if (at++ >= header->size)
            return -1;
    }
    if (header->envc == 0)
        *out_pointers++ = NULL;
    *out_pointers = NULL;
    return at == header->size ? 0 : -1;
}
