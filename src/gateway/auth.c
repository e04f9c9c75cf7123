/* The two steps around aws/sigv4.h, and the cache of signing keys. */
#include "gateway/auth.h"

#include "base/map.h"

#include <errno.h>

/* A key that does not exist costs as much as one that does: its signature is not looked at, but
 * whether an access key exists is no secret (AWS answers the two differently, too). */

static void cache_take(struct auth_cache *cache, struct auth *auth)
{
    const struct sigv4 *sig = &auth->sig;
    char name[AUTH_CACHE_NAME];
    int len = snprintf(name, sizeof name, STR_FMT "/" STR_FMT, STR_ARG(sig->access_key),
                       STR_ARG(sig->scope));
    bool is_cacheable = len > 0 && len < AUTH_CACHE_NAME;
    size_t at =
        is_cacheable ? (size_t) (hash_bytes(str_of(name, (size_t) len)) % AUTH_CACHE_SIZE) : 0;
    if (is_cacheable && cache->entries[at].owner == auth->key &&
        strcmp(cache->entries[at].name, name) == 0) {
        memcpy(auth->signing_key, cache->entries[at].key, SIGV4_KEY_SIZE);
        return;
    }
    sigv4_signing_key(auth->key->secret, sig->date, sig->region, sig->service, auth->signing_key);
    if (!is_cacheable)
        return;
    if (cache->entries[at].owner != NULL)
        snapshot_unref(&cache->entries[at].owner->snapshot);
    (void) snapshot_ref(&auth->key->snapshot);
    cache->entries[at].owner = auth->key;
    memcpy(cache->entries[at].name, name, sizeof name);
    memcpy(cache->entries[at].key, auth->signing_key, SIGV4_KEY_SIZE);
}

void auth_cache_done(struct auth_cache *cache)
{
    for (size_t i = 0; i < AUTH_CACHE_SIZE; i++) {
        if (cache->entries[i].owner != NULL)
            snapshot_unref(&cache->entries[i].owner->snapshot);
    }
    explicit_bzero(cache, sizeof *cache);
}

void auth_begin(struct auth_cache *cache, struct directory *keys, size_t loop,
                const struct http_head *head, struct arena *arena, struct auth *out_auth)
{
    const struct aws_http_request req = {
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .headers = head->headers,
        .header_count = head->header_count,
    };
    *out_auth = (struct auth){0};
    out_auth->verdict = sigv4_parse(&req, arena, &out_auth->sig, &out_auth->text);
    if (out_auth->verdict != SIGV4_OK)
        return;
    /* Only temporary keys come with a token, and none is issued yet: whoever sends one got it from
     * elsewhere. */
    if (out_auth->sig.session_token.len == 0)
        out_auth->key = access_key_find(keys, loop, out_auth->sig.access_key);
    if (out_auth->key == NULL) {
        out_auth->verdict = SIGV4_UNKNOWN_KEY;
        return;
    }
    (void) snapshot_ref(&out_auth->key->snapshot);
    cache_take(cache, out_auth);
}

int auth_check(const struct auth *auth, const struct aws_http_request *req,
               const struct aws_service *service, enum aws_protocol protocol,
               struct str body_sha256_hex, int64_t now_ms, struct arena *arena,
               struct aws_fault *out_fault)
{
    enum sigv4_verdict verdict = auth->verdict;
    struct str text = auth->text;
    if (verdict == SIGV4_UNKNOWN_KEY) {
        text = sigv4_unknown_key_text(protocol);
    } else if (verdict == SIGV4_OK && !str_eq(auth->sig.service, service->signing_name)) {
        verdict = SIGV4_WRONG_SCOPE;
        text =
            arena_printf(arena, "Credential should be scoped to correct service: '" STR_FMT "'. ",
                         STR_ARG(service->signing_name));
    } else if (verdict == SIGV4_OK) {
        verdict = sigv4_verify(req, &auth->sig, auth->signing_key, body_sha256_hex, now_ms,
                               sigv4_skew_min(protocol), arena, &text);
    }
    if (verdict == SIGV4_OK)
        return 0;
    *out_fault = (struct aws_fault){.error = sigv4_error(protocol, auth->sig.form, verdict),
                                    .message = text};
    return -EACCES;
}

void auth_done(struct auth *auth)
{
    if (auth->key != NULL)
        snapshot_unref(&auth->key->snapshot);
    auth->key = NULL;
    explicit_bzero(auth->signing_key, sizeof auth->signing_key);
}
