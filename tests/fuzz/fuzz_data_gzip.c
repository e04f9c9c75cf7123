/* gzip: no bytes crash the reader, and the limit holds. */
#include "data/gzip.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO_BUF struct buf out;
    buf_init(&out, 100 * 1024);
    int rc = gzip_inflate(str_of(bytes, size), &out, NULL);
    assert(rc <= 0 && out.len <= out.limit && !buf_is_over(&out));
    return 0;
}
