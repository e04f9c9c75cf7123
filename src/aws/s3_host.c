/* S3's buckets in host names.
 *
 *     bucket.s3.amazonaws.com   bucket.s3.REGION.amazonaws.com   bucket.s3-REGION.amazonaws.com
 *     bucket.s3.dualstack.REGION.…   bucket.s3-accelerate.amazonaws.com
 *     bucket.s3.localhost:4566   bucket.s3.localhost.localstack.cloud   bucket.s3.REGION.localhost…
 *
 * Bucket names may hold dots, and "s3" may be one of their labels: the last label that is "s3" or
 * begins with "s3-", and that is not the first one, separates the bucket from the endpoint. The
 * host must end in a name that is known to be an endpoint's, so that a foreign name that is served
 * by an own domain is not taken for a bucket.
 *
 * thread: any. Source: "Virtual hosting of general purpose buckets" of the S3 User Guide. */
#include "aws/wire.h"

static bool is_endpoint(struct str host)
{
    return str_ends(host, STR(".amazonaws.com")) || str_ends(host, STR(".amazonaws.com.cn")) ||
           str_ends(host, STR(".localhost")) || str_ends(host, STR(".localhost.localstack.cloud"));
}

/* The part before the endpoint, or an empty view. */
static struct str bucket_of(struct str host)
{
    host = str_head(host, str_find(host, ':'));
    if (!is_endpoint(host))
        return STR("");
    for (size_t at = host.len; at-- > 1;) {
        if (host.ptr[at - 1] != '.')
            continue;
        struct str label = str_skip(host, at);
        label = str_head(label, str_find(label, '.'));
        if (str_eq(label, STR("s3")) || str_starts(label, STR("s3-")))
            return str_head(host, at - 1);
    }
    return STR("");
}

struct str aws_s3_path(struct str host, struct str path, struct arena *arena)
{
    struct str bucket = bucket_of(host);
    if (bucket.len == 0)
        return path;
    return arena_printf(arena, "/" STR_FMT STR_FMT, STR_ARG(bucket), STR_ARG(path));
}
