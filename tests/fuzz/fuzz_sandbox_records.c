/* The records that cross a privilege boundary: requests of main to the spawner, and START blocks of
 * main to virga-init. */
#include "base/err.h"
#include "sandbox/start.h"
#include "sandbox/wire.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(const uint8_t *data, size_t size)
{
    struct wire_request request = {0};
    struct err err;
    memcpy(&request, data, size < sizeof request ? size : sizeof request);
    for (unsigned fds = 0; fds <= WIRE_FDS_MAX; fds++)
        if (wire_request_check(&request, size, fds, &err) == 0)
            assert(request.id != 0 && request.layer_count <= WIRE_LAYERS_MAX);
}

static void try_start(const uint8_t *data, size_t size)
{
    static char *pointers[START_STRINGS_MAX + 2];
    struct start_header header;
    if (size < START_HEADER_SIZE || start_header_parse(data, &header) < 0 ||
        header.size > size - START_HEADER_SIZE)
        return;
    char *bytes = malloc(header.size + 1); /* Its own block, so that one byte too far is seen. */
    if (bytes == NULL)
        abort();
    memcpy(bytes, data + START_HEADER_SIZE, header.size);
    if (start_cut(&header, bytes, pointers) == 0) {
        size_t total = 0;
        for (unsigned i = 0; i < header.argc; i++)
            total += strlen(pointers[i]) + 1;
        assert(pointers[header.argc] == NULL);
        for (unsigned i = 0; i < header.envc; i++)
            total += strlen(pointers[header.argc + 1 + i]) + 1;
        assert(pointers[header.argc + 1 + header.envc] == NULL);
        assert(total == header.size);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_request(data, size);
    try_start(data, size);
    return 0;
}
