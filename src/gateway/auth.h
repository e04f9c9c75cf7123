#pragma once
/* Authentication: is this request signed by a key that Virga knows? In two steps, because a
 * request's head is looked at on the loop and its body may be hashed on a worker.
 *
 * Development mode does not come here: identity_dev (identity.h) believes what the request says. */
#include "aws/sigv4.h"
#include "core/keys.h"
#include "net/http1.h"

enum { AUTH_CACHE_SIZE = 64, AUTH_CACHE_NAME = 160 };

/* Signing keys derived lately, one cache per loop: deriving one costs four HMACs. */
struct auth_cache {
    struct {
        struct access_key *owner; /* reference; NULL: free */
        char name[AUTH_CACHE_NAME];
        unsigned char key[SIGV4_KEY_SIZE];
    } entries[AUTH_CACHE_SIZE];
};

void auth_cache_done(struct auth_cache *cache);

/* What is known about a request's signature; zero-initialised is "nothing yet". */
struct auth {
    enum sigv4_verdict verdict; /* of the head */
    struct str text;
    struct sigv4 sig;
    struct access_key *key; /* reference */
    unsigned char signing_key[SIGV4_KEY_SIZE];
};

/* Reads the claim and finds its key. thread: loop number `loop`. */
void auth_begin(struct auth_cache *cache, struct directory *keys, size_t loop,
                const struct http_head *head, struct arena *arena, struct auth *out_auth);

/* Judges the whole request. body_sha256_hex: the body's hash where it is known, or is judged by
 * others; ptr NULL: it is computed here. 0, or -EACCES with the fault in the protocol's own words.
 * thread: any. */
CHECK_RESULT int auth_check(const struct auth *auth, const struct aws_http_request *req,
                            const struct aws_service *service, enum aws_protocol protocol,
                            struct str body_sha256_hex, int64_t now_ms, struct arena *arena,
                            struct aws_fault *out_fault);

void auth_done(struct auth *auth);
