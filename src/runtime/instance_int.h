#pragma once
/* What the files of one instance share.
 *
 *   instance.c          what it says, how it ends, and its timer
 *   instance_effects.c  what the scheduler asks of it
 *   instance_start.c    from a finished sandbox to its first invocation
 *   instance_answer.c   its answers */
#include "runtime/runtime_int.h"

static inline int64_t instance_now_us(const struct instance *inst)
{
    return exec_now_us(inst->home->exec);
}

static inline struct sched *instance_sched(struct instance *inst)
{
    return &inst->home->sched;
}

static inline void instance_set_timer(struct instance *inst, int64_t after_us)
{
    timer_set(inst->home->exec, &inst->timer, instance_now_us(inst) + after_us);
}

/* instance.c */
enum { INSTANCE_GONE_LIMIT_US = 10 * 1000 * 1000 }; /* from the kill until nothing is left */
void instance_timer_fired(struct timer *timer);

/* instance_effects.c */
void instance_kill(struct instance *inst);
/* Whoever has extensions says good-bye first, its runtime undisturbed by an end of file. */
void instance_end_now(struct instance *inst);

/* instance_start.c */
/* What waits longest for this function, in the hands of a start that fails. */
void instance_take_victim(struct instance *inst);
void instance_refuse_victim(struct instance *inst, const struct err *err);
void instance_has_booted(struct instance *inst);
void instance_is_ready(struct instance *inst);
/* Its init says so itself: the error is in inst->answer. */
void instance_not_initialised(struct instance *inst, bool is_oversize);
void instance_init_timed_out(struct instance *inst);
/* A copy that does not come to life is not the function's fault: what waits for it gets another
 * instance, from scratch. One of the booted language has come to life when it says BOOTED; then the
 * function's own init begins. */
bool instance_is_unborn(const struct instance *inst);
void instance_not_restored(struct instance *inst, const char *why);

/* instance_answer.c */
/* A frame of the running invocation; false: out of turn. */
bool instance_answer_frame(struct instance *inst, const struct frame *frame, bool is_oversize);
/* The answer is given, and the instance works on. */
void instance_finish_later(struct instance *inst);
