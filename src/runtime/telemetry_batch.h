#pragma once
/* Events on their way into one subscriber: gathered until a batch is due, counted when there is no
 * room. Pure; thread: the owner's. */
#include "base/buf.h"

/* Events of one delivery. text: a JSON array without its "]", or lines. */
struct telemetry_batch {
    struct buf text;
    size_t items;
};

struct telemetry_queue {
    struct telemetry_batch batch; /* the next */
    bool is_lines;
    uint32_t items_max, bytes_max;
    int64_t timeout_us, since_us;    /* the latter: of the first event, while there is one */
    uint64_t lost_items, lost_bytes; /* that nobody has been told of */
};

void telemetry_queue_init(struct telemetry_queue *queue, bool is_lines, uint32_t items_max,
                          uint32_t bytes_max, uint32_t timeout_ms);
void telemetry_queue_done(struct telemetry_queue *queue);

/* False: there is no room, it is counted as lost. */
bool telemetry_queue_put(struct telemetry_queue *queue, int64_t now_us, struct str event);
void telemetry_queue_lose(struct telemetry_queue *queue, uint64_t items, uint64_t bytes);
/* When the batch has to go: at once if it is full, INT64_MAX if it is empty. */
int64_t telemetry_queue_due_us(const struct telemetry_queue *queue);
/* The batch, which the caller ends with telemetry_batch_done; the queue is empty afterwards. */
struct telemetry_batch telemetry_queue_take(struct telemetry_queue *queue);
void telemetry_batch_done(struct telemetry_batch *batch);
/* A broken connection took `sent` bytes of lines: what it took whole is left out. */
void telemetry_batch_cut(struct telemetry_batch *batch, size_t sent);
