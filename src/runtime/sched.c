/* The scheduler of a home.
 *
 * An invocation is admitted or throttled at once, by AWS's rules: a function with reserved
 * concurrency may have that many in flight; all others of the account share what is not reserved.
 * An invocation is in flight from its admission to its end, also while it waits for an instance.
 * An admitted invocation takes the instance that was idle last (LIFO: caches are warm, the others
 * grow old and go) or queues, and it goes to whichever instance of its function is free first: one
 * that is being started for it, or one that becomes idle meanwhile (late binding).
 *
 * For each queued invocation without a starting instance one is started, as long as the host has
 * room (instances_max and the memory budget, instances that are being stopped included). At the
 * limit the idle instance that costs the least to do without (budget.h), of any function, is
 * stopped, one for each start that waits. A function that waits for
 * room is on the `hungry` list, served in order, one start per turn, so that a burst on one
 * function does not starve the others.
 *
 * Not every waiting invocation wants an instance of its own: when the CPUs are full and the
 * function is short (crowd.h), it is *patient* and waits for a busy one, CROWD_PATIENCE_US at most.
 * The patient ones are the newest of their function's queue; after that time they are like the
 * others.
 *
 * Each function has a timer for its idle instances, and for the start of one before the next call
 * is expected (keepalive.h). The timer may fire early (the instance was used meanwhile) and is then
 * set again, which keeps it off the hot path. Freezing works the same way, with one timer for all:
 * a function that is called all the time is never frozen, it only sees the timer pass by.
 *
 * A function's entry lives while it has instances or invocations, or a reservation. */
#include "runtime/sched.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/sm.h"

#include <errno.h>

/* Each freeze costs a write of about 15 us; a burst that ends must not stop the loop for long. */
enum { FREEZES_PER_TURN = 16, FREEZE_TURN_US = 1000 };
/* An instance whose function is not expected for minutes stays as long, for a call that comes
 * again. */
enum { PREWARM_GRACE_US = 30 * 1000 * 1000 };

static void rest_over(struct timer *timer);

struct sched_account {
    char *name;               /* owned, the map's key */
    int64_t reserved;         /* sum of its functions' reservations */
    int64_t shared_in_flight; /* invocations of functions without a reservation */
};

/* The versions of a function, which share its reservation. */
struct sched_family {
    char *arn; /* owned, the map's key */
    size_t arn_len;
    struct sched_account *account;
    unsigned members;  /* struct sched_function */
    int64_t reserved;  /* as the specification that came last says; -1: none */
    int64_t in_flight; /* invocations of all members */
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

static const struct sm_rule slot_rules[] = {
    [SLOT_BUILDING] = {"building", SM_TO(SLOT_INITIALISING) | SM_TO(SLOT_STOPPING)},
    [SLOT_INITIALISING] = {"initialising",
                           SM_TO(SLOT_IDLE) | SM_TO(SLOT_BUSY) | SM_TO(SLOT_STOPPING)},
    [SLOT_IDLE] = {"idle", SM_TO(SLOT_FROZEN) | SM_TO(SLOT_BUSY) | SM_TO(SLOT_STOPPING)},
    [SLOT_FROZEN] = {"frozen", SM_TO(SLOT_BUSY) | SM_TO(SLOT_STOPPING)},
    [SLOT_BUSY] = {"busy", SM_TO(SLOT_BUSY) | SM_TO(SLOT_IDLE) | SM_TO(SLOT_FINISHING) |
                               SM_TO(SLOT_STOPPING)},
    [SLOT_FINISHING] = {"finishing", SM_TO(SLOT_BUSY) | SM_TO(SLOT_IDLE) | SM_TO(SLOT_STOPPING)},
    [SLOT_STOPPING] = {"stopping", 0},
};

const char *slot_state_name(enum slot_state state)
{
    return slot_rules[state].name;
}

static bool is_starting(enum slot_state state)
{
    return state == SLOT_BUILDING || state == SLOT_INITIALISING;
}

/* Until when an idle instance is kept. */
static int64_t rest_due(const struct slot *slot)
{
    const struct sched_function *function = slot->function;
    if (function->prewarm_at_us == 0)
        return slot->idle_since_us + function->keep_us;
    if (slot->is_prewarmed)
        return function->history->idle_since_us + function->keep_us;
    return slot->idle_since_us + PREWARM_GRACE_US; /* nobody is expected for a while */
}

static void rest_arm(struct sched_function *function, int64_t due_us)
{
    if (!function->rest.is_set || due_us < function->rest.due_us)
        timer_set(function->sched->config.exec, &function->rest, due_us);
}

static void idle_begin(struct sched *sched, struct slot *slot)
{
    const struct sched_config *config = &sched->config;
    slot->idle_since_us = exec_now_us(config->exec);
    list_push_front(&slot->function->idle, &slot->own_idle);
    list_push_back(&sched->idle, &slot->all_idle);
    list_push_back(&sched->awake, &slot->awake);
    rest_arm(slot->function, rest_due(slot));
    if (!sched->freeze.is_set)
        timer_set(config->exec, &sched->freeze, slot->idle_since_us + config->freeze_after_us);
}

/* The one writer of slot->state; keeps the counters and the idle lists in step with it. */
static void slot_move(struct sched *sched, struct slot *slot, enum slot_state to)
{
    enum slot_state from = slot->state;
    sm_check(slot_rules, from, to);
    sched->starting -= is_starting(from) && !is_starting(to);
    slot->function->starting -= is_starting(from) && !is_starting(to);
    sched->busy += (to == SLOT_BUSY) - (from == SLOT_BUSY);
    slot->function->busy += (to == SLOT_BUSY) - (from == SLOT_BUSY);
    sched->finishing += (to == SLOT_FINISHING) - (from == SLOT_FINISHING);
    sched->stopping += to == SLOT_STOPPING;
    if (to == SLOT_STOPPING)
        budget_leaving(&sched->budget, &slot->memory);
    if (from == SLOT_INITIALISING && to != SLOT_STOPPING)
        slot->memory.start_us = exec_now_us(sched->config.exec) - slot->begun_us;
    if (from == SLOT_IDLE)
        list_remove(&sched->awake, &slot->awake);
    if (slot_state_is_idle(from) && !slot_state_is_idle(to)) {
        list_remove(&slot->function->idle, &slot->own_idle);
        list_remove(&sched->idle, &slot->all_idle);
    }
    slot->state = to;
    if (to == SLOT_IDLE)
        idle_begin(sched, slot);
}

/* ---- functions and accounts ---- */

static struct sched_account *account_of(struct sched *sched, struct str name)
{
    struct sched_account *account = map_find(&sched->accounts, name);
    if (account != NULL)
        return account;
    account = NEW(struct sched_account);
    account->name = mem_copy(name.ptr, name.len);
    (void) map_put(&sched->accounts, str_of(account->name, name.len), account);
    return account;
}

/* "arn:version" in the caller's buffer; the key of the map. */
struct key_text {
    char text[512];
};

static struct str key_of(const struct function_spec *spec, struct key_text *out)
{
    int n = snprintf(out->text, sizeof out->text, STR_FMT ":" STR_FMT, STR_ARG(spec->arn),
                     STR_ARG(spec->version));
    assert(n > 0 && (size_t) n < sizeof out->text); /* AWS bounds ARNs far below */
    return str_of(out->text, (size_t) n);
}

static bool has_reservation(const struct sched_function *function)
{
    return function->family->reserved >= 0;
}

/* -1: none. */
static void reserve(struct sched_family *family, int64_t reserved)
{
    struct sched_account *account = family->account;
    account->reserved +=
        (reserved > 0 ? reserved : 0) - (family->reserved > 0 ? family->reserved : 0);
    family->reserved = reserved;
    assert(account->reserved >= 0);
}

static struct sched_family *family_join(struct sched *sched, const struct function_spec *spec)
{
    struct sched_family *family = map_find(&sched->families, spec->arn);
    if (family == NULL) {
        family = NEW(struct sched_family);
        *family = (struct sched_family){.arn = mem_copy(spec->arn.ptr, spec->arn.len),
                                        .arn_len = spec->arn.len,
                                        .account = account_of(sched, spec->account),
                                        .reserved = -1};
        (void) map_put(&sched->families, str_of(family->arn, family->arn_len), family);
    }
    family->members++;
    reserve(family, spec->reserved_concurrency);
    return family;
}

static void family_leave(struct sched *sched, struct sched_family *family)
{
    assert(family->members > 0);
    if (--family->members > 0)
        return;
    assert(family->in_flight == 0);
    reserve(family, -1);
    (void) map_remove(&sched->families, str_of(family->arn, family->arn_len));
    free(family->arn);
    free(family);
}

/* Takes the new specification's numbers over; the old one's reference is given back. */
static void set_spec(struct sched_function *function, struct function_spec *spec)
{
    struct function_spec *old = function->spec;
    (void) snapshot_ref(&spec->snapshot);
    function->spec = spec;
    snapshot_unref(&old->snapshot);
    reserve(function->family, spec->reserved_concurrency);
    function->is_removed = false;
}

static struct sched_function *function_new(struct sched *sched, struct str key,
                                           struct function_spec *spec)
{
    struct sched_function *function = NEW(struct sched_function);
    function->key = mem_copy(key.ptr, key.len);
    function->key_len = key.len;
    (void) snapshot_ref(&spec->snapshot);
    function->spec = spec;
    function->family = family_join(sched, spec);
    list_init(&function->waiting);
    list_init(&function->idle);
    crowd_init(&function->crowd);
    function->sched = sched;
    function->rest.fire = rest_over;
    function->keep_us = sched->config.keep_alive_us;
    function->history = keepalive_take(&sched->keepalive, key);
    (void) map_put(&sched->functions, str_of(function->key, key.len), function);
    return function;
}

static void function_free(struct sched *sched, struct sched_function *function)
{
    assert(function->slots == 0 && function->in_flight == 0 && function->waiting.len == 0);
    if (list_is_linked(&function->hungry))
        list_remove(&sched->hungry, &function->hungry);
    timer_clear(sched->config.exec, &function->rest);
    keepalive_drop(&sched->keepalive, function->history, function->is_removed);
    family_leave(sched, function->family);
    (void) map_remove(&sched->functions, str_of(function->key, function->key_len));
    snapshot_unref(&function->spec->snapshot);
    free(function->key);
    free(function);
}

/* An entry that nothing needs goes: thousands of functions may be deployed, few are in use. */
static void function_release(struct sched *sched, struct sched_function *function)
{
    bool is_expected = function->prewarm_at_us > 0 && !function->is_removed && !sched->is_draining;
    if (function->slots == 0 && function->in_flight == 0 && !is_expected &&
        (function->is_removed || !has_reservation(function)))
        function_free(sched, function);
}

/* ---- starting and stopping ---- */

static void stop(struct sched *sched, struct slot *slot)
{
    slot_move(sched, slot, SLOT_STOPPING);
    sched->config.effects->stop(sched->config.arg, slot);
}

/* Idle instances that were made for what the function is no more. */
static void stop_old_idle(struct sched *sched, struct sched_function *function)
{
    LIST_FOR_EACH_SAFE (&function->idle, node) {
        struct slot *slot = CONTAINER_OF(node, struct slot, own_idle);
        if (function->is_removed || slot->spec->revision != function->spec->revision)
            stop(sched, slot);
    }
}

/* Instances that what waits would like to have started. */
static size_t wanted_instances(const struct sched_function *function)
{
    size_t impatient = function->waiting.len - function->patient;
    return impatient > function->starting ? impatient - function->starting : 0;
}

static bool wants_instance(const struct sched_function *function)
{
    return wanted_instances(function) > 0;
}

static void note_hunger(struct sched *sched, struct sched_function *function)
{
    if (wants_instance(function) && !list_is_linked(&function->hungry))
        list_push_back(&sched->hungry, &function->hungry);
}

static uint64_t memory_guess(const struct sched_function *function)
{
    return budget_guess(function->memory_bytes, function->spec->memory_mb);
}

static bool has_room(const struct sched *sched, const struct sched_function *function)
{
    return sched->instances < sched->config.instances_max &&
           budget_has_room(&sched->budget, memory_guess(function));
}

/* The idle instance that costs the least to do without. */
static struct slot *least_worth(const struct sched *sched)
{
    struct slot *found = NULL;
    double least = 0;
    int64_t now = exec_now_us(sched->config.exec);
    LIST_FOR_EACH (&sched->idle, node) {
        struct slot *slot = CONTAINER_OF(node, struct slot, all_idle);
        double worth = budget_worth(&slot->memory, now - slot->idle_since_us);
        if (found == NULL || worth < least) {
            found = slot;
            least = worth;
        }
    }
    return found;
}

/* Ends idle instances for what is hungry: as many as it wants, or as many bytes as the first needs.
 */
static void make_room(struct sched *sched)
{
    const struct sched_function *first =
        CONTAINER_OF(list_first(&sched->hungry), struct sched_function, hungry);
    bool is_full = sched->instances >= sched->config.instances_max;
    size_t missing = 0;
    LIST_FOR_EACH (&sched->hungry, node) {
        const struct sched_function *function = CONTAINER_OF(node, struct sched_function, hungry);
        missing += wanted_instances(function);
        if (missing > sched->stopping || !is_full)
            break;
    }
    for (; is_full && missing > sched->stopping && !list_is_empty(&sched->idle); missing--)
        stop(sched, least_worth(sched));
    while (budget_missing(&sched->budget, memory_guess(first)) > 0 && !list_is_empty(&sched->idle))
        stop(sched, least_worth(sched));
}

/* Measurements may have grown past the bound: idle instances go until it holds. */
static void keep_budget(struct sched *sched)
{
    while (budget_missing(&sched->budget, 0) > 0 && !list_is_empty(&sched->idle))
        stop(sched, least_worth(sched));
}

/* Starts what waits, as far as the host has room; makes room where it can. */
static void balance(struct sched *sched)
{
    for (struct list_node *node; (node = list_first(&sched->hungry)) != NULL;) {
        struct sched_function *function = CONTAINER_OF(node, struct sched_function, hungry);
        if (wants_instance(function) && !has_room(sched, function))
            break;
        list_remove(&sched->hungry, node);
        if (!wants_instance(function))
            continue;
        sched->config.effects->start(sched->config.arg, function->spec);
        note_hunger(sched, function);
    }
    if (!list_is_empty(&sched->hungry))
        make_room(sched);
}

/* Starts an instance for a call that is expected, if there is room to spare. */
static void prewarm(struct sched *sched, struct sched_function *function)
{
    if (sched->is_draining || function->is_removed || function->slots > 0 ||
        !has_room(sched, function) || !list_is_empty(&sched->hungry))
        return;
    function->is_prewarming = true;
    sched->config.effects->start(sched->config.arg, function->spec);
    function->is_prewarming = false;
}

static void rest_over(struct timer *timer)
{
    struct sched_function *function = CONTAINER_OF(timer, struct sched_function, rest);
    struct sched *sched = function->sched;
    int64_t now = exec_now_us(sched->config.exec);
    LIST_FOR_EACH_SAFE (&function->idle, node) {
        struct slot *slot = CONTAINER_OF(node, struct slot, own_idle);
        if (rest_due(slot) <= now)
            stop(sched, slot);
        else
            rest_arm(function, rest_due(slot));
    }
    if (function->prewarm_at_us > now) {
        rest_arm(function, function->prewarm_at_us);
    } else if (function->prewarm_at_us > 0 && function->in_flight == 0) {
        if (now < function->history->idle_since_us + function->keep_us)
            prewarm(sched, function);
        if (function->slots == 0)
            function->prewarm_at_us = 0; /* it did not come, or nothing can be made for it */
    }
    function_release(sched, function);
}

/* The function has been called: what its idle time tells. */
static void note_arrival(struct sched_function *function, int64_t now_us)
{
    struct keepalive_history *history = function->history;
    if (function->in_flight > 0)
        return;
    if (history->idle_since_us > 0)
        keepalive_observe(history, now_us - history->idle_since_us);
    function->prewarm_at_us = 0;
}

/* Its last call has ended: when the next one may come, and until when. */
static void note_rest(struct sched *sched, struct sched_function *function)
{
    int64_t now = exec_now_us(sched->config.exec);
    function->history->idle_since_us = now;
    if (!sched->config.is_keep_adaptive || function->is_removed || sched->is_draining)
        return;
    struct keepalive_windows windows =
        keepalive_windows(function->history, sched->config.keep_alive_us);
    function->keep_us = windows.keep_us;
    function->prewarm_at_us = windows.prewarm_us > 0 ? now + windows.prewarm_us : 0;
    LIST_FOR_EACH (&function->idle, node)
        rest_arm(function, rest_due(CONTAINER_OF(node, struct slot, own_idle)));
    if (function->prewarm_at_us > 0)
        rest_arm(function, function->prewarm_at_us);
}

static void freeze_due(struct timer *timer)
{
    struct sched *sched = CONTAINER_OF(timer, struct sched, freeze);
    int64_t now = exec_now_us(sched->config.exec);
    for (int i = 0; !list_is_empty(&sched->awake); i++) {
        struct slot *slot = CONTAINER_OF(list_first(&sched->awake), struct slot, awake);
        int64_t due = slot->idle_since_us + sched->config.freeze_after_us;
        if (due <= now && i == FREEZES_PER_TURN)
            due = now + FREEZE_TURN_US;
        if (due > now) {
            timer_set(sched->config.exec, timer, due);
            return;
        }
        slot_move(sched, slot, SLOT_FROZEN);
        sched->config.effects->freeze(sched->config.arg, slot);
    }
}

/* ---- invocations ---- */

static void end(struct sched *sched, struct invocation *inv)
{
    struct sched_function *function = inv->function;
    assert(function->in_flight > 0);
    struct sched_family *family = function->family;
    function->in_flight--;
    family->in_flight--;
    if (!inv->is_reserved) {
        assert(family->account->shared_in_flight > 0);
        family->account->shared_in_flight--;
    }
    if (function->in_flight == 0)
        note_rest(sched, function);
    inv->function = NULL;
    sched->config.effects->done(sched->config.arg, inv);
}

static void refuse(struct invocation *inv, const char *why)
{
    inv->result = INVOCATION_REFUSED;
    (void) err_say(&inv->error, -ESHUTDOWN, "%s", why);
}

static void throttle(struct invocation *inv, enum throttle_reason reason)
{
    inv->result = INVOCATION_THROTTLED;
    inv->throttle = reason;
}

/* Counts the invocation in, or says why not. */
static bool admit(struct sched *sched, struct sched_function *function, struct invocation *inv)
{
    struct sched_family *family = function->family;
    struct sched_account *account = family->account;
    if (has_reservation(function)) {
        if (family->in_flight >= family->reserved) {
            throttle(inv, THROTTLE_RESERVED_FUNCTION);
            return false;
        }
    } else if (account->shared_in_flight + account->reserved >=
               (int64_t) sched->config.account_concurrency) {
        throttle(inv, THROTTLE_CONCURRENT);
        return false;
    }
    if (list_is_empty(&function->idle) && sched->queued >= sched->config.queue_max) {
        throttle(inv, THROTTLE_CONCURRENT);
        return false;
    }
    note_arrival(function, inv->created_us);
    inv->is_reserved = has_reservation(function);
    account->shared_in_flight += !inv->is_reserved;
    function->in_flight++;
    family->in_flight++;
    inv->function = function;
    return true;
}

static void send(struct sched *sched, struct slot *slot, struct invocation *inv)
{
    bool is_frozen = slot->state == SLOT_FROZEN;
    slot->invocation = inv;
    slot->is_prewarmed = false;
    slot->busy_since_us = exec_now_us(sched->config.exec);
    slot_move(sched, slot, SLOT_BUSY);
    if (is_frozen)
        sched->config.effects->thaw(sched->config.arg, slot);
    sched->config.effects->send(sched->config.arg, slot, inv);
}

/* ---- waiting ---- */

static bool is_patient(const struct invocation *inv)
{
    return list_is_linked(&inv->patient);
}

static void end_patience(struct sched *sched, struct invocation *inv)
{
    list_remove(&sched->patient, &inv->patient);
    inv->function->patient--;
}

/* The oldest that waits; NULL: none does. */
static struct invocation *take_first(struct sched *sched, struct sched_function *function)
{
    struct list_node *node = list_pop_front(&function->waiting);
    if (node == NULL)
        return NULL;
    sched->queued--;
    struct invocation *inv = CONTAINER_OF(node, struct invocation, node);
    if (is_patient(inv))
        end_patience(sched, inv);
    return inv;
}

/* Do enough instances of the function run, not counting `without` of them? */
static bool is_crowded(struct sched *sched, struct sched_function *function, unsigned without)
{
    unsigned busy = function->busy - without;
    return busy > 0 && busy >= crowd_limit(&function->crowd, &sched->crowd, busy);
}

/* Should what waits go on waiting although an instance is free? */
static bool prefers_to_wait(struct sched *sched, struct sched_function *function, unsigned without)
{
    const struct list_node *first = list_first(&function->waiting);
    return first != NULL && is_patient(CONTAINER_OF(first, struct invocation, node)) &&
           is_crowded(sched, function, without);
}

/* Sends what waits to instances that are idle. */
static void serve(struct sched *sched, struct sched_function *function)
{
    for (struct list_node *node; (node = list_first(&function->idle)) != NULL;) {
        if (list_is_empty(&function->waiting) || prefers_to_wait(sched, function, 0))
            return;
        send(sched, CONTAINER_OF(node, struct slot, own_idle), take_first(sched, function));
    }
}

static void patience_over(struct timer *timer)
{
    struct sched *sched = CONTAINER_OF(timer, struct sched, patience);
    int64_t now = exec_now_us(sched->config.exec);
    for (struct list_node *node; (node = list_first(&sched->patient)) != NULL;) {
        struct invocation *inv = CONTAINER_OF(node, struct invocation, patient);
        int64_t due = inv->created_us + CROWD_PATIENCE_US;
        if (due > now) {
            timer_set(sched->config.exec, timer, due);
            break;
        }
        struct sched_function *function = inv->function;
        end_patience(sched, inv);
        serve(sched, function);
        note_hunger(sched, function);
    }
    balance(sched);
}

static void wait_patiently(struct sched *sched, struct invocation *inv)
{
    list_push_back(&sched->patient, &inv->patient);
    inv->function->patient++;
    if (!sched->patience.is_set)
        timer_set(sched->config.exec, &sched->patience, inv->created_us + CROWD_PATIENCE_US);
}

static void end_all_patience(struct sched *sched, struct sched_function *function)
{
    if (function->patient == 0)
        return;
    LIST_FOR_EACH (&function->waiting, node) {
        struct invocation *inv = CONTAINER_OF(node, struct invocation, node);
        if (is_patient(inv))
            end_patience(sched, inv);
    }
    note_hunger(sched, function);
}

static void look_at_cpus(struct sched *sched, int64_t now_us)
{
    if (crowd_is_due(&sched->crowd, now_us))
        crowd_look(&sched->crowd, now_us, sched->config.effects->cpu_use(sched->config.arg));
}

void sched_invoke(struct sched *sched, struct invocation *inv)
{
    inv->created_us = exec_now_us(sched->config.exec);
    if (sched->is_draining) {
        refuse(inv, "the platform is stopping");
        sched->config.effects->done(sched->config.arg, inv);
        return;
    }
    struct key_text text;
    struct str key = key_of(inv->spec, &text);
    struct sched_function *function = map_find(&sched->functions, key);
    if (function == NULL)
        function = function_new(sched, key, inv->spec);
    else if (function->is_removed) /* made again; any other change comes by function_changed */
        set_spec(function, inv->spec);
    if (!admit(sched, function, inv)) {
        function_release(sched, function);
        sched->config.effects->done(sched->config.arg, inv);
        return;
    }
    look_at_cpus(sched, inv->created_us);
    if (is_crowded(sched, function, 0))
        wait_patiently(sched, inv);
    else
        end_all_patience(sched, function); /* nobody is served before who came earlier */
    list_push_back(&function->waiting, &inv->node);
    sched->queued++;
    serve(sched, function);
    note_hunger(sched, function);
    balance(sched);
}

struct invocation *sched_take_waiting(struct sched *sched, struct slot *slot)
{
    return take_first(sched, slot->function);
}

const struct invocation *sched_first_waiting(const struct slot *slot)
{
    const struct list_node *node = list_first(&slot->function->waiting);
    return node == NULL ? NULL : CONTAINER_OF(node, struct invocation, node);
}

void sched_return_waiting(struct sched *sched, struct invocation *inv)
{
    list_push_front(&inv->function->waiting, &inv->node);
    sched->queued++;
    note_hunger(sched, inv->function);
}

/* ---- draining ---- */

static void check_drained(struct sched *sched)
{
    if (!sched->is_draining || sched->is_drained || sched->instances > 0 || sched->queued > 0)
        return;
    sched->is_drained = true;
    sched->config.effects->drained(sched->config.arg);
}

static void stop_idle(struct sched *sched)
{
    for (struct list_node *node; (node = list_first(&sched->idle)) != NULL;)
        stop(sched, CONTAINER_OF(node, struct slot, all_idle));
}

static void forget_expected(struct sched *sched)
{
    size_t at = 0;
    for (struct sched_function *f; (f = map_next(&sched->functions, &at, NULL)) != NULL;) {
        f->prewarm_at_us = 0;
        if (f->slots > 0 || f->in_flight > 0 || has_reservation(f))
            continue;
        function_free(sched, f);
        at = 0; /* the map has changed */
    }
}

void sched_drain(struct sched *sched)
{
    assert(!sched->is_draining);
    sched->is_draining = true;
    forget_expected(sched);
    stop_idle(sched);
    check_drained(sched);
}

static void refuse_waiting(struct sched *sched, struct sched_function *function)
{
    for (struct invocation *inv; (inv = take_first(sched, function)) != NULL;) {
        refuse(inv, "the platform is stopping");
        end(sched, inv);
    }
}

void sched_refuse(struct sched *sched)
{
    assert(sched->is_draining);
    sched->is_refusing = true;
    size_t at = 0;
    for (struct sched_function *f; (f = map_next(&sched->functions, &at, NULL)) != NULL;)
        refuse_waiting(sched, f); /* changes no entry of the map */
    stop_idle(sched);
    check_drained(sched);
}

/* ---- slots ---- */

void sched_slot_init(struct sched *sched, struct slot *slot, struct function_spec *spec)
{
    struct key_text text;
    struct sched_function *function = map_find(&sched->functions, key_of(spec, &text));
    assert(function != NULL);
    *slot = (struct slot){.state = SLOT_BUILDING,
                          .spec = spec,
                          .function = function,
                          .begun_us = exec_now_us(sched->config.exec),
                          .is_prewarmed = function->is_prewarming};
    budget_add(&sched->budget, &slot->memory, memory_guess(function));
    (void) snapshot_ref(&spec->snapshot);
    function->slots++;
    function->starting++;
    sched->instances++;
    sched->starting++;
}

void sched_slot_made(struct sched *sched, struct slot *slot)
{
    slot_move(sched, slot, SLOT_INITIALISING);
}

/* An instance that was made for what the function is no more, or that nobody wants. */
static bool is_unwanted(const struct sched *sched, const struct slot *slot)
{
    const struct sched_function *function = slot->function;
    return function->is_removed || slot->spec->revision != function->spec->revision ||
           sched->is_refusing || (sched->is_draining && list_is_empty(&function->waiting));
}

void sched_slot_ready(struct sched *sched, struct slot *slot)
{
    assert(slot->invocation == NULL);
    bool is_busy = slot->state == SLOT_BUSY;
    struct invocation *inv =
        prefers_to_wait(sched, slot->function, is_busy) ? NULL : take_first(sched, slot->function);
    bool is_old = slot->spec->revision != slot->function->spec->revision;
    if (inv != NULL && (!is_old || inv->spec->revision == slot->spec->revision)) {
        send(sched, slot, inv);
        return;
    }
    if (inv != NULL)
        sched_return_waiting(sched, inv);
    if (is_unwanted(sched, slot))
        stop(sched, slot);
    else
        slot_move(sched, slot, SLOT_IDLE);
    keep_budget(sched);
    note_hunger(sched, slot->function);
    balance(sched);
}

void sched_slot_answered(struct sched *sched, struct slot *slot)
{
    assert(slot->state == SLOT_BUSY);
    struct invocation *inv = take_ptr(&slot->invocation);
    crowd_ran(&slot->function->crowd, exec_now_us(sched->config.exec) - slot->busy_since_us);
    sched_slot_ready(sched, slot);
    end(sched, inv);
}

void sched_slot_replied(struct sched *sched, struct slot *slot)
{
    struct invocation *inv = take_ptr(&slot->invocation);
    assert(inv != NULL);
    slot_move(sched, slot, SLOT_FINISHING);
    end(sched, inv);
}

void sched_slot_failed(struct sched *sched, struct slot *slot)
{
    struct invocation *inv = take_ptr(&slot->invocation);
    assert(inv != NULL);
    if (slot->state != SLOT_STOPPING)
        stop(sched, slot);
    end(sched, inv);
}

void sched_slot_stop(struct sched *sched, struct slot *slot)
{
    if (slot->state == SLOT_STOPPING)
        return;
    stop(sched, slot);
    note_hunger(sched, slot->function);
    balance(sched);
}

void sched_slot_gone(struct sched *sched, struct slot *slot)
{
    assert(slot->invocation == NULL);
    if (slot->state != SLOT_STOPPING)
        slot_move(sched, slot, SLOT_STOPPING);
    struct sched_function *function = slot->function;
    budget_left(&sched->budget, &slot->memory);
    sched->stopping--;
    sched->instances--;
    function->slots--;
    slot->function = NULL;
    struct function_spec *spec = take_ptr(&slot->spec);
    if (slot->is_prewarmed)
        function->prewarm_at_us = 0; /* nobody came, or it did not become ready: not again */
    if (function->prewarm_at_us > 0 && function->slots == 0)
        rest_arm(function, function->prewarm_at_us);
    note_hunger(sched, function);
    function_release(sched, function);
    snapshot_unref(&spec->snapshot);
    balance(sched);
    check_drained(sched);
}

void sched_slot_measured(struct sched *sched, struct slot *slot, uint64_t bytes)
{
    struct sched_function *function = slot->function;
    if (bytes == 0 || slot->state == SLOT_STOPPING)
        return;
    budget_measured(&sched->budget, &slot->memory, bytes);
    /* A large one is remembered for a while, or each start would be a surprise. */
    uint64_t faded = function->memory_bytes - function->memory_bytes / 8;
    function->memory_bytes = slot->memory.bytes > faded ? slot->memory.bytes : faded;
    keep_budget(sched);
}

void sched_end(struct sched *sched, struct invocation *inv)
{
    struct sched_function *function = inv->function;
    end(sched, inv);
    function_release(sched, function);
}

/* ---- configuration ---- */

/* Deletion names the function by its ARN or one version of it by the map's key. */
static bool is_named(const struct sched_function *function, struct str arn)
{
    return str_eq(function->spec->arn, arn) ||
           str_eq(str_of(function->key, function->key_len), arn);
}

static void remove_functions(struct sched *sched, struct str arn)
{
    size_t at = 0;
    for (struct sched_function *f; (f = map_next(&sched->functions, &at, NULL)) != NULL;) {
        if (!is_named(f, arn))
            continue;
        f->is_removed = true;
        stop_old_idle(sched, f);
        if (f->slots > 0 || f->in_flight > 0)
            continue;
        function_free(sched, f);
        at = 0; /* the map has changed */
    }
}

void sched_function_changed(struct sched *sched, struct str arn, struct function_spec *spec_or_null)
{
    if (spec_or_null == NULL) {
        remove_functions(sched, arn);
        return;
    }
    struct key_text text;
    struct str key = key_of(spec_or_null, &text);
    struct sched_function *function = map_find(&sched->functions, key);
    if (function != NULL) {
        set_spec(function, spec_or_null);
        stop_old_idle(sched, function);
        function_release(sched, function);
    } else if (spec_or_null->reserved_concurrency >= 0) {
        (void) function_new(sched, key, spec_or_null);
    }
}

/* ---- the whole ---- */

void sched_init(struct sched *sched, const struct sched_config *config)
{
    assert(config->instances_max > 0 && config->keep_alive_us > 0);
    assert(config->freeze_after_us > 0 && config->cpus > 0);
    *sched = (struct sched){
        .config = *config, .freeze = {.fire = freeze_due}, .patience = {.fire = patience_over}};
    sched->budget.max = config->memory_max;
    keepalive_init(&sched->keepalive);
    map_init(&sched->functions);
    map_init(&sched->families);
    map_init(&sched->accounts);
    list_init(&sched->hungry);
    list_init(&sched->idle);
    list_init(&sched->awake);
    list_init(&sched->patient);
    crowd_cpus_init(&sched->crowd, config->cpus);
}

void sched_done(struct sched *sched)
{
    assert(sched->instances == 0 && sched->queued == 0);
    timer_clear(sched->config.exec, &sched->freeze);
    timer_clear(sched->config.exec, &sched->patience);
    size_t at = 0;
    for (struct sched_function *f; (f = map_next(&sched->functions, &at, NULL)) != NULL; at = 0)
        function_free(sched, f);
    at = 0;
    for (struct sched_account *a; (a = map_next(&sched->accounts, &at, NULL)) != NULL;) {
        free(a->name);
        free(a);
    }
    keepalive_done(&sched->keepalive);
    map_done(&sched->functions);
    map_done(&sched->families);
    map_done(&sched->accounts);
}

struct sched_counts sched_counts(const struct sched *sched, const struct function_spec *spec)
{
    struct key_text text;
    const struct sched_function *function = map_find(&sched->functions, key_of(spec, &text));
    if (function == NULL)
        return (struct sched_counts){0};
    return (struct sched_counts){
        .instances = function->slots,
        .starting = function->starting,
        .idle = (unsigned) function->idle.len,
        .queued = (unsigned) function->waiting.len,
        .busy = (unsigned) (function->in_flight - (int64_t) function->waiting.len)};
}

void sched_check(const struct sched *sched)
{
    size_t at = 0, slots = 0, starting = 0, waiting = 0, idle = 0, patient = 0, busy = 0;
    int64_t in_flight = 0;
    for (struct sched_function *f; (f = map_next(&sched->functions, &at, NULL)) != NULL;) {
        assert(f->starting + f->idle.len <= f->slots);
        assert(f->in_flight >= (int64_t) f->waiting.len);
        assert(!wants_instance(f) || list_is_linked(&f->hungry));
        slots += f->slots;
        starting += f->starting;
        waiting += f->waiting.len;
        idle += f->idle.len;
        patient += f->patient;
        busy += f->busy;
        assert(f->patient <= f->waiting.len);
        assert(list_is_empty(&f->idle) || f->rest.is_set);
        assert(f->prewarm_at_us == 0 || f->slots > 0 || f->rest.is_set);
        in_flight += f->in_flight;
        bool was_patient = false;
        LIST_FOR_EACH (&f->waiting, node) {
            bool is_now = is_patient(CONTAINER_OF(node, struct invocation, node));
            assert(is_now || !was_patient);
            was_patient = is_now;
        }
        LIST_FOR_EACH (&f->idle, node) {
            const struct slot *slot = CONTAINER_OF(node, struct slot, own_idle);
            assert(slot_state_is_idle(slot->state) && slot->function == f);
            assert(slot->invocation == NULL);
            assert((slot->state == SLOT_IDLE) == list_is_linked(&slot->awake));
        }
    }
    assert(slots == sched->instances && starting == sched->starting);
    assert(waiting == sched->queued && idle == sched->idle.len);
    assert(sched->instances ==
           sched->starting + sched->idle.len + sched->busy + sched->finishing + sched->stopping);
    assert(in_flight >= (int64_t) (sched->queued + sched->busy));
    assert(sched->instances <= sched->config.instances_max);
    assert(sched->budget.shares == sched->instances);
    assert(list_is_empty(&sched->idle) || budget_missing(&sched->budget, 0) == 0);
    assert(list_is_empty(&sched->awake) || sched->freeze.is_set);
    assert(sched->awake.len <= sched->idle.len);
    assert(patient == sched->patient.len && busy == sched->busy);
    assert(list_is_empty(&sched->patient) || sched->patience.is_set);
}
