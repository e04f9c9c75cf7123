/* Frames over an inherited stream socket: a header of 12 bytes (size, type, flags, seq, all
 * little-endian), then the payload; Virga's src/runtime/frame.h describes them. One recvmsg and one
 * sendmsg a call.
 *
 * The texts of an INVOKE stand in the payload behind two bytes of length each. They are moved one
 * byte to the front, over their length, which makes room for a NUL behind each: no copies. */
#include "lambda_int.h"

#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    HEADER_SIZE = 12,
    CHUNK_MAX = 64 * 1024,

    INVOKE = 2,
    READY = 16,
    INIT_ERROR = 17,
    RESPONSE = 18,
    ERROR = 19,
    STREAM_HEAD = 21,
    STREAM_CHUNK = 22,
    STREAM_END = 23,
};

/* A process has one platform. */
static struct {
    int fd;
    uint32_t seq;
    struct bytes input; /* what has come and is not taken yet */
    size_t taken;       /* bytes of it that the running invocation lies in */
    char behind;        /* the byte behind it, while a NUL stands there */
} frames;

/* ---- numbers ---- */

static uint64_t get_le(const char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | (unsigned char) at[i];
    return value;
}

static void put_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char) (value >> (8 * i));
}

/* ---- out ---- */

static void send_frame(int type, uint32_t seq, const char *payload, size_t size)
{
    if (size > UINT32_MAX)
        lambda_die("an answer of %zu bytes", size);
    char header[HEADER_SIZE] = {0};
    put_u32(header, (uint32_t) size);
    header[4] = (char) type;
    put_u32(header + 8, seq);
    struct iovec parts[2] = {{header, sizeof header}, {(void *) (uintptr_t) payload, size}};
    if (!socket_send(frames.fd, parts, size > 0 ? 2 : 1))
        _exit(1); /* the platform has gone: nobody to tell */
}

static void ready(void)
{
    send_frame(READY, 0, NULL, 0);
}

static void answer(struct lambda_state *state, const char *body, size_t size)
{
    (void) state;
    send_frame(RESPONSE, frames.seq, body, size);
}

static void fail(struct lambda_state *state)
{
    send_frame(ERROR, frames.seq, state->error.ptr, state->error.len);
}

static void init_fail(struct lambda_state *state)
{
    send_frame(INIT_ERROR, 0, state->error.ptr, state->error.len);
}

static void stream_begin(struct lambda_state *state, const char *content_type)
{
    (void) state;
    size_t size = strlen(content_type);
    send_frame(STREAM_HEAD, frames.seq, content_type, size < CHUNK_MAX ? size : CHUNK_MAX);
}

static void stream_write(struct lambda_state *state, const char *body, size_t size)
{
    (void) state;
    while (size > 0) {
        size_t piece = size < CHUNK_MAX ? size : CHUNK_MAX;
        send_frame(STREAM_CHUNK, frames.seq, body, piece);
        body += piece;
        size -= piece;
    }
}

static void stream_end(struct lambda_state *state)
{
    (void) state;
    send_frame(STREAM_END, frames.seq, NULL, 0);
    send_frame(RESPONSE, frames.seq, NULL, 0);
}

/* ---- in ---- */

/* Forgets the last invocation; what came behind it stays. */
static void drop_taken(void)
{
    struct bytes *input = &frames.input;
    if (frames.taken == 0)
        return;
    if (frames.taken == input->len) {
        bytes_reset(input);
    } else {
        input->ptr[frames.taken] = frames.behind;
        input->len -= frames.taken;
        memmove(input->ptr, input->ptr + frames.taken, input->len);
    }
    frames.taken = 0;
}

/* Takes the text at *at, see above; the rest is left_size bytes. */
static const char *take_text(char **at, size_t *left_size)
{
    size_t size = *left_size < 2 ? SIZE_MAX : (size_t) get_le(*at, 2);
    if (size > *left_size || size + 2 > *left_size)
        lambda_die("an invocation that is cut short");
    char *text = *at + 1;
    memmove(text, *at + 2, size);
    text[size] = '\0';
    *at += size + 2;
    *left_size -= size + 2;
    return text;
}

static void take_invoke(struct lambda_call *call, char *payload, size_t size)
{
    if (size < 8)
        lambda_die("an invocation that is cut short");
    call->deadline_ms = (int64_t) get_le(payload, 8);
    payload += 8;
    size -= 8;
    call->request_id = take_text(&payload, &size);
    call->invoked_function_arn = take_text(&payload, &size);
    call->trace_id = take_text(&payload, &size);
    call->client_context = take_text(&payload, &size);
    call->cognito_identity = take_text(&payload, &size);
    call->event = payload;
    call->event_size = size;
}

static bool next(struct lambda_state *state)
{
    drop_taken();
    if (!socket_fill(frames.fd, &frames.input, HEADER_SIZE))
        return false;
    size_t size = (size_t) get_le(frames.input.ptr, 4);
    if (!socket_fill(frames.fd, &frames.input, HEADER_SIZE + size) || frames.input.ptr[4] != INVOKE)
        return false; /* the end, or SHUTDOWN */
    char *header = frames.input.ptr;
    frames.seq = (uint32_t) get_le(header + 8, 4);
    frames.taken = HEADER_SIZE + size;
    frames.behind = header[frames.taken]; /* the room is there, see socket_fill */
    header[frames.taken] = '\0';
    take_invoke(&state->call, header + HEADER_SIZE, size);
    return true;
}

const struct lambda_link *frames_open(int fd)
{
    static const struct lambda_link link = {
        .ready = ready,
        .next = next,
        .answer = answer,
        .fail = fail,
        .stream_begin = stream_begin,
        .stream_write = stream_write,
        .stream_end = stream_end,
        .stream_fail = fail,
        .init_fail = init_fail,
    };
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        lambda_die("VIRGA_RUNTIME_FD: descriptor %d is not open", fd);
    frames.fd = fd;
    return &link;
}
