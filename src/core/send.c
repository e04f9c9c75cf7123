/*     loop   next ──→ worker   read one piece ──→ loop   write it ──→ next, at once or when drained
 *
 * One piece of memory for each answer; a client that reads slowly costs that and what the
 * connection keeps unsent, and no worker waits for it. */
#include "core/send.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <unistd.h>

enum { PIECE = 128 * 1024 };

struct sending {
    struct op *op;
    struct exec *workers;
    struct task task;
    int fd; /* owned */
    uint64_t at, left;
    ssize_t got;     /* bytes of piece, or -errno */
    bool is_waiting; /* for on_drained */
    char piece[PIECE];
};

static void send_end(struct sending *sending, int rc)
{
    struct op *op = sending->op;
    (void) close(sending->fd);
    free(sending);
    op->prepared = NULL;
    op_finish(op, rc);
}

static void piece_written(struct task *task);

static void piece_read(struct task *task)
{
    struct sending *sending = CONTAINER_OF(task, struct sending, task);
    size_t size = sending->left < PIECE ? (size_t) sending->left : PIECE;
    do
        sending->got = pread(sending->fd, sending->piece, size, (off_t) sending->at);
    while (sending->got < 0 && errno == EINTR);
    if (sending->got < 0)
        sending->got = -errno;
    task->run = piece_written;
    exec_post(sending->op->loop_exec, task);
}

static void send_next(struct sending *sending)
{
    if (sending->left == 0 || sending->op->is_gone) {
        send_end(sending, 0);
        return;
    }
    sending->task.run = piece_read;
    exec_post(sending->workers, &sending->task);
}

static void on_drained(struct op *op)
{
    struct sending *sending = op->prepared;
    sending->is_waiting = false;
    send_next(sending);
}

static void piece_written(struct task *task)
{
    struct sending *sending = CONTAINER_OF(task, struct sending, task);
    if (sending->got <= 0) {
        struct err err;
        if (sending->got < 0)
            (void) err_set(&err, (int) sending->got, "read what is being sent");
        else
            (void) err_say(&err, -ENODATA, "what is being sent ends early");
        send_end(sending, svc_fail_internal(sending->op, &err));
        return;
    }
    sending->at += (uint64_t) sending->got;
    sending->left -= (uint64_t) sending->got;
    bool may_go_on = op_write(sending->op, str_of(sending->piece, (size_t) sending->got));
    sending->is_waiting = !may_go_on && !sending->op->is_gone;
    if (!sending->is_waiting)
        send_next(sending);
}

static void gone_run(struct task *task)
{
    send_next(CONTAINER_OF(task, struct sending, task)); /* ends */
}

/* Who only waits for the client to take more is waiting for nobody now. */
static void on_gone(struct op *op)
{
    struct sending *sending = op->prepared;
    if (!sending->is_waiting)
        return;
    sending->is_waiting = false;
    sending->task.run = gone_run;
    exec_post(op->loop_exec, &sending->task);
}

void op_send_file(struct op *op, struct exec *workers, int fd, struct send_range range)
{
    struct sending *sending = NEW(struct sending);
    sending->op = op;
    sending->workers = workers;
    sending->fd = fd;
    sending->at = range.from;
    sending->left = range.length;
    op->prepared = sending;
    op->on_drained = on_drained;
    op->on_gone = on_gone;
    op_begin(op, (int64_t) range.length);
    send_next(sending);
}
