/* Asynchronous invocation, from the committed row to the last attempt.
 *
 *     actor    the event's row commits; its function's queue is ready   async_accepted
 *     actor    queues take turns: the next due event is read and sent   pump
 *     loop 0   the function is called like any other                    delivery_run, invoked
 *     actor    the row is deleted, or gets its next due time            settle_run, settle_done
 *     loop 0   a timer stands for the earliest due time of all          alarm_set, alarm_fire
 *
 * Nobody polls: commits and outcomes call pump, and the timer does when only waiting is left.
 *
 *     queue:  ready ── no event due ──> waiting (until its first is due) ── none left ──> gone
 *
 * Fairness. Ready queues take turns, one event each, and no function has more than
 * ASYNC_FUNCTION_MAX under way, so a function whose events pile up, or take long, delays itself.
 *
 * Durability. What runs is known here alone; the row stays until the outcome is on disk. A crash
 * therefore repeats what ran: at least once. When the outcome cannot be written (full disk), the
 * event keeps its place among the running and the writing is tried again.
 *
 * Threads. Queues and running deliveries belong to the actor; a delivery is loop 0's from its
 * posting there until settle is posted back. Only loop 0 posts to the actor, which is what makes
 * async_stop, on loop 0, the end of it. */
#include "services/lambda/async.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "core/actor.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/retry.h"
#include "services/lambda/versions.h"

enum {
    ARENA_MAX = 4 * ASYNC_PAYLOAD_MAX,
    POST_AGAIN_MS = 100,   /* the actor's mailbox was full */
    WRITE_AGAIN_MS = 1000, /* the outcome could not be written */
};

/* The events of one function. */
struct queue {
    struct list_node node; /* ready or waiting */
    bool is_ready;         /* in which of the two */
    int64_t due_at_ms;     /* while waiting; INT64_MAX: until something of it ends */
    struct list running;   /* of struct delivery */
    struct str account, region, name;
    struct str key; /* "account/region/name", owned; the three are views of it */
};

struct delivery {
    struct list_node node; /* queue->running */
    struct async *async;
    struct queue *queue;
    struct arena arena; /* of row */
    struct event_row row;
    enum event_outcome outcome;
    struct event_verdict verdict;
    bool is_written, is_removed; /* what settle_run did */
    struct invocation inv;
    struct task task;   /* to loop 0 */
    struct timer again; /* loop 0 */
    struct message msg; /* to the actor */
};

struct async {
    struct lambda_state *state; /* borrowed; the actor is set before async_start */
    struct exec *loop;          /* number 0 */
    const struct clock *clock;
    int64_t retry_unit_ms;
    struct map queues; /* of struct queue, by key */
    struct list ready, waiting;
    size_t running;
    size_t running_bytes;
    int64_t waiting_bytes; /* payloads of rows, running ones included */
    int64_t last_seq;
    int64_t alarm_at_ms; /* the earliest that loop 0 was told; INT64_MAX: none */
    uint64_t dropped;
    struct timer timer; /* loop 0 */
    bool is_stopped;    /* loop 0 */
};

/* A due time on its way to loop 0. */
struct alarm {
    struct task task;
    struct async *async;
    int64_t due_at_ms;
};

/* The timer's word on its way to the actor. */
struct wake {
    struct message msg;
    struct async *async;
};

static void delivery_run(struct task *task);

/* --- queues, on the actor --- */

static struct queue *queue_find(struct async *async, struct str account, struct str region,
                                struct str name)
{
    char key[256];
    int len = snprintf(key, sizeof key, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(account),
                       STR_ARG(region), STR_ARG(name));
    assert(len > 0 && (size_t) len < sizeof key); /* 12 + 64 + 140 at most, as the API has them */
    struct queue *queue = map_find(&async->queues, str_of(key, (size_t) len));
    if (queue != NULL)
        return queue;
    queue = NEW(struct queue);
    queue->key = str_of(mem_copy(key, (size_t) len), (size_t) len);
    queue->account = str_head(queue->key, account.len);
    queue->region = str_head(str_skip(queue->key, account.len + 1), region.len);
    queue->name = str_skip(queue->key, account.len + region.len + 2);
    queue->due_at_ms = INT64_MAX;
    list_init(&queue->running);
    list_push_back(&async->waiting, &queue->node);
    (void) map_put(&async->queues, queue->key, queue);
    return queue;
}

static void queue_free(struct queue *queue)
{
    for (struct list_node *node; (node = list_pop_front(&queue->running)) != NULL;) {
        struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
        arena_done(&delivery->arena);
        free(delivery);
    }
    free((char *) (uintptr_t) queue->key.ptr);
    free(queue);
}

static void queue_ready(struct async *async, struct queue *queue)
{
    if (queue->is_ready)
        return;
    list_remove(&async->waiting, &queue->node);
    list_push_back(&async->ready, &queue->node);
    queue->is_ready = true;
}

/* due_at_ms INT64_MAX: nothing is left but what runs. */
static void queue_wait(struct async *async, struct queue *queue, int64_t due_at_ms)
{
    list_remove(&async->ready, &queue->node);
    queue->is_ready = false;
    if (due_at_ms == INT64_MAX && list_is_empty(&queue->running)) {
        (void) map_remove(&async->queues, queue->key);
        queue_free(queue);
        return;
    }
    queue->due_at_ms = due_at_ms;
    list_push_back(&async->waiting, &queue->node);
}

static bool queue_runs(const struct queue *queue, int64_t seq)
{
    LIST_FOR_EACH (&queue->running, node) {
        if (CONTAINER_OF(node, struct delivery, node)->row.seq == seq)
            return true;
    }
    return false;
}

/* --- the alarm --- */

static void wake_done(struct message *msg, int rc)
{
    (void) rc; /* it changed nothing */
    free(CONTAINER_OF(msg, struct wake, msg));
}

static void pump(struct async *async);

static int wake_run(struct message *msg, struct db *db)
{
    (void) db; /* it is the state's */
    struct async *async = CONTAINER_OF(msg, struct wake, msg)->async;
    async->alarm_at_ms = INT64_MAX;
    pump(async);
    return 0;
}

static void wake_post(struct async *async)
{
    struct wake *wake = NEW(struct wake);
    wake->async = async;
    wake->msg = (struct message){
        .account = STR("-"), .is_read_only = true, .run = wake_run, .done = wake_done};
    if (actor_post(async->state->actor, &wake->msg) == 0)
        return;
    free(wake);
    timer_set(async->loop, &async->timer, exec_now_us(async->loop) + POST_AGAIN_MS * 1000);
}

static void alarm_fire(struct timer *timer)
{
    struct async *async = CONTAINER_OF(timer, struct async, timer);
    if (!async->is_stopped)
        wake_post(async);
}

static void alarm_run(struct task *task)
{
    struct alarm *alarm = CONTAINER_OF(task, struct alarm, task);
    struct async *async = alarm->async;
    int64_t wait_ms = alarm->due_at_ms - clock_utc_ms(async->clock);
    free(alarm);
    if (!async->is_stopped)
        timer_set(async->loop, &async->timer,
                  exec_now_us(async->loop) + (wait_ms < 0 ? 0 : wait_ms) * 1000);
}

/* actor: have pump called when the first of the waiting is due. */
static void alarm_set(struct async *async)
{
    int64_t due_at_ms = INT64_MAX;
    LIST_FOR_EACH (&async->waiting, node) {
        const struct queue *queue = CONTAINER_OF(node, struct queue, node);
        due_at_ms = queue->due_at_ms < due_at_ms ? queue->due_at_ms : due_at_ms;
    }
    if (due_at_ms >= async->alarm_at_ms)
        return; /* the loop knows of an earlier one */
    async->alarm_at_ms = due_at_ms;
    struct alarm *alarm = NEW(struct alarm);
    *alarm = (struct alarm){.task = {.run = alarm_run}, .async = async, .due_at_ms = due_at_ms};
    exec_post(async->loop, &alarm->task);
}

/* --- sending, on the actor --- */

/* "arn:…:function:name:prod" -> "prod"; ptr NULL: the event is for the function itself. */
static struct str qualifier_of(const struct queue *queue, const struct event_row *row)
{
    size_t arn_len = STR("arn:aws:lambda:::function:").len + queue->region.len +
                     queue->account.len + queue->name.len;
    struct str rest = str_skip(row->invoked_arn, arn_len);
    return rest.len > 1 ? str_skip(rest, 1) : STR_NONE;
}

/* How the event wants to be treated; nothing is said where there is no configuration. */
static int delivery_config(struct db *db, const struct queue *queue, const struct event_row *row,
                           struct event_config *out, struct err *err)
{
    struct str qualifier = qualifier_of(queue, row);
    const struct event_config_key key = {
        .account = queue->account,
        .region = queue->region,
        .name = queue->name,
        .qualifier = qualifier.ptr != NULL ? qualifier : STR("$LATEST"),
    };
    *out = (struct event_config){0};
    int rc = event_config_find(db, &key, out, err);
    return rc == -ENOENT ? 0 : rc;
}

/* Reads the event and hands it to loop 0. */
static int delivery_send(struct async *async, struct queue *queue, int64_t seq, int64_t now_ms,
                         struct err *err)
{
    struct db *db = async->state->db;
    struct event_config config;
    struct delivery *delivery = NEW(struct delivery);
    arena_init(&delivery->arena, ARENA_MAX);
    int rc = event_db_find(db, &delivery->arena, seq, &delivery->row, err);
    if (rc == 0)
        rc = delivery_config(db, queue, &delivery->row, &config, err);
    if (rc < 0) {
        arena_done(&delivery->arena);
        free(delivery);
        return rc;
    }
    delivery->async = async;
    delivery->queue = queue;
    delivery->outcome =
        event_is_expired(&delivery->row, &config, now_ms) ? EVENT_EXPIRED : EVENT_SUCCEEDED;
    delivery->task.run = delivery_run;
    list_push_back(&queue->running, &delivery->node);
    async->running++;
    async->running_bytes += delivery->row.payload.len;
    exec_post(async->loop, &delivery->task);
    return 0;
}

/* Sends one event of a ready queue, or lets the queue wait. */
static int queue_turn(struct async *async, struct queue *queue, int64_t now_ms, struct err *err)
{
    struct event_due due[ASYNC_FUNCTION_MAX + 1];
    if (queue->running.len >= ASYNC_FUNCTION_MAX) {
        queue_wait(async, queue, INT64_MAX);
        return 0;
    }
    int count = event_db_next(async->state->db, queue->account, queue->region, queue->name,
                              queue->running.len + 1, due, err);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (queue_runs(queue, due[i].seq))
            continue;
        if (due[i].due_at_ms > now_ms) {
            queue_wait(async, queue, due[i].due_at_ms);
            return 0;
        }
        list_remove(&async->ready, &queue->node); /* to the end: the others' turn */
        list_push_back(&async->ready, &queue->node);
        return delivery_send(async, queue, due[i].seq, now_ms, err);
    }
    queue_wait(async, queue, INT64_MAX);
    return 0;
}

/* Sends what may run. A database that cannot be read now is asked again later. */
static void pump(struct async *async)
{
    int64_t now_ms = clock_utc_ms(async->clock);
    LIST_FOR_EACH_SAFE (&async->waiting, node) {
        struct queue *queue = CONTAINER_OF(node, struct queue, node);
        if (queue->due_at_ms <= now_ms)
            queue_ready(async, queue);
    }
    while (!list_is_empty(&async->ready) && async->running < ASYNC_RUNNING_MAX &&
           async->running_bytes < ASYNC_RUNNING_BYTES_MAX) {
        struct queue *queue = CONTAINER_OF(list_first(&async->ready), struct queue, node);
        struct err err;
        if (queue_turn(async, queue, now_ms, &err) < 0) {
            log_error("lambda", "cannot read asynchronous events", "err=\"%s\"", err.text);
            queue_wait(async, queue, now_ms + WRITE_AGAIN_MS);
        }
    }
    alarm_set(async);
}

/* --- the outcome, on the actor --- */

static void log_dropped(struct delivery *delivery)
{
    struct async *async = delivery->async;
    async->dropped++;
    log_warn("lambda", "asynchronous event dropped",
             "fn=" STR_FMT " req=" STR_FMT " why=%s errors=%d throttles=%d dropped=%llu",
             STR_ARG(delivery->row.invoked_arn), STR_ARG(delivery->row.request_id),
             delivery->verdict.dropped, delivery->row.attempts, delivery->row.throttles,
             (unsigned long long) async->dropped);
}

static int settle_run(struct message *msg, struct db *db)
{
    struct delivery *delivery = CONTAINER_OF(msg, struct delivery, msg);
    struct async *async = delivery->async;
    const struct queue *queue = delivery->queue;
    struct event_config config;
    struct err err;
    struct event_row row = delivery->row; /* run may come again */
    int rc = delivery_config(db, queue, &row, &config, &err);
    if (rc == 0)
        delivery->verdict = event_judge(&row, &config, delivery->outcome,
                                        clock_utc_ms(async->clock), async->retry_unit_ms);
    if (rc == 0)
        rc = delivery->verdict.is_over ? event_db_delete(db, row.seq, &err)
                                       : event_db_postpone(db, &row, &err);
    if (rc < 0)
        log_error("lambda", "cannot write an event's outcome", "err=\"%s\"", err.text);
    delivery->is_written = rc >= 0;
    delivery->is_removed = rc == 1 && delivery->verdict.is_over;
    return rc < 0 ? rc : 0;
}

static void settle_again(struct task *task);

static void settle_done(struct message *msg, int rc)
{
    struct delivery *delivery = CONTAINER_OF(msg, struct delivery, msg);
    struct async *async = delivery->async;
    struct queue *queue = delivery->queue;
    if (rc < 0 || !delivery->is_written) {
        delivery->task.run = settle_again;
        exec_post(async->loop, &delivery->task);
        return;
    }
    if (delivery->verdict.dropped != NULL)
        log_dropped(delivery);
    if (delivery->is_removed)
        async->waiting_bytes -= (int64_t) delivery->row.payload.len;
    list_remove(&queue->running, &delivery->node);
    async->running--;
    async->running_bytes -= delivery->row.payload.len;
    arena_done(&delivery->arena);
    free(delivery);
    queue_ready(async, queue);
    pump(async);
}

/* --- running, on loop 0 --- */

static void settle_fire(struct timer *timer);

static void settle_later(struct delivery *delivery, int64_t wait_ms)
{
    struct exec *loop = delivery->async->loop;
    delivery->again.fire = settle_fire;
    timer_set(loop, &delivery->again, exec_now_us(loop) + wait_ms * 1000);
}

static void settle(struct delivery *delivery)
{
    if (delivery->async->is_stopped)
        return; /* the row is there for the next process; async_free takes the memory */
    delivery->msg = (struct message){
        .account = delivery->queue->account, .run = settle_run, .done = settle_done};
    if (actor_post(delivery->async->state->actor, &delivery->msg) < 0)
        settle_later(delivery, POST_AGAIN_MS);
}

static void settle_fire(struct timer *timer)
{
    settle(CONTAINER_OF(timer, struct delivery, again));
}

static void settle_again(struct task *task)
{
    settle_later(CONTAINER_OF(task, struct delivery, task), WRITE_AGAIN_MS);
}

static enum event_outcome outcome_of(const struct invocation *inv)
{
    switch (inv->result) {
    case INVOCATION_OK: return EVENT_SUCCEEDED;
    case INVOCATION_FUNCTION_ERROR: return EVENT_FUNCTION_ERROR;
    case INVOCATION_THROTTLED:
        return inv->spec->reserved_concurrency == 0 ? EVENT_FORBIDDEN : EVENT_THROTTLED;
    case INVOCATION_REFUSED: return EVENT_THROTTLED;
    }
    return EVENT_THROTTLED;
}

static void invoked(struct invocation *inv)
{
    struct delivery *delivery = CONTAINER_OF(inv, struct delivery, inv);
    struct snapshot *spec = &inv->spec->snapshot;
    delivery->outcome = outcome_of(inv);
    snapshot_unref(spec);
    settle(delivery);
}

static void delivery_run(struct task *task)
{
    struct delivery *delivery = CONTAINER_OF(task, struct delivery, task);
    struct lambda_state *state = delivery->async->state;
    if (delivery->async->is_stopped)
        return;
    struct str qualifier = qualifier_of(delivery->queue, &delivery->row),
               arn = delivery->row.invoked_arn;
    if (qualifier.ptr != NULL)
        arn = str_head(arn, arn.len - qualifier.len - 1);
    struct lambda_spec *own = version_find(state, 0, arn, qualifier);
    if (delivery->outcome != EVENT_EXPIRED && own == NULL)
        delivery->outcome = EVENT_ORPHANED;
    if (delivery->outcome != EVENT_SUCCEEDED) {
        settle(delivery);
        return;
    }
    if (own->code == NULL) {
        delivery->outcome = EVENT_THROTTLED; /* until somebody uploads the code again */
        settle(delivery);
        return;
    }
    (void) snapshot_ref(&own->spec.snapshot);
    delivery->inv = (struct invocation){
        .spec = &own->spec,
        .request_id = delivery->row.request_id,
        .invoked_arn = delivery->row.invoked_arn,
        .client_context = delivery->row.client_context,
        .trace_id = delivery->row.trace_id,
        .payload = delivery->row.payload,
        .done = invoked,
    };
    runtime_invoke(state->runtime, 0, &delivery->inv);
}

/* --- accepting, on the actor --- */

int async_accept(struct async *async, struct db *db, struct event_row *row, struct err *err)
{
    if (async->waiting_bytes + (int64_t) row->payload.len > ASYNC_WAITING_BYTES_MAX)
        return err_say(err, -EAGAIN, "too many events wait");
    row->seq = ++async->last_seq;
    return event_db_insert(db, row, err);
}

void async_accepted(struct async *async, const struct event_row *row)
{
    async->waiting_bytes += (int64_t) row->payload.len;
    queue_ready(async, queue_find(async, row->account, row->region, row->name));
    pump(async);
}

void async_forgotten(struct async *async, int64_t bytes)
{
    async->waiting_bytes -= bytes;
}

/* --- the whole --- */

static void queue_restore(void *arg, struct str account, struct str region, struct str name)
{
    struct async *async = arg;
    queue_ready(async, queue_find(async, account, region, name));
}

int async_new(struct lambda_state *state, const struct service_env *env, struct async **out_async,
              struct err *err)
{
    struct async *async = NEW(struct async);
    async->state = state;
    async->loop = env->loops[0];
    async->clock = env->clock;
    async->retry_unit_ms = env->retry_unit_ms > 0 ? env->retry_unit_ms : EVENT_RETRY_UNIT_MS;
    async->alarm_at_ms = INT64_MAX;
    async->timer.fire = alarm_fire;
    map_init(&async->queues);
    list_init(&async->ready);
    list_init(&async->waiting);
    int rc = event_db_totals(state->db, &async->last_seq, &async->waiting_bytes, err);
    if (rc == 0)
        rc = event_db_each_function(state->db, queue_restore, async, err);
    if (rc < 0) {
        async_free(async);
        return rc;
    }
    *out_async = async;
    return 0;
}

static void start_run(struct task *task)
{
    struct alarm *alarm = CONTAINER_OF(task, struct alarm, task);
    struct async *async = alarm->async;
    free(alarm);
    wake_post(async);
}

void async_start(struct async *async)
{
    if (list_is_empty(&async->ready))
        return;
    struct alarm *alarm = NEW(struct alarm);
    *alarm = (struct alarm){.task = {.run = start_run}, .async = async};
    exec_post(async->loop, &alarm->task);
}

void async_stop(struct async *async)
{
    async->is_stopped = true;
    timer_clear(async->loop, &async->timer);
}

void async_free(struct async *async)
{
    if (async == NULL)
        return;
    size_t at = 0;
    for (struct queue *queue; (queue = map_next(&async->queues, &at, NULL)) != NULL;)
        queue_free(queue);
    map_done(&async->queues);
    free(async);
}
