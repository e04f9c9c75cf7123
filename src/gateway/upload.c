/* Requests whose operation takes its payload in pieces (service_op.take): from the head to prepare.
 *
 *     loop     head: signature over the head and the hash that it names, decoding      upload_begin
 *     loop     each piece goes to the intake                                           on_chunk
 *     worker   coding and hash, then the operation's take                              piece_take
 *     loop     the body is whole, refused, or cut off                                  intake_ended
 *     worker   is it what was signed? prepare, and on as any request       request_work_run,
 * upload_end
 *
 * A refusal is answered at once, in the middle of the body, and ends the connection. A client that
 * leaves in the middle ends the exchange; what was taken is discarded on a worker before the
 * request goes. */
#include "gateway/request.h"

#include "base/assert.h"

static int data_take(void *arg, struct str bytes)
{
    struct request *request = arg;
    struct op *op = &request->op;
    request->was_discardable = true;
    int rc = op->def->take(op, request->in, bytes);
    assert(rc == 0 || op->fault.error != NULL);
    return rc;
}

static int piece_take(void *arg, struct str bytes)
{
    struct request *request = arg;
    return payload_take(&request->payload, bytes, data_take, request, &request->op.fault);
}

static void drop_run(struct task *task)
{
    struct request *request = request_of(task);
    request_discard(request);
    request_to_loop(request, OP_FAILED);
}

static void intake_ended(void *arg, int rc)
{
    struct request *request = arg;
    request->task.run = rc < 0 ? drop_run : request_work_run;
    exec_post(request->home->gateway->config.workers, &request->task);
}

static void on_chunk(void *user, struct str bytes)
{
    struct request *request = user;
    intake_add(&request->intake, bytes);
}

static void on_gone(void *user)
{
    struct request *request = user;
    if (request->has_body) {
        request_mark_gone(request);
        return;
    }
    request->x = NULL;
    intake_cut(&request->intake);
}

void upload_begin(struct request *request)
{
    bool is_checked = request->home->gateway->config.keys != NULL && !request->is_known;
    request_keep_head(request); /* The client may leave while a worker needs it. */
    request->is_upload = true;
    request->intake = (struct intake){
        .x = request->x,
        .workers = request->home->gateway->config.workers,
        .loop = request->op.loop_exec,
        .take = piece_take,
        .ended = intake_ended,
        .arg = request,
    };
    intake_init(&request->intake);
    if (request->rc == 0 && payload_begin(request->head, is_checked ? &request->auth : NULL,
                                          &request->payload, &request->op.fault) < 0)
        request->rc = OP_FAILED;
    if (request->rc == 0)
        request->rc = request_decode(request, STR_NONE);
    if (request->rc != 0) {
        request_answer(request);
        return;
    }
    exchange_set_user(request->x, request, on_gone);
    exchange_stream_body(request->x, on_chunk);
}

void upload_done(struct request *request)
{
    intake_done(&request->intake);
    payload_done(&request->payload);
}

int upload_end(struct request *request)
{
    return payload_end(&request->payload, &request->op.fault) < 0 ? OP_FAILED : 0;
}
