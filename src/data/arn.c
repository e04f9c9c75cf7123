/* Amazon Resource Names: six fields between colons, of which the last may hold colons and slashes
 * of its own ("arn:aws:lambda:eu-west-1:123456789012:function:f:1").
 *
 * Region and account are empty for global resources ("arn:aws:s3:::bucket"); partition, service
 * and resource never are. What an account or a resource looks like is each service's business.
 * thread: any. source: AWS General Reference, "Amazon Resource Names (ARNs)". */
#include "data/arn.h"

#include <errno.h>

int arn_parse(struct str text, struct arn *out_arn)
{
    if (!str_starts(text, STR("arn:")))
        return -EINVAL;
    struct str fields[4], rest = str_skip(text, 4);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        size_t colon = str_find(rest, ':');
        if (colon == rest.len)
            return -EINVAL;
        fields[i] = str_head(rest, colon);
        rest = str_skip(rest, colon + 1);
    }
    if (str_is_empty(fields[0]) || str_is_empty(fields[1]) || str_is_empty(rest))
        return -EINVAL;
    *out_arn = (struct arn){fields[0], fields[1], fields[2], fields[3], rest};
    return 0;
}
