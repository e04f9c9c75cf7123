/* The sts service. GetCallerIdentity reads nothing but the caller, so it is answered on the loop;
 * there is no database yet. */
#include "services/sts/sts.h"

#include "gen/sts.h"
#include "services/sts/rules.h"

static void start_GetCallerIdentity(struct op *op, const void *in, void *out_any)
{
    (void) in;
    struct sts_GetCallerIdentityResponse *out = out_any;
    struct sts_identity identity;
    int rc = sts_identify(op->arena, &op->caller, &identity);
    if (rc < 0) {
        struct err err = {rc, "an identity does not fit in memory"};
        op_finish(op, svc_fail_internal(op, &err));
        return;
    }
    out->UserId = identity.user_id;
    out->Account = identity.account;
    out->Arn = identity.arn;
    op_finish(op, 0);
}

static const struct service_op ops[] = {
    {.model = &sts_op_GetCallerIdentity, .start = start_GetCallerIdentity, .is_read_only = true},
};

static int sts_open(const struct service_env *env, void **out_state, struct db **out_db,
                    struct err *err)
{
    (void) env, (void) err;
    *out_state = NULL;
    *out_db = NULL;
    return 0;
}

const struct service sts_room = {
    .model = &sts_service,
    .ops = ops,
    .op_count = ARRAY_LEN(ops),
    .open = sts_open,
};
