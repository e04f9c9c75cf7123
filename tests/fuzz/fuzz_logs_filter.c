/* Filter patterns: neither a pattern nor a message may crash the filter, and a pattern means the
 * same twice. Input: pattern, NUL, message. */
#include "base/assert.h"
#include "services/logs/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_of(data, size), pattern = str_head(input, str_find(input, '\0'));
    struct str message = str_skip(input, pattern.len + 1);
    struct filter *filter;
    struct err err = {0};
    if (filter_new(pattern, &filter, &err) < 0) {
        assert(err.text[0] != '\0');
        return 0;
    }
    bool matches = filter_matches(filter, message);
    assert(matches == filter_matches(filter, message));
    filter_free(filter);
    return 0;
}
