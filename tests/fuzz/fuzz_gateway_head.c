/* What the gateway reads out of a request's head before anything is decoded: cross-site rules,
 * credential scope, caller. Any head that the HTTP parser lets through must be digested. */
#include "gateway/crosssite.h"
#include "gateway/identity.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct http_head head;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct credential_scope scope;
    (void) scope_parse(str_of(bytes, size), &scope);
    struct err err;
    if (http1_parse_request(str_of(bytes, size), &head, &err) <= 0)
        return 0;
    static const struct crosssite rules = {.listen_host = STR_INIT("0.0.0.0")};
    (void) crosssite_check(&rules, &head);
    scope_find(&head, &arena, &scope);
    struct op_caller caller;
    identity_dev(&scope, &arena, &caller);
    assert(caller.account.len == 12);
    assert(caller.region.len > 0 && caller.principal.len > 0);
    return 0;
}
