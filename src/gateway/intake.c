#include "gateway/intake.h"

#include "base/assert.h"

#include <errno.h>

/* INTAKE_MAX, and what comes in one piece: a read, or what HTTP/2 kept in a pause. */
enum { BUFFER_MAX = INTAKE_MAX + 4 * 1024 * 1024 };

static void intake_go_on(struct intake *intake);

void intake_init(struct intake *intake)
{
    buf_init(&intake->filling, BUFFER_MAX);
    buf_init(&intake->taking, BUFFER_MAX);
    intake->rc = 0;
    intake->is_taking = intake->is_paused = intake->is_whole = intake->is_cut = false;
    intake->is_ended = false;
}

void intake_done(struct intake *intake)
{
    assert(!intake->is_taking);
    buf_done(&intake->filling);
    buf_done(&intake->taking);
}

static void back_run(struct task *task)
{
    struct intake *intake = CONTAINER_OF(task, struct intake, task);
    buf_reset(&intake->taking);
    intake->is_taking = false;
    intake_go_on(intake);
}

static void take_run(struct task *task)
{
    struct intake *intake = CONTAINER_OF(task, struct intake, task);
    intake->rc = intake->take(intake->arg, buf_str(&intake->taking));
    task->run = back_run;
    exec_post(intake->loop, task);
}

static void hand_over(struct intake *intake)
{
    struct buf full = intake->filling;
    intake->filling = intake->taking;
    intake->taking = full;
    intake->is_taking = true;
    intake->task.run = take_run;
    exec_post(intake->workers, &intake->task);
    if (!intake->is_paused)
        return;
    intake->is_paused = false;
    exchange_resume(intake->x); /* may add at once */
}

/* The buffers are the loop's. */
static void intake_go_on(struct intake *intake)
{
    if (intake->is_ended)
        return;
    int rc = intake->rc < 0 ? intake->rc : intake->is_cut ? -ECONNRESET : 0;
    if (rc == 0 && intake->filling.len > 0) {
        hand_over(intake);
    } else if (rc < 0 || intake->is_whole) {
        intake->is_ended = true;
        intake->ended(intake->arg, rc);
    }
}

void intake_add(struct intake *intake, struct str bytes)
{
    if (intake->is_ended)
        return; /* Not wanted any more; the answer is on its way. */
    buf_put(&intake->filling, bytes);
    assert(!buf_is_over(&intake->filling));
    if (!intake->is_taking) {
        hand_over(intake);
    } else if (intake->filling.len >= INTAKE_MAX && !intake->is_paused) {
        intake->is_paused = true;
        exchange_pause(intake->x);
    }
}

void intake_finish(struct intake *intake)
{
    intake->is_whole = true;
    if (!intake->is_taking)
        intake_go_on(intake);
}

void intake_cut(struct intake *intake)
{
    intake->is_cut = true;
    intake->is_paused = false;
    if (!intake->is_taking)
        intake_go_on(intake);
}
