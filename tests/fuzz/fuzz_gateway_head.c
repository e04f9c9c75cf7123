/* What the gateway reads out of a request before anything is decoded: cross-site rules, credential
 * scope, caller, service and operation. Any head that the HTTP parser lets through must be
 * digested; what follows it is the body, perhaps a form. */
#include "gateway/classify.h"
#include "gateway/crosssite.h"

#include "aws/wire.h"
#include "base/assert.h"
#include "gen/lambda.h"
#include "gen/logs.h"
#include "gen/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int open_nothing(const struct service_env *env, void **out_state, struct db **out_db,
                        struct err *err)
{
    (void) env, (void) out_state, (void) out_db, (void) err;
    return 0;
}

/* Services of three protocols, by their routes; no operation is selected, so none needs code. */
static const struct registry *services(void)
{
    static struct aws_service models[3];
    static struct service rooms[3];
    static struct registry *registry;
    const struct aws_service *const from[] = {&lambda_service, &logs_service, &sts_service};
    if (registry != NULL)
        return registry;
    registry = registry_new();
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        static struct exec idle;
        models[i] = *from[i];
        models[i].operation_count = 0;
        rooms[i] = (struct service){.model = &models[i], .open = open_nothing};
        int rc = registry_open(registry, &rooms[i], &(struct service_env){0}, &idle, NULL);
        assert(rc == 0);
    }
    return registry;
}

static void classify_all(const struct http_head *head, const struct credential_scope *scope,
                         struct str body, struct arena *arena)
{
    struct classified found;
    classify(services(), head, scope, &found);
    assert(found.operation == NULL || found.installed != NULL);
    if (!found.is_form)
        return;
    classify_form(services(), head, body, arena, &found);
    assert(found.operation == NULL || found.protocol == AWS_QUERY);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct http_head head;
    AUTO_ARENA struct arena arena;
    arena_init(&arena, 1 << 20);
    struct credential_scope scope;
    (void) scope_parse(str_of(bytes, size), &scope);
    struct err err;
    int len = http1_parse_request(str_of(bytes, size), &head, &err);
    if (len <= 0)
        return 0;
    static const struct crosssite rules = {.listen_host = STR_INIT("0.0.0.0")};
    (void) crosssite_check(&rules, &head);
    scope_find(&head, &arena, &scope);
    classify_all(&head, &scope, str_skip(str_of(bytes, size), (size_t) len), &arena);
    struct op_caller caller;
    identity_dev(&scope, &arena, &caller);
    assert(caller.account.len == 12);
    assert(caller.region.len > 0 && caller.principal.len > 0);
    return 0;
}
