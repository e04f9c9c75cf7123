#pragma once
/* What the files of the scheduler share: its books, and who tells whom what.
 *
 *   sched.c         what happens: calls, the events of instances, changed functions, draining
 *   sched_books.c   functions, their versions, accounts: who may have how much
 *   sched_queue.c   what waits, and for how long it does so patiently
 *   sched_starts.c  what is started for it, and what has to go for that
 *   sched_rest.c    idle instances: how long they are kept, when they freeze, when one is expected
 *   sched_slot.c    the life of an instance: the one writer of its state
 *   sched_check.c   the relations of all of it */
#include "runtime/growth.h"
#include "runtime/sched.h"

/* The versions of a function, which share its reservation. */
struct sched_family {
    char *arn; /* owned, the map's key */
    size_t arn_len;
    struct quota *account; /* borrowed: its concurrency */
    unsigned members;      /* struct sched_function */
    int64_t reserved;      /* as the specification that came last says; -1: none */
    int64_t in_flight;     /* invocations of all members */
    struct growth growth;
};

struct sched_function {
    char *key; /* owned, the map's key */
    size_t key_len;
    struct function_spec *spec; /* counted; the newest */
    struct sched_family *family;
    struct list waiting;     /* invocations */
    struct list idle;        /* slots, last used first */
    struct list_node hungry; /* sched.hungry, when linked */
    unsigned slots, starting, busy;
    unsigned patient; /* of those that wait */
    struct crowd crowd;
    int64_t in_flight;
    uint64_t memory_bytes; /* of an instance, when one has been measured */
    struct sched *sched;
    struct keepalive_history *history; /* borrowed */
    struct timer rest;                 /* set while it has idle instances or expects a call */
    int64_t keep_us;                   /* of idle instances, since the last call or their start */
    int64_t prewarm_at_us;             /* a call is expected after this; 0: instances stay */
    bool is_prewarming;                /* the next slot is for it */
    bool is_removed;                   /* the function was deleted; what runs may finish */
};

/* sched_slot.c */
void slot_move(struct sched *sched, struct slot *slot, enum slot_state to);
void slot_send(struct sched *sched, struct slot *slot, struct invocation *inv);
void slot_stop(struct sched *sched, struct slot *slot);

/* sched_books.c */
struct sched_function *function_find(const struct sched *sched, const struct function_spec *spec);
struct sched_function *function_new(struct sched *sched, struct function_spec *spec);
void function_free(struct sched *sched, struct sched_function *function);
/* An entry that nothing needs goes: thousands of functions may be deployed, few are in use. */
void function_release(struct sched *sched, struct sched_function *function);
/* Takes the new specification's numbers over; the old one's reference is given back. */
void function_set_spec(struct sched_function *function, struct function_spec *spec);
bool function_has_reservation(const struct sched_function *function);
/* Counts the invocation in, or says why not. */
bool books_admit(struct sched *sched, struct sched_function *function, struct invocation *inv);
/* Counts it out, and tells the caller: its results are set. */
void books_end(struct sched *sched, struct invocation *inv);

/* sched_queue.c */
/* An admitted invocation: runs, or waits. */
void queue_put(struct sched *sched, struct invocation *inv);
/* The oldest that waits; NULL: none does. */
struct invocation *queue_take(struct sched *sched, struct sched_function *function);
/* Should what waits go on waiting although an instance is free? without: of the busy ones. */
bool queue_prefers_to_wait(struct sched *sched, struct sched_function *function, unsigned without);
bool queue_is_patient(const struct invocation *inv);
void queue_patience_over(struct timer *timer);

/* sched_starts.c */
/* Does what waits want instances that are not being started? */
bool starts_are_wanted(const struct sched_function *function);
void starts_note(struct sched *sched, struct sched_function *function); /* it may want some */
/* Starts what waits, as far as the host has room; makes room where it can. */
void starts_balance(struct sched *sched);
/* Measurements may have grown past the bound: idle instances go until it holds. */
void starts_keep_budget(struct sched *sched);
/* Starts an instance for a call that is expected, if there is room to spare. */
void starts_prewarm(struct sched *sched, struct sched_function *function);
void starts_gate_due(struct timer *timer);
uint64_t starts_memory_guess(const struct sched_function *function);

/* sched_rest.c */
void rest_begin(struct sched *sched, struct slot *slot); /* the slot is idle from now on */
/* The function's timer fires then at the latest. */
void rest_arm(struct sched_function *function, int64_t due_us);
/* The function is called: what its idle time tells. Before the call is counted. */
void rest_note_arrival(struct sched_function *function, int64_t now_us);
/* Its last call has ended: when the next one may come, and until when. */
void rest_note_end(struct sched *sched, struct sched_function *function);
void rest_over(struct timer *timer);
void rest_freeze_due(struct timer *timer);
