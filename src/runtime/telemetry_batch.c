/* A batch is full with items_max events or bytes_max bytes of them; the event that passes the
 * latter still goes in, and nothing is ever larger than twice of it: what AWS tells subscribers to
 * be ready for ("payloads as large as 2*maxBytes+metadata", developer guide). While a full batch
 * waits for the one before to be taken, what comes is lost and counted. */
#include "runtime/telemetry_batch.h"

#include <string.h>

static void batch_init(struct telemetry_queue *queue)
{
    queue->batch.items = 0;
    buf_init(&queue->batch.text, 2 * (size_t) queue->bytes_max);
}

void telemetry_queue_init(struct telemetry_queue *queue, bool is_lines, uint32_t items_max,
                          uint32_t bytes_max, uint32_t timeout_ms)
{
    *queue = (struct telemetry_queue){.is_lines = is_lines,
                                      .items_max = items_max,
                                      .bytes_max = bytes_max,
                                      .timeout_us = (int64_t) timeout_ms * 1000};
    batch_init(queue);
}

void telemetry_queue_done(struct telemetry_queue *queue)
{
    telemetry_batch_done(&queue->batch);
}

static bool is_full(const struct telemetry_queue *queue)
{
    return queue->batch.items >= queue->items_max || queue->batch.text.len >= queue->bytes_max;
}

void telemetry_queue_lose(struct telemetry_queue *queue, uint64_t items, uint64_t bytes)
{
    queue->lost_items += items;
    queue->lost_bytes += bytes;
}

bool telemetry_queue_put(struct telemetry_queue *queue, int64_t now_us, struct str event)
{
    struct telemetry_batch *batch = &queue->batch;
    if (is_full(queue) || batch->text.len + event.len + 2 > batch->text.limit) {
        telemetry_queue_lose(queue, 1, event.len);
        return false;
    }
    if (batch->items == 0)
        queue->since_us = now_us;
    if (!queue->is_lines)
        buf_put_char(&batch->text, batch->items == 0 ? '[' : ',');
    buf_put(&batch->text, event);
    if (queue->is_lines)
        buf_put_char(&batch->text, '\n');
    batch->items++;
    return true;
}

int64_t telemetry_queue_due_us(const struct telemetry_queue *queue)
{
    if (queue->batch.items == 0)
        return INT64_MAX;
    return is_full(queue) ? queue->since_us : queue->since_us + queue->timeout_us;
}

struct telemetry_batch telemetry_queue_take(struct telemetry_queue *queue)
{
    struct telemetry_batch batch = queue->batch;
    if (!queue->is_lines && batch.items > 0)
        buf_put_char(&batch.text, ']');
    batch_init(queue);
    return batch;
}

void telemetry_batch_done(struct telemetry_batch *batch)
{
    buf_done(&batch->text);
    batch->items = 0;
}

void telemetry_batch_cut(struct telemetry_batch *batch, size_t sent)
{
    const char *at = batch->text.ptr;
    size_t whole = 0;
    while (whole < sent) {
        const char *end = memchr(at + whole, '\n', sent - whole);
        if (end == NULL)
            break;
        whole = (size_t) (end - at) + 1;
        batch->items--;
    }
    buf_consume(&batch->text, whole);
}
