#pragma once
/* Access keys: who may sign, published to every loop. The root key is made at the first start and
 * kept in the data directory; further keys come from whoever issues them (IAM, STS).
 *
 * A key that is looked up is borrowed until the loop's callback returns; snapshot_ref keeps it. */
#include "base/err.h"
#include "core/snapshot.h"
#include "os/random.h"

struct access_key {
    struct snapshot snapshot; /* first */
    struct str id, secret;    /* owned */
    struct str account;       /* 12 digits */
    struct str principal;     /* ARN */
};

/* A counted key with copies of the texts; one reference, the caller's. thread: any. */
CHECK_RESULT struct access_key *access_key_new(struct str id, struct str secret, struct str account,
                                               struct str principal);

/* The key found in a directory of keys (core/snapshot.h), or NULL. thread: that loop's. */
struct access_key *access_key_find(struct directory *keys, size_t loop, struct str id);

/* Reads the root key from `dir`/root-key, or draws one and writes it there durably, readable by the
 * owner only. *out_is_new says that it should be shown to the operator, once. May block. -EBADMSG:
 * the file is there and is not a key. */
CHECK_RESULT int root_key_open(const char *dir, struct rng *rng, struct access_key **out_key,
                               bool *out_is_new, struct err *err);
