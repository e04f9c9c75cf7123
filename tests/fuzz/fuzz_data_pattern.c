/* Patterns: "source NUL text". Neither may crash, hang or reach out of bounds; an alternation of a
 * pattern with itself matches the same texts. */
#include "data/pattern.h"

#include "base/assert.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool has_flags(struct str source)
{
    return str_starts(source, STR("(?"));
}

static void check_twice(struct str source, struct str text, bool is_match)
{
    AUTO_BUF struct buf twice;
    buf_init(&twice, 64 * 1024);
    buf_put(&twice, STR("(?:"));
    buf_put(&twice, source);
    buf_put(&twice, STR("|"));
    buf_put(&twice, source);
    buf_put(&twice, STR(")"));
    struct pattern *pattern;
    if (pattern_new(buf_str(&twice), &pattern, NULL) < 0)
        return; /* too large, or nested too deeply */
    assert(pattern_matches(pattern, text) == is_match);
    pattern_free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str input = str_of(bytes, size), source, text = {"", 0};
    source = str_head(input, str_find(input, '\0'));
    if (source.len < input.len)
        text = str_skip(input, source.len + 1);
    if (source.len > 200 || text.len > 1000)
        return 0;
    struct pattern *pattern;
    struct err err = {0};
    if (pattern_new(source, &pattern, &err) < 0) {
        assert(err.code < 0);
        return 0;
    }
    bool is_match = pattern_matches(pattern, text);
    pattern_free(pattern);
    if (source.len > 0 && !has_flags(source))
        check_twice(source, text, is_match);
    return 0;
}
