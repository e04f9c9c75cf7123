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
    int rc = svc_fail(op, MSG_THROTTLED);
    struct lambda_TooManyRequestsException *detail =
        ARENA_NEW(op->arena, struct lambda_TooManyRequestsException);
    detail->Type = STR("User");
    detail->message = op->fault.message;
    detail->Reason = reason == THROTTLE_RESERVED_FUNCTION
                         ? STR("ReservedFunctionConcurrentInvocationLimitExceeded")
                         : STR("ConcurrentInvocationLimitExceeded");
    op->fault.detail = detail;
    return rc;
}

static int answer_log_tail(struct op *op, struct str tail, struct lambda_InvocationResponse *out)
{
    size_t len = base64_encoded_len(tail.len);
    struct buf text;
    buf_init(&text, len + 1);
    base64_encode(&text, tail);
    out->LogResult = arena_str(op->arena, buf_str(&text));
    buf_done(&text);
    return out->LogResult.ptr == NULL
               ? svc_fail(op, &aws_error_request_too_large, "The answer is too large.")
               : 0;
}

static int answer(struct op *op, const struct invocation *inv)
{
    struct lambda_InvocationResponse *out = op->out;
    switch (inv->result) {
    case INVOCATION_THROTTLED: return answer_throttled(op, inv->throttle);
    case INVOCATION_REFUSED: return svc_fail_internal(op, &inv->error);
    case INVOCATION_FUNCTION_ERROR: out->FunctionError = STR("Unhandled"); break;
    case INVOCATION_OK: break;
    }
    out->has_StatusCode = true;
    out->StatusCode = 200;
    out->ExecutedVersion = inv->spec->version;
    out->Payload = inv->answer;
    return inv->wants_log_tail ? answer_log_tail(op, inv->log_tail, out) : 0;
}

static void invocation_done(struct invocation *inv)
{
    struct call *call = CONTAINER_OF(inv, struct call, inv);
    struct op *op = call->op;
    struct snapshot *spec = &inv->spec->snapshot;
    op_finish(op, answer(op, inv)); /* call lies in op's arena: gone */
    snapshot_unref(spec);
}

/* Members that we would not act upon, and the two ways that need nothing but a look. */
static int check(struct op *op, const struct lambda_InvocationRequest *in)
{
    if (in->DurableExecutionName.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "DurableExecutionName");
    if (in->TenantId.ptr != NULL)
        return svc_fail(op, MSG_UNSUPPORTED, "TenantId");
    return lambda_check_payload(op, in->Payload);
}

/* The function on this loop. */
static int find(struct op *op, const struct lambda_InvocationRequest *in,
                struct lambda_target *out_target, struct lambda_spec **out_spec)
{
    struct lambda_state *state = op->state;
    int rc = lambda_resolve(op, in->FunctionName, in->Qualifier, out_target);
    if (rc < 0)
        return rc;
    struct lambda_spec *own = version_find(state, op->loop, out_target->arn, out_target->qualifier);
    if (own == NULL)
        return lambda_not_found(op, out_target);
    if (own->code == NULL)
        return svc_fail(op, MSG_CODE_LOST);
    *out_spec = own;
    return 0;
}

void lambda_start_Invoke(struct op *op, const void *in_any, void *out_any)
{
    const struct lambda_InvocationRequest *in = in_any;
    struct lambda_InvocationResponse *out = out_any;
    struct lambda_state *state = op->state;
    struct lambda_target target;
    struct str client_context;
    struct lambda_spec *own = NULL;
    if (find(op, in, &target, &own) < 0 || check(op, in) < 0 ||
        lambda_check_client_context(op, in->ClientContext, &client_context) < 0) {
        op_finish(op, OP_FAILED);
        return;
    }
    if (str_eq(in->InvocationType, STR("DryRun"))) {
        out->has_StatusCode = true;
        out->StatusCode = 204;
        op_finish(op, 0);
        return;
    }
    if (str_eq(in->InvocationType, STR("Event"))) {
        lambda_start_event(op, &target, client_context);
        return;
    }
    struct call *call = ARENA_NEW(op->arena, struct call);
    call->op = op;
    struct invocation *inv = &call->inv;
    (void) snapshot_ref(&own->spec.snapshot);
    inv->spec = &own->spec;
    inv->request_id = op->request_id;
    inv->invoked_arn = lambda_invoked_arn(op, &target);
    inv->client_context = client_context;
    inv->payload = in->Payload.len == 0 ? STR("{}") : in->Payload;
    inv->wants_log_tail = str_eq(in->LogType, STR("Tail"));
    inv->done = invocation_done;
    runtime_invoke(state->runtime, op->loop, inv);
}
