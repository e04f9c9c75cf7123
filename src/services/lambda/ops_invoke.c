/* Invoke: the hot path, wholly on the loop that received the request.
 *
 *   start: name → specification in this loop's directory → runtime_invoke
 *   done:  result → answer (payload as the instance sent it, not copied) → op_finish
 *
 * No database, no lock, one allocation in the request's arena. The specification is held by a
 * reference until the answer is encoded, so an update or a deletion meanwhile does not disturb it.
 */
#include "base/log.h"
#include "data/base64.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"
#include "services/lambda/rules.h"
#include "services/lambda/versions.h"

struct call {
    struct invocation inv;
    struct op *op;
};

static int answer_throttled(struct op *op, enum throttle_reason reason)
{
    /* AWS documents the names, not which one belongs to growing too fast. */
    static const char *const reasons[] = {
        [THROTTLE_RESERVED_FUNCTION] = "ReservedFunctionConcurrentInvocationLimitExceeded",
        [THROTTLE_CONCURRENT] = "ConcurrentInvocationLimitExceeded",
        [THROTTLE_GROWTH] = "FunctionInvocationRateLimitExceeded",
        [THROTTLE_HOST] = "CallerRateLimitExceeded",
    };
    int rc = reason == THROTTLE_HOST ? svc_fail(op, MSG_CALLER_RATE) : svc_fail(op, MSG_THROTTLED);
    struct lambda_TooManyRequestsException *detail =
        ARENA_NEW(op->arena, struct lambda_TooManyRequestsException);
    detail->Type = STR("User");
    detail->message = op->fault.message;
    detail->Reason = str_from(reasons[reason]);
    op->fault.detail = detail;
    return rc;
}

int lambda_call_fail(struct op *op, const struct invocation *inv)
{
    return inv->result == INVOCATION_THROTTLED ? answer_throttled(op, inv->throttle)
                                               : svc_fail_internal(op, &inv->error);
}

int lambda_log_tail(struct op *op, struct str tail, struct str *out_base64)
{
    size_t len = base64_encoded_len(tail.len);
    struct buf text;
    buf_init(&text, len + 1);
    base64_encode(&text, tail);
    *out_base64 = arena_str(op->arena, buf_str(&text));
    buf_done(&text);
    return out_base64->ptr == NULL ? lambda_fail_too_large(op) : 0;
}

static int answer(struct op *op, const struct invocation *inv)
{
    struct lambda_InvocationResponse *out = op->out;
    switch (inv->result) {
    case INVOCATION_THROTTLED:
    case INVOCATION_REFUSED: return lambda_call_fail(op, inv);
    case INVOCATION_FUNCTION_ERROR: out->FunctionError = STR("Unhandled"); break;
    case INVOCATION_OK: break;
    }
    out->has_StatusCode = true;
    out->StatusCode = 200;
    out->ExecutedVersion = inv->spec->version;
    out->Payload = inv->answer;
    return inv->wants_log_tail ? lambda_log_tail(op, inv->log_tail, &out->LogResult) : 0;
}

static void invocation_done(struct invocation *inv)
{
    struct call *call = CONTAINER_OF(inv, struct call, inv);
    struct op *op = call->op;
    struct snapshot *spec = &inv->spec->snapshot;
    op_finish(op, answer(op, inv)); /* call lies in op's arena: gone */
    snapshot_unref(spec);
}

/* A version with SnapStart is not called before its snapshot is made, nor when its init failed. */
static int check_state(struct op *op, const struct lambda_spec *own)
{
    const struct function_spec *spec = &own->spec;
    struct snapshot_status status;
    if (!spec->is_snap_start)
        return 0;
    enum version_state at =
        version_snap_start(op->state, spec->arn, spec->version, own->modified_at_ms,
                           spec->timeout_ms, op->now_ms, &status);
    if (at == VERSION_ACTIVE)
        return 0;
    return svc_fail(op, MSG_STATE, at == VERSION_PENDING ? "Pending" : "Failed");
}

/* The function on this loop. */
static int find(struct op *op, const struct lambda_call_request *in,
                struct lambda_target *out_target, struct lambda_spec **out_spec)
{
    struct lambda_state *state = op->state;
    int rc = lambda_resolve(op, in->function_name, in->qualifier, out_target);
    if (rc < 0)
        return rc;
    struct lambda_spec *own = version_find(state, op->loop, out_target->arn, out_target->qualifier);
    if (own == NULL)
        return lambda_not_found(op, out_target);
    if (own->code == NULL)
        return svc_fail(op, MSG_CODE_LOST);
    *out_spec = own;
    return check_state(op, own);
}

struct str lambda_trace(struct op *op)
{
    char *text = arena_alloc(op->arena, TRACE_ID_SIZE);
    op->trace_id = trace_id_make(text, op->trace_given, op->request_id, op->now_ms);
    return op->trace_id;
}

int lambda_call_check(struct op *op, const struct lambda_call_request *in,
                      struct lambda_target *out_target, struct invocation *out)
{
    struct lambda_spec *own = NULL;
    struct str client_context;
    int rc = find(op, in, out_target, &own);
    if (rc == 0 && in->tenant_id.ptr != NULL)
        rc = svc_fail(op, MSG_UNSUPPORTED, "TenantId");
    if (rc == 0)
        rc = lambda_check_payload(op, in->payload);
    if (rc == 0)
        rc = lambda_check_client_context(op, in->client_context, &client_context);
    if (rc < 0)
        return rc;
    *out = (struct invocation){
        .spec = &own->spec,
        .request_id = op->request_id,
        .invoked_arn = lambda_invoked_arn(op, out_target),
        .client_context = client_context,
        .trace_id = lambda_trace(op),
        .payload = in->payload.len == 0 ? STR("{}") : in->payload,
        .wants_log_tail = str_eq(in->log_type, STR("Tail")),
    };
    return 0;
}

void lambda_call_run(struct op *op, struct invocation *inv)
{
    struct lambda_state *state = op->state;
    (void) snapshot_ref(&inv->spec->snapshot);
    runtime_invoke(state->runtime, op->loop, inv);
}

void lambda_start_Invoke(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_InvocationRequest *in = in_any;
    struct lambda_InvocationResponse *out = out_any;
    const struct lambda_call_request request = LAMBDA_CALL_REQUEST(in);
    struct call *call = ARENA_NEW(op->arena, struct call);
    struct lambda_target target;
    int rc = lambda_call_check(op, &request, &target, &call->inv);
    if (rc == 0 && in->DurableExecutionName.ptr != NULL)
        rc = svc_fail(op, MSG_UNSUPPORTED, "DurableExecutionName");
    bool is_dry = str_eq(in->InvocationType, STR("DryRun"));
    if (rc < 0 || is_dry) {
        out->has_StatusCode = is_dry;
        out->StatusCode = 204;
        op_finish(op, rc);
        return;
    }
    if (str_eq(in->InvocationType, STR("Event"))) {
        lambda_start_event(op, &target, call->inv.client_context);
        return;
    }
    call->op = op;
    call->inv.done = invocation_done;
    lambda_call_run(op, &call->inv);
}
