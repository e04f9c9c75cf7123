#pragma once
/* Who signs the requests of the command line. thread: one. */
#include "base/arena.h"
#include "base/err.h"
#include "cli/options.h"
#include "data/header.h"

struct credentials {
    struct str access_key, secret_key;
    struct str session_token; /* empty: none */
};

enum { CREDENTIALS_HEADERS_MAX = 5 };

/* The first there is: --access-key, the root key below --data, AWS_ACCESS_KEY_ID, and "test", which
 * servers with --dev accept. errors: -EINVAL half a key, or a file that is none; errors of reading
 * the file. */
CHECK_RESULT int credentials_find(const struct cli_common *common, struct arena *arena,
                                  struct credentials *out, struct err *err);

/* Puts the headers that sign a request to a service behind headers[0], which is Host; headers has
 * room for CREDENTIALS_HEADERS_MAX. target: path and query. Returns the number of headers. source:
 * AWS Signature Version 4. errors: -E2BIG. */
CHECK_RESULT int credentials_sign(const struct credentials *credentials, struct str method,
                                  struct str target, struct str body, struct str region,
                                  struct str service, int64_t now_ms, struct arena *arena,
                                  struct http_header *headers, struct err *err);
