/* The tables of a snapshot's image: whatever the bytes, the check ends, and what passes keeps what
 * the restorer relies on. */
#include "restorer/image.h"

#include "base/assert.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_tables(const struct image_header *header)
{
    if (image_check(header) != IMAGE_OK)
        return;
    const struct image_segment *s = image_segments(header);
    uint64_t end = IMAGE_LOWEST;
    for (uint32_t i = 0; i < header->segment_count; i++) {
        assert(s[i].start >= end && s[i].end > s[i].start && s[i].end <= IMAGE_HIGHEST);
        assert(s[i].end <= IMAGE_OWN_START || s[i].start >= IMAGE_OWN_END);
        assert(s[i].kind != IMAGE_FILE || s[i].file < header->file_count);
        end = s[i].end;
    }
    for (uint32_t i = 0; i < header->file_count; i++)
        assert(image_names(header)[image_files(header)[i].name] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(16) unsigned char tables[IMAGE_TABLES_MAX];
    struct image_header *header = (void *) tables;
    if (size < sizeof *header || size > sizeof tables)
        return 0;
    memset(tables, 0, sizeof tables);
    memcpy(tables, data, size);
    if (image_check_header(header) != IMAGE_OK)
        return 0;
    try_tables(header);
    header->check = image_check_of(header); /* a forger computes it */
    try_tables(header);
    return 0;
}
