/* How a function wants its asynchronous events treated: retries and age. Destinations are refused
 * by name; an empty one asks for nothing and is taken. A function has one configuration, that of
 * $LATEST, which its versions and aliases follow. */
#include "services/lambda/db_events.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"

/* Put and Update have the same members. */
struct given {
    struct str function_name, qualifier;
    struct event_config config;
    const struct lambda_DestinationConfig *destinations;
};

static int resolve(struct op *op, struct str function_name, struct str qualifier,
                   struct lambda_target *out_target)
{
    int rc = lambda_resolve(op, function_name, qualifier, out_target);
    if (rc == 0 && out_target->qualifier.ptr != NULL &&
        !str_eq(out_target->qualifier, STR("$LATEST")))
        return lambda_not_found(op, out_target);
    return rc;
}

static int show(struct op *op, const struct lambda_target *target,
                const struct event_config *config, struct lambda_FunctionEventInvokeConfig *out)
{
    out->has_LastModified = true;
    out->LastModified = config->modified_at_ms;
    out->FunctionArn = arena_printf(op->arena, STR_FMT ":$LATEST", STR_ARG(target->arn));
    out->has_MaximumRetryAttempts = config->has_retries_max;
    out->MaximumRetryAttempts = config->retries_max;
    out->has_MaximumEventAgeInSeconds = config->has_age_max;
    out->MaximumEventAgeInSeconds = config->age_max_s;
    out->DestinationConfig = ARENA_NEW(op->arena, struct lambda_DestinationConfig);
    out->DestinationConfig->OnSuccess = ARENA_NEW(op->arena, struct lambda_OnSuccess);
    out->DestinationConfig->OnFailure = ARENA_NEW(op->arena, struct lambda_OnFailure);
    return arena_is_over(op->arena) ? lambda_fail_too_large(op) : 0;
}

static int config_not_found(struct op *op, const struct lambda_target *target)
{
    return svc_fail(op, MSG_EVENT_CONFIG_NOT_FOUND, STR_ARG(target->arn));
}

static bool has_destination(const struct lambda_DestinationConfig *config)
{
    return config != NULL && ((config->OnSuccess != NULL && config->OnSuccess->Destination.len) ||
                              (config->OnFailure != NULL && config->OnFailure->Destination.len));
}

/* is_update: members that are not given keep their value, and there has to be one. */
static int put(struct op *op, const struct given *given, bool is_update,
               struct lambda_FunctionEventInvokeConfig *out)
{
    struct lambda_target target;
    struct lambda_row row;
    struct event_config config = {0};
    struct err err;
    int rc = resolve(op, given->function_name, given->qualifier, &target);
    if (rc < 0)
        return rc;
    if (has_destination(given->destinations))
        return svc_fail(op, MSG_UNSUPPORTED, "DestinationConfig");
    if (!given->config.has_retries_max && !given->config.has_age_max && given->destinations == NULL)
        return svc_fail(op, MSG_EVENT_CONFIG_NONE);
    struct str account = op->caller.account, region = op->caller.region;
    rc = lambda_db_find(op->db, op->arena, account, region, target.name, 0, &row, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_FUNCTION_MISSING);
    if (rc == 0 && is_update)
        rc = event_config_find(op->db, account, region, target.name, &config, &err);
    if (rc == -ENOENT)
        return config_not_found(op, &target);
    if (given->config.has_retries_max) {
        config.has_retries_max = true;
        config.retries_max = given->config.retries_max;
    }
    if (given->config.has_age_max) {
        config.has_age_max = true;
        config.age_max_s = given->config.age_max_s;
    }
    config.modified_at_ms = op->now_ms;
    if (rc == 0)
        rc = event_config_put(op->db, account, region, target.name, &config, &err);
    return rc < 0 ? svc_fail_internal(op, &err) : show(op, &target, &config, out);
}

#define GIVEN(in)                                                                                  \
    {                                                                                              \
        .function_name = (in)->FunctionName, .qualifier = (in)->Qualifier,                         \
        .config = {.has_retries_max = (in)->has_MaximumRetryAttempts,                              \
                   .has_age_max = (in)->has_MaximumEventAgeInSeconds,                              \
                   .retries_max = (in)->MaximumRetryAttempts,                                      \
                   .age_max_s = (in)->MaximumEventAgeInSeconds},                                   \
        .destinations = (in)->DestinationConfig                                                    \
    }

int lambda_run_PutFunctionEventInvokeConfig(struct op *op, const void *in_any, void *out)
{
    const struct lambda_PutFunctionEventInvokeConfigRequest *in = in_any;
    const struct given given = GIVEN(in);
    return put(op, &given, false, out);
}

int lambda_run_UpdateFunctionEventInvokeConfig(struct op *op, const void *in_any, void *out)
{
    const struct lambda_UpdateFunctionEventInvokeConfigRequest *in = in_any;
    const struct given given = GIVEN(in);
    return put(op, &given, true, out);
}

int lambda_run_GetFunctionEventInvokeConfig(struct op *op, const void *in_any, void *out)
{
    const struct lambda_GetFunctionEventInvokeConfigRequest *in = in_any;
    struct lambda_target target;
    struct event_config config;
    struct err err;
    int rc = resolve(op, in->FunctionName, in->Qualifier, &target);
    if (rc < 0)
        return rc;
    rc = event_config_find(op->db, op->caller.account, op->caller.region, target.name, &config,
                           &err);
    if (rc == -ENOENT)
        return config_not_found(op, &target);
    return rc < 0 ? svc_fail_internal(op, &err) : show(op, &target, &config, out);
}

int lambda_run_DeleteFunctionEventInvokeConfig(struct op *op, const void *in_any, void *out)
{
    const struct lambda_DeleteFunctionEventInvokeConfigRequest *in = in_any;
    struct lambda_target target;
    struct err err;
    (void) out; /* it has none */
    int rc = resolve(op, in->FunctionName, in->Qualifier, &target);
    if (rc < 0)
        return rc;
    rc = event_config_delete(op->db, op->caller.account, op->caller.region, target.name, &err);
    if (rc == -ENOENT)
        return config_not_found(op, &target);
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}

int lambda_run_ListFunctionEventInvokeConfigs(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListFunctionEventInvokeConfigsRequest *in = in_any;
    struct lambda_ListFunctionEventInvokeConfigsResponse *out = out_any;
    struct lambda_target target;
    struct lambda_row row;
    struct event_config config;
    struct err err;
    if (in->Marker.ptr != NULL) /* there never was a second page */
        return svc_fail(op, MSG_MARKER);
    int rc = lambda_resolve(op, in->FunctionName, STR_NONE, &target);
    if (rc < 0)
        return rc;
    rc = lambda_db_find(op->db, op->arena, op->caller.account, op->caller.region, target.name, 0,
                        &row, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_FUNCTION_MISSING);
    out->FunctionEventInvokeConfigs.items =
        ARENA_NEW(op->arena, struct lambda_FunctionEventInvokeConfig);
    if (rc == 0)
        rc = event_config_find(op->db, op->caller.account, op->caller.region, target.name, &config,
                               &err);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return svc_fail_internal(op, &err);
    out->FunctionEventInvokeConfigs.count = 1;
    return show(op, &target, &config, out->FunctionEventInvokeConfigs.items);
}
