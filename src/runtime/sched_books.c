/* Who may have how much: functions, their versions (a family), accounts.
 *
 * A function with reserved concurrency may have that many invocations in flight, in all its
 * versions together; all others of the account share what is not reserved. An invocation is in
 * flight from its admission to its end, also while it waits for an instance. A function may not
 * grow faster than growth.h says.
 *
 * A function's entry lives while it has instances or invocations, or a reservation. */
#include "runtime/sched_int.h"

#include "base/assert.h"
#include "base/mem.h"

/* AWS counts the concurrency of each account in each region. */
static struct quota *account_of(struct sched *sched, const struct function_spec *spec)
{
    char text[512]; /* the ARN has both, too */
    int n = snprintf(text, sizeof text, STR_FMT "/" STR_FMT, STR_ARG(spec->account),
                     STR_ARG(spec->region));
    assert(n > 0 && (size_t) n < sizeof text);
    return quotas_find(sched->config.accounts, str_of(text, (size_t) n));
}

/* -1: none. */
static void reserve(struct sched_family *family, int64_t reserved)
{
    quota_keep(family->account,
               (reserved > 0 ? reserved : 0) - (family->reserved > 0 ? family->reserved : 0));
    family->reserved = reserved;
}

static struct sched_family *family_join(struct sched *sched, const struct function_spec *spec)
{
    struct sched_family *family = map_find(&sched->families, spec->arn);
    if (family == NULL) {
        family = NEW(struct sched_family);
        *family = (struct sched_family){.arn = mem_copy(spec->arn.ptr, spec->arn.len),
                                        .arn_len = spec->arn.len,
                                        .account = account_of(sched, spec),
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

struct sched_function *function_find(const struct sched *sched, const struct function_spec *spec)
{
    struct key_text text;
    return map_find(&sched->functions, key_of(spec, &text));
}

bool function_has_reservation(const struct sched_function *function)
{
    return function->family->reserved >= 0;
}

void function_set_spec(struct sched_function *function, struct function_spec *spec)
{
    struct function_spec *old = function->spec;
    (void) snapshot_ref(&spec->snapshot);
    function->spec = spec;
    snapshot_unref(&old->snapshot);
    reserve(function->family, spec->reserved_concurrency);
    function->is_removed = false;
}

struct sched_function *function_new(struct sched *sched, struct function_spec *spec)
{
    struct key_text text;
    struct str key = key_of(spec, &text);
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

void function_free(struct sched *sched, struct sched_function *function)
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

void function_release(struct sched *sched, struct sched_function *function)
{
    bool is_expected = function->prewarm_at_us > 0 && !function->is_removed && !sched->is_draining;
    if (function->slots == 0 && function->in_flight == 0 && !is_expected &&
        (function->is_removed || !function_has_reservation(function)))
        function_free(sched, function);
}

static bool throttle(struct invocation *inv, enum throttle_reason reason)
{
    inv->result = INVOCATION_THROTTLED;
    inv->throttle = reason;
    return false;
}

bool books_admit(struct sched *sched, struct sched_function *function, struct invocation *inv)
{
    struct sched_family *family = function->family;
    inv->is_reserved = function_has_reservation(function);
    if (list_is_empty(&function->idle) && sched->queued >= sched->config.queue_max)
        return throttle(inv, THROTTLE_HOST);
    if (inv->is_reserved && family->in_flight >= family->reserved)
        return throttle(inv, THROTTLE_RESERVED_FUNCTION);
    if (!inv->is_reserved && !quota_take(family->account))
        return throttle(inv, THROTTLE_CONCURRENT);
    if (!growth_allows(&family->growth, family->in_flight, inv->created_us)) {
        if (!inv->is_reserved)
            quota_give(family->account);
        return throttle(inv, THROTTLE_GROWTH);
    }
    rest_note_arrival(function, inv->created_us);
    function->in_flight++;
    family->in_flight++;
    inv->function = function;
    return true;
}

void books_end(struct sched *sched, struct invocation *inv)
{
    struct sched_function *function = inv->function;
    assert(function->in_flight > 0);
    struct sched_family *family = function->family;
    function->in_flight--;
    family->in_flight--;
    if (!inv->is_reserved)
        quota_give(family->account);
    if (function->in_flight == 0)
        rest_note_end(sched, function);
    inv->function = NULL;
    sched->config.effects->done(sched->config.arg, inv);
}
