#pragma once
/* One request under way, for the files that see to a part of its life: arrival.c takes it in,
 * request.c has the stations, upload.c the bodies that come in pieces, stream.c the answers that
 * do. */
#include "core/front.h"
#include "gateway/gateway_int.h"
#include "gateway/intake.h"
#include "gateway/payload.h"

struct request {
    struct op op;
    struct arena arena;
    struct message msg; /* to the actor */
    struct task task;   /* to worker and loop */
    struct list_node spare;
    struct gateway_loop *home;
    struct gateway_door *door;    /* counted; loop only */
    struct exchange *x;           /* loop only, but for the bytes of head and body; NULL: cut off */
    const struct http_head *head; /* the exchange's, or a copy in the arena */
    const struct installed *installed;     /* NULL: nobody's, to be refused */
    const struct aws_operation *operation; /* NULL: to be refused */
    enum aws_protocol protocol;
    struct str service;       /* as the client named it */
    struct auth auth;         /* unused in development mode */
    struct front_found front; /* installed NULL: an API request */
    void *in;                 /* arena */
    struct intake intake;     /* is_upload only, as the next */
    struct payload payload;
    int run_rc;   /* what run returned */
    int rc;       /* of the whole: 0 or OP_FAILED */
    bool is_form; /* Query: the body names the operation */
    bool has_body;
    bool is_known; /* by the door: no signature is asked for */
    bool is_decoded;
    bool was_discardable; /* take or prepare has left something: discard on failure */
    bool is_upload;       /* its operation takes the payload in pieces */
    bool is_begun;        /* a streamed answer */
    bool is_refused;      /* its head could not be made: what follows is dropped */
    int64_t started_us;
    char id[REQUEST_ID_SIZE];
};

static inline struct request *request_of(struct task *task)
{
    return CONTAINER_OF(task, struct request, task);
}

/* Loop: for the head of x, which keeps it until it is answered or released. */
struct request *request_new(struct gateway_door *door, struct exchange *x);
/* Loop: the body is there, and nothing speaks against it. */
void request_go(struct request *request);
/* Loop: the whole answer, of what the operation left or of its fault, as rc says; in room, or the
 * operation's own. May turn rc into a failure. */
struct aws_http_answer *request_compose(struct request *request, struct aws_http_answer *room);
void request_log(const struct request *request, int status, size_t answer_bytes);
/* Loop: answers with what the operation left, or with its fault; the request is gone then. */
void request_answer(struct request *request);
void request_release(struct request *request); /* without an answer; loop */
/* From any thread: the rest, which is answering, happens on the loop. rc: 0 or OP_FAILED. */
void request_to_loop(struct request *request, int rc);
/* Checks the signature and decodes; OP_FAILED with the fault. Loop or worker. */
CHECK_RESULT int request_decode(struct request *request, struct str body);
/* Worker: everything from here to the actor, or to start. */
void request_work_run(struct task *task);
/* Takes back what take and prepare left. Worker or actor. */
void request_discard(struct request *request);

/* arrival.c. The client has left after its body: whoever works on it will answer into the void.
 * Loop.
 */
void request_mark_gone(struct request *request);
/* Copies the head, and what was taken from it, into the arena: it outlives the exchange then. Loop.
 */
void request_keep_head(struct request *request);

/* upload.c. Loop: instead of waiting for the whole body. */
void upload_begin(struct request *request);
/* Worker: all of it has been taken; is it what was signed? OP_FAILED with the fault. */
CHECK_RESULT int upload_end(struct request *request);
void upload_done(struct request *request);

/* stream.c. Loop. */
extern const struct op_stream request_stream;
void stream_finish(struct request *request, int rc); /* op_finish of an answer that was begun */
