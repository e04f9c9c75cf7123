/* How operations fail, and which of a service's own errors stands for our troubles.
 *
 * AWS has no error that every service shares on the wire: Lambda calls an internal failure
 * ServiceException, SQS InternalError, DynamoDB InternalServerError; "slow down" has as many names.
 * Clients retry by name, so the operation's modelled errors are looked through first, and the
 * common ones of the wire engine answer for services that model none. */
#include "core/op.h"

#include "base/assert.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>

#undef svc_fail /* what the analyzer is told instead of these */
#undef svc_fail_internal

int svc_fail(struct op *op, const struct aws_error *error, const char *format, ...)
{
    assert(error != NULL);
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *text = arena_try(op->arena, (size_t) len + 1);
    if (text != NULL)
        (void) vsnprintf(text, (size_t) len + 1, format, again);
    va_end(again);
    /* A message that does not fit any more is left out; the code says what matters. */
    struct str message = text == NULL ? STR("") : str_of(text, (size_t) len);
    op->fault = (struct aws_fault){.error = error, .message = message};
    return OP_FAILED;
}

int svc_fail_internal(struct op *op, const struct err *err)
{
    const struct aws_operation *model = op->def == NULL ? NULL : op->def->model;
    struct str name = model == NULL ? STR("-") : model->name;
    struct log_text why;
    log_error("services", "operation failed", "op=" STR_FMT " req=" STR_FMT " err=%s",
              STR_ARG(name), STR_ARG(op->request_id), log_quote(&why, str_from(err->text)));
    const char *text = "An error occurred and the request cannot be processed.";
    if (err->code == -ENOSPC || err->code == -EDQUOT)
        text = "The request cannot be processed: there is no space left on the server's disk.";
    else if (err->code == -EROFS)
        text = "The request cannot be processed: the server's storage takes no more writes.";
    return svc_fail(op, op_error_internal(model), "%s", text);
}

void op_finish(struct op *op, int rc)
{
    assert(rc == 0 || op->fault.error != NULL);
    op->finish(op, rc);
}

void op_begin(struct op *op, int64_t content_length)
{
    assert(content_length >= -1);
    op->stream->begin(op, content_length);
}

bool op_write(struct op *op, struct str bytes)
{
    return op->stream->write(op, bytes);
}

bool op_event(struct op *op, const void *event)
{
    return op->stream->event(op, event);
}

static const struct aws_error *error_find(const struct aws_operation *model, int status)
{
    for (uint32_t i = 0; model != NULL && i < model->error_count; i++) {
        if (model->errors[i]->status == status)
            return model->errors[i];
    }
    return NULL;
}

const struct aws_error *op_error_internal(const struct aws_operation *model)
{
    const struct aws_error *own = error_find(model, 500);
    return own == NULL ? &aws_error_internal : own;
}

const struct aws_error *op_error_throttling(const struct aws_operation *model)
{
    const struct aws_error *own = error_find(model, 429);
    for (uint32_t i = 0; own == NULL && model != NULL && i < model->error_count; i++) {
        if (str_find_str(model->errors[i]->name, STR("Throttl")) < model->errors[i]->name.len)
            own = model->errors[i];
    }
    return own == NULL ? &aws_error_throttling : own;
}

const struct aws_error *op_error_too_large(const struct aws_operation *model)
{
    const struct aws_error *own = error_find(model, 413);
    return own == NULL ? &aws_error_request_too_large : own;
}
