/* The header X-Amzn-Trace-Id as any client sends it. */
#include "base/assert.h"
#include "data/trace_id.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[TRACE_ID_SIZE];
    struct str given = str_of((const char *) data, size);
    struct str made = trace_id_make(out, given, STR("01234567-89ab-4def-89ab-0123456789ab"), 1);
    assert(made.len == strlen(out) && made.len == sizeof "Root=;Parent=;Sampled=0" - 1 + 35 + 16);
    assert(trace_id_is_valid(made)); /* What we say others take. */
    return 0;
}
