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
 * The instance is hostile: sizes, types, order and seq are checked on every frame; a violation
 * ends the instance. */
#include <stdint.h>

enum { FRAME_HEADER_SIZE = 12 };

enum frame_type {
    /* platform -> instance */
    FRAME_INVOKE = 2,
    FRAME_SHUTDOWN = 3, /* finish; the process is killed soon after */

    /* instance -> platform */
    FRAME_READY = 16,      /* init done; payload empty */
    FRAME_INIT_ERROR = 17, /* payload: AWS's error object; the instance then ends */
    FRAME_RESPONSE = 18,   /* payload: the result, JSON */
    FRAME_ERROR = 19,      /* payload: AWS's error object {errorMessage, errorType, …} */
};
