#pragma once
/* The framed fast path between the platform and the bootstraps that ship with Virga, over an
 * inherited stream socket (descriptor 3): 12 us a call where HTTP costs 60 to 200.
 *
 * Every frame: 12 bytes header, then `size` bytes of payload. All numbers little-endian.
 *
 *     0  u32 size      bytes that follow the header
 *     4  u8  type      FRAME_*
 *     5  u8  flags     0
 *     6  u16 zero
 *     8  u32 seq       of the invocation; answers carry the seq they answer; 0 outside of one
 *
 * INVOKE payload: i64 deadline (UTC ms), then five strings, each u16 length and bytes: request id,
 * function ARN as invoked, trace id, client context (JSON), Cognito identity (JSON); empty means
 * absent; the rest is the event. One invocation at a time: the next INVOKE follows the answer.
 *
 * The answer is one RESPONSE or ERROR. A streamed one comes before it in pieces:
 *
 *     STREAM_HEAD  STREAM_CHUNK...  STREAM_END  RESPONSE (empty)
 *
 * STREAM_END says that the body is whole and may be closed towards the caller; the handler may work
 * on until the RESPONSE, which ends the invocation. An ERROR in place of the END is AWS's error in
 * the middle of a stream: its type and the object in base64 are what an official client sends in
 * the trailers Lambda-Runtime-Function-Error-Type and -Body. An ERROR after the END is the failure
 * of a handler whose body the caller already has. An ERROR without a HEAD is an ordinary one.
 *
 * LAST, anywhere before the RESPONSE or ERROR, announces that the process ends after it: it must
 * be given nothing more. (Node: an exception that no handler has caught.)
 *
 * The instance is hostile: sizes, types, order and seq are checked on every frame; a violation
 * ends the instance. */
#include "base/buf.h"
#include "base/err.h"

enum {
    FRAME_HEADER_SIZE = 12,
    FRAME_CHUNK_MAX = 64 * 1024, /* of STREAM_HEAD and STREAM_CHUNK */
    FRAME_REASON_MAX = 4096,     /* of SNAPSHOT */
};

enum frame_type {
    /* platform -> instance */
    FRAME_INVOKE = 2,
    FRAME_SHUTDOWN = 3, /* finish; the process is killed soon after */
    FRAME_RESTORE = 4,  /* first frame of a restored copy: NAME=value, NUL, … of this instance */

    /* instance -> platform */
    FRAME_READY = 16,        /* init done; payload empty */
    FRAME_INIT_ERROR = 17,   /* payload: AWS's error object; the instance then ends */
    FRAME_RESPONSE = 18,     /* payload: the result, JSON */
    FRAME_ERROR = 19,        /* payload: AWS's error object {errorMessage, errorType, …} */
    FRAME_BOOTED = 20,       /* the language runs, the user's code comes next; payload empty */
    FRAME_STREAM_HEAD = 21,  /* payload: the content type */
    FRAME_STREAM_CHUNK = 22, /* payload: bytes of the body, not none */
    FRAME_STREAM_END = 23,   /* payload empty */
    FRAME_LAST = 24,         /* payload empty */
    FRAME_SNAPSHOT = 25, /* of a template, its last: why there is no image, empty: it is written */
};

struct frame {
    enum frame_type type;
    uint32_t size;
    uint32_t seq;
};

void frame_header(unsigned char out[FRAME_HEADER_SIZE], enum frame_type type, uint32_t size,
                  uint32_t seq);

struct frame_invoke {
    int64_t deadline_ms; /* UTC */
    struct str request_id, invoked_arn, trace_id, client_context, cognito_identity;
    size_t event_size;
};

/* Appends header and everything of an INVOKE but the event itself, which the caller sends from
 * where it lies. errors: -E2BIG a text over 64 kB or an event over 4 GB; out is unchanged. */
CHECK_RESULT int frame_invoke_put(struct buf *out, const struct frame_invoke *invoke, uint32_t seq,
                                  struct err *err);

/* Takes apart what an instance sends. The payload goes to a buffer of the caller's, without a
 * copy when it is large; a payload over the buffer's limit is counted and thrown away, since AWS
 * answers those with an error of their own. A reader is a value: no memory of its own. */
struct frame_reader {
    unsigned char header[FRAME_HEADER_SIZE];
    size_t header_len;
    struct frame frame;  /* valid once the header is complete */
    size_t missing;      /* payload bytes that have not come yet */
    struct buf *payload; /* borrowed: the caller sets it and empties it between frames */
    bool is_oversize;    /* the payload of this frame is being thrown away */
};

enum frame_step {
    FRAME_NEEDS_MORE,
    FRAME_IS_WHOLE, /* frame and payload are there; the next feed begins a new frame */
};

/* Consumes bytes up to the end of one frame; *bytes becomes the rest. Returns an enum frame_step;
 * -EPROTO: not a frame that an instance may send. */
CHECK_RESULT int frame_feed(struct frame_reader *reader, struct str *bytes, struct err *err);

/* Where the next bytes of a payload may be read to directly, and how many; NULL: use frame_feed.
 * Call frame_fed with the number that was read. */
char *frame_room(struct frame_reader *reader, size_t *out_size);
enum frame_step frame_fed(struct frame_reader *reader, size_t size);
