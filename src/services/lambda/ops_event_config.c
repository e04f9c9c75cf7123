/* How a function wants its asynchronous events treated: retries and age. Destinations are refused
 * by name; an empty one asks for nothing and is taken. Each qualifier has a configuration of its
 * own, which holds for the events that were sent to that qualifier (no qualifier: $LATEST). */
#include "services/lambda/db_events.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/versions.h"

enum { PAGE_MAX = 50 };

/* Put and Update have the same members. */
struct given {
    struct str function_name, qualifier;
    struct event_config config;
    const struct lambda_DestinationConfig *destinations;
};

/* The key that name and qualifier mean; whether there is such a thing is not asked. */
static int resolve(struct op *op, struct str function_name, struct str qualifier,
                   struct lambda_target *out_target, struct event_config_key *out_key)
{
    int rc = lambda_resolve(op, function_name, qualifier, out_target);
    if (rc < 0)
        return rc;
    if (out_target->qualifier.ptr == NULL)
        out_target->qualifier = STR("$LATEST");
    *out_key = (struct event_config_key){op->caller.account, op->caller.region, out_target->name,
                                         out_target->qualifier};
    return 0;
}

static int show(struct op *op, const struct lambda_target *target,
                const struct event_config *config, struct lambda_FunctionEventInvokeConfig *out)
{
    out->has_LastModified = true;
    out->LastModified = config->modified_at_ms;
    out->FunctionArn = lambda_invoked_arn(op, target);
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
    struct str arn = lambda_invoked_arn(op, target);
    return svc_fail(op, MSG_EVENT_CONFIG_NOT_FOUND, STR_ARG(arn));
}

/* -ENOENT: there is no such function, version or alias. */
static int find_target(struct op *op, const struct event_config_key *key, struct err *err)
{
    struct lambda_row row;
    struct alias_row alias;
    int64_t version;
    if (version_parse(key->qualifier, &version) < 0)
        return alias_db_find(op->db, op->arena, key->account, key->region, key->name,
                             key->qualifier, &alias, err);
    return lambda_db_find(op->db, op->arena, key->account, key->region, key->name, version, &row,
                          err);
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
    struct event_config_key key;
    struct event_config config = {0};
    struct err err;
    int rc = resolve(op, given->function_name, given->qualifier, &target, &key);
    if (rc < 0)
        return rc;
    if (has_destination(given->destinations))
        return svc_fail(op, MSG_UNSUPPORTED, "DestinationConfig");
    if (!given->config.has_retries_max && !given->config.has_age_max && given->destinations == NULL)
        return svc_fail(op, MSG_EVENT_CONFIG_NONE);
    rc = find_target(op, &key, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_FUNCTION_MISSING);
    if (rc == 0 && is_update)
        rc = event_config_find(op->db, &key, &config, &err);
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
        rc = event_config_put(op->db, &key, &config, &err);
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
    struct event_config_key key;
    struct event_config config;
    struct err err;
    int rc = resolve(op, in->FunctionName, in->Qualifier, &target, &key);
    if (rc < 0)
        return rc;
    rc = event_config_find(op->db, &key, &config, &err);
    if (rc == -ENOENT)
        return config_not_found(op, &target);
    return rc < 0 ? svc_fail_internal(op, &err) : show(op, &target, &config, out);
}

int lambda_run_DeleteFunctionEventInvokeConfig(struct op *op, const void *in_any, void *out)
{
    const struct lambda_DeleteFunctionEventInvokeConfigRequest *in = in_any;
    struct lambda_target target;
    struct event_config_key key;
    struct err err;
    (void) out; /* it has none */
    int rc = resolve(op, in->FunctionName, in->Qualifier, &target, &key);
    if (rc < 0)
        return rc;
    rc = event_config_delete(op->db, &key, &err);
    if (rc == -ENOENT)
        return config_not_found(op, &target);
    return rc < 0 ? svc_fail_internal(op, &err) : 0;
}

int lambda_run_ListFunctionEventInvokeConfigs(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_ListFunctionEventInvokeConfigsRequest *in = in_any;
    struct lambda_ListFunctionEventInvokeConfigsResponse *out = out_any;
    struct event_config_row rows[PAGE_MAX + 1];
    struct lambda_target target;
    struct event_config_key key;
    struct err err;
    int rc = resolve(op, in->FunctionName, STR("$LATEST"), &target, &key);
    if (rc < 0)
        return rc;
    rc = find_target(op, &key, &err);
    if (rc == -ENOENT)
        return svc_fail(op, MSG_FUNCTION_MISSING);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    rc = lambda_marker_parse(op, in->Marker, &key.qualifier);
    if (rc < 0)
        return rc;
    size_t page = in->has_MaxItems && in->MaxItems < PAGE_MAX ? (size_t) in->MaxItems : PAGE_MAX;
    rc = event_config_list(op->db, op->arena, &key, page + 1, rows, &err);
    if (rc < 0)
        return svc_fail_internal(op, &err);
    size_t count = (size_t) rc > page ? page : (size_t) rc;
    out->FunctionEventInvokeConfigs.items =
        ARENA_ARRAY(op->arena, struct lambda_FunctionEventInvokeConfig, count + 1);
    if (out->FunctionEventInvokeConfigs.items == NULL)
        return lambda_fail_too_large(op);
    out->FunctionEventInvokeConfigs.count = count;
    for (size_t i = 0; i < count; i++) {
        target.qualifier = rows[i].qualifier;
        int failed = show(op, &target, &rows[i].config, &out->FunctionEventInvokeConfigs.items[i]);
        if (failed < 0)
            return failed;
    }
    if ((size_t) rc > page)
        out->NextMarker = lambda_marker_format(op->arena, rows[page - 1].qualifier);
    return 0;
}
