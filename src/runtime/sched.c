/* The scheduler of a home: what happens, and what follows from it.
 *
 * An invocation is admitted or throttled at once, by AWS's rules (sched_books.c).
 * An admitted invocation takes the instance that was idle last (LIFO: caches are warm, the others
 * grow old and go) or queues (sched_queue.c), and it goes to whichever instance of its function is
 * free first: one that is being started for it (sched_starts.c), or one that becomes idle meanwhile
 * (late binding). Idle instances freeze, and go in time (sched_rest.c). */
#include "runtime/sched_int.h"

#include "base/assert.h"
#include "base/mem.h"

#include <errno.h>

static void refuse(struct invocation *inv, const char *why)
{
    inv->result = INVOCATION_REFUSED;
    (void) err_say(&inv->error, -ESHUTDOWN, "%s", why);
}

void sched_invoke(struct sched *sched, struct invocation *inv)
{
    inv->created_us = exec_now_us(sched->config.exec);
    if (sched->is_draining) {
        refuse(inv, "the platform is stopping");
        sched->config.effects->done(sched->config.arg, inv);
        return;
    }
    struct sched_function *function = function_find(sched, inv->spec);
    if (function == NULL)
        function = function_new(sched, inv->spec);
    else if (function->is_removed) /* made again; any other change comes by function_changed */
        function_set_spec(function, inv->spec);
    if (!books_admit(sched, function, inv)) {
        function_release(sched, function);
        sched->config.effects->done(sched->config.arg, inv);
        return;
    }
    queue_put(sched, inv);
    starts_note(sched, function);
    starts_balance(sched);
}

void sched_end(struct sched *sched, struct invocation *inv)
{
    struct sched_function *function = inv->function;
    books_end(sched, inv);
    function_release(sched, function);
}

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
        slot_stop(sched, CONTAINER_OF(node, struct slot, all_idle));
}

static void forget_expected(struct sched *sched)
{
    size_t at = 0;
    for (struct sched_function *f; (f = map_next(&sched->functions, &at, NULL)) != NULL;) {
        f->prewarm_at_us = 0;
        if (f->slots > 0 || f->in_flight > 0 || function_has_reservation(f))
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
    for (struct invocation *inv; (inv = queue_take(sched, function)) != NULL;) {
        refuse(inv, "the platform is stopping");
        books_end(sched, inv);
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
    struct sched_function *function = function_find(sched, spec);
    assert(function != NULL);
    *slot = (struct slot){.state = SLOT_BUILDING,
                          .spec = spec,
                          .function = function,
                          .begun_us = exec_now_us(sched->config.exec),
                          .is_prewarmed = function->is_prewarming};
    budget_add(&sched->budget, &slot->memory, starts_memory_guess(function));
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
    struct invocation *inv = queue_prefers_to_wait(sched, slot->function, is_busy)
                                 ? NULL
                                 : queue_take(sched, slot->function);
    bool is_old = slot->spec->revision != slot->function->spec->revision;
    if (inv != NULL && (!is_old || inv->spec->revision == slot->spec->revision)) {
        bool was_starting = slot->state == SLOT_INITIALISING;
        slot_send(sched, slot, inv);
        if (was_starting)
            starts_balance(sched);
        return;
    }
    if (inv != NULL)
        sched_return_waiting(sched, inv);
    if (is_unwanted(sched, slot))
        slot_stop(sched, slot);
    else
        slot_move(sched, slot, SLOT_IDLE);
    starts_keep_budget(sched);
    starts_note(sched, slot->function);
    starts_balance(sched);
}

void sched_slot_answered(struct sched *sched, struct slot *slot)
{
    assert(slot->state == SLOT_BUSY);
    struct invocation *inv = take_ptr(&slot->invocation);
    crowd_ran(&slot->function->crowd, exec_now_us(sched->config.exec) - slot->busy_since_us);
    sched_slot_ready(sched, slot);
    books_end(sched, inv);
}

void sched_slot_replied(struct sched *sched, struct slot *slot)
{
    struct invocation *inv = take_ptr(&slot->invocation);
    assert(inv != NULL);
    slot_move(sched, slot, SLOT_FINISHING);
    books_end(sched, inv);
}

void sched_slot_failed(struct sched *sched, struct slot *slot)
{
    struct invocation *inv = take_ptr(&slot->invocation);
    assert(inv != NULL);
    if (slot->state != SLOT_STOPPING)
        slot_stop(sched, slot);
    books_end(sched, inv);
}

void sched_slot_stop(struct sched *sched, struct slot *slot)
{
    if (slot->state == SLOT_STOPPING)
        return;
    slot_stop(sched, slot);
    starts_note(sched, slot->function);
    starts_balance(sched);
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
    starts_note(sched, function);
    function_release(sched, function);
    snapshot_unref(&spec->snapshot);
    starts_balance(sched);
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
    starts_keep_budget(sched);
}

/* ---- memory beside the instances ---- */

void sched_pooled(struct sched *sched, uint64_t bytes)
{
    budget_pool(&sched->budget, bytes);
    starts_keep_budget(sched);
    starts_balance(sched);
}

bool sched_can_spare(const struct sched *sched, uint64_t bytes)
{
    return list_is_empty(&sched->hungry) && budget_can_spare(&sched->budget, bytes);
}

void sched_set_aside(struct sched *sched, uint64_t bytes)
{
    sched->budget.aside = bytes;
    starts_keep_budget(sched);
    starts_balance(sched);
}

/* ---- configuration ---- */

/* Idle instances that were made for what the function is no more. */
static void stop_old_idle(struct sched *sched, struct sched_function *function)
{
    LIST_FOR_EACH_SAFE (&function->idle, node) {
        struct slot *slot = CONTAINER_OF(node, struct slot, own_idle);
        if (function->is_removed || slot->spec->revision != function->spec->revision)
            slot_stop(sched, slot);
    }
}

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
    struct sched_function *function = function_find(sched, spec_or_null);
    if (function != NULL) {
        function_set_spec(function, spec_or_null);
        stop_old_idle(sched, function);
        function_release(sched, function);
    } else if (spec_or_null->reserved_concurrency >= 0) {
        (void) function_new(sched, spec_or_null);
    }
}

/* ---- the whole ---- */

void sched_init(struct sched *sched, const struct sched_config *config)
{
    assert(config->instances_max > 0 && config->keep_alive_us > 0);
    assert(config->freeze_after_us > 0 && config->cpus > 0);
    *sched = (struct sched){.config = *config,
                            .freeze = {.fire = rest_freeze_due},
                            .patience = {.fire = queue_patience_over},
                            .gate_due = {.fire = starts_gate_due}};
    sched->budget.max = config->memory_max;
    keepalive_init(&sched->keepalive);
    map_init(&sched->functions);
    map_init(&sched->families);
    list_init(&sched->hungry);
    list_init(&sched->idle);
    list_init(&sched->awake);
    list_init(&sched->patient);
    crowd_cpus_init(&sched->crowd, config->cpus);
    gate_init(&sched->gate, config->cpus);
}

void sched_done(struct sched *sched)
{
    assert(sched->instances == 0 && sched->queued == 0);
    timer_clear(sched->config.exec, &sched->freeze);
    timer_clear(sched->config.exec, &sched->patience);
    timer_clear(sched->config.exec, &sched->gate_due);
    size_t at = 0;
    for (struct sched_function *f; (f = map_next(&sched->functions, &at, NULL)) != NULL; at = 0)
        function_free(sched, f);
    keepalive_done(&sched->keepalive);
    map_done(&sched->functions);
    map_done(&sched->families);
}

struct sched_counts sched_counts(const struct sched *sched, const struct function_spec *spec)
{
    const struct sched_function *function = function_find(sched, spec);
    if (function == NULL)
        return (struct sched_counts){0};
    return (struct sched_counts){
        .instances = function->slots,
        .starting = function->starting,
        .idle = (unsigned) function->idle.len,
        .queued = (unsigned) function->waiting.len,
        .busy = (unsigned) (function->in_flight - (int64_t) function->waiting.len)};
}
