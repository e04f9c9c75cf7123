/* Invoke with InvocationType Event: the answer 202 says that the event is on disk.
 *
 *     loop    checks, posts                          lambda_start_event
 *     actor   writes the row; commits; answers,      acceptance_run, acceptance_done
 *             and has the dispatcher look
 *     loop    202                                    acceptance_answer
 *
 * The loop found the function in its directory; whether its row is still there is asked once more
 * in the transaction, so that no event outlives the function it is for. */
#include "core/actor.h"
#include "services/lambda/async.h"
#include "services/lambda/db_events.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/messages.h"

struct acceptance {
    struct op *op;
    struct lambda_target target;
    struct event_row row;
    struct message msg;
    struct task task;
    int rc;
};

static void acceptance_answer(struct task *task)
{
    const struct acceptance *acceptance = CONTAINER_OF(task, struct acceptance, task);
    op_finish(acceptance->op, acceptance->rc);
}

static int acceptance_run(struct message *msg, struct db *db)
{
    struct acceptance *acceptance = CONTAINER_OF(msg, struct acceptance, msg);
    struct op *op = acceptance->op;
    struct lambda_state *state = op->state;
    struct event_row *row = &acceptance->row;
    struct lambda_row function;
    struct err err;
    int rc =
        lambda_db_find(db, op->arena, row->account, row->region, row->name, 0, &function, &err);
    if (rc == -ENOENT)
        return acceptance->rc = lambda_not_found(op, &acceptance->target);
    if (rc == 0)
        rc = async_accept(state->async, db, row, &err);
    if (rc == -EAGAIN)
        return acceptance->rc = svc_fail(op, MSG_THROTTLED);
    return acceptance->rc = rc < 0 ? svc_fail_internal(op, &err) : 0;
}

static void acceptance_done(struct message *msg, int rc)
{
    struct acceptance *acceptance = CONTAINER_OF(msg, struct acceptance, msg);
    struct op *op = acceptance->op;
    struct lambda_state *state = op->state;
    if (rc < 0) {
        struct err err;
        (void) err_set(&err, rc, "commit");
        acceptance->rc = svc_fail_internal(op, &err);
    }
    if (acceptance->rc == 0)
        async_accepted(state->async, &acceptance->row);
    acceptance->task.run = acceptance_answer;
    exec_post(op->loop_exec, &acceptance->task);
}

void lambda_start_event(struct op *op, const struct lambda_target *target,
                        struct str client_context)
{
    const struct lambda_InvocationRequest *in = op->in;
    struct lambda_InvocationResponse *out = op->out;
    struct lambda_state *state = op->state;
    if (in->Payload.len > ASYNC_PAYLOAD_MAX) {
        op_finish(op, svc_fail(op, MSG_EVENT_SIZE, in->Payload.len, ASYNC_PAYLOAD_MAX));
        return;
    }
    struct acceptance *acceptance = ARENA_NEW(op->arena, struct acceptance);
    acceptance->op = op;
    acceptance->target = *target;
    acceptance->row = (struct event_row){
        .account = op->caller.account,
        .region = op->caller.region,
        .name = target->name,
        .request_id = op->request_id,
        .invoked_arn = lambda_invoked_arn(op, target),
        .client_context = client_context,
        .trace_id = op->trace_id,
        .payload = in->Payload.len == 0 ? STR("{}") : in->Payload,
        .accepted_at_ms = op->now_ms,
        .due_at_ms = op->now_ms,
    };
    acceptance->msg = (struct message){
        .account = op->caller.account, .run = acceptance_run, .done = acceptance_done};
    out->has_StatusCode = true;
    out->StatusCode = 202;
    if (actor_post(state->actor, &acceptance->msg) < 0)
        op_finish(op, svc_fail(op, MSG_THROTTLED));
}
