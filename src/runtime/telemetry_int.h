#pragma once
/* What the files of telemetry share.
 *
 *   telemetry.c           events to subscriptions, those of init to whoever comes later
 *   telemetry_subscribe.c subscribing
 *   telemetry_request.c   what a subscription says (pure)
 *   telemetry_batch.c     events waiting to be delivered (pure)
 *   telemetry_delivery.c  the way of a batch to its listener */
#include "runtime/extensions_int.h"
#include "runtime/telemetry.h"
#include "runtime/telemetry_batch.h"

/*                                            connected before
 *             due          ┌───────────────────────────────────────────────┐
 *     IDLE ────────────────┴→ ASKED ─ socket → CONNECTING ─ connected → SENDING ─ HTTP → ANSWERING
 *      ↑ ↑                     ↑                                          │ lines          │
 *      │ └──────────────── all given ─────────────────────────────────────┘                │
 *      └────────────────────── delivered, or given up ─────────────────────────────────────┤
 *                              │                                                           │
 *                          WAITING ←──────────────── any failure ──────────────────────────┘ */
enum delivery_state {
    DELIVERY_IDLE,
    DELIVERY_WAITING, /* for a while, after a failure */
    DELIVERY_ASKED,   /* the spawner, for a socket */
    DELIVERY_CONNECTING,
    DELIVERY_SENDING,
    DELIVERY_ANSWERING,
};

struct subscription {
    struct telemetry *telemetry;       /* borrowed; owns this */
    const struct extension *extension; /* borrowed; whose it is */
    enum telemetry_api api;
    struct telemetry_request wants;
    struct telemetry_queue queue;
    const char *lost_why; /* of what the queue counts as lost */
    uint64_t held_bytes;  /* counted in home.telemetry_bytes */

    enum delivery_state state;
    struct telemetry_batch batch; /* on its way */
    unsigned attempts;            /* of it, that failed */
    int64_t retry_us;             /* when the next one is due, WAITING */
    struct timer timer;
    int fd; /* owned; -1: not connected */
    struct watch *watch;
    struct buf head; /* of the request */
    size_t sent;     /* of head and batch */

    /* The answer. */
    struct buf answer; /* its head, as far as it came */
    int status;        /* 0: the head is not there yet */
    bool can_stay;     /* connected, after it */
    bool is_chunked;
    struct http1_chunked chunked;
    int64_t body_left; /* of a body of known length; -1: to the end of the stream */
    size_t body_seen;
};

struct telemetry {
    struct instance *inst;                      /* borrowed; owns this */
    struct subscription *items[EXTENSIONS_MAX]; /* owned */
    size_t count;
    struct buf early; /* until is_closed: what happened, see telemetry.c */
    uint64_t early_lost_items, early_lost_bytes;
    bool is_closed; /* nobody can subscribe any more */
    bool has_asked; /* the runtime, for the first time */
    bool is_frozen;
    bool is_urgent; /* no event waits for a batch */
    bool is_held;   /* held_facts wait for the runtime */
    struct report_facts held_facts;
};

void delivery_init(struct subscription *sub);
void delivery_done(struct subscription *sub);
/* Something was put into the queue, or it became urgent. */
void delivery_wake(struct subscription *sub);
void delivery_stand_still(struct subscription *sub);
void delivery_go_on(struct subscription *sub);
void delivery_socket(struct subscription *sub, const struct sandbox_event *event);
/* Brings home.telemetry_bytes in step with what the subscription holds. */
void delivery_count(struct subscription *sub);

/* One event into the queue; false: no room, it is counted as lost. */
void subscription_put(struct subscription *sub, struct str event);
/* Gives it everything that happened so far. */
void telemetry_replay(struct telemetry *telemetry, struct subscription *sub);
