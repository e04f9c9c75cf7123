/* What happens to an instance, told to those of its extensions that subscribed.
 *
 *     report_json.c ── platform events ──┐
 *     output.c ── the function's lines ──┼→ telemetry_put ──→ the queue of each subscription ──→
 * its extensions_start.c ── the others' ─┘         │          (telemetry_batch.c) listener └→
 * early: until init is over, for who comes later
 *
 * An event is written once for all subscribers that understand the same text of it; its `schemas`
 * say which. What nobody may want is not written at all (telemetry_wants). Of init everything is
 * kept, since an extension subscribes in the middle of it and gets what happened before, too:
 *
 *     early:  type 1 | schemas 1 | size 4 | the event | ...
 *
 * An instance that nobody subscribed in has no telemetry from the end of its init on; the copy of a
 * snapshot never has any, since what connects to the Extensions API cannot be copied.
 *
 * Freezing. An instance freezes as any other: when its runtime and all of its extensions wait and
 * nobody calls for 5 ms. What has not been delivered then waits, together with the listener, for
 * the next invocation or the good-bye, as on AWS, where the whole environment stands still; no
 * timer runs meanwhile. An extension that wants what an invocation said before it waits again calls
 * `next` after platform.runtimeDone.
 *
 * Memory. A subscription holds two batches (telemetry_batch.c), early has EARLY_MAX, and all that
 * the subscribers of a home have not taken is bounded by HELD_MAX: what does not fit is lost and
 * counted, and platform.logsDropped tells. Nobody waits for a listener: not the function, not the
 * answer, not another subscriber.
 *
 * Sources: Lambda developer guide, "Telemetry API", "Telemetry API Event schema reference", "Lambda
 * Logs API". */
#include "runtime/telemetry_int.h"

#include "base/mem.h"
#include "data/json.h"
#include "data/time.h"

enum {
    EARLY_MAX = 256 * 1024,
    EARLY_HEAD = 6,
    HELD_MAX = 128 * 1024 * 1024, /* of a home */
    EVENT_MAX = 8 * LINE_SIZE_MAX /* a line of control characters, each as \u0001 */
};

void telemetry_begin(struct instance *inst)
{
    assert(inst->telemetry == NULL);
    if (inst->api == NULL || inst->copied_from == COPIED_FROM_SNAPSHOT)
        return;
    struct telemetry *telemetry = inst->telemetry = NEW(struct telemetry);
    *telemetry = (struct telemetry){.inst = inst};
    buf_init(&telemetry->early, EARLY_MAX);
}

void telemetry_close(struct instance *inst)
{
    struct telemetry *telemetry = inst->telemetry;
    if (telemetry == NULL)
        return;
    telemetry->is_closed = true;
    buf_done(&telemetry->early);
    if (telemetry->count == 0)
        telemetry_free(inst);
}

void telemetry_free(struct instance *inst)
{
    struct telemetry *telemetry = take_ptr(&inst->telemetry);
    if (telemetry == NULL)
        return;
    for (size_t i = 0; i < telemetry->count; i++)
        delivery_done(telemetry->items[i]);
    buf_done(&telemetry->early);
    free(telemetry);
}

/* ---- events ---- */

unsigned telemetry_wants(const struct instance *inst, enum telemetry_type type)
{
    const struct telemetry *telemetry = inst->telemetry;
    unsigned schemas = 0;
    if (telemetry == NULL)
        return 0;
    if (!telemetry->is_closed)
        return SCHEMAS_ALL;
    for (size_t i = 0; i < telemetry->count; i++)
        if ((telemetry->items[i]->wants.types & type) != 0)
            schemas |= telemetry->items[i]->wants.schema;
    return schemas;
}

void subscription_put(struct subscription *sub, struct str event)
{
    const struct home *home = sub->telemetry->inst->home;
    int64_t now = exec_now_us(home->exec);
    bool has_room = home->telemetry_bytes + event.len <= HELD_MAX;
    if (!has_room)
        telemetry_queue_lose(&sub->queue, 1, event.len);
    else
        has_room = telemetry_queue_put(&sub->queue, now, event);
    if (!has_room)
        sub->lost_why = "Some logs were dropped because the downstream consumer is slower than "
                        "the logs production rate";
    delivery_count(sub);
    delivery_wake(sub);
}

static void keep_early(struct telemetry *telemetry, enum telemetry_type type, unsigned schemas,
                       struct str event)
{
    struct buf *early = &telemetry->early;
    if (early->len + EARLY_HEAD + event.len > early->limit) {
        telemetry->early_lost_items++;
        telemetry->early_lost_bytes += event.len;
        return;
    }
    const uint32_t size = (uint32_t) event.len;
    char head[EARLY_HEAD] = {(char) type, (char) schemas};
    memcpy(head + 2, &size, sizeof size);
    buf_put(early, str_of(head, sizeof head));
    buf_put(early, event);
}

static bool is_for(const struct subscription *sub, unsigned type, unsigned schemas)
{
    return (sub->wants.types & type) != 0 && (sub->wants.schema & schemas) != 0;
}

void telemetry_put(struct instance *inst, enum telemetry_type type, unsigned schemas,
                   struct str event)
{
    struct telemetry *telemetry = inst->telemetry;
    if (telemetry == NULL)
        return;
    if (!telemetry->is_closed)
        keep_early(telemetry, type, schemas, event);
    for (size_t i = 0; i < telemetry->count; i++)
        if (is_for(telemetry->items[i], type, schemas))
            subscription_put(telemetry->items[i], event);
}

void telemetry_replay(struct telemetry *telemetry, struct subscription *sub)
{
    struct str rest = buf_str(&telemetry->early);
    while (rest.len > 0) {
        uint32_t size;
        unsigned type = (unsigned char) rest.ptr[0], schemas = (unsigned char) rest.ptr[1];
        memcpy(&size, rest.ptr + 2, sizeof size);
        rest = str_skip(rest, EARLY_HEAD);
        if (is_for(sub, type, schemas))
            subscription_put(sub, str_head(rest, size));
        rest = str_skip(rest, size);
    }
    telemetry_queue_lose(&sub->queue, telemetry->early_lost_items, telemetry->early_lost_bytes);
}

/* ---- lines ---- */

static void put_line(struct instance *inst, enum telemetry_type type, unsigned schemas,
                     int64_t at_ms, struct str line, bool is_json)
{
    AUTO_BUF struct buf event;
    struct json_writer w;
    AUTO_BUF struct buf time;
    buf_init(&time, 64);
    time_put_iso8601(&time, at_ms, true);
    buf_init(&event, EVENT_MAX);
    json_writer_init(&w, &event);
    json_object_begin(&w);
    json_key(&w, STR("time"));
    json_str(&w, buf_str(&time));
    json_key(&w, STR("type"));
    json_str(&w, str_from(telemetry_type_name(type)));
    json_key(&w, STR("record"));
    if (is_json)
        json_raw(&w, line);
    else
        json_str(&w, line);
    json_object_end(&w);
    telemetry_put(inst, type, schemas, buf_str(&event));
}

void telemetry_line(struct instance *inst, enum telemetry_type type, int64_t at_ms, struct str line)
{
    unsigned schemas = telemetry_wants(inst, type);
    unsigned as_json = schemas & SCHEMA_TELEMETRY_2022_12;
    if (schemas == 0)
        return;
    struct str text = line;
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    bool is_object = as_json != 0 && inst->slot.spec->is_log_json && str_starts(text, STR("{")) &&
                     json_is_valid(text, NULL);
    if (is_object)
        put_line(inst, type, as_json, at_ms, text, true);
    if (is_object)
        schemas &= ~as_json;
    if (schemas != 0)
        put_line(inst, type, schemas, at_ms, line, false);
}

/* ---- the runtime's steps ---- */

void telemetry_done(struct instance *inst, const struct report_facts *facts)
{
    struct telemetry *telemetry = inst->telemetry;
    if (telemetry == NULL)
        return;
    bool asks_later = instance_speaks_http(inst) && inst->slot.state == SLOT_BUSY &&
                      facts->has_response && facts->overhead_us < 0;
    telemetry->is_held = asks_later;
    if (asks_later)
        telemetry->held_facts = *facts;
    else
        report_json_done(inst, facts, SCHEMAS_ALL);
}

static void tell_held(struct telemetry *telemetry)
{
    if (!telemetry->is_held)
        return;
    telemetry->is_held = false;
    report_json_done(telemetry->inst, &telemetry->held_facts, SCHEMAS_ALL);
}

void telemetry_asked(struct instance *inst)
{
    struct telemetry *telemetry = inst->telemetry;
    if (telemetry == NULL || !telemetry->is_held)
        return;
    struct report_facts *facts = &telemetry->held_facts;
    facts->overhead_us = exec_now_us(inst->home->exec) - facts->answered_at_us;
    tell_held(telemetry);
}

/* ---- standing still, and the end ---- */

void telemetry_freeze(struct instance *inst)
{
    struct telemetry *telemetry = inst->telemetry;
    if (telemetry == NULL)
        return;
    telemetry->is_frozen = true;
    for (size_t i = 0; i < telemetry->count; i++)
        delivery_stand_still(telemetry->items[i]);
}

void telemetry_thaw(struct instance *inst)
{
    struct telemetry *telemetry = inst->telemetry;
    if (telemetry == NULL || !telemetry->is_frozen)
        return;
    telemetry->is_frozen = false;
    for (size_t i = 0; i < telemetry->count; i++)
        delivery_go_on(telemetry->items[i]);
}

void telemetry_flush(struct instance *inst)
{
    struct telemetry *telemetry = inst->telemetry;
    if (telemetry == NULL)
        return;
    tell_held(telemetry);
    telemetry->is_urgent = true;
    for (size_t i = 0; i < telemetry->count; i++)
        delivery_wake(telemetry->items[i]);
}

bool telemetry_is_busy(const struct instance *inst)
{
    const struct telemetry *telemetry = inst->telemetry;
    for (size_t i = 0; telemetry != NULL && i < telemetry->count; i++)
        if (telemetry->items[i]->state != DELIVERY_IDLE ||
            telemetry->items[i]->queue.batch.items > 0)
            return true;
    return false;
}

void telemetry_socket(struct instance *inst, const struct sandbox_event *event)
{
    struct telemetry *telemetry = inst->telemetry;
    for (size_t i = 0; telemetry != NULL && i < telemetry->count; i++)
        if (telemetry->items[i]->state == DELIVERY_ASKED) {
            delivery_socket(telemetry->items[i], event);
            return;
        }
    cleanup_close(&event->socket_fd); /* it has been given up */
}
