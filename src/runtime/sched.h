#pragma once
/* Scheduling of one home: which instance runs which invocation, when instances are started and
 * removed, and who is throttled. Pure: the world is a clock with timers (struct exec) and a table
 * of effects, so that tests and the simulator drive it with fake instances.
 *
 * thread: the home's loop. */
#include "base/list.h"
#include "base/map.h"
#include "core/quota.h"
#include "os/exec.h"
#include "runtime/budget.h"
#include "runtime/crowd.h"
#include "runtime/gate.h"
#include "runtime/keepalive.h"
#include "runtime/runtime.h"

struct sched_function;

/*  The life of an instance, as far as scheduling is concerned:
 *
 *      building -> initialising -> idle <-> busy        any -> stopping -> gone (no slot)
 *                                   | ^       |
 *                                   | +-- finishing, answered and not done yet (then busy, too)
 *                                   +-> frozen, idle for freeze_after_us; thawed to be busy */
enum slot_state {
    SLOT_BUILDING,     /* the sandbox is being made */
    SLOT_INITIALISING, /* the language boots, the user's code loads */
    SLOT_IDLE,
    SLOT_FROZEN,    /* idle, and nothing of it runs: AWS's promise, and no CPU for its threads */
    SLOT_BUSY,      /* runs the invocation */
    SLOT_FINISHING, /* its invocation has been answered, and it works on: not usable yet */
    SLOT_STOPPING,  /* killed; counts against the host until it is gone. An invocation that it ran
                     * stays on it until the cause of death is known. */
};

/* The scheduler's part of an instance; instance.h embeds it first. */
struct slot {
    enum slot_state state;           /* written by sched_slot.c only */
    struct function_spec *spec;      /* counted; what the instance was made for */
    struct sched_function *function; /* borrowed; lives while it has slots */
    struct invocation *invocation;   /* borrowed; SLOT_BUSY, perhaps SLOT_STOPPING */
    struct list_node own_idle;       /* function's idle and frozen instances, last used first */
    struct list_node all_idle;       /* home's idle and frozen instances, first to expire first */
    struct list_node awake;          /* home's idle instances, first to freeze first */
    int64_t idle_since_us, busy_since_us, begun_us;
    struct budget_share memory;
    bool is_prewarmed; /* started for a call that is expected; not used yet */
};

const char *slot_state_name(enum slot_state state);
/* Waits for an invocation, frozen or not. */
static inline bool slot_state_is_idle(enum slot_state state)
{
    return state == SLOT_IDLE || state == SLOT_FROZEN;
}

struct sched_effects {
    /* Starts building an instance; the result is the slot of a new one in SLOT_BUILDING, to be
     * registered by sched_slot_init before it returns. Failure is told later by sched_slot_gone. */
    void (*start)(void *arg, struct function_spec *spec);
    /* The slot is busy with the invocation from now on. May call nothing of the scheduler. */
    void (*send)(void *arg, struct slot *slot, struct invocation *inv);
    /* Stops every thread of an idle instance, or lets them run, before `send`. A frozen one is
     * killed as it is. May call nothing of the scheduler. */
    void (*freeze)(void *arg, struct slot *slot);
    void (*thaw)(void *arg, struct slot *slot);
    /* So many bytes of what was made in advance are to go; sched_pooled follows later. */
    void (*shrink)(void *arg, uint64_t bytes);
    /* Kills the instance; sched_slot_gone follows later, never from inside. */
    void (*stop)(void *arg, struct slot *slot);
    /* The invocation has ended: its results are set. The scheduler has forgotten it. */
    void (*done)(void *arg, struct invocation *inv);
    /* Called a few times a second. */
    struct crowd_use (*cpu_use)(void *arg);
    /* Draining: nothing is running, queued or alive any more. */
    void (*drained)(void *arg);
};

struct sched_config {
    struct exec *exec; /* borrowed */
    const struct sched_effects *effects;
    void *arg;
    struct quotas *accounts; /* borrowed; shared with other homes */
    unsigned instances_max, queue_max;
    int64_t keep_alive_us; /* of idle instances; of those without a pattern, if adaptive */
    bool is_keep_adaptive; /* by each function's own idle times, see keepalive.h */
    int64_t freeze_after_us;
    unsigned cpus;
    uint64_t memory_max; /* of all instances; 0: no bound */
};

struct sched {
    struct sched_config config;
    struct map functions;  /* "arn:version" -> struct sched_function, owned */
    struct map families;   /* arn -> struct sched_family, owned */
    struct list hungry;    /* functions with more waiting than starting */
    struct list idle;      /* idle and frozen slots by idle_since_us */
    struct list awake;     /* idle slots by idle_since_us */
    struct timer freeze;   /* set for the first of awake, or earlier */
    struct list patient;   /* invocations that wait for a busy instance, oldest first */
    struct timer patience; /* set for the first of them, or earlier */
    struct crowd_cpus crowd;
    struct gate gate;      /* shut: the first of hungry waits for starts to be over */
    struct timer gate_due; /* set while it is shut: when to look at the CPUs */
    struct budget budget;
    struct keepalive keepalive;
    unsigned instances, starting, busy, finishing, stopping, queued;
    bool is_draining;
    bool is_refusing; /* the drain's time is over */
    bool is_drained;  /* the effect was called */
};

void sched_init(struct sched *sched, const struct sched_config *config);
void sched_done(struct sched *sched); /* nothing runs or waits any more */

/* A new invocation: runs at once, waits for an instance, or ends (throttled, refused). */
void sched_invoke(struct sched *sched, struct invocation *inv);

/* A function's specification is new (or gone). Idle instances of other revisions are stopped. */
void sched_function_changed(struct sched *sched, struct str arn,
                            struct function_spec *spec_or_null);

/* Called by the effect `start`: a new slot for the function of the specification. */
void sched_slot_init(struct sched *sched, struct slot *slot, struct function_spec *spec);
void sched_slot_made(struct sched *sched, struct slot *slot);  /* building -> initialising */
void sched_slot_ready(struct sched *sched, struct slot *slot); /* init done, or finishing is */

/* The invocation of a busy slot has ended, results set; the instance is usable. */
void sched_slot_answered(struct sched *sched, struct slot *slot);
/* The invocation of a busy slot has ended, results set; the instance is not done with it: FINISHING
 * until sched_slot_ready. */
void sched_slot_replied(struct sched *sched, struct slot *slot);
/* The invocation of a busy slot has ended, results set; the instance is stopped. */
void sched_slot_failed(struct sched *sched, struct slot *slot);
/* The instance must not be used any more; its invocation, if any, stays with it. */
void sched_slot_stop(struct sched *sched, struct slot *slot);
/* Everything of the instance has ended. The slot may be freed. No invocation may be left on it. */
void sched_slot_gone(struct sched *sched, struct slot *slot);

/* The kernel's measure of the slot's memory. Other instances, idle ones, may be stopped by this. */
void sched_slot_measured(struct sched *sched, struct slot *slot, uint64_t bytes);

/* What the home's part of all that is made in advance holds now. */
void sched_pooled(struct sched *sched, uint64_t bytes);
/* Is there so much memory that no call waits for? */
bool sched_can_spare(const struct sched *sched, uint64_t bytes);
/* What runs beside the instances has so many bytes now. */
void sched_set_aside(struct sched *sched, uint64_t bytes);

/* The oldest invocation that waits for the slot's function, to be failed by the caller through
 * sched_end (a starting instance that fails takes one along); NULL: none waits. */
struct invocation *sched_take_waiting(struct sched *sched, struct slot *slot);
/* The same, left where it is. */
const struct invocation *sched_first_waiting(const struct slot *slot);
/* Puts it back as the oldest. */
void sched_return_waiting(struct sched *sched, struct invocation *inv);
/* Ends an invocation got from sched_take_waiting; results are set. */
void sched_end(struct sched *sched, struct invocation *inv);

/* No new invocations; effects->drained runs once nothing is left. */
void sched_drain(struct sched *sched);
/* The waiting time is over: what waits is refused, all instances are stopped. The caller ends the
 * invocations of busy ones. */
void sched_refuse(struct sched *sched);

/* What runs and waits of one function version; zeros for one that is not known here. */
struct sched_counts {
    unsigned instances; /* stopping ones too */
    unsigned starting, idle, busy, queued;
};
struct sched_counts sched_counts(const struct sched *sched, const struct function_spec *spec);

/* Asserts the relations of all counters and lists; for tests. */
void sched_check(const struct sched *sched);
