/* Any bytes as a ZIP archive: every entry is read to its end, up to 1 MB in all. */
#include "base/assert.h"
#include "data/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO_ZIP_READER struct zip_reader *reader = NULL;
    if (zip_open(str_of(bytes, size), &reader, NULL) < 0)
        return 0;
    struct zip_entry entry;
    size_t total = 0;
    while (zip_next(reader, &entry, NULL) > 0) {
        assert(zip_name_is_safe(entry.name));
        char step[4096];
        size_t n = 0;
        while (entry.kind == ZIP_FILE && total < 1 << 20 &&
               zip_read(reader, step, sizeof step, &n, NULL) == 0 && n > 0)
            total += n;
        total += 64; /* entries without data must end, too */
        if (total > 1 << 20)
            break;
    }
    return 0;
}
