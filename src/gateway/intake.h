#pragma once
/* A request body on its way from the loop that receives it to the worker that takes it in, piece by
 * piece (decision 5): bodies may be larger than memory, and no worker waits for a slow client.
 *
 *     loop    intake_add      fills one buffer; the worker has the other
 *     worker  take            one piece: what had gathered since the last
 *     loop    (task is back)  the buffers change hands
 *
 * Whoever sends faster than `take` works is paused at INTAKE_MAX; TCP or HTTP/2 then slow it down.
 */
#include "base/buf.h"
#include "net/server.h"
#include "os/exec.h"

enum { INTAKE_MAX = 256 * 1024 };

struct intake {
    /* Filled in by the caller. */
    struct exchange *x; /* its body is streamed; loop only */
    struct exec *workers, *loop;
    int (*take)(void *arg, struct str bytes); /* worker; negative: no more is wanted */
    void (*ended)(void *arg, int rc);         /* loop, once: what take said, or -ECONNRESET */
    void *arg;

    /* Its own. */
    struct buf filling; /* the loop's */
    struct buf taking;  /* the worker's while is_taking */
    struct task task;
    int rc;
    bool is_taking, is_paused, is_whole, is_cut, is_ended;
};

/* thread: the loop's, all of them. */
void intake_init(struct intake *intake);
void intake_add(struct intake *intake, struct str bytes); /* as of exchange_stream_body */
void intake_finish(struct intake *intake);                /* the body is whole */
void intake_cut(struct intake *intake);  /* the exchange has ended with its client */
void intake_done(struct intake *intake); /* after ended, or before any piece */
